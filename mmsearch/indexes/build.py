"""Building an index: check the vectors, plan, train, add, calibrate."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmsearch.errors import UsageError
from mmsearch.indexes.calibrate import ROWS, Calibration, calibrate, corpus_queries, to_learn_from, to_measure_with
from mmsearch.indexes.faiss import query_weighting
from mmsearch.indexes.faiss.approximate import ApproximateIndex, drawn
from mmsearch.indexes.faiss.factory import ivf_of, untrained
from mmsearch.indexes.index import VectorIndex
from mmsearch.indexes.plan import IndexPlan, plan_index
from mmsearch.indexes.vectors import Floats, Positions, StoredVectors, as_vectors

_CHECKED_ROWS = 16_384
_MEASURED_ROWS = 16_384
_LOST = 0.05  # of what products vary by: vectors of CLIP models lose 0.003 to 0.02, evenly spread ones 0.23


def build_index(
    vectors: NDArray[Any] | StoredVectors,
    ids: Sequence[int] | Positions | None = None,
    *,
    requested: str = "auto",
    text_queries: Floats | None = None,
    recall: float = 0.98,
    memory_bytes: int | None = None,
    seed: int = 0,
    threads: int | None = None,
) -> VectorIndex:
    """Build an index over unit vectors.

    Args:
        vectors: floats ``[n, dim]`` of unit length.
        ids: int64, ascending and distinct; default 0 to n - 1.
        requested: ``auto``, ``exact``, ``ivfpq``, ``rabitq`` or a FAISS factory string.
        text_queries: queries of another modality, float32 ``[q, dim]``, to calibrate with: a calibration on
            rows alone promises what queries of words do not get.
        recall: recall@10 that the index is tuned to.
        memory_bytes: what training and codes may hold; default a quarter of what is free.
        seed: of samples and clusterings.
        threads: at most so many; default one for each processor.

    Raises:
        UsageError: NaN, infinite or zero vectors; ids that do not ascend; a bad factory string.
    """
    rows = _checked(vectors)
    numbers = np.arange(len(rows), dtype=np.int64) if ids is None else np.asarray(ids, np.int64)
    if len(numbers) != len(rows) or np.any(np.diff(numbers) <= 0) or np.any(numbers < 0):
        raise UsageError(f"ids must be {len(rows)} distinct numbers from 0 on, ascending")
    asked = partial(plan_index, len(rows), rows.dim, requested=requested, memory_bytes=memory_bytes, recall=recall)
    plan = fitted(asked, rows, text_queries, seed=seed)
    if plan.kind == "exact" or not len(rows):
        return VectorIndex(rows, numbers, threads=threads)
    approximate, calibration = train_and_calibrate(
        rows, numbers, plan, text_queries=text_queries, recall=recall, seed=seed, threads=threads
    )
    return VectorIndex(rows, numbers, approximate, calibration, threads=threads)


def fitted(
    plan: Callable[..., IndexPlan], vectors: StoredVectors, text_queries: Floats | None, *, seed: int = 0
) -> IndexPlan:
    """A plan with longer codes where ``vectors`` vary so evenly as to need them; ``plan`` is a partial `plan_index`.

    Vectors of models differ far more in some directions than in others, and short codes say most of it.
    """
    first = plan()
    if first.kind != "ivfpq":
        return first
    sample = vectors.sampled(drawn(len(vectors), _MEASURED_ROWS, seed))
    queries = [sample] if text_queries is None else [sample, to_learn_from(text_queries)]
    bits = 8 * ivf_of(untrained(str(first.factory), vectors.dim)).code_size
    return first if query_weighting.lost(sample - sample.mean(axis=0), queries, bits) <= _LOST else plan(even=True)


def train_and_calibrate(
    vectors: StoredVectors,
    ids: Positions,
    plan: IndexPlan,
    *,
    text_queries: Floats | None = None,
    recall: float = 0.98,
    seed: int = 0,
    threads: int | None = None,
) -> tuple[ApproximateIndex, Calibration]:
    """Build what ``plan`` says over checked vectors, and measure where to run it; see `build_index`."""
    queries = calibration_queries(vectors, text_queries, seed=seed)
    others = [] if text_queries is None else [to_learn_from(text_queries)]
    approximate = ApproximateIndex.build(vectors, ids, plan, seed=seed, threads=threads, queries=others)
    return approximate, calibrate(approximate, vectors, ids, queries, target=recall, threads=threads)


def calibration_queries(
    vectors: StoredVectors, text_queries: Floats | None = None, *, seed: int = 0
) -> dict[str, Floats]:
    """Queries by kind, to measure with: rows of the corpus, and texts where there are any."""
    queries = {ROWS: corpus_queries(vectors, seed=seed)}
    if text_queries is not None and len(text_queries):
        queries["text"] = to_measure_with(np.asarray(text_queries, np.float32))
    return queries


def _checked(vectors: NDArray[Any] | StoredVectors) -> StoredVectors:
    if isinstance(vectors, StoredVectors):
        return vectors
    array = np.asarray(vectors)
    if array.ndim != 2 or array.dtype.kind != "f":
        raise UsageError(f"vectors must be floats [n, dim], not {array.dtype} {list(array.shape)}")
    blocks = [array[start : start + _CHECKED_ROWS] for start in range(0, len(array), _CHECKED_ROWS)]
    lengths = np.concatenate([np.linalg.norm(block.astype(np.float32), axis=1) for block in blocks] or [np.empty(0)])
    bad = np.flatnonzero(~(np.abs(lengths - 1) < 0.01))
    if len(bad):
        raise UsageError(
            f"vector {bad[0]} is not of unit length (it has {lengths[bad[0]]:g}); {len(bad)} such of {len(array)}"
        )
    return as_vectors(array)
