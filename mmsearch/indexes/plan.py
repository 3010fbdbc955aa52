"""Which index is built: decided by the number of rows, their dimension, the memory and the recall target."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal

from mmsearch.errors import UsageError
from mmsearch.indexes.faiss.factory import QUERY_WEIGHTED, min_training_rows, untrained_index
from mmsearch.machine import free_memory

IVFPQ_FROM = 250_000
"""Rows from which ``auto`` builds an approximate index: to scan fewer takes some 0.01 s at 512 dimensions."""

TWO_LEVELS_FROM = 8_192
"""Lists from which their centroids have two levels (`faiss.two_level`); decision 50 has what that saves and costs."""

_MIN_ROWS = 64  # fewer are too few to train sub-quantizers of 16 centroids
_ID_BYTES = 8

# The width of a sub-quantizer is the number of dimensions that it encodes. With 4 bits: the first of these widths that
# divides the dimension and leaves at least so many sub-quantizers; where memory is short, at most the maximum.
_WIDTHS = (4, 2, 1)
_MIN_PARTS = 64
_MAX_WIDTH = 8  # with wider ones, 4 bits no longer find good candidates

_EIGHT_BIT_WIDTH, _EIGHT_BIT_CENTROIDS = 16, 256
_MIN_ROWS_PER_LIST = 39  # FAISS's own lower bound of training points for each centroid


@dataclass(frozen=True, slots=True)
class IndexPlan:
    """What to build, and why.

    Attributes:
        kind: ``exact``, or a kind of approximate index; ``faiss`` for a factory string that was asked for.
        reason: why, as a phrase for people.
        factory: a FAISS factory string, with the prefix ``QW,`` for query-weighted codes; None for ``exact``.
        train_rows: rows in the training sample, at most.
    """

    kind: Literal["exact", "ivfpq", "rabitq", "faiss"]
    reason: str
    factory: str | None = None
    train_rows: int = 0

    @property
    def has_lists(self) -> bool:
        """Whether it is an inverted file, whose rows can be encoded in parts."""
        return self.kind in ("ivfpq", "rabitq")

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
    isotropic: bool = False,
) -> IndexPlan:
    """Decide which index to build for ``n`` vectors of ``dim`` dimensions.

    Args:
        n: rows.
        dim: dimensions.
        requested: ``auto``, ``exact``, ``ivfpq``, ``rabitq``, or a FAISS factory string.
        memory_bytes: memory for training and codes; default a quarter of the free memory.
        recall: the recall@10 to reach, above 0 and at most 1. With 1, ``auto`` is exact.
        isotropic: whether rows vary about equally in all directions, which takes longer codes
            (`choose_code_length` measures it).

    Raises:
        UsageError: a recall out of range, a factory string that FAISS cannot read, or whose index cannot be used here.
    """
    check_recall_target(recall)
    if requested == "exact":
        return IndexPlan("exact", "asked for")
    if requested == "auto" and n < IVFPQ_FROM:
        return IndexPlan("exact", f"{n:,} rows, fewer than {IVFPQ_FROM:,}: a scan is fast and loses nothing")
    if requested == "auto" and recall >= 1:
        return IndexPlan("exact", "recall 1 is asked for, which only a scan of all rows guarantees")
    if requested in ("auto", "ivfpq", "rabitq"):
        if n < _MIN_ROWS:
            return IndexPlan("exact", f"{n} rows are too few to train a quantizer")
        return _plan_inverted_file(
            n, dim, memory_bytes, requested, f"{n:,} rows" if requested == "auto" else "asked for", isotropic
        )
    needed = min_training_rows(untrained_index(requested, dim))
    if n < needed:
        return IndexPlan("exact", f"{requested} needs {needed:,} rows to train, and there are {n:,}")
    return IndexPlan("faiss", "asked for", requested, train_rows=min(n, 262_144))


def check_recall_target(recall: float) -> None:
    """Raise UsageError unless a recall target lies above 0 and at most at 1."""
    if not 0 < recall <= 1:
        raise UsageError(f"recall must lie above 0 and at most at 1, not {recall:g}")


def _plan_inverted_file(
    n: int, dim: int, memory_bytes: int | None, requested: str, why: str, isotropic: bool
) -> IndexPlan:
    """An inverted file of about 2·√n lists, with query-weighted 4-bit codes for fast scan, one for four dimensions.

    Codes only select candidates, which are rescored from the stored vectors. Codes for fast scan are held in memory, so
    that they get coarser where memory is short. Below half a bit for each dimension, 8-bit codes for 16 dimensions are
    used instead: they find better candidates and can stay in the file, but are slower to scan (decision 14).
    """
    lists = max(1, min(round_to_power_of_two(2 * math.sqrt(n)), n // _MIN_ROWS_PER_LIST))
    width = next((w for w in _WIDTHS if dim % w == 0 and dim // w >= _MIN_PARTS), 1)
    width = max(width // 2, 1) if isotropic else width
    budget = memory_bytes or _quarter_of_free_memory()
    train = min(n, max(64 * lists, 16_384), max(budget // (8 * dim), 4_096, lists))
    while n * (dim / width / 2 + _ID_BYTES) > budget and dim % (2 * width) == 0:
        width *= 2
    inverted_file = f"IVF{lists}"
    if lists >= TWO_LEVELS_FROM:
        inverted_file += f"(IVF{round_to_power_of_two(2 * math.sqrt(lists))},Flat)"
    if requested == "rabitq":
        return IndexPlan("rabitq", "asked for", f"{inverted_file},RaBitQ", train_rows=train)
    if width > _MAX_WIDTH and dim % _EIGHT_BIT_WIDTH == 0 and train >= _EIGHT_BIT_CENTROIDS:
        why = f"{why}, and codes that are held in memory do not fit"
        return IndexPlan("ivfpq", why, f"{QUERY_WEIGHTED}{inverted_file},PQ{dim // _EIGHT_BIT_WIDTH}", train_rows=train)
    return IndexPlan("ivfpq", why, f"{QUERY_WEIGHTED}{inverted_file},PQ{dim // width}x4fsr", train_rows=train)


def round_to_power_of_two(x: float) -> int:
    """The power of two nearest to ``x`` on a logarithmic scale."""
    return 1 << max(0, round(math.log2(x)))


def _quarter_of_free_memory() -> int:
    return free_memory() // 4
