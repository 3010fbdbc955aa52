"""A collection in parts: readers hold one each, a front asks all of them and answers as one process would.

`open_front` gives a `Collection` whose rows are looked up by readers; `PartReader` answers for a part.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mmsearch.scale.readers.front import open_front
    from mmsearch.scale.readers.part import Part
    from mmsearch.scale.readers.part_reader import OtherManifestError, PartReader
    from mmsearch.scale.readers.pool import Readers

_MODULES = {
    "front": ("open_front",),
    "part": ("Part",),
    "part_reader": ("OtherManifestError", "PartReader"),
    "pool": ("Readers",),
}
_MODULE_OF = {name: f"mmsearch.scale.readers.{module}" for module, names in _MODULES.items() for name in names}

__all__ = ["OtherManifestError", "Part", "PartReader", "Readers", "open_front"]


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'mmsearch.scale.readers' has no attribute {name!r}")
    value = getattr(importlib.import_module(_MODULE_OF[name]), name)
    globals()[name] = value
    return value
