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

This package is the door of the indexes: all other code of mmsearch imports its names from here, never from a module
inside. Each name is imported when it is first used (PEP 562), so that ``import mmsearch.indexes`` loads nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mmsearch.indexes.build import build_index, choose_code_length, train_and_calibrate, train_index
    from mmsearch.indexes.calibration import CORPUS_QUERIES, TEXT_QUERIES, Calibration, CalibrationPoint
    from mmsearch.indexes.faiss.approximate import ApproximateIndex
    from mmsearch.indexes.faiss.list_files import RowsOfFile
    from mmsearch.indexes.faiss.plain import read_plain_index, write_plain_index
    from mmsearch.indexes.faiss.segments import DISTANT_QUANTILE, Drift, Segment, TrainedIndex
    from mmsearch.indexes.index import VectorIndex
    from mmsearch.indexes.lexical.index import LexicalIndex, Sought
    from mmsearch.indexes.lexical.segment import LEXICAL_FORMAT, LexicalSegment
    from mmsearch.indexes.lexical.words import Word, folded, name_words, placed_name_words, placed_words, words_of
    from mmsearch.indexes.match_sample import (
        MATCH_SAMPLE_ROWS,
        MatchSample,
        match_sample_positions,
        spread_with_prior,
    )
    from mmsearch.indexes.operating_point import TEXT_QUERY_COUNT, calibrate, calibration_queries, corpus_queries
    from mmsearch.indexes.plan import IndexPlan, check_recall_target, plan_index
    from mmsearch.indexes.vectors import StoredVectors, sample_positions, to_float32

__all__ = [
    "CORPUS_QUERIES",
    "DISTANT_QUANTILE",
    "LEXICAL_FORMAT",
    "MATCH_SAMPLE_ROWS",
    "TEXT_QUERIES",
    "TEXT_QUERY_COUNT",
    "ApproximateIndex",
    "Calibration",
    "CalibrationPoint",
    "Drift",
    "IndexPlan",
    "LexicalIndex",
    "LexicalSegment",
    "MatchSample",
    "RowsOfFile",
    "Segment",
    "Sought",
    "StoredVectors",
    "TrainedIndex",
    "VectorIndex",
    "Word",
    "build_index",
    "calibrate",
    "calibration_queries",
    "check_recall_target",
    "choose_code_length",
    "corpus_queries",
    "folded",
    "match_sample_positions",
    "name_words",
    "placed_name_words",
    "placed_words",
    "plan_index",
    "read_plain_index",
    "sample_positions",
    "spread_with_prior",
    "to_float32",
    "train_and_calibrate",
    "train_index",
    "words_of",
    "write_plain_index",
]

_MODULES = {
    "build": ("build_index", "choose_code_length", "train_and_calibrate", "train_index"),
    "calibration": ("CORPUS_QUERIES", "TEXT_QUERIES", "Calibration", "CalibrationPoint"),
    "faiss.approximate": ("ApproximateIndex",),
    "faiss.plain": ("read_plain_index", "write_plain_index"),
    "faiss.list_files": ("RowsOfFile",),
    "faiss.segments": ("DISTANT_QUANTILE", "Drift", "Segment", "TrainedIndex"),
    "index": ("VectorIndex",),
    "lexical.index": ("LexicalIndex", "Sought"),
    "lexical.segment": ("LEXICAL_FORMAT", "LexicalSegment"),
    "lexical.words": ("Word", "folded", "name_words", "placed_name_words", "placed_words", "words_of"),
    "match_sample": ("MATCH_SAMPLE_ROWS", "MatchSample", "match_sample_positions", "spread_with_prior"),
    "operating_point": ("TEXT_QUERY_COUNT", "calibrate", "calibration_queries", "corpus_queries"),
    "plan": ("IndexPlan", "check_recall_target", "plan_index"),
    "vectors": ("StoredVectors", "sample_positions", "to_float32"),
}
_MODULE_OF = {name: f"mmsearch.indexes.{module}" for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'mmsearch.indexes' has no attribute {name!r}")
    value = getattr(importlib.import_module(_MODULE_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
