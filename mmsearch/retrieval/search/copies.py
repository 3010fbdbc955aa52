"""Files of the same content: their rows are equal, so they are one hit, which names the other files."""

from __future__ import annotations

import os
from collections.abc import Hashable, Iterable, Sequence, Set
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mmsearch.hits import Hit
from mmsearch.retrieval.search.masks import Mask
from mmsearch.retrieval.search.moments import is_timed
from mmsearch.retrieval.store.snapshot import Rows

_COLUMNS = ("content_hash", "path", "span_start")


@dataclass(frozen=True, slots=True)
class Copies:
    """The rows of some contents.

    Attributes:
        positions: where the rows are, int64 ``[n]``.
        paths: the paths of the files of each content.
    """

    positions: NDArray[np.int64]
    paths: dict[bytes, list[str]]

    def add_to(self, hits: Iterable[Hit]) -> list[Hit]:
        """The hits, each with the paths of the other files of its content as ``copies``."""
        return [replace(h, copies=tuple(p for p in self.paths.get(h.content_hash, ()) if p != h.path)) for h in hits]


def answer_key(hit: Hit) -> Hashable:
    """The key of the answer that a row belongs to: a film or sound at any time, or a passage of a content."""
    content: Hashable = hit.content_hash or hit.path
    if is_timed(hit):
        return content
    return (content, hit.span) if hit.content_hash else hit.id


def count_distinct(hits: Iterable[Hit]) -> int:
    """How many answers rows make: those of one film or sound are one answer, and so are those of copies."""
    return len({answer_key(hit) for hit in hits})


def may_have_copies(hits: Sequence[Hit]) -> bool:
    """Whether copies are among rows in order of score, or may follow the last: copies have equal scores."""
    first_path: dict[tuple[bytes, Any], str] = {}
    for hit in hits:
        if hit.content_hash and first_path.setdefault((hit.content_hash, hit.span), hit.path) != hit.path:
            return True
    return len(hits) > 1 and hits[-1].score == hits[-2].score


def copies_of(rows: Rows, hits: Sequence[Hit], mask: Mask | None, excluded: Set[bytes | int]) -> Copies:
    """The rows that are equal to those of some hits: the same content and, for a passage, the same place in it.

    Args:
        rows: all rows of the hits' modality.
        hits: the hits.
        mask: which positions may be found; None for all.
        excluded: paths that may not.
    """
    import pyarrow.compute as pc

    contents = {hit.content_hash for hit in hits if hit.content_hash}
    table = rows.facts(_COLUMNS)
    column = table["content_hash"]
    same = pc.is_in(column, value_set=pa.array(sorted(contents), column.type))
    positions = np.flatnonzero(np.asarray(same.to_numpy(zero_copy_only=False), np.bool_))
    if mask is not None:
        positions = positions[mask[positions]]
    starts = {(hit.content_hash, hit.span.start if hit.span else None) for hit in hits if not is_timed(hit)}
    timed = {hit.content_hash for hit in hits if is_timed(hit)}
    kept: list[int] = []
    paths: dict[bytes, dict[str, None]] = {}
    for position, row in zip(positions.tolist(), table.take(pa.array(positions)).to_pylist(), strict=True):
        content = row["content_hash"]
        if row["path"] in excluded or not (content in timed or (content, row["span_start"]) in starts):
            continue
        kept.append(position)
        paths.setdefault(content, {})[os.fsdecode(row["path"])] = None
    return Copies(np.array(kept, np.int64), {content: list(names) for content, names in paths.items()})


def merge_copies(hits: Sequence[Hit]) -> list[tuple[int, Hit]]:
    """Hits in order, those of copies as one: the first file that still exists, which names the others that do.

    Returns:
        Each hit that remains, and the position of the best that it stands for.
    """
    groups: dict[Hashable, list[int]] = {}
    for position, hit in enumerate(hits):
        key = (hit.content_hash, hit.modality, hit.span) if hit.content_hash else hit.id
        groups.setdefault(key, []).append(position)
    return [(own[0], _merge([hits[position] for position in own])) for own in groups.values()]


def _merge(group: Sequence[Hit]) -> Hit:
    if len(group) == 1 and not group[0].copies:
        return group[0]
    shown = min(group, key=lambda hit: (hit.state != "current", hit.id))
    others = dict.fromkeys(path for hit in group for path in (hit.path, *hit.copies))
    others.pop(shown.path, None)
    copies = tuple(path for path in sorted(others) if os.path.exists(path))
    return replace(shown, score=group[0].score, copies=copies)
