"""Making a new collection's files: its folder, the lock and the first manifest."""

from __future__ import annotations

import errno
from pathlib import Path

from mmsearch.durable import explained_write_errors
from mmsearch.errors import CollectionExistsError, ReadOnlyError, UsageError
from mmsearch.retrieval.store.lock import LOCK_NAME
from mmsearch.retrieval.store.manifest import Manifest, save_manifest
from mmsearch.retrieval.store.manifest_file import manifest_exists
from mmsearch.retrieval.store.remote import mirror_of, shown


def check_free(root: Path) -> None:
    """Check that a collection can be made at ``root``: nothing is there, or an empty folder.

    Raises:
        CollectionExistsError: there is a collection.
        UsageError: there is a file, or a folder of other files.
    """
    if manifest_exists(root):
        raise CollectionExistsError(f"there is a collection at {shown(root)} already; open it")
    mirror = mirror_of(root)
    if mirror is not None:
        if mirror.sizes():
            raise UsageError(f"{mirror.address} holds other objects; name a new or an empty folder")
        return
    if root.is_dir() and any(root.iterdir()):
        raise UsageError(f"{root} holds other files; name a new or an empty folder")
    if root.exists() and not root.is_dir():
        raise UsageError(f"{root} is a file; name a folder")


def create_files(root: Path, manifest: Manifest) -> None:
    """Make the files of a new collection; after a failure there is nothing of them.

    Raises:
        ReadOnlyError: they cannot be made there.
    """
    if mirror_of(root) is not None:
        save_manifest(root, manifest)
        return
    was_there = root.is_dir()
    with explained_write_errors(root):
        _make_folder(root)
        try:
            (root / LOCK_NAME).touch()
            save_manifest(root, manifest)
        except BaseException:  # half a collection would be in the way of the next try
            (root / LOCK_NAME).unlink(missing_ok=True)
            if not was_there:
                root.rmdir()
            raise


def _make_folder(root: Path) -> None:
    """Make a collection's folder and those above it.

    Raises:
        ReadOnlyError: it cannot be made: there is no such disk, no right to write, or a file where a folder should be.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        where = f" ({error.filename})" if error.filename and Path(error.filename) != root else ""
        raise ReadOnlyError(f"cannot create the collection at {root}: {error.strerror}{where}") from error
