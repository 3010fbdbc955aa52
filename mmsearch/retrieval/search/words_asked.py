"""What a query asks for to the letter: its words, phrases that must stand there, and how much each of them says.

A word of a query is either meant to the letter, and stands in what was asked for, or it describes it, and may stand
there or not. How probable the first is depends on the word: names, numbers and rare words are hardly ever meant
otherwise, while the common words of a description are. That a row holds a word is the more surprising the fewer rows
do. Both together give the odds of a row by Bayes' rule, in nats. Decision 35 has the measurements.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from mmsearch.hits import MatchedWords
from mmsearch.indexes import Sought, Word, folded, name_words, placed_name_words, placed_words, words_of
from mmsearch.retrieval.search.query import Query

BACKGROUND_ROWS = 100
"""Rows without any of the words that are thought to exist besides those of the collection: among ten rows, no word is
common."""

_FUNCTION_WORDS = (
    "a an and are as at be by for from had has have he her his i in is it its me my no not of on or our she so"
    " that the their them they this to us was we were what when where which who with you your"
)
FUNCTION_WORDS = frozenset(_FUNCTION_WORDS.split())
"""English words that say nothing by themselves; they count only within phrases, and if there are no others."""

_LACK_OF_WORD = 0.5  # a name or rare word that is lacking says less than a number: a picture may show what it means
_IF_ABSENT = 1 / 3  # what no row holds is the less probably meant to the letter
_LEAST_DESCRIBED = 0.05  # a phrase in quotes may still stand in another row of the file
_MOST_OF_PHRASE = 8  # words
_APART = re.compile(r"[\s,;!?()\[\]{}\"“”„«»…]+")
_PREFIX = re.compile(r"\w\*$")


HALF_SURE = 3.0
"""Nats that some words of a query must say so that it is as likely as not that they were meant to the letter."""

RARE_PIECES = 3
"""Pieces that a model's tokenizer cuts a word into from which on it is rare: common words are one piece."""

MEANT = {"rare": 0.9, "uncommon": 0.6, "common": 0.3, "whole": 0.3}
"""The probability that a word is meant to the letter, and that all words of a text are, one after another. That of a
common word is shared by all words of the query."""

CountPieces = Callable[[Sequence[str]], Iterable[Any]]
"""The number of pieces that a tokenizer cuts each of some words into."""


class Written(Protocol):
    """What has words."""

    @property
    def path(self) -> str:
        """Of the file."""

    @property
    def text(self) -> str | None:
        """The passage."""

    @property
    def title(self) -> str | None:
        """Of the file."""

    @property
    def tags(self) -> Sequence[str]:
        """Of the file."""

    @property
    def name_start(self) -> int:
        """From where on the path counts, in characters."""


@dataclass(frozen=True, slots=True)
class WordsAsked:
    """The words of one query.

    Attributes:
        wanted: words and phrases that speak for a row: first the words, then texts of several words as a whole.
        word_count: how many of them are the words.
        phrases: words that must stand in a row, or in the name of its file, one after another.
        surprises: of each of ``wanted``, how surprising it is to meet it, in nats.
        meant: of each, the probability that it is meant to the letter.
        is_there: of each, whether any row holds it.
        gains: of each, what it says for a row that it holds it: log-odds.
        lacks: of each, what it says against a row that it lacks it: log-odds, 0 at most.
    """

    wanted: tuple[Sought, ...]
    word_count: int
    phrases: tuple[Sought, ...] = ()
    surprises: tuple[float, ...] = ()
    meant: tuple[float, ...] = ()
    is_there: tuple[bool, ...] = ()
    gains: tuple[float, ...] = ()
    lacks: tuple[float, ...] = ()

    @classmethod
    def of(cls, query: Query) -> WordsAsked:
        """The words of a query's texts, unweighted; texts that push away have none."""
        texts = [term.value for term in query.terms if isinstance(term.value, str) and term.weight > 0]
        phrases = tuple(sought for phrase in query.phrases for sought in [_sought(phrase)] if sought)
        wanted = dict.fromkeys([*phrases, *(sought for text in texts for sought in _units(text))])
        telling = [sought for sought in wanted if sought.prefix or not FUNCTION_WORDS.issuperset(sought.words)]
        words = tuple(telling or wanted)
        whole = dict.fromkeys(sought for text in texts for sought in [_whole(text)] if sought and sought not in words)
        return cls((*words, *whole), len(words), phrases)

    def weighted(self, counts: Sequence[int], rows: int, count_pieces: CountPieces | None) -> WordsAsked:
        """The same with weights.

        Args:
            counts: of each wanted word, how many rows hold it.
            rows: how many rows there are.
            count_pieces: of the model's tokenizer; None if it has none: then every word is taken for an uncommon one.
        """
        known = rows + BACKGROUND_ROWS
        surprises = tuple(max(math.log(known / (count + 0.5)), 0.0) for count in counts)
        words = self.wanted[: self.word_count]
        meant = tuple(
            1.0 if sought in self.phrases else one * (1.0 if count else _IF_ABSENT)
            for sought, one, count in zip(words, _all_meant(words, count_pieces, 2), counts, strict=False)
        )
        meant += (MEANT["whole"],) * (len(self.wanted) - self.word_count)
        gains = tuple(
            math.log(one * math.exp(surprise) + _described(one)) for one, surprise in zip(meant, surprises, strict=True)
        )
        there = tuple(map(bool, counts))
        # Words that no row holds say nothing, and phrases that must stand were asked of the file already.
        lacks = tuple(
            math.log(_described(one)) * (1.0 if _has_digit(sought) else _LACK_OF_WORD)
            if is_there and sought not in self.phrases
            else 0.0
            for sought, one, is_there in zip(words, meant, there, strict=False)
        )
        return replace(self, surprises=surprises, meant=meant, is_there=there, gains=gains, lacks=lacks)

    def speaks_for(self, held: Collection[int]) -> float:
        """How much it says for a row that it holds these of the wanted words, by number: log-odds."""
        return sum([self.gains[number] for number in held]) + self.says_of_lack(held)

    def says_of_lack(self, held: Collection[int]) -> float:
        """How much it says against a row that it lacks all but these of the wanted words: log-odds, 0 at most."""
        return sum([lack for number, lack in enumerate(self.lacks) if number not in held])

    def answers(self, held: Collection[int], says: float | None = None) -> float:
        """Log-odds that what was asked for is there, by a row that holds these of the wanted words, by number.

        A row that holds all of them answers if any was meant to the letter. One that lacks some must be a surprise, and
        answers the less, the more of what was meant to the letter it lacks. ``says``: what `speaks_for` tells of it.
        """
        says = self.speaks_for(held) if says is None else says
        meant = self.meant[: self.word_count]
        described = math.prod(map(_described, meant))
        if all(number in held for number in range(self.word_count)):
            return max(says - HALF_SURE, math.log((1.0 - described) / described))
        share = sum(one for number, one in enumerate(meant) if number in held) / sum(meant)
        probability = math.sqrt(share) / (1.0 + math.exp(HALF_SURE - says))
        return math.log(probability / (1.0 - probability)) if probability > 0 else -math.inf

    def surprise_of(self, held: Iterable[int]) -> float:
        """How surprising it is to meet these of the wanted words, by number, in one row: the sum of theirs."""
        return sum(self.surprises[number] for number in held)

    def matches(self, row: Written, among: Collection[int] | None = None) -> tuple[set[int], tuple[MatchedWords, ...]]:
        """Which of the wanted words a row holds, by number, and where. ``among``: those that it may hold; None: any."""
        wanted = [
            (number, self.wanted[number]) for number in sorted(range(len(self.wanted)) if among is None else among)
        ]
        firsts = [sought.words[0] for _, sought in wanted]
        numbers: set[int] = set()
        places: list[MatchedWords] = []
        for where, text in (
            ("text", row.text),
            ("title", row.title),
            ("tags", ", ".join(row.tags) if row.tags else ""),
        ):
            if text and (text.isascii() or _holds_any(text, firsts)):
                found = _find_plain(text.lower(), wanted) if text.isascii() else _find(placed_words(text), wanted)
                if found:
                    numbers.update(found)
                    places += _places(where, found)
        if _holds_any(row.path, firsts):
            found = _find(_words_of_name(row.path, row.name_start), wanted)
            if found:
                numbers.update(found)
                places += _places("name", found)
        return numbers, tuple(places)


_Wanted = Sequence[tuple[int, Sought]]
_Spans = dict[int, list[tuple[int, int]]]


def _holds_any(text: str, firsts: Sequence[str]) -> bool:
    plain = folded(text)
    return any(first in plain for first in firsts)


def _find_plain(text: str, wanted: _Wanted) -> _Spans:
    """As `_find`, in an ASCII text in lower case; it is not cut into words, of which it may have many."""
    found: _Spans = {}
    for number, sought in wanted:
        first = sought.words[0]
        start = text.find(first)
        is_word = len(sought.words) == 1 and not sought.prefix
        while start >= 0:
            end = start + len(first)
            if not is_word:
                end = _end_of_plain(text, start, sought)
            elif text[end : end + 1].isalnum() or (start and text[start - 1].isalnum()):
                end = 0
            if end:
                found.setdefault(number, []).append((start, end))
            start = text.find(first, start + 1)
    return found


def _find(words: Sequence[Word], wanted: _Wanted) -> _Spans:
    """From where to where each wanted word stands among words, by number."""
    starts: dict[str, list[int]] = {}
    for place, word in enumerate(words):
        starts.setdefault(word.folded, []).append(place)
    found: _Spans = {}
    for number, sought in wanted:
        firsts: Iterable[int] = starts.get(sought.words[0], ())
        if sought.prefix and len(sought.words) == 1:
            firsts = range(len(words))
        last = len(sought.words) - 1
        spans = [(words[i].start, words[i + last].end) for i in firsts if _stands_at(words, i, sought)]
        if spans:
            found[number] = spans
    return found


def words_in(row: Written) -> frozenset[str]:
    """The folded words of a row's text, its title, its tags and the name of its file."""
    text = " ".join(filter(None, (row.text, row.title, *row.tags)))
    return frozenset((*words_of(text), *name_words(row.path[row.name_start :])))


def rare_words_away(query: Query, count_pieces: CountPieces | None) -> list[Sought]:
    """Names, numbers and rare words that a query pushes away: what holds them is not wanted at all."""
    texts = [term.value for term in query.terms if isinstance(term.value, str) and term.weight < 0]
    units = list(dict.fromkeys(sought for text in texts for sought in _units(text)))
    meant = _all_meant(units, count_pieces, 1)
    return [sought for sought, one in zip(units, meant, strict=True) if one >= MEANT["rare"]]


def _all_meant(words: Sequence[Sought], count_pieces: CountPieces | None, unknown: int) -> list[float]:
    """The probability of each word of a query that it is meant to the letter.

    ``unknown``: the pieces that each is taken to have where no tokenizer counts them.
    """
    if count_pieces is None or not words:
        pieces: Iterable[Any] = [unknown] * len(words)
    else:
        pieces = count_pieces([" ".join(sought.words) for sought in words])
    return [_meant(sought, int(count), len(words)) for sought, count in zip(words, pieces, strict=True)]


def _meant(sought: Sought, pieces: int, words: int) -> float:
    """The probability that one of the ``words`` of a query is meant to the letter."""
    if pieces >= RARE_PIECES or _has_digit(sought):
        return MEANT["rare"]
    return MEANT["uncommon"] if pieces > 1 else MEANT["common"] / words


def _described(meant: float) -> float:
    """The probability that a word is not meant to the letter, but describes."""
    return max(1.0 - meant, _LEAST_DESCRIBED)


def _words_of_name(path: str, start: int) -> list[Word]:
    words = placed_name_words(path[start:])
    return [Word(word.folded, word.start + start, word.end + start) for word in words]


def _places(where: str, found: Mapping[int, Sequence[tuple[int, int]]]) -> list[MatchedWords]:
    (spans, *others) = found.values()
    if others:
        spans = sorted({*spans, *(span for own in others for span in own)})
    return [_matched(where, start, end) for start, end in spans]


@functools.lru_cache(maxsize=4096)
def _matched(where: str, start: int, end: int) -> MatchedWords:
    return MatchedWords(where, start, end)  # type: ignore[arg-type]


def _stands_at(words: Sequence[Word], place: int, sought: Sought) -> bool:
    if place + len(sought.words) > len(words):
        return False
    *first, last = sought.words
    if any(words[place + i].folded != word for i, word in enumerate(first)):
        return False
    there = words[place + len(first)].folded
    return there.startswith(last) if sought.prefix else there == last


def _end_of_plain(text: str, start: int, sought: Sought) -> int:
    """Where words end that begin at a place of an ASCII text in lower case; 0 if they do not stand there."""
    if start and text[start - 1].isalnum():
        return 0
    end = start
    for number, word in enumerate(sought.words):
        while number and end < len(text) and not text[end].isalnum():
            end += 1
        if not text.startswith(word, end):
            return 0
        end += len(word)
        is_last = number == len(sought.words) - 1
        while is_last and sought.prefix and end < len(text) and text[end].isalnum():
            end += 1
        if end < len(text) and text[end].isalnum():
            return 0
    return end


@functools.lru_cache(maxsize=256)
def _units(text: str) -> tuple[Sought, ...]:
    """The words of a text; those that are joined by a hyphen, a dot or the like are a phrase."""
    found = [_sought(piece) for piece in _APART.split(text)]
    return tuple(sought for sought in found if sought)


def _has_digit(sought: Sought) -> bool:
    return any(character.isdigit() for word in sought.words for character in word)


def _whole(text: str) -> Sought | None:
    """A text as a phrase, if it has few words, but more than one."""
    words = words_of(text)
    return Sought(tuple(words)) if 1 < len(words) <= _MOST_OF_PHRASE else None


def _sought(text: str) -> Sought | None:
    words = words_of(text)
    return Sought(tuple(words), bool(_PREFIX.search(text.strip()))) if words else None
