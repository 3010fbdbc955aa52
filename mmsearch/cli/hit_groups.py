"""Hits of several kinds on a terminal: a group for each kind of file, unless one kind is clearly the best."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from mmsearch import Hit
from mmsearch.types import LEVELS

_HEADINGS: dict[str, str] = {"image": "pictures", "video": "films", "audio": "sounds", "text": "texts"}


@dataclass(frozen=True, slots=True)
class HitGroup:
    """Hits that are listed together, in order of rank, below a heading; it is empty where all are one list."""

    heading: str
    hits: Sequence[Hit]


def grouped(hits: Sequence[Hit]) -> list[HitGroup]:
    """Divide hits by kind, in the order of the best hit of each kind.

    They stay one list if there is one kind, or if the best level of one kind is higher than that of every other kind.
    """
    kinds: dict[str, list[Hit]] = {}
    for hit in hits:
        kinds.setdefault(hit.modality, []).append(hit)
    if len(kinds) < 2 or _has_clearly_best(kinds.values()):
        return [HitGroup("", hits)]
    return [HitGroup(_HEADINGS[kind], own) for kind, own in kinds.items()]


def _has_clearly_best(kinds: Collection[Sequence[Hit]]) -> bool:
    """Whether the best level of one of several kinds is higher than those of the others; all must be known."""
    best = sorted(min((LEVELS.index(hit.level) for hit in own if hit.level), default=-1) for own in kinds)
    return best[0] != -1 and best[0] < best[1]
