"""Finding files: what lies under the paths that a person names, and what is passed over on purpose."""

from __future__ import annotations

import fnmatch
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mmsearch.errors import UsageError
from mmsearch.retrieval.filetimes import status_change_ns
from mmsearch.types import FileNote, printable

SYSTEM_FOLDERS = frozenset(
    {
        b"$RECYCLE.BIN",
        b"@eaDir",
        b"System Volume Information",
        b"__MACOSX",
        b"__pycache__",
        b"lost+found",
        b"node_modules",
    }
)
SYSTEM_FILES = frozenset({b"Thumbs.db", b"desktop.ini", b"ehthumbs.db"})


@dataclass(frozen=True, slots=True)
class Found:
    """A file that the scan saw. ``named``: the person gave this very path."""

    path: bytes
    size: int
    mtime_ns: int
    named: bool = False
    ctime_ns: int | None = None

    @classmethod
    def of(cls, path: bytes, facts: os.stat_result, *, named: bool = False) -> Found:
        """A file by what the system says of it."""
        return cls(path, facts.st_size, facts.st_mtime_ns, named, status_change_ns(facts))


@dataclass(slots=True)
class Scan:
    """Walks folders once. ``skipped`` and ``unread`` fill while `files` is consumed.

    ``unread`` holds what could not be listed or looked at: nothing may be concluded of what is in it.
    """

    paths: Sequence[bytes]
    exclude: Sequence[str] = ()
    hidden: bool = False
    follow_links: bool = False
    skipped: list[FileNote] = field(default_factory=list)
    unread: list[bytes] = field(default_factory=list)

    def files(self) -> Iterator[Found]:
        """Every regular file, each once, folders in order of name."""
        visited: set[tuple[int, int]] = set()
        for path in self.paths:
            try:
                facts = os.stat(path)
            except OSError:
                continue  # the caller has said so: see `missing`
            if stat.S_ISDIR(facts.st_mode):
                yield from self._walk(path, visited)
            elif stat.S_ISREG(facts.st_mode):
                yield Found.of(path, facts, named=True)
            else:
                self._skip(path, "not a regular file")

    def _walk(self, top: bytes, visited: set[tuple[int, int]]) -> Iterator[Found]:
        stack = [top]
        while stack:
            folder = stack.pop()
            try:
                identity = os.stat(folder)
                if (identity.st_dev, identity.st_ino) in visited:
                    continue  # a link led back here, or two of the paths overlap
                visited.add((identity.st_dev, identity.st_ino))
                with os.scandir(folder) as listing:
                    entries = sorted(listing, key=lambda entry: entry.name)
            except OSError as error:
                self.unread.append(folder)
                self._skip(folder, f"folder cannot be read: {error.strerror}")
                continue
            if _is_collection(entries):
                continue
            subfolders = []
            for entry in entries:
                if self._passed_over(entry, top):
                    continue
                facts = self._stat(entry)
                if facts is None:
                    continue
                if stat.S_ISDIR(facts.st_mode):
                    subfolders.append(entry.path)
                elif stat.S_ISREG(facts.st_mode):
                    yield Found.of(entry.path, facts)
                else:
                    self._skip(entry.path, "not a regular file")
            stack.extend(reversed(subfolders))

    def _stat(self, entry: os.DirEntry[bytes]) -> os.stat_result | None:
        try:
            if not entry.is_symlink() or self.follow_links:
                return entry.stat()
            self._skip(entry.path, "symbolic link; --follow-links follows it")
        except OSError as error:
            self.unread.append(entry.path)
            self._skip(entry.path, f"cannot be read: {error.strerror}")
        return None

    def _passed_over(self, entry: os.DirEntry[bytes], top: bytes) -> bool:
        if entry.name in SYSTEM_FOLDERS or entry.name in SYSTEM_FILES:
            return True
        if entry.name.startswith(b".") and not self.hidden:
            return True
        return bool(self.exclude) and excluded(os.path.relpath(entry.path, top), self.exclude)

    def _skip(self, path: bytes, reason: str) -> None:
        self.skipped.append(FileNote(os.fsdecode(path), reason))


def excluded(relative: bytes, patterns: Sequence[str]) -> bool:
    """Whether a path relative to its root matches a glob: as a whole, or by its last name."""
    name = os.fsdecode(relative).replace(os.sep, "/")
    last = name.rsplit("/", 1)[-1]
    return any(fnmatch.fnmatchcase(name, p.rstrip("/")) or fnmatch.fnmatchcase(last, p.rstrip("/")) for p in patterns)


def absolute(paths: Sequence[str | bytes | os.PathLike[str]]) -> list[bytes]:
    """Paths as absolute bytes, ``~`` expanded, links not resolved."""
    return [os.fsencode(os.path.abspath(os.path.expanduser(os.fspath(path)))) for path in paths]


def lies_under(path: bytes, root: bytes) -> bool:
    """Whether ``path`` is ``root`` or inside it."""
    return path == root or path.startswith(root.rstrip(os.fsencode(os.sep)) + os.fsencode(os.sep))


def missing(paths: Sequence[bytes]) -> list[bytes]:
    """Which of the paths lead to nothing: no such name, or a link whose target is gone."""
    return [path for path in paths if not os.path.exists(path)]


def no_such_path(path: bytes) -> UsageError:
    """The error for a path that was never there."""
    shown = printable(os.fsdecode(path))
    return UsageError(f"{shown} does not exist; give a folder or a file, for example `mmsearch index {Path.home()}`")


def _is_collection(entries: Sequence[os.DirEntry[bytes]]) -> bool:
    names = {entry.name for entry in entries}
    return {b"MANIFEST.json", b"lock"} <= names
