"""Hits of one film or sound gathered on its clock: the best moment first, with the evidence that meets there.

A film's picture, its sound and its subtitles are rows of their own, perhaps of several spaces. What they say of one
moment is fused; a row longer than a span may be (a whole film, a long shot) lends its match to the moments in it.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from mmsearch.hits import FileState, Hit
from mmsearch.retrieval.media.decode_spec import MAX_SPAN_S
from mmsearch.retrieval.media.formats import endings_of
from mmsearch.types import Modality

SAME = 0.97
"""Neighbouring moments whose vectors have at least this cosine show the same: they are listed once."""

_STANDS_OUT = 2.0  # standard deviations: by chance one row in forty lies above
_NEARLY = 1.0  # standard deviations: by so little one kind of evidence hardly says more than another
_SUBTITLES = tuple(f".{ending}" for ending in endings_of("subtitles"))
_FILMS = tuple(f".{ending}" for ending in endings_of("video"))
_EPSILON_S = 1e-3


def is_timed(hit: Hit) -> bool:
    """Whether a row stands for a time in a film or sound."""
    return hit.span is not None and hit.span.unit == "s"


def is_moment(hit: Hit) -> bool:
    """Whether a timed row is short enough to be a hit's span."""
    assert hit.span is not None
    return hit.span.end - hit.span.start <= MAX_SPAN_S + _EPSILON_S


def owner(path: str) -> str:
    """The file whose clock a row is on: the film that subtitles lie beside, else the file itself.

    ``film.srt`` and ``film.en.srt`` belong to ``film.mp4``.
    """
    stem, ending = os.path.splitext(path)
    if ending.lower() not in _SUBTITLES:
        return path
    for name in (stem, os.path.splitext(stem)[0]):
        for film in _FILMS:
            for there in (name + film, name + film.upper()):  # cameras write DSC_0001.MP4
                if os.path.exists(there):
                    return there
    return path


@dataclass(frozen=True, slots=True)
class ScoredSpan:
    """A span of a file, what is to be said for it, and how well it matches in all."""

    at: Hit
    evidence: tuple[Hit, ...]
    match: float

    def as_hit(self, path: str, kind: Modality, *, alone: bool) -> Hit:
        """The hit that shows it. ``alone``: with its own score, not that of the row by which the file is ranked."""
        ranked_by = self.at if alone else self.evidence[0]
        text = next((hit.text for hit in self.evidence if hit.text), None)
        names = tuple(dict.fromkeys(name for hit in self.evidence for name in hit.evidence))
        facts = self.at if path == self.at.path else replace(self.at, state=_state_of(path))
        own = next((hit for hit in (self.at, *self.evidence) if hit.path == path), None)  # no subtitles beside a film
        return replace(
            facts,
            copies=own.copies if own else (),
            content_hash=own.content_hash if own else b"",
            id=ranked_by.id,
            score=ranked_by.score,
            match=self.match,
            path=path,
            modality=kind,
            text=text,
            evidence=names,
        )


def moments_of(rows: Sequence[Hit]) -> list[ScoredSpan]:
    """The moments of one file among its rows, best first. Rows that are longer than a moment, or hold one of their own
    kind (a short film of several shots), only lend their match; words have no smaller scale, however long they stand.

    A row whose own kind says far less than another is no moment: what that other shows at the time has its own.
    """
    short = [row for row in rows if is_moment(row) or row.modality == "text"]
    moments = []
    told = []
    for at in (row for row in short if not any(_holds(row, other) for other in short)):
        best: dict[str, Hit] = {}
        for row in rows:
            kind = row.evidence[0]
            if _overlap(at, row) > 0 and (kind not in best or row.match > best[kind].match):
                best[kind] = row
        ordered = sorted(best.values(), key=lambda hit: (-hit.match, hit.id))
        evidence = [ordered[0], *(hit for hit in ordered[1:] if hit.match >= _STANDS_OUT)]
        moments.append(ScoredSpan(at, tuple(evidence), fused([hit.match for hit in evidence])))
        if best[at.evidence[0]].match >= min(_STANDS_OUT, ordered[0].match - _NEARLY):
            told.append(moments[-1])
    return sorted(told or moments, key=_best_first)


def _best_first(moment: ScoredSpan) -> tuple[float, bool, float, int]:
    """By match; of moments that owe it to one row, first those of that row's kind."""
    borrowed = moment.at.evidence != moment.evidence[0].evidence
    return -moment.match, borrowed, -moment.at.match, moment.at.id


def _holds(row: Hit, other: Hit) -> bool:
    """Whether a row is of a larger scale than another of its kind: it begins and ends with or around it."""
    if row.evidence != other.evidence or row.path != other.path or _length(row) <= _length(other):
        return False
    return _overlap(row, other) >= _length(other) - _EPSILON_S


def fused(matches: Sequence[float]) -> float:
    """One match of several kinds of evidence: the logarithm of the sum of their exponentials.

    With one kind it is that match; with several it lies above the greatest, by at most the logarithm of their number.
    """
    greatest = max(matches)
    return greatest + math.log(sum(math.exp(match - greatest) for match in matches))


def distinct(moments: Sequence[ScoredSpan], cosine: Callable[[Hit, Hit], float]) -> list[ScoredSpan]:
    """Moments of one file, best first, without those that overlap a better one by half or show the same beside it."""
    kept: list[ScoredSpan] = []
    for moment in moments:
        if not any(_repeats(moment.at, better.at, cosine) for better in kept):
            kept.append(moment)
    return kept


def _repeats(hit: Hit, better: Hit, cosine: Callable[[Hit, Hit], float]) -> bool:
    shorter = min(_length(hit), _length(better))
    overlap = _overlap(hit, better)
    if overlap >= shorter / 2:
        return True
    return hit.evidence == better.evidence and overlap > -_EPSILON_S and cosine(hit, better) >= SAME


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
