"""What was decided once holds for later runs: roots, excludes, removals; and each can be taken back."""

from __future__ import annotations

import os
import shutil
import unicodedata
from pathlib import Path

import pytest

from mmsearch import Collection
from mmsearch.cli.hints import explained_error
from mmsearch.errors import Hint, HintKind, UsageError


def put(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"The text of {name}.")


@pytest.fixture
def media(tmp_path: Path) -> Path:
    put(tmp_path / "media", "a.txt", "private/p.txt", "private/deep/q.txt", "trip/t.txt")
    return tmp_path / "media"


@pytest.fixture
def made(media: Path, empty: Collection) -> Collection:
    empty.index([media], workers=1)
    return empty


@pytest.fixture
def known(made, media, paths_in):
    """The files that answer, relative to the folder."""
    return lambda: {os.path.relpath(path, media) for path in paths_in(made)}


EVERY = {"a.txt", "private/p.txt", "private/deep/q.txt", "trip/t.txt"}
PRIVATE = {"private/p.txt", "private/deep/q.txt"}

# --- excludes -------------------------------------------------------------------------------------------------


def test_what_was_indexed_and_is_excluded_now_leaves_the_answers(made, media, known):
    report = made.index([media], workers=1, exclude=["private"])
    assert known() == EVERY - PRIVATE
    assert (report.found, report.unchanged, report.removed) == (2, 2, 2)
    assert [(passed.kind, passed.names) for passed in report.passed_over] == [("excluded", ("private",))]
    assert "2 files indexed before and passed over now" in str(report.notices[0])


def test_all_may_be_excluded_and_is_not_taken_for_a_disk_that_is_gone(made, media, known):
    report = made.index([media], workers=1, exclude=["*"])
    assert known() == set()
    assert not report.kept


def test_a_file_that_asks_to_be_passed_over_takes_effect_with_the_next_run(made, media, known):
    (media / "private" / ".mmsearchignore").write_text("*\n!p.txt\n")
    made.index([media], workers=1)
    assert known() == EVERY - {"private/deep/q.txt"}


def test_an_exclude_is_kept_for_the_runs_after_it(made, media, known):
    made.index([media], workers=1, exclude=["private"])
    assert made.manifest.excludes == ("private",)
    assert Collection.open(made.root).index([media], workers=1).found == 2
    assert known() == EVERY - PRIVATE
    made.index([media / "private" / "deep"], workers=1)
    assert known() == EVERY - {"private/p.txt"}, "but what is named is read"
    made.index([media], workers=1)
    assert known() == EVERY - {"private/p.txt"}, "also by later runs, for it is a root of its own now"


def test_a_kept_pattern_means_the_same_from_another_working_folder(made, media, known, monkeypatch, tmp_path):
    monkeypatch.chdir(media)
    made.index([media], workers=1, exclude=["./private"])
    monkeypatch.chdir(tmp_path)
    made.index([media], workers=1)
    assert known() == EVERY - PRIVATE
    made.index([media], workers=1, lift=[str(media / "private")])
    assert known() == EVERY


@pytest.mark.parametrize("lift", ["private", "all"])
def test_lifting_an_exclude_brings_the_files_back_and_embeds_nothing(made, media, known, embedded, lift):
    made.index([media], workers=1, exclude=["private"])
    embedded.clear()
    made.index([media], workers=1, lift=[lift])
    assert known() == EVERY
    assert made.manifest.excludes == ()
    assert len(embedded) == 0


def test_the_pattern_given_last_decides(made, media, known):
    made.index([media], workers=1, exclude=["*.txt"])
    assert known() == set()
    made.index([media], workers=1, exclude=["!a.txt"])
    assert known() == {"a.txt"}
    made.index([media], workers=1, exclude=["*.txt"])
    assert known() == set()


def test_a_pattern_that_matches_nothing_is_said_once(made, media):
    told = "nothing matched the exclude pattern"
    assert f"{told} nope" in map(str, made.index([media], workers=1, exclude=["nope", "private"]).notices)
    assert not [n for n in made.index([media], workers=1).notices if told in str(n)], "kept ones are not told again"
    assert not made.index([media], workers=1, exclude=["private/", "private"]).notices, "two may match the same"


def test_a_dry_run_says_what_an_exclude_would_do_and_keeps_nothing(made, media, known):
    report = made.index([media], exclude=["private", "nope"], dry_run=True)
    assert report.removed == 2
    assert "nothing matched the exclude pattern nope" in map(str, report.notices)
    assert known() == EVERY
    assert made.manifest.excludes == ()


def test_a_pattern_that_cannot_be_read_is_not_kept(made, media):
    with pytest.raises(UsageError, match="cannot read the pattern"):
        made.index([media], exclude=["private", "!"])
    assert made.manifest.excludes == ()


def test_lifting_what_is_not_kept_is_an_error_that_tells_what_is(made, media):
    made.index([media], workers=1, exclude=["private"])
    with pytest.raises(UsageError, match="nope is neither excluded nor removed; kept is: private"):
        made.index([media], lift=["nope"])


def test_a_folder_in_which_all_that_is_left_is_excluded_is_not_taken_for_empty(made, media, known):
    put(media, "trip/x.tmp")
    (media / "trip" / "t.txt").unlink()
    report = made.index([media], workers=1, exclude=["*.tmp"])
    assert not report.kept
    assert known() == EVERY - {"trip/t.txt"}


# --- removals -------------------------------------------------------------------------------------------------


def test_what_was_removed_does_not_come_back_with_a_folder_above_it(made, media, known, tmp_path):
    assert made.remove([media / "private"]) == 2
    report = made.index([media], workers=1)
    assert known() == EVERY - PRIVATE
    assert [(p.kind, p.names) for p in report.passed_over] == [("removed before", (str(media / "private"),))]
    made.index([tmp_path], workers=1, exclude=["*.mms"])
    assert known() == EVERY - PRIVATE


def test_a_file_that_was_removed_stays_so(made, media, known):
    made.remove([media / "a.txt"])
    made.index([media], workers=1)
    assert known() == EVERY - {"a.txt"}


@pytest.mark.parametrize("back", [{"lift": ["all"]}, {"lift": ["private"]}, {}])
def test_its_own_name_or_lifting_brings_it_back(made, media, known, embedded, back, monkeypatch):
    made.remove([media / "private"])
    embedded.clear()
    monkeypatch.chdir(media)
    made.index([media] if back else [media / "private"], workers=1, **back)
    assert known() == EVERY
    assert made.manifest.removed == ()
    made.index([media], workers=1)
    assert known() == EVERY
    assert len(embedded) == 0, "the rows were stored all along"


def test_naming_a_folder_inside_brings_back_that_one_alone(made, media, known):
    made.remove([media / "private"])
    made.index([media / "private" / "deep"], workers=1)
    made.index([media], workers=1)
    assert known() == EVERY - {"private/p.txt"}


def test_removing_a_folder_takes_the_place_of_what_was_removed_in_it(made, media):
    made.remove([media / "private" / "deep"])
    made.remove([media / "private"])
    assert made.manifest.removed == (str(media / "private"),)


def test_remove_finds_a_name_in_another_normal_form_and_over_a_link(made, media, tmp_path, known):
    put(media, unicodedata.normalize("NFD", "Été") + "/e.txt")
    made.index([media], workers=1)
    assert made.remove([media / unicodedata.normalize("NFC", "Été")]) == 1
    (tmp_path / "way").symlink_to(media / "private")
    assert made.remove([tmp_path / "way"]) == 2
    made.index([media], workers=1)
    assert known() == {"a.txt", "trip/t.txt"}


def test_removing_what_is_not_there_names_the_nearest_and_removes_nothing(made, media, known):
    with pytest.raises(UsageError, match=r"privat is not in the collection; .*did you mean .*/private\?"):
        made.remove([media / "a.txt", media / "privat"])
    assert known() == EVERY


def test_vectors_made_elsewhere_leave_no_note_when_they_are_removed(tmp_path):
    made = Collection.create(tmp_path / "own.mms", model=None)
    made.add([[1.0, 0.0]], paths=["/a/1"], modality="image", space="own")
    made.remove(["/a"])
    assert made.manifest.removed == ()


# --- roots ----------------------------------------------------------------------------------------------------


def test_without_a_path_all_roots_are_read_again(made, media, known, tmp_path):
    put(tmp_path / "other", "o.txt")
    made.index([tmp_path / "other"], workers=1)
    put(media, "new.txt")
    put(tmp_path / "other", "new.txt")
    report = made.index(workers=1)
    assert (report.found, report.indexed) == (7, 2)


def test_without_a_path_a_root_that_is_missing_is_kept_and_said(made, media, known, tmp_path):
    other = tmp_path / "other"
    put(other, "o.txt")
    made.index([other], workers=1)
    shutil.rmtree(other)
    report = made.index(workers=1)
    assert "../other/o.txt" in known()
    assert str(other) in report.kept[0].reason


def test_without_a_path_and_a_root_it_is_wrong_use(empty):
    with pytest.raises(UsageError, match="nothing was indexed in .* yet") as error:
        empty.index()
    assert error.value.hint == Hint(HintKind.INDEX_FOLDER)
    assert "name a folder" in explained_error(error.value)


def test_a_folder_inside_a_root_is_no_root_of_its_own(made, media):
    made.index([media / "trip"], workers=1)
    assert made.manifest.roots == (str(media),)


def test_a_root_above_takes_the_place_of_those_inside(made, media, tmp_path):
    made.index([tmp_path], workers=1)
    assert made.manifest.roots == (str(tmp_path),)


def test_a_bin_that_was_named_stays_read_when_the_folder_above_is_indexed(made, media, known):
    put(media, "#recycle/old.txt")
    made.index([media], workers=1)
    assert "#recycle/old.txt" not in known()
    made.index([media / "#recycle"], workers=1)
    put(media, "#recycle/older.txt")
    made.index([media], workers=1)
    assert {"#recycle/old.txt", "#recycle/older.txt"} <= known()
    assert made.remove([media / "#recycle"]) == 2
    made.index([media], workers=1)
    assert known() == EVERY


def test_a_root_that_is_gone_and_was_forgotten_is_dropped_by_remove(made, media, tmp_path):
    other = tmp_path / "other"
    put(other, "o.txt")
    made.index([other], workers=1)
    made.remove([other / "o.txt"])
    shutil.rmtree(other)
    assert str(other) in made.manifest.roots
    assert made.remove([other]) == 0
    assert made.manifest.roots == (str(media),)


def test_pruning_a_root_that_is_missing_drops_it(made, media, tmp_path):
    other = tmp_path / "other"
    put(other, "o.txt")
    made.index([other], workers=1)
    shutil.rmtree(other)
    made.index([other], workers=1, prune_missing=True)
    assert made.manifest.roots == (str(media),)


def test_a_missing_root_of_which_nothing_is_stored_is_said(made, media, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    made.index([other], workers=1)
    other.rmdir()
    assert f"{other} is missing, and nothing of it is stored" in map(str, made.index(workers=1).notices)


def test_status_tells_what_each_root_holds_and_what_is_kept(made, media, tmp_path):
    put(tmp_path / "other", "o.txt")
    made.index([tmp_path / "other"], workers=1)
    shutil.rmtree(tmp_path / "other")
    made.remove([media / "trip"])
    made.index([media], workers=1, exclude=["private"])
    status = made.status()
    told = [(Path(root.path).name, root.files, root.rows, root.there) for root in status.roots]
    assert told == [("media", 1, 1, True), ("other", 1, 1, False)]
    assert (status.excludes, status.removed) == (["private"], [str(media / "trip")])
    facts = status.to_json()
    assert facts["roots"][0] == {"path": str(media), "files": 1, "rows": 1, "there": True}
    assert facts["removed"] == [{"path": str(media / "trip")}]
