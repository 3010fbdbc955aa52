"""The public interface: signatures that say everything, small programs that meet clear errors, contents given out."""

from __future__ import annotations

import dataclasses
import inspect
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import mmsearch
from mmsearch import (
    Collection,
    CollectionBusyError,
    CollectionClosedError,
    CollectionDamagedError,
    CollectionExistsError,
    CollectionNotFoundError,
    DecodeError,
    HintKind,
    Hits,
    IngestOptions,
    MMSearchError,
    Moment,
    NewerFormatError,
    NoSuchFileError,
    NoSuchRowError,
    Record,
    SavedClip,
    SavedFrame,
    SpaceMismatchError,
    UsageError,
)
from mmsearch.retrieval.search.options import SearchOptions

ROOT = Path(__file__).parents[1]
SEARCHES = ("search", "search_many", "ask", "ask_many")


def vectors(count: int, dim: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, dim)).astype(np.float32)


@pytest.fixture
def mine(tmp_path: Path) -> Collection:
    """Twenty vectors made elsewhere, with the numbers 0 to 19 as widths."""
    made = Collection.create(tmp_path / "mine.mms", model=None)
    names = [f"/p/{i}" for i in range(20)]
    made.add(vectors(20), paths=names, modality="image", space="mine", facts={"width": list(range(20))})
    return made


# --- signatures ------------------------------------------------------------------------------------------------


def options_of(name: str) -> dict[str, inspect.Parameter]:
    _self, _query, *options = inspect.signature(getattr(Collection, name)).parameters.values()
    return {option.name: option for option in options}


@pytest.mark.parametrize("name", SEARCHES)
def test_the_calls_that_search_have_the_same_options(name):
    assert list(options_of(name).values()) == list(options_of("search").values())
    assert all(option.kind is option.KEYWORD_ONLY for option in options_of(name).values() if option.name != "k")


def test_similar_has_the_options_of_search_but_space_and_watch():
    expected = [option for option in options_of("search").values() if option.name not in ("space", "watch")]
    assert list(options_of("similar").values()) == expected


def test_the_options_inside_are_those_of_the_signature_in_its_order():
    fields = [(field.name, field.default) for field in dataclasses.fields(SearchOptions)]
    assert fields == [(option.name, option.default) for option in options_of("search").values()]


GIVEN = {
    "k": 3,
    "offset": 4,
    "min_match": 0.5,
    "to": "image",
    "under": "/p",
    "after": "2001",
    "before": "2002",
    "where": "width > 1",
    "include_self": True,
    "all_spans": True,
    "exact": True,
    "space": "mine",
    "watch": print,
}


@pytest.mark.parametrize("name", [*SEARCHES, "similar"])
@pytest.mark.parametrize("option", GIVEN)
def test_every_option_reaches_the_engine_under_its_own_name(mine, monkeypatch, name, option):
    if option not in options_of(name):
        return
    seen = []

    def record(session, queries, options, excluded=None):
        seen.append(options)
        return []

    for module in ("mmsearch.collection_queries", "mmsearch.retrieval.search.engine"):
        monkeypatch.setattr(f"{module}.answer_queries", record)
    one = mmsearch.Answer([], mine.space, Hits())
    monkeypatch.setattr("mmsearch.collection_queries.answer_one", lambda *given: record(*given) or one)
    monkeypatch.setattr("mmsearch.retrieval.search.contents.answer_one", lambda *given: record(*given) or one)
    query = 1 if name == "similar" else [[1.0, 0.0, 0.0]] if "many" in name else [1.0, 0.0, 0.0]
    getattr(mine, name)(query, **{option: GIVEN[option]})
    (options,) = seen
    changed = dataclasses.replace(SearchOptions(), **{option: GIVEN[option]})
    assert options == (dataclasses.replace(changed, space=mine.space) if name == "similar" else changed)


def test_index_takes_every_field_of_its_options_as_a_keyword():
    parameters = inspect.signature(Collection.index).parameters
    for field in dataclasses.fields(IngestOptions):
        assert parameters[field.name].default == field.default, field.name
        assert parameters[field.name].kind is inspect.Parameter.KEYWORD_ONLY
    assert set(parameters) - {field.name for field in dataclasses.fields(IngestOptions)} == {
        *("self", "paths", "model", "index", "recall", "dry_run", "watch")
    }


def public_callables() -> list[tuple[str, object]]:
    found = []
    for name in mmsearch.__all__:
        value = getattr(mmsearch, name)
        if inspect.isclass(value):
            members = [(n, m) for n, m in inspect.getmembers(value) if not n.startswith("_") and callable(m)]
            found += [
                (f"{name}.{n}", m) for n, m in members if (getattr(m, "__module__", None) or "").startswith("mmsearch")
            ]
        elif callable(value):
            found.append((name, value))
    return found


def test_no_public_call_takes_keywords_that_it_does_not_name():
    assert len(public_callables()) > 40
    loose = [
        name
        for name, call in public_callables()
        if any(parameter.kind is parameter.VAR_KEYWORD for parameter in inspect.signature(call).parameters.values())
    ]
    assert loose == []


@pytest.mark.parametrize(
    "call",
    [
        lambda made: made.search("x", tpo=["image"]),
        lambda made: made.search_many(["x"], tpo=["image"]),
        lambda made: made.ask("x", tpo=["image"]),
        lambda made: made.ask_many(["x"], tpo=["image"]),
        lambda made: made.index([], tpo=["image"]),
    ],
    ids=[*SEARCHES, "index"],
)
def test_a_keyword_that_there_is_not_is_a_type_error_that_names_the_call(request, mine, call):
    name = request.node.callspec.id
    with pytest.raises(TypeError, match=rf"\b{name}\(\) got an unexpected keyword argument 'tpo'"):
        call(mine)


def test_a_program_that_uses_it_is_typed_strictly():
    pytest.importorskip("mypy", reason="needs mypy")
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file", "pyproject.toml", "tests/client.py"]
    environment = {**os.environ, "MYPYPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr


# --- five small programs and what they meet --------------------------------------------------------------------


def test_a_program_that_searches_before_it_has_added_anything(tmp_path):
    mine = Collection.create(tmp_path / "mine.mms", model=None)
    with pytest.raises(UsageError) as error:
        mine.search([0.1, 0.2, 0.3])
    assert str(error.value) == (
        f"the collection at {tmp_path / 'mine.mms'} has no vectors yet: index() embeds files, add() stores vectors"
        " made elsewhere"
    )
    assert error.value.hint.kind is HintKind.INDEX_FOLDER
    assert len(mine) == mine.count() == 0
    assert list(mine) == list(mine.items()) == []


def test_a_program_that_adds_without_naming_a_space(tmp_path):
    mine = Collection.create(tmp_path / "mine.mms", model=None)
    with pytest.raises(UsageError, match=r"has no space yet: name one, as in add\(…, space='mine'\)"):
        mine.add(vectors(2), paths=["a", "b"], modality="image")
    mine.add(vectors(2), paths=["a", "b"], modality="image", space="mine")
    mine.add(vectors(2), paths=["c", "d"], modality="image")
    assert len(mine) == 4


def test_a_program_that_goes_on_after_it_has_closed_the_collection(mine):
    with mine:
        assert mine.search([0.1, 0.2, 0.3], k=1)
    for use in (
        lambda: mine.search([0.1, 0.2, 0.3]),
        lambda: mine.search_many([[0.1, 0.2, 0.3]]),
        lambda: mine.similar(1),
        lambda: len(mine),
        lambda: list(mine),
        lambda: mine.get(1),
        lambda: mine.vectors([1]),
        lambda: mine.items(),
        lambda: mine.encode(["x"]),
        lambda: mine.status(),
        lambda: mine.space,
        lambda: mine.index(["."]),
        lambda: mine.add(vectors(1), paths=["a"], modality="image"),
        lambda: mine.reopen(),
    ):
        with pytest.raises(CollectionClosedError, match=r"the collection at .*mine\.mms is closed; open it again"):
            use()
    mine.close()
    assert "closed" in repr(mine)


def test_a_program_that_has_its_vectors_as_lists(mine):
    stored = mine.vectors([7]).vectors[0]
    by_array = mine.search(stored, k=3)
    assert mine.search(stored.tolist(), k=3) == by_array
    assert mine.search(tuple(stored.tolist()), k=3) == by_array
    assert by_array[0].id == 7
    with pytest.raises(SpaceMismatchError, match="the query vector has 2 dimensions"):
        mine.search([0.1, 0.2])


def test_a_program_that_searches_by_many_vectors_at_once(mine):
    queries = vectors(4, seed=1)
    with pytest.raises(
        UsageError, match=r"a query is one vector \[dim\], .* this is \[4, 3\]: search_many takes several"
    ):
        mine.search(queries)
    assert mine.search_many(queries, k=2) == [mine.search(query, k=2) for query in queries]
    with pytest.raises(UsageError, match="this is one: put it into a list, or call search"):
        mine.search_many("a dog")
    with pytest.raises(UsageError, match="this is one: put it into a list, or call search"):
        mine.ask_many(queries[0])
    with pytest.raises(UsageError, match="query 2 of 3: the query's terms cancel out"):
        mine.search_many([queries[0], np.zeros(3), queries[1]])


def test_a_program_that_opens_what_is_not_there(tmp_path):
    with pytest.raises(CollectionNotFoundError, match=r"no collection at .*nowhere\.mms"):
        Collection.open(tmp_path / "nowhere.mms")
    assert not Collection.exists(tmp_path / "nowhere.mms")


def test_a_program_that_makes_a_collection_twice(tmp_path):
    Collection.create(tmp_path / "c.mms", model=None)
    with pytest.raises(CollectionExistsError, match=r"there is a collection at .*c\.mms already; open it"):
        Collection.create(tmp_path / "c.mms", model=None)


def test_a_program_that_writes_while_another_does(mine):
    from mmsearch.retrieval.store.lock import writer_lock

    failures = []

    def write() -> None:
        try:
            mine.remove(["/p/1"])
        except MMSearchError as error:
            failures.append(error)

    with writer_lock(mine.root):
        thread = threading.Thread(target=write)
        thread.start()
        thread.join()
    assert isinstance(failures[0], CollectionBusyError)


def test_a_program_that_opens_what_is_damaged_or_newer(mine):
    manifest = mine.root / "MANIFEST.json"
    whole = manifest.read_text()
    manifest.write_text(whole[:-20])
    with pytest.raises(CollectionDamagedError) as error:
        Collection.open(mine.root)
    assert error.value.hint.kind is HintKind.REPAIR
    manifest.write_text(whole.replace('"format": 1', '"format": 99'))
    with pytest.raises(NewerFormatError) as error:
        Collection.open(mine.root)
    assert error.value.hint.kind is HintKind.UPGRADE


def test_a_program_that_searches_by_a_file_or_in_a_folder_that_is_not_there(gallery):
    with pytest.raises(NoSuchFileError, match=r"there is no file missing\.jpg"):
        gallery.search(Path("missing.jpg"))
    with pytest.raises(UsageError, match="there is no folder .*nowhere, and nothing under it is stored"):
        gallery.search("a dog", under="/somewhere/nowhere")
    with pytest.raises(UsageError, match="there is no folder .*nowhere"):
        gallery.count(under="/somewhere/nowhere")


def test_a_program_that_asks_for_what_there_is_not(gallery, mine):
    for options, said in (
        ({"k": 0}, "k must be at least 1"),
        ({"offset": -1}, "offset must be at least 0"),
        ({"min_match": float("nan")}, "min_match must be a number"),
        ({"to": ["smell"]}, "no modality 'smell'"),
        ({"to": "smell"}, "no modality 'smell'"),
        ({"where": "colour =="}, "cannot read the condition"),
        ({"after": "yesterday"}, "'yesterday' is no date"),
    ):
        with pytest.raises(UsageError, match=said):
            gallery.search("a dog", **options)
    with pytest.raises(SpaceMismatchError, match="no space theirs; there are: mine-3-"):
        mine.search([0.1, 0.2, 0.3], space="theirs")


# --- a collection as a container -------------------------------------------------------------------------------


def test_the_repr_of_a_collection_is_one_short_line(gallery, mine, tmp_path):
    assert repr(gallery) == f"Collection({str(gallery.root)!r}, model='mini', rows=10)"
    assert repr(mine) == f"Collection({str(mine.root)!r}, model='mine', rows=20)"
    assert repr(Collection.create(tmp_path / "e.mms", model=None)).endswith("e.mms', model='none yet', rows=0)")


def test_the_repr_of_a_damaged_collection_is_no_error(mine):
    for shard in (mine.root / "shards").rglob("*.parquet"):
        shard.write_bytes(b"nothing")
    assert repr(Collection.open(mine.root)) == f"Collection({str(mine.root)!r})"


def test_a_collection_has_as_many_rows_as_are_alive(collection, photos):
    assert len(collection) == len(list(collection)) == 10
    collection.remove([photos / "disc.png"])
    assert len(collection) == len(list(collection)) == 9
    assert collection


def test_an_empty_collection_is_there_all_the_same(empty):
    assert len(empty) == 0
    assert empty, "an object, not a list: whether it has rows is told by its length"


def test_the_rows_of_a_collection_are_records(collection, photos):
    records = list(collection)
    assert {record.path for record in records} == {str(path) for path in photos.iterdir()}
    assert [record.id for record in records if record.modality == "image"] == sorted(
        record.id for record in records if record.modality == "image"
    )
    hit = collection.search("a red disc", k=1, to="image")[0]
    record = collection.get(hit.id)
    assert type(record) is Record
    assert record in records
    for field in dataclasses.fields(Record):
        assert getattr(record, field.name) == getattr(hit, field.name)
    assert record.to_json()["path"] == hit.path


def test_a_row_that_is_not_there_is_named(collection, photos):
    with pytest.raises(NoSuchRowError, match="has no row 99"):
        collection.get(99)
    hit = collection.search("a red disc", k=1, to="image")[0]
    collection.remove([hit.path])
    for gone in (lambda: collection.get(hit.id), lambda: collection.similar(hit.id)):
        with pytest.raises(NoSuchRowError, match=f"has no row {hit.id}"):
            gone()
    with pytest.raises(NoSuchRowError, match=f"has no row {hit.id}, 77"):
        collection.vectors([hit.id, 77])


def test_vectors_come_in_the_order_of_their_ids(mine):
    ids, paths, array = mine.vectors([9, 3, 9])
    assert ids.tolist() == [9, 3, 9]
    assert paths == ["/p/8", "/p/2", "/p/8"]
    assert array.dtype == np.float32
    expected = vectors(20)[[8, 2, 8]]
    np.testing.assert_allclose(array, expected / np.linalg.norm(expected, axis=1, keepdims=True), atol=1e-3)
    assert mine.vectors([]).vectors.shape[0] == 0


def test_vectors_of_two_spaces_do_not_mix(mine):
    (other,) = mine.add(vectors(1, 5), paths=["/q"], modality="image", space="theirs")
    with pytest.raises(SpaceMismatchError, match=r"of several spaces: mine-3-.*, theirs-5-.*; ask for those of one"):
        mine.vectors([1, int(other)])
    assert mine.vectors([int(other)]).vectors.shape == (1, 5)
    assert mine.get(int(other)).path == "/q"


def test_vectors_of_several_modalities_come_together(collection):
    records = list(collection)
    ids, paths, array = collection.vectors(record.id for record in records)
    assert paths == [record.path for record in records]
    assert array.shape == (10, collection.space.dim)
    for row_id, vector in zip(ids.tolist(), array, strict=True):
        assert collection.search(vector, k=1, space=collection.space)[0].id == row_id


def test_texts_and_pictures_are_encoded_as_queries_are(gallery):
    (folder,) = {Path(record.path).parent for record in gallery}
    with Image.open(folder / "disc.png") as picture:
        array = gallery.encode(["a red disc", folder / "disc.png", picture, np.asarray(picture.convert("RGB"))])
    assert (array.dtype, array.shape) == (np.float32, (4, gallery.space.dim))
    np.testing.assert_allclose(np.linalg.norm(array, axis=1), 1, atol=1e-5)
    np.testing.assert_array_equal(array[0], gallery.encoder().encode_texts(["a red disc"])[0])
    np.testing.assert_allclose(array[1:], array[[1, 1, 1]], atol=1e-5)
    assert gallery.search(array[0], k=3) == gallery.search("a red disc", k=3)
    assert gallery.encode([]).shape == (0, gallery.space.dim)


def test_what_cannot_be_encoded_is_named(gallery):
    with pytest.raises(NoSuchFileError, match=r"value 2 of 2: there is no file missing\.jpg"):
        gallery.encode(["a dog", Path("missing.jpg")])
    with pytest.raises(UsageError, match="this is one: put it into a list"):
        gallery.encode("a dog")
    with pytest.raises(UsageError, match="value 1 of 1: the query is empty"):
        gallery.encode([""])


def test_rows_like_a_row_are_found_by_its_vector_without_the_row_itself(mine):
    (vector,) = mine.vectors([5]).vectors
    expected = mine.search(vector, k=6)
    assert expected[0].id == 5
    assert [hit.id for hit in mine.similar(5, k=5)] == [hit.id for hit in expected[1:]]
    assert mine.similar(5, k=6, include_self=True) == expected
    assert all(hit.width > 10 for hit in mine.similar(5, where="width > 10"))


def test_rows_are_counted_as_a_search_would_find_them(collection, photos):
    assert collection.count() == 10
    assert collection.count(to="image") == collection.count(to=["image"]) == 8
    assert collection.count(to=["image", "text"]) == 10
    assert collection.count(where="width > 90") == 8
    assert collection.count(under=photos) == 10
    assert collection.count(after="1990", before="1991") == 0
    assert collection.count(space="mini") == 10
    with pytest.raises(SpaceMismatchError):
        collection.count(space="clip")


@pytest.mark.parametrize("batch", [1, 3, 1024])
def test_rows_come_as_arrow_batches(mine, batch):
    mine.remove(["/p/0"])
    batches = list(mine.items(where="width < 8", batch=batch))
    assert all(0 < part.num_rows <= batch for part in batches)
    assert sum(part.num_rows for part in batches) == mine.count(where="width < 8") == 7
    rows = [row for part in batches for row in part.to_pylist()]
    assert [row["path"] for row in rows] == [f"/p/{i}" for i in range(1, 8)]
    assert [row["id"] for row in rows] == list(range(2, 9))
    assert {row["modality"] for row in rows} == {"image"}
    assert "vector" not in rows[0]


def test_rows_come_with_their_vectors_if_asked_for(mine):
    batches = list(mine.items(batch=7, vectors=True))
    ids = [row_id for part in batches for row_id in part["id"].to_pylist()]
    array = np.concatenate([part["vector"].flatten().to_numpy().reshape(-1, 3) for part in batches])
    np.testing.assert_array_equal(array, mine.vectors(ids).vectors)


def test_rows_with_a_name_that_is_not_utf8_come_too(tmp_path):
    mine = Collection.create(tmp_path / "mine.mms", model=None)
    mine.add(vectors(2), paths=[os.fsdecode(b"caf\xe9"), "a"], modality="image", space="mine")
    (part,) = mine.items()
    assert part["path"].to_pylist() == ["caf\\xe9", "a"]
    assert mine.get(1).path == os.fsdecode(b"caf\xe9")


def test_what_is_wrong_with_items_is_said_at_once(mine):
    with pytest.raises(UsageError, match="batch must be at least 1"):
        mine.items(batch=0)
    with pytest.raises(UsageError, match="cannot read the condition"):
        mine.items(where="width >")


def test_rows_are_read_on_while_the_collection_is_compacted(mine):
    batches = mine.items(batch=5)
    first = next(batches)
    mine.remove(["/p/3"])
    mine.compact()
    assert first.num_rows + sum(part.num_rows for part in batches) == 20, "those of the moment when it was called"
    assert len(mine) == 19


# --- pages and matches -----------------------------------------------------------------------------------------


def test_pages_of_hits_follow_each_other(mine):
    (query,) = vectors(1, seed=3)
    whole = mine.search(query, k=20)
    pages = [mine.search(query, k=6, offset=start) for start in (0, 6, 12, 18, 24)]
    assert [hit for page in pages for hit in page] == whole
    assert [len(page) for page in pages] == [6, 6, 6, 2, 0]
    assert pages[1][0].rank == 7
    assert all(isinstance(page, Hits) for page in pages)


def test_pages_of_several_modalities_follow_each_other(gallery):
    whole = gallery.search("a red disc", k=10)
    assert [hit.id for start in (0, 4, 8) for hit in gallery.search("a red disc", k=4, offset=start)] == [
        hit.id for hit in whole
    ]


def test_hits_that_match_too_little_are_left_out(gallery):
    whole = gallery.search("a red disc", k=10)
    least = sorted(hit.match for hit in whole)[5]
    found = gallery.search("a red disc", k=10, min_match=least)
    assert [hit.id for hit in found] == [hit.id for hit in whole if hit.match >= least]
    assert [hit.rank for hit in found] == list(range(1, len(found) + 1))
    assert gallery.search("a red disc", min_match=1000) == []


def test_hits_of_a_search_become_a_table(gallery):
    hits = gallery.search("a red disc", k=4)
    table = hits.to_arrow()
    assert table["path"].to_pylist() == [hit.path for hit in hits]
    assert table["rank"].to_pylist() == [1, 2, 3, 4]
    assert gallery.search_many(["a red disc"], k=4)[0].to_arrow() == table


# --- what is exported ------------------------------------------------------------------------------------------


def test_every_error_is_exported():
    from mmsearch import errors

    ours = {name for name, value in vars(errors).items() if inspect.isclass(value) and issubclass(value, Exception)}
    assert ours <= set(mmsearch.__all__)
    assert set(dir(mmsearch)) == set(mmsearch.__all__)


def test_frames_and_clips_are_saved_by_the_collections_class(tmp_path, films):
    (tmp_path / "film.mp4").write_bytes(films.film([Image.new("RGB", (64, 48), "red")] * 32, fps=8))
    film = tmp_path / "film.mp4"
    frame = Collection.save_frame(Moment(film, 1.0), tmp_path / "frame.png")
    assert isinstance(frame, SavedFrame)
    assert (frame.output, frame.width, frame.height) == (tmp_path / "frame.png", 64, 48)
    assert frame.to_json() == {"output": str(frame.output), "time_s": 1.0, "width": 64, "height": 48}
    clip = Collection.save_clip(Moment(film, 1.0, 2.0), str(tmp_path / "clip.mp4"))
    assert isinstance(clip, SavedClip)
    assert clip.output == tmp_path / "clip.mp4"
    assert clip.end_s == pytest.approx(2.0, abs=0.2)
    assert list(clip.to_json()) == ["output", "start_s", "end_s", "copied"]
    with pytest.raises(UsageError, match="does not say to when the clip goes"):
        Collection.save_clip(Moment(film, 1.0), tmp_path / "other.mp4")
    with pytest.raises(DecodeError):
        Collection.save_frame(Moment(film, 100.0), tmp_path / "other.png")
