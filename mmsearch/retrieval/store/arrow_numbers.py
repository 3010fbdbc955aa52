"""Arrow's numbers as numpy's, without `Array.to_numpy`, which imports pandas where that is installed (0.4 s)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray


def as_numpy(array: pa.Array | pa.ChunkedArray, null: Any = 0) -> NDArray[Any]:
    """Numbers or booleans as an array ``[n]`` that may share their memory.

    Args:
        array: of a type of integers, floats or booleans.
        null: what stands for nulls.
    """
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    if not len(array):
        return np.empty(0, array.type.to_pandas_dtype())
    present, values = array.buffers()
    if pa.types.is_boolean(array.type):
        found = _bits(values, array)
    else:
        found = np.frombuffer(values, array.type.to_pandas_dtype(), array.offset + len(array))[array.offset :]
    return np.where(_bits(present, array), found, np.asarray(null, found.dtype)) if array.null_count else found


def _bits(buffer: pa.Buffer, array: pa.Array) -> NDArray[np.bool_]:
    bits = np.unpackbits(np.frombuffer(buffer, np.uint8), bitorder="little", count=array.offset + len(array))
    return bits[array.offset :].astype(np.bool_)
