"""Items of archives and buckets by their paths: which archive holds one, and whether it is still what was indexed."""

from __future__ import annotations

import os
import re
from pathlib import Path

from mmsearch.hits import FileState
from mmsearch.retrieval.sources.addresses import archive_kind, member_of
from mmsearch.retrieval.storage import is_remote

_MARK = "#"
_ONE_SLASH = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/(?!/)")


def item_named(path: str) -> tuple[str, str] | None:
    """The archive and the item in it that a path names, ``shard.tar#1.jpg``; None for all other paths.

    The archive is on this machine and there; or it is in a bucket, which is not asked.
    """
    place = path.find(_MARK)
    while place > 0:
        archive, name = path[:place], path[place + 1 :]
        if name and archive_kind(archive) is not None and (is_remote(archive) or os.path.isfile(archive)):
            return archive, name
        place = path.find(_MARK, place + 1)
    return None


def is_item(path: str | os.PathLike[str]) -> bool:
    """Whether a path names an item of an archive that is there, and no file."""
    text = written(path)
    return _MARK in text and not os.path.exists(text) and item_named(text) is not None


def written(path: str | os.PathLike[str]) -> str:
    """A path as a person has written it: a `Path` makes one slash of the two after ``s3:``."""
    return _ONE_SLASH.sub(r"\1://", os.fspath(path)) if isinstance(path, Path) else os.fspath(path)


class ItemStates:
    """Whether items are still what was indexed, judged by their archives, each of which is looked at once.

    For one answer: an archive that changes later is not looked at again. Archives and objects in buckets are not asked:
    their items count as current until one is opened.
    """

    def __init__(self) -> None:
        self._times: dict[str, int | None] = {}

    def of(self, path: str, source: str, mtime_ns: int) -> FileState | None:
        """The state of a row that was read from a source; None if its path is that of a file of this machine."""
        if is_remote(path):
            return "current"
        if member_of(path, source) is None:
            return None if os.path.isabs(path) else "none"  # an app's own source names its items as it likes
        time_ns = self._time_of(source)
        if time_ns is None:
            return "gone"
        return "current" if time_ns == mtime_ns else "changed"

    def is_there(self, path: str) -> bool:
        """Whether a path names a file that exists, or an item of an archive that does. Buckets are not asked."""
        if is_remote(path):
            return True
        place = path.find(_MARK)
        while place > 0:
            archive = path[:place]
            if archive_kind(archive) is not None and self._time_of(archive) is not None:
                return True
            place = path.find(_MARK, place + 1)
        return os.path.exists(path)

    def _time_of(self, archive: str) -> int | None:
        """When an archive was changed last, in nanoseconds; None if it is gone."""
        if archive not in self._times:
            try:
                self._times[archive] = os.stat(archive).st_mtime_ns
            except OSError:
                self._times[archive] = None
        return self._times[archive]
