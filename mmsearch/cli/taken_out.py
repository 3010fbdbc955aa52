"""Items of archives and buckets as files that another program can open, for a day."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from pathlib import Path

from mmsearch import Collection, Hit

_FOLDER = "mmsearch-open-"
_KEPT_S = 24 * 3600


def taken_out(hit: Hit, collection: Path) -> str:
    """The path of a file with the bytes of a hit's item, under the item's name; of a file, its own path.

    It stays, as the program that shows it may read it at any time. What was taken out a day ago or earlier is deleted.

    Raises:
        FileNotServedError: the item is gone or has changed.
    """
    _delete_old()
    with Collection.open(collection) as opened, opened.open_file(hit.id) as file:
        if file.content is None:
            return file.record.path
        name = file.record.path.removeprefix(f"{file.record.source}#").rpartition("/")[2]
        target = Path(tempfile.mkdtemp(prefix=_FOLDER), name)
        with target.open("wb") as sink:
            shutil.copyfileobj(file.file, sink, 1 << 20)
    return str(target)


def _delete_old() -> None:
    oldest = time.time() - _KEPT_S
    for folder in Path(tempfile.gettempdir()).glob(f"{_FOLDER}*"):
        try:
            found = folder.lstat()
        except OSError:
            continue
        is_own = not hasattr(os, "getuid") or found.st_uid == os.getuid()
        if is_own and folder.is_dir() and not folder.is_symlink() and found.st_mtime < oldest:
            shutil.rmtree(folder, ignore_errors=True)
