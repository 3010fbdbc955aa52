"""Patterns of what to pass over: those of .gitignore, given to a run or lying in folders."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import unicodedata
from pathlib import Path

import pytest

from mmsearch.errors import UsageError
from mmsearch.retrieval.ingest.excludes import checked_patterns
from mmsearch.retrieval.ingest.scan import Scan
from mmsearch.retrieval.paths import absolute


def put(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"The text of {name}.")


def left(top: Path, *patterns: str, **options) -> list[str]:
    """What a scan of ``top`` finds with these patterns, relative to it."""
    paths = absolute([top])
    scan = Scan(paths, checked_patterns(patterns, paths), **options)
    return sorted(os.path.relpath(os.fsdecode(file.path), top) for file in scan.files())


@pytest.fixture
def media(tmp_path: Path) -> Path:
    put(tmp_path / "media", "a.txt", "private/p.txt", "real/private/q.txt", "real/b.txt", "x.tmp.txt")
    return tmp_path / "media"


@pytest.mark.parametrize(
    ("patterns", "gone"),
    [
        (["private"], {"private/p.txt", "real/private/q.txt"}),
        (["private/"], {"private/p.txt", "real/private/q.txt"}),
        (["/private"], {"private/p.txt"}),
        (["real/private"], {"real/private/q.txt"}),
        (["**/private/"], {"private/p.txt", "real/private/q.txt"}),
        (["real/**"], {"real/private/q.txt", "real/b.txt"}),
        (["*/*.txt"], {"private/p.txt", "real/b.txt"}),
        (["a.txt/"], set()),
        (["*.txt", "!a.txt"], {"private/p.txt", "real/private/q.txt", "real/b.txt", "x.tmp.txt"}),
        (["real/*", "!real/private"], {"real/b.txt"}),
        (["real/", "!real/private/q.txt"], {"real/private/q.txt", "real/b.txt"}),  # what lies in it can't come back
        (["*", "!*/", "!q.txt"], {"a.txt", "private/p.txt", "real/b.txt", "x.tmp.txt"}),
        (["[ab].txt"], {"a.txt", "real/b.txt"}),
    ],
)
def test_patterns_are_read_as_gitignore_has_them(media, patterns, gone):
    every = {"a.txt", "private/p.txt", "real/private/q.txt", "real/b.txt", "x.tmp.txt"}
    assert set(left(media, *patterns)) == every - gone


@pytest.mark.parametrize("slash", ["", "/"])
def test_an_absolute_path_is_that_very_path(media, slash):
    assert "private/p.txt" not in left(media, f"{media}/private{slash}")
    assert "real/private/q.txt" in left(media, f"{media}/private{slash}")
    assert "private/p.txt" in left(media, str(media), f"!{media}/private"), "a path that is named is never passed over"
    assert left(media, f"{media}/*", f"!{media}/a.txt") == ["a.txt"]


def test_a_dot_and_a_tilde_mean_what_they_mean_to_the_shell(media, monkeypatch):
    monkeypatch.chdir(media / "real")
    assert "real/private/q.txt" not in left(media, "./private")
    assert "private/p.txt" in left(media, "./private")
    assert "private/p.txt" not in left(media, "../private/")
    assert left(media, ".") == ["a.txt", "private/p.txt", "x.tmp.txt"]
    monkeypatch.setenv("HOME", str(media))
    assert "private/p.txt" not in left(media, "~/private")


def test_a_path_that_the_shell_completed_from_the_working_folder_is_meant_too(media, monkeypatch):
    monkeypatch.chdir(media.parent)
    assert "private/p.txt" not in left(media, "media/private")
    assert "private/p.txt" not in left(media, "media/private/")


def test_signs_of_patterns_in_the_working_folder_are_no_patterns(tmp_path, monkeypatch):
    put(tmp_path / "[m]*", "private/p.txt", "a.txt")
    put(tmp_path / "m", "private/p.txt")
    monkeypatch.chdir(tmp_path / "[m]*")
    assert left(tmp_path / "[m]*", "./private") == ["a.txt"]
    assert left(tmp_path / "m", "./private") == ["private/p.txt"]


def test_links_on_the_way_to_an_absolute_path_are_followed(media, tmp_path):
    (tmp_path / "way").symlink_to(media)
    assert "private/p.txt" not in left(media, f"{tmp_path}/way/private"), "the pattern goes over the link"
    assert "private/p.txt" not in left(tmp_path / "way", f"{media}/private"), "the root does"


def test_on_the_command_line_a_number_sign_and_a_trailing_space_are_part_of_the_name(tmp_path):
    put(tmp_path, "#a/1.txt", "b /2.txt", "b/3.txt")
    assert left(tmp_path, "#a") == ["b /2.txt", "b/3.txt"]
    assert left(tmp_path, "b ") == ["#a/1.txt", "b/3.txt"]


def test_names_compare_in_one_normal_form(tmp_path):
    put(tmp_path, unicodedata.normalize("NFD", "Été") + "/1.txt", "b.txt")
    assert left(tmp_path, unicodedata.normalize("NFC", "Été")) == ["b.txt"]


def test_names_with_line_ends_and_bytes_that_are_no_text_are_matched(tmp_path):
    put(tmp_path, "new\nline/a.tmp", "b.txt")
    with open(os.fsencode(tmp_path) + b"/caf\xe9.tmp", "w"):
        pass
    assert left(tmp_path, "*.tmp") == ["b.txt"]
    assert left(tmp_path, os.fsdecode(b"caf\xe9.*"), "new*") == ["b.txt"]


def test_case_counts_but_where_the_disk_ignores_it(media, monkeypatch):
    assert "private/p.txt" in left(media, "PRIVATE")
    monkeypatch.setattr("mmsearch.retrieval.ingest.scan.ignores_case", lambda folder: True)
    assert left(media, "PRIVATE", "*.TMP.txt") == ["a.txt", "real/b.txt"]
    assert "private/p.txt" not in left(media, f"{media}/Private")


@pytest.mark.parametrize("pattern", ["", "!", "/", "a\\"])
def test_what_is_no_pattern_is_one_clear_line(pattern):
    with pytest.raises(UsageError, match=r"cannot read the pattern .*\.gitignore") as error:
        checked_patterns([pattern], ())
    assert "\n" not in str(error.value)


def test_a_pattern_holds_also_when_a_folder_inside_the_root_is_named(media):
    scan = Scan(absolute([media / "real"]), ["/real/private"], roots=absolute([media]))
    assert [os.path.basename(file.path) for file in scan.files()] == [b"b.txt"]


def test_a_folder_that_is_named_is_read_although_a_pattern_names_it(media):
    scan = Scan(absolute([media / "private"]), ["private"], roots=absolute([media]))
    assert [os.path.basename(file.path) for file in scan.files()] == [b"p.txt"]
    inside = Scan(absolute([media]), ["private"], roots=absolute([media, media / "private"]))
    assert "private/p.txt" in {os.path.relpath(os.fsdecode(f.path), media) for f in inside.files()}


# --- files in folders -----------------------------------------------------------------------------------------


def test_a_file_in_a_folder_speaks_for_that_folder(media):
    put(media, "real/deep/p.txt")
    lines = ["\ufeff# a comment", "", "/deep/", "*.tmp  ", "private", ""]
    (media / "real" / ".mmsearchignore").write_bytes("\r\n".join(lines).encode())
    assert left(media) == ["a.txt", "private/p.txt", "real/b.txt", "x.tmp.txt"]


def test_the_nearest_file_decides_and_the_run_above_all(media):
    (media / ".mmsearchignore").write_text("b.txt\nprivate/\n")
    (media / "real" / ".mmsearchignore").write_text("!b.txt\n!private/\n")
    assert left(media) == ["a.txt", "real/b.txt", "real/private/q.txt", "x.tmp.txt"]
    assert left(media, "b.txt") == ["a.txt", "real/private/q.txt", "x.tmp.txt"]


def test_files_of_the_folders_above_hold_when_a_folder_inside_the_root_is_named(media):
    (media / ".mmsearchignore").write_text("/real/b.txt\n")
    scan = Scan(absolute([media / "real"]), roots=absolute([media]))
    assert [os.path.basename(file.path) for file in scan.files()] == [b"q.txt"]


def test_a_line_that_is_no_pattern_is_told_and_the_others_hold(media):
    (media / ".mmsearchignore").write_text("!\nprivate\n")
    scan = Scan(absolute([media]))
    assert len(list(scan.files())) == 3
    assert [note.reason for note in scan.skipped] == ["'!' is no pattern"]


def test_a_folder_whose_file_cannot_be_read_is_not_indexed(media):
    (media / "real" / ".mmsearchignore").mkdir()
    scan = Scan(absolute([media]))
    assert sorted(os.path.basename(file.path) for file in scan.files()) == [b"a.txt", b"p.txt", b"x.tmp.txt"]
    assert "real" in scan.skipped[0].path
    assert scan.unreadable == [os.fsencode(media / "real")]


@pytest.mark.skipif(shutil.which("git") is None, reason="compares with git")
@pytest.mark.parametrize("seed", range(12))
def test_the_same_files_are_left_as_git_leaves(tmp_path, seed):
    """Folders and patterns by chance; git is asked what it ignores."""
    rng = random.Random(seed)
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    for _ in range(20):
        name = "/".join(rng.choice(["a", "b", "c", "ab", "x.t", "b.t"]) for _ in range(rng.randint(1, 4)))
        if not any((tmp_path / part).is_file() for part in (name, *map(str, Path(name).parents[:-1]))):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            if not (tmp_path / name).is_dir():
                (tmp_path / name).touch()

    def pattern() -> str:
        atoms = ["a", "b", "c", "*", "a*", "?", "**", "[ab]", "x.t", "*.t"]
        body = "/".join(rng.choice(atoms) for _ in range(rng.randint(1, 3)))
        return rng.choice(["", "", "!"]) + rng.choice(["", "", "/"]) + body + rng.choice(["", "", "/"])

    for folder, _, _ in list(os.walk(tmp_path)):
        if "/.git" not in folder and (folder == str(tmp_path) or rng.random() < 0.25):
            lines = "\n".join(pattern() for _ in range(3))
            Path(folder, ".gitignore").write_text(lines)
            Path(folder, ".mmsearchignore").write_text(lines)
    asked = ["git", "-C", str(tmp_path), "ls-files", "-z", "--others", "--exclude-standard"]
    theirs = subprocess.run(asked, capture_output=True, check=True).stdout.decode().split("\0")
    assert left(tmp_path) == sorted(name for name in theirs if name and not Path(name).name.startswith("."))
