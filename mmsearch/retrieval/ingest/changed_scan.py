"""A scan of what is said to have changed, in place of a walk of whole folders."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from mmsearch.retrieval.ingest.found_files import FoundFile, FoundFiles, OpenFolder
from mmsearch.retrieval.ingest.leftovers import kind_by_contents
from mmsearch.retrieval.ingest.scan import COLLECTION_NAMES, FolderRules, Scan, between
from mmsearch.retrieval.paths import lies_under


@dataclass(slots=True)
class ChangedScan(Scan):
    """Finds, of all that a walk of the paths would find, what lies at or under some paths that have changed.

    Args:
        changed: files and folders, which may be gone.
    """

    changed: Sequence[bytes] = ()
    _found: set[bytes] = field(default_factory=set)
    _reached: dict[bytes, bool] = field(default_factory=dict)

    @property
    def scope(self) -> Sequence[bytes]:
        """What the scan looks at, and what lies under it."""
        return self.changed

    @property
    def may_lack(self) -> Sequence[bytes]:
        """Where stored files may lie that were not found: all that has changed but the files that were."""
        return [path for path in self.changed if path not in self._found]

    def batches(self) -> Iterator[FoundFile | FoundFiles]:
        """Every regular file that has changed, once; of a folder, all that is in it."""
        visited: set[tuple[int, int]] = set()
        names_in: dict[bytes, set[bytes]] = {}
        for path in self._outermost():
            if path in self._starts:
                yield from self._start(path, visited)
            else:
                names_in.setdefault(os.path.dirname(path), set()).add(os.path.basename(path))
        for folder, names in names_in.items():
            if self._is_reached(folder):
                for part in self._in_folder(folder, names, visited):
                    self._found.update(part.paths)
                    yield part
        self._note_folders()

    def _start(self, path: bytes, visited: set[tuple[int, int]]) -> Iterator[FoundFile | FoundFiles]:
        """What a walk finds that begins at a path that was named."""
        try:
            facts = os.stat(path)
        except OSError:
            return
        if stat.S_ISDIR(facts.st_mode):
            yield from self._walk(path, visited, set())
        elif stat.S_ISREG(facts.st_mode):
            self._found.add(path)
            self.folders.add(os.path.dirname(path))
            yield FoundFile.of(path, facts, named=True)

    def _outermost(self) -> list[bytes]:
        """What has changed under the paths, without what lies in a folder that has changed."""
        inside = [path for path in self.changed if any(lies_under(path, top) for top in self.paths)]
        folders = {path for path in inside if os.path.isdir(path) and not os.path.islink(path)}
        return [path for path in dict.fromkeys(inside) if not _lies_in_one(os.path.dirname(path), folders)]

    def _in_folder(self, folder: bytes, names: set[bytes], visited: set[tuple[int, int]]) -> Iterator[FoundFiles]:
        try:
            opened = OpenFolder(folder)
        except FileNotFoundError:
            return
        except OSError as error:
            self._cannot_read_folder(folder, error)
            return
        with opened:
            try:
                rules = self._with_ignore_file(folder, self._rules_at(folder))
            except OSError as error:
                self._cannot_read_folder(folder, error)
                return
            subfolders: list[tuple[bytes, FolderRules]] = []
            for found in self._files_in(opened, rules, set(), subfolders, names.intersection(opened.names)):
                if found:
                    self.folders.add(folder)
                    yield found
        for path, _ in subfolders:
            yield from self._walk(path, visited, set())

    def _is_reached(self, folder: bytes) -> bool:
        """Whether a walk of the paths comes to a folder."""
        if folder not in self._reached:
            tops = [top for top in self._starts if lies_under(folder, top)]
            self._reached[folder] = any(self._is_reached_from(top, folder) for top in tops)
        return self._reached[folder]

    def _is_reached_from(self, top: bytes, folder: bytes) -> bool:
        way = between(top, folder)
        if not self.follow_links and any(map(os.path.islink, way)):
            return False
        return self.would_reach(folder, top) and not any(map(_is_not_entered, way))

    def _note_folders(self) -> None:
        """Note the folders that files are gone from and that hold others, so that these are not taken for empty."""
        looked_at: set[bytes] = set()
        for path in self.may_lack:
            folder = os.path.dirname(path)
            while folder not in looked_at and any(lies_under(folder, top) for top in self.paths):
                looked_at.add(folder)
                if _holds_something(folder):
                    self.folders.add(folder)
                    break
                folder = os.path.dirname(folder)


def _lies_in_one(folder: bytes, folders: set[bytes]) -> bool:
    while folder not in folders:
        above = os.path.dirname(folder)
        if above == folder:
            return False
        folder = above
    return True


def _is_not_entered(folder: bytes) -> bool:
    """Whether a walk leaves a folder out because of what is in it."""
    try:
        names = set(os.listdir(folder))
    except OSError:
        return False
    return names >= COLLECTION_NAMES or kind_by_contents(folder, names) is not None


def _holds_something(folder: bytes) -> bool:
    """Whether there are files in a folder, or folders with files, so that it is no empty mount point."""
    try:
        with os.scandir(folder) as entries:
            shown = [entry for entry in entries if not entry.name.startswith(b".")]
    except OSError:
        return False
    return any(not entry.is_dir(follow_symlinks=False) for entry in shown) or any(
        _holds_something(entry.path) for entry in shown
    )
