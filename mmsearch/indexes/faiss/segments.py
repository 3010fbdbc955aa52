"""Segments: rows encoded with a trained index, in any process, and merged without training again (`list_files`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from mmsearch.durable import Sink
from mmsearch.indexes.faiss import index_io
from mmsearch.indexes.faiss.encoding import add, nearest_list, train
from mmsearch.indexes.faiss.factory import ivf_of, prepare_training, untrained_index
from mmsearch.indexes.faiss.list_files import ListFiles
from mmsearch.indexes.faiss.threads import faiss_threads
from mmsearch.indexes.plan import IndexPlan
from mmsearch.indexes.vectors import Float32, Positions, StoredVectors, sample_positions

DISTANT_QUANTILE = 0.05
"""The share of the rows that an index was trained for that count as distant from their centroids."""

_DRIFT_SAMPLE_ROWS = 4096
_MIN_VALUES_FOR_THREADS = 1 << 24  # values in a training sample


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
    """A trained index without rows: encodes rows into segments, and merges these.

    Its file is all that a process needs to encode its share of the rows; the same file and the same rows make the same
    segment, byte for byte, on the same kind of processor and with the same number of threads.
    """

    def __init__(self, faiss_index: Any) -> None:
        self._index = faiss_index

    @classmethod
    def train(
        cls,
        sample: Float32,
        plan: IndexPlan,
        *,
        queries: Sequence[Float32] = (),
        seed: int = 0,
        threads: int | None = None,
    ) -> TrainedIndex:
        """Train centroids and codes on rows.

        Args:
            sample: unit vectors float32 ``[n, dim]``, drawn at random: `IndexPlan.train_rows` of them are enough.
            plan: its ``factory`` says what is trained.
            queries: for query-weighted codes: float32 ``[q, dim]`` for each kind of query beside rows themselves.
            seed: of the clustering.
            threads: at most this many; None for one for each processor.
        """
        import faiss

        index = untrained_index(str(plan.factory), sample.shape[1])
        kept_alive = prepare_training(index, seed)
        # On small samples the threads of FAISS mostly wait for one another. On two cores that were busy otherwise,
        # 1,000 rows of 512 dimensions took 1 s with one thread and 57 s with two.
        with faiss_threads(threads if sample.size > _MIN_VALUES_FOR_THREADS else 1):
            train(index, sample, queries, seed)
        del kept_alive
        if ivf_of(index) is None and not isinstance(index, faiss.IndexIDMap):
            index = faiss.IndexIDMap(index)
        return cls(index)

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

    @property
    def dim(self) -> int:
        """Dimensions of the rows."""
        return int(self._index.d)

    def encode(self, vectors: StoredVectors, ids: Positions, *, threads: int | None = None) -> Segment:
        """A new segment with all ``vectors``; ``ids`` are theirs, int64 ``[rows]``."""
        index = index_io.copy_without_rows(self._index)
        add(index, vectors, ids, threads=threads)
        return Segment(ivf_of(index))

    def read(self, path: Path) -> Segment:
        """Read a segment that was encoded with this index; raises as `ApproximateIndex.load`."""
        return Segment(index_io.read_segment(path, self._index, mapped=False))

    def save(self, target: Path | Sink) -> None:
        """Write it, for `load`."""
        index_io.write(self._index, target)

    @cached_property
    def list_files(self) -> ListFiles:
        """Merges the files of the index and of its segments."""
        return ListFiles(self._index)


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
