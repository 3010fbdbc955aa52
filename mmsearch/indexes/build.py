"""Building an index: checks the vectors, plans, trains, adds the rows, calibrates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmsearch.errors import UsageError
from mmsearch.indexes.calibration import Calibration
from mmsearch.indexes.faiss.approximate import ApproximateIndex
from mmsearch.indexes.faiss.factory import ivf_of, untrained_index
from mmsearch.indexes.faiss.query_weighting import distortion_bound
from mmsearch.indexes.faiss.segments import TrainedIndex
from mmsearch.indexes.index import VectorIndex
from mmsearch.indexes.operating_point import calibrate, calibration_queries, split_text_queries
from mmsearch.indexes.plan import IndexPlan, check_recall_target, plan_index
from mmsearch.indexes.vectors import Float32, Positions, StoredVectors, as_stored_vectors, sample_positions

_CHECKED_ROWS = 16_384  # at a time
_MEASURED_ROWS = 16_384
_MAX_DISTORTION = 0.05  # vectors of CLIP models have a bound of 0.003 to 0.02, isotropic ones 0.23


def build_index(
    vectors: NDArray[Any] | StoredVectors,
    ids: Sequence[int] | Positions | None = None,
    *,
    requested: str = "auto",
    text_queries: Float32 | None = None,
    recall: float = 0.98,
    memory_bytes: int | None = None,
    seed: int = 0,
    threads: int | None = None,
) -> VectorIndex:
    """Build an index over unit vectors.

    An approximate index is calibrated: its recall@10 is measured, and stands in `VectorIndex.recall`. If it stays below
    ``recall``, because the codes are too coarse or the graph too small, the best operating point is kept and
    `VectorIndex.reaches_target` is false.

    Args:
        vectors: floats ``[n, dim]`` of unit length; stored as float16.
        ids: int64 ``[n]``, ascending and distinct; default 0 to n - 1.
        requested: ``auto``, ``exact``, ``ivfpq``, ``rabitq`` or a FAISS factory string.
        text_queries: queries of another modality, float32 ``[q, dim]``, to train and calibrate with. Without them, the
            measured recall holds only for queries that are like the rows.
        recall: the recall@10 to reach, above 0 and at most 1.
        memory_bytes: memory for training and codes; default a quarter of the free memory.
        seed: of samples and clusterings.
        threads: at most this many; default one for each processor.

    Raises:
        UsageError: vectors that are no floats ``[n, dim]`` or not of unit length; ids that do not ascend; a recall out
            of range; a factory string that FAISS cannot read, or whose index cannot be used here.
    """
    check_recall_target(recall)
    rows = _checked(vectors)
    numbers = np.arange(len(rows), dtype=np.int64) if ids is None else np.asarray(ids, np.int64)
    if len(numbers) != len(rows) or np.any(np.diff(numbers) <= 0) or np.any(numbers < 0):
        raise UsageError(f"ids must be {len(rows)} distinct numbers from 0 on, ascending")
    planner = partial(plan_index, len(rows), rows.dim, requested=requested, memory_bytes=memory_bytes, recall=recall)
    plan = choose_code_length(planner, rows, text_queries, seed=seed)
    if plan.kind == "exact" or not len(rows):
        return VectorIndex(rows, numbers, threads=threads)
    approximate, calibration = train_and_calibrate(
        rows, numbers, plan, text_queries=text_queries, recall=recall, seed=seed, threads=threads
    )
    return VectorIndex(rows, numbers, approximate, calibration, threads=threads)


def choose_code_length(
    planner: Callable[..., IndexPlan], vectors: StoredVectors, text_queries: Float32 | None, *, seed: int = 0
) -> IndexPlan:
    """The plan of ``planner`` (a partial `plan_index`), with longer codes if short ones lose too much of ``vectors``.

    Vectors of models vary far more in some directions than in others, and short codes keep most of that. Vectors that
    vary equally in all directions need codes twice as long.
    """
    plan = planner()
    if plan.kind != "ivfpq":
        return plan
    sample = vectors.sample_float32(sample_positions(len(vectors), _MEASURED_ROWS, seed))
    queries = [sample] if text_queries is None else [sample, split_text_queries(text_queries)[0]]
    bits = 8 * ivf_of(untrained_index(str(plan.factory), vectors.dim)).code_size
    distortion = distortion_bound(sample - sample.mean(axis=0), queries, bits)
    return plan if distortion <= _MAX_DISTORTION else planner(isotropic=True)


def train_and_calibrate(
    vectors: StoredVectors,
    ids: Positions,
    plan: IndexPlan,
    *,
    text_queries: Float32 | None = None,
    recall: float = 0.98,
    seed: int = 0,
    threads: int | None = None,
) -> tuple[ApproximateIndex, Calibration]:
    """Build the approximate index of a ``plan`` over unit vectors, and calibrate it; arguments as in `build_index`."""
    queries = calibration_queries(vectors, text_queries, seed=seed)
    training_queries = [] if text_queries is None else [split_text_queries(text_queries)[0]]
    approximate = ApproximateIndex.build(vectors, ids, plan, seed=seed, threads=threads, queries=training_queries)
    return approximate, calibrate(approximate, vectors, ids, queries, target=recall, threads=threads)


def train_index(
    sample: Float32,
    plan: IndexPlan,
    *,
    text_queries: Float32 | None = None,
    seed: int = 0,
    threads: int | None = None,
) -> TrainedIndex:
    """Train an index on a sample of its rows, so that others can encode the rows (`TrainedIndex.encode`).

    Args:
        sample: unit vectors float32 ``[n, dim]``, drawn at random from all rows; ``plan.train_rows`` are enough.
        plan: of `plan_index`, for an approximate index.
        text_queries: as in `build_index`.
        seed: of the clustering.
        threads: at most this many; default one for each processor.
    """
    queries = [] if text_queries is None else [split_text_queries(text_queries)[0]]
    return TrainedIndex.train(sample, plan, queries=queries, seed=seed, threads=threads)


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
    return as_stored_vectors(array)
