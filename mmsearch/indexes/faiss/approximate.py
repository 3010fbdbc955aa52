"""A FAISS index behind five verbs: build, encode, candidates, save, load. It proposes ids; scores come from the store.

The first segment holds what it was built from. Later rows become further segments, encoded with what the first one
learned: they are searched together, list by list, and put into one another without training anew (`segments`).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmsearch.durable import Sink
from mmsearch.indexes.faiss import encoding, index_io
from mmsearch.indexes.faiss.centroids import Centroids
from mmsearch.indexes.faiss.factory import ivf_of, matrix_of, prepare, transformed, untrained, weighting_of
from mmsearch.indexes.faiss.probing import Probing, gaps, lists_within, nearest_lists
from mmsearch.indexes.faiss.threads import bounded_threads
from mmsearch.indexes.plan import IndexPlan
from mmsearch.indexes.vectors import Floats, Positions, StoredVectors
from mmsearch.machine import usable_cpus

_WORTH_THREADS = 1 << 24  # values in a training sample
_QUERIES_FOR_A_THREAD = 8
_BY_QUERY, _BY_LIST = 11, 0  # FAISS's numbers for how fast scan goes through a batch


class ApproximateIndex:
    """A trained FAISS index (inner product) over rows with ids of their own, in one or more segments."""

    def __init__(self, faiss_index: Any, segments: Sequence[Any] = (), *, mapped: bool = False) -> None:
        self._index = faiss_index
        self._ivf = ivf_of(faiss_index)
        self._segments = [self._ivf, *segments]
        self._mapped = mapped

    def __len__(self) -> int:
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
        queries: Sequence[Floats] = (),
    ) -> ApproximateIndex:
        """Train on rows drawn with a seed, each as likely as any other, then add all of them in blocks.

        ``queries`` of other kinds that will be asked, float32 ``[q, dim]``, say what weighted codes are to keep.
        """
        import faiss

        index = untrained(str(plan.factory), vectors.dim)
        held = prepare(index, seed)
        sample = drawn(len(vectors), plan.train_rows, seed)
        # On small samples FAISS's threads mostly wait for one another. With two cores that other programs kept busy,
        # 1,000 rows of 512 dimensions took 1 s with one thread and 57 s with two.
        with bounded_threads(threads if len(sample) * vectors.dim > _WORTH_THREADS else 1):
            encoding.train(index, vectors.sampled(sample), queries)
            del held
            if ivf_of(index) is None and not isinstance(index, faiss.IndexIDMap):
                index = faiss.IndexIDMap(index)
        built = cls(index)
        built.add(vectors, ids, 0, threads=threads)
        return built

    def add(self, vectors: StoredVectors, ids: Positions, start: int, *, threads: int | None = None) -> None:
        """Add the rows from position ``start`` on to the first segment."""
        if self._mapped:
            raise RuntimeError("FAISS ends the process when a mapped index is added to; load it unmapped")
        encoding.add(self._index, vectors, ids, start, threads=threads)

    @property
    def extends(self) -> bool:
        """Whether later rows can be added to it as segments."""
        return self._ivf is not None

    @property
    def faiss_index(self) -> Any:
        """The first segment, as FAISS's own object."""
        return self._index

    def attach(self, segment: Any) -> None:
        """Search a further segment too, made by `segments.encode` with what this index learned."""
        index_io.share_centroids(segment, self._ivf)
        self._segments.append(segment)

    @property
    def lists(self) -> int:
        """How many inverted lists there are to probe; 1 where there are none."""
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
        """Bytes of a row's code, without its id and its links."""
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
    def scans_fast(self) -> bool:
        """Whether codes are compared in registers, many at a time (FAISS fast scan)."""
        return self._ivf is not None and not index_io.can_be_mapped(self._ivf)

    def candidates(
        self,
        queries: Floats,
        count: int,
        probing: Probing,
        selector: Any = None,
        *,
        threads: int | None = None,
    ) -> NDArray[np.int64]:
        """Ids of up to ``count`` likely neighbours of each query, best first, ``[q, count]``, -1 for none.

        ``selector`` (see `selectors.selector_of`) says which ids may answer; the others are passed over in the lists.
        """
        queries = np.ascontiguousarray(queries, np.float32)
        count = max(1, min(count, len(self)))
        # One query has no use for more threads, and starting them costs more than it does.
        with bounded_threads(threads if len(queries) > 1 else 1):
            if self._ivf is None:
                parameters = _parameters(self._index, count, selector)
                found: NDArray[np.int64] = self._index.search(queries, count, params=parameters)[1]
                return found
            queries = self._as_lists_see(queries)
            if probing.reach is None:
                nearness, lists = nearest_lists(self._ivf.quantizer, queries, probing)
                return self._in_lists(queries, count, lists, nearness, selector)
            # Queries differ in how many lists they probe, and fast scan takes no gaps in a batch (FAISS 1.15.1 then
            # loses answers of other queries): each is searched by itself.
            return self._one_by_one(queries, count, probing, selector, threads)

    def _one_by_one(
        self, queries: Floats, count: int, probing: Probing, selector: Any, threads: int | None
    ) -> NDArray[np.int64]:
        centroids = self._centroids

        def one(query: Floats) -> NDArray[np.int64]:
            with bounded_threads(1):
                nearness, lists = lists_within(centroids, query, probing)
                return self._in_lists(query[None], count, lists[None], nearness[None], selector)

        workers = min(threads or usable_cpus(), len(queries) // _QUERIES_FOR_A_THREAD)
        if workers < 2:
            found = [one(query) for query in queries]
        else:
            from concurrent.futures import ThreadPoolExecutor

            with ThreadPoolExecutor(workers) as pool:
                found = list(pool.map(one, queries))
        return np.concatenate(found) if found else np.empty((0, count), np.int64)

    @cached_property
    def _centroids(self) -> Centroids:
        return Centroids(self._ivf.quantizer)

    def _in_lists(
        self, queries: Floats, count: int, lists: NDArray[np.int64], nearness: Floats, selector: Any
    ) -> NDArray[np.int64]:
        """The best ids of all segments in ``lists`` ``[q, nprobe]``."""
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

    def gaps(self, queries: Floats) -> Floats:
        """How far each list lies behind the nearest ones of each query, ``[q, lists]``; see `Probing`."""
        if self._ivf is None:
            return np.zeros((len(queries), 1), np.float32)
        return gaps(self._centroids.values, self._as_lists_see(queries))

    def _as_lists_see(self, queries: Floats) -> Floats:
        seen: Floats = queries @ self._weights.T if self._weights is not None else transformed(self._index, queries)
        return seen

    @cached_property
    def _weights(self) -> Floats | None:
        """What queries are multiplied by, once for all: the way through FAISS takes a single one twice as long."""
        weighting = weighting_of(self._index)
        return None if weighting is None else matrix_of(weighting)

    def save(self, target: Path | Sink) -> None:
        """Write the first segment and what was learned, as FAISS does, followed by how many bytes that took."""
        index_io.write(self._index, target)

    def save_trained(self, target: Path | Sink) -> None:
        """Write what was learned alone, so that later rows are encoded without reading all that came before."""
        index_io.write(index_io.emptied(self._index), target)

    @classmethod
    def load(cls, path: Path, segments: Sequence[Path] = (), *, mapped: bool = True) -> ApproximateIndex:
        """Read an index and its further segments; ``mapped`` leaves in the files what FAISS can search there.

        Raises:
            CollectionDamagedError: a file is cut, altered or missing.
        """
        index = index_io.read(path, mapped=mapped)
        return cls(index, [index_io.read_segment(part, index, mapped=mapped) for part in segments], mapped=mapped)


def drawn(rows: int, count: int, seed: int) -> Positions:
    """``count`` of ``rows`` positions, ascending: a uniform sample without replacement, the same for a seed."""
    if count >= rows:
        return np.arange(rows, dtype=np.int64)
    return np.sort(np.random.default_rng(seed).choice(rows, count, replace=False)).astype(np.int64)


def _search_lists(
    segment: Any, queries: Floats, count: int, lists: Positions, nearness: Floats, selector: Any
) -> tuple[Floats, Positions]:
    """The best of the rows in ``lists`` ``[q, nprobe]``. The Python wrapper of this call takes no selector."""
    import faiss

    parameters = _parameters(segment, lists.shape[1], selector)
    if hasattr(segment, "implem"):
        # List by list, tables are made for each, and the best rows are met late: a single query takes a sixth longer.
        segment.implem = _BY_QUERY if len(queries) == 1 else _BY_LIST
    scores = np.empty((len(queries), count), np.float32)
    ids = np.empty((len(queries), count), np.int64)
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


def _parameters(index: Any, effort: int, selector: Any) -> Any:
    """How to search: ``effort`` is the lists to probe, or the width of the search in a graph."""
    import faiss

    inner = faiss.downcast_index(index.index) if isinstance(index, faiss.IndexIDMap) else index
    if isinstance(inner, faiss.IndexHNSW):
        return faiss.SearchParametersHNSW(efSearch=effort, sel=selector)
    if isinstance(inner, faiss.IndexIVFPQ):
        return faiss.IVFPQSearchParameters(nprobe=effort, sel=selector)
    if isinstance(inner, faiss.IndexIVF):
        return faiss.IVFSearchParameters(nprobe=effort, sel=selector)
    return faiss.SearchParameters(sel=selector) if selector is not None else None
