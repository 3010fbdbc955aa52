"""FAISS selectors made of masks: what FAISS filters rows by while it scans its lists."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmsearch.indexes.vectors import Positions

_MAX_BITS_PER_ID = 64  # with more, a hash set takes less memory than a bitmap


class Selector:
    """Makes FAISS selectors of masks over the rows ``ids`` (ascending), and keeps the last one.

    It is kept only for a mask that is marked read-only, such as the mask of live rows, which all searches of a snapshot
    share.
    """

    def __init__(self, ids: Positions) -> None:
        self._ids = ids
        self._consecutive = are_consecutive(ids)
        self._mask: NDArray[np.bool_] | None = None
        self._selector: Any = None
        self._count_of: tuple[NDArray[np.bool_], int] | None = None

    def count(self, allowed: NDArray[np.bool_] | None) -> int:
        """How many rows a mask allows."""
        if allowed is None:
            return len(self._ids)
        if self._count_of is not None and self._count_of[0] is allowed:
            return self._count_of[1]
        count = int(np.count_nonzero(allowed))
        if not allowed.flags.writeable:
            self._count_of = allowed, count
        return count

    def of(self, allowed: NDArray[np.bool_] | None) -> Any:
        """The selector of the rows that ``allowed`` (bool ``[rows]``, by position) is true for; None for None."""
        if allowed is None:
            return None
        if self._mask is allowed and self._selector is not None:
            return self._selector
        selector = self._make(allowed)
        if not allowed.flags.writeable:
            self._mask, self._selector = allowed, selector
        return selector

    def _make(self, allowed: NDArray[np.bool_]) -> Any:
        import faiss

        if self._consecutive and int(self._ids[0]) <= 8 * len(self._ids):
            mask = np.concatenate([np.zeros(int(self._ids[0]), np.bool_), allowed])
            return faiss.IDSelectorBitmap(np.packbits(mask, bitorder="little"))
        return selector_of(self._ids[allowed])


def are_consecutive(ids: Positions) -> bool:
    """Whether ascending ids have no gaps, so that positions can be found by subtraction."""
    return len(ids) > 0 and int(ids[-1] - ids[0]) == len(ids) - 1


def selector_of(allowed_ids: Positions) -> Any:
    """The selector of ids (ascending): a bitmap up to the highest id, or a hash set if they lie far apart."""
    import faiss

    if len(allowed_ids) == 0 or int(allowed_ids[-1]) > _MAX_BITS_PER_ID * len(allowed_ids):
        return faiss.IDSelectorBatch(allowed_ids)
    mask = np.zeros(int(allowed_ids[-1]) + 1, np.bool_)
    mask[allowed_ids] = True
    return faiss.IDSelectorBitmap(np.packbits(mask, bitorder="little"))
