"""How a text is cut into words, alike when it is indexed, asked for and highlighted.

A word is a run of letters and digits, in lower case and without accents. Scripts that are written without spaces
(Chinese, Japanese, Thai, Lao, Khmer, Burmese) have no such runs: each of their characters is a word, and what is asked
for is a phrase of them.
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from typing import NamedTuple

# Scripts without spaces: Thai, Lao; Burmese; Khmer; kana, Han and their extensions.
_ALONE = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_ALONE += "\U00020000-\U0003ffff"
# Marks that Python counts among no letters, yet belong to a word: the vowel signs of Indian scripts, without their
# full stops.
_MARKS = "\u0900-\u0963\u0966-\u0dff"
_WORD = re.compile(rf"[{_ALONE}]|(?:(?![{_ALONE}])[^\W_]|[{_MARKS}])+")

_ACCENTS = re.compile("[\u0300-\u036f\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670]")
"""Combining accents, and the points of Hebrew and Arabic, which most writers leave out."""

_RUN = re.compile("(?:[^\\W_][\u0300-\u036f]*)+")
_PLAIN_RUN = re.compile("[a-z]+|[A-Z]+|[0-9]+")
_LOWER, _UPPER, _LETTER = "a-zß-ÿ", "A-ZÀ-Þ", r"[^\W\d_]"
_CAMEL = re.compile(
    rf"(?<=[{_LOWER}])(?=[{_UPPER}])|(?<=[{_UPPER}])(?=[{_UPPER}][{_LOWER}])|(?<={_LETTER})(?=\d)|(?<=\d)(?={_LETTER})"
)


class Word(NamedTuple):
    """A word of a text: as it is compared, and from where to where it stands, in characters."""

    folded: str
    start: int
    end: int


def folded(text: str) -> str:
    """A text in lower case, without accents, and with compatible characters (``ﬁ``, ``２``) as plain ones."""
    if text.isascii():
        return text.lower()
    return _ACCENTS.sub("", unicodedata.normalize("NFKD", text.casefold()))


def words_of(text: str) -> list[str]:
    """The words of a text, folded, in order."""
    return _WORD.findall(folded(text))


def placed_words(text: str) -> list[Word]:
    """The words of a text with their places in it."""
    if text.isascii():
        return [Word(match[0], *match.span()) for match in _WORD.finditer(text.lower())]
    # Folding may change the length: each character is folded by itself, so that every folded one knows its origin.
    pieces = [folded(character) for character in text]
    origin = [i for i, piece in enumerate(pieces) for _ in piece]
    found = _WORD.finditer("".join(pieces))
    return [Word(match[0], origin[match.start()], _end(text, origin[match.end() - 1] + 1)) for match in found]


def _end(text: str, end: int) -> int:
    """The end of a word with the accents that follow its last letter."""
    while end < len(text) and _ACCENTS.match(text, end):
        end += 1
    return end


def name_words(name: str) -> list[str]:
    """The words of a file's or folder's name; those that are joined (``IMG1234``, ``myHoliday``) apart, too.

    >>> name_words("myHoliday_IMG1234")
    ['my', 'holiday', 'myholiday', 'img', '1234', 'img1234']
    """
    return [word.folded for word in placed_name_words(name)]


def placed_name_words(name: str) -> list[Word]:
    """The words that `name_words` gives, with their places in the name."""
    found: list[Word] = []
    for run in _RUN.finditer(name):
        whole = [Word(word.folded, word.start + run.start(), word.end + run.start()) for word in placed_words(run[0])]
        if len(whole) == 1 and not _PLAIN_RUN.fullmatch(run[0]):
            ends = [0, *(match.start() for match in _CAMEL.finditer(run[0])), len(run[0])]
            for start, end in itertools.pairwise(ends) if len(ends) > 2 else ():
                at = start + run.start()
                found += [Word(w.folded, w.start + at, w.end + at) for w in placed_words(run[0][start:end])]
        found += whole
    return found


def indexed_text(text: str) -> str:
    """A text as it is handed to the index: its words, folded, with a space between them."""
    return " ".join(words_of(text))
