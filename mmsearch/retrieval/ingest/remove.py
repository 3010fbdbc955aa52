"""Forgetting files: their rows get tombstones; the files themselves are never touched."""

from __future__ import annotations

import os
from collections.abc import Sequence

from mmsearch.errors import UsageError
from mmsearch.retrieval.ingest.scope import roots_of, with_removed
from mmsearch.retrieval.ingest.stored_files import StoredFiles
from mmsearch.retrieval.paths import lies_under, normal
from mmsearch.retrieval.store.snapshot import Snapshot
from mmsearch.retrieval.store.stored_paths import StoredPaths
from mmsearch.retrieval.store.writer import Writer
from mmsearch.types import printable


def forget(writer: Writer, paths: Sequence[bytes]) -> int:
    """Bury every row under ``paths``, in all spaces; returns the number of files.

    Raises:
        UsageError: the collection knows nothing under one of the paths.
    """
    snapshot = Snapshot(writer.root, writer.manifest)
    known = StoredFiles(snapshot, writer.manifest.spaces)
    ids: list[int] = []
    files: set[bytes] = set()
    stored = StoredPaths(snapshot, writer.manifest.spaces)
    roots = roots_of(writer.manifest)
    meant: list[bytes] = []
    empty: set[bytes] = set()
    for path in paths:
        spelled = stored.matching(path) or [r for r in roots if lies_under(_comparable(r), _comparable(path))]
        if not spelled:
            near = stored.nearest([path])
            hint = f"; did you mean {printable(os.fsdecode(near))}?" if near else ""
            raise UsageError(f"{printable(os.fsdecode(path))} is not in the collection; nothing was removed{hint}")
        found = list(known.under(spelled))
        meant += spelled
        empty |= set() if found else set(spelled)
        files |= {file.path for file in found}
        ids += [row_id for file in found for row_id in file.all_ids()]
    after = with_removed(writer.manifest, meant, empty)
    writer.commit(delete=ids, roots=after.roots, removed=after.removed)
    return len(files)


def _comparable(path: bytes) -> bytes:
    return os.fsencode(normal(path))
