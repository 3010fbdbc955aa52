"""`Collection.calibrate`: level fits of a collection's own, by pairs or by its texts and pictures as they lie.

With pairs, each direction that they allow is fitted. If they name no absent things and the model was measured, only the
order of rows is fitted; what a good cosine is stays as it was measured. Without pairs, a direction is fitted that asks
with texts and of which nothing better is known: pairs are better than what was measured for the model, and that is
better than what the contents tell. Every fit is judged by queries and answers that it was not
learned from: on one half each, then all are learned from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmsearch.errors import CannotEmbedError, UsageError
from mmsearch.notices import Notice, NoticeKind
from mmsearch.retrieval.encoders.level_fits import (
    Direction,
    FitSource,
    LevelFit,
    direction_name,
    known_fit,
    measured_fit,
)
from mmsearch.retrieval.evaluation.contents import guess_pairs
from mmsearch.retrieval.evaluation.files import FilesOfSpace, not_indexed
from mmsearch.retrieval.evaluation.level_fitting import (
    Examples,
    answered_examples,
    fit_levels,
    unanswered_examples,
    unlike_examples,
)
from mmsearch.retrieval.evaluation.level_scores import LevelQuality, probabilities, quality_of
from mmsearch.retrieval.evaluation.pairs import read_pairs
from mmsearch.retrieval.evaluation.questions import Queries, Questions, questions_of
from mmsearch.retrieval.search.searcher import Searcher
from mmsearch.retrieval.search.session import Session
from mmsearch.retrieval.store.writer import open_writer
from mmsearch.types import Modality

LEAST_QUERIES = 20
"""Queries with an answer that a direction needs, and as many without one, or none of these."""

_MOST_QUERIES = 500
_MOST_ROWS = 50_000  # about 100 MB
Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class CalibratedDirection:
    """The new level fit of one direction, and how good levels are before and after.

    Both are measured on queries that the new fit was not learned from. With ``source`` *contents*, or if ``absent`` is
    0, searches without an answer are guessed: each query asks the rows that are unlike its answer.

    Attributes:
        space: the key of the space.
        model: its model.
        direction: what is asked and what answers, such as ``text → image``.
        source: ``pairs`` or ``contents``.
        queries: queries with an answer that it was learned from.
        absent: queries without one.
        rows: rows that were asked.
        before: of the fit that there was; None if there was none.
        after: of the new fit.
    """

    space: str
    model: str
    direction: str
    source: FitSource
    queries: int
    absent: int
    rows: int
    before: LevelQuality | None
    after: LevelQuality

    def to_json(self) -> dict[str, Any]:
        """The fields as a JSON object."""
        about = {"space": self.space, "model": self.model, "direction": self.direction, "source": self.source}
        counts = {"queries": self.queries, "absent": self.absent, "rows": self.rows}
        before = self.before.to_json() if self.before else None
        return {**about, **counts, "before": before, "after": self.after.to_json()}


@dataclass(frozen=True, slots=True)
class Calibrated:
    """What `Collection.calibrate` did.

    Attributes:
        directions: that have a new level fit.
        notices: directions that have none, and why.
    """

    directions: tuple[CalibratedDirection, ...]
    notices: tuple[Notice, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The object of ``mmsearch eval --calibrate --json``."""
        notices = [str(notice) for notice in self.notices]
        return {"calibrated": [direction.to_json() for direction in self.directions], "notices": notices}


_Fitted = tuple[CalibratedDirection, LevelFit]


def calibrate_session(session: Session, pairs: Path | None) -> Calibrated:
    """Fit levels on the collection and store the fits in its manifest.

    Args:
        session: the collection; it moves to the newest manifest.
        pairs: a PAIRS file; None for what the contents tell.

    Raises:
        UsageError: a bad PAIRS file, or nothing can be fitted; the text says what is needed.
        CollectionBusyError: another process writes to the collection.
    """
    notices: list[Notice] = []

    def fits() -> list[_Fitted]:
        return _by_contents(session, notices) if pairs is None else _by_pairs(session, pairs, notices)

    fitted = session.retrying(fits)
    if not fitted and not any(notice.kind is NoticeKind.LEVELS_KEPT for notice in notices):
        why = "; ".join(map(str, notices)) or "the collection is empty"
        raise UsageError(f"no levels were fitted: {why}")
    if fitted:
        with open_writer(session.root) as writer:
            stored = {space: dict(fits) for space, fits in writer.manifest.level_fits.items()}
            for direction, fit in fitted:
                stored.setdefault(direction.space, {})[direction.direction] = fit.to_json()
            writer.publish(replace(writer.manifest, level_fits=stored))
        session.reopen()
    return Calibrated(tuple(direction for direction, _ in fitted), tuple(notices))


def _by_pairs(session: Session, path: Path, notices: list[Notice]) -> list[_Fitted]:
    notices.clear()
    pairs = read_pairs(path)
    needs_model = any(pair.query is not None for pair in pairs)
    spaces = session.spaces or [session.primary_space]
    all_files = [FilesOfSpace(session.searcher(space)) for space in spaces]
    known = {name for files in all_files for name in files.modality}
    failures: list[CannotEmbedError] = []
    fitted = []
    for files, space in zip(all_files, spaces, strict=True):
        searcher = files.searcher
        files.elsewhere = known - files.modality.keys()
        for questions in questions_of(files, session.encoder(space) if needs_model else None, pairs, failures):
            queries, absent = len(questions.answerable), len(questions.absent)
            if queries < LEAST_QUERIES:
                notices.append(_too_few(questions.direction, searcher, queries, "queries with an answer"))
            elif 0 < absent < LEAST_QUERIES:
                notices.append(_too_few(questions.direction, searcher, absent, "queries without an answer, or none"))
            else:
                fitted.append(_fitted(searcher, questions, "pairs"))
    notices += [Notice(NoticeKind.PAIRS_NOT_SCORED, {"reason": reason}) for reason in dict.fromkeys(map(str, failures))]
    notices += not_indexed(pairs, known)
    return fitted


def _by_contents(session: Session, notices: list[Notice]) -> list[_Fitted]:
    notices.clear()
    fitted = []
    for space in session.spaces or [session.primary_space]:
        searcher = session.searcher(space)
        for modality in searcher.modalities:
            direction: Direction = ("text", modality)
            known = known_fit(session.manifest.level_fits, space, direction)
            if known is not None and known.source != "contents":
                values = {"direction": direction_name(direction), "model": space.model, "source": known.source}
                notices.append(Notice(NoticeKind.LEVELS_KEPT, values))
                continue
            rows = _rows(searcher, modality, ())
            guessed = guess_pairs(searcher, partial(session.encoder, space), modality, rows)
            if len(guessed.queries) < LEAST_QUERIES:
                what = "texts that are the nearest to what they are nearest to"
                notices.append(_too_few(direction, searcher, len(guessed.queries), what))
                continue
            asked = Queries(guessed.queries, [np.array([row]) for row in guessed.right], guessed.own)
            nothing = Queries(guessed.queries[:0], [], [])
            fitted.append(_fitted(searcher, Questions(direction, asked, nothing), "contents"))
    return fitted


def _too_few(direction: Direction, searcher: Searcher, found: int, what: str) -> Notice:
    values = {"direction": direction_name(direction), "model": searcher.space.model, "found": found}
    return Notice(NoticeKind.LEVELS_NOT_FITTED, {**values, "needed": LEAST_QUERIES, "what": what})


def _rows(searcher: Searcher, modality: Modality, wanted: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Positions of live rows, ascending: all, or those that are wanted and others drawn by chance."""
    live = searcher.rows(modality).live_positions
    if len(live) <= _MOST_ROWS:
        return live
    drawn = np.random.default_rng(0).permutation(live)[:_MOST_ROWS]
    return np.unique(np.concatenate([drawn, *wanted]))


@dataclass(frozen=True, slots=True)
class _Asked:
    """Queries and rows, by which fits are learned and judged. Positions are those among ``rows``.

    ``measured`` is what is known of the model.
    """

    rows: Vectors
    answerable: Queries
    absent: Queries
    measured: LevelFit | None

    def fit(self, source: FitSource) -> LevelFit:
        """A fit to all of them."""
        asked, absent = self.answerable, self.absent
        return fit_levels(
            asked.vectors,
            self.rows,
            asked.right,
            absent.vectors if len(absent) else None,
            source=source,
            measured=self.measured,
            own=asked.own,
            absent_own=absent.own,
        )

    def examples(self) -> Examples:
        """The best rows of the queries among all rows."""
        asked, absent = self.answerable, self.absent
        there = answered_examples(asked.vectors, self.rows, asked.right, own=asked.own, shares=(1,))
        if len(absent):
            return there + unanswered_examples(absent.vectors, self.rows, own=absent.own, shares=(1,))
        return there + unlike_examples(asked.vectors, self.rows, asked.right, own=asked.own, shares=(1,))

    def halves(self) -> list[_Asked]:
        """Two halves; queries with the same first answer are in the same one."""
        rng = np.random.default_rng(0)
        _, answer = np.unique([right[0] for right in self.answerable.right], return_inverse=True)
        chosen = rng.permutation(answer.max() + 1)[answer] * 2 <= answer.max()
        if chosen.all():  # all queries have one answer
            chosen = np.arange(len(chosen)) % 2 == 0
        absent = rng.permutation(len(self.absent)) % 2 == 0
        return [
            replace(self, answerable=self.answerable[np.flatnonzero(own)], absent=self.absent[np.flatnonzero(none)])
            for own, none in ((chosen, absent), (~chosen, ~absent))
        ]


def _fitted(searcher: Searcher, questions: Questions, source: FitSource) -> _Fitted:
    """The new fit of a direction, and how good it is."""
    direction, space = questions.direction, searcher.space
    answerable, absent = (_drawn(queries) for queries in (questions.answerable, questions.absent))
    positions = _rows(searcher, direction[1], answerable.right)
    vectors = np.asarray(searcher.rows(direction[1]).vectors_at(positions), np.float32)
    measured = measured_fit(space.model, direction)
    asked = _Asked(vectors, _among(answerable, positions), _among(absent, positions), measured)
    known = known_fit(searcher.snapshot.manifest.level_fits, space, direction)
    before, after = _judged(asked, known, source)
    counts = len(answerable), len(absent), len(positions)
    report = CalibratedDirection(space.key, space.model, direction_name(direction), source, *counts, before, after)
    return report, asked.fit(source)


def _judged(asked: _Asked, known: LevelFit | None, source: FitSource) -> tuple[LevelQuality | None, LevelQuality]:
    """How good the known fit is, and a new one, each half judged by the fit to the other half."""
    first, second = asked.halves()
    fits = second.fit(source), first.fit(source)
    examples = [half.examples() for half in (first, second)]
    together = examples[0] + examples[1]
    stated = np.concatenate([probabilities(fit, half) for fit, half in zip(fits, examples, strict=True)])
    before = None if known is None else quality_of(probabilities(known, together), together)
    return before, quality_of(stated, together)


def _drawn(queries: Queries) -> Queries:
    """At most `_MOST_QUERIES` of the queries, drawn by chance."""
    return queries[np.sort(np.random.default_rng(0).permutation(len(queries))[:_MOST_QUERIES])]


def _among(queries: Queries, positions: NDArray[np.int64]) -> Queries:
    """The queries with places among chosen positions, ascending, for positions of rows."""

    def places(rows: NDArray[np.int64]) -> NDArray[np.int64]:
        found = np.searchsorted(positions, rows)
        kept = found < len(positions)
        there: NDArray[np.int64] = found[kept][positions[found[kept]] == rows[kept]]
        return there

    return Queries(queries.vectors, [places(rows) for rows in queries.right], [places(rows) for rows in queries.own])
