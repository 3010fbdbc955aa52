"""Deleted rows that are still stored: a file that comes back with the same content need not be embedded again."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa

from mmsearch.retrieval.ingest.expected_rows import CutOptions, ExpectedRows, expected_rows_from_text
from mmsearch.retrieval.ingest.stored_files import StoredRows, read_rows
from mmsearch.retrieval.store.snapshot import Snapshot
from mmsearch.types import Modality

SpaceAndModality = tuple[str, Modality]


class DeletedRows:
    """The deleted rows of a snapshot by content, if they are all the rows that a run would make of such a file now.

    A merge of shards drops all deleted rows of a file in one modality, or none. The rows of a film's pictures may
    therefore be left when those of its sound are gone; `ExpectedRows` shows that.
    """

    def __init__(self, snapshot: Snapshot, space_by_modality: Mapping[Modality, str], options: CutOptions) -> None:
        self._snapshot = snapshot
        self._space_by_modality = space_by_modality
        self._options = options
        self._rows: dict[bytes, dict[bytes, dict[SpaceAndModality, list[tuple[int, ExpectedRows]]]]] = {}
        self._hashes_by_size: dict[int, set[bytes]] = {}
        for modality, space in space_by_modality.items():
            if space in snapshot.manifest.spaces:
                self._read(space, modality)

    def _read(self, space: str, modality: Modality) -> None:
        rows = self._snapshot.rows(space, modality)
        if rows.live is None:
            return
        deleted = ~rows.live
        table = rows.facts(("path", "content_hash", "size", "made")).filter(pa.array(deleted))
        columns = [table[name].to_pylist() for name in table.column_names]
        for row_id, path, content_hash, size, text in zip(rows.ids[deleted].tolist(), *columns, strict=True):
            expected = expected_rows_from_text(text)
            if expected is not None and content_hash:
                by_space = self._rows.setdefault(content_hash, {}).setdefault(path, {})
                by_space.setdefault((space, modality), []).append((row_id, expected))
                self._hashes_by_size.setdefault(size, set()).add(content_hash)

    def hashes_of_size(self, size: int) -> frozenset[bytes]:
        """Content hashes of files of that size of which all rows are still stored."""
        return frozenset(digest for digest in self._hashes_by_size.get(size, ()) if self._all_ids(digest) is not None)

    def stored_rows(self, content_hash: bytes) -> list[StoredRows] | None:
        """All rows of a file with that content; None if some are gone, or a run would make others now."""
        ids = self._all_ids(content_hash)
        return None if ids is None else read_rows(self._snapshot, ids)

    def _all_ids(self, content_hash: bytes) -> dict[SpaceAndModality, list[int]] | None:
        for rows_of_path in self._rows.get(content_hash, {}).values():
            ids = self._all_ids_of_path(rows_of_path)
            if ids:
                return ids
        return None

    def _all_ids_of_path(
        self, rows_of_path: Mapping[SpaceAndModality, list[tuple[int, ExpectedRows]]]
    ) -> dict[SpaceAndModality, list[int]] | None:
        """The ids that were deleted last, as a path may have been deleted several times; None if they are not all."""
        latest = {key: rows[-1][1] for key, rows in rows_of_path.items()}
        ids: dict[SpaceAndModality, list[int]] = {}
        for modality, space in self._space_by_modality.items():
            expected = latest.get((space, modality))
            if expected is None:
                if not any(other.rows.get(modality) == 0 for other in latest.values()):
                    return None
                continue
            count = expected.rows.get(modality, 0)
            rows = rows_of_path[space, modality][-count:]
            if len(rows) != count or not expected.is_cut_by(self._options) or any(e != expected for _, e in rows):
                return None
            ids[space, modality] = [row_id for row_id, _ in rows]
        return ids
