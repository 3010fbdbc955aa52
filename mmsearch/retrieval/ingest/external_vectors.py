"""Vectors made elsewhere: checked, scaled to unit length, and given the columns of a shard."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mmsearch.errors import SpaceMismatchError, UsageError
from mmsearch.retrieval.store.schema import FACT_SCHEMA
from mmsearch.retrieval.store.writer import Addition
from mmsearch.types import MODALITIES, Modality, Space

_GIVEN = ("path", "size", "mtime_ns", "modality", "passage", "content_hash")


def addition(
    space: Space,
    vectors: NDArray[np.floating[Any]],
    paths: Sequence[str | bytes],
    modality: Modality,
    texts: Sequence[str] | None,
    facts: Mapping[str, Sequence[Any]] | None,
) -> Addition:
    """Rows ready to be committed; see `Collection.add` for the arguments.

    Raises:
        SpaceMismatchError, UsageError: see `Collection.add`.
    """
    if modality not in MODALITIES:
        raise UsageError(f"no modality {modality!r}; there are: {', '.join(MODALITIES)}")
    stored = to_stored_vectors(vectors, space)
    count = len(stored)
    names = [os.fsencode(path) for path in paths]
    sizes, times = _stat(names)
    columns: dict[str, Any] = {
        "path": names,
        "size": sizes,
        "mtime_ns": times,
        "modality": [modality] * count,
        "passage": texts,
        **_checked(facts or {}),
    }
    for name, values in columns.items():
        if values is not None and len(values) != count:
            raise UsageError(f"{count} vectors, but {len(values)} values of {name}: give one for each vector")
    arrays = []
    for field in FACT_SCHEMA:
        values = columns.get(field.name)
        try:
            arrays.append(pa.nulls(count, field.type) if values is None else pa.array(list(values), type=field.type))
        except (pa.ArrowException, TypeError, OverflowError) as error:
            raise UsageError(f"values of {field.name} do not fit {field.type} ({error})") from error
    return Addition(space, modality, pa.Table.from_arrays(arrays, schema=FACT_SCHEMA), stored)


def to_stored_vectors(vectors: NDArray[np.floating[Any]], space: Space) -> NDArray[np.float16]:
    """Vectors as float16 of unit length, ``[n, dim]``.

    Raises:
        SpaceMismatchError: another dimension than the space's.
        UsageError: NaN, infinite or zero vectors; the text names the first such row.
    """
    array = np.asarray(vectors, dtype=np.float32)
    if array.ndim != 2:
        raise UsageError(f"vectors must be an array [n, dim], not {list(array.shape)}")
    if array.shape[1] != space.dim:
        raise SpaceMismatchError(
            f"vectors of {array.shape[1]} dimensions do not belong to space {space.key} with {space.dim};"
            " name another space"
        )
    lengths = np.linalg.norm(array, axis=1)
    bad = np.flatnonzero(~np.isfinite(lengths) | (lengths == 0))
    if len(bad):
        raise UsageError(f"vector {bad[0]} has no direction (NaN, infinite or zero); {len(bad)} such of {len(array)}")
    stored: NDArray[np.float16] = (array / lengths[:, None]).astype(np.float16)
    return stored


def _checked(facts: Mapping[str, Sequence[Any]]) -> Mapping[str, Sequence[Any]]:
    for name in facts:
        if name not in FACT_SCHEMA.names or name in _GIVEN:
            free = ", ".join(n for n in FACT_SCHEMA.names if n not in _GIVEN)
            raise UsageError(f"no column {name!r} to fill; facts may hold: {free}")
    return facts


def _stat(names: Sequence[bytes]) -> tuple[list[int], list[int]]:
    sizes, times = [], []
    for name in names:
        try:
            found = os.stat(name)
            sizes.append(found.st_size)
            times.append(found.st_mtime_ns)
        except (OSError, ValueError):
            sizes.append(0)
            times.append(0)
    return sizes, times
