"""Quality by measurement: how many lists to probe and candidates to re-score for a recall target, at the least cost."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mmsearch.indexes.exact import cosines_of, search_exact
from mmsearch.indexes.faiss.probing import Probing
from mmsearch.indexes.vectors import Floats, Positions, StoredVectors

if TYPE_CHECKING:
    from mmsearch.indexes.faiss.approximate import ApproximateIndex

K = 10
ROWS = "row"
"""The kind of queries that are rows of the corpus itself."""

QUERIES = 1024
"""Queries of each kind: half of them choose, the other half say what recall was reached."""

TEXTS = QUERIES * 3 // 2
"""Queries of words: a third of them is learned from, the others are measured with."""

_GAP_QUERIES = 128  # of a kind, that reaches are set by
_LEAST_REACH = 0.01
_FEW = 64  # queries of a kind below which all of them do everything
# What words need of what rows need, where there are only rows to measure with. By `Probing.reach` words get more lists
# by themselves; the rest was measured on vectors like those of CLIP models (decision 13).
_ALONE_REACH, _ALONE_LISTS, _ALONE_CANDIDATES = 1.25, 6, 3
_CANDIDATES = (20, 30, 40, 60, 80, 120, 160, 240, 320, 480, 640, 960)
_MORE_CANDIDATES = (1280, 1920)  # for coarse codes, with which these find what fewer do not
_SELF = 0.9995  # the cosine of a float16 row with itself
_SCOUTS = 64  # queries of a kind that are asked first, to see whether a point is worth asking all
_FAR_BELOW = 0.06  # of what can be reached on these: such a point is not worth it (three deviations)
_CONFIDENCE = 1.64  # standard errors that bound nineteen in twenty from below
_GATHERED = 16  # queries whose candidates' rows are in memory at a time: reading one maps its neighbours too
_NEAR_BEST = 0.002  # where the target is out of reach: recall that is given up for less work

# Nanoseconds on one core; only their ratios matter. Fitted to queries of 200,000 and 1,000,000 rows of 512 dimensions
# whose codes are in memory. What a list costs is mostly the way to it, over caches and page tables.
_SCAN_NS_PER_BYTE = {True: 0.034, False: 0.6}  # of a code: scanned in registers (fast scan), or looked up
_RESCORE_NS_PER_VALUE = 0.4  # gathered and multiplied
_CANDIDATE_NS = 100.0  # kept among the best while lists are scanned
_PROBE_NS = 2300.0


@dataclass(frozen=True, slots=True)
class Calibration:
    """The chosen operating point and what was measured there: recall@10 by kind of query, and on how many queries.

    Lists within ``reach`` are probed (see `Probing`), which is ``nprobe`` of them on average; indexes of older versions
    have no reach, and probe that many. ``recall`` was measured on queries that had no say in the choice. ``curve``
    holds every point that was tried: nprobe, reach, candidates, the recall of each kind on some of the queries that
    chose (far below the target) or all, and on how many.
    """

    nprobe: int
    candidates: int
    target: float
    recall: dict[str, float]
    queries: dict[str, int]
    curve: list[dict[str, Any]] = field(default_factory=list)
    reach: float | None = None

    @property
    def probing(self) -> Probing:
        """Which lists to probe."""
        return Probing(self.nprobe, self.reach)

    @property
    def reached(self) -> bool:
        """Whether every kind of query reaches the target, but for what chance does to so few (two standard errors)."""
        return all(
            value >= self.target - 2 * _standard_error(self.target, self.queries[kind])
            for kind, value in self.recall.items()
        )

    def to_json(self) -> dict[str, Any]:
        """The fields as a JSON object."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Calibration:
        """The inverse of `to_json`."""
        return cls(**data)


@dataclass(frozen=True, slots=True)
class _Questions:
    """Queries of a kind and the least score among the true neighbours of each.

    ``own`` marks queries that are rows themselves: a row is no answer to itself.
    """

    queries: Floats
    least: Floats
    there: NDArray[np.int64]
    own: NDArray[np.bool_]

    def part(self, rows: slice) -> _Questions:
        return _Questions(self.queries[rows], self.least[rows], self.there[rows], self.own[rows])


def calibrate(
    approximate: ApproximateIndex,
    vectors: StoredVectors,
    ids: Positions,
    queries: Mapping[str, Floats],
    *,
    target: float,
    threads: int | None = None,
) -> Calibration:
    """Find the probes and candidates with which every kind of query reaches ``target`` for the least work.

    Queries of another modality lie farther from the rows, and their neighbours in more lists. Where there are
    none to measure with, the probes that rows need are therefore multiplied.

    Args:
        approximate: covers all of ``vectors``.
        vectors: the stored rows.
        ids: their ids, ascending.
        queries: unit vectors float32 ``[q, dim]`` by kind, for example `ROWS` and ``text``. A row that
            equals its query does not count as an answer.
        target: recall@10 against exact search.
        threads: at most so many.
    """
    asked = {kind: _questions(vectors, part, threads) for kind, part in queries.items() if len(part)}
    enough = {kind: len(part.queries) >= _FEW for kind, part in asked.items()}
    choosing = {kind: part.part(slice(0, None, 2)) if enough[kind] else part for kind, part in asked.items()}
    held_out = {kind: part.part(slice(1, None, 2)) if enough[kind] else part for kind, part in asked.items()}
    best, curve = _cheapest(approximate, vectors, ids, choosing, target, threads)
    probing, candidates = best or _next_best(approximate, curve, list(asked))
    if list(asked) == [ROWS]:
        reach = None if probing.reach is None else max(_ALONE_REACH * probing.reach, _LEAST_REACH)
        probing = Probing(min(_ALONE_LISTS * probing.nprobe, approximate.lists), reach)
        candidates = min(_ALONE_CANDIDATES * candidates, _MORE_CANDIDATES[-1])
    recall = {
        kind: _recall(_found(approximate, vectors, ids, part, probing, candidates, threads), part, candidates)
        for kind, part in held_out.items()
    }
    measured_on = {kind: len(part.queries) for kind, part in held_out.items()}
    return Calibration(probing.nprobe, candidates, target, recall, measured_on, curve, probing.reach)


def to_learn_from(texts: Floats) -> Floats:
    """The queries of words ``[q, dim]`` that weighted codes are learned from: they are not measured with."""
    return texts[::3] if len(texts) >= 3 * _FEW else texts


def to_measure_with(texts: Floats) -> Floats:
    """The others; all of them where there are few."""
    return np.delete(texts, slice(None, None, 3), axis=0) if len(texts) >= 3 * _FEW else texts


def _cheapest(
    approximate: ApproximateIndex,
    vectors: StoredVectors,
    ids: Positions,
    choosing: Mapping[str, _Questions],
    target: float,
    threads: int | None,
) -> tuple[tuple[Probing, int] | None, list[dict[str, Any]]]:
    """The point of least work that reaches the target for every kind, None if there is none; and all that was tried."""
    ladder: tuple[int, ...] = _CANDIDATES + _MORE_CANDIDATES

    def found(parts: Mapping[str, _Questions], probing: Probing) -> dict[str, NDArray[np.int64]]:
        most = ladder[-1]
        return {kind: _found(approximate, vectors, ids, part, probing, most, threads) for kind, part in parts.items()}

    scouts = {kind: part.part(slice(0, _SCOUTS)) for kind, part in choosing.items()}
    most = found(scouts, Probing(approximate.lists))
    if all(_recall(most[kind], part, _CANDIDATES[-1]) >= target for kind, part in scouts.items()):
        ladder = _CANDIDATES
    worth = {kind: min(target, _recall(most[kind], part, ladder[-1])) - _FAR_BELOW for kind, part in scouts.items()}
    curve: list[dict[str, Any]] = []
    best: tuple[float, Probing, int] | None = None
    for probing in _ladder(approximate, [part.queries for part in choosing.values()]):
        if best is not None and _cost(approximate, probing.nprobe, _CANDIDATES[0]) >= best[0]:
            break
        asked: Mapping[str, _Questions] = scouts
        ranks = found(scouts, probing)
        if all(_recall(ranks[kind], part, ladder[-1]) >= worth[kind] for kind, part in scouts.items()):
            asked, ranks = choosing, found(choosing, probing)
        on = {kind: len(part.queries) for kind, part in asked.items()}
        for candidates in ladder:
            recall = {kind: _recall(ranks[kind], part, candidates) for kind, part in asked.items()}
            point = {"nprobe": probing.nprobe, "reach": probing.reach, "candidates": candidates}
            curve.append({**point, **recall, "queries": on})
            if asked is choosing and all(
                recall[kind] >= _with_margin(target, _deviation(ranks[kind], part, candidates))
                for kind, part in asked.items()
            ):
                cost = _cost(approximate, probing.nprobe, candidates)
                if best is None or cost < best[0]:
                    best = cost, probing, candidates
                break
    return (best[1:] if best else None), curve


def corpus_queries(vectors: StoredVectors, *, seed: int, count: int = QUERIES) -> Floats:
    """Rows of the corpus itself as queries, drawn with a seed."""
    from mmsearch.indexes.faiss.approximate import drawn

    return vectors.sampled(drawn(len(vectors), count, seed))


def _ladder(approximate: ApproximateIndex, kinds: list[Floats]) -> Iterator[Probing]:
    """Reaches within which 1, 2, 3, 4, 6, … lists lie on average over all kinds of queries, and all lists at last."""
    behind = np.sort(np.concatenate([approximate.gaps(queries[:_GAP_QUERIES]).ravel() for queries in kinds]))
    nprobe = 1
    while nprobe < approximate.lists:
        place = min(nprobe * len(behind) // approximate.lists, len(behind) - 1)
        yield Probing(nprobe, float(behind[place]))
        nprobe = nprobe * 3 // 2 if nprobe & (nprobe - 1) == 0 and nprobe > 1 else 1 << nprobe.bit_length()
    yield Probing(approximate.lists)


def _with_margin(target: float, deviation: float) -> float:
    """What is asked of the queries that choose, for they are few: so much that most others reach the target too."""
    return min(target + _CONFIDENCE * deviation, (1 + target) / 2)


def _standard_error(recall: float, queries: int) -> float:
    return math.sqrt(recall * (1 - recall) / (K * max(queries, 1)))


def _cost(approximate: ApproximateIndex, nprobe: int, candidates: int) -> float:
    """Nanoseconds, roughly, that a query takes beyond what all queries take."""
    scanned = len(approximate) * nprobe / approximate.lists * approximate.code_bytes
    return (
        scanned * _SCAN_NS_PER_BYTE[approximate.scans_fast]
        + nprobe * _PROBE_NS
        + candidates * (approximate.dim * _RESCORE_NS_PER_VALUE + _CANDIDATE_NS)
    )


def _next_best(approximate: ApproximateIndex, curve: list[dict[str, Any]], kinds: list[str]) -> tuple[Probing, int]:
    """The least work among the points that come near the best that can be had."""

    def worst(point: Mapping[str, Any]) -> float:
        return min((point[kind] for kind in kinds), default=1.0)

    most = max(map(worst, curve))
    good = [point for point in curve if worst(point) >= most - _NEAR_BEST]
    point = min(good, key=lambda p: _cost(approximate, p["nprobe"], p["candidates"]))
    return Probing(int(point["nprobe"]), point["reach"]), int(point["candidates"])


def _questions(vectors: StoredVectors, queries: Floats, threads: int | None) -> _Questions:
    scores, _ = search_exact(vectors, queries, K + 1, threads=threads, passing=True)
    own = scores[:, 0] > _SELF
    scores = np.take_along_axis(scores, own[:, None] + np.arange(K), axis=1)
    there = scores > -np.inf
    least: Floats = np.min(scores, axis=1, where=there, initial=np.inf)
    return _Questions(queries, least, np.count_nonzero(there, axis=1), own)


def _found(
    approximate: ApproximateIndex,
    vectors: StoredVectors,
    ids: Positions,
    asked: _Questions,
    probing: Probing,
    count: int,
    threads: int | None,
) -> NDArray[np.int64]:
    """How many true neighbours of each query are among its first 1, 2, … candidates, ``[q, count]``.

    Any row that scores as high as the last true neighbour is right: rows of equal score are as good.
    """
    found = approximate.candidates(asked.queries, count, probing, threads=threads)
    places = np.where(found >= 0, np.searchsorted(ids, np.maximum(found, 0)), -1)
    scores = np.empty(places.shape, np.float32)
    for start in range(0, len(places), _GATHERED):
        some = slice(start, start + _GATHERED)
        scores[some] = cosines_of(vectors, asked.queries[some], places[some])
        vectors.release()
    right = np.cumsum(scores >= asked.least[:, None] - 1e-6, axis=1)
    itself = np.maximum.accumulate(scores > _SELF, axis=1) & asked.own[:, None]
    return np.clip(right - itself, 0, asked.there[:, None])


def _deviation(found: NDArray[np.int64], asked: _Questions, candidates: int) -> float:
    """The standard error of `_recall`, as queries differ in theirs."""
    last = min(candidates, found.shape[1]) - 1
    each = found[:, last] / np.maximum(asked.there, 1)
    return float(np.std(each)) / math.sqrt(max(len(each), 1))


def _recall(found: NDArray[np.int64], asked: _Questions, candidates: int) -> float:
    last = min(candidates, found.shape[1]) - 1
    return int(found[:, last].sum()) / max(int(asked.there.sum()), 1)
