"""Decodes text files, and cuts long texts into passages that a text encoder can read as a whole."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from mmsearch.errors import DecodeError
from mmsearch.types import NoteKind

MAX_TEXT_BYTES = 16 * 1024 * 1024
"""Larger text files are refused: 16 MiB are several thousand pages."""


class Remark(StrEnum):
    """Notes on files of which nothing was left out. Stored rows hold the values, which must not change."""

    UTF_16 = "without a byte order mark: read as UTF-16"
    WINDOWS_1252 = "not UTF-8: read as Windows-1252"
    LATIN_1 = "not UTF-8: read as Latin-1"


CountTokens = Callable[[Sequence[str]], NDArray[np.int64]]

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark is the beginning of this one
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_REMARKS = frozenset(Remark)
_BETWEEN_NOTES = "; "
_HEAD = 16 * 1024
_NULS_OF_UTF16 = 0.7
"""In Western text as UTF-16, more than this share of the high bytes is 0, and hardly any low byte."""

CONTROL = re.compile(r"[\x00-\x08\x0e-\x1b\x7f]")
_WORD = re.compile(r"\S+")
_SENTENCE_END = re.compile(r"[.!?…。！？][\"'”’»)\]」』）]*\Z")
_FULL_STOPS = re.compile(r"[。！？.!?]")
_COMMAS = re.compile(r"[；，、;,]")

_INSIDE_WORD, _WORDS, _SENTENCES, _PARAGRAPHS = range(4)
"""What may end behind a piece of text."""

_BLOCK_WORDS = 10_000
_MOST_CHARACTERS_OF_TOKEN = 64
_MIN_FILL = 0.25
"""A passage ends with a paragraph or a sentence only if it then has at least this share of the tokens allowed."""


def decode_text(data: bytes, *, limit: int = MAX_TEXT_BYTES) -> tuple[str, str | None]:
    """The characters of a text file, and a note if the encoding had to be guessed.

    Raises:
        DecodeError: over ``limit`` bytes.
    """
    if len(data) > limit:
        raise DecodeError(f"a text of over {limit >> 20} MiB: split it")
    for bom, encoding in _BOMS:
        if data.startswith(bom):
            text = data[len(bom) :].decode(encoding, errors="replace")
            return _without_controls(text, "some characters could not be read" if "\ufffd" in text else None)
    utf16 = utf16_without_mark(data[:_HEAD])
    if utf16 is not None:
        return _without_controls(data.decode(utf16, errors="replace"), Remark.UTF_16)
    try:
        return _without_controls(data.decode("utf-8"), None)
    except UnicodeDecodeError:
        pass
    try:
        return _without_controls(data.decode("cp1252"), Remark.WINDOWS_1252)
    except UnicodeDecodeError:
        return _without_controls(data.decode("latin-1"), Remark.LATIN_1)


def join_notes(*notes: str | None) -> str | None:
    """Several notes on a file as one; None if there are none."""
    return _BETWEEN_NOTES.join(filter(None, notes)) or None


def note_kind(note: str) -> NoteKind:
    """*whole* if the note (perhaps of `join_notes`) says that nothing was left out, else *part*."""
    return "whole" if all(part in _REMARKS for part in note.split(_BETWEEN_NOTES)) else "part"


def utf16_without_mark(head: bytes) -> str | None:
    """``utf-16-le`` or ``utf-16-be`` if every other byte is NUL, as in Western text as UTF-16; else None."""
    even, odd = head[0::2], head[1::2]
    if not odd:
        return None
    nuls = even.count(0) / len(even), odd.count(0) / len(odd)
    if nuls[1] > _NULS_OF_UTF16 and nuls[0] < 1 - _NULS_OF_UTF16:
        return "utf-16-le"
    return "utf-16-be" if nuls[0] > _NULS_OF_UTF16 and nuls[1] < 1 - _NULS_OF_UTF16 else None


def _without_controls(text: str, note: str | None) -> tuple[str, str | None]:
    """The text with each control character replaced by a space, so that no character changes its place."""
    return CONTROL.sub(" ", text), note


def passages(text: str, count_tokens: CountTokens, max_tokens: int) -> Iterator[tuple[int, int]]:
    """Spans ``(start, end)`` of characters with at most ``max_tokens`` tokens each, in order.

    Every character except white space is in exactly one span. A text that fits is one passage. Longer texts are cut
    between paragraphs, else between sentences or lines, else between words, and within a word only if the word alone is
    too long (in scripts without spaces). A single character is never cut, however many tokens it has.

    Args:
        text: the text.
        count_tokens: the number of tokens of each of some words, int64 ``[n]``. The counts of words must add up. It is
            called with each distinct word once, for some thousand words at a time.
        max_tokens: per passage.
    """
    pieces: list[_Piece] = []
    for block, is_last in _blocks(text, count_tokens, max_tokens):
        pieces += block
        start = 0
        while start < len(pieces):
            stop = _passage_end(pieces, start, max_tokens)
            if stop == len(pieces) and not is_last:
                break  # the passage may continue in the next block
            yield pieces[start].start, pieces[stop - 1].end
            start = stop
        del pieces[:start]


@dataclass(slots=True)
class _Piece:
    """A word, or a part of one that is too long; ``boundary`` says what ends behind it."""

    start: int
    end: int
    tokens: int
    boundary: int


def _passage_end(pieces: list[_Piece], start: int, max_tokens: int) -> int:
    """The index after the last piece of the passage that begins at ``start``."""
    tokens = 0
    cuts: dict[int, int] = {}
    for index in range(start, len(pieces)):
        tokens += pieces[index].tokens
        if tokens > max_tokens and index > start:
            return cuts.get(_PARAGRAPHS) or cuts.get(_SENTENCES) or index
        boundary = pieces[index].boundary
        if boundary == _INSIDE_WORD:  # tokens add up over words only, so the parts of a word stay apart
            return index + 1
        if tokens >= _MIN_FILL * max_tokens:
            cuts[boundary] = index + 1
    return len(pieces)


def _blocks(text: str, count_tokens: CountTokens, max_tokens: int) -> Iterator[tuple[list[_Piece], bool]]:
    """The pieces of a text, those of some thousand words at a time, and whether they are the last."""
    matches = _WORD.finditer(text)
    words = [match.span() for match in islice(matches, _BLOCK_WORDS)]
    counts: dict[str, int] = {}
    while words:
        following = [match.span() for match in islice(matches, _BLOCK_WORDS)]
        end = following[0][0] if following else len(text)
        yield list(_pieces(text, words, end, counts, count_tokens, max_tokens)), not following
        words = following


def _pieces(
    text: str,
    words: list[tuple[int, int]],
    text_end: int,
    counts: dict[str, int],
    count_tokens: CountTokens,
    max_tokens: int,
) -> Iterator[_Piece]:
    """The pieces of some words. The space behind the last word ends at ``text_end``; ``counts`` gets new words."""
    distinct = list(dict.fromkeys(text[start:end] for start, end in words))
    new = [word for word in distinct if word not in counts]
    if new:
        counts |= zip(new, count_tokens(new).tolist(), strict=True)
    parts = _parts_of_long_words([word for word in distinct if counts[word] > max_tokens], count_tokens, max_tokens)
    for index, (start, end) in enumerate(words):
        word = text[start:end]
        following = words[index + 1][0] if index + 1 < len(words) else text_end
        boundary = _boundary(word, text[end:following])
        if word not in parts:
            yield _Piece(start, end, counts[word], boundary)
            continue
        *inner, last = parts[word]
        for length, tokens in inner:
            yield _Piece(start, start + length, tokens, _INSIDE_WORD)
            start += length
        yield _Piece(start, end, last[1], boundary)


def _boundary(word: str, space: str) -> int:
    if space.count("\n") + space.count("\r") - space.count("\r\n") > 1:
        return _PARAGRAPHS
    if "\n" in space or "\r" in space or _SENTENCE_END.search(word[-8:]):
        return _SENTENCES
    return _WORDS


def _parts_of_long_words(
    words: list[str], count_tokens: CountTokens, max_tokens: int
) -> dict[str, list[tuple[int, int]]]:
    """Words of more than ``max_tokens`` tokens as parts ``(characters, tokens)`` that fit.

    Parts are halved until they fit; each round counts the tokens of all parts in one call.
    """
    done: dict[tuple[int, int], tuple[int, int]] = {}  # (word, start) -> (characters, tokens)
    open_parts = [(index, 0, word) for index, word in enumerate(words)]
    while open_parts:
        halves = []
        for index, start, part in open_parts:
            cut = _middle(part)
            halves += [(index, start, part[:cut]), (index, start + cut, part[cut:])]
        surely = _MOST_CHARACTERS_OF_TOKEN * max_tokens
        open_parts = [half for half in halves if len(half[2]) > surely]
        halves = [half for half in halves if 0 < len(half[2]) <= surely]
        counts = count_tokens([part for _, _, part in halves]).tolist() if halves else []
        for (index, start, part), tokens in zip(halves, counts, strict=True):
            if tokens > max_tokens and len(part) > 1:
                open_parts.append((index, start, part))
            else:
                done[index, start] = (len(part), tokens)
    parts: dict[str, list[tuple[int, int]]] = {word: [] for word in words}
    for (index, _), part_and_tokens in sorted(done.items()):
        parts[words[index]].append(part_and_tokens)
    return parts


def _middle(part: str) -> int:
    """Where to halve a run of characters: after the full stop, or else the comma, nearest to the middle; else there."""
    low, middle, high = len(part) // 4, len(part) // 2, len(part) - max(1, len(part) // 4)
    for marks in (_FULL_STOPS, _COMMAS):
        ends = [found.end() for found in marks.finditer(part, low, high)]
        if ends:
            return min(ends, key=lambda end: abs(end - middle))
    return max(1, middle)
