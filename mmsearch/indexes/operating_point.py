"""Calibration: finds the cheapest operating point of an approximate index that reaches a recall target.

An operating point is how many lists are probed and how many candidates are rescored. Its recall is measured on queries
against exact search; half of the queries choose the point, the other half measure it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mmsearch.indexes.calibration import CORPUS_QUERIES, TEXT_QUERIES, Calibration, CalibrationPoint, K
from mmsearch.indexes.exact import candidate_cosines, search_exact
from mmsearch.indexes.faiss.probing import Probing
from mmsearch.indexes.vectors import Float32, Positions, StoredVectors, sample_positions

if TYPE_CHECKING:
    from mmsearch.indexes.faiss.approximate import ApproximateIndex

QUERIES_PER_KIND = 1024
"""Queries of each kind: half of them choose the operating point, the other half measure its recall."""

FEWEST_QUERIES = 256
"""Queries of each kind for an index of very many rows, each of which every query is compared with."""

TEXT_QUERY_COUNT = QUERIES_PER_KIND * 3 // 2
"""Text queries that an index is built with: a third trains query-weighted codes, the others calibrate."""

_MOST_COMPARISONS = 5_000_000_000  # of rows with queries of a kind, as long as there are `FEWEST_QUERIES`
_MIN_QUERIES_TO_SPLIT = 64  # with fewer of a kind, all of them train, choose and measure
_MARGIN_QUERIES = 128  # of a kind, by which the margins to try are set
_MIN_MARGIN_WITHOUT_TEXTS = 0.01

# Without text queries to calibrate with: how much more texts need than rows of the corpus do. A margin gives texts more
# lists by itself; the rest was measured on vectors like those of CLIP models (decision 13).
_MARGIN_FACTOR, _NPROBE_FACTOR, _CANDIDATES_FACTOR = 1.25, 6, 3

_CANDIDATES = (20, 30, 40, 60, 80, 120, 160, 240, 320, 480, 640, 960)
_MORE_CANDIDATES = (1280, 1920)  # tried with coarse codes, where fewer do not reach the target
_SAME_ROW = 0.9995  # the cosine of a float16 row with itself is above
_SCOUTS = 64  # queries of a kind that try a point first, to see if it is worth trying all
_SCOUT_SLACK = 0.06  # a point is not worth it if its recall is this far below (three standard deviations)
_CONFIDENCE = 1.64  # standard errors: a one-sided bound of 95 %
_RESCORED_QUERIES = 16  # whose candidates are in memory at a time: to read a row maps its neighbours too
_NEARLY_BEST = 0.002  # recall that is given up for less work where the target is out of reach

# The cost of a query in nanoseconds on one core; only ratios matter. Fitted to queries of 200,000 and 1,000,000 rows
# of 512 dimensions with their codes in memory. To probe a list costs mostly cache and page-table misses.
_SCAN_NS_PER_BYTE = {True: 0.034, False: 0.6}  # of a code: with fast scan, without
_RESCORE_NS_PER_VALUE = 0.4
_CANDIDATE_NS = 100.0
_PROBE_NS = 2300.0


@dataclass(frozen=True, slots=True)
class _GroundTruth:
    """Queries of a kind, and the score of the last true neighbour of each.

    Attributes:
        queries: unit vectors, float32 ``[q, dim]``.
        kth_score: the lowest score among the true neighbours, float32 ``[q]``.
        neighbours: how many true neighbours there are: K, or fewer in a small corpus, int64 ``[q]``.
        is_corpus_row: whether a query is a row itself, which does not count as its neighbour, bool ``[q]``.
    """

    queries: Float32
    kth_score: Float32
    neighbours: NDArray[np.int64]
    is_corpus_row: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.queries)

    def part(self, rows: slice) -> _GroundTruth:
        """Some of the queries."""
        return _GroundTruth(self.queries[rows], self.kth_score[rows], self.neighbours[rows], self.is_corpus_row[rows])


_ByKind = Mapping[str, _GroundTruth]


@dataclass(frozen=True, slots=True)
class _Measured:
    """How many true neighbours of each query are among its first 1, 2, … candidates: int64 ``[q, candidates]``."""

    found: NDArray[np.int64]
    truth: _GroundTruth

    def recall(self, candidates: int) -> float:
        """Recall@10 when so many candidates are rescored."""
        return int(self._found_within(candidates).sum()) / max(int(self.truth.neighbours.sum()), 1)

    def standard_error(self, candidates: int) -> float:
        """The standard error of `recall`, from how much the queries differ in theirs."""
        each = self._found_within(candidates) / np.maximum(self.truth.neighbours, 1)
        return float(np.std(each)) / math.sqrt(max(len(each), 1))

    def _found_within(self, candidates: int) -> NDArray[np.int64]:
        return self.found[:, min(candidates, self.found.shape[1]) - 1]


@dataclass(frozen=True, slots=True)
class _Subject:
    """The index that is calibrated, with the rows that it covers and their ids (ascending)."""

    index: ApproximateIndex
    vectors: StoredVectors
    ids: Positions
    threads: int | None

    def ground_truth(self, queries: Float32) -> _GroundTruth:
        """The true neighbours of queries, by exact search."""
        scores, _ = search_exact(self.vectors, queries, K + 1, threads=self.threads, release_pages=True)
        is_corpus_row = scores[:, 0] > _SAME_ROW
        scores = np.take_along_axis(scores, is_corpus_row[:, None] + np.arange(K), axis=1)
        filled = scores > -np.inf
        kth_score: Float32 = np.min(scores, axis=1, where=filled, initial=np.inf)
        return _GroundTruth(queries, kth_score, np.count_nonzero(filled, axis=1), is_corpus_row)

    def measure(self, truth: _GroundTruth, probing: Probing, count: int) -> _Measured:
        """Ask the index for ``count`` candidates of each query, and count the true neighbours among them.

        A candidate that scores as high as the last true neighbour is one: equal scores are equally good.
        """
        found = self.index.candidates(truth.queries, count, probing, threads=self.threads)
        positions = np.where(found >= 0, np.searchsorted(self.ids, np.maximum(found, 0)), -1)
        scores = np.empty(positions.shape, np.float32)
        for start in range(0, len(positions), _RESCORED_QUERIES):
            some = slice(start, start + _RESCORED_QUERIES)
            scores[some] = candidate_cosines(self.vectors, truth.queries[some], positions[some])
            self.vectors.release_pages()
        right = np.cumsum(scores >= truth.kth_score[:, None] - 1e-6, axis=1)
        itself = np.maximum.accumulate(scores > _SAME_ROW, axis=1) & truth.is_corpus_row[:, None]
        return _Measured(np.clip(right - itself, 0, truth.neighbours[:, None]), truth)

    def measure_each(self, kinds: _ByKind, probing: Probing, count: int) -> dict[str, _Measured]:
        """As `measure`, for each kind of query."""
        return {kind: self.measure(truth, probing, count) for kind, truth in kinds.items()}

    def cost(self, nprobe: int, candidates: int) -> float:
        """As `query_cost`."""
        return query_cost(self.index, nprobe, candidates)


def query_cost(index: ApproximateIndex, nprobe: int, candidates: int) -> float:
    """Roughly the nanoseconds that a query takes at an operating point, beyond what all queries take."""
    scanned_bytes = len(index) * nprobe / index.lists * index.code_bytes
    return (
        scanned_bytes * _SCAN_NS_PER_BYTE[index.uses_fast_scan]
        + nprobe * _PROBE_NS
        + candidates * (index.dim * _RESCORE_NS_PER_VALUE + _CANDIDATE_NS)
    )


def calibrate(
    approximate: ApproximateIndex,
    vectors: StoredVectors,
    ids: Positions,
    queries: Mapping[str, Float32],
    *,
    target: float,
    threads: int | None = None,
) -> Calibration:
    """Find the cheapest operating point at which every kind of query reaches a recall target.

    Text queries lie farther from the rows than rows do from each other, and have their neighbours in more lists. If
    there are only rows to calibrate with, the point that they need is therefore widened.

    Args:
        approximate: an index that covers all of ``vectors``.
        vectors: the stored rows.
        ids: their ids, ascending, int64 ``[rows]``.
        queries: unit vectors float32 ``[q, dim]`` by kind, such as `CORPUS_QUERIES` and `TEXT_QUERIES`. A row that
            equals its query does not count as an answer.
        target: recall@10 against exact search.
        threads: at most this many; default one for each processor.
    """
    subject = _Subject(approximate, vectors, ids, threads)
    count = queries_worth_comparing(len(vectors))
    truth = {kind: subject.ground_truth(_spread(some, count)) for kind, some in queries.items() if len(some)}
    choosing = {kind: _half(some, 0) for kind, some in truth.items()}
    held_out = {kind: _half(some, 1) for kind, some in truth.items()}
    best, curve = _cheapest(subject, choosing, target)
    probing, candidates = best or _nearly_best(subject, curve)
    if list(truth) == [CORPUS_QUERIES]:
        probing, candidates = _widened(probing, candidates, approximate.lists)
    measured = subject.measure_each(held_out, probing, candidates)
    return Calibration(
        nprobe=probing.nprobe,
        candidates=candidates,
        target=target,
        recall={kind: some.recall(candidates) for kind, some in measured.items()},
        queries={kind: len(some) for kind, some in held_out.items()},
        curve=tuple(curve),
        probe_margin=probing.probe_margin,
    )


def queries_worth_comparing(rows: int) -> int:
    """Queries of each kind that an index of so many rows is calibrated with: fewer where each takes long."""
    return max(FEWEST_QUERIES, min(QUERIES_PER_KIND, _MOST_COMPARISONS // max(rows, 1)))


def _spread(queries: Float32, count: int) -> Float32:
    """``count`` of the queries, spread over all of them."""
    return queries if len(queries) <= count else queries[np.linspace(0, len(queries) - 1, count).astype(np.int64)]


def calibration_queries(
    vectors: StoredVectors, text_queries: Float32 | None = None, *, seed: int = 0
) -> dict[str, Float32]:
    """The queries to calibrate with, by kind: rows of the corpus, and those of ``text_queries`` that do not train."""
    queries = {CORPUS_QUERIES: corpus_queries(vectors, seed=seed)}
    if text_queries is not None and len(text_queries):
        queries[TEXT_QUERIES] = split_text_queries(np.asarray(text_queries, np.float32))[1]
    return queries


def corpus_queries(vectors: StoredVectors, *, seed: int, count: int = QUERIES_PER_KIND) -> Float32:
    """Random rows of the corpus as queries, float32 ``[count or fewer, dim]``."""
    return vectors.sample_float32(sample_positions(len(vectors), count, seed))


def split_text_queries(texts: Float32) -> tuple[Float32, Float32]:
    """Text queries ``[q, dim]`` that train query-weighted codes, and those that calibrate; few queries do both."""
    if len(texts) < 3 * _MIN_QUERIES_TO_SPLIT:
        return texts, texts
    return texts[::3], np.delete(texts, slice(None, None, 3), axis=0)


def _half(truth: _GroundTruth, number: int) -> _GroundTruth:
    """Every other query, from number 0 or 1 on; all of them if they are few."""
    return truth.part(slice(number, None, 2)) if len(truth) >= _MIN_QUERIES_TO_SPLIT else truth


def _widened(probing: Probing, candidates: int, lists: int) -> tuple[Probing, int]:
    """The operating point for text queries, guessed from the one for rows."""
    margin = probing.probe_margin
    if margin is not None:
        margin = max(_MARGIN_FACTOR * margin, _MIN_MARGIN_WITHOUT_TEXTS)
    nprobe = min(_NPROBE_FACTOR * probing.nprobe, lists)
    return Probing(nprobe, margin), min(_CANDIDATES_FACTOR * candidates, _MORE_CANDIDATES[-1])


def _cheapest(
    subject: _Subject, choosing: _ByKind, target: float
) -> tuple[tuple[Probing, int] | None, list[CalibrationPoint]]:
    """The cheapest point at which every kind reaches the target, None if there is none; and all that were tried."""
    scouts = {kind: truth.part(slice(0, _SCOUTS)) for kind, truth in choosing.items()}
    ladder: tuple[int, ...] = _CANDIDATES + _MORE_CANDIDATES
    all_lists = subject.measure_each(scouts, Probing(subject.index.lists), ladder[-1])
    if all(some.recall(_CANDIDATES[-1]) >= target for some in all_lists.values()):
        ladder = _CANDIDATES
    worth_trying = {kind: min(target, some.recall(ladder[-1])) - _SCOUT_SLACK for kind, some in all_lists.items()}
    curve: list[CalibrationPoint] = []
    best: tuple[float, Probing, int] | None = None
    for probing in _probings(subject.index, [truth.queries for truth in choosing.values()]):
        if best is not None and subject.cost(probing.nprobe, _CANDIDATES[0]) >= best[0]:
            break
        measured = subject.measure_each(scouts, probing, ladder[-1])
        all_tried = all(some.recall(ladder[-1]) >= worth_trying[kind] for kind, some in measured.items())
        if all_tried:
            measured = subject.measure_each(choosing, probing, ladder[-1])
        for candidates in ladder:
            curve.append(_point(probing, candidates, measured))
            if all_tried and _reaches(target, candidates, measured):
                cost = subject.cost(probing.nprobe, candidates)
                if best is None or cost < best[0]:
                    best = cost, probing, candidates
                break
    return (best[1:] if best else None), curve


def _probings(index: ApproximateIndex, kinds: Sequence[Float32]) -> Iterator[Probing]:
    """Margins by which 1, 2, 3, 4, 6, … lists are probed on average over all kinds of queries; and last, all lists."""
    margins = np.sort(np.concatenate([index.centroid_margins(some[:_MARGIN_QUERIES]).ravel() for some in kinds]))
    nprobe = 1
    while nprobe < index.lists:
        rank = min(nprobe * len(margins) // index.lists, len(margins) - 1)
        yield Probing(nprobe, float(margins[rank]))
        nprobe = nprobe * 3 // 2 if nprobe & (nprobe - 1) == 0 and nprobe > 1 else 1 << nprobe.bit_length()
    yield Probing(index.lists)


def _point(probing: Probing, candidates: int, measured: Mapping[str, _Measured]) -> CalibrationPoint:
    return CalibrationPoint(
        nprobe=probing.nprobe,
        candidates=candidates,
        recall={kind: some.recall(candidates) for kind, some in measured.items()},
        queries={kind: len(some.truth) for kind, some in measured.items()},
        probe_margin=probing.probe_margin,
    )


def _reaches(target: float, candidates: int, measured: Mapping[str, _Measured]) -> bool:
    """Whether every kind of query reaches the target by so much that most other queries would reach it too."""
    return all(
        some.recall(candidates) >= min(target + _CONFIDENCE * some.standard_error(candidates), (1 + target) / 2)
        for some in measured.values()
    )


def _nearly_best(subject: _Subject, curve: Sequence[CalibrationPoint]) -> tuple[Probing, int]:
    """The cheapest of the points whose recall is nearly the best of all."""

    def lowest(point: CalibrationPoint) -> float:
        return min(point.recall.values(), default=1.0)

    highest = max(map(lowest, curve))
    good = [point for point in curve if lowest(point) >= highest - _NEARLY_BEST]
    point = min(good, key=lambda some: subject.cost(some.nprobe, some.candidates))
    return point.probing, point.candidates
