"""Recall@k, MRR and mAP of collections: by hand, and against figures that others recorded."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mmsearch import Collection
from mmsearch.cli.hints import explained_error
from mmsearch.errors import Hint, HintKind, UsageError
from mmsearch.retrieval.encoders.level_fits import LevelFit, Logistic
from mmsearch.retrieval.evaluation.level_fitting import ANSWERED_SHARE
from mmsearch.retrieval.evaluation.pairs import read_pairs
from mmsearch.retrieval.evaluation.scores import DirectionScores
from mmsearch.retrieval.store.writer import open_writer


def write_pairs(path: Path, *lines: dict) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


# --- pairs -----------------------------------------------------------------------------------------------------


def test_paths_of_pairs_are_relative_to_their_file(tmp_path):
    path = write_pairs(
        tmp_path / "pairs.jsonl",
        {"query": "a dog", "relevant": ["images/1.jpg", "../2.jpg", "/abs/3.jpg"]},
        {"query_file": "4.jpg", "relevant": ["images/1.jpg", "./images/1.jpg"], "spans": [[0, 1]]},
    )
    first, second = read_pairs(path)
    folder = os.fsencode(tmp_path)
    assert first.relevant == (folder + b"/images/1.jpg", os.path.dirname(folder) + b"/2.jpg", b"/abs/3.jpg")
    assert (second.query, second.query_file) == (None, folder + b"/4.jpg")
    assert second.relevant == (folder + b"/images/1.jpg",)


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "[]",
        "7",
        '{"query": "a dog"}',
        '{"query": "a dog", "relevant": [], "spans": [[0, 1]]}',
        '{"relevant": ["1.jpg"]}',
        '{"query": "a", "query_file": "b", "relevant": ["1.jpg"]}',
        '{"query": "a", "relevant": 5}',
        '{"query": "a", "relevant": [5]}',
    ],
)
def test_a_line_that_is_no_pair_is_named_by_its_number(tmp_path, line):
    path = tmp_path / "pairs.jsonl"
    path.write_text('{"query": "a dog", "relevant": ["1.jpg"]}\n\n' + line + "\n")
    with pytest.raises(UsageError, match=r"pairs\.jsonl line 3 is no pair; a line looks like"):
        read_pairs(path)


@pytest.mark.parametrize("text", ["", "\n\n"])
def test_a_file_without_pairs_is_wrong_use(tmp_path, text):
    path = tmp_path / "pairs.jsonl"
    path.write_text(text)
    with pytest.raises(UsageError, match="holds no pairs"):
        read_pairs(path)


def test_a_query_that_nothing_answers_has_an_empty_list(tmp_path):
    path = write_pairs(tmp_path / "pairs.jsonl", {"query": "a", "relevant": ["1"]}, {"query": "b", "relevant": []})
    assert [pair.relevant for pair in read_pairs(path)][1] == ()


def test_a_file_of_queries_that_nothing_answers_is_wrong_use(tmp_path):
    path = write_pairs(tmp_path / "pairs.jsonl", {"query": "a zebra", "relevant": []})
    with pytest.raises(UsageError, match="names no file that answers one of its queries"):
        read_pairs(path)


def test_pairs_that_cannot_be_read_are_one_clear_line(tmp_path):
    with pytest.raises(UsageError, match="cannot read"):
        read_pairs(tmp_path / "none.jsonl")


# --- a collection by hand --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def dial(tmp_path_factory: pytest.TempPathFactory) -> Collection:
    """Pictures 0 to 11 at the hours of a dial, and texts t0 to t11 a little later: cosines can be told by hand."""
    folder = tmp_path_factory.mktemp("dial")
    made = Collection.create(folder / "c.mms", model=None)
    for modality, prefix, late in (("image", "", 0.0), ("text", "t", 0.1)):
        angles = np.arange(12) * (2 * np.pi / 12) + late
        made.add(
            np.stack([np.cos(angles), np.sin(angles)], axis=1),
            paths=[folder / f"{prefix}{hour}" for hour in range(12)],
            modality=modality,
            space="dial",
        )
    return made


def by_name(scores) -> dict[tuple[str, str], DirectionScores]:
    return {(s.direction, s.via): s for s in scores.directions}


def test_recall_mrr_and_map_of_a_case_done_by_hand(dial):
    pairs = write_pairs(
        dial.root.parent / "pairs.jsonl",
        {"query_file": "t3", "relevant": ["3"]},  # rank 1
        {"query_file": "t0", "relevant": ["1"]},  # rank 2: after 0, before 11
        {"query_file": "t6", "relevant": ["7", "5"]},  # ranks 2 and 3
        {"query_file": "t9", "relevant": ["3"]},  # rank 12: right opposite
    )
    scores = by_name(dial.evaluate(pairs))
    assert set(scores) == {("text → image", "brute force"), ("text → image", "index")}
    for via in ("brute force", "index"):
        found = scores["text → image", via]
        assert (found.queries, found.pool) == (4, 12)
        assert found.recall == {1: 0.25, 5: 0.75, 10: 0.75}
        assert found.mrr == pytest.approx((1 + 1 / 2 + 1 / 2 + 1 / 12) / 4)
        assert found.map == pytest.approx((1 + 1 / 2 + (1 / 2 + 2 / 3) / 2 + 1 / 12) / 4)


def test_the_query_file_does_not_answer_its_own_question(dial):
    pairs = write_pairs(dial.root.parent / "own.jsonl", {"query_file": "4", "relevant": ["5"]})
    found = by_name(dial.evaluate(pairs))["image → image", "brute force"]
    assert found.recall[1] == 0.0  # 3 and 5 tie, and a tie counts as the worst rank
    assert found.mrr == pytest.approx(1 / 2, abs=1e-9)


def test_a_pool_of_pairs_ranks_only_what_the_pairs_name(dial):
    pairs = write_pairs(
        dial.root.parent / "few.jsonl",
        {"query_file": "t9", "relevant": ["3"]},
        {"query_file": "t0", "relevant": ["1"]},
    )
    found = by_name(dial.evaluate(pairs, pool="pairs"))["text → image", "brute force"]
    assert found.pool == 2
    assert found.recall == {1: 0.5, 5: 1.0, 10: 1.0}
    with pytest.raises(UsageError, match="no pool 'all'"):
        dial.evaluate(pairs, pool="all")


def test_files_that_are_not_in_the_collection_are_missed_and_that_is_said(dial):
    pairs = write_pairs(
        dial.root.parent / "unknown.jsonl",
        {"query_file": "t3", "relevant": ["3", "nowhere", "lost"]},
        {"query_file": "t4", "relevant": ["nowhere"]},
    )
    scores = dial.evaluate(pairs)
    assert "not in the collection: 2 files of the pairs" in str(scores.notices[0])
    found = by_name(scores)["text → image", "brute force"]
    assert (found.queries, found.recall[10]) == (2, 0.5)
    assert found.map == pytest.approx((1 / 3 + 0) / 2)


def test_relevant_files_are_sought_each_in_its_own_modality(dial):
    pairs = write_pairs(dial.root.parent / "both.jsonl", {"query_file": "t3", "relevant": ["3", "t2"]})
    scores = by_name(dial.evaluate(pairs))
    assert scores["text → image", "brute force"].map == 1.0
    assert scores["text → text", "brute force"].recall[1] == 0.0
    assert scores["text → text", "brute force"].recall[5] == 1.0


def test_queries_that_nothing_answers_count_in_no_recall_and_score_the_levels(dial):
    lines = [{"query_file": "t3", "relevant": ["3"]}, {"query_file": "t4", "relevant": ["4"]}]
    without = dial.evaluate(write_pairs(dial.root.parent / "without.jsonl", *lines))
    absent = {"query_file": "t9", "relevant": []}
    scores = dial.evaluate(write_pairs(dial.root.parent / "with.jsonl", *lines, absent))
    assert scores.directions == without.directions
    assert without.levels == ()
    (levels,) = scores.levels
    assert (levels.direction, levels.answerable, levels.absent) == ("text → image", 2, 1)
    assert (levels.source, levels.quality) == (None, None), "vectors made elsewhere: no levels are known"
    assert scores.to_json()["levels"][0]["auroc"] is None


def test_the_file_that_asks_is_not_its_own_answer_when_levels_are_scored(dial, tmp_path):
    made = Collection.open(shutil.copytree(dial.root, tmp_path / "c.mms"))
    fit = LevelFit(Logistic(10, 0, 0, -5), Logistic(0, 0, 0, 0), "pairs")
    with open_writer(made.root) as writer:
        writer.publish(replace(writer.manifest, level_fits={made.space.key: {"image → image": fit.to_json()}}))
    made.reopen()
    lines = ({"query_file": "4", "relevant": ["5"]}, {"query_file": "9", "relevant": []})
    (levels,) = made.evaluate(write_pairs(dial.root.parent / "own levels.jsonl", *lines)).levels
    stated = 1 / (1 + np.exp(5 - 10 * np.cos(np.pi / 6)))  # the next hour of the dial is the best row
    assert levels.quality.ece == pytest.approx(stated - ANSWERED_SHARE, abs=1e-3)


def test_levels_of_mini_are_scored_as_they_were_measured(gallery):
    folder = Path(gallery.manifest.roots[0])
    pairs = write_pairs(
        folder.parent / "levels.jsonl",
        {"query": "a red disc", "relevant": ["photos/disc.png"]},
        {"query": "xkcd qqqq zvw", "relevant": []},
    )
    (levels,) = gallery.evaluate(pairs).levels
    assert (levels.source, levels.model, levels.absent) == ("catalogue", "mini", 1)
    assert levels.quality is not None
    assert levels.quality.auroc in (0.0, 0.5, 1.0)
    assert 0 <= levels.quality.ece <= 1


def test_pairs_of_another_collection_are_wrong_use(dial, tmp_path):
    pairs = write_pairs(tmp_path / "pairs.jsonl", {"query_file": "a", "relevant": ["b"]})
    with pytest.raises(UsageError, match="no file that .* names is in the collection") as error:
        dial.evaluate(pairs)
    assert error.value.hint == Hint(HintKind.INDEX_FOLDER, str(tmp_path))
    assert "is in the collection; `mmsearch index" in explained_error(error.value)


def test_words_cannot_be_embedded_without_a_model(dial):
    pairs = write_pairs(dial.root.parent / "words.jsonl", {"query": "noon", "relevant": ["0"]})
    with pytest.raises(UsageError, match="has no model here"):
        dial.evaluate(pairs)


# --- a collection of files -------------------------------------------------------------------------------------


def test_pairs_of_words_are_scored_in_both_directions(gallery):
    folder = Path(gallery.manifest.roots[0])
    pairs = write_pairs(
        folder.parent / "pairs.jsonl",
        {"query": "a red disc", "relevant": ["photos/disc.png"]},
        {"query": "something round", "relevant": ["photos/disc.png", "photos/rings.jpg"]},
        {"query": "A loaf of rye bread cools on the kitchen table.", "relevant": ["photos/bread.md"]},
    )
    scores = gallery.evaluate(pairs)
    assert scores.space == gallery.space.key
    counts = {(s.direction, s.via, s.queries, s.pool) for s in scores.directions}
    assert counts == {
        ("text → image", "brute force", 2, 8),
        ("text → image", "index", 2, 8),
        ("image → text", "brute force", 2, 2),
        ("image → text", "index", 2, 2),
        ("text → text", "brute force", 1, 2),
        ("text → text", "index", 1, 2),
        ("text → query", "brute force", 1, 1),
        ("text → query", "index", 1, 1),
    }
    assert all(s.recall[1] == 1.0 for s in scores.directions if s.direction.startswith("text → ") and s.pool < 3)
    assert all(s.recall[5] == 1.0 for s in scores.directions if s.direction == "image → text")
    told = scores.to_json()["scores"][0]
    assert list(told) == ["direction", "model", "via", "R@1", "R@5", "R@10", "MRR", "mAP", "queries", "pool"]


def test_removed_files_are_no_part_of_the_pool(photos, collection, tmp_path):
    pairs = write_pairs(tmp_path / "pairs.jsonl", {"query": "a disc", "relevant": ["photos/disc.png"]})
    assert by_name(collection.evaluate(pairs))["text → image", "brute force"].pool == 8
    collection.remove([photos / "grid.png"])
    assert by_name(collection.evaluate(pairs))["text → image", "brute force"].pool == 7


# --- figures that others recorded ------------------------------------------------------------------------------


@pytest.mark.shared
def test_mini_has_the_recall_on_flickr8k_dev500_that_its_card_states(shared, tmp_path):
    data = shared / "data" / "dev" / "flickr8k_dev500"
    photos = Collection.create(tmp_path / "c.mms", model="mini")
    assert photos.index([data / "images"]).indexed == 500
    scores = by_name(photos.evaluate(data / "pairs.jsonl"))
    for via in ("brute force", "index"):
        forth, back = scores["text → image", via], scores["image → text", via]
        assert (forth.queries, forth.pool, back.queries) == (2500, 500, 500)
        assert forth.recall == pytest.approx({1: 0.377, 5: 0.686, 10: 0.794}, abs=0.005)
        assert back.recall[10] == pytest.approx(0.852, abs=0.005)


RECORDED = (
    "amazon_products_997",
    "fashion_searchengine_99",
    "fashion_shopsphere_1126",
    "fashion_stbi_1000",
    "photos_memorylens_290",
)


@pytest.mark.shared
@pytest.mark.parametrize("name", RECORDED)
def test_recorded_clip_vectors_give_the_recall_that_was_recorded_with_them(shared, tmp_path, name):
    data = shared / "data" / "dev" / "recorded_clip"
    images, texts = np.load(data / name / "image.npy"), np.load(data / name / "text.npy")
    made = Collection.create(tmp_path / "c.mms", model=None, index="ivfpq")
    for modality, vectors in (("image", images), ("text", texts)):
        names = [tmp_path / f"{modality}{row}" for row in range(len(vectors))]
        made.add(vectors, paths=names, modality=modality, space="recorded clip")
    lines = [json.loads(line) for line in (data / name / "pairs.jsonl").read_text().splitlines()]
    pairs = write_pairs(
        tmp_path / "pairs.jsonl",
        *[
            {"query_file": f"text{line['query_row']}", "relevant": [f"image{row}" for row in line["relevant_rows"]]}
            for line in lines
        ],
    )
    scores = by_name(made.evaluate(pairs))
    figures = json.loads((data / "checks.json").read_text())[name]["t2i_float16_pairs_file"]
    recorded = {k: figures[f"R@{k}"] for k in (1, 5, 10)}
    assert scores["text → image", "brute force"].recall == pytest.approx(recorded, abs=0.002)
    assert made.manifest.indexes, "the second way goes through an index"
    assert scores["text → image", "index"].recall == pytest.approx(recorded, abs=0.01)
