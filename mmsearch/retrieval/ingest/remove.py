"""Removing files and rows from a collection: rows are deleted; the files themselves are never touched."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmsearch.errors import UsageError
from mmsearch.retrieval.ingest.external_vectors import checked_ids
from mmsearch.retrieval.ingest.parts.adopt import remove_parts
from mmsearch.retrieval.ingest.parts.removed_sources import indexed_sources, sources_meant, without_sources
from mmsearch.retrieval.ingest.scope import roots_of, with_removed
from mmsearch.retrieval.ingest.stored_files import StoredFiles
from mmsearch.retrieval.paths import absolute, lies_under, normal
from mmsearch.retrieval.sources.addresses import absolute_address
from mmsearch.retrieval.storage import is_remote
from mmsearch.retrieval.store.snapshot import Snapshot
from mmsearch.retrieval.store.stored_paths import StoredPaths
from mmsearch.retrieval.store.writer import Writer
from mmsearch.types import printable


def remove_paths(writer: Writer, paths: Sequence[str | os.PathLike[str]]) -> int:
    """Delete the rows of all files under ``paths``, in all spaces; returns the number of files.

    A name that rows were added under is taken exactly as it is written; anything else is a path and made absolute, an
    archive or a bucket that was indexed, or an item of one. Later runs pass these paths over, until one of them is
    named again.

    Raises:
        UsageError: no stored file lies under one of the paths; nothing is deleted then.
    """
    snapshot = Snapshot(writer.root, writer.manifest)
    stored = StoredFiles(snapshot, writer.manifest.spaces)
    stored_paths = StoredPaths(snapshot, writer.manifest.spaces)
    roots = roots_of(writer.manifest)
    known = indexed_sources(snapshot)
    ids: list[int] = []
    files: set[bytes] = set()
    removed: list[bytes] = []
    empty: set[bytes] = set()
    archives: set[str] = set()
    items: list[str] = []
    for given in paths:
        name = os.fsencode(given)
        if not os.path.isabs(name) and (named := stored.get(name)) is not None:
            files.add(name)
            ids += named.all_ids()
            continue
        address = absolute_address(given)
        if (item := stored.get(os.fsencode(address))) is not None and item.source is not None:
            files.add(item.path)
            ids += item.all_ids()
            items.append(address)
            continue
        meant = sources_meant(address, known)
        archives |= meant
        if is_remote(address) or address in meant or (meant and not os.path.lexists(address)):
            if not meant:
                raise UsageError(f"{address} is not in the collection; nothing was removed")
            continue
        (path,) = absolute([given])
        archives |= {one for one in map(os.fsdecode, stored_paths.matching(path)) if one in known}
        spellings = stored_paths.matching(path) or [r for r in roots if lies_under(_comparable(r), _comparable(path))]
        if not spellings and not meant:
            near = stored_paths.nearest([path])
            suggestion = f"; did you mean {printable(os.fsdecode(near))}?" if near else ""
            raise UsageError(
                f"{printable(os.fsdecode(path))} is not in the collection; nothing was removed{suggestion}"
            )
        found = [
            file for file in stored.under(spellings) if not file.source or os.fsdecode(file.source) not in archives
        ]
        removed += spellings
        empty |= set() if found else set(spellings)
        files |= {file.path for file in found}
        ids += [row_id for file in found for row_id in file.all_ids()]
    count = remove_parts(writer, archives) if archives else 0
    after = without_sources(with_removed(writer.manifest, removed, empty), archives, items)
    writer.commit(delete=ids, roots=after.roots, removed=after.removed, sources=after.sources)
    return len(files) + count


def remove_rows(writer: Writer, ids: Sequence[int] | NDArray[np.integer[Any]]) -> int:
    """Delete rows by their ids; returns how many.

    Raises:
        NoSuchRowError: there is no row of one of the ids; nothing is deleted then.
        UsageError: an id is given twice, or ids are no whole numbers.
    """
    found = checked_ids(Snapshot(writer.root, writer.manifest), ids, "removed")
    if len(found):
        writer.commit(delete=found.tolist())
    return len(found)


def _comparable(path: bytes) -> bytes:
    return os.fsencode(normal(path))
