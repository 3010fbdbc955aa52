"""From rows of several modalities and spaces to one ranked list of hits, films and sounds each once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from mmsearch.hits import Hit
from mmsearch.retrieval.search.copies import folded
from mmsearch.retrieval.search.moments import distinct, is_timed, moments_of, owner
from mmsearch.types import Modality

Cosine = Callable[[Hit, Hit], float]

_SAME = 0.999  # the cosine of a row with its own query, or with a copy's, less the rounding of halves
_LOOKED_AT = 64  # rows of one film or sound, the best of each kind of evidence; many say no more


def rank(rows: Sequence[Hit], k: int, *, to: Sequence[Modality] = (), all_spans: Cosine | None = None) -> list[Hit]:
    """The k best hits among rows.

    Args:
        rows: what was found, as hits without a rank.
        k: hits wanted.
        to: kinds of files and rows that may answer; none means all.
        all_spans: list every moment of a film or sound by itself, those left out that say the same as a better one;
            for that it tells the cosine of two rows. None lists each file once, by its best moment.

    Returns:
        One list of all modalities: by match where there are several kinds of evidence, by score where there is one.
        What is as good as the query itself stands first: among few rows little can be told by match. Copies of one
        content are one hit.
    """
    hits = [row for row in rows if not is_timed(row)]
    for path, own in _by_file([row for row in rows if is_timed(row)]).items():
        kind = _kind_of(path, own)
        if to and kind not in to and not any(row.modality in to for row in own):
            continue
        moments = moments_of(own)
        if all_spans is not None:
            moments = distinct(moments, all_spans)
        hits += [m.as_hit(path, kind, alone=all_spans is not None) for m in (moments if all_spans else moments[:1])]
    if len({row.evidence for row in rows}) > 1:
        hits.sort(key=lambda hit: (hit.score < _SAME, -hit.match, hit.id))
    else:
        hits.sort(key=lambda hit: (-hit.score, hit.id))
    # Stored halves are not quite of length 1: after the order is settled, a cosine is at most 1.
    return [
        replace(hit, rank=rank, score=min(max(hit.score, -1.0), 1.0)) for rank, hit in enumerate(folded(hits)[:k], 1)
    ]


def _by_file(rows: Sequence[Hit]) -> dict[str, list[Hit]]:
    """Rows by the film or sound on whose clock they are, the best of each kind of evidence."""
    owners: dict[str, str] = {}
    files: dict[str, list[Hit]] = {}
    for row in rows:
        if row.path not in owners:
            owners[row.path] = owner(row.path)
        files.setdefault(owners[row.path], []).append(row)
    return {path: _best_of_each_kind(own) for path, own in files.items()}


def _best_of_each_kind(rows: list[Hit]) -> list[Hit]:
    kinds: dict[tuple[str, ...], dict[int, Hit]] = {}
    for row in sorted(rows, key=lambda hit: -hit.match):
        best = kinds.setdefault(row.evidence, {})
        if len(best) < _LOOKED_AT:
            best.setdefault(row.id, row)
    return [row for best in kinds.values() for row in best.values()]


def _kind_of(path: str, rows: Sequence[Hit]) -> Modality:
    """What a file is: a film if anything of it was seen, or if subtitles lie beside it."""
    if any(row.modality == "video" or row.width is not None or row.path != path for row in rows):
        return "video"
    return rows[0].modality
