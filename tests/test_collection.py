"""The library's one big door, from making a collection to asking it while another process writes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import mmsearch
from mmsearch import Collection, IngestOptions, Space
from mmsearch.cli.hints import explained_error
from mmsearch.errors import CollectionDamagedError, HintKind, MMSearchError, SpaceMismatchError, UsageError
from mmsearch.retrieval.encoders.mini.encoder import MiniEncoder

# --- making and opening ----------------------------------------------------------------------------------------


def test_the_public_names_are_there_and_nothing_else():
    for name in mmsearch.__all__:
        assert getattr(mmsearch, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = mmsearch.Nothing


def test_a_new_collection_is_empty_and_answers_nothing(empty):
    assert Collection.exists(empty.root)
    assert empty.space.model == "mini"
    assert empty.search("anything") == []
    status = empty.status()
    assert (status.model, status.modalities, status.roots) == ("mini", [], [])


@pytest.mark.parametrize("there", ["a collection", "other files", "a file"])
def test_a_collection_is_not_made_where_something_is(tmp_path, there):
    path = tmp_path / "c.mms"
    if there == "a collection":
        Collection.create(path, model="mini")
    elif there == "other files":
        path.mkdir()
        (path / "letter.txt").write_text("Dear reader,")
    else:
        path.write_text("not a folder")
    with pytest.raises(UsageError, match=r"c\.mms"):
        Collection.create(path, model="mini")


def test_a_collection_is_made_in_an_empty_folder_or_a_new_one_below_new_ones(tmp_path):
    (tmp_path / "empty").mkdir()
    Collection.create(tmp_path / "empty", model="mini")
    Collection.create(tmp_path / "a" / "b" / "c.mms", model="mini")


@pytest.mark.parametrize(
    ("settings", "said"), [({"recall": 0.0}, "recall"), ({"recall": 1.5}, "recall"), ({"index": "IVFF8"}, "IVFF8")]
)
def test_settings_that_make_no_sense_are_wrong_use_and_leave_nothing(tmp_path, settings, said):
    with pytest.raises(UsageError, match=said):
        Collection.create(tmp_path / "c.mms", model="mini", **settings)
    assert not (tmp_path / "c.mms").exists()


def test_where_no_collection_is_that_is_said(tmp_path):
    assert not Collection.exists(tmp_path)
    with pytest.raises(MMSearchError, match="no collection at"):
        Collection.open(tmp_path)


def test_a_collection_is_a_context_manager_and_empty_when_closed(photos, collection):
    with Collection.open(collection.root) as opened:
        assert len(opened.search("x")) == 10
    with pytest.raises(UsageError):
        opened.search("x")


# --- indexing --------------------------------------------------------------------------------------------------


def test_a_report_has_the_fields_of_the_contract(photos, empty):
    told = empty.index([photos], workers=1).to_json()
    assert {"found", "indexed", "unchanged", "moved", "removed", "skipped", "seconds", "stages"} <= set(told)
    assert {"scan", "encode", "write", "index"} <= set(told["stages"])


def test_only_the_modalities_asked_for_are_indexed(photos, empty):
    report = empty.index([photos], workers=1, only=("text",))
    assert report.indexed == 2
    assert len(report.skipped) == 8
    assert {hit.modality for hit in empty.search("x", k=20)} == {"text"}


@pytest.mark.parametrize("options", [{"workers": 0}, {"batch": 0}, {"only": ("smell",)}])
def test_options_that_make_no_sense_are_wrong_use(photos, empty, options):
    with pytest.raises(UsageError):
        empty.index([photos], **options)


def test_a_long_text_is_split_into_passages_each_a_hit_of_its_own(tmp_path, empty):
    text = "\n\n".join(
        f"Chapter {n}. " + f"The {word} is what this chapter tells of. " * 30 for n, word in enumerate(WORDS)
    )
    (tmp_path / "book.txt").write_text(text)
    report = empty.index([tmp_path / "book.txt"], workers=1)
    assert report.indexed == 1
    assert report.rows >= len(WORDS)
    for word in WORDS:
        hit = empty.search(f"the {word}", k=1)[0]
        assert word in hit.text
        assert text[int(hit.span.start) : int(hit.span.end)] == hit.text


WORDS = ["lighthouse", "volcano", "violin"]


def test_every_row_of_a_table_is_a_hit_of_its_own(tmp_path, empty):
    (tmp_path / "captions.csv").write_text("file,caption\n1.jpg,a red kite in the wind\n2.jpg,two old men play chess\n")
    report = empty.index([tmp_path / "captions.csv"], workers=1)
    assert (report.indexed, report.rows) == (1, 2)
    assert [(note.kind, "caption" in note.reason) for note in report.marked] == [("column", True)]
    hit = empty.search("a game of chess", k=1)[0]
    assert (hit.text, str(hit.span)) == ("two old men play chess", "row 2")


def test_roots_are_remembered_without_those_inside_others(photos, empty):
    (photos / "below").mkdir()
    (photos / "below" / "a.txt").write_text("Below.")
    empty.index([photos / "below"], workers=1)
    assert empty.manifest.roots == (str(photos / "below"),)
    empty.index([photos], workers=1)
    assert empty.manifest.roots == (str(photos),)


# --- removing --------------------------------------------------------------------------------------------------


def test_removing_forgets_files_and_leaves_them_where_they_are(photos, collection, paths_in):
    assert collection.remove([photos / "disc.png", photos / "bread.md"]) == 2
    assert len(paths_in(collection)) == 8
    assert (photos / "disc.png").exists()
    assert collection.remove([photos]) == 8
    assert collection.search("x") == []
    assert collection.manifest.roots == ()
    assert collection.index([photos], workers=1).indexed == 10


@pytest.mark.parametrize("form", [Path, str, lambda path: [path], lambda path: (one for one in [path])])
def test_one_path_may_stand_alone_where_several_can_be_named(photos, empty, form):
    Collection.check_index(form(photos / "disc.png"))
    assert empty.index(form(photos / "disc.png")).indexed == 1
    assert empty.remove(form(photos / "disc.png")) == 1
    empty.add(unit(1, 256), paths=form(Path("one")), modality="image")
    empty.upsert(unit(1, 256), paths=form(Path("one")), modality="image")
    assert [record.path for record in empty] == ["one"]


def test_an_empty_path_does_not_stand_for_the_working_folder(photos, collection, monkeypatch):
    monkeypatch.chdir(photos)
    for change in (collection.index, collection.remove, Collection.check_index):
        for empty_path in ("", [""]):
            with pytest.raises(UsageError, match="a path is empty"):
                change(empty_path)
    assert len(collection) > 0


def test_removing_what_is_not_there_is_wrong_use_and_removes_nothing(photos, collection, paths_in):
    with pytest.raises(UsageError, match="nowhere is not in the collection; nothing was removed"):
        collection.remove([photos / "disc.png", photos / "nowhere"])
    assert len(paths_in(collection)) == 10


# --- vectors made elsewhere ------------------------------------------------------------------------------------


def unit(count: int, dim: int = 24) -> np.ndarray:
    vectors = np.random.default_rng(0).standard_normal((count, dim)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_vectors_made_elsewhere_are_stored_at_unit_length_and_found(tmp_path):
    made = Collection.create(tmp_path / "c.mms", model=None)
    vectors = unit(20) * np.linspace(0.1, 50, 20, dtype=np.float32)[:, None]
    ids = made.add(
        vectors,
        paths=[f"/pictures/{i}.jpg" for i in range(20)],
        modality="image",
        facts={"width": range(20), "note": [None] * 20},
        space="of a friend",
    )
    assert ids.tolist() == list(range(1, 21))
    for i in (0, 7, 19):
        hit = made.search(vectors[i] * 3, k=1)[0]
        assert (hit.id, hit.path, hit.width, hit.state) == (ids[i], f"/pictures/{i}.jpg", i, "none")
        assert hit.score == pytest.approx(1, abs=1e-3)
    with pytest.raises(UsageError, match="made elsewhere and has no model here; search it by a vector"):
        made.search("words")
    with pytest.raises(UsageError, match="made elsewhere: a model that is to embed files must be named") as error:
        made.index([tmp_path])
    assert error.value.hint.kind is HintKind.NAME_MODEL
    assert "name the model that is to embed files" in explained_error(error.value)


def test_vectors_of_a_collections_own_space_join_its_rows(collection):
    vector = collection.encoder().encode_texts(["a lighthouse in the fog"])
    collection.add(vector, paths=["/notes/1"], modality="text", texts=["a lighthouse in the fog"])
    hit = collection.search("a lighthouse in the fog", k=1, to=["text"])[0]
    assert (hit.path, hit.text) == ("/notes/1", "a lighthouse in the fog")
    assert hit.score > 0.999


GOOD = {"paths": ["/a", "/b"], "modality": "image", "space": "s"}


@pytest.mark.parametrize(
    ("vectors", "changes", "said"),
    [
        (np.array([[1, 0], [np.nan, 0]]), {}, "vector 1 has no direction"),
        (np.array([[0, 0], [1, 0]]), {}, "vector 0 has no direction"),
        (np.array([[1, 0], [np.inf, 0]]), {}, "vector 1 has no direction"),
        (np.ones(2), {}, r"an array \[n, dim\]"),
        (np.ones((2, 2, 2)), {}, r"an array \[n, dim\]"),
        (np.ones((3, 2)), {}, "3 vectors, but 2 values of path"),
        (np.ones((2, 2)), {"texts": ["one"]}, "2 vectors, but 1 values of passage"),
        (np.ones((2, 2)), {"facts": {"width": [1]}}, "2 vectors, but 1 values of width"),
        (np.ones((2, 2)), {"facts": {"colour": [1]}}, "2 vectors, but 1 values of colour"),
        (np.ones((2, 2)), {"facts": {"path": [b"x", b"y"]}}, "no column 'path' to fill"),
        (np.ones((2, 2)), {"facts": {"width": ["wide", "wider"]}}, "values of width do not fit int32"),
        (np.ones((2, 2)), {"modality": "smell"}, "no modality 'smell'"),
    ],
)
def test_vectors_that_cannot_be_stored_are_wrong_use_and_nothing_is_stored(tmp_path, vectors, changes, said):
    made = Collection.create(tmp_path / "c.mms", model=None)
    with pytest.raises(UsageError, match=said) as error:
        made.add(vectors, **{**GOOD, **changes})
    assert "\n" not in str(error.value)
    assert made.manifest.shards == ()


def test_no_vectors_at_all_are_no_error(tmp_path):
    made = Collection.create(tmp_path / "c.mms", model=None)
    assert made.add(np.empty((0, 4)), paths=[], modality="image", space="s").tolist() == []


# --- an approximate index --------------------------------------------------------------------------------------


def test_rows_added_after_an_index_was_built_are_found_and_a_larger_tail_becomes_a_segment(tmp_path):
    made = Collection.create(tmp_path / "c.mms", model=None, index="IVF4,SQ8")
    vectors = unit(1200)

    def add(start: int, stop: int) -> None:
        paths = [f"/{i}" for i in range(start, stop)]
        made.add(vectors[start:stop], paths=paths, modality="image", space="s")

    def finds(i: int) -> bool:
        return made.search(vectors[i], k=1)[0].path == f"/{i}"

    add(0, 400)
    (first,) = made.manifest.indexes
    add(400, 450)
    assert made.manifest.indexes == (first,)
    assert finds(10)
    assert finds(449)
    add(450, 1200)
    assert [entry.rows for entry in made.manifest.indexes] in ([400, 800], [1200])
    assert finds(10)
    assert finds(1199)
    status = made.status().modalities[0]
    assert (status.rows, status.index) == (1200, "IVF4,SQ8")
    assert 0 < status.recall["image"] <= 1


def test_filters_hold_through_an_approximate_index(tmp_path):
    made = Collection.create(tmp_path / "c.mms", model=None, index="IVF4,SQ8")
    vectors = unit(400)
    made.add(
        vectors,
        paths=[f"/{i}" for i in range(400)],
        modality="image",
        space="s",
        facts={"width": list(range(400))},
    )
    hits = made.search(vectors[0], k=10, where="width >= 395")
    assert {hit.path for hit in hits} == {f"/{i}" for i in range(395, 400)}


# --- other processes -------------------------------------------------------------------------------------------


def test_reopen_moves_to_what_another_process_has_committed(photos, collection):
    reader = Collection.open(collection.root)
    before = reader.search("a new text", k=20)
    (photos / "new.txt").write_text("A new text, written while you read.")
    code = f"import mmsearch; mmsearch.Collection.open({str(collection.root)!r}).index([{str(photos)!r}], workers=1)"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert [hit.id for hit in reader.search("a new text", k=20)] == [hit.id for hit in before]
    assert reader.reopen()
    assert len(reader.search("a new text", k=20)) == 11
    assert not reader.reopen()


def test_two_objects_over_one_collection_write_by_turns(photos, collection):
    other = Collection.open(collection.root)
    collection.remove([photos / "disc.png"])
    other.remove([photos / "grid.png"])
    collection.reopen()
    assert len(collection.search("x", k=20)) == 8


# --- another model ---------------------------------------------------------------------------------------------


class Backwards(MiniEncoder):
    """`mini` with its dimensions turned round: another space, and no download."""

    def __init__(self) -> None:
        super().__init__()
        self.space = Space("backwards", "w", "p", 256)

    def encode_texts(self, texts):
        return super().encode_texts(texts)[:, ::-1].copy()

    def encode_images(self, pixels):
        return super().encode_images(pixels)[:, ::-1].copy()


@pytest.fixture
def two_models(monkeypatch):
    """A catalogue of two: `mini` and `backwards`."""

    def load(name: str, *_, **__) -> MiniEncoder:
        return Backwards() if name == "backwards" else MiniEncoder()

    monkeypatch.setattr("mmsearch.retrieval.encoders.load.load_encoder", load)


@pytest.mark.usefixtures("two_models")
def test_another_model_grows_beside_the_old_one_which_is_dropped_last(photos, collection):
    old = collection.space
    seen = []

    def watch(progress):
        reader = Collection.open(collection.root)
        seen.append((reader.space.model, len(reader.search("x", k=20))))

    report = collection.index([photos], model="backwards", workers=1, watch=watch)
    assert report.indexed == 10
    assert set(seen) == {("mini", 10)}, "until the new space is complete the old one answers"
    assert collection.space.model == "backwards"
    assert list(collection.manifest.spaces) == [collection.space.key]
    assert len(collection.search("x", k=20)) == 10
    with pytest.raises(SpaceMismatchError):
        collection.search("x", space=old)
    assert collection.index([photos], workers=1).unchanged == 10


@pytest.mark.usefixtures("two_models")
def test_a_switch_that_was_interrupted_keeps_the_old_model_and_goes_on(photos, collection):
    def interrupt(progress):
        if progress.stage == "encode" and progress.done == 5:
            raise KeyboardInterrupt

    report = collection.index([photos], model="backwards", workers=1, watch=interrupt)
    assert report.interrupted
    assert "not searched with yet" in str(report.notices[-1])
    assert collection.space.model == "mini"
    assert len(collection.search("x", k=20)) == 10
    assert collection.index([photos], model="backwards", workers=1).indexed > 0
    assert collection.space.model == "backwards"
    assert len(collection.search("x", k=20)) == 10


@pytest.mark.usefixtures("two_models")
def test_a_switch_reads_all_roots_and_waits_for_those_that_are_missing(photos, collection, tmp_path):
    more = tmp_path / "more"
    more.mkdir()
    (more / "a.txt").write_text("A text in another root.")
    collection.index([more], workers=1)
    more.rename(tmp_path / "unmounted")
    report = collection.index([photos], model="backwards", workers=1)
    assert "more is missing" in str(report.notices[-1])
    assert collection.space.model == "mini"
    (tmp_path / "unmounted").rename(more)
    collection.index([photos], model="backwards", workers=1)
    assert collection.space.model == "backwards"
    assert len(collection.search("x", k=20)) == 11


# --- compacting and status -------------------------------------------------------------------------------------


def test_compacting_says_how_many_shards_there_were_and_changes_no_answer(photos, collection):
    for n in range(3):
        (photos / f"{n}.txt").write_text(f"Text number {n}.")
        collection.index([photos], workers=1)
    before = [(hit.id, hit.score) for hit in collection.search("x", k=20)]
    assert collection.compact() == (5, 2)
    assert [(hit.id, hit.score) for hit in collection.search("x", k=20)] == before


def test_status_counts_live_rows_and_files(photos, collection):
    collection.remove([photos / "disc.png"])
    status = collection.status()
    by_modality = {m.modality: m for m in status.modalities}
    assert (by_modality["image"].rows, by_modality["image"].files, by_modality["image"].dead) == (7, 7, 1)
    assert (by_modality["text"].rows, by_modality["text"].index) == (2, "exact")
    assert status.space == collection.space.key
    on_disk = sum((collection.root / name).stat().st_size for name in collection.manifest.files())
    assert status.bytes == on_disk > 0


def test_errors_of_damage_reach_an_app_as_one_line(collection):
    Path(collection.root, "MANIFEST.json").write_text("{")
    with pytest.raises(CollectionDamagedError) as error:
        Collection.open(collection.root)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"paths": ["nowhere"]}, "nowhere does not exist"),
        ({"options": IngestOptions(exclude=["!"])}, "cannot read the pattern '!'"),
        ({"recall": 2}, "recall"),
        ({"index": "ivf-maybe"}, "ivf-maybe"),
    ],
)
def test_the_arguments_of_a_first_run_can_be_checked_before_a_collection_is_made(photos, arguments, reason):
    Collection.check_index([photos], options=IngestOptions(exclude=["*.tmp"]), index="ivfpq", recall=0.9)
    with pytest.raises(UsageError, match=reason):
        Collection.check_index(**{"paths": [photos], **arguments})
