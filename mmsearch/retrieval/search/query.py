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

from mmsearch.errors import Hint, HintKind, UsageError
from mmsearch.retrieval.media.formats import FORMAT_BY_ENDING
from mmsearch.retrieval.paths import on_disk
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


_HEAVIEST = 1e6  # far less than sums of vectors in float32 can hold


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
        return Term(_checked(term[0]), sign * _checked_weight(term))
    return Term(_checked(term), sign)


def _checked_weight(term: tuple[Any, ...]) -> float:
    try:
        _, weight = term
        number = float(weight)
    except (TypeError, ValueError):
        raise UsageError("a term with a weight is a pair of the term and a number") from None
    if not abs(number) <= _HEAVIEST:
        raise UsageError(f"a weight is a number of at most {_HEAVIEST:g}, not {number:g}")
    return number


def _checked(value: Any) -> TermValue:
    if isinstance(value, str) and not value.strip():
        raise UsageError("the query is empty: give words, or a file to search by")
    if isinstance(value, os.PathLike):
        return Path(_spelled(os.fspath(value)))
    if isinstance(value, str | bytes | np.ndarray | Moment) or type(value).__module__.startswith("PIL."):
        checked: TermValue = value
        return checked
    raise UsageError(f"cannot search by a {type(value).__name__}: give a str, Path, bytes, PIL image or array")


def _describe(term: Term) -> str:
    weight = "" if abs(term.weight) == 1 else f"^{abs(term.weight):g}"
    return f"{'-' if term.weight < 0 else ''}{_name(term.value)}{weight}"


def _name(value: TermValue) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, Path | Moment):
        return f"file:{value}"
    if isinstance(value, bytes):
        return f"bytes[{len(value)}]"
    if isinstance(value, np.ndarray):
        return f"{'picture' if value.ndim == 3 else 'vector'}{list(value.shape)}"
    return "picture"


_PLUS = "+"
_MOST = 1000.0
_NUMBER = r"(?:\d+(?:\.\d+)?|\.\d+)"
_SUFFIX_WEIGHT = re.compile(rf"(?P<term>.*\S)\^(?P<weight>[+-]?{_NUMBER})", re.DOTALL)
_PREFIX_WEIGHT = re.compile(rf"(?P<weight>{_NUMBER}):(?P<term>[^\s\d].*)", re.DOTALL)
_WORD = re.compile(r"[^\W\d_](?:[^\W\d_]|['’-])*")
_FIRST_OF_PHRASE = re.compile(r"(?![ap]\.?m\b)(?:an?\s|[^\W\d_]{2,})", re.IGNORECASE)  # not: 10:am train, 1:n relation
_LATIN_AND_GREEK = "\u03ff"  # the last letter of the scripts that formulas and units are written in
_DECIMAL = re.compile(r"[\d.,]+")  # 3.264 is a number, though .264 is an ending of films


@dataclass(frozen=True, slots=True)
class Reading:
    """A command line as a query, and in ``remarks`` what a person should see of how it was read."""

    query: Query
    remarks: tuple[str, ...] = ()


def read_line(terms: Sequence[str], minus: Sequence[str] = (), *, as_text: bool = False) -> Reading:
    """Read the TERMs of a command line.

    Neighbouring bare words are one phrase. A term of its own is: a file or a moment of one (``clip.mp4@1:23``), an
    argument that has white space in it (it was quoted), one with a weight (``beach^2``, ``2:beach``), and what a lone
    ``+`` parts. ``text:`` takes a word literally, ``file:`` names a file; ``as_text`` takes all words literally.
    What is no plain word has no weight: ``E=mc^2``, ``m^2`` and ``16:9`` are words.

    Raises:
        UsageError: nothing was asked, a term looks like a path but no file is there, or a weight is none.
    """
    remarks: list[str] = []
    towards = [_read_run(run, as_text, remarks) for run in _runs(terms, as_text)]
    query = Query(*towards, minus=[_read_run([term], as_text, remarks) for term in minus])
    if len(query.terms) > 1 or query.terms[0].weight != 1:
        remarks.insert(0, f"asked: {_told(query)}")
    return Reading(query, tuple(remarks))


def parse_terms(terms: Sequence[str], minus: Sequence[str] = (), *, as_text: bool = False) -> Query:
    """The query of `read_line`."""
    return read_line(terms, minus, as_text=as_text).query


def parse_term(term: str, as_text: bool = False) -> Term:
    """Read one TERM of a command line that stands by itself; see `read_line`."""
    return _read_run([term], as_text, [])


def _runs(terms: Sequence[str], as_text: bool) -> list[list[str]]:
    """The arguments of a command line, those that make one phrase together."""
    runs: list[list[str]] = []
    joins, parted = False, False
    for term in terms:
        if term == _PLUS and not as_text:
            if parted or not runs:
                raise UsageError(_MISPLACED_PLUS)
            joins, parted = False, True
            continue
        bare = _is_bare_word(term, as_text)
        if bare and joins:
            runs[-1].append(term)
        else:
            runs.append([term])
        joins, parted = bare, False
    if parted:
        raise UsageError(_MISPLACED_PLUS)
    return runs


_MISPLACED_PLUS = "a lone + stands between two terms, as in: beach + dog; text:+ asks for the sign itself"


def _is_bare_word(term: str, as_text: bool) -> bool:
    """Whether an argument is a word that goes with its neighbours."""
    if not term or any(c.isspace() for c in term):
        return False
    if as_text or term.startswith("text:"):
        return True
    if term.startswith("file:") or looks_like_path(term) or ("/" in term and os.path.exists(term)):
        return False
    moment = _MOMENT.fullmatch(term)
    return _weight(term) is None and not (moment and looks_like_path(moment["path"]))


def _read_run(run: Sequence[str], as_text: bool, remarks: list[str]) -> Term:
    if len(run) > 1:
        return Term(" ".join(word if as_text else word.removeprefix("text:") for word in run))
    (term,) = run
    if as_text:
        return Term(_checked(term))
    if term.startswith("text:"):
        return Term(_checked(term.removeprefix("text:")))
    return _read_file(term, remarks) or _read_weighed(term, remarks) or _read_rest(term, remarks)


def _read_file(term: str, remarks: list[str]) -> Term | None:
    """A term that is a file's name, whatever else it may look like."""
    if not os.path.exists(term) or os.path.isdir(term):
        return None
    if not looks_like_path(term) and "/" not in term:
        remarks.append(f"{term} is taken as the file of that name; text:{term} asks for the words")
    return Term(Path(term))


def _read_weighed(term: str, remarks: list[str]) -> Term | None:
    if term.startswith("file:") and os.path.exists(os.path.expanduser(term.removeprefix("file:"))):
        return None
    weighed = _weight(term)
    if weighed is None:
        return None
    weight, rest = weighed
    if weight < 0:
        raise UsageError(f"{term}: a weight is not negative", hint=Hint(HintKind.SUBTRACT, rest))
    if weight == 0:
        raise UsageError(f"{term}: a weight of 0 asks for nothing; leave the term out, or give a weight above 0")
    if weight > _MOST:
        raise UsageError(f"{term}: a weight is at most {_MOST:g}; to ask for these words: text:{term}")
    inner = _read_run([rest], False, remarks)
    return Term(inner.value, inner.weight * weight)


def _read_rest(term: str, remarks: list[str]) -> Term:
    if term.startswith("file:"):
        name = term.removeprefix("file:")
        return Term(parse_moment(name) or _existing(os.path.expanduser(name)))
    if moment := parse_moment(term):
        return Term(moment)
    path = _spelled(os.path.expanduser(term)) if looks_like_path(term) else term
    if os.path.isdir(path) and not _is_path_of_one_word(term):
        remarks.append(f"{term} is taken as words; ./{term} is the folder of that name")
        return Term(_checked(term))
    if os.path.exists(path):
        return Term(_existing(path))
    if not looks_like_path(term):
        return Term(_checked(term))
    raise UsageError(f"no file at {term}", hint=Hint(HintKind.TAKE_AS_WORDS, term))


def _is_path_of_one_word(term: str) -> bool:
    return os.sep in term or "/" in term or term in (".", "..")


def _weight(term: str) -> tuple[float, str] | None:
    """A term's weight and the rest of it; None where ``^2`` or ``2:`` is part of the words."""
    prefix = _PREFIX_WEIGHT.fullmatch(term)
    if prefix and _may_follow_a_weight(prefix["term"]):
        return float(prefix["weight"]), prefix["term"]
    suffix = _SUFFIX_WEIGHT.fullmatch(term)
    if suffix and (_names_a_file(suffix["term"]) or _is_plain_word(suffix["term"].split()[-1])):
        return float(suffix["weight"]), suffix["term"]
    return None


def _may_follow_a_weight(term: str) -> bool:
    if term.startswith("text:") or _names_a_file(term) or _weight(term) is not None:
        return True
    words = term.split()
    return _is_plain_word(term) if len(words) == 1 else _FIRST_OF_PHRASE.match(term) is not None


def _names_a_file(term: str) -> bool:
    """Whether a term is, or is plainly meant as, a file or a moment of one."""
    moment = _MOMENT.fullmatch(term)
    names = [term.removeprefix("file:"), *([moment["path"].removeprefix("file:")] if moment else [])]
    return term.startswith("file:") or any(os.path.isfile(name) or looks_like_path(name) for name in names)


def _is_plain_word(word: str) -> bool:
    """Whether it is a word, and none of a formula or a unit: of three letters, or of another script."""
    other_script = any(c > _LATIN_AND_GREEK and c.isalpha() for c in word)
    return _WORD.fullmatch(word) is not None and (other_script or sum(c.isalpha() for c in word) >= 3)


def _told(query: Query) -> str:
    """The terms of a query as a person tells them apart: words in quotes."""
    told = ""
    for term in query.terms:
        name = f'"{term.value}"' if isinstance(term.value, str) else _name(term.value)
        weight = "" if abs(term.weight) == 1 else f"^{abs(term.weight):g}"
        told += (" - " if term.weight < 0 else " + " if told else "") + name + weight
    return told


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
    if not os.path.isfile(path) and not looks_like_path(match["path"]):
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
    """Whether a person who wrote this most likely meant a file: it begins as a path or ends as a file that is read."""
    if term.startswith(("/", "./", "../", "~/", ".\\", "..\\")):
        return True
    if any(c.isspace() for c in term):
        return False
    ending = os.path.splitext(term)[1].removeprefix(".").lower()
    several = term.count("/") > 1 and not _DATE.fullmatch(term)
    return several or (ending in FORMAT_BY_ENDING and not _DECIMAL.fullmatch(term))


_DATE = re.compile(r"\d+/\d+/\d+")


def _spelled(path: str) -> str:
    """A file's name as the disk spells it, where it was written in another normal form of Unicode."""
    found = None if path.isascii() or os.path.exists(path) else on_disk(os.fsencode(os.path.abspath(path)))
    return path if found is None else os.fsdecode(found)


def _existing(path: str) -> Path:
    path = _spelled(path)
    if not os.path.exists(path):
        raise UsageError(f"no file at {path}")
    if os.path.isdir(path):
        raise UsageError(f"{path} is a folder; a query takes a file", hint=Hint(HintKind.FOLDER_IN_QUERY, path))
    return Path(path)
