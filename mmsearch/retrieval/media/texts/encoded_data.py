"""Finds encoded data in texts, such as Base64, hexadecimal blocks and minified code, and leaves it out.

Words of any language, URLs, tables and rulers stay. Encoded bytes differ from names by how often upper case, lower case
and digits alternate in a run of characters without a space.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mmsearch.errors import DecodeError
from mmsearch.retrieval.media.texts.text import CountTokens, join_notes, passages
from mmsearch.types import Span, sized

BREAK = "\0"
"""Replaces a long piece that was left out; no passage reaches across it. `decode_text` leaves no other NUL."""

_SHORT = 256
"""Shorter pieces, such as a hash in a sentence, are left out only if they make up much of a text."""
_MUCH = 0.1
"""The share of a text above which short pieces are left out."""

_LONG_TOKEN = 40
_NO_WORD = 1000
"""Longer than any word, name or path."""
_LONG_LINE = 1000
_MIN_URI = 64
_LONGEST_REPEATED = 64
"""The longest text that counts as repeated: the rows of a picture may be equal too, and are longer."""

_DATA_URI = re.compile(r"data:[\w.+-]+/[\w.+-]+(?:;[\w.+=-]+)*,[^\s\"'()<>\\]*", re.ASCII)
_LINES = re.compile(r"(?:^[ \t>]*[A-Za-z0-9+/=_-]{40,}[ \t]*\r?$\n?){3,}(?:^[ \t>]*[A-Za-z0-9+/=_-]+[ \t]*\r?$)?", re.M)
_TOKEN = re.compile(r"[A-Za-z0-9+/=_-]{32,}")
_HEX_BYTES = re.compile(r"(?<![\w\\])(?:(?:0x|\\x)?[0-9A-Fa-f]{2,8}\b[\s,;:|]*){16,}", re.ASCII)
_UUENCODED = re.compile(r"^begin [0-7]{3} [^\n]+\n(?:[ -`]{1,62}\r?\n)+end\b", re.M)
_ASCII85 = re.compile(r"<~[!-uz\s]{40,}~>")
_LONG_LINES = re.compile(r"^[^\r\n]{1000,}", re.M)
_URL = re.compile(r"[A-Za-z]{2,10}://[^\s\"'<>(){};,]+")
_PUNCTUATION = re.compile(r"[!-/:-@\[-`{-~]")
_HEX = re.compile(r"[0-9a-f-]+|[0-9A-F-]+")
_VOWELS = re.compile(r"[aeiouyAEIOUY]")

_UPPER, _LOWER, _DIGIT, _OTHER = range(4)
_CLASS = np.full(256, _OTHER, np.uint8)
_CLASS[ord("A") : ord("Z") + 1] = _UPPER
_CLASS[ord("a") : ord("z") + 1] = _LOWER
_CLASS[ord("0") : ord("9") + 1] = _DIGIT


@dataclass(frozen=True, slots=True)
class ReadableText:
    """A text without its encoded data, and the places of its characters in the original.

    Attributes:
        text: the text.
        cuts: ``(place, shift)`` in order: characters from ``place`` on stood ``shift`` characters later.
        left_out: how many characters were left out.
        repeated: how many of them are the same few characters over and over, and encode nothing.
    """

    text: str
    cuts: list[tuple[int, int]]
    left_out: int
    repeated: int = 0

    @property
    def note(self) -> str | None:
        """A note on what was left out; None if nothing was."""
        return left_out_note(self.left_out, self.repeated)


def left_out_note(left_out: int, repeated: int) -> str | None:
    """A note on the characters that were left out (see `ReadableText`); None if none were."""
    encoded = left_out - repeated
    return join_notes(
        f"{sized(encoded)} of encoded data left out" if encoded else None,
        f"{sized(repeated)} of repeated characters left out" if repeated else None,
    )


def without_encoded_data(text: str) -> ReadableText:
    """`readable_part` of a text file.

    Raises:
        DecodeError: it holds nothing but the same few characters over and over.
    """
    readable = readable_part(text)
    if readable.left_out and readable.left_out == readable.repeated and not readable.text.replace(BREAK, " ").strip():
        what = "one repeated character" if _period(text) == 1 else "the same characters over and over"
        raise DecodeError(f"nothing but {what} in it ({sized(readable.left_out)})")
    return readable


def readable_part(text: str) -> ReadableText:
    """The text with each piece of encoded data replaced by `BREAK`, or by a space if the piece is short."""
    spans = encoded_spans(text)
    if not spans:
        return ReadableText(text, [], 0)
    parts: list[str] = []
    cuts = []
    done = length = 0
    for start, end in spans:
        mark = BREAK if end - start >= _SHORT else " "
        parts += [text[done:start], mark]
        length += start - done + 1
        done = end
        cuts.append((length, done - length))
    parts.append(text[done:])
    repeated = sum(end - start for start, end in spans if _period(text[start:end]))
    return ReadableText("".join(parts), cuts, sum(end - start for start, end in spans), repeated)


def _period(text: str) -> int | None:
    """The length of what a text repeats from beginning to end, without white space; None if it does not repeat."""
    characters = "".join(text.split())
    period = characters.find(characters[:_LONGEST_REPEATED], 1)
    if not 0 < period <= _LONGEST_REPEATED or characters[period:] != characters[:-period]:
        return None
    return period


def readable_passages(
    text: str, cuts: list[tuple[int, int]], count_tokens: CountTokens, max_tokens: int
) -> Iterator[tuple[Span, str]]:
    """The passages of a `ReadableText`, each with its span in the original text; see `text.passages`."""
    at = 0
    for segment in text.split(BREAK):
        for start, end in passages(segment, count_tokens, max_tokens):
            yield original_span(at + start, at + end, cuts), segment[start:end]
        at += len(segment) + 1


def original_span(start: int, end: int, cuts: list[tuple[int, int]]) -> Span:
    """The span in the original text of characters of a `ReadableText`."""
    return Span(_original(start, cuts), _original(end - 1, cuts) + 1, "char")


def _original(place: int, cuts: list[tuple[int, int]]) -> int:
    at = bisect_right(cuts, place, key=lambda cut: cut[0])
    return place + (cuts[at - 1][1] if at else 0)


def encoded_spans(text: str) -> list[tuple[int, int]]:
    """The spans of encoded data, ``(start, end)`` in order; short ones only if they make up much of the text."""
    spans = _merge_spans(text, sorted(_candidate_spans(text)))
    short = sum(end - start for start, end in spans if end - start < _SHORT)
    if short and short < _MUCH * len(text):
        spans = [(start, end) for start, end in spans if end - start >= _SHORT]
    return spans


def _candidate_spans(text: str) -> Iterator[tuple[int, int]]:
    if "data:" in text:
        yield from (match.span() for match in _DATA_URI.finditer(text) if len(match[0]) >= _MIN_URI)
    for match in _TOKEN.finditer(text):
        if _is_encoded(match[0]) and (len(match[0]) >= _SHORT or not _in_url(text, match.start())):
            yield match.span()
    for match in _LINES.finditer(text):
        if _is_encoded("".join(match[0].split())):
            yield match.span()
    for match in _HEX_BYTES.finditer(text):
        digits, letters = (len(re.findall(kind, match[0])) for kind in (r"\d", r"[A-Fa-f]"))
        if digits >= 0.2 * (digits + letters) and letters >= 0.05 * (digits + letters):
            yield match.span()
    for pattern in (_UUENCODED, _ASCII85):
        yield from (match.span() for match in pattern.finditer(text))
    yield from (match.span() for match in _LONG_LINES.finditer(text) if _is_minified(match[0]))


def _in_url(text: str, place: int) -> bool:
    before = text[max(0, place - _LONG_LINE) : place].split()
    return place > 0 and not text[place - 1].isspace() and bool(before) and "://" in before[-1]


def _is_encoded(token: str) -> bool:
    """Whether a run of ASCII letters, digits and ``+/=_-`` is encoded data rather than a name or a path."""
    classes = _CLASS[np.frombuffer(token.encode("ascii"), np.uint8)]
    upper, lower, digit, other = (np.bincount(classes, minlength=4) / len(classes)).tolist()
    letters = upper + lower
    if _HEX.fullmatch(token):
        coded = digit >= 0.25 and (letters >= 0.1 or len(token) >= _NO_WORD / 5)
        return other <= 0.15 and (coded or len(token) >= _NO_WORD)
    if len(token) < _LONG_TOKEN or other > 0.1:
        return False
    if len(token) >= _NO_WORD:
        return True
    changes = np.flatnonzero(classes[1:] != classes[:-1])
    of_digits = np.count_nonzero((classes[changes] == _DIGIT) ^ (classes[changes + 1] == _DIGIT))
    if upper >= 0.12 and lower >= 0.12 and digit >= 0.03:
        return len(changes) >= 0.45 * len(classes)
    if digit >= 0.1 and letters >= 0.4:
        return bool(of_digits >= 0.2 * len(classes))
    return letters >= 0.9 and len(_VOWELS.findall(token)) < 0.08 * len(token)


def _is_minified(line: str) -> bool:
    """Whether a long line is code or numbers: hardly any spaces, and much punctuation outside of URLs."""
    if line.count(" ") + line.count("\t") > 0.08 * len(line):
        return False
    line = _URL.sub("", line)
    marks = len(_PUNCTUATION.findall(line))
    return len(line) >= _LONG_LINE and 0.15 * len(line) < marks < 0.7 * len(line)  # more is a ruler


def _merge_spans(text: str, spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Joins spans that overlap, or that are separated by white space only."""
    joined: list[tuple[int, int]] = []
    for start, end in spans:
        if joined and (start <= joined[-1][1] or not text[joined[-1][1] : start].strip()):
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined
