"""Contents whose rows are dead but still stored: a file that comes back with one of them need not be embedded again."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa

from mmsearch.retrieval.ingest.completeness import CutOptions, Made, made_of_text
from mmsearch.retrieval.ingest.stored_files import StoredRows, rows_as_stored
from mmsearch.retrieval.store.snapshot import Snapshot
from mmsearch.types import Modality

Key = tuple[str, Modality]
_NOTHING = Made()


class DeletedContents:
    """The dead rows of a snapshot by content, as far as they are all that a run would make of such a file now.

    Rows of one modality of a file lie in one shard, so a merge drops all of them or none; but a film's pictures may be
    there still and its sound not. What the rows say of the whole file tells.
    """

    def __init__(self, snapshot: Snapshot, space_by_modality: Mapping[Modality, str], wanted: CutOptions) -> None:
        self._snapshot = snapshot
        self._serving = space_by_modality
        self._wanted = wanted
        self._rows: dict[bytes, dict[bytes, dict[Key, list[tuple[int, Made]]]]] = {}
        self._hashes_of_size: dict[int, set[bytes]] = {}
        for modality, space in space_by_modality.items():
            if space in snapshot.manifest.spaces:
                self._read(space, modality)

    def _read(self, space: str, modality: Modality) -> None:
        rows = self._snapshot.rows(space, modality)
        if rows.live is None:
            return
        dead = ~rows.live
        table = rows.facts(("path", "content_hash", "size", "made")).filter(pa.array(dead))
        columns = [table[name].to_pylist() for name in table.column_names]
        for row_id, path, content_hash, size, text in zip(rows.ids[dead].tolist(), *columns, strict=True):
            made = made_of_text(text)
            if made is not None and content_hash:
                of_path = self._rows.setdefault(content_hash, {}).setdefault(path, {})
                of_path.setdefault((space, modality), []).append((row_id, made))
                self._hashes_of_size.setdefault(size, set()).add(content_hash)

    def hashes_of_size(self, size: int) -> frozenset[bytes]:
        """Content hashes of files of that size of which all rows are there."""
        return frozenset(digest for digest in self._hashes_of_size.get(size, ()) if self._whole(digest) is not None)

    def stored_rows(self, content_hash: bytes) -> list[StoredRows] | None:
        """All rows of a file of that content; None where some are gone, or others would be made of it now."""
        ids = self._whole(content_hash)
        return None if ids is None else rows_as_stored(self._snapshot, ids)

    def _whole(self, content_hash: bytes) -> dict[Key, list[int]] | None:
        for of_path in self._rows.get(content_hash, {}).values():
            whole = self._whole_of(of_path)
            if whole:
                return whole
        return None

    def _whole_of(self, of_path: Mapping[Key, list[tuple[int, Made]]]) -> dict[Key, list[int]] | None:
        """Of the rows of a path, which may have been buried several times, those of the last time."""
        last = {key: rows[-1][1] for key, rows in of_path.items()}
        whole: dict[Key, list[int]] = {}
        for modality, space in self._serving.items():
            told = last.get((space, modality))
            if told is None:
                if not any(made.rows.get(modality) == 0 for made in last.values()):
                    return None
                continue
            count = told.rows.get(modality, 0)
            rows = of_path[space, modality][-count:]
            if len(rows) != count or not told.is_as(self._wanted) or any(made != told for _, made in rows):
                return None
            whole[space, modality] = [row_id for row_id, _ in rows]
        return whole
