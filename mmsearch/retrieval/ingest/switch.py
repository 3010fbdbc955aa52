"""Changing the model: the new space grows beside the old one, which is dropped last."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace

from mmsearch.retrieval.ingest.scan import lies_under
from mmsearch.retrieval.store.manifest import Manifest
from mmsearch.retrieval.store.writer import Writer
from mmsearch.types import Report, Space, printable


def roots_to_read(manifest: Manifest, space: Space, paths: Sequence[bytes]) -> list[bytes]:
    """The paths of a run: for a new space, also every root that the collection was made of and that is there."""
    tops = list(dict.fromkeys(paths))
    if _replaces(manifest, space):
        roots = [os.fsencode(root) for root in manifest.roots]
        tops += [r for r in roots if os.path.exists(r) and not any(lies_under(r, top) for top in tops)]
    return tops


def finish_switch(writer: Writer, space: Space, report: Report) -> Report:
    """Make ``space`` the one that is searched and drop the one before, once all roots have been read for it."""
    manifest = writer.manifest
    if not _replaces(manifest, space):
        return report
    assert manifest.current is not None
    missing = [root for root in manifest.roots if not os.path.exists(os.fsencode(root))]
    if report.interrupted:
        wait = "the run was stopped; run it again to go on"
    elif missing:
        wait = f"{printable(missing[0])} is missing; run again when it is back, or `mmsearch remove` it"
    else:
        writer.publish(without_space(replace(manifest, current=space.key), manifest.current))
        return _noting(report, f"the collection is now searched with {space.model}; the vectors before it are dropped")
    return _noting(report, f"{space.model} is not searched with yet, {manifest.current} still is: {wait}")


def without_space(manifest: Manifest, key: str) -> Manifest:
    """The manifest with nothing of the space in it."""
    return replace(
        manifest,
        spaces={k: space for k, space in manifest.spaces.items() if k != key},
        shards=tuple(entry for entry in manifest.shards if entry.space != key),
        indexes=tuple(entry for entry in manifest.indexes if entry.space != key),
        samples=tuple(entry for entry in manifest.samples if entry.space != key),
    )


def _replaces(manifest: Manifest, space: Space) -> bool:
    """Whether ``space`` is to take the place of the current one; vectors made elsewhere are never replaced."""
    if manifest.current is None or manifest.current == space.key:
        return False
    return manifest.spaces[manifest.current].has_model


def _noting(report: Report, notice: str) -> Report:
    return replace(report, notices=(*report.notices, notice))
