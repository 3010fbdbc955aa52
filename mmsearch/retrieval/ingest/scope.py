"""What a run decides for later ones: which roots there are, what is passed over, what stays forgotten."""

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
    """The manifest with what a run over ``paths`` decides.

    Patterns of ``exclude`` are added to those that are kept. A path that is named is forgotten no longer. ``lift``
    takes back: a pattern, a path that was removed, or ``all``.

    Raises:
        UsageError: a pattern that cannot be read, or nothing to lift.
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
    """Which of the patterns and paths that are kept are meant."""
    (path,) = absolute([what])
    meant = {what, os.fsdecode(path)}
    with suppress(UsageError):
        meant |= set(checked_patterns([what], ()))
    return {one for one in kept if one in meant or normal(one) == normal(path)}


def with_roots(manifest: Manifest, paths: Sequence[bytes], hidden: bool) -> tuple[str, ...]:
    """The roots when ``paths`` are among them. A path inside a root is one of its own where a walk of that root would
    pass it over, for it was named."""
    roots = roots_of(manifest)
    scan = Scan(paths, manifest.excludes, hidden, roots=roots, removed=removed_paths(manifest))
    added: list[bytes] = []
    for path in dict.fromkeys(paths):
        if not any(lies_under(path, root) and scan.reaches(path, root) for root in (*roots, *added)):
            added.append(path)
    kept = [r for r in roots if not any(r != p and lies_under(r, p) and scan.reaches(r, p) for p in added)]
    return tuple(os.fsdecode(root) for root in dict.fromkeys((*kept, *added)))


def removed_paths(manifest: Manifest) -> frozenset[bytes]:
    """The paths that were forgotten by name."""
    return frozenset(os.fsencode(path) for path in manifest.removed)


def with_removed(manifest: Manifest, paths: Sequence[bytes], empty: Collection[bytes]) -> Manifest:
    """The manifest when ``paths`` are forgotten: they stay so in later runs, and roots among them are dropped.

    Nothing is kept of a path that is ``empty``, a root of which nothing was stored, nor of one outside all roots, which
    comes back by nothing but its own name.
    """
    roots = roots_of(manifest)
    related = [p for p in paths if any(lies_under(p, root) or lies_under(root, p) for root in roots)]
    noted = [p for p in related if p not in empty]
    inside = [p for p in removed_paths(manifest) if not any(lies_under(p, path) for path in noted)]
    every = sorted({*inside, *noted})
    outermost = [p for p in every if not any(p != other and lies_under(p, other) for other in noted)]
    left = tuple(os.fsdecode(r) for r in roots if not any(lies_under(r, path) for path in paths))
    return replace(manifest, roots=left, removed=tuple(map(os.fsdecode, outermost)))
