"""Copies among pictures: their vectors propose pairs, and a comparison of small pictures confirms them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from mmsearch.collection import Collection
from mmsearch.hits import Record
from mmsearch.library.duplicates.compare import Agreement, agrees_closely, compare, is_copy
from mmsearch.library.duplicates.files import Ints
from mmsearch.library.duplicates.known import Pair
from mmsearch.library.duplicates.look import SIDE, Look, look_of
from mmsearch.library.duplicates.propose import Floats32, Joined, Told, in_runs

NEAREST = 8
"""Of each picture, so many of the nearest are compared."""

_NEARNESS = 0.63  # of the way from the usual cosine to 1
_FEW = 1000
_MOST_OF_FEW, _MOST = 0.5, 0.85
_LOOKS_AT_ONCE = 4096  # 64 kB each
_LARGE, _LARGE_AT_ONCE = 512, 128  # pixels of the longer side, pairs
_BURST_S = 10.0
_ALL = 0.93  # of an area: a copy that shows as much is not cropped
_LIKE = 0.95  # correlation of most blocks in copies of one shot
_TILT = 0.6  # degrees


def least_cosine(usual: float, count: int) -> float:
    """How near vectors of pictures must be, so that they are compared.

    Args:
        usual: the mean cosine of two pictures of the collection.
        count: how many pictures there are: of few, which may be alike, more are compared.
    """
    return min(usual + _NEARNESS * (1 - usual), _MOST_OF_FEW if count <= _FEW else _MOST)


@dataclass(slots=True)
class Compared:
    """What came of comparing.

    Attributes:
        pairs: those that are copies, and those that were asked for by name and are none.
        count: how many were compared.
        unreadable: paths of pictures that could not be read, each with the reason.
    """

    pairs: list[Pair] = field(default_factory=list)
    count: int = 0
    unreadable: dict[str, str] = field(default_factory=dict)


def compare_pictures(
    collection: Collection,
    one: Ints,
    other: Ints,
    nearest: Floats32 | None = None,
    *,
    workers: int,
    with_different: bool = False,
    told: Told = lambda share: None,
) -> Compared:
    """Compare pairs of pictures by their pixels.

    Args:
        collection: the collection.
        one: the row of a picture of each pair.
        other: the row of the other.
        nearest: the cosine of each pair: the nearest are compared first.
        workers: processes that decode.
        with_different: also give back the pairs that are no copies.
        told: called with the share of the work that is done.
    """
    made, done = Compared(), 0
    joined = Joined()
    for places in in_runs(one, other, _LOOKS_AT_ONCE, nearest):
        ids = np.unique(np.concatenate([one[places], other[places]]))
        records = {record.id: record for record in collection.records(ids.tolist())}
        looks = dict(_looks(list(records.values()), made, workers, SIDE))
        drawn: list[tuple[int, int, Agreement]] = []
        for place in places.tolist():
            a, b = int(one[place]), int(other[place])
            if not with_different and joined.are(a, b):
                done += 1
                continue  # both are copies of a third: they are compared if one of them is to be kept
            made.count += 1
            if a in looks and b in looks:
                found = compare(looks[a], looks[b])
                if is_copy(found) and (looks[a].is_drawn or looks[b].is_drawn):
                    drawn.append((a, b, found))
                    continue
                reason = _reason(found, records[a], records[b]) if is_copy(found) else "different"
                if reason not in ("different", "burst"):
                    joined.join(a, b)
                if reason != "different" or with_different:
                    made.pairs.append(Pair(a, b, reason, round(min(1.0, found.share), 4)))
            done += 1
            if done % 64 == 0:
                told(done / len(one))
        made.pairs += _drawn_pairs(drawn, records, made, workers, with_different)
    told(1.0)
    return made


def _drawn_pairs(
    drawn: Sequence[tuple[int, int, Agreement]],
    records: dict[int, Record],
    made: Compared,
    workers: int,
    with_different: bool,
) -> Iterator[Pair]:
    """The pairs of drawn pictures, such as pages and screenshots, that also agree at a size at which text is read."""
    for begin in range(0, len(drawn), _LARGE_AT_ONCE):
        some = drawn[begin : begin + _LARGE_AT_ONCE]
        ids = sorted({row for a, b, _ in some for row in (a, b)})
        looks = dict(_looks([records[row] for row in ids], made, workers, _LARGE))
        for a, b, found in some:
            if a not in looks or b not in looks:
                continue
            side = min(_LARGE, *(max(*_size(records[row]), SIDE) for row in (a, b)))
            if agrees_closely(looks[a].reduced_to(side), looks[b].reduced_to(side), found):
                yield Pair(a, b, _reason(found, records[a], records[b]), round(min(1.0, found.share), 4))
            elif with_different:
                yield Pair(a, b, "different", 0.0)


def _looks(records: Sequence[Record], made: Compared, workers: int, side: int) -> Iterator[tuple[int, Look]]:
    there = [record for record in records if record.state == "current"]
    if len(there) < 4 * workers:
        workers = 1
    for record, thumbnail in zip(
        there, Collection.thumbnails(there, height=side, width=side, workers=workers), strict=True
    ):
        if thumbnail.pixels is None:
            made.unreadable[record.path] = thumbnail.reason or ""
        else:
            look = look_of(thumbnail.pixels)
            if not look.is_flat:
                yield record.id, look


def _reason(found: Agreement, one: Record, other: Record) -> str:
    """What makes one picture a copy of the other."""
    when = _seconds_apart(one, other)
    if when is not None:
        if when > _BURST_S:
            return "different"
        if when > 0 or (found.variant == 0 and found.median < _LIKE and _size(one) == _size(other)):
            return "burst"
    if found.variant or abs(found.tilt) > _TILT:
        return "turned"
    if min(found.of_one, found.of_other) < _ALL:
        return "cropped"
    if found.share < _ALL:
        return "overlaid"
    return "recompressed" if _size(one) == _size(other) else "resized"


def _size(record: Record) -> tuple[int, int]:
    return record.width or 0, record.height or 0


def _seconds_apart(one: Record, other: Record) -> float | None:
    """The seconds between two shots by the cameras' clocks; None where these do not tell."""
    if one.taken_at is None or other.taken_at is None or not (one.taken_from == other.taken_from == "exif"):
        return None
    return abs((one.taken_at - other.taken_at).total_seconds())
