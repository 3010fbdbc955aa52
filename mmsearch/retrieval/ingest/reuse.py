"""Stored rows for files whose content is stored already: their own, those of where they lay before, or of a copy."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from mmsearch.own_facts import OwnFacts
from mmsearch.retrieval.ingest.deleted_rows import DeletedRows
from mmsearch.retrieval.ingest.expected_rows import CutOptions
from mmsearch.retrieval.ingest.file_facts import FileFacts
from mmsearch.retrieval.ingest.found_files import FoundFile
from mmsearch.retrieval.ingest.stored_files import StoredFile, StoredFiles, StoredRows
from mmsearch.retrieval.media.workers.jobs import Decoded
from mmsearch.retrieval.store.snapshot import Snapshot
from mmsearch.types import Modality

RowOrigin = Literal["touched", "moved", "copied"]


@dataclass(frozen=True, slots=True)
class ReusableRows:
    """Stored rows for a file that need not be embedded.

    ``origin``: *touched*: they are the file's own; its times may have changed. *moved*: they belong to the file
    ``before``, which is no longer where it was. *copied*: they belong to another file, or are deleted.
    """

    origin: RowOrigin
    rows: list[StoredRows]
    before: StoredFile | None = None


class RowReuse:
    """Finds stored rows by the content of a file.

    ``is_gone`` says whether a stored file has left its place for good, so that its rows may move.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        stored: StoredFiles,
        space_by_modality: Mapping[Modality, str],
        options: CutOptions,
        is_gone: Callable[[StoredFile], bool],
    ) -> None:
        self._snapshot = snapshot
        self._stored = stored
        self._space_by_modality = space_by_modality
        self._options = options
        self._is_gone = is_gone
        self._moved: set[bytes] = set()
        self._hashes_by_size: dict[int, frozenset[bytes]] = {}

    @cached_property
    def _deleted(self) -> DeletedRows:
        return DeletedRows(self._snapshot, self._space_by_modality, self._options)

    @cached_property
    def _file_facts(self) -> FileFacts:
        return FileFacts(self._snapshot)

    def own_facts(self, path: bytes) -> OwnFacts:
        """Facts of a user's own that a file keeps when it is embedded anew."""
        return self._file_facts.of(path)

    def known_hashes(self, found: FoundFile) -> frozenset[bytes]:
        """Hashes of contents of the file's size whose rows are stored."""
        if found.size not in self._hashes_by_size:  # many files may have one size, such as bitmaps
            live = frozenset(
                digest
                for digest in self._stored.hashes_of_size(found.size)
                if self._find_live(b"", digest, found.size) is not None
            )
            self._hashes_by_size[found.size] = self._deleted.hashes_of_size(found.size) | live
        own = self._stored.get(found.path)
        if own is None or own.size != found.size or self._find_live(own.path, own.content_hash, own.size) is None:
            return self._hashes_by_size[found.size]
        return self._hashes_by_size[found.size] | {own.content_hash}

    def find(self, file: Decoded) -> ReusableRows:
        """Rows for a file whose content hash is one of those that `known_hashes` gave."""
        live = self._find_live(file.path, file.content_hash, file.size)
        if live is not None:
            origin, before = live
            if origin == "moved":
                self._moved.add(before.path)
            return ReusableRows(origin, self._stored.stored_rows(before), before)
        rows = self._deleted.stored_rows(file.content_hash)
        if rows is None:  # another copy has taken over the rows of the file that was moved
            rows = self._stored.stored_rows(self._stored.with_content(file.content_hash, file.size)[0])
        return ReusableRows("copied", rows)

    def _find_live(self, path: bytes, content_hash: bytes, size: int) -> tuple[RowOrigin, StoredFile] | None:
        complete = [file for file in self._stored.with_content(content_hash, size) if self._stored.is_complete(file)]
        usable = [f for f in complete if all(rows.has_text_column(self._options) for _, rows in f.expected)]
        own = next((file for file in usable if file.path == path), None)
        if own is not None:
            return "touched", own
        gone = [file for file in usable if file.path not in self._moved and self._is_gone(file)]
        if gone:
            return "moved", max(gone, key=lambda file: os.path.basename(file.path) == os.path.basename(path))
        for file in complete:
            if all(rows.is_cut_by(self._options) for _, rows in file.expected):
                return "copied", file
        return None
