"""What may become a hit: a picture, a page, a passage, or a moment of a film or sound, each with the rows of it."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mmsearch.retrieval.search.found_rows import Pool
from mmsearch.retrieval.search.hit_rows import ABOUT_PICTURE, Row
from mmsearch.retrieval.search.letter_matches import NOTHING_HELD, Held
from mmsearch.retrieval.search.moments import Similarity, TimedRows, clock_file, moments_of, without_repeats
from mmsearch.types import Modality


class FilmFile:
    """A film or sound of which something was found for a query.

    Args:
        path: of the file that its times refer to.
    """

    __slots__ = ("_all_rows", "_numbers", "path")

    def __init__(self, path: str) -> None:
        self.path = path
        self._all_rows: Sequence[Row] = ()
        self._numbers: Sequence[int] = ()

    def set_rows(self, all_rows: Sequence[Row], numbers: Sequence[int]) -> None:
        """Say which of some rows are its own, by number, the best first."""
        self._all_rows, self._numbers = all_rows, numbers

    @property
    def rows(self) -> list[Row]:
        """Its rows, the best first."""
        return [self._all_rows[number] for number in self._numbers]

    @property
    def kind(self) -> Modality:
        """What it is: a film if a row is of its pictures, or if subtitles lie beside it; with what is said or a caption
        alone, a sound."""
        rows = self.rows
        if any(row.modality == "video" or row.has_width or row.path != self.path for row in rows):
            return "video"
        return "audio" if any(row.evidence in ("speech", "caption") for row in rows) else rows[0].modality


@dataclass(slots=True)
class Candidates:
    """Candidates, a place for each in every list; rows are numbers in a pool.

    Attributes:
        queries: the number of the query.
        leads: the row whose id and score it has.
        bases: the row whose facts and span it has.
        rows: the rows that speak for it, the best first.
        files: of a moment, its file.
        answers: log-odds that what was asked for is there; NaN where that is not known.
        matches: log-odds that it is what was asked for.
    """

    queries: list[int] = field(default_factory=list)
    leads: list[int] = field(default_factory=list)
    bases: list[int] = field(default_factory=list)
    rows: list[tuple[int, ...]] = field(default_factory=list)
    files: list[FilmFile | None] = field(default_factory=list)
    answers: list[float] = field(default_factory=list)
    matches: list[float] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.queries)

    def held(self, number: int, held: dict[int, Held]) -> Held:
        """Which words the rows of a candidate hold together."""
        rows = self.rows[number]
        if len(rows) == 1:
            return held.get(rows[0], NOTHING_HELD)
        return NOTHING_HELD.union(*(held[row] for row in rows if row in held))


class _FoundFiles(NamedTuple):
    """Rows with times by file.

    Attributes:
        timed: their numbers in the pool, int ``[rows]``.
        file_of: the number of the file of each, int ``[rows]``.
        files: the films and sounds.
        owners: the query that each file was found for.
    """

    timed: NDArray[np.intp]
    file_of: NDArray[np.intp]
    files: Sequence[FilmFile]
    owners: Sequence[int]


def candidates_of(
    pool: Pool,
    z_scores: NDArray[np.float64],
    to: Sequence[Modality] = (),
    similarity: Similarity | None = None,
) -> Candidates:
    """The candidates that found rows make, query by query.

    Args:
        pool: the rows.
        z_scores: what moments are made by, float64 ``[rows]``.
        to: kinds of files and rows that may answer; empty for all.
        similarity: None for the best moment of each film or sound. If given, every moment is a candidate, except those
            that show the same as a better one, which this function tells.
    """
    made = Candidates()
    odds, answers = pool.odds.tolist(), pool.answers.tolist()
    timed: list[int] = []
    file_of: list[int] = []
    files: list[FilmFile] = []
    owner: list[int] = []
    clocks: dict[str, str] = {}
    for query, (begin, end) in enumerate(zip(pool.bounds, pool.bounds[1:], strict=False)):
        pages: dict[Hashable, list[int]] = {}
        alone: list[int] = []
        own_files: dict[str, int] = {}
        for number in range(begin, end):
            row = pool.rows[number]
            if row.is_timed:
                path = row.path
                clock = clocks.get(path)
                if clock is None:
                    clock = clocks[path] = clock_file(path)
                file = own_files.get(clock)
                if file is None:
                    file = own_files[clock] = len(files)
                    files.append(FilmFile(clock))
                    owner.append(query)
                timed.append(number)
                file_of.append(file)
            elif row.page_key == row.id:
                alone.append(number)
            else:
                pages.setdefault(row.page_key, []).append(number)
        for page in pages.values():
            if len(page) > 1:
                _add_page(made, query, page, pool, odds, answers)
            else:
                alone += page
        made.queries += [query] * len(alone)
        made.leads += alone
        made.bases += alone
        made.rows += [(number,) for number in alone]
        made.files += [None] * len(alone)
        made.answers += [answers[number] for number in alone]
        made.matches += [odds[number] for number in alone]
    if timed:
        found = _FoundFiles(np.array(timed, np.intp), np.array(file_of, np.intp), files, owner)
        _add_moments(made, pool, z_scores, found, to, similarity)
    return made


def _add_page(
    made: Candidates, query: int, page: Sequence[int], pool: Pool, odds: Sequence[float], answers: Sequence[float]
) -> None:
    """Add the rows of one picture or page: it is shown as its best row, but a picture as its own row."""
    ordered = sorted(page, key=lambda number: (-odds[number], pool.rows[number].id))
    best = next((number for number in ordered if pool.rows[number].evidence not in ABOUT_PICTURE), ordered[0])
    made.queries.append(query)
    made.leads.append(best)
    made.bases.append(best)
    made.rows.append(tuple(ordered))
    made.files.append(None)
    made.answers.append(_best_answer([answers[number] for number in ordered]))
    made.matches.append(joined_odds([odds[number] for number in ordered]))


def _add_moments(
    made: Candidates,
    pool: Pool,
    z_scores: NDArray[np.float64],
    found: _FoundFiles,
    to: Sequence[Modality],
    similarity: Similarity | None,
) -> None:
    timed, file_of, files, owner = found
    numbers = timed.tolist()
    rows = [pool.rows[number] for number in numbers]
    moments = moments_of(TimedRows(rows, file_of, z_scores[timed]), best_only=similarity is None)
    for file, members in moments.members.items():
        files[file].set_rows(rows, members)
    kept = range(len(moments.at)) if similarity is None else without_repeats(moments, rows, similarity)
    odds, answers = pool.odds[timed].tolist(), pool.answers[timed].tolist()
    left_out = {i for i, file in enumerate(files) if to and not _is_asked_for(file, to)}
    for moment in kept:
        file, at, evidence = moments.files[moment], moments.at[moment], moments.evidence[moment]
        if file in left_out:
            continue
        made.queries.append(owner[file])
        made.leads.append(numbers[evidence[0] if similarity is None else at])
        made.bases.append(numbers[at])
        made.rows.append(tuple([numbers[one] for one in evidence]))
        made.files.append(files[file])
        if len(evidence) == 1:
            made.answers.append(answers[evidence[0]])
            made.matches.append(odds[evidence[0]])
        else:
            made.answers.append(_best_answer([answers[one] for one in evidence]))
            made.matches.append(joined_odds([odds[one] for one in evidence]))


def _is_asked_for(file: FilmFile, to: Sequence[Modality]) -> bool:
    return file.kind in to or any(row.modality in to for row in file.rows)


def _best_answer(answers: Sequence[float]) -> float:
    """The best log-odds that an answer is there; NaN if none is known."""
    return max((answer for answer in answers if not math.isnan(answer)), default=math.nan)


def joined_odds(odds: Sequence[float]) -> float:
    """The log-odds of several rows that speak for one candidate: their odds are added."""
    greatest = max(odds)
    return greatest + math.log(sum(math.exp(one - greatest) for one in odds))
