"""What a destination of an export is: a place that holds rows by their ids, and can be asked which it holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mmsearch.types import Space

Dtype = Literal["float16", "float32"]
DTYPES: tuple[Dtype, ...] = ("float16", "float32")


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be exported.

    Attributes:
        space: whose vectors.
        dtype: of the vectors at the destination.
        ids: of all rows, in the order in which they are written, int64 ``[n]``.
        payload: the columns of the payload; no row has values in others.
    """

    space: Space
    dtype: Dtype
    ids: NDArray[np.int64]
    payload: pa.Schema


@dataclass(frozen=True, slots=True)
class Rows:
    """Some rows of an export.

    Attributes:
        ids: int64 ``[n]``.
        vectors: unit vectors ``[n, dim]``, of the dtype that was asked for.
        payload: what is known of the rows besides, ``n`` values in each column.
    """

    ids: NDArray[np.int64]
    vectors: NDArray[np.float16] | NDArray[np.float32]
    payload: pa.Table


class Stored(NamedTuple):
    """A row that was read back from a destination."""

    path: str
    vector: NDArray[np.float32]


class Destination(Protocol):
    """A table, a folder or a file that rows are written to. Rows that were written survive a program that is killed."""

    def ids(self) -> NDArray[np.int64]:
        """The ids of the rows that are there, in any order; int64 ``[n]``."""
        ...

    def write(self, rows: Rows) -> None:
        """Add rows, none of which is there."""
        ...

    def finish(self) -> None:
        """Bring what was written into its final form; called when all rows are there."""
        ...

    def read(self, ids: NDArray[np.int64]) -> dict[int, Stored]:
        """Some rows that are there, by id."""
        ...

    def close(self) -> None:
        """Let go of files and connections; called in any case."""
        ...
