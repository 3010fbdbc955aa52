"""The best moments of films and sounds: rows that overlap in time are fused.

The pictures of a film, its sound and its subtitles are rows of their own, perhaps of several spaces. Rows at one time
are evidence for one moment. A row that is longer than a moment (a whole film, a long shot) adds its match to the
moments inside it. The moments of all files of all queries are made at once, on arrays of pairs of rows.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from functools import cache, lru_cache
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mmsearch.hits import FileState
from mmsearch.retrieval.search.hit_rows import Row

SAME_COSINE = 0.97
"""Neighbouring moments whose vectors have at least this cosine show the same: they are listed once."""

Similarity = Callable[[Row, Row], float]
"""The cosine of the stored vectors of two rows."""

_ROWS_PER_KIND = 64  # rows of one film or sound, the best of each kind of evidence; more change nothing
_STRONG_MATCH = 2.0  # standard deviations: by chance one row in forty lies above
_CLOSE_MATCH = 1.0  # standard deviations: two kinds of evidence that differ by less are about as strong
_EPSILON_S = 1e-3
_MOST_PAIRS = 1 << 19  # pairs of rows that are compared at a time: some 30 MB

Floats = NDArray[np.float64]
Places = NDArray[np.intp]


def clock_file(path: str) -> str:
    """The file that a row's times refer to: for subtitles the film beside them, else the file itself.

    ``film.srt`` and ``film.en.srt`` belong to ``film.mp4``.
    """
    if not _are_subtitles(path):
        return path
    stem = os.path.splitext(path)[0]
    for name in (stem, os.path.splitext(stem)[0]):
        for film in _dotted_endings("video"):
            for candidate in (name + film, name + film.upper()):  # cameras write DSC_0001.MP4
                if os.path.exists(candidate):
                    return candidate
    return path


@lru_cache(maxsize=4096)
def _are_subtitles(path: str) -> bool:
    return os.path.splitext(path)[1].lower() in _dotted_endings("subtitles")


@cache
def _dotted_endings(kind: Literal["subtitles", "video"]) -> tuple[str, ...]:
    from mmsearch.retrieval.media.formats import endings_of  # imported only here: most queries need no table of formats

    return tuple(f".{ending}" for ending in endings_of(kind))


class TimedRows(NamedTuple):
    """Rows with times, of some files.

    Attributes:
        rows: the rows.
        files: the number of the file of each, int ``[rows]``.
        matches: how well each matches, a z-score, float64 ``[rows]``.
    """

    rows: Sequence[Row]
    files: Places
    matches: Floats


class Moments(NamedTuple):
    """Moments, file by file, the best first.

    Attributes:
        files: the number of the file of each, int ``[moments]``.
        at: the row whose span each has.
        matches: all of the evidence fused, float64 ``[moments]``.
        evidence: for each the rows that overlap it and match best, one of each kind, the best first.
        members: by number of a file, its rows that were looked at, the best first.
    """

    files: list[int]
    at: list[int]
    matches: list[float]
    evidence: list[tuple[int, ...]]
    members: dict[int, Sequence[int]]


def moments_of(timed: TimedRows, *, best_only: bool = False) -> Moments:
    """The moments of files, made from their rows.

    Rows that are longer than a moment, or that contain a row of their own kind (a short film of several shots), are no
    moments: they only add their match. Subtitles are always moments, however long they are shown. A moment is left out
    if its own kind of evidence is much weaker there than another, which has a moment of its own.

    Args:
        timed: the rows.
        best_only: only the best moment of each file.
    """
    made = Moments([], [], [], [], {})
    if not len(timed.rows):
        return made
    kinds = _codes([row.evidence for row in timed.rows])
    order = _best_of_each_kind(timed.files, kinds, timed.matches)
    for begin, stop in _file_runs(timed.files[order]):
        _add_moments(made, timed, kinds, order[begin:stop], best_only)
    return made


def _codes(values: Sequence[str]) -> Places:
    codes: dict[str, int] = {}
    return np.array([codes.setdefault(value, len(codes)) for value in values], np.intp)


def _best_of_each_kind(files: Places, kinds: Places, matches: Floats) -> Places:
    """The rows by file and kind of evidence, the best first, and not too many of each kind."""
    order = np.lexsort((-matches, kinds, files))
    first = _firsts(files[order], kinds[order])
    place = np.arange(len(order)) - np.maximum.accumulate(np.where(first, np.arange(len(order)), 0))
    kept: Places = order[place < _ROWS_PER_KIND]
    return kept


def _firsts(*keys: NDArray[np.generic]) -> NDArray[np.bool_]:
    """Where a run of equal keys begins."""
    first = np.ones(len(keys[0]), np.bool_)
    first[1:] = keys[0][1:] != keys[0][:-1]
    for key in keys[1:]:
        first[1:] |= key[1:] != key[:-1]
    return first


def _file_runs(files: Places) -> Iterator[tuple[int, int]]:
    """Neighbouring files in runs whose pairs of rows are not too many."""
    starts = np.flatnonzero(_firsts(files))
    sizes = np.diff(np.append(starts, len(files)))
    if int((sizes * sizes).sum()) <= _MOST_PAIRS:
        yield 0, len(files)
        return
    begin = pairs = 0
    for start, size in zip(starts.tolist(), sizes.tolist(), strict=True):
        if pairs and pairs + size * size > _MOST_PAIRS:
            yield begin, start
            begin, pairs = start, 0
        pairs += size * size
    yield begin, len(files)


def _add_moments(made: Moments, timed: TimedRows, kinds: Places, order: Places, best_only: bool) -> None:
    """Add the moments of the files of some rows, which lie together and by kind the best first."""
    rows = [timed.rows[number] for number in order.tolist()]
    files, matches, kind = timed.files[order], timed.matches[order], kinds[order]
    ids = np.array([row.id for row in rows], np.int64)
    one, other = _overlaps(rows, files, kind)
    # Of each moment and kind of evidence the first pair is that with the best row.
    best = _firsts(one, kind[other])
    one, other = one[best], other[best]
    by_match = np.lexsort((ids[other], -matches[other], one))
    one, other = one[by_match], other[by_match]
    found = matches[other]
    is_top = _firsts(one)
    at = one[is_top]
    moment = np.cumsum(is_top) - 1
    top = found[is_top]
    own = np.full(len(at), -np.inf)
    of_own_kind = kind[one] == kind[other]
    own[moment[of_own_kind]] = found[of_own_kind]
    told = is_top | (found >= _STRONG_MATCH)
    moment, other, found = moment[told], other[told], found[told]
    starts = np.flatnonzero(_firsts(moment))
    fused = top + np.log(np.add.reduceat(np.exp(found - top[moment]), starts)) if len(at) else top
    strong = own >= np.minimum(_STRONG_MATCH, top - _CLOSE_MATCH)
    has_strong = np.zeros(int(files[-1]) + 1, np.bool_)
    has_strong[files[at[strong]]] = True
    borrowed = kind[at] != kind[other[starts]]
    chosen = np.lexsort((ids[at], -matches[at], borrowed, -fused, files[at]))
    chosen = chosen[(strong | ~has_strong[files[at]])[chosen]]
    if best_only:
        chosen = chosen[_firsts(files[at[chosen]])]
    bounds = np.append(starts, len(other))
    sources = order[other].tolist()
    made.files.extend(files[at[chosen]].tolist())
    made.at.extend(order[at[chosen]].tolist())
    made.matches.extend(fused[chosen].tolist())
    firsts, lasts = bounds[chosen].tolist(), bounds[chosen + 1].tolist()
    made.evidence.extend(tuple(sources[first:last]) for first, last in zip(firsts, lasts, strict=True))
    by_file = np.lexsort((-matches, files))
    members, numbers = order[by_file].tolist(), files[by_file]
    begins = np.flatnonzero(_firsts(numbers))
    for file, first, last in zip(
        numbers[begins].tolist(), begins.tolist(), [*begins[1:].tolist(), len(members)], strict=True
    ):
        made.members[file] = members[first:last]


def _overlaps(rows: Sequence[Row], files: Places, kind: Places) -> tuple[Places, Places]:
    """Pairs of a row that is a moment and a row of its file that it shares time with."""
    starts, ends = np.array([row.start for row in rows]), np.array([row.end for row in rows])
    lengths = np.maximum(ends - starts, _EPSILON_S)
    short = np.array([row.is_moment or row.modality == "text" for row in rows], np.bool_)
    paths = _codes([row.path for row in rows])
    run = np.cumsum(_firsts(files)) - 1
    sizes = np.bincount(run)
    begins = np.cumsum(sizes) - sizes
    per_row = sizes[run]
    one = np.repeat(np.arange(len(rows)), per_row)
    other = np.arange(len(one)) + np.repeat(begins[run] - (np.cumsum(per_row) - per_row), per_row)
    shared = np.minimum(ends[one], ends[other]) - np.maximum(starts[one], starts[other])
    # Spans of no length share a little with all around.
    none = (shared == 0) & (np.minimum(lengths[one], lengths[other]) == _EPSILON_S)
    shared = np.where(none, _EPSILON_S / 2, shared)
    contains = (kind[one] == kind[other]) & (paths[one] == paths[other]) & (lengths[one] > lengths[other])
    contains &= short[other] & (shared >= lengths[other] - _EPSILON_S)
    moments = short.copy()
    moments[one[contains]] = False
    kept = moments[one] & (shared > 0)
    return one[kept], other[kept]


def without_repeats(moments: Moments, rows: Sequence[Row], similarity: Similarity) -> list[int]:
    """The numbers of moments without those that repeat a better one of their file: they overlap it by half, or are its
    neighbour and show the same.

    Args:
        moments: of files, the best first.
        rows: the rows that they are of.
        similarity: gives the cosine of two rows.
    """
    kept: list[int] = []
    better: dict[int, list[Row]] = {}
    for number, (file, at) in enumerate(zip(moments.files, moments.at, strict=True)):
        own = better.setdefault(file, [])
        if not any(_repeats(rows[at], one, similarity) for one in own):
            own.append(rows[at])
            kept.append(number)
    return kept


def _repeats(row: Row, better: Row, similarity: Similarity) -> bool:
    shorter = max(min(row.end - row.start, better.end - better.start), _EPSILON_S)
    overlap = min(row.end, better.end) - max(row.start, better.start)
    if overlap == 0 and shorter == _EPSILON_S:
        overlap = _EPSILON_S / 2
    if overlap >= shorter / 2:
        return True
    return row.evidence == better.evidence and overlap > -_EPSILON_S and similarity(row, better) >= SAME_COSINE


def state_of(path: str) -> FileState:
    """Whether a film is there that a row's times refer to."""
    return "current" if os.path.exists(path) else "gone"
