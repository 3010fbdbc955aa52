"""Looking up in one part of a collection: its rows, and of the indexes what covers them."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Set
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mmsearch.indexes import LexicalIndex, LexicalSegment, Sought, StoredVectors, VectorIndex
from mmsearch.machine import give_back_freed_memory
from mmsearch.retrieval.search.searcher import Searcher
from mmsearch.retrieval.search.session import Session
from mmsearch.retrieval.store.manifest import IndexEntry, Manifest
from mmsearch.retrieval.store.remote import at_hand
from mmsearch.retrieval.store.snapshot import Snapshot
from mmsearch.retrieval.upkeep.index_files import latest_recall, read_all_facts
from mmsearch.retrieval.upkeep.lexical_files import OpenedWords, current_entries, open_words
from mmsearch.scale.readers.part import Part
from mmsearch.scale.readers.part_snapshot import PartSnapshot
from mmsearch.types import Modality, Space

if TYPE_CHECKING:
    from mmsearch.indexes import ApproximateIndex

_PHRASES = 256  # whose files are kept


class PartSession(Session):
    """One part of a collection, opened at one manifest; `reopen` moves to the newest."""

    def __init__(self, root: Path, part: Part) -> None:
        self.part = part
        super().__init__(root)

    @property
    def part_snapshot(self) -> PartSnapshot:
        """What is searched now."""
        snapshot = self.snapshot
        assert isinstance(snapshot, PartSnapshot)
        return snapshot

    def _make_snapshot(self, manifest: Manifest) -> Snapshot:
        return PartSnapshot(self.root, manifest, self.part)

    def _make_searcher(self, space: Space) -> Searcher:
        return PartSearcher(self.snapshot, space)


class PartSearcher(Searcher):
    """Finds rows of one part. The lexical index is that of all rows; of what it finds, rows of the part are used."""

    def __init__(self, snapshot: Snapshot, space: Space) -> None:
        super().__init__(snapshot, space)
        self._paths: dict[Modality, dict[bytes, int]] = {}
        self._of_phrases: dict[tuple[Modality, Sought], Set[bytes]] = {}
        self._phrase_guard = threading.Lock()

    def know_phrase(self, phrase: Sought, paths: Mapping[Modality, Set[bytes]]) -> None:
        """Be told which files a phrase lets answer: rows of other parts say so, too."""
        with self._phrase_guard:
            while len(self._of_phrases) >= _PHRASES:
                del self._of_phrases[next(iter(self._of_phrases))]
            for modality, own in paths.items():
                self._of_phrases[modality, phrase] = own

    def phrase_paths(self, modality: Modality, phrase: Sought) -> Set[bytes]:
        """The paths of files all of whose rows of a modality a phrase lets answer, as `know_phrase` was told."""
        return self._of_phrases[modality, phrase]

    def file_numbers(self, modality: Modality) -> NDArray[np.int64]:
        """For each row a number that the rows of one file share; int64 ``[rows]``."""
        with self._guard:
            if modality not in self._files:
                column = self.rows(modality).facts(["path"])["path"]
                coded = column.combine_chunks().cast(pa.binary()).dictionary_encode()
                self._paths[modality] = {path: number for number, path in enumerate(coded.dictionary.to_pylist())}
                self._files[modality] = coded.indices.to_numpy().astype(np.int64)
            return self._files[modality]

    def numbers_of(self, modality: Modality, paths: Set[bytes]) -> NDArray[np.int64]:
        """The numbers of those of some files that have rows here."""
        self.file_numbers(modality)
        known = self._paths[modality]
        return np.array([known[path] for path in sorted(paths) if path in known], np.int64)

    def _open_words(self, modality: Modality) -> OpenedWords:
        manifest, space = self.snapshot.manifest, self.space.key
        entries = current_entries(manifest, space, modality)
        newest = max(entry.max_id for entry in manifest.shards_of(space, modality))
        if not entries or newest > entries[-1].covers_to:
            return open_words(Snapshot(self.snapshot.root, manifest), space, modality)
        root = self.snapshot.root
        segments = [LexicalSegment.open(at_hand(root, entry.path), entry.rows) for entry in entries]
        return OpenedWords(LexicalIndex(segments), 0)

    def _open_index(self, modality: Modality) -> VectorIndex:
        rows = self.rows(modality)
        vectors = StoredVectors(rows.vector_blocks, self.space.dim)
        entries = self.snapshot.manifest.indexes_of(self.space.key, modality)
        if not len(rows) or not entries or entries[-1].covers_to < int(rows.ids[0]) or not _can_be_cut(entries[0]):
            return VectorIndex(vectors, rows.ids)
        root = self.snapshot.root
        calibration = latest_recall(root, entries, read_all_facts(root, entries)).calibration
        first, last = int(rows.ids[0]), int(rows.ids[-1])

        def load() -> ApproximateIndex:
            return _index_of(root, entries, first, last)

        return VectorIndex(vectors, rows.ids, load, calibration, entries[-1].covers_to)


def _can_be_cut(entry: IndexEntry) -> bool:
    """Whether the rows of a part can be taken out of an index: out of inverted files. Else all rows are compared."""
    return ".trained" in entry.checksums


def _index_of(root: Path, entries: list[IndexEntry], first: int, last: int) -> ApproximateIndex:
    """The rows of an index with ids from ``first`` to ``last``. Segments without any of them are not read."""
    from mmsearch.indexes import ApproximateIndex

    spans = zip([-1, *(entry.covers_to for entry in entries)], entries, strict=False)
    inside = [after < last and entry.covers_to >= first for after, entry in spans]
    later = [entry for entry, is_inside in zip(entries[1:], inside[1:], strict=True) if is_inside]
    ending = ".faiss" if inside[0] else ".trained"  # the centroids alone
    own = at_hand(root, entries[0].path + ending)
    index = ApproximateIndex.load(own, [at_hand(root, f"{entry.path}.faiss") for entry in later], mapped=False)
    index.keep_ids(first, last)
    give_back_freed_memory()  # else the process stays as large as with all rows
    return index
