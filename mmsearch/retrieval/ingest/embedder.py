"""Embeds decoded files in batches: pictures, passages, frames and windows of sound go in, rows come out."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmsearch.retrieval.encoders.inputs import checked_vectors
from mmsearch.retrieval.encoders.protocol import VideoEncoder
from mmsearch.retrieval.encoders.routing import ModelRouting
from mmsearch.retrieval.enrich.ocr.lines import lines_from_text, lines_to_text
from mmsearch.retrieval.ingest.batches import Batcher
from mmsearch.retrieval.ingest.picture_texts import passages_of_lines, passages_over_time
from mmsearch.retrieval.ingest.rows import RowDraft, rows_of_file
from mmsearch.retrieval.ingest.speech import SpeechPassages
from mmsearch.retrieval.ingest.stored_files import StoredRows
from mmsearch.retrieval.ingest.unfinished import KEEP_AFTER_S, UnfinishedFiles
from mmsearch.retrieval.media.texts.encoded_data import readable_passages
from mmsearch.retrieval.media.texts.text import join_notes, passages
from mmsearch.retrieval.media.workers.jobs import Decoded, Part, TextPart
from mmsearch.retrieval.progress import Stopwatch
from mmsearch.retrieval.store.partial_files import PartialPiece, PartialPieces
from mmsearch.types import MODALITIES, Modality, Span, SpanUnit

MAX_BATCH = 64
TEXT_BATCH = 256
_FIRST_BATCH = 8
_MOST_SOUNDS = 16  # ten seconds each
_MOST_SHOTS = 8
_LOOK_EVERY_S = 1.0  # for files whose vectors are to be kept
MAX_PASSAGES = 100_000
"""Passages of a text or document that are embedded; the rows of a table are bounded where the table is read."""


@dataclass(frozen=True, slots=True)
class EmbeddedFile:
    """A decoded file and all its rows; no rows if there is no text in it."""

    decoded: Decoded
    rows: list[StoredRows]


@dataclass(slots=True)
class _PendingFile:
    """A file that is not embedded to its end.

    Attributes:
        content_hash: the hash of its content.
        earlier: the pieces that an earlier run embedded and kept on disk.
        pieces: its parts so far, in order.
        counts: the number of its parts so far, by modality.
        kept: how many of them are on disk, by modality.
        kept_at: when some were last written to disk, by ``time.monotonic()``.
        waiting: how many vectors are still to come.
        decoded: the end of its decoding, once it has come.
        passages: the first part with each text; later parts with the same text share its vector.
        cut: whether passages beyond `MAX_PASSAGES` were left out.
    """

    content_hash: bytes
    earlier: PartialPieces
    pieces: list[RowDraft] = field(default_factory=list)
    counts: dict[Modality, int] = field(default_factory=lambda: dict.fromkeys(MODALITIES, 0))
    kept: dict[Modality, int] = field(default_factory=lambda: dict.fromkeys(MODALITIES, 0))
    kept_at: float = field(default_factory=time.monotonic)
    waiting: int = 0
    decoded: Decoded | None = None
    passages: dict[str, RowDraft] = field(default_factory=dict)
    cut: bool = False

    @property
    def is_long(self) -> bool:
        """Whether work on it could be lost: it has several parts, and more are to come or to be embedded."""
        return len(self.pieces) > 1 and (self.decoded is None or self.waiting > 0)

    def add(self, piece: RowDraft) -> PartialPiece | None:
        """Add the next part; returns the same part as an earlier run embedded it, if one did."""
        earlier, place = self.earlier.get(piece.modality, ()), self.counts[piece.modality]
        self.pieces.append(piece)
        self.counts[piece.modality] += 1
        if place >= len(earlier) or len(earlier[place].vectors) != piece.vector_count:
            return None
        return earlier[place] if earlier[place].is_of(piece.span) else None

    def fill(self, modality: Modality, count: int) -> None:
        """Add parts that an earlier run embedded and decoding therefore left out, until there are ``count``."""
        for kept in self.earlier.get(modality, ())[self.counts[modality] : count]:
            span = Span(kept.start or 0.0, kept.end or 0.0, "s")
            piece = RowDraft(modality, span, None, kept.continues, kept.can_go_on, kept.damage, len(kept.vectors))
            piece.vectors, piece.lines = list(kept.vectors), lines_from_text(kept.written)
            self.add(piece)

    def to_keep(self) -> Iterator[tuple[Modality, int, list[RowDraft]]]:
        """The parts to write to disk: embedded, not there yet, and before any that waits.

        Yields, for each modality, the number of the first such part and all of them.
        """
        for modality, first in self.kept.items():
            pieces = [piece for piece in self.pieces if piece.modality == modality][first:]
            done = list(itertools.takewhile(lambda piece: piece.is_embedded, pieces))
            if done:
                yield modality, first, done


class Embedder:
    """Embeds decoded files. Each comes out once, with all its rows, when the last of its vectors is there.

    Args:
        routing: the models.
        release: called with a picture when its pixels are no longer needed.
        clock: takes the time of encoding.
        unfinished: keeps vectors of files that take long.
        batch: pictures or frames that are embedded at once; None: more and more, up to `MAX_BATCH`.
        known_pieces: gives vectors that are stored of a content, by its hash; None: none are looked up.
    """

    def __init__(
        self,
        routing: ModelRouting,
        release: Callable[[Decoded], None],
        clock: Stopwatch,
        unfinished: UnfinishedFiles,
        *,
        batch: int | None = None,
        known_pieces: Callable[[bytes], PartialPieces] | None = None,
    ) -> None:
        self._known_pieces = known_pieces or (lambda content_hash: {})
        self._routing = routing
        self._release = release
        self._unfinished = unfinished
        self._looked_at = time.monotonic()
        self._pending: dict[bytes, _PendingFile] = {}
        self._finished: list[_PendingFile] = []
        self._speech = SpeechPassages(routing.listener)

        first = batch or _FIRST_BATCH
        self._pictures = Batcher(self._encode_pictures, clock, first, batch or MAX_BATCH)
        self._texts = Batcher(self._encode_texts, clock, TEXT_BATCH, TEXT_BATCH)
        self._sounds = Batcher(
            self._encode_sounds, clock, min(first, _MOST_SOUNDS), min(batch or _MOST_SOUNDS, _MOST_SOUNDS)
        )
        self._films = Batcher(
            self._encode_films, clock, min(first, _MOST_SHOTS), min(batch or _MOST_SHOTS, _MOST_SHOTS)
        )
        self._batches: tuple[Batcher[Any], ...] = (self._pictures, self._texts, self._sounds, self._films)

    def add_part(self, part: Part) -> Iterator[EmbeddedFile]:
        """Add a part of a film, a sound or a picture of several pages; yields files that are complete now."""
        file = self._pending_file(part.path, part.content_hash)
        span = Span(part.start_s, part.end_s, "page" if part.kind == "page" else "s")
        if part.kind == "page":
            self._enqueue(file, RowDraft("image", span), self._pictures, [part.array])
            yield from self._enqueue_passages(file, passages_of_lines(part.lines, self._routing.text, span))
        elif part.kind == "window":
            file.fill("audio", part.index)
            piece = RowDraft("audio", span, can_go_on=part.can_go_on, damage=part.damage)
            self._enqueue(file, piece, self._sounds, [part.array])
        elif part.kind == "voice":
            self._speech.add(part.path, part.array)
        else:
            file.fill("video", part.index)
            piece = RowDraft("video", span, None, part.continues, part.can_go_on, part.damage, lines=part.lines)
            if isinstance(self._routing.video, VideoEncoder):
                self._enqueue(file, piece, self._films, [part.array])
            else:
                self._enqueue(file, piece, self._pictures, list(part.array))
        yield from self._run_full()

    def add_texts(self, part: TextPart) -> Iterator[EmbeddedFile]:
        """Add some rows of a table, or pages of a document; yields files that are complete now."""
        file = self._pending_file(part.path, part.content_hash)
        yield from self._enqueue_passages(file, self._row_passages(part.texts, part.unit))

    def drop(self, path: bytes, *, may_work_later: bool = False) -> None:
        """Drop the parts of a file that was not decoded to its end.

        With ``may_work_later`` what is kept of it on disk stays for another run.
        """
        self._speech.drop(path)
        file = self._pending.pop(path, None)
        if file is not None and not may_work_later:
            self._unfinished.finish(file.content_hash)

    def keep(self, patience_s: float | None = None) -> None:
        """Write to disk what is embedded of long files that were begun, or written last, ``patience_s`` seconds ago."""
        patience_s = KEEP_AFTER_S if patience_s is None else patience_s
        now = self._looked_at = time.monotonic()
        for file in self._pending.values():
            if file.is_long and now - file.kept_at >= patience_s:
                for modality, first, pieces in file.to_keep():
                    self._unfinished.keep(file.content_hash, modality, first, [_kept(piece) for piece in pieces])
                    file.kept[modality] += len(pieces)
                file.kept_at = now

    def _pending_file(self, path: bytes, content_hash: bytes) -> _PendingFile:
        file = self._pending.get(path)
        if file is None:
            earlier = self._unfinished.kept.get(content_hash) or self._known_pieces(content_hash)
            file = self._pending[path] = _PendingFile(content_hash, earlier)
            file.kept |= {modality: len(pieces) for modality, pieces in file.earlier.items()}
        return file

    def add(self, decoded: Decoded) -> Iterator[EmbeddedFile]:
        """Add the end of a file's decoding; yields files that are complete now."""
        file = self._pending_file(decoded.path, decoded.content_hash)
        if decoded.kind == "image" and decoded.pixels is not None:
            self._enqueue(file, RowDraft("image"), self._pictures, [decoded])
        yield from self._enqueue_passages(file, self._passages(decoded))
        yield from self._enqueue_passages(file, self._speech.finish(decoded.path, self._routing.text))
        yield from self._enqueue_passages(file, passages_of_lines(decoded.lines, self._routing.text))
        shots = [piece for piece in file.pieces if piece.modality == "video"]
        yield from self._enqueue_passages(file, passages_over_time(shots, self._routing.text))
        if file.cut:
            note = join_notes(decoded.facts.note, f"only its first {MAX_PASSAGES:,} passages are indexed")
            decoded = replace(decoded, facts=replace(decoded.facts, note=note))
        file.decoded = decoded
        if not file.waiting:
            self._finished.append(file)
        yield from self._run_full()

    def flush(self) -> Iterator[EmbeddedFile]:
        """Embed all that waits for a batch to fill; yields files that are complete now."""
        for batch in self._batches:
            batch.run()
        yield from self._complete()

    def _enqueue(self, file: _PendingFile, piece: RowDraft, batch: Batcher[Any], items: Sequence[Any]) -> None:
        """Add a part to its file and its items to a batch, unless an earlier run embedded them."""
        piece.vector_count = len(items)
        earlier = file.add(piece)
        if earlier is not None:
            piece.vectors = list(earlier.vectors)
            for item in items:
                if isinstance(item, Decoded):
                    self._release(item)
            return

        def on_vector(vector: NDArray[np.float32]) -> None:
            piece.vectors.append(vector)
            file.waiting -= 1
            if not file.waiting and file.decoded is not None:
                self._finished.append(file)

        file.waiting += len(items)
        for item in items:
            batch.add(item, on_vector)

    def _enqueue_passages(self, file: _PendingFile, pieces: Iterator[RowDraft]) -> Iterator[EmbeddedFile]:
        """Add passages to a batch, those with the same text once; embeds full batches."""
        for piece in pieces:
            may_be_cut = piece.span is not None and piece.span.unit in ("char", "page")
            if may_be_cut and file.counts["text"] >= MAX_PASSAGES:
                file.cut = True
                return
            first = file.passages.setdefault(piece.passage or "", piece)
            if first is piece:
                self._enqueue(file, piece, self._texts, [piece.passage])
                if self._texts.is_full:
                    yield from self._run_full()
            else:
                piece.vectors = first.vectors
                file.add(piece)

    def _run_full(self) -> Iterator[EmbeddedFile]:
        for batch in self._batches:
            if batch.is_full:
                batch.run()
        if time.monotonic() - self._looked_at >= _LOOK_EVERY_S:
            self.keep()
        yield from self._complete()

    def _complete(self) -> Iterator[EmbeddedFile]:
        files, self._finished = self._finished, []
        for file in files:
            assert file.decoded is not None
            self._pending.pop(file.decoded.path, None)
            yield EmbeddedFile(file.decoded, rows_of_file(file.decoded, file.pieces, self._routing.spaces()))

    def _encode_pictures(self, items: list[Decoded | NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Pictures, and the frames of films that are embedded by their frames."""
        image = self._routing.image
        assert image is not None
        pixels = np.stack([item.pixels if isinstance(item, Decoded) else item for item in items])  # type: ignore[misc]
        for item in items:
            if isinstance(item, Decoded):
                self._release(item)
        return checked_vectors(image.encode_images(pixels), len(items), image.space)

    def _encode_texts(self, items: list[str]) -> NDArray[np.float32]:
        text = self._routing.text
        assert text is not None
        return checked_vectors(text.encode_texts(items), len(items), text.space)

    def _encode_sounds(self, items: list[NDArray[np.float32]]) -> NDArray[np.float32]:
        audio = self._routing.audio
        assert audio is not None
        return checked_vectors(audio.encode_sounds(items), len(items), audio.space)

    def _encode_films(self, items: list[NDArray[np.uint8]]) -> NDArray[np.float32]:
        video = self._routing.video
        assert isinstance(video, VideoEncoder)
        return checked_vectors(video.encode_films(items), len(items), video.space)

    def _passages(self, file: Decoded) -> Iterator[RowDraft]:
        text_encoder = self._routing.text
        if text_encoder is None:
            return
        count, limit = text_encoder.count_tokens, text_encoder.max_tokens
        if file.cues:
            from mmsearch.retrieval.media.texts.subtitles import Cue, timed_passages

            for start_s, end_s, text in timed_passages([Cue(*cue) for cue in file.cues], count, limit):
                yield RowDraft("text", Span(start_s, end_s, "s"), text)
        yield from self._row_passages(file.texts or (), "row")
        for span, passage in readable_passages(file.text or "", file.cuts, count, limit):
            yield RowDraft("text", span, passage)

    def _row_passages(self, texts: Iterable[tuple[int, str]], unit: SpanUnit) -> Iterator[RowDraft]:
        """The passages of a table's rows or a document's pages; a text that the next one repeats is cut only once."""
        text_encoder = self._routing.text
        if text_encoder is None:
            return
        last, spans = "", list[tuple[int, int]]()
        for row, text in texts:
            if text != last:
                last, spans = text, list(passages(text, text_encoder.count_tokens, text_encoder.max_tokens))
            for start, end in spans:
                yield RowDraft("text", Span(row, row + 1, unit), text[start:end])


def _kept(piece: RowDraft) -> PartialPiece:
    start, end = (None, None) if piece.span is None else (piece.span.start, piece.span.end)
    written = lines_to_text(piece.lines)
    return PartialPiece(start, end, piece.continues, piece.can_go_on, piece.damage, np.stack(piece.vectors), written)
