"""Brings the lexical index of a modality up to date at the cost of the change.

New rows become a segment, and small segments are merged, as those of the vector index are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from mmsearch.durable import durable_file, file_checksum
from mmsearch.indexes import LEXICAL_FORMAT, LexicalSegment
from mmsearch.retrieval.store.manifest import LexicalEntry
from mmsearch.retrieval.store.snapshot import Snapshot
from mmsearch.retrieval.store.writer import Writer, merges_due
from mmsearch.retrieval.upkeep.lexical_files import current_entries, documents
from mmsearch.types import Modality

MOST_ROWS = 500_000
"""Rows of one segment, at most: it is built in memory."""


def update_words(writer: Writer, space: str, modality: Modality, *, whole: bool = False) -> None:
    """Index the words of new rows, and merge small segments.

    Args:
        writer: of the collection.
        space: the key of a space.
        modality: of the rows.
        whole: leave as few segments as there can be, without dead rows.
    """
    entries = current_entries(writer.manifest, space, modality)
    rows = Snapshot(writer.root, writer.manifest).rows(space, modality)
    covered = sum(entry.covers for entry in entries)
    few = -(-rows.live_count // MOST_ROWS)
    if entries and (covered > 2 * rows.live_count or (whole and (len(entries) > few or covered > rows.live_count))):
        entries = []
    if not entries:
        drop_words(writer, space, modality)
    start = int(np.searchsorted(rows.ids, entries[-1].covers_to if entries else 0, side="right"))
    for first in range(start, len(rows), MOST_ROWS):
        last = min(first + MOST_ROWS, len(rows)) - 1
        _write(writer, space, modality, int(rows.ids[first]) - 1, int(rows.ids[last]))
    for merged in _merges(writer, space, modality):
        ends = [entry.covers_to for entry in current_entries(writer.manifest, space, modality)]
        after_id = max((end for end in ends if end < merged[0].covers_to), default=0)
        _write(writer, space, modality, after_id, merged[-1].covers_to, replaced=merged)


def drop_words(writer: Writer, space: str, modality: Modality) -> None:
    """Remove the lexical index of a modality from the manifest."""
    kept = tuple(entry for entry in writer.manifest.lexical if (entry.space, entry.modality) != (space, modality))
    if kept != writer.manifest.lexical:
        writer.publish(replace(writer.manifest, lexical=kept))


def _merges(writer: Writer, space: str, modality: Modality) -> list[list[LexicalEntry]]:
    due = merges_due(current_entries(writer.manifest, space, modality))
    return [entries for entries in due if sum(entry.covers for entry in entries) <= MOST_ROWS]


def _write(
    writer: Writer,
    space: str,
    modality: Modality,
    after_id: int,
    to_id: int,
    *,
    replaced: Sequence[LexicalEntry] = (),
) -> None:
    """Write a segment of the live rows with ids above ``after_id`` up to ``to_id``, and name it in the manifest."""
    snapshot = Snapshot(writer.root, writer.manifest)
    segment = LexicalSegment.build(documents(snapshot, space, modality, after_id, to_id))
    name, manifest = writer.new_path(writer.manifest, f"indexes/{space}/{modality}", ".words")
    path = writer.root / name
    with durable_file(path) as sink:
        sink.write(segment.to_bytes())
    rows = snapshot.rows(space, modality)
    ids = rows.ids[rows.live_positions]
    covers = int(np.count_nonzero((ids > after_id) & (ids <= to_id)))
    entry = LexicalEntry(name, space, modality, segment.rows, covers, to_id, LEXICAL_FORMAT, file_checksum(path))
    kept = [one for one in manifest.lexical if one not in replaced]
    ordered = sorted([*kept, entry], key=lambda one: (one.space, one.modality, one.covers_to))
    writer.publish(replace(manifest, lexical=tuple(ordered)))
