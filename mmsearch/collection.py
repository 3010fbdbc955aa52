"""Collection: the façade that joins the rooms. A folder on disk, a model, and the questions one can ask."""

from __future__ import annotations

import datetime as dt
import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from mmsearch.errors import MMSearchError, SpaceMismatchError, UsageError
from mmsearch.retrieval.query.embed import embed_query, embed_texts
from mmsearch.retrieval.query.filters import make_filters
from mmsearch.retrieval.query.search import Searcher
from mmsearch.retrieval.query.terms import as_query
from mmsearch.retrieval.store.files import writing_to
from mmsearch.retrieval.store.manifest import MANIFEST_NAME, Manifest, Settings, load_manifest, save_manifest
from mmsearch.retrieval.store.snapshot import Snapshot
from mmsearch.types import Hit, Modality, Report, Space

if TYPE_CHECKING:
    from mmsearch.retrieval.encoders.protocol import Encoder
    from mmsearch.retrieval.evaluate import Scores
    from mmsearch.retrieval.ingest.progress import Watcher
    from mmsearch.retrieval.store.doctor import Problem
    from mmsearch.retrieval.store.status import Status

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Answer:
    """The hits of one query and what they took, in milliseconds: ``load``, ``embed``, ``search``."""

    query: list[str]
    space: Space
    hits: list[Hit]
    took_ms: dict[str, float]

    def to_json(self) -> dict[str, Any]:
        """The object of ``mmsearch query --json``."""
        took = {stage: round(ms, 2) for stage, ms in self.took_ms.items()}
        hits = [hit.to_json() for hit in self.hits]
        return {"query": self.query, "space": self.space.key, "took_ms": took, "hits": hits}


class Collection:
    """Files turned into vectors, and ways to find them. Reading is safe from several threads.

    A collection reads what its manifest named when it was opened; `reopen` moves it to the newest. It writes
    under a lock, one process at a time. Use `create`, `open` or `open_or_create`.
    """

    def __init__(self, root: Path, *, device: str = "auto", precision: str = "auto") -> None:
        self.root = root
        self._device = device
        self._precision = precision
        self._guard = threading.RLock()
        self._encoders: dict[str, Encoder] = {}
        self._searchers: dict[str, Searcher] = {}
        self._snapshot = Snapshot(root, load_manifest(root))

    @classmethod
    def create(
        cls,
        path: str | os.PathLike[str],
        model: str | None = "auto",
        *,
        index: str = "auto",
        recall: float = 0.98,
        device: str = "auto",
        precision: str = "auto",
    ) -> Collection:
        """Make a new collection.

        Args:
            path: its folder, new or empty.
            model: a catalogue name, ``open_clip:…``, ``auto`` (the best model whose weights are on this machine,
                else the built-in `mini`), or None for vectors made elsewhere alone.
            index: ``auto``, ``exact``, ``ivfpq`` or a FAISS factory string.
            recall: recall@10 that an approximate index is tuned to.
            device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
            precision: ``auto``, ``float32``, ``bfloat16``, ``float16`` or ``int8``.

        Raises:
            UsageError: something is there already.
            ModelUnavailableError: the model cannot be loaded.
        """
        root = Path(path).expanduser().absolute()
        if (root / MANIFEST_NAME).exists():
            raise UsageError(f"there is a collection at {root} already; open it")
        if root.is_dir() and any(root.iterdir()):
            raise UsageError(f"{root} holds other files; name a new or an empty folder")
        if root.exists() and not root.is_dir():
            raise UsageError(f"{root} is a file; name a folder")
        manifest = Manifest(settings=checked_settings(Settings(), index, recall))
        encoders: dict[str, Encoder] = {}
        if model is not None:
            from mmsearch.retrieval.encoders import auto_model, load_encoder

            name = auto_model()[0] if model == "auto" else model
            encoder = load_encoder(name, device=device, precision=precision)
            key = encoder.space.key
            manifest = replace(manifest, current=key, spaces={key: encoder.space})
            encoders[key] = encoder
        with writing_to(root):
            root.mkdir(parents=True, exist_ok=True)
            (root / "lock").touch()
            save_manifest(root, manifest)
        collection = cls(root, device=device, precision=precision)
        collection._encoders = encoders
        return collection

    @classmethod
    def open(cls, path: str | os.PathLike[str], *, device: str = "auto", precision: str = "auto") -> Collection:
        """Open a collection for reading; its writing methods take the lock when they are called.

        Raises:
            MMSearchError: there is none.
            CollectionDamagedError: it is damaged, or of a newer format.
        """
        return cls(Path(path).expanduser().absolute(), device=device, precision=precision)

    @classmethod
    def exists(cls, path: str | os.PathLike[str]) -> bool:
        """Whether there is a collection at ``path``, sound or not."""
        return (Path(path).expanduser() / MANIFEST_NAME).exists()

    def __enter__(self) -> Collection:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of models and mapped files."""
        with self._guard:
            self._encoders.clear()
            self._searchers.clear()
            self._snapshot = Snapshot(self.root, Manifest())

    # --- reading ---------------------------------------------------------------------------------------------

    @property
    def manifest(self) -> Manifest:
        """What is alive, as of the last `open`, `reopen` or write through this object."""
        return self._snapshot.manifest

    @property
    def space(self) -> Space:
        """The space that queries are asked in.

        Raises:
            UsageError: the collection has none yet.
        """
        if self.manifest.current is None:
            raise UsageError(f"{self.root} is empty: `mmsearch index FOLDER` fills it")
        return self.manifest.spaces[self.manifest.current]

    def reopen(self) -> bool:
        """Move to the newest manifest; returns whether it was another one."""
        manifest = load_manifest(self.root)
        with self._guard:
            if manifest == self.manifest:
                return False
            self._snapshot = Snapshot(self.root, manifest)
            self._searchers.clear()
            return True

    def encoder(self, space: Space | None = None) -> Encoder | None:
        """The model of a space (default: the current one), loaded on first use; None for vectors made elsewhere.

        Raises:
            SpaceMismatchError: the model on this machine makes vectors of another space.
        """
        space = space or self.space
        if not space.has_model:
            return None
        with self._guard:
            if space.key not in self._encoders:
                from mmsearch.retrieval.encoders import load_encoder

                encoder = load_encoder(space.model, device=self._device, precision=self._precision)
                _check_space(encoder, space)
                self._encoders[space.key] = encoder
            return self._encoders[space.key]

    def searcher(self, space: Space | None = None) -> Searcher:
        """The searcher of a space (default: the current one) over the present snapshot."""
        space = space or self.space
        with self._guard:
            if space.key not in self._searchers:
                self._searchers[space.key] = Searcher(self._snapshot, space)
            return self._searchers[space.key]

    def search(self, query: Any, k: int = 10, **options: Any) -> list[Hit]:
        """The k best hits for a query: see `ask` for what it may be and for the options."""
        return self.ask(query, k, **options).hits

    def search_many(self, queries: Iterable[Any], k: int = 10, **options: Any) -> list[list[Hit]]:
        """The hits of several queries, embedded and looked up as one batch; options as in `ask`."""
        return [answer.hits for answer in self._ask(list(queries), k, **options)]

    def ask(self, query: Any, k: int = 10, **options: Any) -> Answer:
        """Answer a query.

        Args:
            query: a str (always text), a Path, a PIL image, a uint8 array ``[height, width, 3]``, the bytes of a
                file, a float vector ``[dim]``, or a `Query` of several of these.
            k: how many hits.
            options: ``to`` (modalities; default all that there are), ``under`` (folder), ``after``, ``before``
                (dates), ``where`` (condition on a shard's columns), ``include_self`` (the query file may answer),
                ``exact`` (scan all rows), ``space`` (key or `Space`; default the current one).

        Raises:
            UsageError: k below 1, an empty query, a bad filter.
            SpaceMismatchError: the query is of another space.
        """
        return self._ask([query], k, **options)[0]

    def _ask(
        self,
        queries: Sequence[Any],
        k: int,
        *,
        to: Sequence[Modality] | None = None,
        under: str | os.PathLike[str] | None = None,
        after: str | dt.date | None = None,
        before: str | dt.date | None = None,
        where: str | None = None,
        include_self: bool = False,
        exact: bool = False,
        space: str | Space | None = None,
    ) -> list[Answer]:
        asked = [as_query(query) for query in queries]
        if k < 1:
            raise UsageError(f"k must be at least 1, not {k}")
        if not asked:
            return []
        roots = self.manifest.roots
        filters = make_filters(under=under, roots=roots, after=after, before=before, where=where)
        target = self._find_space(space)
        start = time.perf_counter()
        encoder = self.encoder(target)
        loaded = time.perf_counter()
        vectors = embed_texts(asked, encoder) if encoder is not None else None
        if vectors is None:
            vectors = np.stack([embed_query(query, target, encoder) for query in asked])
        embedded = time.perf_counter()
        without = [] if include_self else [query.files for query in asked]
        hits = self._retrying(
            lambda: self.searcher(target).search(vectors, k, to=to or (), filters=filters, without=without, exact=exact)
        )
        searched = time.perf_counter()
        took = {
            "load": 1e3 * (loaded - start),
            "embed": 1e3 * (embedded - loaded),
            "search": 1e3 * (searched - embedded),
        }
        return [Answer(query.describe(), target, found, took) for query, found in zip(asked, hits, strict=True)]

    def _find_space(self, space: str | Space | None) -> Space:
        if space is None:
            return self.space
        key = space.key if isinstance(space, Space) else space
        for known in self.manifest.spaces.values():
            if key in (known.key, known.model):
                return known
        there = ", ".join(self.manifest.spaces) or "none yet"
        raise SpaceMismatchError(f"the collection has no space {key}; there are: {there}")

    def _retrying(self, read: Callable[[], Result]) -> Result:
        """A writer may have swept a shard that this snapshot had not opened yet: go to the newest and ask again."""
        try:
            return read()
        except FileNotFoundError as error:
            if not self.reopen():
                raise _missing_file(error) from error
            try:
                return read()
            except FileNotFoundError as again:
                raise _missing_file(again) from again

    def evaluate(self, pairs: str | os.PathLike[str], *, pool: str = "collection") -> Scores:
        """Recall@k, MRR and mAP of this collection's model and index on a PAIRS file; see `retrieval.evaluate`."""
        from mmsearch.retrieval.evaluate import evaluate

        return evaluate(self, Path(pairs), pool=pool)

    def status(self) -> Status:
        """What is in the collection, how it is indexed, which model it uses."""
        from mmsearch.retrieval.store.status import read_status

        return self._retrying(lambda: read_status(self._snapshot))

    # --- writing ---------------------------------------------------------------------------------------------

    def index(
        self,
        paths: Sequence[str | os.PathLike[str]],
        *,
        model: str | None = None,
        index: str | None = None,
        recall: float | None = None,
        dry_run: bool = False,
        watch: Watcher | None = None,
        **options: Any,
    ) -> Report:
        """Find and embed what is new or changed under ``paths``; forget what is gone.

        Args:
            paths: folders and files. A file that is named is indexed also where a scan would pass it over.
            model: another model than the collection's: a new space is built beside the old one, from all roots,
                and takes its place when it is complete.
            index: ``auto``, ``exact``, ``ivfpq`` or a FAISS factory string; kept for later runs.
            recall: recall@10 that an approximate index is tuned to; kept for later runs.
            dry_run: only say what would be done.
            watch: called with a `Progress` as the work goes on.
            options: the fields of `IngestOptions`.

        Raises:
            UsageError: a path that does not exist, a bad option.
            CollectionBusyError: another process writes to the collection.
        """
        from mmsearch.retrieval.ingest.progress import nobody
        from mmsearch.retrieval.ingest.run import IngestOptions, ingest, preview
        from mmsearch.retrieval.ingest.scan import absolute
        from mmsearch.retrieval.ingest.switch import finish_switch, roots_to_read
        from mmsearch.retrieval.store.writer import open_writer

        chosen = IngestOptions(**options)
        tops = absolute(paths)
        encoder = self._encoder_for(model)
        if dry_run:
            return preview(self._snapshot, encoder.space.key, tops, chosen)
        with open_writer(self.root) as writer:
            settings = checked_settings(writer.manifest.settings, index, recall)
            if settings != writer.manifest.settings:
                writer.publish(replace(writer.manifest, settings=settings))
            report = ingest(
                writer, encoder, roots_to_read(writer.manifest, encoder.space, tops), chosen, watch or nobody
            )
            report = finish_switch(writer, encoder.space, report)
        self.reopen()
        return report

    def _encoder_for(self, model: str | None) -> Encoder:
        """The model that a run of `index` embeds with: the one named, else the collection's own."""
        from mmsearch.retrieval.encoders import load_encoder

        own = self.manifest.spaces[self.manifest.current] if self.manifest.current else None
        if model is None or model == "auto":
            if own is None or not own.has_model:
                raise UsageError(
                    f"{self.root} holds vectors made elsewhere; name the model that is to embed files with --model"
                )
            encoder = load_encoder(own.model, device=self._device, precision=self._precision, throughput=True)
            _check_space(encoder, own)
            return encoder
        return load_encoder(model, device=self._device, precision=self._precision, throughput=True)

    def add(
        self,
        vectors: NDArray[np.floating[Any]],
        *,
        paths: Sequence[str | os.PathLike[str]],
        modality: Modality,
        texts: Sequence[str] | None = None,
        facts: Mapping[str, Sequence[Any]] | None = None,
        space: str | Space | None = None,
    ) -> NDArray[np.int64]:
        """Store vectors made elsewhere.

        Args:
            vectors: floats ``[n, dim]``, of any length above zero; stored at unit length.
            paths: the n files (or names) that they stand for.
            modality: what they are.
            texts: the n passages, for modality ``text``.
            facts: further columns of a shard by name, n values each.
            space: the space they are of: None for the current one, a `Space`, or a name for vectors made elsewhere.

        Returns:
            The new rows' ids, int64 ``[n]``.

        Raises:
            SpaceMismatchError: another dimension than the space's.
            UsageError: NaN, infinite or zero vectors, or lists of other lengths.
        """
        from mmsearch.retrieval.ingest.added import addition
        from mmsearch.retrieval.store.indexing import maintain
        from mmsearch.retrieval.store.writer import open_writer

        target = self._space_to_fill(vectors, space)
        rows = addition(target, vectors, [os.fspath(p) for p in paths], modality, texts, facts)
        with open_writer(self.root) as writer:
            (ids,) = writer.commit([rows], current=writer.manifest.current or target.key)
            maintain(writer, target)
        self.reopen()
        return ids

    def _space_to_fill(self, vectors: NDArray[Any], space: str | Space | None) -> Space:
        if isinstance(space, Space):
            return space
        if space is None:
            return self.space
        for known in self.manifest.spaces.values():
            if space in (known.key, known.model):
                return known
        return Space.of_vectors(space, int(np.shape(vectors)[-1]))

    def remove(self, paths: Sequence[str | os.PathLike[str]]) -> int:
        """Forget files and folders, in every space; files are never touched. Returns the number of files forgotten.

        Raises:
            UsageError: nothing under a path is known.
        """
        from mmsearch.retrieval.ingest.forget import forget
        from mmsearch.retrieval.ingest.scan import absolute
        from mmsearch.retrieval.store.writer import open_writer

        with open_writer(self.root) as writer:
            forgotten = forget(writer, absolute(paths))
        self.reopen()
        return forgotten

    def compact(self) -> tuple[int, int]:
        """Merge all shards of a modality into one and drop dead rows; returns the number of shards before and after."""
        from mmsearch.retrieval.store.indexing import compact
        from mmsearch.retrieval.store.writer import open_writer

        with open_writer(self.root) as writer:
            before = len(writer.manifest.shards)
            compact(writer)
            after = len(writer.manifest.shards)
        self.reopen()
        return before, after

    @staticmethod
    def doctor(path: str | os.PathLike[str], *, repair: bool = False) -> list[Problem]:
        """Verify every file of a collection, and mend what can be mended; a static method, as it may not open."""
        from mmsearch.retrieval.store.doctor import examine

        return examine(Path(path).expanduser().absolute(), repair=repair)


def _check_space(encoder: Encoder, space: Space) -> None:
    if encoder.space != space:
        raise SpaceMismatchError(
            f"the collection's vectors are of space {space.key}, but {space.model} on this machine makes vectors of"
            f" space {encoder.space.key}: put the old weights back, or `mmsearch index --model {space.model} PATH`"
            " embeds everything anew"
        )


def checked_settings(settings: Settings, index: str | None, recall: float | None) -> Settings:
    """Settings with what was asked for now.

    Raises:
        UsageError: an index that cannot be built, or a recall outside (0, 1].
    """
    if recall is not None and not 0 < recall <= 1:
        raise UsageError(f"recall must lie above 0 and at most at 1, not {recall:g}")
    if index is not None and index not in ("auto", "exact", "ivfpq"):
        from mmsearch.indexes import plan_index

        plan_index(1_000_000, 512, requested=index)
    return replace(settings, index=index or settings.index, recall=recall or settings.recall)


def _missing_file(error: FileNotFoundError) -> MMSearchError:
    from mmsearch.errors import CollectionDamagedError

    return CollectionDamagedError(f"{error.filename} is missing; `mmsearch doctor --repair` mends the collection")
