"""The best moments of a film or sound: rows that overlap in time are fused.

The pictures of a film, its sound and its subtitles are rows of their own, perhaps of several spaces. Rows at one time
are evidence for one moment. A row that is longer than a moment (a whole film, a long shot) adds its match to the
moments inside it.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Literal

from mmsearch.hits import FileState, Hit
from mmsearch.retrieval.media.decode_spec import MAX_SPAN_S
from mmsearch.types import Modality

SAME_COSINE = 0.97
"""Neighbouring moments whose vectors have at least this cosine show the same: they are listed once."""

_STRONG_MATCH = 2.0  # standard deviations: by chance one row in forty lies above
_CLOSE_MATCH = 1.0  # standard deviations: two kinds of evidence that differ by less are about as strong
_EPSILON_S = 1e-3


def is_timed(hit: Hit) -> bool:
    """Whether a row stands for a time in a film or sound."""
    return hit.span is not None and hit.span.unit == "s"


def is_moment(hit: Hit) -> bool:
    """Whether a timed row is short enough to be a hit's span."""
    assert hit.span is not None
    return hit.span.end - hit.span.start <= MAX_SPAN_S + _EPSILON_S


def clock_file(path: str) -> str:
    """The file that a row's times refer to: for subtitles the film beside them, else the file itself.

    ``film.srt`` and ``film.en.srt`` belong to ``film.mp4``.
    """
    stem, ending = os.path.splitext(path)
    if ending.lower() not in _dotted_endings("subtitles"):
        return path
    for name in (stem, os.path.splitext(stem)[0]):
        for film in _dotted_endings("video"):
            for candidate in (name + film, name + film.upper()):  # cameras write DSC_0001.MP4
                if os.path.exists(candidate):
                    return candidate
    return path


@cache
def _dotted_endings(kind: Literal["subtitles", "video"]) -> tuple[str, ...]:
    from mmsearch.retrieval.media.formats import endings_of  # imported only here: most queries need no table of formats

    return tuple(f".{ending}" for ending in endings_of(kind))


@dataclass(frozen=True, slots=True)
class ScoredSpan:
    """A moment of a file.

    Attributes:
        at: the row whose span it has.
        evidence: the rows that overlap it and match best, one of each kind, the best first.
        match: all of the evidence fused.
    """

    at: Hit
    evidence: tuple[Hit, ...]
    match: float

    def as_hit(self, path: str, kind: Modality, *, own_score: bool) -> Hit:
        """The moment as a hit of a file. ``own_score``: with the score of its row, not of the best evidence."""
        ranked_by = self.at if own_score else self.evidence[0]
        text = next((hit.text for hit in self.evidence if hit.text), None)
        names = tuple(dict.fromkeys(name for hit in self.evidence for name in hit.evidence))
        facts = self.at if path == self.at.path else replace(self.at, state=_state_of(path))
        own = next((hit for hit in (self.at, *self.evidence) if hit.path == path), None)  # no subtitles beside a film
        return replace(
            facts,
            copies=own.copies if own else (),
            content_hash=own.content_hash if own else b"",
            id=ranked_by.id,
            facts=ranked_by.facts,
            score=ranked_by.score,
            match=self.match,
            path=path,
            modality=kind,
            text=text,
            evidence=names,
        )


def moments_of(rows: Sequence[Hit]) -> list[ScoredSpan]:
    """The moments of one file, best first, made from its rows.

    Rows that are longer than a moment, or that contain a row of their own kind (a short film of several shots), are no
    moments: they only add their match. Subtitles are always moments, however long they are shown. A moment is left out
    if its own kind of evidence is much weaker there than another, which has a moment of its own.
    """
    short = [row for row in rows if is_moment(row) or row.modality == "text"]
    moments = []
    strong = []
    for at in (row for row in short if not any(_contains(row, other) for other in short)):
        best: dict[str, Hit] = {}
        for row in rows:
            kind = row.evidence[0]
            if _overlap(at, row) > 0 and (kind not in best or row.match > best[kind].match):
                best[kind] = row
        ordered = sorted(best.values(), key=lambda hit: (-hit.match, hit.id))
        evidence = [ordered[0], *(hit for hit in ordered[1:] if hit.match >= _STRONG_MATCH)]
        moments.append(ScoredSpan(at, tuple(evidence), fuse_matches([hit.match for hit in evidence])))
        if best[at.evidence[0]].match >= min(_STRONG_MATCH, ordered[0].match - _CLOSE_MATCH):
            strong.append(moments[-1])
    return sorted(strong or moments, key=_best_first)


def _best_first(moment: ScoredSpan) -> tuple[float, bool, float, int]:
    """By match; of moments with the same best evidence, first those of its kind."""
    borrowed = moment.at.evidence != moment.evidence[0].evidence
    return -moment.match, borrowed, -moment.at.match, moment.at.id


def _contains(row: Hit, other: Hit) -> bool:
    """Whether a row's span contains that of another row of its kind, and is longer."""
    if row.evidence != other.evidence or row.path != other.path or _length(row) <= _length(other):
        return False
    return _overlap(row, other) >= _length(other) - _EPSILON_S


def fuse_matches(matches: Sequence[float]) -> float:
    """One match of several kinds of evidence: the logarithm of the sum of their exponentials.

    Of one it is that match; of n it lies above the greatest, by at most log(n).
    """
    greatest = max(matches)
    return greatest + math.log(sum(math.exp(match - greatest) for match in matches))


def drop_repeats(moments: Sequence[ScoredSpan], similarity: Callable[[Hit, Hit], float]) -> list[ScoredSpan]:
    """Moments of one file, best first, without those that repeat a better one: they overlap it by half, or are its
    neighbour and show the same.

    Args:
        moments: best first.
        similarity: gives the cosine of two rows.
    """
    kept: list[ScoredSpan] = []
    for moment in moments:
        if not any(_repeats(moment.at, better.at, similarity) for better in kept):
            kept.append(moment)
    return kept


def _repeats(hit: Hit, better: Hit, similarity: Callable[[Hit, Hit], float]) -> bool:
    shorter = min(_length(hit), _length(better))
    overlap = _overlap(hit, better)
    if overlap >= shorter / 2:
        return True
    return hit.evidence == better.evidence and overlap > -_EPSILON_S and similarity(hit, better) >= SAME_COSINE


def _length(hit: Hit) -> float:
    assert hit.span is not None
    return max(hit.span.end - hit.span.start, _EPSILON_S)


def _overlap(one: Hit, other: Hit) -> float:
    """Seconds that two rows share; negative where there is a gap. Spans of no length share a little with all around."""
    assert one.span is not None
    assert other.span is not None
    shared = min(one.span.end, other.span.end) - max(one.span.start, other.span.start)
    return _EPSILON_S / 2 if shared == 0 and min(_length(one), _length(other)) == _EPSILON_S else shared


def _state_of(path: str) -> FileState:
    return "current" if os.path.exists(path) else "gone"
