"""Plain names of an agent, for kinds, folders, levels and collections, as what `Collection` takes."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterable, Mapping, Sequence

from mmsearch import Collection, UsageError
from mmsearch.types import LEVELS, Level, Modality, printable

KINDS: dict[str, Modality] = {"pictures": "image", "films": "video", "sounds": "audio", "texts": "text"}
"""Names of kinds and the modalities that they stand for."""

KIND_OF: dict[Modality, str] = {"image": "picture", "video": "film", "audio": "sound", "text": "text"}
"""What one file of a modality is called."""

_ALSO = {"photo": "pictures", "image": "pictures", "video": "films", "movie": "films", "audio": "sounds"}
_ALSO |= {"picture": "pictures", "film": "films", "sound": "sounds", "text": "texts", "document": "texts"}
_MOST_CANDIDATES = 8
_TIME = re.compile(r"(?:(?:(\d+):)?(\d{1,2}):)?(\d+(?:\.\d+)?)")


def collection_named(collections: Mapping[str, Collection], name: str | None) -> tuple[str, Collection]:
    """The collection of a name, moved to its newest manifest, and the name; the first one for None.

    Raises:
        UsageError: there is none of that name.
    """
    name = next(iter(collections)) if name is None else name
    if name not in collections:
        raise UsageError(f"no collection {name!r}; there are: {', '.join(collections)}")
    collections[name].reopen()
    return name, collections[name]


def kinds_named(names: Sequence[str]) -> dict[str, Modality]:
    """The kinds of some names, such as ``pictures`` or ``photo``, with their modalities.

    Raises:
        UsageError: an unknown name.
    """
    found = {}
    for name in names:
        kind = name.strip().lower()
        kind = kind if kind in KINDS else _ALSO.get(kind.removesuffix("s"), kind)
        if kind not in KINDS:
            raise UsageError(f"no kind {name!r}; there are: {', '.join(KINDS)}")
        found[kind] = KINDS[kind]
    return found


def level_named(name: str) -> Level:
    """A level by its name.

    Raises:
        UsageError: there is no such level.
    """
    for level in LEVELS:
        if level == name.strip().lower():
            return level
    raise UsageError(f"no level {name!r}; there are: {', '.join(LEVELS)}")


def seconds_named(time: str | float) -> float:
    """A time in a film, in seconds: ``83.5``, ``1:23`` or ``1:02:03``.

    Raises:
        UsageError: it cannot be read.
    """
    match = _TIME.fullmatch(str(time).strip())
    if match is None:
        raise UsageError(f"{time!r} is no time in a film; write seconds, 1:23 or 1:02:03")
    hours, minutes, seconds = match.groups(default="0")
    return 3600 * int(hours) + 60 * int(minutes) + float(seconds)


def first_moment(date: str) -> str:
    """The first day that a date stands for: of ``2023`` or ``2023-05``; other dates are left as they are."""
    whole = date.strip()
    return f"{whole}-01-01"[:10] if re.fullmatch(r"\d{4}(-\d\d)?", whole) else whole


class Folders:
    """The folders that hold files of a collection, at any depth, to be found by their names.

    Args:
        paths: of the files; several may be the same.
        archives: of those that are items, which are found as folders are.
    """

    def __init__(self, paths: Iterable[str], archives: Iterable[str] = ()) -> None:
        found: set[str] = set()
        for folder in {*(os.path.dirname(path) for path in paths), *archives}:
            while folder and folder not in found:
                found.add(folder)
                folder = os.path.dirname(folder)
        self.paths = sorted(found)

    @classmethod
    def of(cls, collection: Collection) -> Folders:
        """Those of a collection as it is now."""
        paths: set[str] = set()
        archives: set[bytes] = set()
        for batch in collection.items(batch=1 << 16, columns=("path", "mms_source")):
            paths.update(batch["path"].unique().to_pylist())
            archives.update(batch["mms_source"].drop_null().unique().to_pylist())
        return cls(paths, (printable(os.fsdecode(archive)) for archive in archives))

    def named(self, name: str) -> str:
        """The path of a folder: ``Holiday``, ``2023/Holiday`` or the whole path, in any case of letters.

        Raises:
            UsageError: no folder is called so, or several are that do not lie in one of them.
        """
        wanted = _parts(name)
        if not wanted:
            raise UsageError("the name of the folder is empty")
        found = [path for path in self.paths if _parts(path)[-len(wanted) :] == wanted]
        tops = [path for path in found if not any(_lies_in(path, other) for other in found)]
        if len(tops) == 1:
            return tops[0]
        if tops:
            raise UsageError(f"{len(tops)} folders are called {name!r}, give more of the path: {_listed(tops)}")
        if near := self._like(wanted[-1]):
            raise UsageError(f"no folder {name!r} holds files of the collection; did you mean: {_listed(near)}")
        raise UsageError(f"no folder {name!r} holds files of the collection; describe_collection lists folders")

    def _like(self, name: str) -> list[str]:
        """Folders whose names hold the name, or are spelled much like it."""
        by_name: dict[str, list[str]] = {}
        for path in self.paths:
            by_name.setdefault(os.path.basename(path).casefold(), []).append(path)
        close = [one for one in by_name if one and name in one]
        close += difflib.get_close_matches(name, by_name, _MOST_CANDIDATES)
        return [path for one in dict.fromkeys(close) for path in by_name[one]]


def _parts(path: str) -> list[str]:
    return [part for part in re.split(r"[/\\]", path.casefold()) if part not in ("", ".")]


def _lies_in(path: str, folder: str) -> bool:
    return path.startswith(folder.rstrip(os.sep) + os.sep)


def _listed(paths: Sequence[str]) -> str:
    more = len(paths) - _MOST_CANDIDATES
    return ", ".join(paths[:_MOST_CANDIDATES]) + (f" and {more} more" if more > 0 else "")
