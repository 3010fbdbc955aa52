"""What rows hold of a query's words, and how that is added to what their vectors say."""

from __future__ import annotations

import bisect
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from mmsearch.hits import Hit, MatchedWords
from mmsearch.retrieval.paths import above_root
from mmsearch.retrieval.search.levels import Judgement
from mmsearch.retrieval.search.moments import is_timed
from mmsearch.retrieval.search.words_asked import HALF_SURE, WordsAsked

MOST_ADDED = 8.0
"""Nats that words add to what the vector of the same picture, passage or moment says, at most."""

_LEAST_TOLD = 1.0  # nats from which on words are told as evidence
FAR_BELOW = 3.0
"""Log-odds: evidence that is so much weaker than another is not told."""


@dataclass(frozen=True, slots=True)
class LetterMatches:
    """What rows hold of the words of one query.

    Attributes:
        words: the words, weighted.
        held: which of them each row holds, by the row's id and the word's number.
        places: where they stand, by the row's id.
    """

    words: WordsAsked
    held: Mapping[int, Iterable[int]] = field(default_factory=dict)
    places: Mapping[int, tuple[MatchedWords, ...]] = field(default_factory=dict)

    @classmethod
    def of(cls, words: WordsAsked, rows: Sequence[Hit], roots: Sequence[str]) -> LetterMatches:
        """What rows hold of some words.

        Args:
            words: the words.
            rows: the rows.
            roots: the indexed folders; of a path, what lies above them does not count.
        """
        held, places = {}, {}
        for row in rows:
            held[row.id], places[row.id] = words.matches(row, name_start(row.path, roots))
        return cls(words, held, places)

    def says(self, rows: Iterable[Hit]) -> float:
        """How much the words that some rows hold together say for them, in nats."""
        return self.words.speaks_for(self._held(rows))

    def says_of_lack(self, rows: Iterable[Hit]) -> float:
        """How much the words that none of some rows holds say against them, in nats."""
        return self.words.says_of_lack(self._held(rows))

    def holds(self, rows: Iterable[Hit]) -> bool:
        """Whether some rows hold any of the words."""
        return bool(self._held(rows))

    def answers(self, rows: Iterable[Hit]) -> float:
        """Log-odds that what was asked for is there, by the words that some rows hold together."""
        return self.words.answers(self._held(rows))

    def surprise(self, rows: Iterable[Hit]) -> float:
        """How surprising it is that some rows together hold what they do of the words, in nats."""
        return self.words.surprise_of(self._held(rows))

    def _held(self, rows: Iterable[Hit]) -> set[int]:
        return {number for row in rows for number in self.held.get(row.id, ())}


def name_start(path: str, roots: Sequence[str]) -> int:
    """From where on a path counts as a name, in characters: the folders above the indexed one say nothing."""
    return len(os.fsdecode(above_root(os.fsencode(path), [os.fsencode(root) for root in roots])))


@dataclass(frozen=True, slots=True)
class Candidate:
    """What may become a hit.

    Attributes:
        hit: as it looks by its vectors.
        rows: the rows that speak for it: of one picture, page, passage or moment.
        judgement: by its vectors, and after `with_letters` by its words, too.
        is_written: whether it holds any of the query's words.
    """

    hit: Hit
    rows: tuple[Hit, ...]
    judgement: Judgement
    is_written: bool = False


def with_letters(candidates: Sequence[Candidate], matches: LetterMatches) -> list[Candidate]:
    """Candidates with what their words say added to their judgement, their evidence and the places of the words.

    Two readings of the query are weighed. If its words are meant to the letter, each of the r candidates whose words
    say as much or more is equally likely: the odds are those of that reading, over r. Else the vectors tell, and words
    are one more piece of evidence beside them.
    """
    says = [matches.says(candidate.rows) for candidate in candidates]
    ordered = sorted(-one for one in says)
    return [
        _with_words(candidate, own, bisect.bisect_right(ordered, -own), matches)
        for candidate, own in zip(candidates, says, strict=True)
    ]


def _with_words(candidate: Candidate, says: float, rivals: int, matches: LetterMatches) -> Candidate:
    judgement = candidate.judgement
    match = judgement.match + min(says, MOST_ADDED)
    answer = None if judgement.answer is None else judgement.answer + matches.says_of_lack(candidate.rows)
    if not matches.holds(candidate.rows):
        return replace(candidate, judgement=Judgement(answer, match))
    by_letter = says - HALF_SURE - math.log(rivals)
    if answer is not None:
        answer = _either(answer, matches.answers(candidate.rows))
    hit = _told(candidate, by_letter - judgement.match, says, matches)
    return replace(candidate, hit=hit, judgement=Judgement(answer, _add_odds(match, by_letter)), is_written=True)


def _add_odds(one: float, other: float) -> float:
    greater, less = max(one, other), min(one, other)
    return greater + math.log1p(math.exp(less - greater)) if less > -math.inf else greater


def _either(one: float, other: float) -> float:
    """The log-odds that at least one of two independent things is so."""
    none = 1 / (1 + math.exp(min(one, 700.0))) / (1 + math.exp(min(other, 700.0)))
    return math.log((1 - none) / none) if none < 1 else max(one, other)


def _told(candidate: Candidate, lead: float, says: float, matches: LetterMatches) -> Hit:
    """The hit with its words and its evidence; ``lead``: by how much words say more for it than vectors."""
    places = {row.id: matches.places.get(row.id, ()) for row in candidate.rows}
    texts = [row for row in candidate.rows if any(place.where == "text" for place in places[row.id])]
    shown = max(texts, key=lambda row: matches.says([row]), default=None)
    hit = candidate.hit
    if shown is not None:
        hit = replace(hit, text=shown.text, boxes=shown.boxes, lang=shown.lang)
        if shown.evidence == ("text",) and lead > 0:  # a page of a document, found by its text and not by its look
            hit = replace(hit, modality="text", id=shown.id, score=shown.score)
    named = dict.fromkeys(place for own in places.values() for place in own if place.where != "text")
    in_text = [place for place in places[shown.id] if place.where == "text"] if shown is not None else []
    by_words = [shown.evidence[0]] if shown is not None else []
    by_words += ["name"] if named else []
    by_look = [kind for kind in hit.evidence if kind not in by_words]
    if says < _LEAST_TOLD and by_look:
        by_words = []
    if lead > FAR_BELOW and by_words and not is_timed(hit):  # what speaks for a moment is chosen by strength already
        by_look = []
    evidence = (*by_words, *by_look) if lead > 0 else (*by_look, *by_words)
    return replace(hit, evidence=evidence or hit.evidence, matched=(*in_text, *named))
