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

from mmsearch.indexes.build import build_index
from mmsearch.indexes.index import VectorIndex
from mmsearch.indexes.plan import IndexPlan, plan_index

__all__ = ["IndexPlan", "VectorIndex", "build_index", "plan_index"]
