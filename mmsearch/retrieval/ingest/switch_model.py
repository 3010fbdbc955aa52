"""Changing models: a new space is filled beside the others, and is searched or replaces them when it is complete."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from mmsearch.errors import Hint, HintKind
from mmsearch.notices import Notice, NoticeKind
from mmsearch.retrieval.encoders.catalogue import find_model
from mmsearch.retrieval.ingest.scope import roots_of
from mmsearch.retrieval.paths import lies_under
from mmsearch.retrieval.store.manifest import IndexEntry, LexicalEntry, Manifest, MatchSampleEntry, ShardEntry
from mmsearch.retrieval.store.writer import Writer
from mmsearch.types import MODALITIES, Modality, Report, Space, printable

Entry = TypeVar("Entry", ShardEntry, IndexEntry, LexicalEntry, MatchSampleEntry)


@dataclass(frozen=True, slots=True)
class ModelSwitch:
    """The spaces to search once a new one is complete, and the ``dropped`` ones it replaces; keys, as in `Manifest`."""

    primary_space: str
    secondary_spaces: tuple[str, ...]
    space_by_modality: dict[Modality, str]
    dropped: tuple[str, ...]


def plan_switch(manifest: Manifest, space: Space, modalities: frozenset[Modality]) -> ModelSwitch:
    """Which spaces are searched, and which dropped, once ``space``, whose model embeds ``modalities``, is complete.

    The new model embeds its media from then on. A model that is left without media is dropped, another stays for its
    own. Texts are embedded by the model that embeds pictures. Vectors made elsewhere are never dropped.
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
    """The space of each modality: as the manifest says, or else the first searched space whose model embeds it."""
    space_by_modality: dict[Modality, str] = {}
    for modality in MODALITIES:
        able = [key for key in manifest.searched_spaces if modality in _modalities(manifest, key)]
        if modality in manifest.space_by_modality or able:
            space_by_modality[modality] = manifest.space_by_modality.get(modality) or able[0]
    return space_by_modality


def _modalities(manifest: Manifest, key: str) -> frozenset[Modality]:
    """The modalities that the model of a space embeds, by the catalogue, or else those that have rows."""
    info = find_model(manifest.spaces[key].model)
    return info.modalities if info else frozenset(manifest.modalities(key))


def roots_to_read(manifest: Manifest, paths: Sequence[bytes]) -> list[bytes]:
    """The paths of a run that fills a new space: those that are named, and every root of the collection that exists."""
    tops = list(dict.fromkeys(paths))
    return tops + [r for r in roots_of(manifest) if os.path.exists(r) and not any(lies_under(r, top) for top in tops)]


def finish_switch(writer: Writer, space: Space, switch: ModelSwitch, report: Report) -> Report:
    """Take ``space`` into use and drop the spaces it replaces, if its run was not interrupted and no root is missing.

    Returns the report with a notice that says which of the two happened.
    """
    manifest = writer.manifest
    missing = [root for root in manifest.roots if not os.path.exists(os.fsencode(root))]
    hint = Hint(HintKind.REMOVE, printable(missing[0])) if missing and not report.interrupted else None
    if not report.interrupted and not missing:
        joined = replace(
            manifest,
            primary_space=switch.primary_space,
            secondary_spaces=switch.secondary_spaces,
            space_by_modality=switch.space_by_modality,
        )
        for key in switch.dropped:
            joined = without_space(joined, key)
        for key in (k for k in joined.searched_spaces if k != space.key and manifest.spaces[k].has_model):
            joined = _without(joined, key, frozenset(m for m in MODALITIES if switch.space_by_modality.get(m) != key))
        writer.publish(joined)
        return _with_notice(report, _switch_notice(manifest, space, switch))
    values = {
        "model": space.model,
        "searched": manifest.searched_spaces,
        "missing": None if report.interrupted else printable(missing[0]),
    }
    return _with_notice(report, Notice(NoticeKind.MODEL_WAITS, values, hint))


def without_space(manifest: Manifest, key: str) -> Manifest:
    """The manifest without a space and its rows."""
    emptied = _without(manifest, key, frozenset(MODALITIES))
    return replace(emptied, spaces={k: space for k, space in manifest.spaces.items() if k != key})


def _without(manifest: Manifest, key: str, modalities: frozenset[Modality]) -> Manifest:
    """The manifest without a space's rows of some modalities."""

    def kept(entries: Iterable[Entry]) -> tuple[Entry, ...]:
        return tuple(entry for entry in entries if entry.space != key or entry.modality not in modalities)

    return replace(
        manifest,
        shards=kept(manifest.shards),
        indexes=kept(manifest.indexes),
        lexical=kept(manifest.lexical),
        match_samples=kept(manifest.match_samples),
    )


def _switch_notice(manifest: Manifest, space: Space, switch: ModelSwitch) -> Notice:
    keys = (switch.primary_space, *switch.secondary_spaces)
    beside = [manifest.spaces[key].model for key in keys if key != space.key]
    dropped = [manifest.spaces[key].model for key in switch.dropped]
    return Notice(NoticeKind.MODEL_SWITCHED, {"model": space.model, "beside": beside, "dropped": dropped})


def is_switch(manifest: Manifest, space: Space) -> bool:
    """Whether filling ``space`` changes the models of a collection, rather than adding the first one."""
    if manifest.primary_space is None or space.key in manifest.searched_spaces:
        return False
    return any(manifest.spaces[key].has_model for key in manifest.searched_spaces)


def _with_notice(report: Report, notice: Notice) -> Report:
    return replace(report, notices=(*report.notices, notice))
