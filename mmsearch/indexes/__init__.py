"""Nearest neighbours by cosine: arrays in, arrays out. Usable alone, without files or models.

>>> import numpy as np
>>> from mmsearch.indexes import build_index, plan_index
>>> rows = np.eye(4, dtype=np.float32)
>>> plan_index(len(rows), rows.shape[1]).kind
'exact'
>>> index = build_index(rows, ids=[10, 20, 30, 40])
>>> scores, ids = index.search(rows[2:3], k=2)
>>> ids.tolist(), scores.tolist()
([[30, 10]], [[1.0, 0.0]])
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mmsearch.indexes.build import build_index
    from mmsearch.indexes.index import VectorIndex
    from mmsearch.indexes.plan import IndexPlan, plan_index

_HOMES = {
    "IndexPlan": "mmsearch.indexes.plan",
    "VectorIndex": "mmsearch.indexes.index",
    "build_index": "mmsearch.indexes.build",
    "plan_index": "mmsearch.indexes.plan",
}

__all__ = ["IndexPlan", "VectorIndex", "build_index", "plan_index"]


def __getattr__(name: str) -> Any:
    """Import a name when it is first used (PEP 562): a query of words builds nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module 'mmsearch.indexes' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value
