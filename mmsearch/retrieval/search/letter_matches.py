"""What rows hold of a query's words, and how that is added to what their vectors say."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import NamedTuple

from mmsearch.hits import MatchedWords
from mmsearch.retrieval.search.hit_rows import Row
from mmsearch.retrieval.search.words_asked import HALF_SURE, WordsAsked

MOST_ADDED = 8.0
"""Nats that words add to what the vector of the same picture, passage or moment says, at most."""

Held = frozenset[int]
"""Which of a query's words are held, by number."""

NOTHING_HELD: Held = frozenset()


class Weight(NamedTuple):
    """What it says for a candidate that it holds some words, in nats.

    Attributes:
        added: to what its vectors say.
        lack: what the words that it lacks say against it.
        answers: log-odds that what was asked for is there, by the words alone.
        by_letter: log-odds that it is what was asked for, if the words are meant to the letter.
        surprise: how surprising it is that it holds them.
    """

    added: float
    lack: float
    answers: float
    by_letter: float
    surprise: float

    def added_to(self, answer: float, match: float) -> tuple[float, float]:
        """Log-odds by vectors and words together: that what was asked for is there (NaN where that is not known), and
        that the candidate is what was asked for.

        Two readings of the query are weighed. If its words are meant to the letter, each of the candidates whose words
        say as much or more is equally likely: the odds are those of that reading, over their number. Else the vectors
        tell, and words are one more piece of evidence beside them.
        """
        if not math.isnan(answer):
            answer = _either(answer + self.lack, self.answers)
        return answer, _add_odds(match + self.added, self.by_letter)


class LetterMatches:
    """What rows hold of the words of one query, and what that says; the same words say the same, and are told once.

    Args:
        words: the words, weighted.
    """

    def __init__(self, words: WordsAsked) -> None:
        self.words = words
        wanted = list(enumerate(words.wanted))
        self._singles = [(n, sought.words[0]) for n, sought in wanted if len(sought.words) == 1 and not sought.prefix]
        self._phrases = [sought.words for _, sought in wanted if len(sought.words) > 1]
        self._begins = any(sought.prefix for _, sought in wanted)
        self._firsts = frozenset(sought.words[0] for _, sought in wanted)
        self._says: dict[Held, float] = {}
        self._lacks: dict[Held, float] = {}

    def held_by(self, row: Row) -> Held:
        """Which of the words a row holds."""
        own = row.words
        if self._begins or any(own.issuperset(phrase) for phrase in self._phrases):
            return frozenset(self.words.matches(row)[0])
        return frozenset([number for number, word in self._singles if word in own])

    def held_by_rows(self, rows: list[Row], first: int = 0) -> dict[int, Held]:
        """Which of the words each of some rows holds, by number from ``first`` on; rows that hold none are left out."""
        if self._begins:
            likely: Iterable[int] = range(len(rows))
        else:
            apart = self._firsts.isdisjoint
            likely = [number for number, row in enumerate(rows) if not apart(row.words)]
        return {first + number: held for number in likely if (held := self.held_by(rows[number]))}

    def places(self, row: Row, held: Held) -> tuple[MatchedWords, ...]:
        """Where in a row the words stand that it holds."""
        return self.words.matches(row, held)[1]

    def says(self, held: Held) -> float:
        """How much the words that some rows hold together say for them, in nats."""
        return _kept(self._says, held, self.words.speaks_for)

    def says_of_lack(self, held: Held) -> float:
        """How much the words that none of some rows holds say against them, in nats."""
        return _kept(self._lacks, held, self.words.says_of_lack)

    def weight(self, held: Held, rivals: int) -> Weight:
        """What it says for a candidate that it holds words.

        Args:
            held: the words.
            rivals: candidates whose words say as much or more, this one included.
        """
        says = self.says(held)
        by_letter = says - HALF_SURE - math.log(rivals)
        answers = self.words.answers(held, says)
        return Weight(min(says, MOST_ADDED), self.says_of_lack(held), answers, by_letter, self.words.surprise_of(held))


def _kept(known: dict[Held, float], held: Held, tell: Callable[[Held], float]) -> float:
    if held not in known:
        known[held] = tell(held)
    return known[held]


def _add_odds(one: float, other: float) -> float:
    greater, less = max(one, other), min(one, other)
    return greater + math.log1p(math.exp(less - greater)) if less > -math.inf else greater


def _either(one: float, other: float) -> float:
    """The log-odds that at least one of two independent things is so."""
    none = 1 / (1 + math.exp(min(one, 700.0))) / (1 + math.exp(min(other, 700.0)))
    return math.log((1 - none) / none) if none < 1 else max(one, other)
