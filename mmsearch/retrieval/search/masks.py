"""Masks say which rows may answer: bool ``[rows]``. Here they are combined."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Mask = NDArray[np.bool_]


def all_of(masks: Sequence[Mask]) -> Mask:
    """Where every mask is true."""
    return np.asarray(np.logical_and.reduce(masks), np.bool_)


def any_of(masks: Sequence[Mask]) -> Mask:
    """Where any mask is true."""
    return np.asarray(np.logical_or.reduce(masks), np.bool_)


def mask_of(values: Any) -> Mask:
    """Arrow booleans as a mask; a null counts as false."""
    filled = values.fill_null(False)
    found = filled.to_numpy(zero_copy_only=False) if isinstance(values, pa.Array) else filled.to_numpy()
    return np.asarray(found, np.bool_)
