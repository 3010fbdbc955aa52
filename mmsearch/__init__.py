"""Cross-modal vector search for your own files: words, pictures, sounds and films in one space, offline."""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

# Libraries report their use to their makers unless they are told otherwise before they are loaded. ONNX Runtime's
# official builds do so since 1.32: a file in ~/.cache, and connections. `setdefault`: an app that wants it says so.
for _switch in ("ORT_DISABLE_TELEMETRY", "HF_HUB_DISABLE_TELEMETRY", "DO_NOT_TRACK"):
    os.environ.setdefault(_switch, "1")

__version__ = "0.1.0"

if TYPE_CHECKING:
    from mmsearch.collection import Collection
    from mmsearch.errors import MMSearchError
    from mmsearch.retrieval.evaluation.evaluate import Scores
    from mmsearch.retrieval.search.query import Query
    from mmsearch.types import Hit, Moment, Report, Space, Span

_HOMES = {
    "Collection": "mmsearch.collection",
    "Hit": "mmsearch.types",
    "MMSearchError": "mmsearch.errors",
    "Moment": "mmsearch.types",
    "Query": "mmsearch.retrieval.search.query",
    "Report": "mmsearch.types",
    "Scores": "mmsearch.retrieval.evaluation.evaluate",
    "Space": "mmsearch.types",
    "Span": "mmsearch.types",
}

__all__ = ["Collection", "Hit", "MMSearchError", "Moment", "Query", "Report", "Scores", "Space", "Span", "__version__"]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used (PEP 562), so that ``import mmsearch`` costs nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module 'mmsearch' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value
