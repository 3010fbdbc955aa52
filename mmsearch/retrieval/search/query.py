"""What is asked: a query is one or several terms with weights."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mmsearch.errors import UsageError
from mmsearch.retrieval.paths import on_disk
from mmsearch.types import Moment

if TYPE_CHECKING:
    from PIL.Image import Image

TermValue: TypeAlias = "str | Path | Moment | bytes | NDArray[Any] | Image"
"""A text, a file, a moment of a film or sound, a file's bytes, a picture (PIL, or uint8 ``[height, width, 3]``) or a
vector (float ``[dim]``)."""

_MOST_WEIGHT = 1e6  # far less than sums of vectors in float32 can hold
_EMPTY = "the query is empty: give words, or a file to search by"


@dataclass(frozen=True, slots=True, eq=False)
class Term:
    """One part of a query and its weight; a negative weight pushes away.

    Attributes:
        value: a str (always text), a `Path`, a `Moment`, a file's bytes, a PIL image, a uint8 array
            ``[height, width, 3]`` or a float vector ``[dim]``.
        weight: what its unit vector is multiplied by.
    """

    value: TermValue
    weight: float = 1.0


class Query:
    """Several terms that make one query: the weighted mean of their unit vectors.

    ``Query("beach", (Path("sea.jpg"), 2), minus=["people"])`` looks for a beach, and twice as much for what the picture
    shows, but away from people.

    Args:
        terms: each a value (see `Term`), a ``(value, weight)`` pair, a `Term`, or a list of floats, which is a vector.
        minus: terms that push away.

    Raises:
        UsageError: no term has a weight above 0, a text is empty, or a value is of no kind that can be searched by.
    """

    def __init__(self, *terms: Any, minus: Sequence[Any] = ()) -> None:
        self.terms = [_read_term(term) for term in terms] + [_read_term(term, sign=-1.0) for term in minus]
        if not any(term.weight > 0 for term in self.terms):
            raise UsageError(_EMPTY)

    @property
    def files(self) -> list[bytes]:
        """Absolute paths of the terms that are files, or moments of files."""
        paths = [t.value.path if isinstance(t.value, Moment) else t.value for t in self.terms]
        return [os.fsencode(os.path.abspath(path)) for path in paths if isinstance(path, Path)]

    @property
    def whole_files(self) -> list[Path]:
        """The terms that are files as a whole, not moments of them."""
        return [t.value for t in self.terms if isinstance(t.value, Path)]

    @property
    def has_vector(self) -> bool:
        """Whether a term is a vector, which belongs to one space."""
        return any(isinstance(t.value, np.ndarray) and t.value.ndim == 1 for t in self.terms)

    def describe(self) -> list[str]:
        """The terms as a person would write them."""
        return [_describe_term(term) for term in self.terms]

    def __repr__(self) -> str:
        return f"Query({', '.join(map(repr, self.describe()))})"


def as_query(query: Any) -> Query:
    """A `Query` as it is, anything else as a query of one term."""
    if isinstance(query, tuple) and _is_numbers(query):
        query = list(query)  # a vector; inside a query, a tuple is a term with its weight
    return query if isinstance(query, Query) else Query(query)


def _read_term(term: Any, sign: float = 1.0) -> Term:
    if isinstance(term, Term):
        return Term(term.value, sign * term.weight)
    if isinstance(term, tuple):
        return Term(checked_value(term[0] if term else term), sign * _checked_weight(term))
    return Term(checked_value(term), sign)


def _checked_weight(term: tuple[Any, ...]) -> float:
    try:
        _, weight = term
        number = float(weight)
    except (TypeError, ValueError):
        raise UsageError("a term with a weight is a pair of the term and a number") from None
    if not abs(number) <= _MOST_WEIGHT:
        raise UsageError(f"a weight is a number of at most {_MOST_WEIGHT:g}, not {number:g}")
    return number


def checked_value(value: Any) -> TermValue:
    """A value that can be searched by; a list of floats becomes a vector, a path is spelled as on the disk.

    Raises:
        UsageError: an empty text, an array of another shape, or a value of another kind.
    """
    if isinstance(value, str) and not value.strip():
        raise UsageError(_EMPTY)
    if isinstance(value, os.PathLike):
        return Path(as_spelled_on_disk(os.fspath(value)))
    if isinstance(value, list) and (_is_numbers(value) or (value and _is_numbers(value[0]))):
        value = _vector_of(value)
    if isinstance(value, np.ndarray) and value.ndim not in (1, 3):
        shape, several = list(value.shape), ": search_many takes several vectors" if value.ndim == 2 else ""
        raise UsageError(
            f"a query is one vector [dim], a picture is uint8 [height, width, 3]; this is {shape}{several}"
        )
    if isinstance(value, str | bytes | np.ndarray | Moment) or type(value).__module__.startswith("PIL."):
        checked: TermValue = value
        return checked
    raise UsageError(f"cannot search by a {type(value).__name__}: give a str, Path, bytes, PIL image or array")


def _is_numbers(value: Any) -> bool:
    """Whether it is a list or tuple of numbers."""
    return (
        isinstance(value, list | tuple)
        and len(value) > 0
        and all(isinstance(x, int | float | np.number) for x in value)
    )


def _vector_of(numbers: Sequence[Any]) -> NDArray[np.float32]:
    try:
        return np.array(numbers, np.float32)
    except ValueError:
        raise UsageError("the vectors given are of several lengths") from None


def as_spelled_on_disk(path: str) -> str:
    """A file's name as the disk has it, if it was written in another normal form of Unicode."""
    found = None if path.isascii() or os.path.exists(path) else on_disk(os.fsencode(os.path.abspath(path)))
    return path if found is None else os.fsdecode(found)


def describe_value(value: TermValue) -> str:
    """A term's value in a few words: texts as they are, ``file:sea.jpg``, ``vector[256]``."""
    if isinstance(value, str):
        return value
    if isinstance(value, Path | Moment):
        return f"file:{value}"
    if isinstance(value, bytes):
        return f"bytes[{len(value)}]"
    if isinstance(value, np.ndarray):
        return f"{'picture' if value.ndim == 3 else 'vector'}{list(value.shape)}"
    return "picture"


def _describe_term(term: Term) -> str:
    return f"{'-' if term.weight < 0 else ''}{describe_value(term.value)}{describe_weight(term)}"


def describe_weight(term: Term) -> str:
    """``^2``, or nothing for a weight of 1; without the sign."""
    return "" if abs(term.weight) == 1 else f"^{abs(term.weight):g}"
