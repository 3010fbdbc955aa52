"""From a mask of rows that may answer to what FAISS passes rows over by inside its lists."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmsearch.indexes.vectors import Positions

_SPARSE = 64  # bits of a bitmap for each id in it, above which a hash set is the smaller


class Selector:
    """The FAISS selector of a mask, kept for the next search where the mask is one that cannot change.

    A mask of live rows is the same for all searches of a snapshot: marked read-only, it is turned into bits once.
    """

    def __init__(self, ids: Positions) -> None:
        self._ids = ids
        self._together = follow_one_another(ids)
        self._mask: NDArray[np.bool_] | None = None
        self._made: Any = None
        self._counted: tuple[NDArray[np.bool_], int] | None = None

    def count(self, allowed: NDArray[np.bool_] | None) -> int:
        """How many rows a mask allows."""
        if allowed is None:
            return len(self._ids)
        known = self._counted
        if known is not None and known[0] is allowed:
            return known[1]
        count = int(np.count_nonzero(allowed))
        if not allowed.flags.writeable:
            self._counted = allowed, count
        return count

    def of(self, allowed: NDArray[np.bool_] | None) -> Any:
        """What allows the ids of the rows that ``allowed`` is true for; None for a mask that allows all."""
        if allowed is None:
            return None
        if self._mask is allowed and self._made is not None:
            return self._made
        made = self._make(allowed)
        if not allowed.flags.writeable:
            self._mask, self._made = allowed, made
        return made

    def _make(self, allowed: NDArray[np.bool_]) -> Any:
        import faiss

        if self._together and int(self._ids[0]) <= 8 * len(self._ids):
            mask = np.concatenate([np.zeros(int(self._ids[0]), np.bool_), allowed])
            return faiss.IDSelectorBitmap(np.packbits(mask, bitorder="little"))
        return selector_of(self._ids[allowed])


def follow_one_another(ids: Positions) -> bool:
    """Whether ascending ids have no gaps: a position is then found by subtraction."""
    return len(ids) > 0 and int(ids[-1] - ids[0]) == len(ids) - 1


def selector_of(allowed_ids: Positions) -> Any:
    """Membership by one bit for each id up to the highest, or by a hash set where ids (ascending) lie far apart."""
    import faiss

    if len(allowed_ids) == 0 or int(allowed_ids[-1]) > _SPARSE * len(allowed_ids):
        return faiss.IDSelectorBatch(allowed_ids)
    mask = np.zeros(int(allowed_ids[-1]) + 1, np.bool_)
    mask[allowed_ids] = True
    return faiss.IDSelectorBitmap(np.packbits(mask, bitorder="little"))
