"""Later rows: encoded with what an index has learned, kept as segments of their own, merged without training anew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mmsearch.indexes.faiss import index_io
from mmsearch.indexes.faiss.approximate import drawn
from mmsearch.indexes.faiss.encoding import add, nearest_list
from mmsearch.indexes.faiss.factory import ivf_of
from mmsearch.indexes.faiss.selectors import selector_of
from mmsearch.indexes.vectors import Floats, Positions, StoredVectors

_SAMPLE = 4096
FAR_QUANTILE = 0.05
"""The share of the rows that an index was built from that count as far from their centroids."""


@dataclass(frozen=True, slots=True)
class Drift:
    """How well rows fit the lists of an index: ``far`` is the nearness below which `FAR_QUANTILE` of its own lay."""

    far: float

    @classmethod
    def of(cls, index: Any, vectors: StoredVectors, seed: int = 0) -> Drift:
        """Measured on a sample of the rows that an index was built from; ``index`` as `ApproximateIndex` keeps it."""
        return cls(float(np.quantile(_nearness(index, vectors, seed), FAR_QUANTILE)))

    def share(self, index: Any, vectors: StoredVectors, seed: int = 0) -> float:
        """The share of ``vectors`` that lies far from its centroids: `FAR_QUANTILE` where nothing has drifted."""
        return float(np.mean(_nearness(index, vectors, seed) < self.far)) if len(vectors) else 0.0


def _nearness(index: Any, vectors: StoredVectors, seed: int) -> Floats:
    return nearest_list(index, vectors.sampled(drawn(len(vectors), _SAMPLE, seed)))[0]


def encode(index: Any, vectors: StoredVectors, ids: Positions, *, threads: int | None = None) -> Any:
    """A new segment with ``vectors``, encoded by a trained inverted file (`save_trained`) that holds no rows."""
    add(index, vectors, ids, threads=threads)
    return ivf_of(index)


def merge(index: Any, paths: Sequence[Path], dead: Positions, *, whole: bool) -> Any:
    """Put segments together, in order, without the dead rows; nothing is trained or encoded anew.

    Args:
        index: the first segment's index, or one with its centroids alone.
        paths: segments to be merged.
        dead: ids (ascending) that are dropped.
        whole: merge them into the first segment, whose rows ``index`` then holds (read unmapped).

    Returns:
        ``index`` itself where ``whole``, else the merged segment.
    """
    parts = [index_io.read_segment(path, index, mapped=False) for path in paths]
    merged = ivf_of(index) if whole else parts.pop(0)
    for part in parts:
        merged.merge_from(part, 0)
    if len(dead):
        merged.remove_ids(selector_of(dead))
    if not whole:
        return merged
    index.ntotal = merged.ntotal  # what wraps the inverted file counts for itself
    return index
