"""Decode ‖ encode ‖ write: workers decode, one thread encodes, another commits; every queue is bounded."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from mmsearch.retrieval.encoders.routing import ModelRouting
from mmsearch.retrieval.ingest.committer import Committer, FileUpdate
from mmsearch.retrieval.ingest.embedder import EmbeddedFile, Embedder
from mmsearch.retrieval.ingest.expected_rows import CutOptions, ExpectedRows
from mmsearch.retrieval.ingest.found_files import FoundFile
from mmsearch.retrieval.ingest.pipeline_result import PipelineResult
from mmsearch.retrieval.ingest.plan import IngestPlan
from mmsearch.retrieval.ingest.reuse import RowReuse
from mmsearch.retrieval.ingest.skip_memory import SkipMemory, vector_digest
from mmsearch.retrieval.ingest.stored_files import StoredFiles, StoredRows
from mmsearch.retrieval.ingest.unfinished import UnfinishedFiles
from mmsearch.retrieval.media.texts.text import note_kind
from mmsearch.retrieval.media.workers.decoder import Decoder
from mmsearch.retrieval.media.workers.jobs import Decoded, Job, Part, TextPart
from mmsearch.retrieval.places.located import with_place
from mmsearch.retrieval.progress import Progress, Stopwatch, Watcher
from mmsearch.retrieval.store.partial_files import PartialPieces
from mmsearch.retrieval.store.snapshot import Snapshot
from mmsearch.retrieval.store.writer import Writer
from mmsearch.types import FileNote, Modality, NoteKind, SkipKind

_KEEP_AT_END_AFTER_S = 2.0  # seconds of work on a long file from which it is kept when a run is interrupted


@dataclass(frozen=True, slots=True)
class PipelineJob:
    """What `run_pipeline` works on and with.

    Attributes:
        plan: the files to read, rename and delete; files that turn out to have moved are noted in it.
        writer: commits rows.
        routing: the models.
        stored: the files that have rows.
        skips: remembers the files that are skipped.
        cut: the options that decide which rows a file is cut into.
        batch: pictures or frames that are embedded at once; None: see `Embedder`.
        clock: takes the seconds of each stage.
        watch: called with the progress.
    """

    plan: IngestPlan
    writer: Writer
    routing: ModelRouting
    stored: StoredFiles
    skips: SkipMemory
    cut: CutOptions
    batch: int | None
    clock: Stopwatch
    watch: Watcher

    @property
    def space_keys(self) -> list[str]:
        """The keys of the spaces that are filled."""
        return [encoder.space.key for encoder in self.routing.encoders]


def run_pipeline(job: PipelineJob, decoder: Decoder) -> PipelineResult:
    """Read, embed and commit what the plan says. Ctrl-C ends it early, with all that was embedded committed."""
    run = _PipelineRun(job, decoder)
    try:
        run.rename()
        run.read()
        run.delete_missing()
    except KeyboardInterrupt:
        run.result.interrupted = True
        run.stop()
        run.embedder.keep(_KEEP_AT_END_AFTER_S)
    finally:
        try:
            run.stop()
        finally:
            run.committer.close()
    job.plan.notices += run.embedder.notices
    run.unfinished.remove_finished(run.committer.committed)
    if run.duplicates_in_run:
        run.copy_rows_to_duplicates()
    return run.result


class _PipelineRun:
    """The state of one run: its queues, the contents that it has met, and the result so far."""

    def __init__(self, job: PipelineJob, decoder: Decoder) -> None:
        self._job = job
        self._plan = job.plan
        self._decoder = decoder
        spaces = job.routing.spaces()
        self._space_by_modality = {modality: space.key for modality, space in spaces.items()}
        self._reuse = RowReuse(
            Snapshot(job.writer.root, job.writer.manifest),
            job.stored,
            self._space_by_modality,
            job.cut,
            job.plan.has_left_its_place,
        )
        digest = vector_digest(decoder.spec, self._space_by_modality, job.cut.text_column, job.cut.speech)
        self.unfinished = UnfinishedFiles(job.writer.root, digest, decoder.spec, spaces)
        self.committer = Committer(job.writer, job.clock)
        self._ocr = None if decoder.spec.ocr == "off" else decoder.spec.ocr
        known = None if self._ocr is None else self._known_pieces
        self.embedder = Embedder(
            job.routing, decoder.release, job.clock, self.unfinished, batch=job.batch, known_pieces=known
        )
        self.duplicates_in_run: list[Decoded] = []
        self.result = PipelineResult()
        self._to_read = {found.path: found for found in job.plan.to_read}
        self._new_contents: set[bytes] = set()
        self._unusable_contents: dict[bytes, str] = {}
        self._done = 0

    def rename(self) -> None:
        """Give files whose names changed in case only their rows under the new name."""
        for old, found in self._plan.renamed:
            rows = [rows.for_file(found) for rows in self._job.stored.stored_rows(old)]
            self._commit(rows, replaced_ids=old.all_ids())
            self.result.moved += 1

    def read(self) -> None:
        """Decode and embed the new and changed files."""
        for item in self._decoder.map(self._decode_jobs()):
            if item is None:  # decoding is the slower side: do not let rows wait
                self._handle_embedded(self.embedder.flush())
                self.committer.commit_if_due()
            elif isinstance(item, Part):
                self._handle_embedded(self.embedder.add_part(item))
                at_s = None if item.kind == "page" else item.end_s
                self._report_progress(item.path, at_s, item.of_s)
            elif isinstance(item, TextPart):
                self._handle_embedded(self.embedder.add_texts(item))
                self.committer.commit_if_due()
                self._report_progress(item.path)
            else:
                self._done += 1
                self._handle_decoded(item)
                self.committer.commit_if_due()
                self.unfinished.remove_finished(self.committer.committed)
                self._report_progress(item.path)
        self._handle_embedded(self.embedder.finish())

    def stop(self) -> None:
        """End the embedding; files that are complete by then are committed."""
        self._handle_embedded(self.embedder.stop())

    def delete_missing(self) -> None:
        """Delete the rows of files that are gone and were found nowhere else."""
        for file in self._plan.deleted.values():
            self._commit([], replaced_ids=file.all_ids())
        self.result.removed = len(self._plan.deleted)

    def copy_rows_to_duplicates(self) -> None:
        """Give files with the same content as another file of this run the rows of that file."""
        writer = self._job.writer
        stored = StoredFiles(Snapshot(writer.root, writer.manifest), self._job.space_keys)
        self.committer = Committer(writer, self._job.clock)
        for file in self.duplicates_in_run:
            same_content = stored.with_content(file.content_hash, file.size)
            if same_content:
                first = max(same_content, key=lambda one: max(one.all_ids()))
                self._copy_rows(file, [rows.for_file(_found_file(file)) for rows in stored.stored_rows(first)])
            elif file.content_hash in self._unusable_contents:
                self._skip_unusable(file, self._unusable_contents[file.content_hash])
        self.committer.close()

    def _decode_jobs(self) -> Iterator[Job]:
        for found in self._plan.to_read:
            known = self._reuse.known_hashes(found)
            yield Job(found.path, found.named, known, self.unfinished.resume_points, self._job.cut.text_column)

    def _known_pieces(self, content_hash: bytes) -> PartialPieces:
        """The vectors of a file that is read again only for the text in its pictures."""
        modalities: tuple[Modality, ...] = ("image", "audio")
        return {modality: self._job.stored.vectors_of(content_hash, modality) for modality in modalities}

    def _handle_decoded(self, file: Decoded) -> None:
        if file.outcome == "skipped":
            self.embedder.drop(file.path, may_work_later=file.why == "transient")
            if file.path in self._plan.in_other_spaces:
                self.result.unchanged += 1
            else:
                self._skip(file, file.why, file.reason or "cannot be read")
        elif file.outcome == "same":
            self._handle_known_content(file)
            self.unfinished.finish(file.content_hash)
        elif file.content_hash in self._new_contents:
            self._decoder.release(file)
            self.embedder.drop(file.path)
            self.duplicates_in_run.append(file)
        else:
            self._new_contents.add(file.content_hash)
            if file.column_guessed:
                self._mark(file, f"texts taken from column {file.column!r}", "column")
            facts = with_place(file.facts)
            self._handle_embedded(self.embedder.add(file if facts is file.facts else replace(file, facts=facts)))

    def _handle_known_content(self, file: Decoded) -> None:
        """Store rows for a file whose content has rows already: it was touched, moved or copied."""
        reusable = self._reuse.find(file)
        before = reusable.before
        rows = [stored.for_file(_found_file(file)) for stored in reusable.rows]
        if reusable.origin == "touched":
            assert before is not None
            if (before.size, before.mtime_ns, before.ctime_ns) != (file.size, file.mtime_ns, file.ctime_ns):
                self._commit(rows, replaced_ids=before.all_ids())
            self.result.unchanged += 1
        elif reusable.origin == "moved":
            assert before is not None
            self._plan.note_moved(before)
            self._commit(rows, replaced_ids=before.all_ids() + self._own_ids(file))
            self.result.moved += 1
        else:
            self._copy_rows(file, rows)

    def _copy_rows(self, file: Decoded, rows: list[StoredRows]) -> None:
        self._mark(file, rows[0].items[0].facts.note)
        if own := self._reuse.own_facts(file.path):  # those of the other file must not take their place
            rows = [replace(s, items=[replace(item, own_facts=own) for item in s.items]) for s in rows]
        self._commit(rows, replaced_ids=self._own_ids(file))
        self.result.indexed += 1

    def _handle_embedded(self, files: Iterator[EmbeddedFile]) -> None:
        for embedded in files:
            file, rows = embedded.decoded, embedded.rows
            if not rows:
                self._skip_unusable(file, _why_no_row(file))
            elif not all(np.isfinite(stored.vectors).all() for stored in rows):
                self._skip_unusable(file, "the model made no finite vector of it")
            else:
                self._mark(file, file.facts.note)
                self._commit(self._with_expected_rows(file, rows), replaced_ids=self._own_ids(file))
                self.result.indexed += 1
            self.unfinished.finish(file.content_hash, self.committer.added)

    def _skip_unusable(self, file: Decoded, reason: str) -> None:
        """Skip a file that was read but gives no row, and delete the rows that its path had before."""
        self._unusable_contents[file.content_hash] = reason
        self._skip(file, "content", reason)
        if own := self._own_ids(file):
            self._commit([], replaced_ids=own)

    def _skip(self, file: Decoded, why: SkipKind, reason: str) -> None:
        self.result.skipped.append(FileNote(os.fsdecode(file.path), reason, hint=file.hint))
        self._job.skips.add(self._to_read[file.path], why, reason, file.hint)

    def _with_expected_rows(self, file: Decoded, rows: list[StoredRows]) -> list[StoredRows]:
        counts = dict.fromkeys(self._space_by_modality, 0) | {stored.modality: len(stored.items) for stored in rows}
        cut = self._job.cut
        speech = cut.speech if file.kind in ("audio", "video") else None
        guessed = cut.text_column is None
        expected = ExpectedRows(counts, cut.window, cut.hop, file.column, guessed, speech, self._ocr).to_text()
        own = self._reuse.own_facts(file.path)
        return [replace(s, items=[replace(item, made=expected, own_facts=own) for item in s.items]) for s in rows]

    def _mark(self, file: Decoded, note: str | None, kind: NoteKind | None = None) -> None:
        if note:
            self.result.marked.append(FileNote(os.fsdecode(file.path), note, kind=kind or note_kind(note)))

    def _own_ids(self, file: Decoded) -> list[int]:
        own = self._job.stored.get(file.path)
        return own.all_ids() if own else []

    def _commit(self, rows: list[StoredRows], *, replaced_ids: list[int]) -> None:
        self.committer.add(FileUpdate(rows, replaced_ids))
        self.result.rows += sum(len(stored.items) for stored in rows)

    def _report_progress(self, path: bytes, at_s: float | None = None, of_s: float | None = None) -> None:
        total, committed = len(self._plan.to_read), self.committer.committed
        self._job.watch(Progress("encode", self._done, total, committed, os.fsdecode(path), at_s, of_s))


def _why_no_row(file: Decoded) -> str:
    if file.kind in ("audio", "video"):
        return "nobody speaks in it, and no model of this collection embeds its sound"
    return "there is no text in it"


def _found_file(file: Decoded) -> FoundFile:
    return FoundFile(file.path, file.size, file.mtime_ns, ctime_ns=file.ctime_ns)
