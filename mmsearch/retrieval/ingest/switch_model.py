"""Changing models: a new space grows beside the old ones and joins them, or takes their place, when it is complete."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from mmsearch.errors import MMSearchError
from mmsearch.retrieval.encoders.catalogue import resolve
from mmsearch.retrieval.encoders.protocol import Encoder
from mmsearch.retrieval.encoders.routing import Serving
from mmsearch.retrieval.ingest.run import IngestOptions, ingest
from mmsearch.retrieval.ingest.scan import lies_under
from mmsearch.retrieval.ingest.scope import roots_of
from mmsearch.retrieval.progress import Watcher
from mmsearch.retrieval.store.manifest import IndexEntry, Manifest, SampleEntry, ShardEntry
from mmsearch.retrieval.store.writer import Writer
from mmsearch.types import MODALITIES, Modality, Report, Space, counted, printable

Entry = TypeVar("Entry", ShardEntry, IndexEntry, SampleEntry)


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes of the spaces in use when another is complete: ``current``, ``also``, which model then serves which
    modality, and the spaces that go."""

    current: str
    also: tuple[str, ...]
    serving: dict[Modality, str]
    dropped: tuple[str, ...]


def ingest_with_another(
    writer: Writer,
    added: Encoder,
    load: Callable[[Space], Encoder],
    paths: Sequence[bytes],
    options: IngestOptions,
    watch: Watcher,
) -> Report:
    """Fill the space of a model that the collection does not use yet, from all its roots, and let it join.

    Models that stay in use (``load`` makes them) embed what is new under ``paths`` first, so that nothing there is left
    to one model alone.
    """
    manifest = writer.manifest
    change = change_to(manifest, added.space, added.modalities)
    staying = [key for key in manifest.in_use if key not in change.dropped and manifest.spaces[key].has_model]
    notices: tuple[str, ...] = ()
    if staying:
        theirs = {m: key for m, key in change.serving.items() if key in staying}
        own = Serving(tuple(load(manifest.spaces[key]) for key in staying), theirs)
        before = ingest(writer, own, paths, options, watch)
        if before.interrupted:
            return before
        if before.indexed:
            names = " and ".join(encoder.space.model for encoder in own.encoders)
            told = f"{counted(before.indexed, 'file')} new to {names} too, embedded with it"
            notices = (*before.notices, told)
    serving = Serving.alone(added, texts=change.current == added.space.key)
    report = ingest(writer, serving, roots_to_read(writer.manifest, paths), options, watch)
    report = replace(report, notices=tuple(dict.fromkeys((*notices, *report.notices))))
    return finish_switch(writer, added.space, change, report)


def change_to(manifest: Manifest, space: Space, modalities: frozenset[Modality]) -> Change:
    """How ``space``, whose model embeds ``modalities``, joins the spaces in use.

    It takes over the media it embeds. Models left with none go; the others stay beside it for theirs. Texts belong to
    the model that embeds pictures. Vectors made elsewhere are never dropped.
    """
    taken = modalities - {"text"}
    media: dict[Modality, str] = {m: key for m, key in served(manifest).items() if m not in {"text", *taken}}
    dropped = [k for k in manifest.in_use if k not in media.values() and manifest.spaces[k].has_model]
    kept = [key for key in manifest.in_use if key not in dropped]
    leads = not kept or manifest.current in dropped or "image" in taken
    order = [space.key, *kept] if leads else [*kept, space.key]
    serving: dict[Modality, str] = {"text": order[0], **media}
    for modality in MODALITIES:
        if modality in taken:
            serving[modality] = space.key
    return Change(order[0], tuple(order[1:]), serving, tuple(dropped))


def served(manifest: Manifest) -> dict[Modality, str]:
    """The space that embeds each modality: as the manifest says, else the first of those in use whose model can."""
    serving: dict[Modality, str] = {}
    for modality in MODALITIES:
        able = [key for key in manifest.in_use if modality in _modalities(manifest, key)]
        if modality in manifest.serving or able:
            serving[modality] = manifest.serving.get(modality) or able[0]
    return serving


def _modalities(manifest: Manifest, key: str) -> frozenset[Modality]:
    """What the model of a space embeds: as the catalogue says, else as the rows tell."""
    try:
        return resolve(manifest.spaces[key].model).modalities
    except MMSearchError:  # a checkpoint that has gone, or vectors made elsewhere
        return frozenset(manifest.modalities(key))


def roots_to_read(manifest: Manifest, paths: Sequence[bytes]) -> list[bytes]:
    """The paths of a run that fills a new space: also every root that the collection was made of and that is there."""
    tops = list(dict.fromkeys(paths))
    return tops + [r for r in roots_of(manifest) if os.path.exists(r) and not any(lies_under(r, top) for top in tops)]


def finish_switch(writer: Writer, space: Space, change: Change, report: Report) -> Report:
    """Search ``space`` too from now on, and drop those it replaces, once all roots have been read for it."""
    manifest = writer.manifest
    missing = [root for root in manifest.roots if not os.path.exists(os.fsencode(root))]
    if report.interrupted:
        wait = "the run was stopped; run it again to go on"
    elif missing:
        wait = f"{printable(missing[0])} is missing; run again when it is back, or `mmsearch remove` it"
    else:
        joined = replace(manifest, current=change.current, also=change.also, serving=change.serving)
        for key in change.dropped:
            joined = without_space(joined, key)
        for key in (k for k in joined.in_use if k != space.key and manifest.spaces[k].has_model):
            joined = _without(joined, key, frozenset(m for m in MODALITIES if change.serving.get(m) != key))
        writer.publish(joined)
        return _noting(report, _told(manifest, space, change))
    still = " and ".join(manifest.in_use)
    return _noting(report, f"{space.model} is not searched with yet, {still} still is: {wait}")


def without_space(manifest: Manifest, key: str) -> Manifest:
    """The manifest with nothing of the space in it."""
    emptied = _without(manifest, key, frozenset(MODALITIES))
    return replace(emptied, spaces={k: space for k, space in manifest.spaces.items() if k != key})


def _without(manifest: Manifest, key: str, modalities: frozenset[Modality]) -> Manifest:
    """The manifest without a space's rows of some modalities: another model embeds these now."""

    def kept(entries: Iterable[Entry]) -> tuple[Entry, ...]:
        return tuple(entry for entry in entries if entry.space != key or entry.modality not in modalities)

    return replace(
        manifest, shards=kept(manifest.shards), indexes=kept(manifest.indexes), samples=kept(manifest.samples)
    )


def _told(manifest: Manifest, space: Space, change: Change) -> str:
    if change.dropped and not change.also:
        return f"the collection is now searched with {space.model}; the vectors before it are dropped"
    beside = [manifest.spaces[key].model for key in (change.current, *change.also) if key != space.key]
    gone = [manifest.spaces[key].model for key in change.dropped]
    told = f"the collection is now searched with {space.model}, and with {' and '.join(beside)} for the rest"
    return told + (f"; the vectors of {' and '.join(gone)} are dropped" if gone else "")


def is_new(manifest: Manifest, space: Space) -> bool:
    """Whether a space is to join those in use; beside vectors made elsewhere alone it is simply another one."""
    if manifest.current is None or space.key in manifest.in_use:
        return False
    return any(manifest.spaces[key].has_model for key in manifest.in_use)


def _noting(report: Report, notice: str) -> Report:
    return replace(report, notices=(*report.notices, notice))
