"""Decoded files in, rows with vectors out: pictures, passages, frames and sounds gathered into batches."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmsearch.retrieval.encoders.protocol import VideoEncoder
from mmsearch.retrieval.encoders.routing import ModelRouting
from mmsearch.retrieval.ingest.batches import Batch, Vector
from mmsearch.retrieval.ingest.rows import RowDraft, stored_rows
from mmsearch.retrieval.ingest.stored_files import StoredRows
from mmsearch.retrieval.ingest.unfinished import KEEP_AFTER_S, Unfinished
from mmsearch.retrieval.media.texts.encoded_data import kept_passages
from mmsearch.retrieval.media.texts.text import joined_notes, passages
from mmsearch.retrieval.media.workers.decoder import Decoded, Part, TextPart
from mmsearch.retrieval.progress import Stopwatch
from mmsearch.retrieval.store.partial_files import PartialPiece, PartialPieces
from mmsearch.types import MODALITIES, Modality, Span

MAX_BATCH = 64
TEXT_BATCH = 256
_FIRST_BATCH = 8
_MOST_SOUNDS = 16  # ten seconds each
_MOST_SHOTS = 8
_LOOK_EVERY_S = 1.0  # for files that are to be kept
MAX_PASSAGES = 100_000
"""Of a text file; the rows of a table are bounded where it is read."""

Done = tuple[Decoded, list[StoredRows]]


@dataclass(slots=True)
class _Open:
    """A file some of which still waits: its pieces in order, and what is known of it once it is decoded.

    ``known`` is what an earlier run has embedded of it; of each modality, ``kept`` pieces are on the disk.
    """

    content_hash: bytes
    known: PartialPieces
    pieces: list[RowDraft] = field(default_factory=list)
    counts: dict[Modality, int] = field(default_factory=lambda: dict.fromkeys(MODALITIES, 0))
    kept: dict[Modality, int] = field(default_factory=lambda: dict.fromkeys(MODALITIES, 0))
    kept_at: float = field(default_factory=time.monotonic)
    waiting: int = 0
    decoded: Decoded | None = None
    wordings: dict[str, RowDraft] = field(default_factory=dict)
    cut: bool = False

    @property
    def is_long(self) -> bool:
        """Whether there is something to lose: several pieces, some of which are still to come or to be embedded."""
        return len(self.pieces) > 1 and (self.decoded is None or self.waiting > 0)

    def add(self, piece: RowDraft) -> PartialPiece | None:
        """Take the next piece; what an earlier run made of it."""
        known, place = self.known.get(piece.modality, ()), self.counts[piece.modality]
        self.pieces.append(piece)
        self.counts[piece.modality] += 1
        if place < len(known) and known[place].is_of(piece.span) and len(known[place].vectors) == piece.waits_for:
            return known[place]
        return None

    def fill(self, modality: Modality, count: int) -> None:
        """Take the pieces from an earlier run that decoding left out, so that there are ``count``."""
        for known in self.known.get(modality, ())[self.counts[modality] : count]:
            span = Span(known.start or 0.0, known.end or 0.0, "s")
            piece = RowDraft(modality, span, None, known.continues, known.can_go_on, known.damage, len(known.vectors))
            piece.vectors = list(known.vectors)
            self.add(piece)

    def embedded(self) -> Iterator[tuple[Modality, int, list[RowDraft]]]:
        """Of each modality the pieces that are embedded and not kept yet, up to one that waits; the first's number."""
        for modality, first in self.kept.items():
            pieces = [piece for piece in self.pieces if piece.modality == modality][first:]
            done = list(itertools.takewhile(lambda piece: piece.is_embedded, pieces))
            if done:
                yield modality, first, done


class Embedder:
    """Embeds decoded files. Each comes out once, with all its rows, when the last of them has its vector.

    ``release`` is called for a picture when its pixels are no longer needed. ``unfinished`` keeps what is embedded
    of files that take long.
    """

    def __init__(
        self,
        routing: ModelRouting,
        release: Callable[[Decoded], None],
        clock: Stopwatch,
        unfinished: Unfinished,
        *,
        batch: int | None = None,
    ) -> None:
        self._serving = routing
        self._release = release
        self._unfinished = unfinished
        self._looked_at = time.monotonic()
        self._open: dict[bytes, _Open] = {}
        self._finished: list[_Open] = []

        first = batch or _FIRST_BATCH
        self._pictures = Batch(self._encode_pictures, clock, first, batch or MAX_BATCH)
        self._texts = Batch(self._encode_texts, clock, TEXT_BATCH, TEXT_BATCH)
        self._sounds = Batch(
            self._encode_sounds, clock, min(first, _MOST_SOUNDS), min(batch or _MOST_SOUNDS, _MOST_SOUNDS)
        )
        self._films = Batch(self._encode_films, clock, min(first, _MOST_SHOTS), min(batch or _MOST_SHOTS, _MOST_SHOTS))
        self._batches: tuple[Batch[Any], ...] = (self._pictures, self._texts, self._sounds, self._films)

    def add_part(self, part: Part) -> Iterator[Done]:
        """Take a part of a film, a sound or a picture of several pages; yields files that are done."""
        file = self._opened(part.path, part.content_hash)
        span = Span(part.start_s, part.end_s, "page" if part.kind == "page" else "s")
        if part.kind == "page":
            self._wait(file, RowDraft("image", span), self._pictures, [part.array])
        elif part.kind == "window":
            file.fill("audio", part.index)
            piece = RowDraft("audio", span, can_go_on=part.can_go_on, damage=part.damage)
            self._wait(file, piece, self._sounds, [part.array])
        else:
            file.fill("video", part.index)
            piece = RowDraft("video", span, None, part.continues, part.can_go_on, part.damage)
            if isinstance(self._serving.video, VideoEncoder):
                self._wait(file, piece, self._films, [part.array])
            else:
                self._wait(file, piece, self._pictures, list(part.array))
        yield from self._run_full()

    def add_texts(self, part: TextPart) -> Iterator[Done]:
        """Take some rows of a table; yields files that are done."""
        file = self._opened(part.path, part.content_hash)
        yield from self._wait_for_passages(file, self._cells(part.texts))

    def drop(self, path: bytes, for_now: bool = False) -> None:
        """Forget the parts of a file that could not be decoded to its end; ``for_now``: another run may do better."""
        file = self._open.pop(path, None)
        if file is not None and not for_now:
            self._unfinished.finish(file.content_hash)

    def keep(self, patience_s: float | None = None) -> None:
        """Put on the disk what is embedded of files that were begun, or kept last, so long ago, and are not done."""
        patience_s = KEEP_AFTER_S if patience_s is None else patience_s
        now = self._looked_at = time.monotonic()
        for file in self._open.values():
            if file.is_long and now - file.kept_at >= patience_s:
                for modality, first, pieces in file.embedded():
                    self._unfinished.keep(file.content_hash, modality, first, [_kept(piece) for piece in pieces])
                    file.kept[modality] += len(pieces)
                file.kept_at = now

    def _opened(self, path: bytes, content_hash: bytes) -> _Open:
        file = self._open.get(path)
        if file is None:
            file = self._open[path] = _Open(content_hash, self._unfinished.found.get(content_hash, {}))
            file.kept |= {modality: len(pieces) for modality, pieces in file.known.items()}
        return file

    def add(self, decoded: Decoded) -> Iterator[Done]:
        """Take a decoded file; yields those that are done. A text without words yields no rows."""
        file = self._opened(decoded.path, decoded.content_hash)
        if decoded.kind == "image" and decoded.pixels is not None:
            self._wait(file, RowDraft("image"), self._pictures, [decoded])
        yield from self._wait_for_passages(file, self._passages(decoded))
        if file.cut:
            note = joined_notes(decoded.facts.note, f"only its first {MAX_PASSAGES:,} passages are indexed")
            decoded = replace(decoded, facts=replace(decoded.facts, note=note))
        file.decoded = decoded
        if not file.waiting:
            self._finished.append(file)
        yield from self._run_full()

    def flush(self) -> Iterator[Done]:
        """Embed what waits for its batch to fill."""
        for batch in self._batches:
            batch.run()
        yield from self._done()

    def _wait(self, file: _Open, piece: RowDraft, batch: Batch[Any], items: Sequence[Any]) -> None:
        """Let a piece wait for the vectors of its items, but for those that are known."""
        piece.waits_for = len(items)
        known = file.add(piece)
        if known is not None:
            piece.vectors = list(known.vectors)
            return

        def sink(vector: Vector) -> None:
            piece.vectors.append(vector)
            file.waiting -= 1
            if not file.waiting and file.decoded is not None:
                self._finished.append(file)

        file.waiting += len(items)
        for item in items:
            batch.add(item, sink)

    def _wait_for_passages(self, file: _Open, pieces: Iterator[RowDraft]) -> Iterator[Done]:
        """Let passages wait for their vectors, those of one wording for the same one; full batches are embedded."""
        for piece in pieces:
            if piece.span is not None and piece.span.unit == "char" and len(file.pieces) >= MAX_PASSAGES:
                file.cut = True
                return
            first = file.wordings.setdefault(piece.passage or "", piece)
            if first is piece:
                self._wait(file, piece, self._texts, [piece.passage])
                if self._texts.is_full:
                    yield from self._run_full()
            else:
                piece.vectors = first.vectors
                file.add(piece)

    def _run_full(self) -> Iterator[Done]:
        for batch in self._batches:
            if batch.is_full:
                batch.run()
        if time.monotonic() - self._looked_at >= _LOOK_EVERY_S:
            self.keep()
        yield from self._done()

    def _done(self) -> Iterator[Done]:
        files, self._finished = self._finished, []
        for file in files:
            assert file.decoded is not None
            self._open.pop(file.decoded.path, None)
            yield file.decoded, stored_rows(file.decoded, file.pieces, self._serving.spaces())

    def _encode_pictures(self, items: list[Decoded | NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Pictures, and the frames of films that are embedded by their frames."""
        image = self._serving.image
        assert image is not None
        pixels = np.stack([item.pixels if isinstance(item, Decoded) else item for item in items])  # type: ignore[misc]
        for item in items:
            if isinstance(item, Decoded):
                self._release(item)
        return image.encode_images(pixels)

    def _encode_texts(self, items: list[str]) -> NDArray[np.float32]:
        assert self._serving.text is not None
        return self._serving.text.encode_texts(items)

    def _encode_sounds(self, items: list[NDArray[np.float32]]) -> NDArray[np.float32]:
        assert self._serving.audio is not None
        return self._serving.audio.encode_sounds(items)

    def _encode_films(self, items: list[NDArray[np.uint8]]) -> NDArray[np.float32]:
        assert isinstance(self._serving.video, VideoEncoder)
        return self._serving.video.encode_films(items)

    def _passages(self, file: Decoded) -> Iterator[RowDraft]:
        tower = self._serving.text
        if tower is None:
            return
        count, limit = tower.count_tokens, tower.max_tokens
        if file.cues:
            from mmsearch.retrieval.media.texts.subtitles import Cue, timed_passages

            for start_s, end_s, text in timed_passages([Cue(*cue) for cue in file.cues], count, limit):
                yield RowDraft("text", Span(start_s, end_s, "s"), text)
        yield from self._cells(file.texts or ())
        for span, passage in kept_passages(file.text or "", file.cuts, count, limit):
            yield RowDraft("text", span, passage)

    def _cells(self, texts: Iterable[tuple[int, str]]) -> Iterator[RowDraft]:
        """The passages of a table's texts; a text that comes again at once is cut once."""
        tower = self._serving.text
        if tower is None:
            return
        last, spans = "", list[tuple[int, int]]()
        for row, text in texts:
            if text != last:
                last, spans = text, list(passages(text, tower.count_tokens, tower.max_tokens))
            for start, end in spans:
                yield RowDraft("text", Span(row, row + 1, "row"), text[start:end])


def _kept(piece: RowDraft) -> PartialPiece:
    start, end = (None, None) if piece.span is None else (piece.span.start, piece.span.end)
    return PartialPiece(start, end, piece.continues, piece.can_go_on, piece.damage, np.stack(piece.vectors))
