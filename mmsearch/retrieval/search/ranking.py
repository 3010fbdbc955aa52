"""Rows of several modalities and spaces as one ranked list of hits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from mmsearch.hits import Hit
from mmsearch.retrieval.search.copies import merge_copies
from mmsearch.retrieval.search.levels import Judgement, fuse_judgements, level_of
from mmsearch.retrieval.search.moments import clock_file, drop_repeats, is_timed, moments_of
from mmsearch.types import LEVELS, Level, Modality

Similarity = Callable[[Hit, Hit], float]
"""The cosine of the stored vectors of two hits' rows."""

_SAME_COSINE = 0.999  # of a row with its own vector as the query, or with a copy's, less the rounding to float16
_ROWS_PER_KIND = 64  # rows of one film or sound, the best of each kind of evidence; more change nothing


def rank(
    rows: Sequence[Hit],
    judged: Mapping[int, Judgement],
    k: int,
    *,
    to: Sequence[Modality] = (),
    min_level: Level | None = None,
    similarity: Similarity | None = None,
) -> list[Hit]:
    """The k best hits among rows, of all modalities in one list.

    They are ordered by level and then by match if there are several kinds of evidence, or texts alone; else by score,
    which gives the same order. A hit that is as good as the query itself stands first. Copies of one content are one
    hit.

    Args:
        rows: what was found, as hits without a rank; their match is a z-score.
        judged: what is thought of each row, by id.
        k: hits wanted.
        to: kinds of files and rows that may answer; empty for all.
        min_level: hits of a lower level, and those of no known level, are left out.
        similarity: None for one hit a film or sound, its best moment. If given, every moment is a hit, except those
            that show the same as a better one, which this function tells.
    """
    found = [(row, judged[row.id]) for row in rows if not is_timed(row)]
    for path, own in _by_file([row for row in rows if is_timed(row)]).items():
        kind = _kind_of(path, own)
        if to and kind not in to and not any(row.modality in to for row in own):
            continue
        moments = moments_of(own)
        moments = moments[:1] if similarity is None else drop_repeats(moments, similarity)
        for moment in moments:
            hit = moment.as_hit(path, kind, own_score=similarity is not None)
            found.append((hit, fuse_judgements(judged, [row.id for row in moment.evidence])))
    if min_level is not None:
        found = [one for one in found if _reaches(one[1], min_level)]
    kinds = {row.evidence for row in rows}
    if len(kinds) > 1 or kinds == {("text",)}:  # of texts alone, those with the words of the query are judged higher
        found.sort(key=_by_match if any(judgement.answer is None for _, judgement in found) else _by_level_and_match)
    else:
        found.sort(key=lambda one: (-one[0].score, one[0].id))
    best = merge_copies([hit for hit, _ in found])[:k]
    return [_ranked(hit, rank, found[position][1]) for rank, (position, hit) in enumerate(best, 1)]


_Found = tuple[Hit, Judgement]


def _ranked(hit: Hit, rank: int, judgement: Judgement) -> Hit:
    # Vectors in float16 are not quite of length 1. Once the order is settled, scores are cut to what a cosine can be.
    score = min(max(hit.score, -1.0), 1.0)
    return replace(hit, rank=rank, score=score, match=judgement.match, level=level_of(judgement.answer))


def _reaches(judgement: Judgement, least: Level) -> bool:
    level = level_of(judgement.answer)
    return level is not None and LEVELS.index(level) <= LEVELS.index(least)


def _by_level_and_match(found: _Found) -> tuple[bool, int, float, int]:
    hit, judgement = found
    level = level_of(judgement.answer)
    assert level is not None
    return hit.score < _SAME_COSINE, LEVELS.index(level), -judgement.match, hit.id


def _by_match(found: _Found) -> tuple[bool, float, int]:
    hit, judgement = found
    return hit.score < _SAME_COSINE, -judgement.match, hit.id


def _by_file(rows: Sequence[Hit]) -> dict[str, list[Hit]]:
    """Rows by the film or sound that their times refer to, the best of each kind of evidence."""
    file_of: dict[str, str] = {}
    files: dict[str, list[Hit]] = {}
    for row in rows:
        if row.path not in file_of:
            file_of[row.path] = clock_file(row.path)
        files.setdefault(file_of[row.path], []).append(row)
    return {path: _best_of_each_kind(own) for path, own in files.items()}


def _best_of_each_kind(rows: list[Hit]) -> list[Hit]:
    kinds: dict[tuple[str, ...], dict[int, Hit]] = {}
    for row in sorted(rows, key=lambda hit: -hit.match):
        best = kinds.setdefault(row.evidence, {})
        if len(best) < _ROWS_PER_KIND:
            best.setdefault(row.id, row)
    return [row for best in kinds.values() for row in best.values()]


def _kind_of(path: str, rows: Sequence[Hit]) -> Modality:
    """What a file is: a film if a row is of its pictures, or if subtitles lie beside it."""
    if any(row.modality == "video" or row.width is not None or row.path != path for row in rows):
        return "video"
    return rows[0].modality
