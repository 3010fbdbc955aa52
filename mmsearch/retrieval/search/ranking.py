"""Rows of several modalities and spaces as one ranked list of hits."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import replace

from mmsearch.hits import Hit
from mmsearch.retrieval.search.copies import merge_copies
from mmsearch.retrieval.search.letter_matches import FAR_BELOW, Candidate, LetterMatches, with_letters
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
    matches: LetterMatches | None = None,
    lexical: bool = False,
) -> list[Hit]:
    """The k best hits among rows, of all modalities in one list.

    They are ordered by level and then by match if there are several kinds of evidence; else by score, which gives the
    same order. A hit that is as good as the query itself stands first. Copies of one content are one hit, and so are
    the rows of one picture or page.

    Args:
        rows: what was found, as hits without a rank; their match is a z-score.
        judged: what is thought of each row by its vector, by id.
        k: hits wanted.
        to: kinds of files and rows that may answer; empty for all.
        min_level: hits of a lower level, and those of no known level, are left out.
        similarity: None for one hit a film or sound, its best moment. If given, every moment is a hit, except those
            that show the same as a better one, which this function tells.
        matches: what the rows hold of the query's words; None if words do not count.
        lexical: words alone count: hits are ordered by how surprising it is that they hold theirs.
    """
    if matches is not None:  # a moment whose words are asked for is one, however weak its vector is
        rows = [replace(row, match=row.match + max(matches.says([row]), 0.0)) if is_timed(row) else row for row in rows]
    found = [*_pages(rows, judged), *_moments(rows, judged, to, similarity)]
    by_words = False
    if matches is not None:
        found = with_letters(found, matches)
        by_words = any(candidate.is_written for candidate in found)
    if lexical:
        assert matches is not None
        surprise = {candidate.hit.id: matches.surprise(candidate.rows) for candidate in found}
        found = [candidate for candidate in found if surprise[candidate.hit.id]]
    if min_level is not None:
        found = [candidate for candidate in found if _reaches(candidate.judgement, min_level)]
    if lexical:
        found.sort(key=lambda candidate: (-surprise[candidate.hit.id], -candidate.judgement.match, candidate.hit.id))
    elif by_words or len({row.evidence for row in rows}) > 1:
        unknown = any(candidate.judgement.answer is None for candidate in found)
        found.sort(key=_by_match if unknown else _by_level_and_match)
    else:
        found.sort(key=lambda candidate: (-candidate.hit.score, candidate.hit.id))
    best = merge_copies([candidate.hit for candidate in found])[:k]
    return [_ranked(hit, rank, found[position].judgement) for rank, (position, hit) in enumerate(best, 1)]


def _pages(rows: Sequence[Hit], judged: Mapping[int, Judgement]) -> list[Candidate]:
    """A candidate for each picture, each page of a document, and each passage or row of other texts."""
    groups: dict[Hashable, list[Hit]] = {}
    for row in rows:
        if not is_timed(row):
            groups.setdefault(_page_key(row), []).append(row)
    return [_as_one(own, judged) for own in groups.values()]


def _page_key(row: Hit) -> Hashable:
    if row.span is not None and row.span.unit == "page":
        return row.path, row.span.start
    return row.path if row.modality == "image" or row.evidence == ("ocr",) else row.id


def _as_one(rows: Sequence[Hit], judged: Mapping[int, Judgement]) -> Candidate:
    """The rows of one page as a candidate: its hit is that of its best row, but of a picture its own row's."""
    ordered = sorted(rows, key=lambda row: (-judged[row.id].match, row.id))
    own = [row for row in ordered if row.evidence != ("ocr",)]
    best = own[0] if own else replace(ordered[0], modality="image")
    if len(rows) > 1:
        least = judged[ordered[0].id].match - FAR_BELOW
        told = dict.fromkeys(row.evidence[0] for row in ordered if judged[row.id].match >= least)
        text = best.text or next((row.text for row in ordered if row.text and row.evidence[0] in told), None)
        best = replace(best, evidence=tuple(told), text=text)
    return Candidate(best, tuple(ordered), fuse_judgements(judged, [row.id for row in rows]))


def _moments(
    rows: Sequence[Hit], judged: Mapping[int, Judgement], to: Sequence[Modality], similarity: Similarity | None
) -> list[Candidate]:
    """Candidates for the moments of films and sounds."""
    found = []
    for path, own in _by_file([row for row in rows if is_timed(row)]).items():
        kind = _kind_of(path, own)
        if to and kind not in to and not any(row.modality in to for row in own):
            continue
        moments = moments_of(own)
        moments = moments[:1] if similarity is None else drop_repeats(moments, similarity)
        for moment in moments:
            hit = moment.as_hit(path, kind, own_score=similarity is not None)
            judgement = fuse_judgements(judged, [row.id for row in moment.evidence])
            found.append(Candidate(hit, moment.evidence, judgement))
    return found


def _ranked(hit: Hit, rank: int, judgement: Judgement) -> Hit:
    # Vectors in float16 are not quite of length 1. Once the order is settled, scores are cut to what a cosine can be.
    score = min(max(hit.score, -1.0), 1.0)
    return replace(hit, rank=rank, score=score, match=judgement.match, level=level_of(judgement.answer))


def _reaches(judgement: Judgement, least: Level) -> bool:
    level = level_of(judgement.answer)
    if least == LEVELS[-1]:
        return True
    return level is not None and LEVELS.index(level) <= LEVELS.index(least)


def _by_level_and_match(candidate: Candidate) -> tuple[bool, int, float, int]:
    level = level_of(candidate.judgement.answer)
    assert level is not None
    return candidate.hit.score < _SAME_COSINE, LEVELS.index(level), -candidate.judgement.match, candidate.hit.id


def _by_match(candidate: Candidate) -> tuple[bool, float, int]:
    return candidate.hit.score < _SAME_COSINE, -candidate.judgement.match, candidate.hit.id


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
    """What a file is: a film if a row is of its pictures, or if subtitles lie beside it; what is said makes a sound."""
    if any(row.modality == "video" or row.width is not None or row.path != path for row in rows):
        return "video"
    return "audio" if any(row.evidence == ("speech",) for row in rows) else rows[0].modality
