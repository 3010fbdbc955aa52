"""A collection whose rows are looked up by readers, each of which holds a part; its answers are those of one process.

The front reads the manifest, the facts of rows that were found, and their files. Masks, vectors, codes and what words
propose are the readers'. What they find is merged into what one process would have found; from there on everything is
done as there: rows are judged, ranked and shown by the same code.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from mmsearch.collection import Collection
from mmsearch.indexes import Sought
from mmsearch.notices import Notice, NoticeKind
from mmsearch.retrieval.encoders.loaded import LoadedEncoders
from mmsearch.retrieval.encoders.runtime import Runtime
from mmsearch.retrieval.search.searchable import LookUp, Searchable
from mmsearch.retrieval.search.searcher import Searcher
from mmsearch.retrieval.search.session import Session
from mmsearch.retrieval.store.manifest import Manifest
from mmsearch.retrieval.store.remote import collection_root
from mmsearch.retrieval.store.snapshot import Snapshot
from mmsearch.scale.readers.part_snapshot import NamedSnapshot
from mmsearch.scale.readers.pool import Reader, ReaderAheadError, ReaderLostError, Readers
from mmsearch.scale.readers.rows_of_readers import Asking, rows_of_readers
from mmsearch.scale.readers.wire import PhrasePaths
from mmsearch.types import Space

if TYPE_CHECKING:
    from mmsearch.retrieval.search.row_search import Asked

Result = TypeVar("Result")

_PHRASES = 256  # whose files are kept


def open_front(
    path: str | os.PathLike[str],
    readers: Readers,
    *,
    device: str = "auto",
    precision: str = "auto",
    texts_kept: int = 0,
) -> Collection:
    """Open a collection whose rows readers look up. Close the readers after it.

    Args:
        path: its folder, or its address in a bucket.
        readers: of all its parts. They are asked what they hold now; those that do not answer may come later.
        device: what models run on; see `Collection.open`.
        precision: of the models.
        texts_kept: how many vectors of texts to keep.

    Raises:
        UsageError: the parts of the readers overlap or do not add up, or they read another collection.
        CollectionNotFoundError: there is no collection at ``path``.
    """
    session = FrontSession(collection_root(path), LoadedEncoders(Runtime(device, precision)), texts_kept, readers)
    return Collection(session)


class _Attempt(threading.local):
    """What one thread is about: the readers of the look-up that it does, and what its last look-up lacked."""

    readers: Sequence[Reader] | None = None
    missing: dict[str, str] | None = None


class FrontSession(Session):
    """An open collection whose rows are looked up by readers."""

    def __init__(self, root: Path, encoders: LoadedEncoders, texts_kept: int, readers: Readers) -> None:
        self.readers = readers
        self._attempt = _Attempt()
        super().__init__(root, encoders, texts_kept)
        readers.start(self._named())

    def retrying(self, read: Callable[[], Result]) -> Result:
        """What ``read`` returns. It begins anew without a reader that does not answer: an answer lacks its rows as a
        whole, or has them all."""
        attempt = self._attempt
        if attempt.readers is not None:  # within another
            return super().retrying(read)
        while True:
            self.readers.follow(self._named())
            attempt.missing = None
            attempt.readers = ()
            try:
                return super().retrying(read)
            except ReaderLostError:
                continue
            except ReaderAheadError:
                if not self.reopen():
                    self.readers.leave_ahead()
            finally:
                if attempt.readers:
                    attempt.missing = self.readers.missing(attempt.readers)
                attempt.readers = None

    def asked_readers(self) -> Sequence[Reader]:
        """The readers of the look-up that this thread does: the same from its first question to its last.

        Raises:
            NoReaderError: there is none.
        """
        if not self._attempt.readers:
            self._attempt.readers = self.readers.in_use()
        return self._attempt.readers

    def notices(self) -> tuple[Notice, ...]:
        """Which parts this thread's last look-up lacked, and why."""
        missing = self._attempt.missing
        return (Notice(NoticeKind.PARTS_MISSING, {"parts": missing}),) if missing else ()

    def _named(self) -> NamedSnapshot:
        snapshot = self.snapshot
        assert isinstance(snapshot, NamedSnapshot)
        return snapshot

    def _make_snapshot(self, manifest: Manifest) -> Snapshot:
        return NamedSnapshot(self.root, manifest)

    def _make_searcher(self, space: Space) -> Searcher:
        return FrontSearcher(self, self._named(), space)


class FrontSearcher(Searcher):
    """Answers queries about one space: readers look up, the rest is done here."""

    def __init__(self, session: FrontSession, snapshot: NamedSnapshot, space: Space) -> None:
        super().__init__(snapshot, space)
        self._session = session
        self._digest = snapshot.digest
        self._of_phrases: dict[Sought, PhrasePaths] = {}

    def sources(self, looked: Sequence[tuple[LookUp, Sequence[Asked]]]) -> Iterable[Searchable]:
        """The rows of each modality that is looked up; all readers are asked for all modalities at once."""
        if not looked:
            return []
        about = {"digest": self._digest, "generation": self.snapshot.manifest.generation, "space": self.space.key}
        session = self._session
        asking = Asking(
            about,
            looked[0][0].scope,
            self._phrase_files,
            lambda body: session.readers.look_up(session.asked_readers(), body),
        )
        counts = [len(self.rows(look_up.modality)) for look_up, _ in looked]
        return rows_of_readers(asking, looked, counts)

    def _phrase_files(self, phrase: Sought) -> PhrasePaths:
        found = self._of_phrases.get(phrase)
        if found is None:
            found = {modality: self.phrase_paths(modality, phrase) for modality in self.modalities}
            if len(self._of_phrases) >= _PHRASES:
                self._of_phrases.clear()
            self._of_phrases[phrase] = found
        return found
