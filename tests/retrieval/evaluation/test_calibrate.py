"""`Collection.calibrate`: level fits of a collection's own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mmsearch import Collection, NoticeKind, UsageError
from mmsearch.retrieval.encoders.level_fits import LevelFit
from mmsearch.retrieval.evaluation import calibrate
from mmsearch.retrieval.evaluation.level_fitting import fit_levels


@pytest.fixture
def made(world, tmp_path: Path) -> Collection:
    return world.collection(tmp_path / "c.mms")


def pairs(folder: Path, queries: int, absent: int) -> Path:
    lines = [{"query": f"t{i}", "relevant": [f"p{i}"]} for i in range(queries)]
    lines += [{"query": f"s{i}", "relevant": []} for i in range(absent)]
    path = folder / "pairs.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def fits(collection: Collection) -> dict[str, LevelFit]:
    """The stored fits of the one space, read anew from the disk."""
    manifest = Collection.open(collection.root).manifest
    return {name: LevelFit.from_json(fit) for stored in manifest.level_fits.values() for name, fit in stored.items()}


def test_pairs_give_hits_of_an_unknown_model_their_levels(world, made, tmp_path):
    before = made.search("t150", to=["image"], k=1)[0]
    assert before.level is None
    made.calibrate(pairs(tmp_path, 100, 50))
    assert fits(made)["text → image"].source == "pairs"
    assert made.search("t150", to=["image"], k=1)[0].level == "strong"
    assert made.search("s55", to=["image"], k=1)[0].level == "nothing"
    assert made.search(world.ASKED[150], k=1)[0].level is None, "a vector has no direction"


def test_the_report_states_held_out_figures_before_and_after(made, tmp_path):
    path = pairs(tmp_path, 100, 50)
    (first,) = made.calibrate(path).directions
    assert (first.direction, first.source, first.queries, first.absent, first.rows) == (
        *("text → image", "pairs", 100, 50, 200),
    )
    assert first.before is None
    assert first.after.auroc > 0.97
    assert first.after.ece < 0.1
    (second,) = made.calibrate(path).directions
    assert second.before is not None
    assert second.to_json()["before"]["auroc"] > 0.97


def test_figures_are_of_halves_that_share_neither_queries_nor_answers_and_the_fit_is_of_all(
    made, tmp_path, monkeypatch
):
    learned = []

    def watched(queries, rows, right, absent, **options):
        learned.append(({tuple(q) for q in queries}, {int(r[0]) for r in right}, {tuple(q) for q in absent}))
        return fit_levels(queries, rows, right, absent, **options)

    monkeypatch.setattr(calibrate, "fit_levels", watched)
    lines = [{"query": f"t{i}", "relevant": [f"p{i // 2}"]} for i in range(80)]
    lines += [{"query": f"s{i}", "relevant": []} for i in range(30)]
    path = tmp_path / "pairs.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    made.calibrate(path)
    first, second, everything = learned
    for one, other, both, size in zip(first, second, everything, (80, 40, 30), strict=True):
        assert not one & other
        assert one | other == both
        assert len(both) == size
        assert min(len(one), len(other)) >= size // 2 - 1


@pytest.mark.parametrize(
    ("queries", "absent", "said"),
    [
        (19, 30, "text → image needs 20 queries with an answer, there are 19"),
        (30, 19, "text → image needs 20 queries without an answer, or none, there are 19"),
    ],
)
def test_too_few_pairs_are_one_line_and_nothing_is_stored(made, tmp_path, queries, absent, said):
    with pytest.raises(UsageError, match=said):
        made.calibrate(pairs(tmp_path, queries, absent))
    assert fits(made) == {}


def test_pairs_without_absent_queries_are_enough(made, tmp_path):
    (done,) = made.calibrate(pairs(tmp_path, 60, 0)).directions
    assert (done.queries, done.absent, done.source) == (60, 0, "pairs")
    assert made.search("s55", to=["image"], k=1)[0].level in ("weak", "nothing")


def test_without_pairs_the_contents_tell(made, tmp_path):
    image, text = made.calibrate().directions
    assert (image.direction, image.source, image.absent) == ("text → image", "contents", 0)
    assert (text.direction, text.source) == ("text → text", "contents")
    assert made.search("t150", to=["image"], k=1)[0].level in ("strong", "likely")
    assert made.search("s55", to=["image"], k=1)[0].level in ("weak", "nothing")


def test_contents_do_not_replace_what_pairs_have_told(made, tmp_path):
    made.calibrate(pairs(tmp_path, 60, 30))
    stored = fits(made)["text → image"]
    done = made.calibrate()
    assert [direction.direction for direction in done.directions] == ["text → text"]
    assert [notice.kind for notice in done.notices] == [NoticeKind.LEVELS_KEPT]
    assert fits(made)["text → image"] == stored
    assert "fitted on pairs" in str(done.notices[0])


def test_contents_do_not_replace_what_was_measured_for_the_model(gallery):
    done = gallery.calibrate()
    assert done.directions == ()
    assert {notice.values["source"] for notice in done.notices} == {"catalogue"}


def test_a_collection_that_tells_nothing_says_what_is_needed(world, tmp_path):
    made = Collection.create(tmp_path / "c.mms", model=None)
    made.add(world.SHOWN, paths=[tmp_path / f"p{i}" for i in range(300)], modality="image", space="made elsewhere")
    with pytest.raises(UsageError, match="no levels were fitted: text → image needs 20 texts that are the nearest"):
        made.calibrate()
    assert fits(made) == {}


def test_the_fits_of_other_directions_stay(made, tmp_path):
    made.calibrate(pairs(tmp_path, 60, 30))
    lines = [{"query_file": f"p{i}", "relevant": [f"t{i}"]} for i in range(40)]
    path = tmp_path / "back.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    (done,) = made.calibrate(path).directions
    assert done.direction == "image → text"
    assert set(fits(made)) == {"text → image", "image → text"}


def test_status_says_where_levels_come_from(made, tmp_path):
    def levels() -> dict[str, dict[str, str | None]]:
        return {part.modality: part.levels for part in made.status().modalities}

    assert levels() == {"image": {"text": None}, "text": {"text": None}}
    made.calibrate()
    assert levels()["image"] == {"text": "contents"}
    made.calibrate(pairs(tmp_path, 60, 30))
    assert levels()["image"] == {"text": "pairs"}


def test_removed_rows_are_neither_asked_nor_answers(made, tmp_path):
    path = pairs(tmp_path, 60, 30)
    made.remove([tmp_path / f"p{i}" for i in range(30)])
    done = made.calibrate(path)
    (direction,) = done.directions
    assert (direction.queries, direction.rows) == (30, 170)
    assert [notice.kind for notice in done.notices] == [NoticeKind.PAIRS_NOT_INDEXED]


def test_pairs_of_other_files_are_wrong_use(made, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    with pytest.raises(UsageError, match="no levels were fitted: missed, for they are not in the collection: 30 files"):
        made.calibrate(pairs(tmp_path / "elsewhere", 30, 0))


def test_words_need_a_model(world, tmp_path):
    made = Collection.create(tmp_path / "c.mms", model=None)
    made.add(world.SHOWN, paths=[tmp_path / f"p{i}" for i in range(300)], modality="image", space="made elsewhere")
    with pytest.raises(UsageError, match="has no model here"):
        made.calibrate(pairs(tmp_path, 30, 0))
