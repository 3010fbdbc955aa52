"""Reading a collection: questions asked of one snapshot, in one process, from any number of threads."""

from __future__ import annotations

import datetime as dt
import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from mmsearch.errors import CollectionDamagedError, Hint, HintKind, MMSearchError, SpaceMismatchError, UsageError
from mmsearch.hits import Answer, Hit, Hits, Level
from mmsearch.retrieval.progress import Watcher, no_progress
from mmsearch.retrieval.search.filters import folders_meant, make_filters
from mmsearch.retrieval.search.query import Query
from mmsearch.retrieval.search.query_spaces import QueryVectors, embed_in_spaces, read_queries
from mmsearch.retrieval.search.ranking import rank
from mmsearch.retrieval.search.searcher import Searcher, SearchScope
from mmsearch.retrieval.store.manifest import MANIFEST_NAME, Manifest, load_manifest
from mmsearch.retrieval.store.snapshot import Snapshot
from mmsearch.types import MODALITIES, FileNote, Modality, Space, modalities_named

if TYPE_CHECKING:
    from typing import Self

    from mmsearch.retrieval.encoders.protocol import Encoder
    from mmsearch.retrieval.evaluation.evaluate import Scores
    from mmsearch.retrieval.upkeep.status import Status

Result = TypeVar("Result")

_SPANS_FOR_EACH = 8  # moments looked at for each that is wanted, as neighbours say the same


class Reader:
    """What the manifest named when the collection was opened; `reopen` moves to the newest. Takes no lock."""

    def __init__(self, root: Path, *, device: str = "auto", precision: str = "auto") -> None:
        self.root = root
        self._device = device
        self._precision = precision
        self._guard = threading.RLock()
        self._encoders: dict[str, Encoder] = {}
        self._searchers: dict[str, Searcher] = {}
        self._snapshot = Snapshot(root, load_manifest(root))

    @classmethod
    def open(cls, path: str | os.PathLike[str], *, device: str = "auto", precision: str = "auto") -> Self:
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

    def __enter__(self) -> Self:
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
        if self.manifest.primary_space is None:
            raise UsageError(f"{self.root} is empty", hint=HintKind.INDEX_FOLDER)
        return self.manifest.spaces[self.manifest.primary_space]

    @property
    def spaces(self) -> list[Space]:
        """The spaces that a query is asked in: the current one, and those of models that stand beside it."""
        return [self.manifest.spaces[key] for key in self.manifest.searched_spaces]

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
                from mmsearch.retrieval.encoders.load import load_encoder

                encoder = load_encoder(space.model, device=self._device, precision=self._precision)
                check_space(encoder, space)
                self._encoders[space.key] = encoder
            return self._encoders[space.key]

    def searcher(self, space: Space | None = None) -> Searcher:
        """The searcher of a space (default: the current one) over the present snapshot."""
        space = space or self.space
        with self._guard:
            if space.key not in self._searchers:
                self._searchers[space.key] = Searcher(self._snapshot, space)
            return self._searchers[space.key]

    def search(self, query: Any, k: int = 10, **options: Any) -> Hits:
        """The k best hits for a query: see `ask` for what it may be and for the options."""
        return self.ask(query, k, **options).hits

    def search_many(self, queries: Iterable[Any], k: int = 10, **options: Any) -> list[Hits]:
        """The hits of several queries, embedded and looked up as one batch; options as in `ask`.

        Raises:
            MMSearchError: one of them cannot be asked; the text says which.
        """
        answers = self.ask_many(queries, k, **options)
        for number, answer in enumerate(answers, 1):
            if isinstance(answer, MMSearchError):
                raise type(answer)(f"query {number} of {len(answers)}: {answer}", hint=answer.hint) from answer
        return [answer.hits for answer in answers if isinstance(answer, Answer)]

    def ask_many(self, queries: Iterable[Any], k: int = 10, **options: Any) -> list[Answer | MMSearchError]:
        """Answer several queries as one batch; where one cannot be asked, its error stands in its place.

        What is wrong with the options is raised; they are those of `ask`.
        """
        return self._ask(list(queries), k, **options)

    def ask(self, query: Any, k: int = 10, **options: Any) -> Answer:
        """Answer a query.

        Args:
            query: a str (always text), a Path, a `Moment` of a film or sound, a PIL image, a uint8 array
                ``[height, width, 3]``, the bytes of a file, a float vector ``[dim]``, or a `Query` of several of these.
            k: how many hits.
            options: ``to`` (modalities; default all that there are), ``under`` (folder), ``after``, ``before``
                (dates), ``where`` (condition on a shard's columns), ``include_self`` (the query file may answer),
                ``all_spans`` (each moment of a film or sound by itself), ``exact`` (scan all rows), ``space`` (key or
                `Space`; default all that are in use, merged by match; for a vector the current one), ``watch`` (called
                with a `Progress` while a file is read).

        Raises:
            UsageError: k below 1, an empty query, a bad filter, or one that no model of the collection embeds.
            SpaceMismatchError: the query is of another space.
        """
        (answer,) = self._ask([query], k, **options)
        if isinstance(answer, MMSearchError):
            raise answer
        return answer

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
        all_spans: bool = False,
        exact: bool = False,
        space: str | Space | None = None,
        watch: Watcher = no_progress,
    ) -> list[Answer | MMSearchError]:
        if k < 1:
            raise UsageError(f"k must be at least 1, not {k}")
        asked, wrong = read_queries(queries)
        if not asked:
            return list(wrong.values())
        folders = () if under is None else self._retrying(lambda: folders_meant(self._snapshot, under))
        filters = make_filters(under=folders, after=after, before=before, where=where)
        without = {} if include_self else {i: query.files for i, query in asked.items()}
        wanted = SearchScope(modalities_named(to or ()), filters, exact=exact)
        done: dict[tuple[Space, ...], QueryVectors] = {}

        def answers() -> tuple[QueryVectors, dict[int, list[Hit]], float]:
            targets = tuple(self._to_ask(list(asked.values()), space, wanted))  # others after a change of model
            if targets not in done:
                done[targets] = embed_in_spaces(asked, targets, self.encoder, self._stored, watch)
            start = time.perf_counter()
            found = self._find(done[targets], k, wanted, without, all_spans)
            return done[targets], found, 1e3 * (time.perf_counter() - start)

        embedded, hits, search_ms = self._retrying(answers)
        took = {**embedded.took_ms, "search": search_ms}
        failed = wrong | embedded.failures

        def answer(i: int) -> Answer:
            notices = (*embedded.notices, *embedded.remarks.get(i, ()))
            level: Level | None = None if i in embedded.read else "nothing"
            return Answer(asked[i].describe(), embedded.first, Hits(hits[i]), took, notices, level)

        return [failed[i] if i in failed else answer(i) for i in range(len(queries))]

    def _to_ask(self, asked: Sequence[Query], space: str | Space | None, wanted: SearchScope) -> list[Space]:
        """The spaces that may answer: what was named, else those in use that have rows of what is wanted."""
        if space is not None:
            targets = [self._find_space(space)]
        elif any(query.has_vector for query in asked):
            targets = [self.space]
        else:
            targets = self.spaces or [self.space]
        there = {m for target in targets for m in self.manifest.modalities(target.key)}
        if wanted.to and there and not any(wanted.searches(modality) for modality in there):
            raise UsageError(f"nothing of {', '.join(wanted.to)} is indexed; there is: {_listed(there)}")
        answering = [t for t in targets if any(wanted.searches(m) for m in self.manifest.modalities(t.key))]
        return answering or targets[:1]

    def _stored(self, space: Space, encoder: Encoder | None, files: Sequence[Path]) -> dict[Path, NDArray[np.float32]]:
        """What files that are indexed in a space are searched by, so that they are not read again."""
        from mmsearch.retrieval.search.stored_vectors import stored_vectors

        return self._retrying(lambda: stored_vectors(self.searcher(space), encoder, files))

    def _find(
        self,
        embedded: QueryVectors,
        k: int,
        wanted: SearchScope,
        without: Mapping[int, Sequence[bytes]],
        all_spans: bool,
    ) -> dict[int, list[Hit]]:
        """The hits of each query that was embedded, by its number. ``without``: paths that may not answer it."""
        rows: dict[int, list[Hit]] = {}
        for target, vectors in embedded.vectors.items():
            banned = [without[i] for i in vectors] if without else []
            found = self.searcher(target).find(
                np.stack(list(vectors.values())),
                k,
                replace(wanted, without=banned),
                depth=_SPANS_FOR_EACH * k if all_spans else None,
            )
            for i, hits in zip(vectors, found, strict=True):
                rows[i] = rows.get(i, []) + hits
        cosine = (lambda one, other: self._cosine(embedded, one, other)) if all_spans else None
        return {i: rank(found, k, to=wanted.to, all_spans=cosine) for i, found in rows.items()}

    def _cosine(self, embedded: QueryVectors, one: Hit, other: Hit) -> float:
        """The cosine of two rows' stored vectors; 0 where they are of two spaces."""
        cosines = (self.searcher(target).cosine(one, other) for target in embedded.vectors)
        return next((cosine for cosine in cosines if cosine is not None), 0.0)

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
        """Read from the snapshot; where a writer has swept a file that was not opened yet, from the newest one."""
        while True:
            snapshot = self._snapshot
            try:
                return read()
            except FileNotFoundError as error:
                self.reopen()
                # Where another thread has moved on to the newest meanwhile, that one has not been read here yet.
                if self._snapshot is snapshot:
                    if error.filename is None or not lies_in(error.filename, self.root):
                        raise
                    raise CollectionDamagedError(f"{os.fsdecode(error.filename)} is missing") from error

    def evaluate(self, pairs: str | os.PathLike[str], *, pool: str = "collection") -> Scores:
        """Recall@k, MRR and mAP of this collection's model and index on a PAIRS file; see `retrieval.evaluate`."""
        from mmsearch.retrieval.evaluation.evaluate import evaluate

        def scores() -> Scores:
            targets = self.spaces or [self.space]
            return evaluate([(self.searcher(s), self.encoder(s)) for s in targets], Path(pairs), pool=pool)

        return self._retrying(scores)

    def status(self) -> Status:
        """What is in the collection, how it is indexed, which model it uses."""
        from mmsearch.retrieval.upkeep.status import read_status

        return self._retrying(lambda: read_status(self._snapshot))

    def skipped(self) -> list[FileNote]:
        """The files that `index` skipped and remembers, each with the reason, in order of path."""
        from mmsearch.retrieval.store.skipped import read_skipped

        files = self._retrying(lambda: read_skipped(self.root, self.manifest))
        return [FileNote(os.fsdecode(f.path), f.reason, hint=f.hint) for f in sorted(files, key=lambda file: file.path)]


def check_space(encoder: Encoder, space: Space) -> None:
    """Raise a `SpaceMismatchError` if the model on this machine makes vectors of another space."""
    if encoder.space != space:
        raise SpaceMismatchError(
            f"the collection's vectors are of space {space.key}, but {space.model} on this machine makes vectors of"
            f" space {encoder.space.key}",
            hint=Hint(HintKind.EMBED_ANEW, space.model),
        )


def lies_in(name: str | bytes, folder: Path) -> bool:
    """Whether a file's name leads into a folder."""
    return Path(os.fsdecode(name)).absolute().is_relative_to(folder)


def _listed(modalities: Iterable[Modality]) -> str:
    return ", ".join(m for m in MODALITIES if m in set(modalities))
