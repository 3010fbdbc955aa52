"""Where the files of plain tars of this machine lie, so that one of many is read without all before it.

The headers of a tar are read once, in one pass that skips what they describe. Lists of the tars that were read last are
kept while the tar stays as it is.
"""

from __future__ import annotations

import os
import tarfile
import threading
from collections import OrderedDict
from collections.abc import Mapping
from typing import IO, Any, cast

_LONGEST_HEADER = 64 << 20
_MOST_NAMES = 2_000_000  # some 300 MB

Places = Mapping[str, tuple[int, int]]
"""By the name of a file in a tar, where its bytes begin and how many there are."""

_Version = tuple[str, int, int]


class FirstBytes:
    """The next ``size`` bytes of a file, to be read once."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        self._file, self._left = file, size

    def read(self, size: int) -> bytes:
        """At most so many of the bytes that are left."""
        data = self._file.read(min(size, self._left))
        self._left -= len(data)
        return data


class _Lists:
    """The lists that are kept. Safe to use from threads."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._kept: OrderedDict[_Version, Places] = OrderedDict()

    def of(self, file: IO[bytes], path: str) -> Places:
        """The list of a tar, made if it is not kept."""
        found = os.fstat(file.fileno())
        version = (path, found.st_mtime_ns, found.st_size)
        with self._guard:
            places = self._kept.get(version)
            if places is None:
                places = self._kept[version] = _read_places(file)
            self._kept.move_to_end(version)
            while len(self._kept) > 1 and sum(map(len, self._kept.values())) > _MOST_NAMES:
                self._kept.popitem(last=False)
            return places


_LISTS = _Lists()


def places_in_tar(file: IO[bytes], path: str) -> Places:
    """Where the files of a tar lie: by name; of two of one name, the first.

    Of a tar that is cut short, the files before the cut.

    Args:
        file: the tar, open; its position changes.
        path: its path, which with its time and size says whether a list that is kept is of it.

    Raises:
        tarfile.TarError: it is no tar.
    """
    return _LISTS.of(file, path)


def _read_places(file: IO[bytes]) -> Places:
    file.seek(0)
    places: dict[str, tuple[int, int]] = {}
    with tarfile.open(fileobj=cast(IO[bytes], _ShortReads(file)), mode="r:") as archive:
        try:
            for info in archive:
                cast(Any, archive).members = []  # it keeps every header otherwise
                if info.isreg() and not info.issparse():
                    places.setdefault(info.name.removeprefix("./"), (info.offset_data, info.size))
        except tarfile.TarError:
            if not places:
                raise
    return places


class _ShortReads:
    """A file that gives at most so much at once: a header may claim to be of any length, and would be read whole."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def read(self, size: int) -> bytes:
        if size > _LONGEST_HEADER:
            raise tarfile.ReadError("a header of unreasonable length")
        return self._file.read(size)

    def tell(self) -> int:
        return self._file.tell()

    def seek(self, place: int) -> int:
        return self._file.seek(place)
