"""Joins what was read in the shots of a film: a line that stays is kept once, with the time from first to last."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mmsearch.retrieval.enrich.ocr.lines import TextLine

_ALIKE = 0.8
"""Lines whose letters agree so far are one line: the same words are not read alike in every frame."""


@dataclass(frozen=True, slots=True)
class TimedLines:
    """Lines that are seen together from ``start_s`` to ``end_s``."""

    start_s: float
    end_s: float
    lines: tuple[TextLine, ...]


@dataclass(slots=True)
class _Seen:
    line: TextLine
    letters: str
    start_s: float
    end_s: float


def joined_over_time(shots: Iterable[tuple[float, float, Sequence[TextLine]]]) -> list[TimedLines]:
    """The lines of consecutive shots ``(start_s, end_s, lines)``, those with the same times together."""
    every: list[_Seen] = []
    before: list[_Seen] = []
    for start_s, end_s, lines in shots:
        now: list[_Seen] = []
        for line in lines:
            letters = _letters(line.text)
            same = next((one for one in before if one not in now and _alike(one.letters, letters)), None)
            if same is None:
                same = _Seen(line, letters, start_s, end_s)
                every.append(same)
            same.end_s = end_s
            now.append(same)
        before = now
    groups: dict[tuple[float, float], list[TextLine]] = {}
    for seen in every:
        groups.setdefault((seen.start_s, seen.end_s), []).append(seen.line)
    return [TimedLines(*times, tuple(lines)) for times, lines in sorted(groups.items())]


def _letters(text: str) -> str:
    return "".join(filter(str.isalnum, text.casefold()))


def _alike(one: str, other: str) -> bool:
    if one == other:
        return True
    if any(map(str.isdigit, one + other)):  # a clock or a score that changes
        return False
    matcher = difflib.SequenceMatcher(None, one, other, autojunk=False)
    return matcher.quick_ratio() >= _ALIKE and matcher.ratio() >= _ALIKE
