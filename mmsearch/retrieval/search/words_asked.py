"""What a query asks for to the letter: its words, phrases that must stand there, and how much each of them says.

The weight of a word is how surprising it is to meet it, in nats: the logarithm of all rows over the rows that hold it.
A row that holds rare words of a query is what was asked for, the more of the query's words it holds the more surely. So
names and numbers trust the letter by themselves, and descriptions, whose words are common or not written anywhere,
trust the vectors. Decision 35 has the measurements.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from mmsearch.hits import Hit, MatchedWords
from mmsearch.indexes import Sought, Word, folded, placed_name_words, placed_words, words_of
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

_APART = re.compile(r"[\s,;!?()\[\]{}\"“”„«»…]+")
_PREFIX = re.compile(r"\w\*$")


@dataclass(frozen=True, slots=True)
class WordsAsked:
    """The words of one query.

    Attributes:
        wanted: words and phrases that speak for a row.
        phrases: words that must stand in a row, or in the name of its file, one after another.
        weights: of ``wanted``, in nats.
    """

    wanted: tuple[Sought, ...]
    phrases: tuple[Sought, ...] = ()
    weights: tuple[float, ...] = ()

    @classmethod
    def of(cls, query: Query) -> WordsAsked:
        """The words of a query's texts, unweighted; texts that push away have none."""
        texts = [term.value for term in query.terms if isinstance(term.value, str) and term.weight > 0]
        phrases = tuple(sought for phrase in query.phrases for sought in [_sought(phrase)] if sought)
        wanted = dict.fromkeys([*phrases, *(sought for text in texts for sought in _units(text))])
        telling = [sought for sought in wanted if sought.prefix or not FUNCTION_WORDS.issuperset(sought.words)]
        return cls(tuple(telling or wanted), phrases)

    def weighted(self, counts: Sequence[int], rows: int) -> WordsAsked:
        """The same with weights, from the number of rows that hold each word, of ``rows`` in all."""
        known = rows + BACKGROUND_ROWS
        weights = tuple(max(math.log(known / (count + 0.5)), 0.0) for count in counts)
        return WordsAsked(self.wanted, self.phrases, weights)

    def speaks_for(self, matched: Iterable[int]) -> float:
        """How much it says that a row holds these of the wanted words (by number), in nats: the sum of their weights,
        less the more of the query it does not hold."""
        total = sum(self.weights)
        held = sum(self.weights[i] for i in matched)
        return held * (held / total) ** COVERAGE_POWER if total else 0.0

    def matches(self, hit: Hit, name_start: int) -> tuple[set[int], tuple[MatchedWords, ...]]:
        """Which of the wanted words a hit holds, by number, and where.

        Args:
            hit: a row.
            name_start: from where on its path counts: the folders above the indexed one say nothing.
        """
        numbers: set[int] = set()
        places: list[MatchedWords] = []
        for where, text in (("text", hit.text), ("title", hit.title), ("tags", ", ".join(hit.tags))):
            if text and self._may_hold(text):
                found = self._find(placed_words(text))
                numbers.update(found)
                places += _places(where, found)
        if self._may_hold(hit.path):
            found = self._find(_words_of_name(hit.path, name_start))
            numbers.update(found)
            places += _places("name", found)
        return numbers, tuple(places)

    def _may_hold(self, text: str) -> bool:
        plain = folded(text)
        return any(sought.words[0] in plain for sought in self.wanted)

    def _find(self, words: Sequence[Word]) -> dict[int, list[tuple[int, int]]]:
        """From where to where each wanted word stands among words, by number."""
        starts: dict[str, list[int]] = {}
        for place, word in enumerate(words):
            starts.setdefault(word.folded, []).append(place)
        found: dict[int, list[tuple[int, int]]] = {}
        for number, sought in enumerate(self.wanted):
            firsts: Iterable[int] = starts.get(sought.words[0], ())
            if sought.prefix and len(sought.words) == 1:
                firsts = range(len(words))
            last = len(sought.words) - 1
            spans = [(words[i].start, words[i + last].end) for i in firsts if _stands_at(words, i, sought)]
            if spans:
                found[number] = spans
        return found


COVERAGE_POWER = 2.0
"""How fast words lose what they say with the part of the query that a row does not hold."""


def _words_of_name(path: str, start: int) -> list[Word]:
    words = placed_name_words(path[start:])
    return [Word(word.folded, word.start + start, word.end + start) for word in words]


def _places(where: str, found: Mapping[int, Sequence[tuple[int, int]]]) -> list[MatchedWords]:
    spans = sorted({span for spans in found.values() for span in spans})
    return [MatchedWords(where, start, end) for start, end in spans]  # type: ignore[arg-type]


def _stands_at(words: Sequence[Word], place: int, sought: Sought) -> bool:
    if place + len(sought.words) > len(words):
        return False
    *first, last = sought.words
    if any(words[place + i].folded != word for i, word in enumerate(first)):
        return False
    there = words[place + len(first)].folded
    return there.startswith(last) if sought.prefix else there == last


@functools.lru_cache(maxsize=256)
def _units(text: str) -> tuple[Sought, ...]:
    """The words of a text; those that are joined by a hyphen, a dot or the like are a phrase."""
    found = [_sought(piece) for piece in _APART.split(text)]
    return tuple(sought for sought in found if sought)


def _sought(text: str) -> Sought | None:
    words = words_of(text)
    return Sought(tuple(words), bool(_PREFIX.search(text.strip()))) if words else None
