"""Parts of sources go in, rows come out: items of several parts share the workers and the batches of the encoders."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from mmsearch.errors import MMSearchError
from mmsearch.notices import Notice
from mmsearch.own_facts import NO_OWN_FACTS, OwnFacts
from mmsearch.retrieval.encoders.routing import ModelRouting
from mmsearch.retrieval.ingest.embedder import EmbeddedFile, Embedder
from mmsearch.retrieval.ingest.expected_rows import CutOptions, ExpectedRows
from mmsearch.retrieval.ingest.stored_files import StoredRows
from mmsearch.retrieval.media.workers.decoder import Decoder
from mmsearch.retrieval.media.workers.jobs import Decoded, Job, Part, TextPart
from mmsearch.retrieval.places.located import with_place
from mmsearch.retrieval.progress import Progress, Stopwatch, Watcher
from mmsearch.retrieval.sources.protocol import Source, SourceItem, SourceNote, SourcePart
from mmsearch.retrieval.store.own_columns import name_problem
from mmsearch.retrieval.store.partial_files import PartialPieces
from mmsearch.types import FileNote, Modality


@dataclass(slots=True)
class PartResult:
    """What became of a part.

    Attributes:
        part: the part.
        rows: the rows of each item that was embedded, by the item's number in the part.
        items: how many items the part has, skipped ones included.
        skipped: items that gave no row, and what was wrong with the part as a whole.
        marked: items that were embedded in part, or with a guess.
        passed_over: names that were passed over on purpose, by kind.
        failure: why nothing of the part could be read; None if it could.
        seconds: from its first item to its last row.
    """

    part: SourcePart
    rows: dict[int, list[StoredRows]] = field(default_factory=dict)
    items: int = 0
    skipped: list[FileNote] = field(default_factory=list)
    marked: list[FileNote] = field(default_factory=list)
    passed_over: dict[str, list[str]] = field(default_factory=dict)
    failure: str | None = None
    seconds: float = 0.0

    @property
    def row_count(self) -> int:
        """How many rows there are."""
        return sum(len(stored.items) for rows in self.rows.values() for stored in rows)


@dataclass(slots=True)
class _OpenPart:
    """A part that is being read: its result so far, how many of its items are out, and whether all were read."""

    result: PartResult
    started: float
    out: int = 0
    is_read: bool = False
    paths: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class _OpenItem:
    """An item that was given to the decoder."""

    item: SourceItem
    number: int
    part: _OpenPart


class PartEmbedder:
    """Embeds parts of sources, one after another, without waiting between them.

    Args:
        routing: the models.
        cut: the options that decide which rows an item is cut into.
        decoder: the worker processes.
        clock: takes the seconds of each stage.
        watch: called with the progress.
        batch: pictures or frames that are embedded at once; None: see `Embedder`.
    """

    def __init__(
        self,
        routing: ModelRouting,
        cut: CutOptions,
        decoder: Decoder,
        clock: Stopwatch,
        watch: Watcher,
        batch: int | None = None,
    ) -> None:
        self._decoder = decoder
        self._cut = cut
        self._watch = watch
        self._ocr = None if decoder.spec.ocr == "off" else decoder.spec.ocr
        self._modalities = list(routing.spaces())
        self._embedder = Embedder(routing, decoder.release, clock, _NothingKept(), batch=batch)  # type: ignore[arg-type]
        self._items: dict[bytes, _OpenItem] = {}
        self._parts: list[_OpenPart] = []
        self._done = self._given = 0

    def embed(self, parts: Iterable[tuple[Source, SourcePart]]) -> Iterator[PartResult]:
        """The results of parts, each as soon as it is complete.

        Args:
            parts: the parts, each with its source.
        """
        try:
            for item in self._decoder.map(self._jobs(parts)):
                if item is None:
                    self._take_embedded(self._embedder.flush())
                elif isinstance(item, Part):
                    self._take_embedded(self._embedder.add_part(item))
                elif isinstance(item, TextPart):
                    self._take_embedded(self._embedder.add_texts(item))
                else:
                    self._done += 1
                    self._handle_decoded(item)
                    self._watch(Progress("encode", self._done, path=_shown(item.path)))
                yield from self._complete_parts()
            self._take_embedded(self._embedder.finish())
            yield from self._complete_parts()
        finally:
            for _ in self._embedder.stop():
                pass
            for open_item in self._items.values():
                open_item.item.close()

    @property
    def notices(self) -> list[Notice]:
        """That the memory of a device was short."""
        return self._embedder.notices

    def _jobs(self, parts: Iterable[tuple[Source, SourcePart]]) -> Iterator[Job]:
        """A job for each item of the parts; called by the threads of the decoder, one at a time."""
        for source, part in parts:
            opened = _OpenPart(PartResult(part), time.perf_counter())
            self._parts.append(opened)
            try:
                for found in source.items(part):
                    if isinstance(found, SourceNote):
                        _add_note(opened.result, found)
                        continue
                    job = self._job_of(found, opened)
                    if job is not None:
                        yield job
            except FileNotFoundError:
                opened.result.failure = "vanished before it could be read"
            except MMSearchError as error:
                opened.result.failure = str(error)
            opened.is_read = True

    def _job_of(self, item: SourceItem, part: _OpenPart) -> Job | None:
        """The job for an item; None if it is skipped."""
        result = part.result
        number = result.items
        result.items += 1
        if item.path in part.paths and item.problem is None:
            item.problem = "it is there twice: the first counts"
        part.paths.add(item.path)
        if item.problem is not None:
            item.close()
            result.skipped.append(FileNote(item.path, item.problem))
            return None
        part.out += 1
        path = os.fsencode(item.path)
        self._given += 1
        name = b"%d\0%s" % (self._given, path)  # two parts may name the same file
        self._items[name] = _OpenItem(item, number, part)
        content = path if item.content is None else item.content.path
        return Job(name, text_column=self._cut.text_column, content=content)

    def _handle_decoded(self, file: Decoded) -> None:
        opened = self._items[file.path]
        opened.item.close()
        if file.outcome == "skipped":
            self._embedder.drop(file.path)
            self._skip(opened, file.reason or "cannot be read", file)
            return
        if opened.item.content is not None:
            file = replace(file, size=opened.item.size, mtime_ns=opened.item.mtime_ns, ctime_ns=None)
        file = replace(file, facts=with_place(file.facts), captions=opened.item.captions)
        if file.column_guessed:
            note = FileNote(opened.item.path, f"texts taken from column {file.column!r}", kind="column")
            opened.part.result.marked.append(note)
        self._take_embedded(self._embedder.add(file))

    def _skip(self, opened: _OpenItem, reason: str, file: Decoded) -> None:
        opened.part.result.skipped.append(FileNote(opened.item.path, reason, hint=file.hint))
        self._let_go(opened, file.path)

    def _let_go(self, opened: _OpenItem, path: bytes) -> None:
        del self._items[path]
        opened.part.out -= 1

    def _take_embedded(self, files: Iterator[EmbeddedFile]) -> None:
        for embedded in files:
            file, rows = embedded.decoded, embedded.rows
            opened = self._items[file.path]
            if not rows:
                self._skip(opened, "there is nothing in it that a model of this collection embeds", file)
            elif not all(np.isfinite(stored.vectors).all() for stored in rows):
                self._skip(opened, "the model made no finite vector of it", file)
            else:
                if file.facts.note:
                    opened.part.result.marked.append(FileNote(opened.item.path, file.facts.note, kind="part"))
                opened.part.result.rows[opened.number] = self._finished_rows(file, rows, opened)
                self._let_go(opened, file.path)

    def _finished_rows(self, file: Decoded, rows: list[StoredRows], opened: _OpenItem) -> list[StoredRows]:
        """The rows of an item with what its source says of it, and how many there are."""
        counts: dict[Modality, int] = dict.fromkeys(self._modalities, 0)
        counts |= {stored.modality: len(stored.items) for stored in rows}
        speech = self._cut.speech if file.kind in ("audio", "video") else None
        guessed = self._cut.text_column is None
        made = ExpectedRows(counts, self._cut.window, self._cut.hop, file.column, guessed, speech, self._ocr).to_text()
        same = {
            "path": os.fsencode(opened.item.path),
            "source": os.fsencode(opened.part.result.part.address),
            "made": made,
            "own_facts": own_facts_of(opened.item.facts),
        }
        return [replace(s, items=[replace(item, **same) for item in s.items]) for s in rows]  # type: ignore[arg-type]

    def _complete_parts(self) -> Iterator[PartResult]:
        for opened in [part for part in self._parts if part.is_read and not part.out]:
            self._parts.remove(opened)
            opened.result.seconds = time.perf_counter() - opened.started
            yield opened.result


def _shown(name: bytes) -> str:
    return os.fsdecode(name.partition(b"\0")[2])


def _add_note(result: PartResult, note: SourceNote) -> None:
    if note.passed_over is not None:
        result.passed_over.setdefault(note.reason, []).append(note.passed_over)
    else:
        result.skipped.append(FileNote(note.path, note.reason))
        result.items += 1


def own_facts_of(facts: Any) -> OwnFacts:
    """The values that a source gives, in columns of their own; a column of the format keeps its own meaning."""
    kept = {name: value for name, value in facts.items() if name_problem(name) is None}
    return OwnFacts(kept) if kept else NO_OWN_FACTS


class _NothingKept:
    """Stands for `UnfinishedFiles`: a part is made as a whole, so that nothing of a file is kept for another run."""

    kept: dict[bytes, PartialPieces]
    resume_points: dict[bytes, Any]

    def __init__(self) -> None:
        self.kept, self.resume_points = {}, {}

    def keep(self, *_: Any) -> None:
        """Nothing is kept."""

    def finish(self, *_: Any) -> None:
        """Nothing is kept."""

    def remove_finished(self, *_: Any) -> None:
        """Nothing is kept."""
