"""Files of the same content: their rows are equal, so they are one hit, which names the other files."""

from __future__ import annotations

import os
from collections.abc import Hashable, Iterable, Set
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mmsearch.retrieval.search.found_rows import Found
from mmsearch.retrieval.search.hit_rows import Row
from mmsearch.retrieval.search.masks import Mask
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

    def of_rows(self, rows: Iterable[Row]) -> dict[int, tuple[str, ...]]:
        """The paths of the other files of each row's content, by the row's id."""
        return {row.id: tuple(p for p in self.paths.get(row.content_hash, ()) if p != row.path) for row in rows}


def count_distinct(rows: Iterable[Row]) -> int:
    """How many answers rows make: those of one film or sound are one answer, and so are those of copies."""
    return len({row.answer_key for row in rows})


def may_have_copies(found: Found) -> bool:
    """Whether copies are among rows in order of score, or may follow the last: copies have equal scores."""
    rows, scores = found.rows, found.scores
    if len({row.copy_key for row in rows}) < len(rows):
        first_path: dict[Hashable, str] = {}
        for row in rows:
            if row.content_hash and first_path.setdefault(row.copy_key, row.path) != row.path:
                return True
    return len(rows) > 1 and bool(scores[-1] == scores[-2])


class CopyKeys(NamedTuple):
    """What rows must have that are equal to some.

    Attributes:
        places: the content and the start of the span, None for none, of rows without a time.
        timed: the contents of rows with one.
    """

    places: Set[tuple[bytes, float | None]]
    timed: Set[bytes]


def copy_keys(found: Iterable[Row]) -> CopyKeys:
    """What rows have that are equal to those found: the same content and, for a passage, the same place in it."""
    known = [row for row in found if row.content_hash]
    places = {(row.content_hash, row.span.start if row.span else None) for row in known if not row.is_timed}
    return CopyKeys(places, {row.content_hash for row in known if row.is_timed})


def copies_of(rows: Rows, keys: CopyKeys, mask: Mask | None, excluded: Set[bytes | int]) -> Copies:
    """The rows that are equal to some.

    Args:
        rows: all rows of the modality.
        keys: of the rows that they are equal to.
        mask: which positions may be found; None for all.
        excluded: paths that may not.
    """
    import pyarrow.compute as pc

    contents = {content for content, _ in keys.places} | keys.timed
    table = rows.facts(_COLUMNS)
    column = table["content_hash"]
    same = pc.is_in(column, value_set=pa.array(sorted(contents), column.type))
    positions = np.flatnonzero(np.asarray(same.to_numpy(zero_copy_only=False), np.bool_))
    if mask is not None:
        positions = positions[mask[positions]]
    kept: list[int] = []
    paths: dict[bytes, dict[str, None]] = {}
    for position, facts in zip(positions.tolist(), table.take(pa.array(positions)).to_pylist(), strict=True):
        content = facts["content_hash"]
        if facts["path"] in excluded or not (content in keys.timed or (content, facts["span_start"]) in keys.places):
            continue
        kept.append(position)
        paths.setdefault(content, {})[os.fsdecode(facts["path"])] = None
    return Copies(np.array(kept, np.int64), {content: list(names) for content, names in paths.items()})
