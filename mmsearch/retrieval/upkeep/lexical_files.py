"""The documents of the lexical index of a (space, modality), and opening its segments over a snapshot.

A document is a row: its passage, and with the first row of each file the words of the file's name, of the folders
below the indexed one, of its title and its tags.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pyarrow as pa

from mmsearch.indexes import LEXICAL_FORMAT, LexicalIndex, LexicalSegment, name_words, words_of
from mmsearch.retrieval.paths import above_root
from mmsearch.retrieval.store.manifest import LexicalEntry, Manifest
from mmsearch.retrieval.store.remote import at_hand
from mmsearch.retrieval.store.snapshot import Snapshot, open_shard
from mmsearch.types import Modality, printable

_COLUMNS = ["path", "passage", "mms_title", "mms_tags"]
_MOST_IN_MEMORY = 20_000
"""Rows that no segment covers are made searchable in memory when they are first asked for, up to so many."""

Document = tuple[int, list[str], str]


@dataclass(frozen=True, slots=True)
class OpenedWords:
    """The lexical index of a (space, modality) as a snapshot has it.

    Attributes:
        index: over its segments, and over later rows in memory.
        missing: rows that it does not cover.
    """

    index: LexicalIndex
    missing: int


def open_words(snapshot: Snapshot, space: str, modality: Modality) -> OpenedWords:
    """The lexical index of a (space, modality) over the rows of a snapshot.

    Raises:
        FileNotFoundError: a segment is gone; a newer manifest may have replaced it.
        CollectionDamagedError: a segment is none.
    """
    entries = current_entries(snapshot.manifest, space, modality)
    segments = [LexicalSegment.open(at_hand(snapshot.root, entry.path), entry.rows) for entry in entries]
    covered = entries[-1].covers_to if entries else 0
    ids = snapshot.rows(space, modality).ids
    later = len(ids) - int(np.searchsorted(ids, covered, side="right"))
    if 0 < later <= _MOST_IN_MEMORY:
        segments.append(LexicalSegment.build(documents(snapshot, space, modality, covered, int(ids[-1]))))
    return OpenedWords(LexicalIndex(segments), later if later > _MOST_IN_MEMORY else 0)


def current_entries(manifest: Manifest, space: str, modality: Modality) -> list[LexicalEntry]:
    """The segments of a (space, modality) by the ids that they cover; none if they are of another version's format."""
    entries = manifest.lexical_of(space, modality)
    return entries if all(entry.format == LEXICAL_FORMAT for entry in entries) else []


def documents(snapshot: Snapshot, space: str, modality: Modality, after_id: int, to_id: int) -> Iterator[Document]:
    """The documents of the live rows with ids above ``after_id`` and up to ``to_id``, by ascending id."""
    roots = tuple(os.fsencode(root) for root in snapshot.manifest.roots)
    deleted = snapshot.deleted_ids
    last_path = None
    for entry in snapshot.manifest.shards_of(space, modality):
        if entry.max_id <= after_id or entry.min_id > to_id:
            continue
        shard = open_shard(snapshot.root, entry)
        start = 0
        for group, block in enumerate(shard.vector_blocks):
            ids = shard.ids[start : start + len(block)]
            start += len(block)
            wanted = (ids > after_id) & (ids <= to_id) & ~np.isin(ids, deleted, assume_unique=True)
            if not wanted.any():
                continue
            columns = shard.facts_of_group(group, _COLUMNS).filter(pa.array(wanted)).to_pydict()
            for row_id, path, passage, title, tags in zip(
                ids[wanted].tolist(), *(columns[name] for name in _COLUMNS), strict=True
            ):
                name = [] if path == last_path else path_words(path, roots)
                if name and (title or tags):
                    name = [*name, *words_of(" ".join([title or "", *(tags or ())]))]
                last_path = path
                yield row_id, name, passage or ""


def path_words(path: bytes, roots: Sequence[bytes]) -> list[str]:
    """The words of a file's name and of the folders that it lies in, from the indexed folder on."""
    folder, name = os.path.split(path)
    return [*_folder_words(folder, tuple(roots), b"#" in name), *name_words(printable(os.fsdecode(name)))]


@lru_cache(maxsize=4096)
def _folder_words(folder: bytes, roots: tuple[bytes, ...], holds_items: bool) -> list[str]:
    above = above_root(os.path.join(folder, b"#") if holds_items else folder, roots)
    inside = printable(os.fsdecode(folder[len(above) :]))
    return [word for part in inside.split(os.sep) for word in name_words(part)]
