"""Where the rows of a file come from whose content is stored already: from itself, from where it lay, from a copy."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from mmsearch.retrieval.ingest.completeness import CutOptions
from mmsearch.retrieval.ingest.deleted_rows import DeletedContents
from mmsearch.retrieval.ingest.scan import FoundFile
from mmsearch.retrieval.ingest.stored_files import StoredFile, StoredFiles, StoredRows
from mmsearch.retrieval.store.snapshot import Snapshot
from mmsearch.types import Modality


@dataclass(frozen=True, slots=True)
class Source:
    """Rows for a file. *touched*: its own. *moved*: those of the file at ``before``, which is there no more. *copied*:
    those of another file, or dead ones."""

    how: Literal["touched", "moved", "copied"]
    rows: list[StoredRows]
    before: StoredFile | None = None


class Reuse:
    """Finds stored rows by content. ``movable`` says of a known file whether it left the place where it lay."""

    def __init__(
        self,
        snapshot: Snapshot,
        known: StoredFiles,
        space_by_modality: Mapping[Modality, str],
        wanted: CutOptions,
        movable: Callable[[StoredFile], bool],
    ) -> None:
        self._snapshot = snapshot
        self._known = known
        self._serving = space_by_modality
        self._wanted = wanted
        self._movable = movable
        self._moved: set[bytes] = set()
        self._offered: dict[int, frozenset[bytes]] = {}

    @cached_property
    def _buried(self) -> DeletedContents:
        return DeletedContents(self._snapshot, self._serving, self._wanted)

    def hashes(self, found: FoundFile) -> frozenset[bytes]:
        """Hashes of contents of the file's size that need not be embedded."""
        if found.size not in self._offered:  # there may be many of one size, such as bitmaps
            live = (d for d in self._known.hashes_of_size(found.size) if self._live(b"", d) is not None)
            self._offered[found.size] = self._buried.hashes_of_size(found.size) | frozenset(live)
        own = self._known.by_path.get(found.path)
        if own is not None and own.size == found.size and self._live(own.path, own.content_hash) is not None:
            return self._offered[found.size] | {own.content_hash}
        return self._offered[found.size]

    def find(self, path: bytes, content_hash: bytes) -> Source:
        """Rows for the file at ``path``, whose content is among those that `hashes` named."""
        live = self._live(path, content_hash)
        if live is not None:
            how, before = live
            if how == "moved":
                self._moved.add(before.path)
            return Source(how, self._known.stored_rows(before), before)
        rows = self._buried.stored_rows(content_hash)
        if rows is None:  # the one that could have moved here was taken by another copy
            rows = self._known.stored_rows(self._known.with_content(content_hash)[0])
        return Source("copied", rows)

    def _live(
        self, path: bytes, content_hash: bytes
    ) -> tuple[Literal["touched", "moved", "copied"], StoredFile] | None:
        files = [file for file in self._known.with_content(content_hash) if self._known.is_whole(file)]
        named = [f for f in files if all(made.has_column(self._wanted) for _, made in f.made)]
        own = next((file for file in named if file.path == path), None)
        if own is not None:
            return "touched", own
        gone = [file for file in named if file.path not in self._moved and self._movable(file)]
        if gone:
            return "moved", max(gone, key=lambda file: os.path.basename(file.path) == os.path.basename(path))
        same = (file for file in files if all(made.is_as(self._wanted) for _, made in file.made))
        copy = next(same, None)
        return None if copy is None else ("copied", copy)
