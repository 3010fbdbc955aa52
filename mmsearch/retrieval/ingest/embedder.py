"""Embeds decoded files in batches: pictures, passages, frames and windows of sound go in, rows come out."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmsearch.notices import Notice, NoticeKind
from mmsearch.retrieval.encoders.protocol import Encoder, ImageEncoder, VideoEncoder
from mmsearch.retrieval.encoders.routing import ModelRouting
from mmsearch.retrieval.ingest.batch_size import BatchSize
from mmsearch.retrieval.ingest.encoder_thread import BATCHES_AT_ONCE, EncoderThread
from mmsearch.retrieval.ingest.lanes import Begin, Lane, PictureLane, batches_at_once, most_pictures
from mmsearch.retrieval.ingest.pending import PendingFile, kept_piece
from mmsearch.retrieval.ingest.picture_texts import passages_of_lines, passages_over_time
from mmsearch.retrieval.ingest.rows import RowDraft, picture_item, rows_of_file
from mmsearch.retrieval.ingest.speech import SpeechPassages
from mmsearch.retrieval.ingest.stored_files import StoredRows
from mmsearch.retrieval.ingest.unfinished import KEEP_AFTER_S, UnfinishedFiles
from mmsearch.retrieval.media.texts.encoded_data import readable_passages
from mmsearch.retrieval.media.texts.text import join_notes, passages
from mmsearch.retrieval.media.workers.jobs import Decoded, Part, TextPart
from mmsearch.retrieval.progress import Stopwatch
from mmsearch.retrieval.store.partial_files import PartialPieces
from mmsearch.types import Span, SpanUnit

MAX_BATCH = 32
"""Pictures of a batch on a processor; see `most_pictures`."""
TEXT_BATCH = 256
_FIRST_BATCH = 8
_FIRST_ON_DEVICE = 32
_MOST_TEXTS_ON_DEVICE = 2048
_MOST_SOUNDS = 16  # ten seconds each
_MOST_SHOTS = 8
_MORE_ON_DEVICE = 4  # times as many sounds and shots
_FLUSH_S = 0.2
_LOOK_EVERY_S = 1.0  # for files whose vectors are to be kept
MAX_PASSAGES = 100_000
"""Passages of a text or document that are embedded; the rows of a table are bounded where the table is read."""


@dataclass(frozen=True, slots=True)
class EmbeddedFile:
    """A decoded file and all its rows; no rows if there is no text in it."""

    decoded: Decoded
    rows: list[StoredRows]


class Embedder:
    """Embeds decoded files. Each comes out once, with all its rows, when the last of its vectors is there.

    Encoders run on a thread of their own, so that files come out of any later call. Use `stop` at the end.

    Args:
        routing: the models.
        release: called with a picture when its pixels are no longer needed.
        clock: takes the time of encoding.
        unfinished: keeps vectors of files that take long.
        batch: pictures or frames that are embedded at once; None: more and more, while that is faster.
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
        self._text = routing.text  # asked for many times a file, and found by a look at all members of a class
        self._spaces = routing.spaces()
        self._release = release
        self._unfinished = unfinished
        self._looked_at = time.monotonic()
        self._pending: dict[bytes, PendingFile] = {}
        self._finished: list[PendingFile] = []
        self._pictures: list[EmbeddedFile] = []
        self._speech = SpeechPassages(routing.listener)
        self._encoders = EncoderThread(clock, max(map(batches_at_once, routing.encoders), default=BATCHES_AT_ONCE))
        self._lanes: dict[str, Lane] = _lanes(routing, batch)

    def add_part(self, part: Part) -> Iterator[EmbeddedFile]:
        """Add a part of a film, a sound or a picture of several pages; yields files that are complete now."""
        file = self._pending_file(part.path, part.content_hash)
        span = Span(part.start_s, part.end_s, "page" if part.kind == "page" else "s")
        if part.kind == "page":
            self._enqueue(file, RowDraft("image", span), "image", [part.array])
            yield from self._enqueue_passages(file, passages_of_lines(part.lines, self._text, span))
        elif part.kind == "window":
            file.fill("audio", part.index)
            piece = RowDraft("audio", span, can_go_on=part.can_go_on, damage=part.damage)
            self._enqueue(file, piece, "audio", [part.array])
        elif part.kind == "voice":
            self._speech.add(part.path, part.array)
        else:
            file.fill("video", part.index)
            piece = RowDraft("video", span, None, part.continues, part.can_go_on, part.damage, lines=part.lines)
            if "video" in self._lanes:
                self._enqueue(file, piece, "video", [part.array])
            else:
                self._enqueue(file, piece, "frame", part.array)
        yield from self._run_full()

    def add_texts(self, part: TextPart) -> Iterator[EmbeddedFile]:
        """Add some rows of a table, or pages of a document; yields files that are complete now."""
        file = self._pending_file(part.path, part.content_hash)
        yield from self._enqueue_passages(file, self._row_passages(part.texts, part.unit))

    def drop(self, path: bytes, *, may_work_later: bool = False) -> None:
        """Drop the parts of a file that was not decoded to its end.

        With ``may_work_later`` what is kept of it on disk stays for another run, with what was given to the encoders.
        """
        self._speech.drop(path)
        if may_work_later and path in self._pending and self._pending[path].is_long:
            while self._encoders.wait_for_vectors():
                self._take_in()
            self.keep()
        file = self._pending.pop(path, None)
        if file is not None and not may_work_later:
            self._unfinished.finish(file.content_hash)

    def keep(self, patience_s: float | None = None) -> None:
        """Write to disk what is embedded of long files that were begun, or written last, some seconds ago.

        ``patience_s``: how many; given at the end of a run, when files that are there in part are written too.
        """
        at_end, patience_s = patience_s is not None, KEEP_AFTER_S if patience_s is None else patience_s
        now = self._looked_at = time.monotonic()
        for file in self._pending.values():
            begun = at_end and any(file.kept.values())
            if file.is_long and (begun or now - file.kept_at >= patience_s):
                for modality, first, pieces in file.to_keep():
                    self._unfinished.keep(file.content_hash, modality, first, [kept_piece(piece) for piece in pieces])
                    file.kept[modality] += len(pieces)
                file.kept_at = now

    def _pending_file(self, path: bytes, content_hash: bytes) -> PendingFile:
        file = self._pending.get(path)
        if file is None:
            file = self._pending[path] = PendingFile(content_hash, self._earlier(content_hash))
            file.kept |= {modality: len(pieces) for modality, pieces in file.earlier.items()}
        return file

    def _earlier(self, content_hash: bytes) -> PartialPieces:
        return self._unfinished.kept.get(content_hash) or self._known_pieces(content_hash)

    def add(self, decoded: Decoded) -> Iterator[EmbeddedFile]:
        """Add the end of a file's decoding; yields files that are complete now."""
        if self._is_one_picture(decoded):
            lane = self._lanes["image"]
            lane.add(decoded.pixels, decoded)
            self._release(decoded)
            if not (lane.is_full or self._encoders.has_finished):
                return
        else:
            yield from self._add_all_of(decoded)
        yield from self._run_full()

    def _is_one_picture(self, decoded: Decoded) -> bool:
        """Whether one row, with one vector, is all that can come of a file: so it is with nearly all pictures."""
        if decoded.pixels is None or decoded.kind != "image" or decoded.path in self._pending:
            return False
        return not (decoded.lines or decoded.captions or any(self._earlier(decoded.content_hash).values()))

    def _add_all_of(self, decoded: Decoded) -> Iterator[EmbeddedFile]:
        file = self._pending_file(decoded.path, decoded.content_hash)
        if decoded.kind == "image" and decoded.pixels is not None:
            self._enqueue(file, RowDraft("image"), "image", [decoded.pixels])
            self._release(decoded)
        yield from self._enqueue_passages(file, self._passages(decoded))
        yield from self._enqueue_passages(file, self._speech.finish(decoded.path, self._text))
        yield from self._enqueue_passages(file, passages_of_lines(decoded.lines, self._text))
        yield from self._enqueue_passages(file, self._caption_passages(decoded.captions))
        shots = [piece for piece in file.pieces if piece.modality == "video"]
        yield from self._enqueue_passages(file, passages_over_time(shots, self._text))
        if file.cut:
            note = join_notes(decoded.facts.note, f"only its first {MAX_PASSAGES:,} passages are indexed")
            decoded = replace(decoded, facts=replace(decoded.facts, note=note))
        file.decoded = decoded
        if not file.waiting:
            self._finished.append(file)

    def flush(self) -> Iterator[EmbeddedFile]:
        """Hand over all that waits for a batch to fill; yields files that are complete now, or in a moment."""
        for lane in self._lanes.values():
            while not lane.is_empty:
                yield from self._hand_over(lane)
        until = time.monotonic() + _FLUSH_S
        while self._encoders.wait_for_vectors() and time.monotonic() < until:
            yield from self._complete()
        yield from self._complete()

    def finish(self) -> Iterator[EmbeddedFile]:
        """Embed all that waits, and wait for it; yields the files."""
        yield from self.flush()
        while self._encoders.wait_for_vectors():
            yield from self._complete()

    def stop(self) -> Iterator[EmbeddedFile]:
        """End the threads, with the batches that are being embedded and without those that wait; yields files."""
        self._encoders.stop()
        yield from self._complete()

    @property
    def notices(self) -> list[Notice]:
        """That the memory of a device was short."""
        halved = {id(lane): lane for lane in self._lanes.values() if lane.size.was_halved}.values()
        return [Notice(NoticeKind.BATCHES_HALVED, {"model": lane.model, "batch": lane.size.now}) for lane in halved]

    def _enqueue(self, file: PendingFile, piece: RowDraft, lane: str, items: Iterable[Any]) -> None:
        """Add a part to its file and its items to a lane, unless an earlier run embedded them."""
        items = list(items)
        piece.vector_count = len(items)
        earlier = file.add(piece)
        if earlier is not None:
            piece.vectors = list(earlier.vectors)
            return
        file.waiting += len(items)
        for item in items:
            self._lanes[lane].add(item, (file, piece))

    def _enqueue_passages(self, file: PendingFile, pieces: Iterator[RowDraft]) -> Iterator[EmbeddedFile]:
        """Add passages to a batch, those with the same text once; embeds full batches."""
        for piece in pieces:
            may_be_cut = piece.span is not None and piece.span.unit in ("char", "page")
            if may_be_cut and file.counts["text"] >= MAX_PASSAGES:
                file.cut = True
                return
            first = file.passages.setdefault(piece.passage or "", piece)
            if first is piece:
                self._enqueue(file, piece, "text", [piece.passage])
                if self._lanes["text"].is_full:
                    yield from self._run_full()
            else:
                piece.vectors = first.vectors
                file.add(piece)

    def _run_full(self) -> Iterator[EmbeddedFile]:
        for lane in self._lanes.values():
            while lane.is_full:
                yield from self._hand_over(lane)
        yield from self._complete()

    def _hand_over(self, lane: Lane) -> Iterator[EmbeddedFile]:
        """Hand a batch over to the encoders as soon as there is room for it."""
        while not self._encoders.wait_for_room():
            yield from self._complete()
        self._encoders.submit(lane.next_batch())

    def _complete(self) -> Iterator[EmbeddedFile]:
        """Take in the vectors that are there; yields files that are complete now."""
        self._take_in()
        if time.monotonic() - self._looked_at >= _LOOK_EVERY_S:
            self.keep()
        pictures, self._pictures = self._pictures, []
        yield from pictures
        files, self._finished = self._finished, []
        for file in files:
            assert file.decoded is not None
            self._pending.pop(file.decoded.path, None)
            yield EmbeddedFile(file.decoded, rows_of_file(file.decoded, file.pieces, self._spaces))

    def _take_in(self) -> None:
        """Give the vectors that are there to their owners: a picture that is a file, or a part of a file."""
        for batch in self._encoders.take_finished():
            vectors = batch.vectors
            assert vectors is not None
            stored = vectors.astype(np.float16)
            for row, owner in enumerate(batch.owners):
                if isinstance(owner, Decoded):
                    rows = StoredRows(self._spaces["image"], "image", [picture_item(owner)], stored[row : row + 1])
                    self._pictures.append(EmbeddedFile(owner, [rows]))
                else:
                    file, piece = owner
                    self._add_vector(file, piece, vectors[row])
            if batch.release is not None:
                batch.release()

    def _add_vector(self, file: PendingFile, piece: RowDraft, vector: NDArray[np.float32]) -> None:
        piece.vectors.append(vector)
        file.waiting -= 1
        if not file.waiting and file.decoded is not None:
            self._finished.append(file)

    def _passages(self, file: Decoded) -> Iterator[RowDraft]:
        text_encoder = self._text
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

    def _caption_passages(self, captions: Iterable[str]) -> Iterator[RowDraft]:
        """The passages of texts that were given with a file: one each, unless they are longer than the model takes."""
        if self._text is None:
            return
        for caption in captions:
            for start, end in passages(caption, self._text.count_tokens, self._text.max_tokens):
                yield RowDraft("text", None, caption[start:end], evidence="caption")

    def _row_passages(self, texts: Iterable[tuple[int, str]], unit: SpanUnit) -> Iterator[RowDraft]:
        """The passages of a table's rows or a document's pages; a text that the next one repeats is cut only once."""
        text_encoder = self._text
        if text_encoder is None:
            return
        last, spans = "", list[tuple[int, int]]()
        for row, text in texts:
            if text != last:
                last, spans = text, list(passages(text, text_encoder.count_tokens, text_encoder.max_tokens))
            for start, end in spans:
                yield RowDraft("text", Span(row, row + 1, unit), text[start:end])


def _lanes(routing: ModelRouting, batch: int | None) -> dict[str, Lane]:
    """A lane for each kind of item that is embedded; ``batch``: as of `Embedder`."""
    lanes: dict[str, Lane] = {}
    image, video, audio, text = routing.image, routing.video, routing.audio, routing.text

    def pictures(encoder: ImageEncoder) -> PictureLane:
        first = _FIRST_BATCH if encoder.device == "cpu" else _FIRST_ON_DEVICE
        return PictureLane(encoder, size_of(encoder, batch or first, batch or most_pictures(encoder, MAX_BATCH)))

    def several(encoder: Encoder, most: int) -> BatchSize:
        most = most if encoder.device == "cpu" else _MORE_ON_DEVICE * most
        return size_of(encoder, batch or _FIRST_BATCH, min(batch or most, most))

    def size_of(encoder: Encoder, first: int, most: int) -> BatchSize:
        # How long a batch takes cannot be seen where several are embedded at once: so it is large from the first on.
        return BatchSize(most if batches_at_once(encoder) > BATCHES_AT_ONCE else first, most)

    if image is not None:
        lanes["image"] = pictures(image)
    if isinstance(video, VideoEncoder):
        begin = Begin(video, "encode_films", "begin_films")
        lanes["video"] = Lane(begin, several(video, _MOST_SHOTS), _n_bytes)
    elif video is image and image is not None:
        lanes["frame"] = lanes["image"]
    elif isinstance(video, ImageEncoder):
        lanes["frame"] = pictures(video)
    if audio is not None:
        begin = Begin(audio, "encode_sounds", "begin_sounds")
        lanes["audio"] = Lane(begin, several(audio, _MOST_SOUNDS), _n_bytes)
    if text is not None:
        most = TEXT_BATCH if text.device == "cpu" else _MOST_TEXTS_ON_DEVICE
        lanes["text"] = Lane(Begin(text, "encode_texts", "begin_texts"), size_of(text, TEXT_BATCH, most), len)
    return lanes


def _n_bytes(array: NDArray[Any]) -> int:
    return array.nbytes
