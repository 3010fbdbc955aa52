"""The items of archives and buckets that were skipped, as the records of their parts tell."""

from __future__ import annotations

from collections.abc import Iterator

from mmsearch.retrieval.ingest.parts.adopt import parts_of
from mmsearch.retrieval.ingest.parts.part_store import PartStore
from mmsearch.retrieval.store.remote import shown
from mmsearch.retrieval.store.snapshot import Snapshot
from mmsearch.types import FileNote


def skipped_items(snapshot: Snapshot) -> Iterator[FileNote]:
    """A note for each item that was skipped, part by part; of a part with very many, one that counts the others."""
    store = PartStore(shown(snapshot.root))
    for part in parts_of(snapshot):
        if not (part["live"] and part["skipped"]):
            continue
        try:
            notes = store.read(part["key"]).skipped
        except FileNotFoundError:
            notes = ()
        yield from notes
        if left := part["skipped"] - len(notes):
            yield FileNote(part["address"], f"{left:,} more of its items were skipped")
