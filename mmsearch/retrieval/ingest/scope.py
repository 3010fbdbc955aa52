"""What a collection keeps for later runs: its roots, its exclude patterns, and the paths that were removed."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import replace

from mmsearch.errors import UsageError
from mmsearch.retrieval.ingest.excludes import checked_patterns
from mmsearch.retrieval.ingest.scan import Scan
from mmsearch.retrieval.paths import absolute, lies_under, normal
from mmsearch.retrieval.store.manifest import Manifest
from mmsearch.types import printable

ALL = "all"


def roots_of(manifest: Manifest) -> list[bytes]:
    """The roots as paths."""
    return [os.fsencode(root) for root in manifest.roots]


def with_choices(manifest: Manifest, paths: Sequence[bytes], exclude: Sequence[str], lift: Sequence[str]) -> Manifest:
    """The manifest with the choices of a run over ``paths`` added.

    Args:
        manifest: the manifest before the run.
        paths: the paths of the run; those that were removed before are indexed again.
        exclude: patterns to add to those that are kept.
        lift: patterns and removed paths to take back, or ``all``.

    Raises:
        UsageError: a pattern that cannot be read, or one of ``lift`` that is not kept.
    """
    excludes, removed = dict.fromkeys(manifest.excludes), dict.fromkeys(manifest.removed)
    for what in lift:
        if what == ALL:
            excludes, removed = {}, {}
            continue
        found = _lifted(what, [*excludes, *removed])
        if not found:
            kept = ", ".join(map(printable, (*manifest.excludes, *manifest.removed))) or "nothing"
            raise UsageError(f"{printable(what)} is neither excluded nor removed; kept is: {kept}")
        excludes = {pattern: None for pattern in excludes if pattern not in found}
        removed = {path: None for path in removed if path not in found}
    named = {normal(path) for path in paths}
    removed = {path: None for path in removed if normal(path) not in named}
    for pattern in checked_patterns(exclude, [*paths, *roots_of(manifest)]):
        excludes.pop(pattern, None)  # the later of two patterns decides
        excludes[pattern] = None
    return replace(manifest, excludes=tuple(excludes), removed=tuple(removed))


def _lifted(what: str, kept: Sequence[str]) -> set[str]:
    """The kept patterns and paths that ``what`` names."""
    (path,) = absolute([what])
    meant = {what, os.fsdecode(path)}
    with suppress(UsageError):
        meant |= set(checked_patterns([what], ()))
    return {one for one in kept if one in meant or normal(one) == normal(path)}


def with_roots(manifest: Manifest, paths: Sequence[bytes], hidden: bool) -> tuple[str, ...]:
    """The roots after a run over ``paths``.

    A path inside a root becomes a root of its own if a walk of that root would pass it over.
    """
    roots = roots_of(manifest)
    scan = Scan(paths, manifest.excludes, hidden, roots=roots, removed=removed_paths(manifest))
    added: list[bytes] = []
    for path in dict.fromkeys(paths):
        if not any(lies_under(path, root) and scan.would_reach(path, root) for root in (*roots, *added)):
            added.append(path)
    kept = [r for r in roots if not any(r != p and lies_under(r, p) and scan.would_reach(r, p) for p in added)]
    return tuple(os.fsdecode(root) for root in dict.fromkeys((*kept, *added)))


def removed_paths(manifest: Manifest) -> frozenset[bytes]:
    """The paths that were removed from the collection."""
    return frozenset(os.fsencode(path) for path in manifest.removed)


def with_removed(manifest: Manifest, paths: Sequence[bytes], empty: Collection[bytes]) -> Manifest:
    """The manifest after ``paths`` were removed: later runs pass them over, and roots among them are dropped.

    A path is not noted if it is in ``empty`` (a root without stored files), or lies outside all roots, because only
    its own name can bring it back.
    """
    roots = roots_of(manifest)
    related = [p for p in paths if any(lies_under(p, root) or lies_under(root, p) for root in roots)]
    noted = [p for p in related if p not in empty]
    inside = [p for p in removed_paths(manifest) if not any(lies_under(p, path) for path in noted)]
    every = sorted({*inside, *noted})
    outermost = [p for p in every if not any(p != other and lies_under(p, other) for other in noted)]
    left = tuple(os.fsdecode(r) for r in roots if not any(lies_under(r, path) for path in paths))
    return replace(manifest, roots=left, removed=tuple(map(os.fsdecode, outermost)))
