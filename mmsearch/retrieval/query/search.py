"""Look up: unit vectors in, hits out, over one snapshot and one space. A searcher never changes."""

from __future__ import annotations

import datetime as dt
import os
import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmsearch.errors import UsageError
from mmsearch.indexes import VectorIndex
from mmsearch.indexes.blocks import Vectors
from mmsearch.indexes.sample import Sample, draw
from mmsearch.retrieval.query.filters import Filters, Mask
from mmsearch.retrieval.store.indexes import open_index, read_sample
from mmsearch.retrieval.store.schema import FACT_NAMES, modality_of, span_of
from mmsearch.retrieval.store.snapshot import Rows, Snapshot
from mmsearch.types import Hit, Modality, Space, State, modalities_named

_EVIDENCE: dict[Modality, str] = {"image": "picture", "text": "text", "audio": "sound", "video": "frame"}


class Searcher:
    """Answers queries about one space of a snapshot. Indexes and samples open when first used; thread-safe."""

    def __init__(self, snapshot: Snapshot, space: Space) -> None:
        self.snapshot = snapshot
        self.space = space
        self._indexes: dict[Modality, VectorIndex] = {}
        self._samples: dict[Modality, Sample] = {}
        self._guard = threading.RLock()

    @property
    def modalities(self) -> list[Modality]:
        """What the space has rows of."""
        return self.snapshot.manifest.modalities(self.space.key)

    def rows(self, modality: Modality) -> Rows:
        """The rows of a modality."""
        return self.snapshot.rows(self.space.key, modality)

    def index(self, modality: Modality) -> VectorIndex:
        """The index of a modality."""
        with self._guard:
            if modality not in self._indexes:
                self._indexes[modality] = open_index(self.snapshot, self.space, modality)
            return self._indexes[modality]

    def sample(self, modality: Modality) -> Sample:
        """The rows that `match` is measured by: the stored sample, or one drawn now where none is stored yet."""
        with self._guard:
            if modality not in self._samples:
                stored = read_sample(self.snapshot, self.space, modality)
                self._samples[modality] = stored or self._draw(modality)
            return self._samples[modality]

    def _draw(self, modality: Modality) -> Sample:
        rows = self.rows(modality)
        positions = draw(rows.ids, rows.live)
        return Sample(rows.ids[positions], Vectors(rows.vector_blocks, self.space.dim).take(positions))

    def search(
        self,
        queries: NDArray[np.float32],
        k: int,
        *,
        to: Sequence[Modality] = (),
        filters: Filters | None = None,
        without: Sequence[Sequence[bytes]] = (),
        exact: bool = False,
    ) -> list[list[Hit]]:
        """The k best hits of each query.

        Args:
            queries: unit vectors, float32 ``[q, dim]``.
            k: hits wanted of each.
            to: modalities to search; none means all that have rows.
            filters: which rows may answer.
            without: for each query, paths whose rows may not answer.
            exact: scan every row instead of using an approximate index.

        Raises:
            UsageError: k below 1, or a modality that the space has no rows of.
        """
        if k < 1:
            raise UsageError(f"k must be at least 1, not {k}")
        found: list[list[Hit]] = [[] for _ in queries]
        for modality in self._chosen(to):
            mask = self._mask(modality, filters)
            for i, hits in enumerate(self._search_one(modality, queries, k, mask, without, exact)):
                found[i] += hits
        return [_ranked(hits, k) for hits in found]

    def _chosen(self, to: Sequence[Modality]) -> list[Modality]:
        to = modalities_named(to)
        if not to:
            return self.modalities
        absent = [m for m in to if m not in self.modalities]
        if absent and len(absent) == len(set(to)) and self.modalities:
            raise UsageError(f"nothing of {', '.join(absent)} is indexed; there is: {', '.join(self.modalities)}")
        return [m for m in self.modalities if m in to]

    def _mask(self, modality: Modality, filters: Filters | None) -> Mask | None:
        rows = self.rows(modality)
        mask = filters.mask(rows) if filters else None
        if mask is None:
            return rows.live
        return mask if rows.live is None else mask & rows.live

    def _search_one(
        self,
        modality: Modality,
        queries: NDArray[np.float32],
        k: int,
        mask: Mask | None,
        without: Sequence[Sequence[bytes]],
        exact: bool,
    ) -> list[list[Hit]]:
        rows = self.rows(modality)
        wanted = k + (_ROOM_FOR_SELF if any(without) else 0)
        scores, ids = self.index(modality).search(queries, min(wanted, max(len(rows), 1)), allowed=mask, exact=exact)
        facts = self._facts(rows, ids)
        sample = self.sample(modality)
        answers = []
        for i in range(len(queries)):
            kept = ids[i] >= 0
            match = sample.match(queries[i], ids[i][kept], scores[i][kept])
            banned = set(without[i]) if i < len(without) else set()
            hits = [
                _hit(row_id, score, z, facts[row_id])
                for row_id, score, z in zip(
                    ids[i][kept].tolist(), scores[i][kept].tolist(), match.tolist(), strict=True
                )
                if facts[row_id]["path"] not in banned
            ]
            answers.append(hits[:k])
        return answers

    def _facts(self, rows: Rows, ids: NDArray[np.int64]) -> dict[int, dict[str, Any]]:
        wanted = sorted({row_id for row_id in ids.ravel().tolist() if row_id >= 0})
        found = rows.facts_at(rows.positions(np.array(wanted, np.int64)), FACT_NAMES)
        return dict(zip(wanted, found, strict=True))


_ROOM_FOR_SELF = 256  # rows of the query file itself that may stand before the k that are asked for


def _hit(row_id: int, score: float, match: float, row: dict[str, Any]) -> Hit:
    modality = modality_of(row)
    taken_at: dt.datetime | None = row["taken_at"]
    return Hit(
        rank=0,
        score=score,
        match=match,
        path=os.fsdecode(row["path"]),
        modality=modality,
        id=row_id,
        span=span_of(row),
        text=row["passage"],
        evidence=(_EVIDENCE[modality],),
        state=_state(row),
        width=row["width"],
        height=row["height"],
        duration_s=row["duration_s"],
        taken_at=taken_at,
        note=row["note"],
    )


def _state(row: dict[str, Any]) -> State:
    try:
        facts = os.stat(row["path"])
    except OSError:
        return "gone"
    return "current" if (facts.st_size, facts.st_mtime_ns) == (row["size"], row["mtime_ns"]) else "changed"


def _ranked(hits: list[Hit], k: int) -> list[Hit]:
    """One list of all modalities: by match where there are several, by score where there is one."""
    if len({hit.modality for hit in hits}) > 1:
        hits = sorted(hits, key=lambda hit: (-hit.match, hit.id))
    return [replace(hit, rank=rank) for rank, hit in enumerate(hits[:k], 1)]
