"""Copies among films: shots that are near by their vectors say where two films may lie over one another, and frames at
equal times confirm it. Black and even frames count for nothing."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np

from mmsearch.collection import Collection
from mmsearch.hits import Record
from mmsearch.library.duplicates.compare import compare, is_copy
from mmsearch.library.duplicates.files import Floats, Ints
from mmsearch.library.duplicates.known import Pair
from mmsearch.library.duplicates.look import SIDE, Look, look_of
from mmsearch.library.duplicates.pictures import Compared
from mmsearch.library.duplicates.propose import Floats32, Joined, Told
from mmsearch.types import Span

_FRAMES = 6  # of each film that are laid over one another
_ENOUGH = 0.7  # of the frames that show something
_OF_SHORTER = 0.8  # of the shorter film that must lie in the longer
_OF_LONGER = 0.5
_TOLERANCE_S = 0.3
_OFFSETS = 3
_LOOKED_THROUGH = 48  # frames of the longer film in which one of the shorter is sought
_FINER = 4
_KEPT = 1024  # frames, 64 kB each
_ALIKE = 0.9  # cosine of shots, so that it is worth while


@dataclasses.dataclass(frozen=True, slots=True)
class Alike:
    """Two films with shots that are near by their vectors.

    Attributes:
        one: the row that stands for a film.
        other: that of the other film.
        offsets: by how much the first begins earlier, in seconds: where near shots begin.
        cosine: of the nearest shots.
    """

    one: int
    other: int
    offsets: tuple[float, ...]
    cosine: float


LEAST_COSINE = 0.75
"""Of shots that may be of copies: a frame costs a hundred times as much to read as a picture."""


def alike(starts: Floats, units: Ints, one: Ints, other: Ints, cosines: Floats32) -> list[Alike]:
    """Pairs of films by pairs of their shots, each with the offsets that most of its shots have.

    Args:
        starts: when each shot begins.
        units: of each shot, the row that stands for its film.
        one: the place of one shot of each pair.
        other: the place of the other.
        cosines: of the pairs.
    """
    made: dict[tuple[int, int], tuple[list[float], float]] = {}
    for a, b, cosine in zip(one.tolist(), other.tolist(), cosines.tolist(), strict=True):
        first, second = int(units[a]), int(units[b])
        if first == second:
            continue
        if first > second:
            a, b, first, second = b, a, second, first
        offsets, best = made.get((first, second), ([], -1.0))
        offsets.append(float(np.nan_to_num(starts[a]) - np.nan_to_num(starts[b])))
        made[first, second] = offsets, max(best, cosine)
    return [
        Alike(first, second, _most_common(np.array(offsets)), best) for (first, second), (offsets, best) in made.items()
    ]


def _most_common(offsets: Floats) -> tuple[float, ...]:
    found: list[float] = []
    left = offsets
    while len(left) and len(found) < _OFFSETS:
        votes = (np.abs(left[:, None] - left[None, :]) <= _TOLERANCE_S).sum(axis=1)
        centre = left[int(np.argmax(votes))]
        near = np.abs(left - centre) <= _TOLERANCE_S
        found.append(float(np.median(left[near])))
        left = left[~near]
    return tuple(found)


def compare_films(
    collection: Collection, pairs: Sequence[Alike], *, with_different: bool = False, told: Told = lambda share: None
) -> Compared:
    """Compare films by frames at equal times."""
    made = Compared()
    frames = Frames(collection, made)
    joined = Joined()
    for number, pair in enumerate(sorted(pairs, key=lambda pair: -pair.cosine)):
        if not with_different and joined.are(pair.one, pair.other):
            continue  # both are copies of a third: they are compared if one of them is to be kept
        records = collection.records([pair.one, pair.other])
        if len(records) == 2 and all(record.state == "current" for record in records):
            made.count += 1
            share = _FilmPair(frames, records[0], records[1], pair).share()
            if share is not None:
                joined.join(pair.one, pair.other)
                made.pairs.append(Pair(pair.one, pair.other, "film", round(share, 4)))
            elif with_different:
                made.pairs.append(Pair(pair.one, pair.other, "different", 0.0))
        told((number + 1) / len(pairs))
    return made


class _FilmPair:
    def __init__(self, frames: Frames, one: Record, other: Record, alike: Alike) -> None:
        self._frames, self._one, self._other, self._alike = frames, one, other, alike
        self._lengths = one.duration_s or 0.0, other.duration_s or 0.0

    def share(self) -> float | None:
        """How much of the frames at equal times agrees; None if the films are no copies."""
        ends = self._lengths[0] - self._lengths[1]
        tried: list[float] = []
        for offset in (0.0, *self._alike.offsets, ends):
            if all(abs(offset - before) > 0.05 for before in tried):
                tried.append(offset)
                if (found := self._agreement(offset)) is not None:
                    return found
        if self._alike.cosine >= _ALIKE and (sought := self._sought()) is not None:
            return self._agreement(sought)
        return None

    def _overlap(self, offset: float) -> tuple[float, float] | None:
        """From when to when of the first film the second plays as well; None if that is too little of both."""
        start, end = max(0.0, offset), min(self._lengths[0], offset + self._lengths[1])
        shorter, longer = min(self._lengths), max(self._lengths)
        is_enough = end - start >= _OF_SHORTER * shorter and end - start >= _OF_LONGER * longer
        return (start, end) if shorter > 0 and is_enough else None

    def _agreement(self, offset: float) -> float | None:
        overlap = self._overlap(offset)
        if overlap is None:
            return None
        start, end = overlap
        times = start + (end - start) * (np.arange(_FRAMES) + 0.5) / _FRAMES
        shares: list[float] = []
        shown = 0
        for place, time in enumerate(times.tolist()):
            one, other = self._frame(self._one, time), self._frame(self._other, time - offset)
            if one is None or other is None or (one.is_flat and other.is_flat):
                continue
            shown += 1
            found = compare(one, other, turned=False)
            if is_copy(found):
                shares.append(found.share)
            elif place + 1 - len(shares) > (1 - _ENOUGH) * _FRAMES and not shares:
                return None
        if len(shares) < min(2, shown) or not shares or len(shares) < _ENOUGH * shown:
            return None
        return float(np.mean(shares)) * len(shares) / shown

    def _sought(self) -> float | None:
        """The offset at which a frame from the middle of the shorter film is found in the longer."""
        longer, shorter = self._one, self._other
        if self._lengths[1] > self._lengths[0]:
            longer, shorter = shorter, longer
        middle = (shorter.duration_s or 0.0) / 2
        sought = self._frame(shorter, middle)
        length = longer.duration_s or 0.0
        if sought is None or sought.is_flat or not length:
            return None
        step = length / _LOOKED_THROUGH
        times = np.arange(0, length, step)
        for _ in range(2):
            likeness = [self._likeness(sought, self._frame(longer, time)) for time in times.tolist()]
            best = float(times[int(np.argmax(likeness))])
            if max(likeness) <= 0:
                return None
            times = best + step * np.arange(-_FINER, _FINER + 1) / _FINER
            times, step = times[(times >= 0) & (times < length)], step / _FINER
        return best - middle if longer is self._one else middle - best

    @staticmethod
    def _likeness(sought: Look, frame: Look | None) -> float:
        if frame is None or frame.is_flat:
            return 0.0
        return max(
            float(own.reshape(-1) @ other.reshape(-1)) for own, other in zip(sought.squares, frame.squares, strict=True)
        )

    def _frame(self, record: Record, time: float) -> Look | None:
        return self._frames.at(record, time)


class Frames:
    """The frames of films at times, decoded one after the other in one process that stays."""

    def __init__(self, collection: Collection, made: Compared) -> None:
        self._asked: Record | None = None
        self._made = made
        self._kept: dict[tuple[int, float], Look | None] = {}
        self._decoded = collection.thumbnails(self._requests(), height=SIDE, width=SIDE)

    def at(self, record: Record, time: float) -> Look | None:
        """The frame that a film shows at a time; None if it shows none then."""
        key = (record.id, round(time, 3))
        if key not in self._kept:
            if len(self._kept) >= _KEPT:
                del self._kept[next(iter(self._kept))]
            self._kept[key] = self._read(record, time)
        return self._kept[key]

    def _read(self, record: Record, time: float) -> Look | None:
        self._asked = dataclasses.replace(record, modality="video", span=Span(max(0.0, time), max(0.0, time), "s"))
        thumbnail = next(self._decoded)
        if thumbnail.pixels is None:
            self._made.unreadable[record.path] = thumbnail.reason or ""
            return None
        return look_of(thumbnail.pixels)

    def _requests(self) -> Iterator[Record]:
        while self._asked is not None:
            yield self._asked
