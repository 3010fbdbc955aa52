"""A run over what has changed finds what a run over everything finds."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from mmsearch import Collection, UsageError
from mmsearch.retrieval.encoders.routing import ModelRouting
from mmsearch.retrieval.ingest.options import IngestOptions
from mmsearch.retrieval.ingest.run import plan_run
from mmsearch.retrieval.store.snapshot import Snapshot

FILES = ("a.txt", "b.txt", "trip/c.txt", "trip/d.txt", "trip/deep/e.txt", "one/f.txt", "kept/g.txt", "work/h.txt")
NEW = (
    *FILES,
    "new.txt",
    "trip/new.txt",
    "fresh/i.txt",
    ".hidden/j.txt",
    ".k.txt",
    "out.log.txt",
    "work/l.txt",
    "m.py",
    "A.txt",
)


@pytest.fixture(scope="module")
def indexed(tmp_path_factory) -> tuple[Path, Collection]:
    """A folder of texts, some of which are excluded, and its collection."""
    root = tmp_path_factory.mktemp("tree") / "root"
    for i, name in enumerate(FILES):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(f"Text number {i}.")
        os.utime(root / name, (1000 + i, 1000 + i))
    (root / "work" / ".mmsearchignore").write_text("l.*\n")
    made = Collection.create(root.parent / "c.mms", model="mini")
    made.index([root], workers=1, exclude=["*.log.txt"])
    shutil.copytree(root, root.parent / "pristine")
    return root, made


def restore(root: Path) -> None:
    shutil.rmtree(root)
    shutil.copytree(root.parent / "pristine", root)


def planned(indexed: tuple[Path, Collection], changed: list[str] | None) -> dict[str, object]:
    """What a run would do."""
    root, made = indexed
    routing = ModelRouting.single(made.encoder(), texts=True)
    options = IngestOptions(check="mtime", changed=None if changed is None else [root / name for name in changed])
    run = plan_run(Snapshot(made.root, made.manifest), routing, [os.fsencode(root)], options)
    return {
        "read": sorted(file.path for file in run.plan.to_read),
        "deleted": sorted(run.plan.deleted),
        "kept": sorted((folder.folder, folder.reason, *sorted(folder.files)) for folder in run.plan.absent),
        "renamed": [(old.path, new.path) for old, new in run.plan.renamed],
    }


def write(root: Path, name: str) -> list[str]:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).unlink(missing_ok=True)  # not through a link
    (root / name).write_text("Text number 0.")  # of the length that the others have
    return [name]


def delete(root: Path, name: str) -> list[str]:
    (root / name).unlink(missing_ok=True)
    return [name]


def delete_folder(root: Path, name: str) -> list[str]:
    folder = (root / name).parent
    if folder == root or not folder.is_dir():
        return []
    gone = [os.path.relpath(path, root) for path in folder.rglob("*")]
    shutil.rmtree(folder)
    return [*gone, os.path.relpath(folder, root)]


def move(root: Path, name: str) -> list[str]:
    target = root / "moved" / name
    if not (root / name).is_file():
        return []
    target.parent.mkdir(parents=True, exist_ok=True)
    (root / name).rename(target)
    return [name, os.path.relpath(target, root)]


def link(root: Path, name: str) -> list[str]:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).unlink(missing_ok=True)
    (root / name).symlink_to(root / "b.txt")
    return [name]


def move_folder(root: Path, name: str) -> list[str]:
    """Only the folders themselves are told of, as the system does."""
    folder = (root / name).parent
    target = root / f"moved {folder.name}"
    if folder == root or not folder.is_dir() or target.exists():
        return []
    folder.rename(target)
    return [os.path.relpath(folder, root), target.name]


ACTS: tuple[Callable[[Path, str], list[str]], ...] = (write, delete, delete_folder, move, link, move_folder)


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example([(delete, "one/f.txt")])
@example([(delete_folder, "trip/c.txt"), (write, "trip/new.txt")])
@example([(move_folder, "trip/c.txt")])
@example([(write, "work/l.txt"), (write, ".hidden/j.txt"), (write, "out.log.txt")])
@example([(write, "A.txt")])
@example([(write, "A.txt"), (delete, "a.txt")])
@given(st.lists(st.tuples(st.sampled_from(ACTS), st.sampled_from(NEW)), min_size=1, max_size=6))
def test_whatever_changes_the_plan_is_that_of_a_whole_run(indexed, acts):
    root, _ = indexed
    try:
        changed = [name for act, name in acts for name in act(root, name)]
        assert planned(indexed, changed) == planned(indexed, None)
    finally:
        restore(root)


def test_what_is_not_said_to_have_changed_is_not_looked_at(indexed):
    root, _ = indexed
    write(root, "a.txt")
    write(root, "b.txt")
    assert planned(indexed, ["b.txt"])["read"] == [os.fsencode(root / "b.txt")]
    assert planned(indexed, [])["read"] == []
    assert planned(indexed, ["../elsewhere.txt", str(root.parent / "x")])["read"] == []
    restore(root)


def test_files_come_change_move_and_go(photos, collection, paths_in):
    (photos / "grid.png").unlink()
    (photos / "cross.png").rename(photos / "crossed.png")
    (photos / "bread.md").write_text("Another text altogether.")
    (photos / "new.md").write_text("A new one.")
    names = ("grid.png", "cross.png", "crossed.png", "bread.md", "new.md", "passing.tmp")
    report = collection.index([photos], workers=1, changed=[photos / name for name in names])
    assert (report.indexed, report.moved, report.removed, report.found) == (2, 1, 1, 3)
    assert report.kept == ()
    again = collection.index([photos], workers=1)
    assert (again.indexed, again.moved, again.removed, again.unchanged) == (0, 0, 0, 10)
    assert str(photos / "crossed.png") in paths_in(collection)


def test_skipped_files_elsewhere_stay_remembered(photos, collection):
    (photos / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing more")
    collection.index([photos], workers=1)
    (photos / "new.md").write_text("A new one.")
    collection.index([photos], workers=1, changed=[photos / "new.md"])
    (note,) = collection.index([photos], workers=1).skipped
    assert note.known


def test_a_new_model_needs_everything(photos, collection, tmp_path):
    with pytest.raises(UsageError, match="changed must be a list"):
        collection.index([photos], changed=str(photos))
    with pytest.raises(UsageError, match="a path is empty"):
        collection.index([photos], changed=[""])
