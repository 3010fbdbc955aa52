"""Events: files that were made close to one another in time and place.

A gap in time divides two events if it is far longer than the gaps around it (PhotoTOC: Platt, Czerwinski and Field,
2003), or a journey lies in it. Days away from home that follow one another at one place become one event.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SECOND = 1_000_000
HOUR = 3600 * SECOND
DAY = 24 * HOUR

_NEIGHBOURS = 10
"""Gaps on either side that a gap is compared with."""
_TIMES_LONGER = 17
"""A gap that divides is so many times as long as these, as their geometric mean has it."""
_LEAST_GAP, _MOST_GAP = 2 * HOUR, 20 * HOUR
"""A shorter gap never divides, a longer one always does: a day without a picture, apart from trips."""
_LEAST_JOURNEY_GAP = HOUR // 2

_JOURNEY_KM = 25
"""A file so far from the last one begins another event."""
_NEAR_KM = 50
"""Days so near to one another, and so far from home, are a trip."""
_BY_CHANCE = 0.01
"""Days in a row with files that are rarer than that are a trip, where no place is known."""
_LEAST_WEEKS = 4
"""Somebody has pictures of the place where they live in so many weeks."""
_LONGEST_PAUSE = 40 * HOUR
"""Without a picture, within a trip."""
_EARTH_KM = 6371.0


@dataclass(frozen=True, slots=True, eq=False)
class Events:
    """How files fall into events.

    Attributes:
        event: the number of the event of each file, int64 ``[n]``, in order of time; -1 for files without a date.
        count: of events.
    """

    event: NDArray[np.int64]
    count: int


def find_events(
    taken: NDArray[np.int64], is_dated: NDArray[np.bool_], lat: NDArray[np.float64], lon: NDArray[np.float64]
) -> Events:
    """Divide files into events.

    Args:
        taken: when each was taken, microseconds, int64 ``[n]``.
        is_dated: whether that is known.
        lat: degrees of latitude, NaN where not known.
        lon: the same of longitude.
    """
    event = np.full(len(taken), -1, np.int64)
    dated = np.flatnonzero(is_dated)
    if not len(dated):
        return Events(event, 0)
    order = dated[np.argsort(taken[dated], kind="stable")]
    times, where = taken[order], np.stack([lat[order], lon[order]], axis=1)
    parts = np.concatenate([[0], np.cumsum(_divides(times, where))])
    joined = _trips(times, where, parts)
    event[order] = joined
    return Events(event, int(joined[-1]) + 1)


def _divides(times: NDArray[np.int64], where: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether an event ends between each file and the next, bool ``[n - 1]``."""
    gaps = np.diff(times)
    logs = np.log(np.maximum(gaps, SECOND).astype(np.float64))
    sums = np.concatenate([[0.0], np.cumsum(logs)])
    first = np.maximum(np.arange(len(logs)) - _NEIGHBOURS, 0)
    last = np.minimum(np.arange(len(logs)) + _NEIGHBOURS + 1, len(logs))
    usual = (sums[last] - sums[first]) / np.maximum(last - first, 1)
    is_long = (logs >= usual + np.log(_TIMES_LONGER)) & (gaps >= _LEAST_GAP)
    divides: NDArray[np.bool_] = is_long | (gaps >= _MOST_GAP) | _journeys(gaps, where)
    return divides


def _journeys(gaps: NDArray[np.int64], where: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether a journey lies between each file and the next: the last known place before is far from the new one."""
    known = np.flatnonzero(~np.isnan(where).any(axis=1))
    found = np.zeros(len(gaps), np.bool_)
    far = np.flatnonzero(kilometres(where[known[:-1]], where[known[1:]]) >= _JOURNEY_KM)
    for i in far:
        between = np.arange(known[i], known[i + 1])  # files whose place is not known may lie on the way
        longest = between[np.argmax(gaps[between])]
        found[longest] = gaps[longest] >= _LEAST_JOURNEY_GAP
    return found


def _trips(times: NDArray[np.int64], where: NDArray[np.float64], parts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Parts that follow one another at one place away from home, as one; where no place is known, by their days."""
    starts = np.flatnonzero(np.diff(parts, prepend=-1))
    ends = np.append(starts[1:], len(parts)) - 1
    middles = np.array([_middle(where[start : end + 1]) for start, end in zip(starts, ends, strict=True)])
    first, last = times[starts] // DAY, times[ends] // DAY
    together = _days_in_a_row(first, last, np.isnan(middles).any(axis=1))
    home = _home(middles, first)
    if home is not None:
        with np.errstate(invalid="ignore"):
            is_away = kilometres(middles, np.broadcast_to(home, middles.shape)) >= _NEAR_KM
            is_near = kilometres(middles[:-1], middles[1:]) < _NEAR_KM
        pause = times[starts[1:]] - times[ends[:-1]]
        together |= is_away[:-1] & is_away[1:] & is_near & (pause <= _LONGEST_PAUSE)
    number = np.append(0, np.cumsum(~together))
    return number[parts]


def _days_in_a_row(
    first: NDArray[np.int64], last: NDArray[np.int64], is_unknown: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Whether a part and the next are of a trip, bool ``[parts - 1]``: so many days in a row would be chance no more.

    It is chance as often as the share of all days that have a file, to the power of the days in a row.
    """
    joined = is_unknown[:-1] & is_unknown[1:] & (first[1:] - last[:-1] <= 1)
    with_files = len(np.unique(np.concatenate([first, last])))
    share = with_files / (int(last[-1]) - int(first[0]) + 1)
    found = np.zeros(len(joined), np.bool_)
    run = 0
    for i in range(1, len(first) + 1):
        if i == len(first) or not joined[i - 1]:
            if share ** int(last[i - 1] - first[run] + 1) <= _BY_CHANCE:
                found[run : i - 1] = True
            run = i
    return found


def _middle(where: NDArray[np.float64]) -> NDArray[np.float64]:
    known = where[~np.isnan(where).any(axis=1)]
    return np.median(known, axis=0) if len(known) else np.full(2, np.nan)


def _home(middles: NDArray[np.float64], days: NDArray[np.int64]) -> NDArray[np.float64] | None:
    """The place with files in the most weeks; None where no place is known.

    Where that is in fewer than `_LEAST_WEEKS`, nobody is at home anywhere: all of it is trips, far from the pole.
    """
    known = ~np.isnan(middles).any(axis=1)
    if not known.any():
        return None
    cells = np.round(middles[known] * 2) / 2  # squares of about 50 km
    squares, which = np.unique(cells, axis=0, return_inverse=True)
    weeks = days[known] // 7
    counts = np.array([len(np.unique(weeks[which.reshape(-1) == i])) for i in range(len(squares))])
    most = int(np.argmax(counts))
    if counts[most] < _LEAST_WEEKS:
        return np.array([-90.0, 0.0])
    found: NDArray[np.float64] = np.median(middles[known][which.reshape(-1) == most], axis=0)
    return found


def kilometres(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    """Great-circle distances between positions, degrees ``[n, 2]``; NaN where one is not known."""
    lat1, lon1, lat2, lon2 = np.radians(np.stack([first[:, 0], first[:, 1], second[:, 0], second[:, 1]]))
    half = np.sin((lat2 - lat1) / 2) ** 2 + np.cos(lat1) * np.cos(lat2) * np.sin((lon2 - lon1) / 2) ** 2
    distance: NDArray[np.float64] = 2 * _EARTH_KM * np.arcsin(np.sqrt(np.clip(half, 0, 1)))
    return distance
