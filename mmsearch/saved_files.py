"""Files of saved searches: a JSON document for each name, in the folder ``saved`` of a collection.

They are what a person said, not what was computed, so nothing ever deletes or rebuilds them.
"""

from __future__ import annotations

import json
import os
import re
import unicodedata
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mmsearch.durable import explained_write_errors, replace_atomically
from mmsearch.errors import CollectionBusyError, CollectionDamagedError, HintKind, NewerFormatError, UsageError

SAVED_FOLDER = "saved"
SAVED_FORMAT = 1
_ENDING = ".json"
REMOTE_NAME = "REMOTE.json"
"""A file in the folder that stands for a collection in a bucket; what else lies there may be deleted at any time."""
_LOCK_NAME = ".lock"
_NAME = re.compile(r"[^\W_][\w-]{0,49}")
_LOCK_S = 10.0
_FIELDS: dict[str, type] = {"name": str, "query": dict, "k": int, "options": dict, "rows": dict, "looks": dict}
"""Fields that every document has, whatever else it holds."""


def checked_name(name: str) -> str:
    """The name of a saved search in one spelling.

    Raises:
        UsageError: no search can have it.
    """
    spelled = unicodedata.normalize("NFC", name)
    if not _NAME.fullmatch(spelled):
        raise UsageError(f"{name!r} cannot be the name of a search: it has up to 50 letters, digits, - and _")
    return spelled


def saved_path(root: Path, name: str) -> Path:
    """Where a search of this name is saved; names differ in more than case.

    Raises:
        UsageError: no search can have the name, or the collection lies in a bucket.
    """
    if (root / REMOTE_NAME).exists():
        raise UsageError("searches are saved in a collection's folder, and this collection lies in a bucket")
    return root / SAVED_FOLDER / f"{checked_name(name).casefold()}{_ENDING}"


def saved_paths(root: Path) -> list[Path]:
    """The files of all saved searches, in order of name."""
    try:
        names = sorted(os.listdir(root / SAVED_FOLDER))
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [root / SAVED_FOLDER / name for name in names if name.endswith(_ENDING) and not name.startswith(".")]


def read_saved(path: Path) -> dict[str, Any]:
    """The document in a file of a saved search.

    Raises:
        FileNotFoundError: there is none.
        NewerFormatError: a newer version of mmsearch wrote it.
        CollectionDamagedError: it cannot be read.
    """
    try:
        data = json.loads(path.read_bytes())
        newer = int(data["format"]) > SAVED_FORMAT
    except FileNotFoundError:
        raise
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise damaged(path) from error
    if newer:
        raise NewerFormatError(f"{path} was written by a newer version of mmsearch")
    if not all(isinstance(data.get(name), kind) for name, kind in _FIELDS.items()):
        raise damaged(path)
    return dict(data)


def damaged(path: Path) -> CollectionDamagedError:
    """The error that a file of a saved search does not hold what it should."""
    return CollectionDamagedError(f"the saved search {path} is damaged", hint=HintKind.REPAIR)


def write_saved(path: Path, data: Mapping[str, Any]) -> None:
    """Put a document in the place of the one that is there, atomically.

    Raises:
        ReadOnlyError: nothing may be written there.
        MMSearchError: the disk is full or broken.
    """
    text = json.dumps({"format": SAVED_FORMAT, **data}, indent=1)
    with explained_write_errors(path.parent):
        path.parent.mkdir(exist_ok=True)
        replace_atomically(path, text.encode())


@contextmanager
def saved_lock(root: Path) -> Iterator[None]:
    """Hold the lock of the saved searches, so that of two who change one neither undoes what the other did.

    Raises:
        CollectionBusyError: somebody else has held it for ten seconds.
        ReadOnlyError: nothing may be written there.
    """
    from filelock import FileLock, Timeout

    folder = root / SAVED_FOLDER
    with explained_write_errors(root):
        folder.mkdir(exist_ok=True)
        lock = FileLock(folder / _LOCK_NAME, timeout=_LOCK_S)
        try:
            lock.acquire()
        except Timeout:
            raise CollectionBusyError(f"another process is changing {folder}; wait for it, and try again") from None
    try:
        yield
    finally:
        lock.release()
