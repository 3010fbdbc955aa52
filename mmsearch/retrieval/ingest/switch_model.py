"""Changing models: a new space grows beside the old ones and joins them, or takes their place, when it is complete."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from mmsearch.errors import Hint, HintKind, MMSearchError
from mmsearch.notices import Notice, NoticeKind
from mmsearch.retrieval.encoders.catalogue import resolve
from mmsearch.retrieval.encoders.protocol import Encoder
from mmsearch.retrieval.encoders.routing import ModelRouting
from mmsearch.retrieval.ingest.run import IngestOptions, ingest
from mmsearch.retrieval.ingest.scan import lies_under
from mmsearch.retrieval.ingest.scope import roots_of
from mmsearch.retrieval.progress import Watcher
from mmsearch.retrieval.store.manifest import IndexEntry, Manifest, MatchSampleEntry, ShardEntry
from mmsearch.retrieval.store.writer import Writer
from mmsearch.types import MODALITIES, Modality, Report, Space, printable

Entry = TypeVar("Entry", ShardEntry, IndexEntry, MatchSampleEntry)


@dataclass(frozen=True, slots=True)
class ModelSwitch:
    """The spaces in use once another is complete, and ``dropped``, those it replaces; keys, as in `Manifest`."""

    primary_space: str
    secondary_spaces: tuple[str, ...]
    space_by_modality: dict[Modality, str]
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
    change = plan_switch(manifest, added.space, added.modalities)
    staying = [key for key in manifest.searched_spaces if key not in change.dropped and manifest.spaces[key].has_model]
    notices: tuple[Notice, ...] = ()
    if staying:
        theirs = {m: key for m, key in change.space_by_modality.items() if key in staying}
        own = ModelRouting(tuple(load(manifest.spaces[key]) for key in staying), theirs)
        before = ingest(writer, own, paths, options, watch)
        if before.interrupted:
            return before
        if before.indexed:
            models = [encoder.space.model for encoder in own.encoders]
            told = Notice(NoticeKind.MODEL_CAUGHT_UP, {"files": before.indexed, "models": models})
            notices = (*before.notices, told)
    routing = ModelRouting.single(added, texts=change.primary_space == added.space.key)
    report = ingest(writer, routing, roots_to_read(writer.manifest, paths), options, watch)
    report = replace(report, notices=tuple(dict.fromkeys((*notices, *report.notices))))
    return finish_switch(writer, added.space, change, report)


def plan_switch(manifest: Manifest, space: Space, modalities: frozenset[Modality]) -> ModelSwitch:
    """How ``space``, whose model embeds ``modalities``, joins the spaces in use.

    It takes over the media it embeds. Models left with none go; the others stay beside it for theirs. Texts belong to
    the model that embeds pictures. Vectors made elsewhere are never dropped.
    """
    taken = modalities - {"text"}
    media: dict[Modality, str] = {
        m: key for m, key in space_of_each_modality(manifest).items() if m not in {"text", *taken}
    }
    dropped = [k for k in manifest.searched_spaces if k not in media.values() and manifest.spaces[k].has_model]
    kept = [key for key in manifest.searched_spaces if key not in dropped]
    leads = not kept or manifest.primary_space in dropped or "image" in taken
    order = [space.key, *kept] if leads else [*kept, space.key]
    space_by_modality: dict[Modality, str] = {"text": order[0], **media}
    for modality in MODALITIES:
        if modality in taken:
            space_by_modality[modality] = space.key
    return ModelSwitch(order[0], tuple(order[1:]), space_by_modality, tuple(dropped))


def space_of_each_modality(manifest: Manifest) -> dict[Modality, str]:
    """The space that embeds each modality: as the manifest says, else the first of those in use whose model can."""
    space_by_modality: dict[Modality, str] = {}
    for modality in MODALITIES:
        able = [key for key in manifest.searched_spaces if modality in _modalities(manifest, key)]
        if modality in manifest.space_by_modality or able:
            space_by_modality[modality] = manifest.space_by_modality.get(modality) or able[0]
    return space_by_modality


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


def finish_switch(writer: Writer, space: Space, change: ModelSwitch, report: Report) -> Report:
    """Search ``space`` too from now on, and drop those it replaces, once all roots have been read for it."""
    manifest = writer.manifest
    missing = [root for root in manifest.roots if not os.path.exists(os.fsencode(root))]
    hint = None
    if report.interrupted:
        why = "the run was stopped; run it again to go on"
    elif missing:
        why = f"{printable(missing[0])} is missing; run again when it is back"
        hint = Hint(HintKind.REMOVE, printable(missing[0]))
    else:
        joined = replace(
            manifest,
            primary_space=change.primary_space,
            secondary_spaces=change.secondary_spaces,
            space_by_modality=change.space_by_modality,
        )
        for key in change.dropped:
            joined = without_space(joined, key)
        for key in (k for k in joined.searched_spaces if k != space.key and manifest.spaces[k].has_model):
            joined = _without(joined, key, frozenset(m for m in MODALITIES if change.space_by_modality.get(m) != key))
        writer.publish(joined)
        return _with_notice(report, _describe_switch(manifest, space, change))
    values = {"model": space.model, "still": " and ".join(manifest.searched_spaces), "why": why}
    return _with_notice(report, Notice(NoticeKind.MODEL_WAITS, values, hint))


def without_space(manifest: Manifest, key: str) -> Manifest:
    """The manifest with nothing of the space in it."""
    emptied = _without(manifest, key, frozenset(MODALITIES))
    return replace(emptied, spaces={k: space for k, space in manifest.spaces.items() if k != key})


def _without(manifest: Manifest, key: str, modalities: frozenset[Modality]) -> Manifest:
    """The manifest without a space's rows of some modalities: another model embeds these now."""

    def kept(entries: Iterable[Entry]) -> tuple[Entry, ...]:
        return tuple(entry for entry in entries if entry.space != key or entry.modality not in modalities)

    return replace(
        manifest,
        shards=kept(manifest.shards),
        indexes=kept(manifest.indexes),
        match_samples=kept(manifest.match_samples),
    )


def _describe_switch(manifest: Manifest, space: Space, change: ModelSwitch) -> Notice:
    keys = (change.primary_space, *change.secondary_spaces)
    beside = [manifest.spaces[key].model for key in keys if key != space.key]
    dropped = [manifest.spaces[key].model for key in change.dropped]
    return Notice(NoticeKind.MODEL_SWITCHED, {"model": space.model, "beside": beside, "dropped": dropped})


def is_new(manifest: Manifest, space: Space) -> bool:
    """Whether a space is to join those in use; beside vectors made elsewhere alone it is simply another one."""
    if manifest.primary_space is None or space.key in manifest.searched_spaces:
        return False
    return any(manifest.spaces[key].has_model for key in manifest.searched_spaces)


def _with_notice(report: Report, notice: Notice) -> Report:
    return replace(report, notices=(*report.notices, notice))
