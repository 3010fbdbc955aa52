"""A FAISS index behind four verbs: build, add, candidates, save. It proposes ids; scores come from the store."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmsearch.errors import CollectionDamagedError
from mmsearch.indexes.blocks import Floats, Positions, Vectors
from mmsearch.indexes.factory import ivf_of, prepare, untrained
from mmsearch.indexes.plan import IndexPlan

_ADD_ROWS = 65_536
_WORTH_THREADS = 1 << 24  # values in a training sample
_SIZE_BYTES = 8  # the length of the FAISS part stands at the end of a file
_SPARSE = 64  # bits of a bitmap for each id in it, above which a hash set is the smaller


class Approximate:
    """A trained FAISS index (inner product) over rows with ids of their own."""

    def __init__(self, faiss_index: Any, *, mapped: bool = False) -> None:
        self._index = faiss_index
        self._mapped = mapped

    def __len__(self) -> int:
        return int(self._index.ntotal)

    @classmethod
    def build(cls, vectors: Vectors, ids: Positions, plan: IndexPlan, *, seed: int, threads: int | None) -> Approximate:
        """Train on a seeded sample of rows, then add all of them in blocks."""
        import faiss

        index = untrained(str(plan.factory), vectors.dim)
        held = prepare(index, seed)
        rng = np.random.default_rng(seed)
        count = min(plan.train_rows, len(vectors))
        sample = np.sort(rng.choice(len(vectors), count, replace=False)).astype(np.int64)
        # On small samples FAISS's threads mostly wait for one another. With two cores that other programs kept busy,
        # 1,000 rows of 512 dimensions took 1 s with one thread and 57 s with two.
        with _threads(threads if count * vectors.dim > _WORTH_THREADS else 1):
            _train(index, vectors.take(sample))
            del held
            if ivf_of(index) is None and not isinstance(index, faiss.IndexIDMap):
                index = faiss.IndexIDMap(index)
            built = cls(index)
            built.add(vectors, ids, 0)
        return built

    def add(self, vectors: Vectors, ids: Positions, start: int) -> None:
        """Add the rows from position ``start`` on."""
        if self._mapped:
            raise RuntimeError("FAISS ends the process when a mapped index is added to; load it unmapped")
        for first, block in vectors.slices(start, len(vectors), _ADD_ROWS):
            self._index.add_with_ids(block.astype(np.float32), ids[first : first + len(block)])

    @property
    def lists(self) -> int:
        """How many inverted lists there are to probe; 1 where there are none."""
        ivf = ivf_of(self._index)
        return int(ivf.nlist) if ivf is not None else 1

    def candidates(
        self, queries: Floats, count: int, nprobe: int, allowed_ids: Positions | None = None
    ) -> NDArray[np.int64]:
        """Ids of up to ``count`` likely neighbours of each query, ``[q, count]``, -1 for none.

        ``allowed_ids`` (ascending) restricts the answers.
        """
        selector = None if allowed_ids is None else _selector(allowed_ids)
        parameters = _parameters(self._index, min(nprobe, self.lists), selector)
        count = max(1, min(count, len(self)))
        _, ids = self._index.search(np.ascontiguousarray(queries, np.float32), count, params=parameters)
        found: NDArray[np.int64] = ids
        return found

    def save(self, path: Path) -> None:
        """Write the index to a file, as FAISS does, followed by how many bytes that took (8, little-endian)."""
        import faiss

        faiss.write_index(self._index, str(path))
        size = path.stat().st_size
        with path.open("ab") as file:
            file.write(size.to_bytes(_SIZE_BYTES, "little"))

    @classmethod
    def load(cls, path: Path, *, mapped: bool = True) -> Approximate:
        """Read an index; ``mapped`` leaves in the file what FAISS can search there.

        Raises:
            CollectionDamagedError: the file is cut, altered or missing.
        """
        import faiss

        try:
            _check_whole(path)
            index = faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC if mapped else 0)
        except (RuntimeError, OSError, MemoryError) as error:  # altered sizes ask for any amount of memory
            raise CollectionDamagedError(
                f"index {path} cannot be read; `mmsearch doctor --repair` rebuilds it"
            ) from error
        return cls(index, mapped=mapped)


def _check_whole(path: Path) -> None:
    """Raise RuntimeError for a file that was cut: FAISS would map it and end the process by reading past its end."""
    with path.open("rb") as file:
        size = max(0, os.fstat(file.fileno()).st_size - _SIZE_BYTES)
        file.seek(size)
        if size != int.from_bytes(file.read(), "little"):
            raise RuntimeError("the file has not the length that it was written with")


def _train(index: Any, sample: Floats) -> None:
    """Train, on a GPU where this FAISS sees one: it then holds the coarse clustering, most of the work."""
    import faiss

    ivf = ivf_of(index)
    if ivf is not None and getattr(faiss, "get_num_gpus", lambda: 0)() > 0:
        ivf.clustering_index = faiss.index_cpu_to_all_gpus(faiss.IndexFlatIP(ivf.d))
    index.train(sample)


@contextmanager
def _threads(count: int | None) -> Iterator[None]:
    """Bound FAISS's threads, which are a setting of the whole process, for a while; None leaves them."""
    import faiss

    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(count or before)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)


def _selector(allowed_ids: Positions) -> Any:
    """Membership by one bit for each id up to the highest, or by a hash set where ids lie far apart."""
    import faiss

    if len(allowed_ids) == 0 or int(allowed_ids[-1]) > _SPARSE * len(allowed_ids):
        return faiss.IDSelectorBatch(allowed_ids)
    mask = np.zeros(int(allowed_ids[-1]) + 1, np.bool_)
    mask[allowed_ids] = True
    return faiss.IDSelectorBitmap(np.packbits(mask, bitorder="little"))


def _parameters(index: Any, nprobe: int, selector: Any) -> Any:
    import faiss

    if isinstance(index, faiss.IndexPreTransform):
        inner = _parameters(faiss.downcast_index(index.index), nprobe, selector)
        return faiss.SearchParametersPreTransform(index_params=inner)
    if isinstance(index, faiss.IndexIVFPQ):
        return faiss.IVFPQSearchParameters(nprobe=nprobe, sel=selector)
    if isinstance(index, faiss.IndexIVF):
        return faiss.IVFSearchParameters(nprobe=nprobe, sel=selector)
    return faiss.SearchParameters(sel=selector) if selector is not None else None
