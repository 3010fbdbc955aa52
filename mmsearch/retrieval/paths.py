"""Paths as bytes: made absolute, compared, and found under other spellings of one name."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Sequence

_SEPARATOR = os.fsencode(os.sep)


def absolute(paths: Sequence[str | bytes | os.PathLike[str]]) -> list[bytes]:
    """Paths as absolute bytes, ``~`` expanded, links not resolved."""
    return [os.fsencode(os.path.abspath(os.path.expanduser(os.fspath(path)))) for path in paths]


def lies_under(path: bytes, root: bytes) -> bool:
    """Whether ``path`` is ``root`` or inside it."""
    return path == root or path.startswith(root.rstrip(_SEPARATOR) + _SEPARATOR)


def normal(path: bytes | str, fold: bool = False) -> str:
    """A path by which names compare that Unicode takes for the same (NFC), with ``fold`` also those in another case."""
    text = os.fsdecode(path)
    if not text.isascii():
        text = unicodedata.normalize("NFC", text)
    return text.casefold() if fold else text


def ignores_case(folder: bytes) -> bool:
    """Whether the file system there finds a name in another case; False where nothing in the folder tells."""
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
    """The path as the disk spells it, where it has such a name in another normal form of Unicode; None where not."""
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
