"""What a source of an import is: blocks of vectors, with the names and the facts of what they stand for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import pyarrow as pa
from numpy.typing import NDArray

from mmsearch.types import Modality, Space


@dataclass(frozen=True, slots=True)
class Choice:
    """What a person said about the columns of sources; None where it is guessed.

    Attributes:
        modality: of the rows.
        path_column: the column that names what a vector stands for.
        vector_column: the column, field or named vector that holds the vectors.
        text_column: the column that holds the texts of rows of modality ``text``.
        payload: a file with a line for each vector.
        table: the table, collection or array of a source that holds several.
    """

    modality: Modality | None = None
    path_column: str | None = None
    vector_column: str | None = None
    text_column: str | None = None
    payload: str | None = None
    table: str | None = None


@dataclass(frozen=True, slots=True)
class Block:
    """Some vectors of a source, all of one modality.

    Attributes:
        vectors: ``[n, dim]``, as the source has them: of any float type and any length.
        paths: what they stand for.
        modality: what that is.
        texts: the n passages, of texts.
        facts: further columns, n values each; their names may need to be changed.
    """

    vectors: NDArray[Any]
    paths: list[str]
    modality: Modality
    texts: list[str | None] | None
    facts: pa.Table


class Source(Protocol):
    """Vectors that are read in order, block by block, without holding them all.

    Attributes:
        rows: how many vectors there are.
        dim: their dimension.
        space: the space that the source itself says they are of.
    """

    rows: int
    dim: int
    space: Space | None

    def blocks(self, rows: int) -> Iterator[Block]:
        """All vectors, about so many at a time."""
        ...

    def close(self) -> None:
        """Let go of files and connections."""
        ...


def no_facts(count: int) -> pa.Table:
    """A table of so many rows without columns."""
    return pa.table({"": pa.nulls(count)}).select([])
