"""The newest or the oldest first, among the hits that are good."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from mmsearch.hits import Hit
from mmsearch.retrieval.search.options import SearchOptions
from mmsearch.retrieval.store.snapshot import Snapshot
from mmsearch.types import LEVELS

MOST_SORTED = 200
"""Hits by relevance that are looked at, if no more are wanted: dates alone would bring up what does not fit at all."""

_MOST_OF_ALL = 5_000
"""The same, where hits of all levels are asked for: then filters alone say what counts."""

_GOOD = ("strong", "likely")


def candidates_wanted(options: SearchOptions) -> int:
    """How many hits are to be found before they are put in order."""
    wanted = options.offset + options.k
    if options.sort == "relevance":
        return wanted
    return max(wanted, _MOST_OF_ALL if options.min_level == LEVELS[-1] else MOST_SORTED)


def in_order(ranked: Sequence[Hit], snapshot: Snapshot, options: SearchOptions) -> list[Hit]:
    """The hits from ``offset`` on in the order that is asked for, with their ranks.

    By date, those of level *likely* or better count, or of the least level that is asked for. If there are none, the
    best by relevance are put in order.
    """
    wanted = options.offset + options.k
    if options.sort == "relevance":
        return list(ranked)
    good = list(ranked) if options.min_level is not None else [hit for hit in ranked if hit.level in _GOOD]
    found = good or list(ranked[:wanted])
    dates = _dates(found, snapshot)
    found.sort(key=lambda hit: (dates[hit.id], -hit.rank), reverse=options.sort == "newest")
    return [replace(hit, rank=rank) for rank, hit in enumerate(found[:wanted], 1)][options.offset :]


def _dates(hits: Sequence[Hit], snapshot: Snapshot) -> dict[int, dt.datetime]:
    """When each hit was taken, else changed, by its id."""
    found = {hit.id: hit.taken_at for hit in hits if hit.taken_at is not None}
    undated = np.array(sorted({hit.id for hit in hits} - found.keys()), np.int64)
    for rows in snapshot.all_rows().values() if len(undated) else ():
        positions = rows.live_positions_of(undated)
        for row_id, row in zip(rows.ids[positions].tolist(), rows.facts_at(positions, ["mtime_ns"]), strict=True):
            found[row_id] = dt.datetime(1970, 1, 1) + dt.timedelta(microseconds=row["mtime_ns"] // 1000)
    return {hit.id: found.get(hit.id, dt.datetime.min) for hit in hits}
