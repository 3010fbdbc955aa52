"""Rows of several modalities and spaces as one ranked list of hits."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmsearch.hits import Hit
from mmsearch.retrieval.search.candidates import Candidates, candidates_of
from mmsearch.retrieval.search.found_rows import FoundRows, Pool
from mmsearch.retrieval.search.letter_matches import (
    MOST_ADDED,
    NOTHING_HELD,
    Held,
    LetterMatches,
    Weight,
)
from mmsearch.retrieval.search.levels import LEAST_LOGITS, level_numbers
from mmsearch.retrieval.search.moments import Similarity
from mmsearch.retrieval.search.near_copies import NearCopies
from mmsearch.retrieval.search.shown import Shown, Told, merged_copies
from mmsearch.retrieval.search.words_asked import WordsAsked
from mmsearch.types import LEVELS, Level, Modality

_SAME_COSINE = 0.999  # of a row with its own vector as the query, or with a copy's, less the rounding to float16

Floats = NDArray[np.float64]


def rank(
    found: Sequence[FoundRows],
    k: int,
    *,
    first: int = 0,
    to: Sequence[Modality] = (),
    min_level: Level | None = None,
    similarity: Similarity | None = None,
    words: Sequence[WordsAsked | None] = (),
    lexical: bool = False,
    near: NearCopies | None = None,
    unfold: bool = False,
) -> list[list[Hit]]:
    """The best hits of each query among rows of all modalities, in one list: those from rank ``first + 1`` to k.

    They are ordered by level and then by match if there are several kinds of evidence; else by score, which gives the
    same order. A hit that is as good as the query itself stands first. Copies of one content are one hit, and so are
    the rows of one picture or page. All queries are ranked at once on arrays; hits are made of what is shown.

    Args:
        found: what was found for each query.
        k: hits wanted.
        first: how many of the best are left out.
        to: kinds of files and rows that may answer; empty for all.
        min_level: hits of a lower level, and those of no known level, are left out.
        similarity: None for one hit a film or sound, its best moment. If given, every moment is a hit, except those
            that show the same as a better one, which this function tells.
        words: of each query; None, or nothing at all, if they do not count.
        lexical: words alone count: hits are ordered by how surprising it is that they hold theirs.
        near: files that are copies though their contents differ: they are one hit, too.
        unfold: each copy is a hit.
    """
    pool = Pool(found)
    matches = [None if own is None else LetterMatches(own) for own in words] or [None] * len(found)
    held = _held(pool, matches)
    candidates = candidates_of(pool, _with_says(pool, held, matches), to, similarity)
    told: dict[int, Told] = {}
    shown = Shown(pool, candidates, [own.copies for own in found], told, near)
    by_words = np.zeros(len(found), np.bool_)
    surprise = np.zeros(len(candidates))
    if any(matches):
        by_query = _by_query(candidates, len(found))
        for query, own in enumerate(matches):
            if own is not None:
                by_words[query] = _add_words(candidates, by_query[query], held, own, told, surprise)
        _show_texts(candidates, shown, told, pool)
    order = _order(pool, candidates, by_words, surprise if lexical else None, min_level)
    lists: list[list[int]] = [[] for _ in found]
    for number in order.tolist():
        lists[candidates.queries[number]].append(number)
    return [_best(shown, own, first, k, unfold=unfold, moments=similarity is not None) for own in lists]


def _held(pool: Pool, matches: Sequence[LetterMatches | None]) -> dict[int, Held]:
    """Which of its query's words each row holds, by the row's number in the pool."""
    held: dict[int, Held] = {}
    for own, begin, end in zip(matches, pool.bounds, pool.bounds[1:], strict=False):
        if own is not None:
            held.update(own.held_by_rows(pool.rows[begin:end], begin))
    return held


def _with_says(pool: Pool, held: dict[int, Held], matches: Sequence[LetterMatches | None]) -> Floats:
    """What moments are made by: a row whose words are asked for is a moment, however weak its vector is."""
    numbers = [number for number in held if pool.rows[number].is_timed]
    if not numbers:
        return pool.z_scores
    z_scores = pool.z_scores.copy()
    queries = np.searchsorted(pool.bounds, numbers, side="right") - 1
    for number, query in zip(numbers, queries.tolist(), strict=True):
        own = matches[query]
        assert own is not None
        z_scores[number] += max(own.says(held[number]), 0.0)
    return z_scores


def _by_query(candidates: Candidates, queries: int) -> list[list[int]]:
    """The numbers of the candidates of each query."""
    numbers: list[list[int]] = [[] for _ in range(queries)]
    for number, query in enumerate(candidates.queries):
        numbers[query].append(number)
    return numbers


def _add_words(
    candidates: Candidates,
    numbers: Sequence[int],
    held: dict[int, Held],
    matches: LetterMatches,
    told: dict[int, Told],
    surprise: Floats,
) -> bool:
    """Add what words say to the candidates of one query; whether any of them holds any."""
    holds: dict[int, Held] = {}
    if held:
        for number in numbers:
            rows = candidates.rows[number]
            own = held.get(rows[0], NOTHING_HELD) if len(rows) == 1 else candidates.held(number, held)
            if own:
                holds[number] = own
    lack, added = matches.says_of_lack(NOTHING_HELD), min(matches.says(NOTHING_HELD), MOST_ADDED)
    answers, odds = candidates.answers, candidates.matches
    for number in numbers:
        if number not in holds:
            answers[number] += lack
            odds[number] += added
    if not holds:
        return False
    counts = {NOTHING_HELD: len(numbers) - len(holds)}
    for own in holds.values():
        counts[own] = counts.get(own, 0) + 1
    says = {own: matches.says(own) for own in counts}
    weights: dict[Held, Weight] = {}
    rivals, before = 0, math.inf
    for own in sorted(counts, key=says.__getitem__):
        if says[own] != before:
            rivals = sum([count for other, count in counts.items() if says[other] >= says[own]])
        before = says[own]
        if own:
            weights[own] = matches.weight(own, rivals)
    for number, own in holds.items():
        weight, match = weights[own], odds[number]
        told[number] = Told(matches, held, weight.by_letter - match)
        answers[number], odds[number] = weight.added_to(answers[number], match)
        surprise[number] = weight.surprise
    return True


def _show_texts(candidates: Candidates, shown: Shown, told: dict[int, Told], pool: Pool) -> None:
    """A page of a document that was found by its text and not by its look is that text."""
    for number, own in told.items():
        if len(candidates.rows[number]) > 1 and own.lead > 0 and candidates.files[number] is None:
            row = shown.text_row(number)
            if row is not None and pool.rows[row].evidence == "text":
                candidates.leads[number] = row


def _order(
    pool: Pool,
    candidates: Candidates,
    by_words: NDArray[np.bool_],
    surprise: Floats | None,
    min_level: Level | None,
) -> NDArray[np.intp]:
    """The numbers of the candidates that may be shown, query by query, the best first."""
    queries = np.array(candidates.queries, np.intp)
    leads = np.array(candidates.leads, np.intp)
    answers, matches = np.array(candidates.answers), np.array(candidates.matches)
    scores = pool.scores[leads]
    ids = np.array([pool.rows[lead].id for lead in candidates.leads], np.int64)
    kept = np.ones(len(queries), np.bool_)
    if surprise is not None:
        kept &= surprise != 0
    if min_level is not None and min_level != LEVELS[-1]:
        kept &= answers >= LEAST_LOGITS[min_level]
    unknown = np.zeros(len(by_words), np.bool_)
    unknown[queries[kept & np.isnan(answers)]] = True
    mixed = by_words | _are_mixed(pool)
    levels = np.where(unknown[queries], 0, level_numbers(answers))
    others = scores < _SAME_COSINE
    keys: list[NDArray[Any]] = [ids, -matches, levels, others]
    if surprise is not None:
        keys[2:] = [-surprise]
    elif not mixed.all():
        alone = ~mixed[queries]  # of one kind: the scores give the same order
        keys = [ids, np.where(alone, -scores, -matches), np.where(alone, 0, levels), others & ~alone]
    order: NDArray[np.intp] = np.lexsort([*keys, queries])
    return order[kept[order]]


def _are_mixed(pool: Pool) -> NDArray[np.bool_]:
    """Whether the rows of each query are of several kinds of evidence."""
    spans = zip(pool.bounds, pool.bounds[1:], strict=False)
    return np.array([len({row.evidence for row in pool.rows[begin:end]}) > 1 for begin, end in spans], np.bool_)


def _best(shown: Shown, order: Sequence[int], first: int, k: int, *, unfold: bool, moments: bool) -> list[Hit]:
    """The hits of one query, copies as one.

    Args:
        shown: makes hits.
        order: candidates, the best first.
        first: how many hits are left out.
        k: how many there are with them.
        unfold: copies are hits of their own.
        moments: each moment of a film is a hit.
    """
    if unfold or shown.are_distinct(order):
        return [shown.hit(number, rank) for rank, number in enumerate(order[first:k], first + 1)]
    groups: dict[Hashable, list[int]] = {}
    begun: set[Hashable] = set()
    contents = shown.contents(order)
    for number in order:
        content = contents[number]  # a number for files that are copies by what they show
        if len(groups) >= k and content not in begun:
            continue
        span = shown.span_key(number, moments=moments or not isinstance(content, int))
        key = (content, shown.modality(number), span) if content else shown.row_id(number)
        if key in groups:
            groups[key].append(number)
        elif len(groups) < k:
            groups[key] = [number]
            if content:
                begun.add(content)
    wanted = list(groups.values())[first:]
    near = shown.near_paths(wanted)
    return [
        merged_copies(shown, group, rank, own)
        for rank, (group, own) in enumerate(zip(wanted, near, strict=True), first + 1)
    ]
