"""What is asked: a query is one or several terms with weights, and rows or files that are liked or not."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeGuard

from mmsearch.errors import UsageError
from mmsearch.retrieval.paths import on_disk
from mmsearch.retrieval.search.item_paths import written
from mmsearch.retrieval.sources.addresses import absolute_address
from mmsearch.types import Modality, Moment

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image


@dataclass(frozen=True, slots=True)
class StoredRow:
    """A stored row to search by, through its stored vector: nothing is decoded or embedded.

    Attributes:
        id: of the row, as `Hit.id` gives it.
    """

    id: int


TermValue: TypeAlias = "str | Path | Moment | StoredRow | bytes | NDArray[Any] | Image"
"""A text, a file, a moment of a film or sound, a stored row, a file's bytes, a picture (PIL, or uint8
``[height, width, 3]``) or a vector (float ``[dim]``)."""

MarkValue: TypeAlias = "int | Path | Moment | bytes | NDArray[Any] | Image"
"""The id of a stored row (`Hit.id`), or what a `TermValue` is, except a text."""

_MOST_WEIGHT = 1e6  # far less than sums of vectors in float32 can hold
_EMPTY = "the query is empty: give words, or a file to search by"
_ONLY_UNLIKED = "what is not liked does not say what to look for: give words, a file, or a row that is liked"


@dataclass(frozen=True, slots=True, eq=False)
class Term:
    """One part of a query and its weight; a negative weight pushes away.

    Attributes:
        value: a str (always text), a `Path`, a `Moment`, a `StoredRow`, a file's bytes, a PIL image, a uint8 array
            ``[height, width, 3]`` or a float vector ``[dim]``.
        weight: what its unit vector is multiplied by.
    """

    value: TermValue
    weight: float = 1.0


class Query:
    """Several terms that make one query: the weighted mean of their unit vectors.

    ``Query("beach", (Path("sea.jpg"), 2), minus=["people"])`` looks for a beach, and twice as much for what the picture
    shows, but away from people. ``Query("beach", like=[12, 40], unlike=[7])`` refines a search by its hits.

    Rows and files that are liked or not do not come back as hits, nor do other files of the same content; those that
    are liked do with ``include_self``. A row of a film or sound stands for the whole file. A query of liked rows alone
    looks for what they have in common. Rocchio's formula, scaled: see decision 28.

    Args:
        terms: each a value (see `Term`), a ``(value, weight)`` pair, a `Term`, or a list of floats, which is a vector.
        minus: terms that push away.
        like: rows by their ids (`Hit.id`), or values that are no text, that the query is moved towards.
        unlike: the same, that are not wanted; the query is moved a little away.
        phrases: words that must stand to the letter, one after another, in a hit: in its text, in what is written or
            said in it, or in the name of its file. Case and accents do not count. A query of phrases alone is asked by
            their words, too.

    Raises:
        UsageError: no term has a weight above 0 and nothing is liked, a text is empty, a value is of no kind that can
            be searched by, or a mark is both liked and not.
    """

    def __init__(
        self,
        *terms: Any,
        minus: Sequence[Any] = (),
        like: Sequence[Any] = (),
        unlike: Sequence[Any] = (),
        phrases: Sequence[str] = (),
    ) -> None:
        self.phrases = _read_phrases(phrases)
        if self.phrases and not terms and not like:
            terms = (" ".join(self.phrases),)
        self.terms = [_read_term(term) for term in terms] + [_read_term(term, sign=-1.0) for term in minus]
        self._vector_of: Modality | None = None
        self.like = _read_marks(like)
        self.unlike = _read_marks(unlike)
        if not self.like and not any(term.weight > 0 for term in self.terms):
            raise UsageError(_ONLY_UNLIKED if self.unlike else _EMPTY)
        for mark in self.like:
            if isinstance(mark, int | Path | Moment) and any(type(m) is type(mark) and m == mark for m in self.unlike):
                raise UsageError(f"{describe_mark(mark)} is both liked and not")

    @classmethod
    def of_vector(cls, vector: NDArray[Any], modality: Modality) -> Query:
        """A query by one vector of which it is known what it was made from, so that hits have levels.

        Args:
            vector: float ``[dim]``, of any length above 0.
            modality: of what it was made from.
        """
        query = cls(vector)
        query._vector_of = modality
        return query

    @property
    def marks(self) -> list[MarkValue]:
        """What is liked, then what is not."""
        return [*self.like, *self.unlike]

    @property
    def row_ids(self) -> list[int]:
        """Ids of the rows that are terms or marks."""
        terms = [term.value.id for term in self.terms if isinstance(term.value, StoredRow)]
        return [*terms, *(mark for mark in self.marks if isinstance(mark, int))]

    @property
    def files(self) -> list[bytes]:
        """Absolute paths of the terms that are files, or moments of files."""
        paths = [t.value.path if isinstance(t.value, Moment) else t.value for t in self.terms]
        return [os.fsencode(absolute_address(written(path))) for path in paths if isinstance(path, Path)]

    @property
    def whole_files(self) -> list[Path]:
        """The terms and marks that are files as a whole, not moments of them."""
        return [value for value in self._values if isinstance(value, Path)]

    @property
    def has_vector(self) -> bool:
        """Whether a term or a mark is a vector, which belongs to one space."""
        return any(_is_array(value) and value.ndim == 1 for value in self._values)

    @property
    def _values(self) -> list[TermValue | MarkValue]:
        return [*(term.value for term in self.terms), *self.marks]

    @property
    def source(self) -> Modality | None:
        """What is asked by: ``text`` for texts alone, the modality of a single file or picture; None for all else."""
        if self.marks:
            return None
        if all(isinstance(term.value, str) for term in self.terms):
            return "text"
        return (self._vector_of or modality_of_value(self.terms[0].value)) if len(self.terms) == 1 else None

    def describe(self) -> list[str]:
        """The terms as a person would write them, and the marks: ``like:12``, ``unlike:file:sea.jpg``."""
        return [
            *(_describe_term(term) for term in self.terms),
            *(f'"{phrase}"' for phrase in self.phrases),
            *(f"like:{_describe_plainly(mark)}" for mark in self.like),
            *(f"unlike:{_describe_plainly(mark)}" for mark in self.unlike),
        ]

    def to_json(self) -> dict[str, Any] | None:
        """The query as a JSON object, files by absolute paths; None if a term or mark is a picture, vector or bytes."""
        terms = [value_to_json(term.value) for term in self.terms]
        marks = [[value_to_json(mark) for mark in own] for own in (self.like, self.unlike)]
        if None in terms or any(None in own for own in marks):
            return None
        weighted = [value | {"weight": term.weight} for value, term in zip(terms, self.terms, strict=True) if value]
        return {"terms": weighted, "like": marks[0], "unlike": marks[1], "phrases": list(self.phrases)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Query:
        """The inverse of `to_json`."""
        terms = [Term(value_from_json(term), float(term["weight"])) for term in data["terms"]]
        like, unlike = ([mark_from_json(mark) for mark in data[side]] for side in ("like", "unlike"))
        return cls(*terms, like=like, unlike=unlike, phrases=data["phrases"])

    def __repr__(self) -> str:
        return f"Query({', '.join(map(repr, self.describe()))})"


def modality_of_value(value: TermValue) -> Modality | None:
    """The modality of what is searched by, as far as its type or a file's ending tells."""
    if isinstance(value, str):
        return "text"
    if isinstance(value, Path):
        from mmsearch.retrieval.media.formats import FORMAT_BY_ENDING, FORMATS, MODALITY_OF_KIND

        known = FORMAT_BY_ENDING.get(value.suffix.removeprefix(".").lower())
        return MODALITY_OF_KIND.get(FORMATS[known].kind) if known else None
    if isinstance(value, Moment | StoredRow | bytes) or (_is_array(value) and value.ndim == 1):
        return None
    return "image"


def value_to_json(value: Any) -> dict[str, Any] | None:
    """A word, file, moment or row as a JSON object, files by absolute paths; None for other values."""
    if isinstance(value, str):
        return {"text": value}
    if isinstance(value, int | StoredRow):
        return {"row": value if isinstance(value, int) else value.id}
    if isinstance(value, Path):
        return {"file": absolute_address(written(value))}
    if isinstance(value, Moment):
        return {"file": absolute_address(written(value.path)), "start_s": value.start_s, "end_s": value.end_s}
    return None


def value_from_json(data: Mapping[str, Any]) -> str | Path | Moment | StoredRow:
    """The value of a term; the inverse of `value_to_json`."""
    if "text" in data:
        return str(data["text"])
    if "row" in data:
        return StoredRow(int(data["row"]))
    path = Path(data["file"])
    return Moment(path, data["start_s"], data["end_s"]) if "start_s" in data else path


def mark_from_json(data: Mapping[str, Any]) -> int | Path | Moment:
    """A mark; the inverse of `value_to_json`."""
    value = value_from_json(data)
    if isinstance(value, str):
        raise ValueError("a text is no mark")
    return value.id if isinstance(value, StoredRow) else value


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


def _read_phrases(phrases: Any) -> tuple[str, ...]:
    if isinstance(phrases, str) or not hasattr(phrases, "__iter__"):
        raise UsageError("phrases are a list of texts")
    for phrase in phrases:
        if not isinstance(phrase, str) or not any(map(str.isalnum, phrase)):
            raise UsageError(f"{phrase!r} is no phrase: it has no words")
    return tuple(phrases)


def _read_marks(marks: Any) -> list[MarkValue]:
    if isinstance(marks, str | bytes | os.PathLike | int | Moment) or not hasattr(marks, "__iter__"):
        raise UsageError("like and unlike take a list of row ids, files or other values")
    return [checked_mark(mark) for mark in marks]


def checked_mark(mark: Any) -> MarkValue:
    """A mark: a row's id, or a value that can be searched by and is no text.

    Raises:
        UsageError: it is neither.
    """
    if isinstance(mark, Integral) and not isinstance(mark, bool):
        return int(mark)
    if isinstance(mark, StoredRow):
        return mark.id
    if isinstance(mark, str):
        raise UsageError(f"{mark!r} is a text: what is liked or not is a row by its id, or a file as a Path")
    checked = checked_value(mark)
    assert not isinstance(checked, str | StoredRow)
    return checked


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
    if _is_array(value) and value.ndim not in (1, 3):
        shape, several = list(value.shape), ": search_many takes several vectors" if value.ndim == 2 else ""
        raise UsageError(
            f"a query is one vector [dim], a picture is uint8 [height, width, 3]; this is {shape}{several}"
        )
    if isinstance(value, str | bytes | Moment | StoredRow) or _is_array(value) or _is_picture(value):
        checked: TermValue = value
        return checked
    raise UsageError(f"cannot search by a {type(value).__name__}: give a str, Path, bytes, PIL image or array")


def _is_array(value: object) -> TypeGuard[NDArray[Any]]:
    """Whether it is a numpy array. numpy is not imported for that: who has an array has imported it."""
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(value, numpy.ndarray)


def _is_picture(value: object) -> bool:
    return type(value).__module__.startswith("PIL.")


def _is_numbers(value: Any) -> bool:
    """Whether it is a list or tuple of numbers."""
    return isinstance(value, list | tuple) and len(value) > 0 and all(isinstance(x, Real) for x in value)


def _vector_of(numbers: Sequence[Any]) -> NDArray[np.float32]:
    import numpy as np

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
    if isinstance(value, StoredRow):
        return f"row:{value.id}"
    if isinstance(value, bytes):
        return f"bytes[{len(value)}]"
    if _is_array(value):
        return f"{'picture' if value.ndim == 3 else 'vector'}{list(value.shape)}"
    return "picture"


def describe_mark(mark: MarkValue) -> str:
    """A mark in a few words: ``row 12``, else as `describe_value`."""
    return f"row {mark}" if isinstance(mark, int) else describe_value(mark)


def _describe_plainly(mark: MarkValue) -> str:
    return str(mark) if isinstance(mark, int) else describe_value(mark)


def _describe_term(term: Term) -> str:
    return f"{'-' if term.weight < 0 else ''}{describe_value(term.value)}{describe_weight(term)}"


def describe_weight(term: Term) -> str:
    """``^2``, or nothing for a weight of 1; without the sign."""
    return "" if abs(term.weight) == 1 else f"^{abs(term.weight):g}"
