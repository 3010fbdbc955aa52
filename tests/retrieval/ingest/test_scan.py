"""What a scan finds, passes over, and says."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from mmsearch.cli.hints import with_hint
from mmsearch.errors import Hint, HintKind, UsageError
from mmsearch.retrieval.ingest.excludes import checked_patterns, rules_below
from mmsearch.retrieval.ingest.scan import Scan
from mmsearch.retrieval.paths import absolute


def put(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"The text of {name}.")


def found(scan: Scan) -> list[str]:
    return [os.fsdecode(file.path) for file in scan.files()]


def relative(scan: Scan, top: Path) -> list[str]:
    return [os.path.relpath(path, top) for path in found(scan)]


def test_files_come_once_each_in_order_of_name(tmp_path):
    put(tmp_path, "b.txt", "a/2.txt", "a/1.txt", "c/d/e.txt")
    assert relative(Scan(absolute([tmp_path])), tmp_path) == ["b.txt", "a/1.txt", "a/2.txt", "c/d/e.txt"]


def test_paths_that_overlap_give_each_file_once(tmp_path):
    put(tmp_path, "a/1.txt", "2.txt")
    assert sorted(relative(Scan(absolute([tmp_path / "a", tmp_path])), tmp_path)) == ["2.txt", "a/1.txt"]


def test_hidden_and_system_files_are_passed_over_unless_hidden_ones_are_asked_for(tmp_path):
    put(tmp_path, "a.txt", ".b.txt", ".git/c.txt", "node_modules/d.txt", "__pycache__/e.txt", "Thumbs.db")
    assert relative(Scan(absolute([tmp_path])), tmp_path) == ["a.txt"]
    asked = Scan(absolute([tmp_path]), hidden=True)
    assert sorted(relative(asked, tmp_path)) == [".b.txt", ".git/c.txt", "a.txt"]


def test_a_named_file_is_found_also_where_a_scan_would_pass_it_over(tmp_path):
    put(tmp_path, ".notes.txt")
    (file,) = Scan(absolute([tmp_path / ".notes.txt"])).files()
    assert file.named


@pytest.mark.parametrize(
    ("pattern", "left"),
    [
        ("*.tmp.txt", ["a.txt", "raw/b.txt", "raw/deep/c.txt"]),
        ("raw", ["a.txt", "x.tmp.txt"]),
        ("raw/", ["a.txt", "x.tmp.txt"]),
        ("raw/deep", ["a.txt", "raw/b.txt", "x.tmp.txt"]),
        ("*/b.txt", ["a.txt", "raw/deep/c.txt", "x.tmp.txt"]),
    ],
)
def test_exclude_takes_a_glob_on_the_path_below_the_root_or_on_the_last_name(tmp_path, pattern, left):
    put(tmp_path, "a.txt", "raw/b.txt", "raw/deep/c.txt", "x.tmp.txt")
    assert sorted(relative(Scan(absolute([tmp_path]), exclude=[pattern]), tmp_path)) == left


def test_exclude_does_not_match_the_names_above_the_root(tmp_path):
    put(tmp_path, "raw/a.txt")
    assert found(Scan(absolute([tmp_path / "raw"]), exclude=["raw"]))


def test_exclude_minds_case():
    def excludes(pattern: str, path: str) -> bool:
        (rule,) = rules_below(b"/", checked_patterns([pattern], ()), fold=False)
        return rule.excludes and rule.matches(path, False)

    assert excludes("Raw", "/Raw")
    assert not excludes("raw", "/Raw")


def test_links_are_listed_as_skipped_unless_they_are_followed(tmp_path):
    put(tmp_path, "in/a.txt", "out/b.txt")
    (tmp_path / "in" / "way").symlink_to(tmp_path / "out")
    scan = Scan(absolute([tmp_path / "in"]))
    assert relative(scan, tmp_path) == ["in/a.txt"]
    (note,) = scan.skipped
    assert (Path(note.path).name, note.reason) == ("way", "symbolic link")
    assert note.hint == Hint(HintKind.FOLLOW_LINKS)
    assert with_hint(note.reason, note.hint) == "symbolic link; --follow-links follows it"
    assert relative(Scan(absolute([tmp_path / "in"]), follow_links=True), tmp_path) == ["in/a.txt", "in/way/b.txt"]


def test_a_loop_of_links_is_walked_once(tmp_path):
    put(tmp_path, "a/b/1.txt")
    (tmp_path / "a" / "b" / "up").symlink_to(tmp_path)
    (tmp_path / "a" / "self").symlink_to("self")
    scan = Scan(absolute([tmp_path]), follow_links=True)
    assert relative(scan, tmp_path) == ["a/b/1.txt"]
    assert [Path(note.path).name for note in scan.skipped] == ["self"]


def test_a_link_to_nothing_is_listed_when_links_are_followed(tmp_path):
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    scan = Scan(absolute([tmp_path]), follow_links=True)
    assert found(scan) == []
    assert [note.reason for note in scan.skipped] == ["cannot be read: No such file or directory"]


def test_a_folder_that_may_not_be_read_is_listed_and_nothing_in_it_is_forgotten(
    photos, collection, paths_in, monkeypatch
):
    put(photos, "private/a.txt", "b.txt")
    collection.index([photos], workers=1)
    (photos / "b.txt").unlink()
    listdir = os.listdir

    def deny(path):
        if os.fsdecode(path).endswith("private"):
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return listdir(path)

    monkeypatch.setattr(os, "listdir", deny)
    monkeypatch.setattr(os.path, "lexists", lambda path: b"private" not in os.fsencode(path) and os.path.exists(path))
    report = collection.index([photos], workers=1)
    assert [(Path(note.path).name, note.reason) for note in report.skipped] == [
        ("private", "folder cannot be read: Permission denied")
    ]
    assert report.removed == 1
    assert str(photos / "private" / "a.txt") in paths_in(collection)


def test_the_collections_own_folder_is_not_indexed(tmp_path, empty):
    put(tmp_path, "a.txt")
    report = empty.index([tmp_path], workers=1)
    assert (report.found, report.indexed) == (1, 1)
    assert empty.index([tmp_path], workers=1).found == 1


@pytest.mark.parametrize("kind", ["missing", "dangling"])
def test_a_path_that_never_was_is_wrong_use(tmp_path, empty, kind):
    path = tmp_path / "nowhere"
    if kind == "dangling":
        path.symlink_to(tmp_path / "gone")
    with pytest.raises(UsageError, match="nowhere does not exist"):
        empty.index([path])


def test_home_is_understood(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert absolute(["~/Pictures"]) == [os.fsencode(tmp_path / "Pictures")]
