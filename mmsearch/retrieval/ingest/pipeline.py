"""Decode ‖ encode ‖ write: workers decode, the calling thread encodes, another commits; every queue is bounded."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from mmsearch.notices import Notice
from mmsearch.retrieval.encoders.routing import ModelRouting
from mmsearch.retrieval.ingest.committer import Committer, FileRows
from mmsearch.retrieval.ingest.completeness import CutOptions, Made
from mmsearch.retrieval.ingest.embedder import Done, Embedder
from mmsearch.retrieval.ingest.plan import IngestPlan
from mmsearch.retrieval.ingest.reuse import Reuse
from mmsearch.retrieval.ingest.scan import FoundFile
from mmsearch.retrieval.ingest.skip_memory import SkipMemory, maker_of
from mmsearch.retrieval.ingest.stored_files import StoredFile, StoredFiles, StoredRows
from mmsearch.retrieval.ingest.unfinished import Unfinished
from mmsearch.retrieval.media.texts.text import kind_of
from mmsearch.retrieval.media.workers.decoder import Decoded, Decoder, Job, Part, TextPart
from mmsearch.retrieval.progress import Progress, Stopwatch, Watcher
from mmsearch.retrieval.store.snapshot import Snapshot
from mmsearch.retrieval.store.writer import Writer
from mmsearch.types import FileNote, Modality, NoteKind, SkipKind

_KEEP_AT_END_AFTER_S = 2.0  # less work than that is done again


@dataclass(slots=True)
class Outcome:
    """What became of the files of a plan."""

    indexed: int = 0
    unchanged: int = 0
    moved: int = 0
    removed: int = 0
    rows: int = 0
    skipped: list[FileNote] = field(default_factory=list)
    marked: list[FileNote] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    interrupted: bool = False


def run_pipeline(
    plan: IngestPlan,
    writer: Writer,
    routing: ModelRouting,
    known: StoredFiles,
    decoder: Decoder,
    *,
    wanted: CutOptions,
    skips: SkipMemory,
    batch: int | None = None,
    clock: Stopwatch,
    watch: Watcher,
) -> Outcome:
    """Read, embed and commit what the plan says. Ctrl-C ends it early, with all that was embedded committed."""
    committer = Committer(writer, clock)
    spaces = {modality: space.key for modality, space in routing.spaces().items()}
    reuse = Reuse(Snapshot(writer.root, writer.manifest), known, spaces, wanted, plan.movable)
    maker = maker_of(decoder.recipe, spaces, wanted.text_column)
    unfinished = Unfinished(writer.root, maker, decoder.recipe, routing.spaces())
    embedder = Embedder(routing, decoder.release, clock, unfinished, batch=batch)
    run = _Run(plan, known, reuse, committer, embedder, unfinished, spaces, wanted, skips, clock, watch)
    try:
        run.rename()
        run.read(decoder)
        run.forget()
    except KeyboardInterrupt:
        run.outcome.interrupted = True
        embedder.keep(_KEEP_AT_END_AFTER_S)
    finally:
        committer.close()
    unfinished.forget(committer.committed)
    if run.twins:
        run.copy_twins(writer, [encoder.space.key for encoder in routing.encoders])
    return run.outcome


class _Run:
    """The state of one run: what waits, what was met before, what became of it."""

    def __init__(
        self,
        plan: IngestPlan,
        known: StoredFiles,
        reuse: Reuse,
        committer: Committer,
        embedder: Embedder,
        unfinished: Unfinished,
        spaces: Mapping[Modality, str],
        wanted: CutOptions,
        skips: SkipMemory,
        clock: Stopwatch,
        watch: Watcher,
    ) -> None:
        self._plan = plan
        self._known = known
        self._reuse = reuse
        self._spaces = spaces
        self._wanted = wanted
        self._skips = skips
        self._todo = {found.path: found for found in plan.todo}
        self._committer = committer
        self._embedder = embedder
        self._unfinished = unfinished
        self._clock = clock
        self._watch = watch
        self._new_contents: set[bytes] = set()
        self._refused: dict[bytes, str] = {}
        self.twins: list[Decoded] = []
        self.outcome = Outcome()

    def rename(self) -> None:
        """Files whose name changed in case alone keep their rows."""
        for old, found in self._plan.renamed:
            self._commit_rows([rows.under_name(found) for rows in self._known.stored_rows(old)], old.all_ids())
            self.outcome.moved += 1

    def read(self, decoder: Decoder) -> None:
        """Decode and embed the new and changed files."""
        total = len(self._plan.todo)
        done = 0
        for file in decoder.map(self._jobs()):
            if file is None:
                self._finish(self._embedder.flush())  # decoding is the slower side: do not let rows wait
                self._committer.commit_if_due()
                continue
            if isinstance(file, Part):
                self._finish(self._embedder.add_part(file))
                at_s = None if file.kind == "page" else file.end_s
                path = os.fsdecode(file.path)
                at = Progress("encode", done, total, self._committer.committed, path, at_s, file.of_s)
                self._watch(at)
                continue
            if isinstance(file, TextPart):
                self._finish(self._embedder.add_texts(file))
                self._committer.commit_if_due()
                self._watch(Progress("encode", done, total, self._committer.committed, os.fsdecode(file.path)))
                continue
            done += 1
            self._take(file, decoder)
            self._committer.commit_if_due()
            self._unfinished.forget(self._committer.committed)
            self._watch(Progress("encode", done, total, self._committer.committed, os.fsdecode(file.path)))
        self._finish(self._embedder.flush())

    def forget(self) -> None:
        """Bury the rows of files that are gone and that turned up nowhere else."""
        for file in self._plan.vanished.values():
            self._commit_rows([], file.all_ids())
        self.outcome.removed = len(self._plan.vanished)

    def copy_twins(self, writer: Writer, spaces: list[str]) -> None:
        """Give files whose content was first met in this very run the rows of that first file."""
        known = StoredFiles(Snapshot(writer.root, writer.manifest), spaces)
        self._committer = Committer(writer, self._clock)
        for file in self.twins:
            same = known.with_content(file.content_hash)
            if same:
                first = max(same, key=lambda one: max(one.all_ids()))
                self._copy(file, [rows.under_name(_found(file)) for rows in known.stored_rows(first)])
            elif file.content_hash in self._refused:
                self._refuse(file, self._refused[file.content_hash])
        self._committer.close()

    def _jobs(self) -> Iterator[Job]:
        for found in self._plan.todo:
            hashes = self._reuse.hashes(found)
            yield Job(found.path, found.named, hashes, self._unfinished.places, self._wanted.text_column)

    def _take(self, file: Decoded, decoder: Decoder) -> None:
        if file.outcome == "skipped":
            self._embedder.drop(file.path, for_now=file.why == "transient")
            if file.path in self._plan.served:
                self.outcome.unchanged += 1
            else:
                self._skip(file, file.why, file.reason or "cannot be read")
        elif file.outcome == "same":
            self._take_same(file)
            self._unfinished.finish(file.content_hash)
        elif file.content_hash in self._new_contents:
            decoder.release(file)
            self._embedder.drop(file.path)
            self.twins.append(file)
        else:
            self._new_contents.add(file.content_hash)
            if file.column_guessed:
                self._mark(file, f"texts taken from column {file.column!r}", "column")
            self._finish(self._embedder.add(file))

    def _take_same(self, file: Decoded) -> None:
        """A content that has rows already: a touched, a moved or a copied file."""
        source = self._reuse.find(file.path, file.content_hash)
        before = source.before
        rows = [stored.under_name(_found(file)) for stored in source.rows]
        if source.how == "touched":
            assert before is not None
            if (before.size, before.mtime_ns, before.ctime_ns) != (file.size, file.mtime_ns, file.ctime_ns):
                self._commit_rows(rows, before.all_ids())
            self.outcome.unchanged += 1
        elif source.how == "moved":
            assert before is not None
            self._plan.take(before)
            self._commit_rows(rows, before.all_ids() + self._own_ids(file))
            self.outcome.moved += 1
        else:
            self._copy(file, rows)

    def _copy(self, file: Decoded, rows: list[StoredRows]) -> None:
        self._mark(file, rows[0].items[0].facts.note)
        self._commit_rows(rows, self._own_ids(file))
        self.outcome.indexed += 1

    def _finish(self, done: Iterator[Done]) -> None:
        for file, rows in done:
            if not rows:
                self._refuse(file, "there is no text in it")
            elif not all(np.isfinite(stored.vectors).all() for stored in rows):
                self._refuse(file, "the model made no finite vector of it")
            else:
                self._mark(file, file.facts.note)
                self._commit_rows(self._saying_what_was_made(file, rows), self._own_ids(file))
                self.outcome.indexed += 1
            self._unfinished.finish(file.content_hash, self._committer.added)

    def _refuse(self, file: Decoded, reason: str) -> None:
        """A file that was read and has nothing to store; what its path held before is there no more."""
        self._refused[file.content_hash] = reason
        self._skip(file, "content", reason)
        if own := self._own_ids(file):
            self._commit_rows([], own)

    def _skip(self, file: Decoded, why: SkipKind, reason: str) -> None:
        self.outcome.skipped.append(FileNote(os.fsdecode(file.path), reason))
        self._skips.add(self._todo[file.path], why, reason)

    def _saying_what_was_made(self, file: Decoded, rows: list[StoredRows]) -> list[StoredRows]:
        counts = dict.fromkeys(self._spaces, 0) | {stored.modality: len(stored.items) for stored in rows}
        guessed = self._wanted.text_column is None
        made = Made(counts, self._wanted.window, self._wanted.hop, file.column, guessed).to_text()
        return [replace(stored, items=[replace(item, made=made) for item in stored.items]) for stored in rows]

    def _mark(self, file: Decoded, note: str | None, kind: NoteKind | None = None) -> None:
        if note:
            self.outcome.marked.append(FileNote(os.fsdecode(file.path), note, kind=kind or kind_of(note)))

    def _own_ids(self, file: Decoded) -> list[int]:
        own: StoredFile | None = self._known.by_path.get(file.path)
        return own.all_ids() if own else []

    def _commit_rows(self, rows: list[StoredRows], replaces: list[int]) -> None:
        self._committer.add(FileRows(rows, replaces))
        self.outcome.rows += sum(len(stored.items) for stored in rows)


def _found(file: Decoded) -> FoundFile:
    return FoundFile(file.path, file.size, file.mtime_ns, ctime_ns=file.ctime_ns)
