"""What a source is, by its name and by what is in it, and which module reads it."""

from __future__ import annotations

import importlib
import os

from mmsearch.errors import UsageError
from mmsearch.exchange.importing.source import Choice, Source
from mmsearch.exchange.packages import checked_file, is_address

_ENDINGS = {
    ".npy": "npy",
    ".npz": "npz",
    ".hdf5": "hdf5",
    ".h5": "hdf5",
    ".fvecs": "fvecs",
    ".bvecs": "fvecs",
    ".parquet": "parquet",
    ".lance": "lance",
    ".snapshot": "qdrant",
}


def open_source(name: str, format: str, choice: Choice) -> Source:
    """Open a source.

    Raises:
        UsageError: it is not there, or it cannot be told what it is.
        MMSearchError: a package is not installed, or a service refuses.
    """
    if format == "auto":
        format = found_format(name)
    if format not in _OPEN:
        raise UsageError(f"no format {format!r}; there are: {', '.join(_OPEN)}")
    module, opener = _OPEN[format]
    source: Source = getattr(importlib.import_module(f"mmsearch.exchange.importing.{module}"), opener)(name, choice)
    return source


def found_format(name: str) -> str:
    """What a source is.

    Raises:
        UsageError: it is not there, or nothing that is known.
    """
    ending = os.path.splitext(name.rstrip("/\\"))[1].lower()
    if is_address(name):
        if name.startswith(("http://", "https://")):
            return "qdrant"
        if ending == ".lance":
            return "lance"
        raise UsageError(f"{name}: say what it is, one of {', '.join(_OPEN)}")
    path = checked_file(name)
    if ending in _ENDINGS:
        return _ENDINGS[ending]
    if not os.path.isdir(path):
        raise UsageError(f"{name}: what is it? say one of {', '.join(_OPEN)}")
    names = os.listdir(path)
    if {"img_emb", "text_emb"} & set(names):
        return "clip-retrieval"
    if "vectors.npy" in names:
        return "npy"
    if "edge_config.json" in names or {"meta.json", "collection"} <= set(names):
        return "qdrant"
    if any(one.endswith(".lance") for one in names):
        return "lance"
    if any(one.endswith(".parquet") for one in names):
        return "parquet"
    raise UsageError(f"{name} holds nothing that can be imported; say what it is if it does: {', '.join(_OPEN)}")


_OPEN = {
    "clip-retrieval": ("clip_retrieval", "ClipRetrievalSource"),
    "npy": ("arrays", "open_npy"),
    "npz": ("arrays", "open_npz"),
    "hdf5": ("arrays", "open_hdf5"),
    "fvecs": ("arrays", "open_fvecs"),
    "parquet": ("tables", "open_parquet"),
    "lance": ("tables", "open_lance"),
    "qdrant": ("qdrant", "QdrantSource"),
}
"""The module beside this one that reads a format, imported when it is needed, and what in it opens a source."""

FORMATS = tuple(_OPEN)
