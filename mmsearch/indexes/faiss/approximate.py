"""The approximate index: a FAISS index, perhaps in several segments, that proposes candidate ids for queries.

Its scores are not used: candidates are rescored from the stored vectors. The first segment holds the rows that the
index was trained for. Later rows are encoded into further segments (`segments`), which share its centroids: the same
lists are searched in all of them, and they can be merged without training again.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmsearch.durable import Sink
from mmsearch.indexes.faiss import encoding, index_io
from mmsearch.indexes.faiss.centroids import Centroids
from mmsearch.indexes.faiss.factory import apply_transforms, ivf_of, matrix_of, weighting_of
from mmsearch.indexes.faiss.list_files import ListFiles
from mmsearch.indexes.faiss.probing import (
    Probing,
    centroid_margins,
    lists_wanted,
    lists_within,
    nearest_lists,
    nearest_of,
)
from mmsearch.indexes.faiss.segments import Segment, TrainedIndex, only_ids
from mmsearch.indexes.faiss.threads import faiss_threads, in_threads
from mmsearch.indexes.plan import IndexPlan
from mmsearch.indexes.vectors import Float32, Positions, StoredVectors, sample_positions
from mmsearch.machine import usable_cpus

_QUERIES_PER_THREAD = 8
_BLOCK_QUERIES = 1024  # compared with the centroids at a time
_GROUP_QUERIES = 128  # searched together: with more, their numbers of lists differ too much

MIN_TOGETHER = 64
"""Queries from which `ApproximateIndex.candidates_together` searches some together."""

_FAST_SCAN_BY_QUERY, _FAST_SCAN_BY_LIST = 11, 0  # FAISS's numbers (`implem`) for the loop order of a fast scan


class ApproximateIndex:
    """A trained FAISS index (inner product) over rows with ids, in one or more segments."""

    def __init__(self, faiss_index: Any, segments: Sequence[Any] = (), *, mapped: bool = False) -> None:
        self._index = faiss_index
        self._ivf = ivf_of(faiss_index)
        self._segments = [self._ivf, *segments]
        self._mapped = mapped
        self._rows = self._count()

    def __len__(self) -> int:
        return self._rows

    def _count(self) -> int:
        return int(self._index.ntotal) + sum(int(segment.ntotal) for segment in self._segments[1:])

    @classmethod
    def build(
        cls,
        vectors: StoredVectors,
        ids: Positions,
        plan: IndexPlan,
        *,
        seed: int,
        threads: int | None,
        queries: Sequence[Float32] = (),
    ) -> ApproximateIndex:
        """Train on a random sample of the rows, then add all of them in blocks.

        Args:
            vectors: the rows.
            ids: theirs, int64 ``[rows]``.
            plan: its ``factory`` and ``train_rows`` say what is built.
            seed: of the sample and of the clustering.
            threads: at most this many; None for one for each processor.
            queries: for query-weighted codes: float32 ``[q, dim]`` for each kind of query beside rows themselves.
        """
        sample = vectors.sample_float32(sample_positions(len(vectors), plan.train_rows, seed))
        trained = TrainedIndex.train(sample, plan, queries=queries, seed=seed, threads=threads)
        del sample
        built = cls(trained.faiss_index)
        built.add(vectors, ids, 0, threads=threads)
        return built

    def add(self, vectors: StoredVectors, ids: Positions, start: int, *, threads: int | None = None) -> None:
        """Add the rows from position ``start`` on to the first segment."""
        if self._mapped:
            raise RuntimeError("rows cannot be added to a mapped index (FAISS would end the process): load it unmapped")
        encoding.add(self._index, vectors, ids, start, threads=threads)
        self._rows = self._count()

    @property
    def is_extendable(self) -> bool:
        """Whether later rows can be added as segments: only to an inverted file whose lists can be merged."""
        return self._ivf is not None and ListFiles(self._index).can_be_merged

    @property
    def faiss_index(self) -> Any:
        """FAISS's own object, with the first segment."""
        return self._index

    def attach(self, segment: Segment) -> None:
        """Search a further segment too, which a `TrainedIndex` of this index encoded."""
        index_io.share_centroids(segment.inverted_file, self._ivf)
        self._segments.append(segment.inverted_file)
        self._rows = self._count()

    def keep_ids(self, first: int, last: int) -> None:
        """Drop all rows but those with ids from ``first`` to ``last``; the memory of the others is given back."""
        if self._mapped or self._ivf is None:
            raise RuntimeError("rows can only be dropped from lists in memory")
        self._index = only_ids(self._index, self._segments, first, last)
        self._ivf = self._segments[0] = ivf_of(self._index)
        self._rows = self._count()

    @property
    def lists(self) -> int:
        """The number of inverted lists; 1 for an index without any."""
        return int(self._ivf.nlist) if self._ivf is not None else 1

    @property
    def list_sizes(self) -> NDArray[np.int64]:
        """Rows in each list, over all segments."""
        if self._ivf is None:
            return np.array([len(self)], np.int64)
        sizes = np.zeros(self.lists, np.int64)
        for segment in self._segments:
            sizes += [segment.invlists.list_size(number) for number in range(self.lists)]
        return sizes

    @property
    def code_bytes(self) -> int:
        """Bytes of the code of a row, without its id and graph links."""
        if self._ivf is not None:
            return int(self._ivf.code_size)
        import faiss

        inner = faiss.downcast_index(self._index.index)
        return int((inner.storage if isinstance(inner, faiss.IndexHNSW) else inner).sa_code_size())

    @property
    def dim(self) -> int:
        """Dimensions of its vectors."""
        return int(self._index.d)

    @property
    def uses_fast_scan(self) -> bool:
        """Whether FAISS scans the codes in registers (fast scan)."""
        return self._ivf is not None and not index_io.can_be_mapped(self._ivf)

    def candidates(
        self,
        queries: Float32,
        count: int,
        probing: Probing,
        selector: Any = None,
        *,
        threads: int | None = None,
    ) -> NDArray[np.int64]:
        """Ids of up to ``count`` likely neighbours of each query: int64 ``[q, count]``, best first, -1 for none.

        Args:
            queries: float32 ``[q, dim]``.
            count: candidates wanted for each query.
            probing: which lists are probed; ignored by an index without lists.
            selector: a FAISS selector (`selectors.selector_of`) of the ids that may be found; None for all.
            threads: at most this many; None for one for each processor.
        """
        queries = np.ascontiguousarray(queries, np.float32)
        count = max(1, min(count, len(self)))
        # To start threads takes longer than to answer a single query.
        with faiss_threads(threads if len(queries) > 1 else 1):
            if len(queries) == 1 and probing.probe_margin is not None and self._ivf is not None:
                return self._search_one(self._transform_queries(queries), count, probing, selector)
            if self._ivf is None:
                parameters = _parameters(self._index, count, selector)
                found: NDArray[np.int64] = self._index.search(queries, count, params=parameters)[1]
                return found
            queries = self._transform_queries(queries)
            if probing.probe_margin is None:
                nearness, lists = nearest_lists(self._centroids, queries, probing)
                return self._search_segments(queries, count, lists, nearness, selector)
            # Queries probe different numbers of lists, and fast scan takes no gaps in a batch (FAISS 1.15.1 loses
            # answers of other queries then): each query is searched by itself.
            return self._search_each(queries, count, probing, selector, threads)

    def candidates_together(
        self,
        queries: Float32,
        count: int,
        probing: Probing,
        selector: Any = None,
        *,
        threads: int | None = None,
    ) -> NDArray[np.int64]:
        """As `candidates`, faster for many queries, each of which may probe some lists more than it does there.

        Queries that probe about as many lists are searched together, and all of them probe as many as the one that
        wants most: FAISS then reads the codes of a list once for all of them.
        """
        if len(queries) < MIN_TOGETHER or probing.probe_margin is None or not self.uses_fast_scan:
            return self.candidates(queries, count, probing, selector, threads=threads)
        count = max(1, min(count, len(self)))
        found = np.empty((len(queries), count), np.int64)
        for start in range(0, len(queries), _BLOCK_QUERIES):
            block, nearness = self._compare(queries[start : start + _BLOCK_QUERIES], threads)
            wanted = lists_wanted(nearness, probing)

            def search(group: Positions) -> None:
                near, lists = nearest_of(nearness[group], int(wanted[group].max()))  # noqa: B023 - used at once
                with faiss_threads(1):
                    found[start + group] = self._search_segments(block[group], count, lists, near, selector)  # noqa: B023

            order = np.argsort(wanted, kind="stable")
            groups = [order[first : first + _GROUP_QUERIES] for first in range(0, len(order), _GROUP_QUERIES)]
            in_threads(search, groups, threads)
        return found

    def _compare(self, queries: Float32, threads: int | None) -> tuple[Float32, Float32]:
        """Transformed queries ``[q, dim]`` and their inner products with all centroids, ``[q, lists]``."""

        def compare(some: Float32) -> tuple[Float32, Float32]:
            with faiss_threads(1):
                transformed: Float32 = apply_transforms(self._index, some)
                return transformed, self._centroids.products(transformed)

        groups = [queries[first : first + _GROUP_QUERIES] for first in range(0, len(queries), _GROUP_QUERIES)]
        parts = in_threads(compare, groups, threads)
        return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])

    def _search_one(self, query: Float32, count: int, probing: Probing, selector: Any) -> NDArray[np.int64]:
        nearness, lists = lists_within(self._centroids, query[0], probing)
        return self._search_segments(query, count, lists[None], nearness[None], selector)

    def _search_each(
        self, queries: Float32, count: int, probing: Probing, selector: Any, threads: int | None
    ) -> NDArray[np.int64]:
        def one(query: Float32) -> NDArray[np.int64]:
            with faiss_threads(1):
                return self._search_one(query[None], count, probing, selector)

        found = in_threads(one, queries, min(threads or usable_cpus(), len(queries) // _QUERIES_PER_THREAD))
        return np.concatenate(found) if found else np.empty((0, count), np.int64)

    @cached_property
    def _centroids(self) -> Centroids:
        return Centroids(self._ivf.quantizer)

    def _search_segments(
        self, queries: Float32, count: int, lists: NDArray[np.int64], nearness: Float32, selector: Any
    ) -> NDArray[np.int64]:
        """The best ids of all segments within ``lists`` ``[q, nprobe]``: int64 ``[q, count]``."""
        if len(self._segments) == 1:
            return _search_lists(self._ivf, queries, count, lists, nearness, selector)[1]
        parts = [
            _search_lists(segment, queries, count, lists, nearness, selector)
            for segment in self._segments
            if segment.ntotal
        ]
        if len(parts) == 1:
            return parts[0][1]
        if not parts:
            return np.full((len(queries), count), -1, np.int64)
        scores, ids = (np.concatenate([part[side] for part in parts], axis=1) for side in (0, 1))
        order = np.argsort(-np.where(ids >= 0, scores, -np.inf), axis=1, kind="stable")[:, :count]
        return np.take_along_axis(ids, order, axis=1)

    def centroid_margins(self, queries: Float32) -> Float32:
        """The margin at which each query would probe each list, float32 ``[q, lists]``; see `probing`."""
        if self._ivf is None:
            return np.zeros((len(queries), 1), np.float32)
        return centroid_margins(self._centroids.values, self._transform_queries(queries))

    def _transform_queries(self, queries: Float32) -> Float32:
        matrix = self._query_matrix
        if matrix is not None:
            weighted: Float32 = (matrix @ queries[0])[None] if len(queries) == 1 else queries @ matrix.T
            return weighted
        transformed: Float32 = apply_transforms(self._index, queries)
        return transformed

    @cached_property
    def _query_matrix(self) -> Float32 | None:
        """The transform of queries for query-weighted codes; numpy applies it to one query twice as fast as FAISS."""
        weighting = weighting_of(self._index)
        return None if weighting is None else matrix_of(weighting)

    def save(self, target: Path | Sink) -> None:
        """Write the trained index and its first segment."""
        index_io.write(self._index, target)

    def save_trained(self, target: Path | Sink) -> None:
        """Write the trained index without rows, for `TrainedIndex.load`: to encode later rows needs no old ones."""
        index_io.write(index_io.copy_without_rows(self._index), target)

    @classmethod
    def load(cls, path: Path, segments: Sequence[Path] = (), *, mapped: bool = True) -> ApproximateIndex:
        """Read an index and its further segments; ``mapped``: memory-map what FAISS can search in the files.

        Raises:
            FileNotFoundError: a file is gone; a newer manifest may have replaced it.
            CollectionDamagedError: a file is truncated or altered, or a segment belongs to another index.
        """
        index = index_io.read(path, mapped=mapped)
        return cls(index, [index_io.read_segment(part, index, mapped=mapped) for part in segments], mapped=mapped)


def _search_lists(
    segment: Any, queries: Float32, count: int, lists: Positions, nearness: Float32, selector: Any
) -> tuple[Float32, Positions]:
    """Scores and ids of the best rows within ``lists`` ``[q, nprobe]``, both ``[q, count]``."""
    import faiss

    parameters = _parameters(segment, lists.shape[1], selector) if selector is not None else _unfiltered(segment, lists)
    # List by list, lookup tables are made for each list, and a single query takes a sixth longer.
    order = _FAST_SCAN_BY_QUERY if len(queries) == 1 else _FAST_SCAN_BY_LIST
    if getattr(segment, "implem", order) != order:
        segment.implem = order
    scores = np.empty((len(queries), count), np.float32)
    ids = np.empty((len(queries), count), np.int64)
    # FAISS's Python wrapper of this call takes no selector, so the C++ method itself is called.
    segment.search_preassigned_c(
        len(queries),
        faiss.swig_ptr(queries),
        count,
        faiss.swig_ptr(lists),
        faiss.swig_ptr(nearness),
        faiss.swig_ptr(scores),
        faiss.swig_ptr(ids),
        False,
        parameters,
    )
    return scores, ids


class _Kept(threading.local):
    """Search parameters of a thread, by type of index: to make them takes longer than to set one."""

    def __init__(self) -> None:
        self.of: dict[type, Any] = {}


_KEPT = _Kept()


def _unfiltered(segment: Any, lists: Positions) -> Any:
    """The search parameters of a segment without a selector, which hold until the next search of this thread."""
    nprobe = lists.shape[1]
    parameters = _KEPT.of.get(type(segment))
    if parameters is None:
        parameters = _KEPT.of[type(segment)] = _parameters(segment, nprobe, None)
    parameters.nprobe = nprobe
    return parameters


def _parameters(index: Any, effort: int, selector: Any) -> Any:
    """FAISS's search parameters; ``effort`` is nprobe of an inverted file, or efSearch of a graph."""
    import faiss

    inner = faiss.downcast_index(index.index) if isinstance(index, faiss.IndexIDMap) else index
    if isinstance(inner, faiss.IndexHNSW):
        return faiss.SearchParametersHNSW(efSearch=effort, sel=selector)
    if isinstance(inner, faiss.IndexIVFPQ):
        return faiss.IVFPQSearchParameters(nprobe=effort, sel=selector)
    if isinstance(inner, faiss.IndexIVF):
        return faiss.IVFSearchParameters(nprobe=effort, sel=selector)
    return faiss.SearchParameters(sel=selector) if selector is not None else None
