"""Paths as bytes: made absolute, compared, found under another spelling; and times that show a file has changed."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable, Sequence, Set

from mmsearch.errors import UsageError

_SEPARATOR = os.fsencode(os.sep)
_FEW = 4


def listed_paths(paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]]) -> list[str | os.PathLike[str]]:
    """One path or several as a list. A str is one path, not its characters.

    Raises:
        UsageError: an empty path, which would stand for the working folder.
    """
    listed = [paths] if isinstance(paths, str | bytes | os.PathLike) else list(paths)
    if not all(os.fspath(path) for path in listed):
        raise UsageError("a path is empty; name a file or folder")
    return listed


def absolute(paths: Sequence[str | bytes | os.PathLike[str]]) -> list[bytes]:
    """Paths as absolute bytes, ``~`` expanded, links not resolved."""
    return [os.fsencode(os.path.abspath(os.path.expanduser(os.fspath(path)))) for path in paths]


def lies_under(path: bytes, root: bytes) -> bool:
    """Whether ``path`` is ``root`` or inside it."""
    return path == root or path.startswith(root.rstrip(_SEPARATOR) + _SEPARATOR)


def lies_under_any(path: bytes, roots: Set[bytes]) -> bool:
    """Whether ``path`` is one of many roots or inside one."""
    if len(roots) <= _FEW:
        return any(lies_under(path, root) for root in roots)
    while path not in roots:
        above = os.path.dirname(path)
        if above == path:
            return False
        path = above
    return True


def above_root(path: bytes, roots: Sequence[bytes]) -> bytes:
    """The folder that holds the innermost indexed path which ``path`` lies under; empty if there is none.

    Of an item of an archive (``/a/shard.tar#1.jpg``) that lies under none, the folder that holds the archive.
    """
    found = max((os.path.dirname(root) for root in roots if lies_under(path, root)), key=len, default=b"")
    return found or (os.path.dirname(path.partition(b"#")[0]) if b"#" in path else b"")


def normal(path: bytes | str, fold: bool = False) -> str:
    """A path in Unicode form NFC, so that equal names compare equal; with ``fold`` also without case."""
    text = os.fsdecode(path)
    if not text.isascii():
        text = unicodedata.normalize("NFC", text)
    return text.casefold() if fold else text


def ignores_case(folder: bytes) -> bool:
    """Whether a folder's file system finds a name in another case; False if no name in the folder shows it."""
    try:
        with os.scandir(folder) as listing:
            for entry in listing:
                other = entry.name.swapcase()
                if other != entry.name:
                    return os.path.samefile(entry.path, os.path.join(folder, other))
    except OSError:
        pass
    return False


def on_disk(path: bytes) -> bytes | None:
    """The path as the disk spells it, which may use another Unicode normal form; None if there is no such file."""
    if os.path.lexists(path):
        return path
    if path.isascii():
        return None
    parent, name = os.path.split(path)
    if not name or (found := on_disk(parent)) is None:
        return None
    wanted = normal(name)
    try:
        with os.scandir(found) as listing:
            same = sorted(entry.path for entry in listing if normal(entry.name) == wanted)
    except OSError:
        return None
    return same[0] if same else None


def status_change_ns(facts: os.stat_result) -> int | None:
    """When a file's content or attributes last changed, in nanoseconds; None if the system does not keep that time.

    No tool can set this time, so it shows a change that keeps size and modification time. On Windows the field of that
    name is the time of creation.
    """
    return None if os.name == "nt" else facts.st_ctime_ns
