"""Archives, buckets and items that were removed from a collection, and how later runs pass them over."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import replace

from mmsearch.retrieval.ingest.parts.adopt import parts_of
from mmsearch.retrieval.ingest.stored_files import StoredFiles
from mmsearch.retrieval.sources.addresses import expanded
from mmsearch.retrieval.storage import is_remote
from mmsearch.retrieval.store.manifest import Manifest
from mmsearch.retrieval.store.snapshot import Snapshot
from mmsearch.retrieval.store.writer import Writer

_ITEM = "#"


def indexed_sources(snapshot: Snapshot) -> set[str]:
    """The addresses of the archives and folders that the collection was filled from, or is to be."""
    named = {one for source in snapshot.manifest.sources for one in expanded(source)}
    return named | {row["address"] for row in parts_of(snapshot) if row["live"]}


def sources_meant(address: str, known: Collection[str]) -> set[str]:
    """Those of some sources that an address means: it names one or, with braces, several, or a folder of them."""
    found: set[str] = set()
    for one in expanded(address):
        found |= {source for source in known if lies_in(source, one)}
    return found


def lies_in(source: str, folder: str) -> bool:
    """Whether an address is another one or lies in it, as in a folder."""
    own, above = source.rstrip("/"), folder.rstrip("/")
    return own == above or own.startswith(above + ("/" if is_remote(above) else os.sep))


def without_sources(manifest: Manifest, gone: Collection[str], items: Sequence[str]) -> Manifest:
    """The manifest without sources that were removed, and with items that were removed alone.

    Of a range, what is left of it stays. A source that lies in one that stays is noted as removed.
    """
    left: list[str] = []
    for source in manifest.sources:
        every = expanded(source)
        kept = [one for one in every if one not in gone]
        left += [source] if len(kept) == len(every) else kept
    noted = [one for one in sorted(gone) if any(lies_in(one, other) for source in left for other in expanded(source))]
    before = [path for path in manifest.removed if not any(path.startswith(one + _ITEM) for one in gone)]
    removed = dict.fromkeys([*before, *noted, *items])
    return replace(manifest, sources=tuple(left), removed=tuple(sorted(removed)))


def with_named(manifest: Manifest, addresses: Sequence[str]) -> Manifest:
    """The manifest with sources that the user has named in a run: they are no longer removed."""
    every = {one for address in addresses for one in expanded(address)}
    known = {one for source in manifest.sources for one in expanded(source)}
    added = [address for address in addresses if not known.issuperset(expanded(address))]
    sources = tuple(dict.fromkeys((*manifest.sources, *added)))
    return replace(manifest, sources=sources, removed=tuple(path for path in manifest.removed if path not in every))


def drop_removed_items(writer: Writer) -> int:
    """Delete the rows of removed items that a changed archive has brought back; returns how many items."""
    items = [os.fsencode(path) for path in writer.manifest.removed if _ITEM in path]
    if not items:
        return 0
    stored = StoredFiles(Snapshot(writer.root, writer.manifest), writer.manifest.spaces)
    back = [file for path in items if (file := stored.get(path)) is not None and file.source is not None]
    if back:
        writer.commit(delete=[row_id for file in back for row_id in file.all_ids()])
    return len(back)
