"""The paths of stored rows: finding the one that a person means, also in another spelling or through a link."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from functools import cached_property
from typing import Any

import pyarrow as pa

from mmsearch.retrieval.paths import lies_under, normal
from mmsearch.retrieval.store.snapshot import Snapshot


class StoredPaths:
    """The paths of all rows of some spaces that are not deleted."""

    def __init__(self, snapshot: Snapshot, spaces: Iterable[str]) -> None:
        self._roots = [os.fsencode(root) for root in snapshot.manifest.roots]
        self._columns: list[pa.ChunkedArray] = []
        self._sources: list[pa.ChunkedArray] = []
        for space in spaces:
            for modality in snapshot.manifest.modalities(space):
                rows = snapshot.rows(space, modality)
                table = rows.facts(["path", "mms_source"])
                table = table if rows.live is None else table.filter(pa.array(rows.live))
                self._columns.append(table["path"])
                self._sources.append(table["mms_source"])

    def matching(self, path: bytes) -> list[bytes]:
        """The stored spellings of an absolute path, of a file or of a folder that holds stored files.

        Looked for as it is given, in another normal form of Unicode, and in another case if the file system takes the
        two for one. If none of them is stored, links are followed. Empty if nothing is found.
        """
        for target in dict.fromkeys((path, os.path.realpath(path))):
            paths = [target, *self._from_roots(target)]
            found = [one for one in paths if self.holds(one)]
            if not found or not target.isascii():
                found += [spelling for one in paths for spelling in self._spellings(one)]
            if found:
                return list(dict.fromkeys(found))
        return []

    def nearest(self, paths: Sequence[bytes]) -> bytes | None:
        """A path like one of these, as a suggestion: of a stored folder, or else of a folder on the disk."""
        for of_disk in (False, True):
            for path in paths:
                if (found := self._nearest_to(path, of_disk)) is not None:
                    return found
        names = {os.path.basename(folder): folder for folder in self._folders}
        for path in paths:
            if close := _closest(os.path.basename(path), list(names)):
                return names[close]
        return None

    def _from_roots(self, path: bytes) -> list[bytes]:
        """The path as seen from roots that are links, or lie behind one."""
        found = []
        for root in self._roots:
            real = os.path.realpath(root)
            if real != root and lies_under(path, real):
                found.append(root + path[len(real) :])
            elif real != root and lies_under(real, path):
                found.append(root)
        return found

    def holds(self, path: bytes) -> bool:
        """Whether a path or address is stored, or anything in it: files of a folder, items of an archive."""
        import pyarrow.compute as pc

        own = zip(self._columns, self._sources, strict=True)
        return any(pc.any(under_mask(column, path, sources)).as_py() for column, sources in own)

    def _spellings(self, path: bytes) -> list[bytes]:
        """The stored paths that a path is another spelling of."""
        found = self._same_as(path, self._folders)
        for folder in self._same_as(os.path.dirname(path), self._folders):
            found += self._same_as(path, self._files_in(folder))
        return found

    def _same_as(self, path: bytes, stored: Iterable[bytes]) -> list[bytes]:
        name, folded = normal(path), normal(path, fold=True)
        exists = os.path.exists(path)
        return [
            one
            for one in stored
            if normal(one) == name or (exists and normal(one, fold=True) == folded and _is_same(path, one))
        ]

    @cached_property
    def _folders(self) -> list[bytes]:
        """Every folder that holds a stored file, at any depth."""
        import pyarrow.compute as pc

        found: set[bytes] = set()
        for column in self._columns:
            for folder in pc.replace_substring_regex(column, pattern=r"/[^/]*$", replacement="").unique().to_pylist():
                while folder and folder not in found:
                    found.add(folder)
                    folder = folder.rpartition(b"/")[0]
        return sorted(found)

    def _files_in(self, folder: bytes) -> list[bytes]:
        import pyarrow.compute as pc

        files: set[bytes] = set()
        for column in self._columns:
            files |= set(column.filter(pc.starts_with(column, pattern=folder + b"/")).to_pylist())
        return sorted(files)

    def _nearest_to(self, path: bytes, of_disk: bool) -> bytes | None:
        """The path with its first unknown part replaced by the most similar name in that folder.

        Names are those of stored folders, or with ``of_disk`` those of folders on the disk.
        """
        folders = set(self._folders)
        rest: list[bytes] = []
        while path not in folders and not (of_disk and os.path.isdir(path)):
            above, name = os.path.split(path)
            if above == path:
                return None
            path = above
            rest.insert(0, name)
        if not rest:
            return None
        names = (
            [os.path.basename(f) for f in folders if os.path.dirname(f) == path] if not of_disk else _folders_in(path)
        )
        close = _closest(rest[0], names)
        if close is None:
            return None
        whole = os.path.join(path, close, *rest[1:])
        return whole if whole in folders or os.path.exists(whole) else os.path.join(path, close)


def under_mask(paths: pa.ChunkedArray, folder: bytes, sources: pa.ChunkedArray) -> Any:
    """For each path whether it is ``folder`` or lies in it, as Arrow booleans; also if that is the archive it is of.

    ``sources``: the archive of each, null for files of folders.
    """
    import pyarrow.compute as pc

    inside = pc.starts_with(paths, pattern=folder.rstrip(b"/") + os.fsencode(os.sep))
    inside = pc.or_(inside, pc.equal(paths, pa.scalar(folder)))
    if sources.null_count == len(sources):
        return inside
    return pc.or_(inside, pc.equal(sources.cast(pa.binary()), pa.scalar(folder)).fill_null(False))


def _closest(name: bytes, names: Iterable[bytes]) -> bytes | None:
    by_text = {normal(one, fold=True): one for one in names}
    close = get_close_matches(normal(name, fold=True), by_text, n=1)
    return by_text[close[0]] if close else None


def _folders_in(folder: bytes) -> list[bytes]:
    try:
        with os.scandir(folder) as listing:
            return [entry.name for entry in listing if entry.is_dir()]
    except OSError:
        return []


def _is_same(one: bytes, other: bytes) -> bool:
    try:
        return os.path.samefile(one, other)
    except OSError:
        return False
