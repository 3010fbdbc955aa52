"""What was asked: terms with weights, read from a command line or given by an app."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mmsearch.errors import UsageError
from mmsearch.types import Moment

if TYPE_CHECKING:
    from PIL.Image import Image

TermValue: TypeAlias = "str | Path | Moment | bytes | NDArray[Any] | Image"
"""A text, a file, a moment of a film or sound, a file's bytes, a picture (PIL, or uint8 ``[height, width, 3]``) or a
vector (float ``[dim]``)."""


@dataclass(frozen=True, slots=True, eq=False)
class Term:
    """One part of a query and its weight; a negative weight pushes away."""

    value: TermValue
    weight: float = 1.0


class Query:
    """Several terms that make one query: the weighted mean of their unit vectors.

    A term is a value or a ``(value, weight)`` pair: ``Query("beach", (Path("sea.jpg"), 2), minus=["people"])``.
    """

    def __init__(self, *terms: Any, minus: Sequence[Any] = ()) -> None:
        self.terms = [_term(term) for term in terms] + [_term(term, sign=-1.0) for term in minus]
        if not any(term.weight > 0 for term in self.terms):
            raise UsageError("the query is empty: give words, or a file to search by")

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
        return [_describe(term) for term in self.terms]


def as_query(query: Any) -> Query:
    """A `Query` as it is, anything else as a query of one term."""
    return query if isinstance(query, Query) else Query(query)


def _term(term: Any, sign: float = 1.0) -> Term:
    if isinstance(term, Term):
        return Term(term.value, sign * term.weight)
    if isinstance(term, tuple):
        value, weight = term
        return Term(_checked(value), sign * float(weight))
    return Term(_checked(term), sign)


def _checked(value: Any) -> TermValue:
    if isinstance(value, str) and not value.strip():
        raise UsageError("the query is empty: give words, or a file to search by")
    if isinstance(value, os.PathLike):
        return Path(value)
    if isinstance(value, str | bytes | np.ndarray | Moment) or type(value).__module__.startswith("PIL."):
        checked: TermValue = value
        return checked
    raise UsageError(f"cannot search by a {type(value).__name__}: give a str, Path, bytes, PIL image or array")


def _describe(term: Term) -> str:
    value = term.value
    if isinstance(value, str):
        name = value
    elif isinstance(value, Path | Moment):
        name = f"file:{value}"
    elif isinstance(value, bytes):
        name = f"bytes[{len(value)}]"
    elif isinstance(value, np.ndarray):
        name = f"{'picture' if value.ndim == 3 else 'vector'}{list(value.shape)}"
    else:
        name = "picture"
    weight = "" if abs(term.weight) == 1 else f"^{abs(term.weight):g}"
    return f"{'-' if term.weight < 0 else ''}{name}{weight}"


_SUFFIX_WEIGHT = re.compile(r"(?P<term>.+)\^(?P<weight>\d+(\.\d+)?)", re.DOTALL)
_PREFIX_WEIGHT = re.compile(r"(?P<weight>\d+(\.\d+)?):(?P<term>\S.*)", re.DOTALL)
_FILE_ENDING = re.compile(
    r"\.(jpe?g|png|webp|gif|bmp|tiff?|jp2|avif|hei[cf]|p[bgpn]m|dng|cr[23]|nef|arw|txt|md|csv|tsv|jsonl|parquet"
    r"|mp3|wav|flac|ogg|m4a|aac|opus|wma|aiff?|mp4|m4v|mov|mkv|webm|avi|wmv|flv|ts|mpe?g|3gp|srt|vtt)",
    re.IGNORECASE,
)


def parse_terms(terms: Sequence[str], minus: Sequence[str] = (), *, as_text: bool = False) -> Query:
    """Read the TERMs of a command line.

    ``text:`` and ``file:`` force a reading, ``TERM^2`` and ``2:TERM`` weigh, ``FILE@1:23`` and ``FILE@1:23-1:31`` are
    moments. ``as_text`` takes all as texts.

    Raises:
        UsageError: nothing was asked, or a term looks like a path but no file is there.
    """
    return Query(*[parse_term(t, as_text) for t in terms], minus=[parse_term(t, as_text) for t in minus])


def parse_term(term: str, as_text: bool = False) -> Term:
    """Read one TERM of a command line; see `parse_terms`."""
    if os.path.exists(term) and not as_text:
        return Term(_existing(term))
    for pattern in (_SUFFIX_WEIGHT, _PREFIX_WEIGHT):
        if match := pattern.fullmatch(term):
            inner = parse_term(match["term"], as_text)
            return Term(inner.value, inner.weight * float(match["weight"]))
    if term.startswith("text:"):
        return Term(_checked(term.removeprefix("text:")))
    if term.startswith("file:"):
        name = term.removeprefix("file:")
        return Term(parse_moment(name) or _existing(os.path.expanduser(name)))
    if not as_text and (moment := parse_moment(term)):
        return Term(moment)
    if as_text or not looks_like_path(term):
        return Term(_checked(term))
    expanded = os.path.expanduser(term)
    if os.path.exists(expanded):
        return Term(_existing(expanded))
    raise UsageError(f"no file at {term}; to search for these words, write `mmsearch query --text '{term}'`")


_TIME = r"(?:\d+:)?(?:\d{1,2}:)?\d+(?:\.\d+)?"
_MOMENT = re.compile(rf"(?P<path>.+)@(?P<start>{_TIME})(?:-(?P<end>{_TIME}))?", re.DOTALL)


def parse_moment(term: str) -> Moment | None:
    """``clip.mp4@83``, ``clip.mp4@1:23-1:31`` or ``clip.mp4@1:02:03.5``; None where the term is no such thing.

    Raises:
        UsageError: no such file, or an end before the start.
    """
    match = _MOMENT.fullmatch(term)
    if match is None or os.path.exists(term):
        return None
    path = os.path.expanduser(match["path"])
    if not os.path.exists(path) and not looks_like_path(match["path"]):
        return None
    start = read_time(match["start"])
    end = read_time(match["end"]) if match["end"] else None
    if end is not None and end <= start:
        raise UsageError(f"{term} ends before it begins; write FILE@FROM-TO, for example {match['path']}@1:23-1:31")
    return Moment(_existing(path), start, end)


def needed_moment(term: str, *, span: bool) -> Moment:
    """What `parse_moment` reads, where nothing else will do. ``span``: it must say to when.

    Raises:
        UsageError: it is no moment of a file; the text shows how to write one.
    """
    moment = parse_moment(term)
    wanted = "FILE@FROM-TO, for example film.mp4@1:23-1:31" if span else "FILE@TIME, for example film.mp4@1:23"
    if moment is None:
        raise UsageError(f"{term} names no time in a file; write {wanted}")
    if (moment.end_s is None) == span:
        raise UsageError(f"{term} {'does not say to when' if span else 'is more than one frame'}; write {wanted}")
    return moment


def read_time(text: str) -> float:
    """``83``, ``1:23`` or ``1:02:03.5`` in seconds."""
    seconds = 0.0
    for part in text.split(":"):
        seconds = 60 * seconds + float(part)
    return seconds


def looks_like_path(term: str) -> bool:
    """Whether a person who wrote this most likely meant a file."""
    if term.startswith(("/", "./", "../", "~/", ".\\", "..\\")):
        return True
    if any(c.isspace() for c in term):
        return False
    ending = os.path.splitext(term)[1]
    return _FILE_ENDING.fullmatch(ending) is not None or term.count("/") > 1


def _existing(path: str) -> Path:
    if not os.path.exists(path):
        raise UsageError(f"no file at {path}")
    if os.path.isdir(path):
        raise UsageError(f"{path} is a folder; a query takes a file, `mmsearch index {path}` indexes a folder")
    return Path(path)
