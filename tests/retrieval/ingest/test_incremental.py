"""A second run costs only what has changed."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from mmsearch import Collection
from mmsearch.cli.hints import with_hint
from mmsearch.errors import Hint, HintKind


def balanced(report) -> bool:
    return report.found == report.indexed + report.unchanged + report.moved + len(report.skipped)


def touch_later(path: Path) -> None:
    """Give the file another time of change, however coarse the clock."""
    facts = path.stat()
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns + 2_000_000_000))


def names(hits) -> set[str]:
    return {Path(hit.path).name for hit in hits}


def test_a_first_run_indexes_every_picture_and_text(photos, empty, paths_in):
    report = empty.index([photos], workers=1)
    assert (report.found, report.indexed, report.rows) == (10, 10, 10)
    assert not report.skipped
    assert paths_in(empty) == {str(path) for path in photos.iterdir()}


def test_a_second_run_reads_nothing(photos, collection, embedded, monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("a decoder was started although nothing has changed")

    monkeypatch.setattr("mmsearch.retrieval.ingest.decoding.Decoder", refuse)
    report = collection.index([photos])
    assert (report.found, report.unchanged, report.indexed) == (10, 10, 0)
    assert len(embedded) == 0


def test_a_changed_file_is_embedded_again_and_its_old_rows_go_with_the_same_commit(photos, collection, embedded):
    text = photos / "bread.md"
    old = {hit.id for hit in collection.search("rye bread", to=["text"]) if hit.path == str(text)}
    generations = []
    text.write_text("Snow covers the northern mountains in January.")
    touch_later(text)

    def watch(progress):
        reader = Collection.open(collection.root)
        generations.append({hit.text for hit in reader.search(photos / "harbour.txt", to=["text"], include_self=True)})

    report = collection.index([photos], workers=1, watch=watch)
    assert (report.indexed, report.unchanged) == (1, 9)
    assert embedded.texts.count("Snow covers the northern mountains in January.") == 1
    hits = [hit for hit in collection.search("snow on mountains", to=["text"]) if hit.path == str(text)]
    assert [hit.text for hit in hits] == ["Snow covers the northern mountains in January."]
    assert not old & {hit.id for hit in hits}
    # Before the commit a reader saw the old passage, after it the new one; never both, never neither.
    assert all(len(texts) == 2 for texts in generations)


def test_a_file_whose_time_alone_changed_keeps_its_rows_and_is_not_read_again_afterwards(photos, collection, embedded):
    touch_later(photos / "disc.png")
    report = collection.index([photos], workers=1)
    assert (report.unchanged, report.indexed, len(embedded)) == (10, 0, 0)
    assert {hit.state for hit in collection.search(photos / "square.jpg", to=["image"])} == {"current"}
    assert collection.index([photos], workers=1).unchanged == 10


def test_a_vanished_file_leaves_the_results(photos, collection, paths_in):
    (photos / "disc.png").unlink()
    assert [h.state for h in collection.search("x", to=["image"]) if h.path.endswith("disc.png")] == ["gone"]
    report = collection.index([photos], workers=1)
    assert (report.found, report.removed) == (9, 1)
    assert str(photos / "disc.png") not in paths_in(collection)
    assert "disc.png" not in names(collection.search("a red disc", k=20))


@pytest.mark.parametrize("how", ["missing", "empty", "dangling"])
def test_items_of_a_root_that_is_missing_or_suddenly_empty_are_kept_and_that_is_said(
    photos, collection, paths_in, tmp_path, how
):
    before = paths_in(collection)
    shutil.move(photos, tmp_path / "unmounted")
    if how == "empty":
        photos.mkdir()
    if how == "dangling":
        photos.symlink_to(tmp_path / "nowhere")
    report = collection.index([photos], workers=1)
    assert report.removed == 0
    (kept,) = report.kept
    assert kept.path == str(photos)
    assert "10 items kept" in kept.reason
    assert kept.hint == Hint(HintKind.FORGET_MISSING)
    assert "--prune-missing" in with_hint(kept.reason, kept.hint)
    assert paths_in(collection) == before
    report = collection.index([photos], workers=1, prune_missing=True)
    assert report.removed == 10
    assert paths_in(collection) == set()


def test_a_moved_file_is_recognised_by_its_content_and_not_embedded_again(photos, collection, embedded, paths_in):
    old = next(hit for hit in collection.search("a sun on grass", k=20, to=["image"]) if hit.path.endswith("disc.png"))
    (photos / "below").mkdir()
    (photos / "disc.png").rename(photos / "below" / "sun.png")
    report = collection.index([photos], workers=1)
    assert (report.moved, report.indexed, report.removed, report.unchanged) == (1, 0, 0, 9)
    assert len(embedded) == 1  # the query alone
    assert str(photos / "disc.png") not in paths_in(collection)
    new = next(hit for hit in collection.search("a sun on grass", k=20, to=["image"]) if hit.path.endswith("sun.png"))
    assert new.score == old.score
    assert new.state == "current"


def test_a_copied_file_takes_the_rows_of_its_original(photos, collection, embedded, paths_in):
    shutil.copy(photos / "grid.png", photos / "mesh.png")
    report = collection.index([photos], workers=1)
    assert (report.indexed, report.unchanged, len(embedded)) == (1, 10, 0)
    assert {str(photos / "grid.png"), str(photos / "mesh.png")} <= paths_in(collection)


def test_two_copies_that_are_met_in_one_run_are_embedded_once(photos, empty, embedded, paths_in):
    shutil.copy(photos / "grid.png", photos / "mesh.png")
    shutil.copy(photos / "bread.md", photos / "loaf.md")
    report = empty.index([photos], workers=1)
    assert (report.found, report.indexed) == (12, 12)
    assert embedded.pictures == 8
    assert len(embedded.texts) == 2
    assert paths_in(empty) == {str(path) for path in photos.iterdir()}


def test_two_copies_of_a_file_without_words_are_both_listed(tmp_path, empty):
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text("  \n \n")
    report = empty.index([tmp_path], workers=1, exclude=("*.mms",))
    assert len(report.skipped) == 2
    assert balanced(report)


def test_a_change_of_case_alone_in_a_name_is_no_new_file(photos, collection, embedded, paths_in):
    # As on a disk that ignores case: the old name still leads to the file, but only the new one is listed.
    os.link(photos / "disc.png", photos / "Disc.png")
    report = collection.index([photos], workers=1, exclude=("disc.png",))
    assert (report.moved, report.indexed, report.removed, len(embedded)) == (1, 0, 0, 0)
    assert str(photos / "Disc.png") in paths_in(collection)
    assert str(photos / "disc.png") not in paths_in(collection)


def test_two_files_whose_names_differ_in_case_stay_two(photos, collection, paths_in):
    os.link(photos / "disc.png", photos / "Disc.png")
    report = collection.index([photos], workers=1)
    assert (report.indexed, report.moved) == (1, 0)
    assert {str(photos / "Disc.png"), str(photos / "disc.png")} <= paths_in(collection)


def test_a_dry_run_says_what_would_be_done_and_changes_nothing(photos, collection):
    generation = collection.manifest.generation
    (photos / "bread.md").unlink()
    (photos / "new.txt").write_text("A new text.")
    report = collection.index([photos], dry_run=True)
    assert (report.found, report.indexed, report.unchanged, report.removed) == (10, 1, 9, 1)
    assert not collection.reopen()
    assert collection.manifest.generation == generation


def test_a_file_moved_while_its_copy_stays_counts_as_a_copy(photos, collection, embedded):
    shutil.copy(photos / "grid.png", photos / "mesh.png")
    collection.index([photos], workers=1)
    embedded.clear()
    (photos / "grid.png").rename(photos / "net.png")
    report = collection.index([photos], workers=1)
    assert report.indexed + report.moved == 1
    assert len(embedded) == 0
    assert balanced(report)


def test_files_that_swap_names_swap_their_rows(photos, collection, embedded):
    a, b, aside = photos / "harbour.txt", photos / "bread.md", photos / "aside"
    a.rename(aside)
    b.rename(a)
    aside.rename(b)
    touch_later(a)
    touch_later(b)
    collection.index([photos], workers=1)
    assert len(embedded) == 0
    found = {Path(hit.path).name: hit.text for hit in collection.search("x", to=["text"])}
    assert found["harbour.txt"].startswith("A loaf")
    assert found["bread.md"].startswith("Fishing boats")
