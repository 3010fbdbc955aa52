"""Which index a set of vectors gets: policy alone, decided from its size, its dimension and the memory."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal

from mmsearch.indexes.faiss.factory import WEIGHTED, least_rows, untrained
from mmsearch.machine import free_memory

IVFPQ_FROM = 250_000
"""Rows from which an approximate index is built by itself: below, a scan takes some 0.01 s at 512 dimensions."""

_LEAST_ROWS = 64  # below, a quantizer of 16 centroids has too little to learn from
_ID_BYTES = 8
_WIDTHS = (4, 2, 1)  # dimensions of a part of 4 bits: the first that divides them and leaves
_PARTS = 64  # parts or more to a code
_WIDEST = 8  # dimensions for which 4 bits still say which rows to look at
_IN_FILE, _CENTROIDS = 16, 256  # dimensions of a code of 8 bits, and rows that it needs to be learned from
_LEAST_PER_LIST = 39  # FAISS's own lower bound of training points for a centroid


@dataclass(frozen=True, slots=True)
class IndexPlan:
    """What to build and why. ``factory`` is a FAISS factory string (after ``QW,`` its codes are weighted),
    None for *exact*.

    ``train_rows`` bounds the training sample.
    """

    kind: Literal["exact", "ivfpq", "rabitq", "faiss"]
    reason: str
    factory: str | None = None
    train_rows: int = 0

    def to_json(self) -> dict[str, Any]:
        """The fields as a JSON object."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> IndexPlan:
        """The inverse of `to_json`."""
        return cls(**data)


def plan_index(
    n: int,
    dim: int,
    *,
    requested: str = "auto",
    memory_bytes: int | None = None,
    recall: float = 0.98,
    even: bool = False,
) -> IndexPlan:
    """Decide on an index for ``n`` vectors of ``dim`` dimensions.

    Args:
        n: rows.
        dim: dimensions.
        requested: ``auto``, ``exact``, ``ivfpq``, ``rabitq``, or a FAISS factory string.
        memory_bytes: what training and the codes may hold; default a quarter of what is free.
        recall: recall@10 that is wanted; 1 is what only *exact* promises.
        even: whether rows vary alike in all directions (`build.fitted` measures it), so that codes must say more.

    Raises:
        UsageError: a factory string that FAISS cannot read, or whose index cannot be used here.
    """
    if requested == "exact":
        return IndexPlan("exact", "asked for")
    if requested == "auto" and n < IVFPQ_FROM:
        return IndexPlan("exact", f"{n:,} rows, fewer than {IVFPQ_FROM:,}: a scan is fast and loses nothing")
    if requested == "auto" and recall >= 1:
        return IndexPlan("exact", "recall 1 is asked for, which only a scan of all rows promises")
    if requested in ("auto", "ivfpq", "rabitq"):
        if n < _LEAST_ROWS:
            return IndexPlan("exact", f"{n} rows are too few to train a quantizer")
        return _inverted(n, dim, memory_bytes, requested, f"{n:,} rows" if requested == "auto" else "asked for", even)
    needed = least_rows(untrained(requested, dim))
    if n < needed:
        return IndexPlan("exact", f"{requested} needs {needed:,} rows to train, and there are {n:,}")
    return IndexPlan("faiss", "asked for", requested, train_rows=min(n, 262_144))


def _inverted(n: int, dim: int, memory_bytes: int | None, requested: str, why: str, even: bool) -> IndexPlan:
    """About 2·√n lists, and 4 bits for every four dimensions, weighted and scanned in registers (FAISS fast-scan).

    The codes say only which rows to look at: all candidates are re-scored from the stored vectors. They are held in
    memory, so they get coarser where memory is short; below half a bit for a dimension codes of 8 bits for 16
    dimensions take their place: these say more, and FAISS leaves their lists in the file, but looks each up
    (decision 14).
    """
    lists = max(1, min(round_to_power_of_two(2 * math.sqrt(n)), n // _LEAST_PER_LIST))
    width = next((w for w in _WIDTHS if dim % w == 0 and dim // w >= _PARTS), 1)
    width = max(width // 2, 1) if even else width
    budget = memory_bytes or _quarter_of_free_memory()
    train = min(n, max(64 * lists, 16_384), max(budget // (8 * dim), 4_096, lists))
    while n * (dim / width / 2 + _ID_BYTES) > budget and dim % (2 * width) == 0:
        width *= 2
    if requested == "rabitq":
        return IndexPlan("rabitq", "asked for", f"IVF{lists},RaBitQ", train_rows=train)
    if width > _WIDEST and dim % _IN_FILE == 0 and train >= _CENTROIDS:
        why = f"{why}, and codes that are held in memory do not fit"
        return IndexPlan("ivfpq", why, f"{WEIGHTED}IVF{lists},PQ{dim // _IN_FILE}", train_rows=train)
    return IndexPlan("ivfpq", why, f"{WEIGHTED}IVF{lists},PQ{dim // width}x4fsr", train_rows=train)


def round_to_power_of_two(x: float) -> int:
    """The power of two nearest to ``x`` on a logarithmic scale."""
    return 1 << max(0, round(math.log2(x)))


def _quarter_of_free_memory() -> int:
    return free_memory() // 4
