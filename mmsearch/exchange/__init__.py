"""Vectors in and out: from files and databases that others wrote into a collection, and out of it into theirs.

Both work on a `Collection` through its public calls. A run that was interrupted goes on where it was.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mmsearch.exchange.exporting.run import export_vectors
    from mmsearch.exchange.importing.fresh import collection_to_fill
    from mmsearch.exchange.importing.run import import_vectors
    from mmsearch.exchange.results import Exported, Imported

_MODULE_OF = {
    "Exported": "mmsearch.exchange.results",
    "Imported": "mmsearch.exchange.results",
    "collection_to_fill": "mmsearch.exchange.importing.fresh",
    "export_vectors": "mmsearch.exchange.exporting.run",
    "import_vectors": "mmsearch.exchange.importing.run",
}

__all__ = ["Exported", "Imported", "collection_to_fill", "export_vectors", "import_vectors"]


if not TYPE_CHECKING:  # or a type checker would take any name for one that is there

    def __getattr__(name: str) -> Any:
        """Import a name when it is first used (PEP 562): a database's package is imported by its module alone."""
        if name not in _MODULE_OF:
            raise AttributeError(f"module 'mmsearch.exchange' has no attribute {name!r}")
        value = getattr(importlib.import_module(_MODULE_OF[name]), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    """The public names, also those that are not imported yet."""
    return sorted(__all__)
