"""What one open collection holds: the snapshot it reads, the models and searchers that were made for it."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from mmsearch.errors import CollectionClosedError, CollectionDamagedError, HintKind, SpaceMismatchError, UsageError
from mmsearch.notices import Notice
from mmsearch.retrieval.encoders.loaded import LoadedEncoders
from mmsearch.retrieval.encoders.protocol import Encoder
from mmsearch.retrieval.search.kept_texts import KeptTexts
from mmsearch.retrieval.store.manifest import Manifest, load_manifest
from mmsearch.retrieval.store.manifest_file import manifest_mark
from mmsearch.retrieval.store.remote import shown
from mmsearch.retrieval.store.snapshot import Snapshot
from mmsearch.types import Space

if TYPE_CHECKING:
    from mmsearch.retrieval.search.searcher import Searcher

Result = TypeVar("Result")


class Session:
    """A collection opened at one manifest; `reopen` moves to the newest. Takes no lock, and serves several threads.

    Args:
        root: the collection's folder.
        encoders: the encoders that the app gave, and how others run.
        texts_kept: how many vectors of texts are kept for queries that ask for them again.

    Raises:
        CollectionNotFoundError: there is no collection at ``root``.
        CollectionDamagedError: its manifest cannot be read.
    """

    def __init__(self, root: Path, encoders: LoadedEncoders | None = None, texts_kept: int = 0) -> None:
        self.root = root
        self.encoders = encoders or LoadedEncoders()
        self.kept_texts = KeptTexts(texts_kept)
        self._guard = threading.RLock()
        self._searchers: dict[str, Searcher] = {}
        self._seen = manifest_mark(root)
        self._snapshot: Snapshot | None = self._make_snapshot(load_manifest(root))

    @property
    def is_closed(self) -> bool:
        """Whether `close` was called."""
        return self._snapshot is None

    def close(self) -> None:
        """Let go of models and mapped files."""
        with self._guard:
            self.encoders.clear()
            self.kept_texts.clear()
            self._searchers.clear()
            self._snapshot = None

    @property
    def snapshot(self) -> Snapshot:
        """What is searched now.

        Raises:
            CollectionClosedError: the session is closed.
        """
        snapshot = self._snapshot
        if snapshot is None:
            raise CollectionClosedError(f"the collection at {shown(self.root)} is closed; open it again")
        return snapshot

    @property
    def manifest(self) -> Manifest:
        """The manifest of the snapshot."""
        return self.snapshot.manifest

    def reopen(self) -> bool:
        """Move to the newest manifest; returns whether it was another one. If it was not, this costs one `stat`."""
        seen = manifest_mark(self.root)
        if seen is not None and seen == self._seen and not self.is_closed:
            return False
        manifest = load_manifest(self.root)
        with self._guard:
            self._seen = seen
            if manifest == self.manifest:
                return False
            self._snapshot = self._make_snapshot(manifest)
            self._searchers.clear()
            return True

    def retrying(self, read: Callable[[], Result]) -> Result:
        """What ``read`` returns. A writer may sweep a file of the snapshot before it is opened; then the newest
        snapshot is read.

        Raises:
            CollectionDamagedError: a file that the newest manifest names is missing.
        """
        while True:
            snapshot = self._snapshot
            try:
                return read()
            except FileNotFoundError as error:
                self.reopen()
                # Another thread may have moved on to the newest; then that one has not been read here yet.
                if self._snapshot is snapshot:
                    if error.filename is None or not _lies_in(error.filename, self.root):
                        raise
                    raise CollectionDamagedError(f"{os.fsdecode(error.filename)} is missing") from error

    @property
    def primary_space(self) -> Space:
        """The space that texts are embedded in.

        Raises:
            UsageError: the collection has no vectors yet, and no model that could make some.
        """
        manifest = self.manifest
        if manifest.primary_space is None:
            raise UsageError(
                f"the collection at {shown(self.root)} has no vectors yet: index() embeds files, add() stores vectors"
                " made elsewhere",
                hint=HintKind.INDEX_FOLDER,
            )
        return manifest.spaces[manifest.primary_space]

    @property
    def spaces(self) -> list[Space]:
        """The spaces that a query is asked in, the primary one first."""
        manifest = self.manifest
        return [manifest.spaces[key] for key in manifest.searched_spaces]

    def find_space(self, space: str | Space | None) -> Space:
        """A space of the collection by its key or its model's name; None is the primary one.

        Raises:
            SpaceMismatchError: the collection has no such space.
        """
        if space is None:
            return self.primary_space
        found = self.manifest.find_space(space)
        if found is not None:
            return found
        key = space.key if isinstance(space, Space) else space
        known_keys = ", ".join(self.manifest.spaces) or "none yet"
        raise SpaceMismatchError(f"the collection has no space {key}; there are: {known_keys}")

    def encoder(self, space: Space) -> Encoder | None:
        """The encoder that queries of a space are embedded with; see `LoadedEncoders.of`."""
        return self.encoders.of(space)

    def searcher(self, space: Space) -> Searcher:
        """The searcher of a space over the snapshot."""
        with self._guard:
            if space.key not in self._searchers:
                self._searchers[space.key] = self._make_searcher(space)
            return self._searchers[space.key]

    def notices(self) -> tuple[Notice, ...]:
        """Remarks on every answer of the look-up that this thread did last, such as on what could not be searched."""
        return ()

    def _make_snapshot(self, manifest: Manifest) -> Snapshot:
        return Snapshot(self.root, manifest)

    def _make_searcher(self, space: Space) -> Searcher:
        from mmsearch.retrieval.search.searcher import Searcher

        return Searcher(self.snapshot, space)


def _lies_in(name: str | bytes, folder: Path) -> bool:
    """Whether a file's name leads into a folder."""
    return Path(os.fsdecode(name)).absolute().is_relative_to(folder)
