"""What a scan finds: files with their sizes and times, and the folders that it looks into."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from types import TracebackType

from mmsearch.retrieval.paths import status_change_ns

_SEPARATOR = os.fsencode(os.sep)
_BY_DESCRIPTOR = os.stat in os.supports_dir_fd  # not on Windows, where a listing holds sizes and times itself


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file that the scan found. ``named``: its very path was given, rather than that of a folder above it."""

    path: bytes
    size: int
    mtime_ns: int
    named: bool = False
    ctime_ns: int | None = None

    @classmethod
    def of(cls, path: bytes, facts: os.stat_result, *, named: bool = False) -> FoundFile:
        """A file with the size and times that ``os.stat`` gave."""
        return cls(path, facts.st_size, facts.st_mtime_ns, named, status_change_ns(facts))


@dataclass(slots=True)
class FoundFiles:
    """Some files that the scan found, as columns; none of them was named. ``ctimes_ns``: None as in `FoundFile`."""

    paths: list[bytes] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    mtimes_ns: list[int] = field(default_factory=list)
    ctimes_ns: list[int] | None = field(default_factory=lambda: None if os.name == "nt" else [])

    def __len__(self) -> int:
        return len(self.paths)

    def add(self, path: bytes, facts: os.stat_result) -> None:
        """Add a file with the size and times that ``os.stat`` gave."""
        self.paths.append(path)
        self.sizes.append(facts.st_size)
        self.mtimes_ns.append(facts.st_mtime_ns)
        if self.ctimes_ns is not None:
            self.ctimes_ns.append(facts.st_ctime_ns)

    def extend(self, others: FoundFiles) -> None:
        """Add other files."""
        self.paths += others.paths
        self.sizes += others.sizes
        self.mtimes_ns += others.mtimes_ns
        if self.ctimes_ns is not None:
            self.ctimes_ns += others.ctimes_ns or ()

    def some(self, places: Iterable[int]) -> list[FoundFile]:
        """The files at these places, those of a folder by name."""
        times = self.ctimes_ns
        found = [
            FoundFile(self.paths[i], self.sizes[i], self.mtimes_ns[i], ctime_ns=None if times is None else times[i])
            for i in places
        ]
        folders: dict[bytes, int] = {}  # in the order of the walk
        keys = {file.path: folders.setdefault(os.path.dirname(file.path), len(folders)) for file in found}
        return sorted(found, key=lambda file: (keys[file.path], file.path))


class OpenFolder:
    """A folder whose files are looked at: by name alone where the system can, which spares it the way there.

    Attributes:
        base: its path, ending in a separator.
        identity: its device and number there.
        names: what is in it, in no order.

    Raises:
        OSError: it cannot be listed.
    """

    def __init__(self, path: bytes) -> None:
        self.base = path if path.endswith(_SEPARATOR) else path + _SEPARATOR
        self._descriptor: int | None = None
        self._entries: dict[bytes, os.DirEntry[bytes]] = {}
        if _BY_DESCRIPTOR:
            self._descriptor = os.open(path, os.O_RDONLY)
            try:
                facts = os.fstat(self._descriptor)
                self.names = os.listdir(path)
            except OSError:
                self.__exit__(None, None, None)
                raise
        else:
            facts = os.stat(path)
            with os.scandir(path) as listing:
                self._entries = {entry.name: entry for entry in listing}
            self.names = list(self._entries)
        self.identity = facts.st_dev, facts.st_ino

    def __enter__(self) -> OpenFolder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)

    def facts(self, name: bytes) -> os.stat_result:
        """What the disk says of one of the names; of a link itself.

        Raises:
            OSError: it cannot be looked at.
        """
        if self._descriptor is None:
            return self._entries[name].stat(follow_symlinks=False)
        return os.stat(name, dir_fd=self._descriptor, follow_symlinks=False)

    def _all_facts(self, names: Sequence[bytes]) -> list[os.stat_result]:
        if self._descriptor is None:
            return [self._entries[name].stat(follow_symlinks=False) for name in names]
        look, folder = os.stat, self._descriptor
        return [look(name, dir_fd=folder, follow_symlinks=False) for name in names]

    def regular_files(self, names: Sequence[bytes], others: set[bytes]) -> FoundFiles:
        """The regular files among some names. All other names are added to ``others``."""
        try:
            facts = self._all_facts(names)
        except OSError:
            others.update(names)
            return FoundFiles()
        found, base = FoundFiles(), self.base
        kinds = [one.st_mode & 0o170000 for one in facts]
        if kinds.count(stat.S_IFREG) < len(kinds):
            others.update(name for name, kind in zip(names, kinds, strict=True) if kind != stat.S_IFREG)
            files = [place for place, kind in enumerate(kinds) if kind == stat.S_IFREG]
            names, facts = [names[place] for place in files], [facts[place] for place in files]
        found.paths = [base + name for name in names]
        found.sizes = [one.st_size for one in facts]
        found.mtimes_ns = [one.st_mtime_ns for one in facts]
        if found.ctimes_ns is not None:
            found.ctimes_ns = [one.st_ctime_ns for one in facts]
        return found
