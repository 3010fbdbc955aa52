"""A query as a person writes it on a command line: words, files, moments of films, weights."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mmsearch.errors import Hint, HintKind, UsageError
from mmsearch.notices import Notice, NoticeKind
from mmsearch.retrieval.search.item_paths import is_item
from mmsearch.retrieval.search.line_terms import LineTerms, QueryLine
from mmsearch.retrieval.search.query import (
    MarkValue,
    Term,
    as_spelled_on_disk,
    checked_value,
)
from mmsearch.types import Moment

if TYPE_CHECKING:
    import datetime as dt

    from mmsearch.retrieval.encoders.protocol import Transcriber
    from mmsearch.retrieval.search.reading.known import KnownNames

SAY = "say:"
_PLUS = "+"
_MISPLACED_PLUS = "a lone + stands between two terms, as in: beach + dog; text:+ asks for the sign itself"
_MOST_WEIGHT = 1000.0
_NUMBER = r"(?:\d+(?:\.\d+)?|\.\d+)"
_SUFFIX_WEIGHT = re.compile(rf"(?P<term>.*\S)\^(?P<weight>[+-]?{_NUMBER})", re.DOTALL)
_PREFIX_WEIGHT = re.compile(rf"(?P<weight>{_NUMBER}):(?P<term>[^\s\d].*)", re.DOTALL)
_WORD = re.compile(r"[^\W\d_](?:[^\W\d_]|['’-])*")
_FIRST_OF_PHRASE = re.compile(r"(?![ap]\.?m\b)(?:an?\s|[^\W\d_]{2,})", re.IGNORECASE)  # not: 10:am train, 1:n relation
_LATIN_AND_GREEK = "\u03ff"  # the last letter of the scripts that formulas and units are written in
_DECIMAL = re.compile(r"[\d.,]+")  # 3.264 is a number, though .264 is an ending of films
_DATE = re.compile(r"\d+/\d+/\d+")
_TIME = r"(?:\d+:)?(?:\d{1,2}:)?\d+(?:\.\d+)?"
_MOMENT = re.compile(rf"(?P<path>.+)@(?P<start>{_TIME})(?:-(?P<end>{_TIME}))?", re.DOTALL)


def read_query_line(
    terms: Sequence[str],
    minus: Sequence[str] = (),
    *,
    like: Sequence[str] = (),
    unlike: Sequence[str] = (),
    as_text: bool = False,
    literal: bool = False,
    known: KnownNames | None = None,
    today: dt.date | None = None,
    transcribe: str | Transcriber = "auto",
) -> QueryLine:
    """Read the arguments of a command line as one query.

    Neighbouring bare words are one phrase. Terms of their own are: a file or a moment of one (``clip.mp4@1:23``), an
    argument with white space in it (it was quoted), one with a weight (``beach^2``, ``2:beach``), and what a lone ``+``
    parts. ``text:`` takes a word literally, ``file:`` names a file. Only plain words, phrases and files have weights:
    ``E=mc^2``, ``m^2`` and ``16:9`` are words. ``say:`` before a sound or film asks what is said in it.

    Words without a weight are read further, see `read_query`: ``beach without people in July 2023``.

    Args:
        terms: the arguments.
        minus: arguments that push away, each a term of its own.
        like: rows by their ids, files or moments that are liked; a file that is called by digits is ``./123``.
        unlike: the same, that are not.
        as_text: take all arguments literally, as words.
        literal: do not read words further.
        known: the names that the collection knows, see `Collection.names`.
        today: the day that ``yesterday`` is counted from; default that of this machine's clock.
        transcribe: what turns the speech of ``say:`` into text, as in `Collection.index`.

    Raises:
        ModelUnavailableError: something is said, and there is no model for speech on this machine.
        UsageError: nothing is asked, an argument looks like a path but there is no such file, a weight is not valid, or
            what is liked or not is neither a number nor a file.
    """
    line = read_line_terms(
        terms, minus, like=like, unlike=unlike, as_text=as_text, literal=literal, transcribe=transcribe
    )
    return line.read(known=known, today=today)


def read_line_terms(
    terms: Sequence[str],
    minus: Sequence[str] = (),
    *,
    like: Sequence[str] = (),
    unlike: Sequence[str] = (),
    as_text: bool = False,
    literal: bool = False,
    transcribe: str | Transcriber = "auto",
) -> LineTerms:
    """The arguments of a command line as the terms of a query, as `read_query_line` does before it reads words further.

    The arguments and errors are those of `read_query_line`.
    """
    notices: list[Notice] = []
    if not as_text and any(term.startswith(SAY) for term in (*terms, *minus)):
        from mmsearch.retrieval.search.spoken import with_words_said  # only a spoken query needs it

        terms, minus = (with_words_said(some, transcribe, notices) for some in (terms, minus))
    runs = _runs(terms, as_text)
    is_read = [not (as_text or literal or any(word.startswith("text:") for word in run)) for run in runs]
    return LineTerms(
        tuple(_read_run(run, as_text, notices) for run in runs),
        tuple(is_read),
        minus=tuple(_read_run([term], as_text, notices) for term in minus),
        like=tuple(_read_mark(mark) for mark in like),
        unlike=tuple(_read_mark(mark) for mark in unlike),
        notices=tuple(notices),
    )


def read_moment(term: str, *, span: bool) -> Moment:
    """Read a moment of a film or sound as a person writes it.

    Args:
        term: ``clip.mp4@1:23``, or with a span ``clip.mp4@1:23-1:31``.
        span: whether it must have an end; without, it must have none.

    Raises:
        UsageError: it is no moment of a file, or has an end though ``span`` is False, or none though it is True; the
            text shows how to write one.
    """
    moment = moment_in(term)
    wanted = "FILE@FROM-TO, for example film.mp4@1:23-1:31" if span else "FILE@TIME, for example film.mp4@1:23"
    if moment is None:
        raise UsageError(f"{term} names no time in a file; write {wanted}")
    if (moment.end_s is None) == span:
        raise UsageError(f"{term} {'does not say to when' if span else 'is more than one frame'}; write {wanted}")
    return moment


def moment_in(term: str) -> Moment | None:
    """The moment that ``clip.mp4@83``, ``clip.mp4@1:23-1:31`` or ``clip.mp4@1:02:03.5`` names; None for other terms.

    Raises:
        UsageError: there is no such file, or the end is before the start.
    """
    match = _MOMENT.fullmatch(term)
    if match is None or os.path.exists(term):
        return None
    path = os.path.expanduser(match["path"])
    if not os.path.isfile(path) and not looks_like_path(match["path"]) and not is_item(path):
        return None
    start = seconds_of(match["start"])
    end = seconds_of(match["end"]) if match["end"] else None
    if end is not None and end <= start:
        raise UsageError(f"{term} ends before it begins; write FILE@FROM-TO, for example {match['path']}@1:23-1:31")
    return Moment(_existing_file(path), start, end)


def seconds_of(time: str) -> float:
    """``83``, ``1:23`` or ``1:02:03.5`` in seconds."""
    seconds = 0.0
    for part in time.split(":"):
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
    if several or not ending or _DECIMAL.fullmatch(term):
        return several
    from mmsearch.retrieval.media.formats import FORMAT_BY_ENDING  # words need no table of formats

    return ending in FORMAT_BY_ENDING


def _runs(terms: Sequence[str], as_text: bool) -> list[list[str]]:
    """The arguments, those that make one phrase together."""
    runs: list[list[str]] = []
    after_word, after_plus = False, False
    for term in terms:
        if term == _PLUS and not as_text:
            if after_plus or not runs:
                raise UsageError(_MISPLACED_PLUS)
            after_word, after_plus = False, True
            continue
        is_word = _is_bare_word(term, as_text)
        if is_word and after_word:
            runs[-1].append(term)
        else:
            runs.append([term])
        after_word, after_plus = is_word, False
    if after_plus:
        raise UsageError(_MISPLACED_PLUS)
    return runs


def _is_bare_word(term: str, as_text: bool) -> bool:
    """Whether an argument is a word that makes a phrase with its neighbours."""
    if not term or any(c.isspace() for c in term):
        return False
    if as_text or term.startswith("text:"):
        return True
    if term.startswith("file:") or looks_like_path(term) or ("/" in term and os.path.exists(term)):
        return False
    moment = _MOMENT.fullmatch(term)
    return _split_weight(term) is None and not (moment and looks_like_path(moment["path"]))


def _read_run(run: Sequence[str], as_text: bool, notices: list[Notice]) -> Term:
    if len(run) > 1:
        return Term(" ".join(word if as_text else word.removeprefix("text:") for word in run))
    (term,) = run
    if as_text:
        return Term(checked_value(term))
    if term.startswith("text:"):
        return Term(checked_value(term.removeprefix("text:")))
    return _read_file(term, notices) or _read_weighted(term, notices) or _read_rest(term, notices)


def _read_file(term: str, notices: list[Notice]) -> Term | None:
    """A term that is a file's name, whatever else it may look like."""
    if not os.path.exists(term) or os.path.isdir(term):
        return None
    if not looks_like_path(term) and "/" not in term:
        notices.append(Notice(NoticeKind.TERM_IS_FILE, {"term": term}))
    return Term(Path(term))


def _read_weighted(term: str, notices: list[Notice]) -> Term | None:
    """A term with a weight; None if it has none."""
    if term.startswith("file:") and os.path.exists(os.path.expanduser(term.removeprefix("file:"))):
        return None
    split = _split_weight(term)
    if split is None:
        return None
    weight, rest = split
    if weight < 0:
        raise UsageError(f"{term}: a weight is not negative", hint=Hint(HintKind.SUBTRACT, rest))
    if weight == 0:
        raise UsageError(f"{term}: a weight of 0 asks for nothing; leave the term out, or give a weight above 0")
    if weight > _MOST_WEIGHT:
        raise UsageError(f"{term}: a weight is at most {_MOST_WEIGHT:g}; to ask for these words: text:{term}")
    inner = _read_run([rest], False, notices)
    return Term(inner.value, inner.weight * weight)


def _read_rest(term: str, notices: list[Notice]) -> Term:
    """A moment, a file in another spelling, or words."""
    if term.startswith("file:"):
        name = term.removeprefix("file:")
        return Term(moment_in(name) or _existing_file(os.path.expanduser(name)))
    if moment := moment_in(term):
        return Term(moment)
    path = as_spelled_on_disk(os.path.expanduser(term)) if looks_like_path(term) else term
    if os.path.isdir(path) and not _is_path_in_one_word(term):
        notices.append(Notice(NoticeKind.TERM_IS_WORDS, {"term": term}))
        return Term(checked_value(term))
    if os.path.exists(path) or is_item(path):
        return Term(_existing_file(path))
    if not looks_like_path(term):
        return Term(checked_value(term))
    raise UsageError(f"no file at {term}", hint=Hint(HintKind.TAKE_AS_WORDS, term))


def _read_mark(mark: str) -> MarkValue:
    if mark.isascii() and mark.isdigit():
        return int(mark)
    name = mark.removeprefix("file:")
    if moment := moment_in(name):
        return moment
    path = as_spelled_on_disk(os.path.expanduser(name))
    if not looks_like_path(name) and not os.path.exists(path) and not is_item(path):
        raise UsageError(f"{mark} is neither the id of a row nor a file")
    return _existing_file(path)


def _is_path_in_one_word(term: str) -> bool:
    return os.sep in term or "/" in term or term in (".", "..")


def _split_weight(term: str) -> tuple[float, str] | None:
    """A term's weight and the rest of it; None where ``^2`` or ``2:`` is part of the words."""
    prefix = _PREFIX_WEIGHT.fullmatch(term)
    if prefix and _may_follow_a_weight(prefix["term"]):
        return float(prefix["weight"]), prefix["term"]
    suffix = _SUFFIX_WEIGHT.fullmatch(term)
    if suffix and (_names_a_file(suffix["term"]) or _is_plain_word(suffix["term"].split()[-1])):
        return float(suffix["weight"]), suffix["term"]
    return None


def _may_follow_a_weight(term: str) -> bool:
    if term.startswith("text:") or _names_a_file(term) or _split_weight(term) is not None:
        return True
    words = term.split()
    return _is_plain_word(term) if len(words) == 1 else _FIRST_OF_PHRASE.match(term) is not None


def _names_a_file(term: str) -> bool:
    """Whether a term is, or is plainly meant as, a file or a moment of one."""
    moment = _MOMENT.fullmatch(term)
    names = [term.removeprefix("file:"), *([moment["path"].removeprefix("file:")] if moment else [])]
    return term.startswith("file:") or any(
        os.path.isfile(name) or looks_like_path(name) or is_item(name) for name in names
    )


def _is_plain_word(word: str) -> bool:
    """Whether it is a word, not part of a formula or a unit: it has three letters, or is of another script."""
    other_script = any(c > _LATIN_AND_GREEK and c.isalpha() for c in word)
    return _WORD.fullmatch(word) is not None and (other_script or sum(c.isalpha() for c in word) >= 3)


def _existing_file(path: str) -> Path:
    if is_item(path):
        return Path(path)
    path = as_spelled_on_disk(path)
    if not os.path.exists(path):
        raise UsageError(f"no file at {path}")
    if os.path.isdir(path):
        raise UsageError(f"{path} is a folder; a query takes a file", hint=Hint(HintKind.FOLDER_IN_QUERY, path))
    return Path(path)
