"""Segments: rows that came after an index was trained, encoded with it and merged without training again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from mmsearch.durable import Sink
from mmsearch.indexes.faiss import index_io
from mmsearch.indexes.faiss.encoding import add, nearest_list
from mmsearch.indexes.faiss.factory import ivf_of
from mmsearch.indexes.faiss.selectors import selector_of
from mmsearch.indexes.vectors import Float32, Positions, StoredVectors, sample_positions

DISTANT_QUANTILE = 0.05
"""The share of the rows that an index was trained for that count as distant from their centroids."""

_DRIFT_SAMPLE_ROWS = 4096


class HasFaissIndex(Protocol):
    """An `ApproximateIndex` or a `TrainedIndex`."""

    @property
    def faiss_index(self) -> Any:
        """FAISS's own object, with the centroids."""


class Segment:
    """Encoded rows of an index: a FAISS inverted file that shares the centroids of the index."""

    def __init__(self, inverted_file: Any) -> None:
        self.inverted_file = inverted_file

    def __len__(self) -> int:
        return int(self.inverted_file.ntotal)

    def save(self, target: Path | Sink) -> None:
        """Write the segment without the centroids."""
        index_io.write_segment(self.inverted_file, target)


class TrainedIndex:
    """A trained index without rows: encodes later rows, and merges the segments that they were encoded into."""

    def __init__(self, faiss_index: Any) -> None:
        self._index = faiss_index

    @classmethod
    def load(cls, path: Path) -> TrainedIndex:
        """Read what `ApproximateIndex.save_trained` wrote.

        Raises:
            FileNotFoundError: the file is gone; a newer manifest may have replaced it.
            CollectionDamagedError: the file is truncated or altered.
        """
        return cls(index_io.read(path, mapped=False))

    @property
    def faiss_index(self) -> Any:
        """FAISS's own object."""
        return self._index

    def encode(self, vectors: StoredVectors, ids: Positions, *, threads: int | None = None) -> Segment:
        """A new segment with all ``vectors``; ``ids`` are theirs, int64 ``[rows]``."""
        index = index_io.copy_without_rows(self._index)
        add(index, vectors, ids, threads=threads)
        return Segment(ivf_of(index))

    def merge(self, paths: Sequence[Path], dead: Positions) -> Segment:
        """One segment with the rows of the segments at ``paths``, in order, but for the ids ``dead`` (ascending).

        Raises:
            CollectionDamagedError: a file is truncated or altered, or belongs to another index.
        """
        first, *others = (index_io.read_segment(path, self._index, mapped=False) for path in paths)
        merge_into(first, others, dead)
        return Segment(first)


@dataclass(frozen=True, slots=True)
class Drift:
    """Measures how well later rows fit the lists of an index.

    A row is distant if the inner product with its nearest centroid is below ``distant_threshold``, which is the
    `DISTANT_QUANTILE` of the rows that the index was trained for.
    """

    distant_threshold: float

    @classmethod
    def measure(cls, index: HasFaissIndex, vectors: StoredVectors, seed: int = 0) -> Drift:
        """Set the threshold by a sample of the rows that ``index`` was trained for."""
        return cls(float(np.quantile(_nearness(index, vectors, seed), DISTANT_QUANTILE)))

    def distant_share(self, index: HasFaissIndex, vectors: StoredVectors, seed: int = 0) -> float:
        """The share of distant rows in a sample of ``vectors``: about `DISTANT_QUANTILE` if nothing has drifted."""
        if not len(vectors):
            return 0.0
        return float(np.mean(_nearness(index, vectors, seed) < self.distant_threshold))


def merge_into(first: Any, others: Sequence[Any], dead: Positions) -> None:
    """Move the rows of inverted files into the ``first`` one, then drop those with the ids ``dead`` (ascending)."""
    for other in others:
        first.merge_from(other, 0)
    if len(dead):
        first.remove_ids(selector_of(dead))


def only_ids(index: Any, segments: Sequence[Any], first: int, last: int) -> Any:
    """An index with the rows of ids from ``first`` to ``last`` alone; its later segments lose the others in place.

    Args:
        index: FAISS's object; it is left without the other rows, too.
        segments: its inverted files; the first is that of the index.
        first: the lowest id.
        last: the highest.
    """
    import faiss

    others = faiss.IDSelectorNot(faiss.IDSelectorRange(first, last + 1))
    for segment in segments:
        segment.remove_ids(others)
    copy = faiss.clone_index(index)  # FAISS keeps room for what it drops; a copy has none
    inner = ivf_of(copy)
    copy.ntotal = inner.ntotal  # the wrapper around the inverted file has a count of its own
    for segment in segments[1:]:
        segment.referenced_objects = []  # else the index that was copied would stay
        index_io.share_centroids(segment, inner)
    return copy


def _nearness(index: HasFaissIndex, vectors: StoredVectors, seed: int) -> Float32:
    sample = vectors.sample_float32(sample_positions(len(vectors), _DRIFT_SAMPLE_ROWS, seed))
    return nearest_list(index.faiss_index, sample)[0]
