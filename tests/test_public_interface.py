"""The public interface: signatures that say everything, and small programs that meet clear errors."""

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


# --- signatures ------------------------------------------------------------------------------------------------


def options_of(name: str) -> dict[str, inspect.Parameter]:
    _self, _query, *options = inspect.signature(getattr(Collection, name)).parameters.values()
    return {option.name: option for option in options}


@pytest.mark.parametrize("name", SEARCHES)
def test_the_calls_that_search_have_the_same_options(name):
    assert list(options_of(name).values()) == list(options_of("search").values())
    assert all(option.kind is option.KEYWORD_ONLY for option in options_of(name).values() if option.name != "k")


def test_similar_has_the_options_of_search_but_those_of_words_and_models():
    expected = [option for option in options_of("search").values() if option.name not in ("mode", "space", "watch")]
    assert list(options_of("similar").values()) == expected


def test_the_options_inside_are_those_of_the_signature_in_its_order():
    fields = [(field.name, field.default) for field in dataclasses.fields(SearchOptions)]
    assert fields == [(option.name, option.default) for option in options_of("search").values()]


GIVEN = {
    "k": 3,
    "offset": 4,
    "min_level": "likely",
    "to": "image",
    "under": "/p",
    "after": "2001",
    "before": "2002",
    "where": "width > 1",
    "include_self": True,
    "all_spans": True,
    "exact": True,
    "copies": True,
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

    monkeypatch.setattr("mmsearch.retrieval.search.engine.answer_queries", record)
    one = mmsearch.Answer([], mine.space, Hits())
    monkeypatch.setattr("mmsearch.retrieval.search.engine.answer_one", lambda *given: record(*given) or one)
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
        ({"min_level": "certain"}, "no level 'certain'"),
        ({"to": ["smell"]}, "no modality 'smell'"),
        ({"to": "smell"}, "no modality 'smell'"),
        ({"where": "colour =="}, "cannot read the condition"),
        ({"after": "yesterday"}, "'yesterday' is no date"),
    ):
        with pytest.raises(UsageError, match=said):
            gallery.search("a dog", **options)
    with pytest.raises(SpaceMismatchError, match="no space theirs; there are: mine-3-"):
        mine.search([0.1, 0.2, 0.3], space="theirs")


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
