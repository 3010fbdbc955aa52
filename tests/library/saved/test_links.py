"""Folders of links are in step with the hits, and nothing in them is touched that was not made here."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mmsearch import Collection, UsageError, library
from mmsearch.library.saved import links


def targets(folder: Path) -> list[str]:
    """The files that links lead to, in order of the links' names."""
    return [os.readlink(folder / name) for name in sorted(os.listdir(folder)) if (folder / name).is_symlink()]


def hits(collection: Collection, name: str = "s", k: int = links.MOST_LINKS) -> list[str]:
    looked = library.look(collection, library.saved_search(collection, name), k=k)
    return list(dict.fromkeys(hit.path for hit in looked.answer.hits))


@pytest.fixture
def searched(collection) -> Collection:
    """A collection with a search that all pictures are hits of."""
    library.save_search(collection, "s", "a red disc", to="image", min_level="nothing")
    return collection


def test_links_are_in_order_of_rank_with_readable_names(searched, tmp_path):
    done = library.link_search(searched, "s", tmp_path / "album", k=3)
    assert (done.total, done.added, done.removed) == (3, 3, 0)
    assert targets(tmp_path / "album") == hits(searched)[:3]
    names = sorted(name for name in os.listdir(tmp_path / "album") if not name.startswith("."))
    assert names[0] == f"001 {Path(hits(searched)[0]).name}"
    assert library.saved_search(searched, "s").folders[0].k == 3


def test_it_is_in_step_after_files_come_and_go(searched, photos, tmp_path, drawn):
    album = tmp_path / "album"
    library.link_search(searched, "s", album)
    drawn("noise.png", (50, 50)).save(photos / "new.png")
    (photos / "grid.png").unlink()
    searched.index([photos], workers=1)
    (done,) = library.update_links(searched)
    assert done.added >= 1
    assert done.removed >= 1
    assert targets(album) == hits(searched)
    (again,) = library.update_links(searched, "s")
    assert (again.total, again.added, again.removed) == (8, 0, 0)


def test_only_good_hits_are_linked_unless_the_search_says_otherwise(collection, tmp_path):
    library.save_search(collection, "s", "an aeroplane over a stadium", to="image")
    assert library.link_search(collection, "s", tmp_path / "album").total == 0
    assert library.link_search(collection, "s", tmp_path / "album", min_level="nothing").total == 8


def test_what_others_put_there_stays(searched, tmp_path):
    album = tmp_path / "album"
    library.link_search(searched, "s", album, k=4)
    first, second, third, fourth = sorted(name for name in os.listdir(album) if not name.startswith("."))
    (album / "own.txt").write_text("mine")
    (album / first).unlink()
    (album / first).write_text("in the place of a link")
    (album / second).rename(album / "renamed.png")
    (album / third).unlink()
    (album / third).symlink_to("/somewhere/else")
    library.update_links(searched)
    assert (album / first).read_text() == "in the place of a link"
    assert os.readlink(album / third) == "/somewhere/else"
    left = library.unlink_search(searched, "s", album)
    assert left.removed == 4
    assert sorted(os.listdir(album)) == sorted([first, third, "own.txt", "renamed.png"])
    assert not (album / fourth).exists()
    assert library.saved_search(searched, "s").folders == ()


def test_an_empty_folder_is_removed_with_its_links(searched, tmp_path):
    library.link_search(searched, "s", tmp_path / "new" / "album")
    library.unlink_search(searched, "s", tmp_path / "new" / "album")
    assert not (tmp_path / "new" / "album").exists()


def test_links_in_an_indexed_folder_are_not_indexed(searched, photos):
    library.link_search(searched, "s", photos / "album")
    for follow_links in (False, True):
        report = searched.index([photos], workers=1, follow_links=follow_links)
        assert (report.found, report.unchanged, report.skipped) == (10, 10, ())


def test_folders_that_cannot_be(searched, photos, tmp_path):
    library.save_search(searched, "other", "x")
    library.link_search(searched, "other", tmp_path / "others")
    (tmp_path / "file").touch()
    for folder, says in (
        (photos, "holds other files; name a new or an empty folder"),
        (searched.root / "links", "lies in the collection"),
        (tmp_path / "file", "is a file"),
        (tmp_path / "others", "holds links to @other of "),
    ):
        with pytest.raises(UsageError, match=says):
            library.link_search(searched, "s", folder)
    with pytest.raises(UsageError, match="is no folder of links to @s"):
        library.unlink_search(searched, "s", photos)


def test_a_search_that_is_renamed_keeps_its_folders(searched, tmp_path):
    library.link_search(searched, "s", tmp_path / "album")
    library.rename_search(searched, "s", "t")
    assert library.update_links(searched)[0].total == 8
    assert library.link_search(searched, "t", tmp_path / "album", k=2).total == 2


def test_a_folder_that_is_gone_is_a_problem_and_does_not_come_back(searched, tmp_path):
    library.link_search(searched, "s", tmp_path / "album")
    shutil.rmtree(tmp_path / "album")
    assert "gone" in library.update_links(searched)[0].problem
    assert not (tmp_path / "album").exists()
    library.unlink_search(searched, "s", tmp_path / "album")
    assert library.update_links(searched) == []


def test_a_damaged_list_is_named_and_nothing_is_removed(searched, tmp_path):
    library.link_search(searched, "s", tmp_path / "album")
    (tmp_path / "album" / links.LIST_NAME).write_text("{")
    with pytest.raises(UsageError, match="mmsearch-links.json is damaged"):
        library.update_links(searched)
    assert len(targets(tmp_path / "album")) == 8


@pytest.mark.parametrize("kind", ["hard link", "copy"])
def test_where_links_cannot_be_made_others_are(searched, photos, tmp_path, monkeypatch, kind):
    def refuse(*_: object) -> None:
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(links.os, "symlink", refuse)
    if kind == "copy":
        monkeypatch.setattr(links.os, "link", refuse)
    album = tmp_path / "album"
    assert library.link_search(searched, "s", album).added == 8
    first = next(path for path in sorted(album.iterdir()) if not path.name.startswith("."))
    assert first.samefile(hits(searched)[0]) == (kind == "hard link")
    assert library.update_links(searched)[0].added == 0
    (photos / "grid.png").unlink()
    searched.index([photos], workers=1)
    assert library.update_links(searched)[0].total == 7
    library.unlink_search(searched, "s", album)
    assert not album.exists()


def test_killed_between_any_two_writes_no_link_is_forgotten(searched, photos, tmp_path, monkeypatch):
    album = tmp_path / "album"
    for count in range(40):
        calls = 0

        def die(*arguments, call, at=count):
            nonlocal calls
            calls += 1
            if calls > at:
                raise KeyboardInterrupt
            return call(*arguments)

        with monkeypatch.context() as patch:
            for name in ("symlink", "replace"):
                call = getattr(os, name)
                patch.setattr(links.os, name, lambda *a, call=call, die=die: die(*a, call=call))
            try:
                library.link_search(searched, "s", album, k=3 + count % 5)
                break
            except KeyboardInterrupt:
                pass
        made = {name for name in os.listdir(album) if (album / name).is_symlink()}
        if made:
            assert made <= set(links._read_list(album))
    library.link_search(searched, "s", album, k=8)
    assert targets(album) == hits(searched)


@pytest.fixture(scope="module")
def numbered(tmp_path_factory) -> tuple[Path, Collection]:
    """A folder and a collection with a search for the word *bread* to the letter."""
    folder = tmp_path_factory.mktemp("numbered")
    made = Collection.create(folder / "c.mms", model="mini")
    (folder / "texts").mkdir()
    put(made, folder / "texts" / "bread.txt", "bread")
    library.save_search(made, "s", "bread", mode="lexical", min_level="nothing")
    return folder, made


def put(made: Collection, path: Path, text: str) -> None:
    """Write a file and its row; nothing is decoded."""
    path.write_text(text)
    vector = np.random.default_rng(len(str(path))).standard_normal((1, made.space.dim)).astype(np.float32)
    made.upsert(vector, paths=[path], modality="text", texts=[text])


ACTS = st.tuples(st.sampled_from(["write", "other", "delete", "move", "step", "spoil"]), st.integers(0, 5))


@settings(deadline=None, max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(ACTS, max_size=8))
def test_after_any_changes_the_links_equal_the_hits(numbered, acts):
    base, made = numbered
    texts, album = base / "texts", base / "album"
    library.link_search(made, "s", album)
    spoiled: set[str] = set()
    for act, number in acts:
        path = texts / f"{number}.txt"
        if act in ("write", "other"):
            put(made, path, f"{'bread' if act == 'write' else 'boats'} {number}")
        elif act in ("delete", "move") and path.exists():
            made.remove([path])
            path.unlink()
            if act == "move":
                put(made, texts / f"moved {number}.txt", f"bread {number}")
        elif act == "spoil" and (links_there := sorted(one for one in album.iterdir() if one.is_symlink())):
            one = links_there[number % len(links_there)]
            one.unlink()
            one.write_text("a file of somebody")
            spoiled.add(one.name)
        elif act == "step":
            library.update_links(made)
    library.update_links(made)
    assert targets(album) == hits(made)
    assert spoiled == {one.name for one in album.iterdir() if not one.is_symlink() and not one.name.startswith(".")}
    for name in spoiled:
        (album / name).unlink()
