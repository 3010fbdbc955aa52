"""Recall@k, MRR and mAP of a collection on a PAIRS file, by brute force and through the index.

Both are measured, because the difference is what the index loses; the rest is what the model loses. Files are ranked by
their best row; of equal scores, relevant files come last. Pairs with spans are scored by moment as well: a row answers
if its temporal intersection over union with a span of a relevant file is at least one half. Pairs without a relevant
file count in none of these: they say how good levels are (`level_scores`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmsearch.errors import CannotEmbedError, Hint, HintKind, UsageError
from mmsearch.indexes import VectorIndex, build_index
from mmsearch.notices import Notice, NoticeKind
from mmsearch.retrieval.encoders.protocol import Encoder
from mmsearch.retrieval.evaluation.captions import pairs_of_captions
from mmsearch.retrieval.evaluation.files import FilesOfSpace, Floats, embed_pairs, not_indexed
from mmsearch.retrieval.evaluation.level_scores import LevelScores, score_levels
from mmsearch.retrieval.evaluation.pairs import Pair, read_pairs
from mmsearch.retrieval.evaluation.questions import questions_of
from mmsearch.retrieval.evaluation.scores import RECALL_AT, DirectionScores, Scores, direction_scores, ranks_of
from mmsearch.retrieval.media.decode_spec import MAX_SPAN_S
from mmsearch.retrieval.search.searcher import Searcher
from mmsearch.retrieval.search.session import Session
from mmsearch.types import Modality

MOMENT_IOU = 0.5
"""Temporal intersection over union from which a moment counts as found."""

INDEX_DEPTH = 100
"""Rows that are searched through the index for MRR and mAP."""

_MOST_SCORES = 8_000_000  # held at a time; 100 MB with their ids


@dataclass(frozen=True, slots=True)
class Pool:
    """What is ranked.

    Attributes:
        index: of the rows.
        owner: the number of the file that each row belongs to, int64 ``[rows]``.
        allowed: the rows that count, bool ``[rows]``; None for all.
        files: how many files there are.
    """

    index: VectorIndex
    owner: NDArray[np.int64]
    allowed: NDArray[np.bool_] | None
    files: int


def evaluate_session(session: Session, path: Path | None, *, pool: str) -> Scores:
    """`evaluate` over the spaces that queries are asked in."""

    def scores() -> Scores:
        spaces = session.spaces or [session.primary_space]
        return evaluate([(session.searcher(space), session.encoder(space)) for space in spaces], path, pool=pool)

    return session.retrying(scores)


def evaluate(
    spaces: Sequence[tuple[Searcher, Encoder | None]], path: Path | None, *, pool: str = "collection"
) -> Scores:
    """Score the spaces of a collection, each by itself, on the pairs in ``path``.

    Args:
        spaces: what is searched, and the space's model; None for vectors made elsewhere, which only pairs of files can
            score.
        path: a PAIRS file; None for the captions of the collection, which what they were given with answers.
        pool: ``collection`` ranks all files of the wanted modality, ``pairs`` only those that the pairs name.

    Raises:
        UsageError: a bad PAIRS file, a bad pool, none of the files is in the collection, or it has no captions.
    """
    if pool not in ("collection", "pairs"):
        raise UsageError(f"no pool {pool!r}; there are: collection, pairs")
    pairs = pairs_of_captions(searcher for searcher, _ in spaces) if path is None else read_pairs(path)
    all_files = [FilesOfSpace(searcher) for searcher, _ in spaces]
    known = {name for files in all_files for name in files.modality}
    directions: list[DirectionScores] = []
    levels: list[LevelScores] = []
    failures: list[CannotEmbedError] = []
    for files, (searcher, encoder) in zip(all_files, spaces, strict=True):
        files.elsewhere = known - files.modality.keys()
        for scores in _directions(files, encoder, pairs, pool, failures):
            directions.append(replace(scores, model=searcher.space.model))
        questions = questions_of(files, encoder, pairs, []) if any(not pair.relevant for pair in pairs) else []
        levels += [score_levels(searcher, asked) for asked in questions if len(asked.absent)]
    if failures and not directions:
        raise failures[0]
    if not directions and path is None:
        raise UsageError("the collection holds captions alone, without what they were given with")
    if not directions:
        assert path is not None
        raise UsageError(
            f"no file that {path} names is in the collection", hint=Hint(HintKind.INDEX_FOLDER, str(path.parent))
        )
    notices = [Notice(NoticeKind.PAIRS_NOT_SCORED, {"reason": str(failure)}) for failure in failures]
    notices += not_indexed(pairs, known)
    return Scores(spaces[0][0].space.key, tuple(directions), tuple(notices), tuple(levels))


def _directions(
    files: FilesOfSpace, encoder: Encoder | None, pairs: Sequence[Pair], pool: str, failures: list[CannotEmbedError]
) -> list[DirectionScores]:
    """Every direction that the pairs allow in one space; ``failures`` collects why the model cannot embed others."""
    directions: list[DirectionScores] = []
    named = {files.modality[name] for pair in pairs for name in pair.relevant if name in files.modality}
    for modality in (m for m in files.searcher.modalities if m in named):
        chosen = [p for p in pairs if any(files.may_be(name, modality) for name in p.relevant)]
        for kind in ("text", "file"):
            group = [p for p in chosen if (p.query is not None) == (kind == "text")]
            if group:
                try:
                    vectors = embed_pairs(encoder, files, group, modality)
                except CannotEmbedError as failure:
                    failures.append(failure)
                    continue
                directions += _score_files(files, group, vectors, modality, pool)
                directions += _score_moments(files, group, vectors, modality)
                if kind == "text":
                    directions += _score_texts(files, group, vectors, modality)
    return directions


def _score_files(
    files: FilesOfSpace, pairs: Sequence[Pair], vectors: Floats, modality: Modality, pool: str
) -> list[DirectionScores]:
    """Query → relevant files."""
    numbers = files.number[modality]
    owner = files.owner[modality]
    rows = files.searcher.rows(modality)
    allowed = rows.live
    if pool == "pairs":
        named = {name for pair in pairs for name in (*pair.relevant, pair.query_file) if name in numbers}
        inside = np.isin(owner, [numbers[name] for name in named if name is not None])
        allowed = inside if allowed is None else inside & allowed
    counted = owner if allowed is None else owner[allowed]
    source = "text" if pairs[0].query is not None else files.modality.get(pairs[0].query_file or b"", "file")
    return _score_by_brute_force_and_index(
        f"{source} → {modality}",
        vectors,
        Pool(files.searcher.index(modality), owner, allowed, len(np.unique(counted))),
        [[numbers.get(name, -1) for name in pair.relevant if files.may_be(name, modality)] for pair in pairs],
        [numbers.get(pair.query_file, -1) if pair.query_file is not None else -1 for pair in pairs],
    )


def _score_moments(
    files: FilesOfSpace, pairs: Sequence[Pair], vectors: Floats, modality: Modality
) -> list[DirectionScores]:
    """Query → moments of films and sounds, for the pairs that state spans: rows that are short enough are the pool."""
    timed = [i for i, pair in enumerate(pairs) if pair.spans]
    if not timed:
        return []
    rows = files.searcher.rows(modality)
    facts = rows.facts(["span_start", "span_end", "span_unit"])
    start, end = (np.nan_to_num(facts[name].to_numpy(), nan=-np.inf) for name in ("span_start", "span_end"))
    seconds = np.array([unit == "s" for unit in facts["span_unit"].to_pylist()], np.bool_)
    allowed = (end - start <= MAX_SPAN_S + 1e-3) & np.isfinite(end) & seconds
    if rows.live is not None:
        allowed &= rows.live
    relevant = []
    for pair in (pairs[i] for i in timed):
        right = np.isin(files.owner[modality], [files.number[modality].get(name, -1) for name in pair.relevant])
        found = np.any([_iou(start, end, *span) >= MOMENT_IOU for span in pair.spans], axis=0)
        relevant.append(np.flatnonzero(right & found & allowed).tolist() or [-1])
    pool = Pool(files.searcher.index(modality), np.arange(len(rows)), allowed, int(np.count_nonzero(allowed)))
    source = "text" if pairs[0].query is not None else "file"
    name = f"{source} → moment"
    return _score_by_brute_force_and_index(name, vectors[timed], pool, relevant, [-1] * len(timed))


def _iou(start: NDArray[Any], end: NDArray[Any], from_s: float, to_s: float) -> NDArray[Any]:
    """Temporal intersection over union of rows' spans with one span."""
    shared = np.maximum(np.minimum(end, to_s) - np.maximum(start, from_s), 0)
    union = np.maximum(end, to_s) - np.minimum(start, from_s)
    return np.asarray(np.divide(shared, union, out=np.zeros_like(union), where=np.isfinite(union) & (union > 0)))


def _score_texts(
    files: FilesOfSpace, pairs: Sequence[Pair], vectors: Floats, modality: Modality
) -> list[DirectionScores]:
    """Relevant files → the texts of the pairs, which make a pool of their own."""
    texts: dict[str, int] = {}
    first: list[int] = []
    for row, pair in enumerate(pairs):
        if pair.query is not None and pair.query not in texts:
            texts[pair.query] = len(texts)
            first.append(row)
    answers: dict[bytes, set[int]] = {}
    for pair in pairs:
        for name in pair.relevant:
            if pair.query is not None and files.modality.get(name) == modality:
                answers.setdefault(name, set()).add(texts[pair.query])
    found = [(files.vector(name), sorted(right)) for name, right in answers.items()]
    settings = files.searcher.snapshot.manifest.settings
    index = build_index(vectors[first], requested=settings.index, recall=settings.recall)
    return _score_by_brute_force_and_index(
        f"{modality} → {'query' if modality == 'text' else 'text'}",
        np.stack([vector for vector, _ in found if vector is not None]),
        Pool(index, np.arange(len(first)), None, len(first)),
        [right for _, right in found],
        [-1] * len(found),
    )


def _score_by_brute_force_and_index(
    direction: str, queries: Floats, pool: Pool, relevant: Sequence[Sequence[int]], own: Sequence[int]
) -> list[DirectionScores]:
    """Scores by brute force and through the index. ``own``: for each query, the file that may not answer, or -1.

    For recall the index is asked for as many rows as people ask for, because it probes more lists when more are wanted.
    MRR and mAP take a second search, `INDEX_DEPTH` deep; what is ranked lower counts as not found.
    """
    wanted = [len(right) for right in relevant]

    def ranks(depth: int, exact: bool) -> list[NDArray[np.int64]]:
        return _ranks(queries, pool, relevant, own, depth, exact)

    brute = ranks(len(pool.owner), True)
    if pool.index.kind == "exact":
        shallow = deep = brute
    else:
        pool.index.load()  # else the first queries would be answered by brute force
        shallow, deep = ranks(max(RECALL_AT), False), ranks(INDEX_DEPTH, False)
    return [
        direction_scores(direction, "brute force", brute, brute, wanted, pool.files),
        direction_scores(direction, "index", shallow, deep, wanted, pool.files),
    ]


def _ranks(
    queries: Floats, pool: Pool, relevant: Sequence[Sequence[int]], own: Sequence[int], depth: int, exact: bool
) -> list[NDArray[np.int64]]:
    """For each query the ranks of its relevant files among the first ``depth`` rows, its own file left out."""
    ranks: list[NDArray[np.int64]] = []
    depth = min(depth + (max(own) >= 0), max(len(pool.owner), 1))
    step = max(1, min(256, _MOST_SCORES // depth))
    for start in range(0, len(queries), step):
        part = slice(start, start + step)
        scores, ids = pool.index.search(queries[part], depth, allowed=pool.allowed, exact=exact)
        positions = np.searchsorted(pool.index.ids, ids)
        for row, (right, self_) in enumerate(zip(relevant[part], own[part], strict=True)):
            there = ids[row] >= 0
            ranks.append(ranks_of(scores[row][there], pool.owner[positions[row][there]], right, self_))
    return ranks
