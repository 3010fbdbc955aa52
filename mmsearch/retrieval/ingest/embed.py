"""Decoded files in, rows with vectors out: pictures, passages, frames and sounds gathered into batches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmsearch.retrieval.encoders.protocol import VideoEncoder
from mmsearch.retrieval.ingest.batches import Batch, Vector
from mmsearch.retrieval.ingest.known import StoredRows
from mmsearch.retrieval.ingest.progress import Stopwatch
from mmsearch.retrieval.ingest.rows import Piece, stored_rows
from mmsearch.retrieval.ingest.serving import Serving
from mmsearch.retrieval.media.encoded import kept_passages
from mmsearch.retrieval.media.sandbox import Decoded, Part, TextPart
from mmsearch.retrieval.media.text import joined_notes, passages
from mmsearch.types import Span

MAX_BATCH = 64
TEXT_BATCH = 256
_FIRST_BATCH = 8
_MOST_SOUNDS = 16  # ten seconds each
_MOST_SHOTS = 8
MAX_PASSAGES = 100_000
"""Of a text file; the rows of a table are bounded where it is read."""

Done = tuple[Decoded, list[StoredRows]]


@dataclass(slots=True)
class _Open:
    """A file some of which still waits: its pieces in order, and what is known of it once it is decoded."""

    pieces: list[Piece] = field(default_factory=list)
    waiting: int = 0
    decoded: Decoded | None = None
    wordings: dict[str, Piece] = field(default_factory=dict)
    cut: bool = False


class Embedder:
    """Embeds decoded files. Each comes out once, with all its rows, when the last of them has its vector.

    ``release`` is called for a picture when its pixels are no longer needed.
    """

    def __init__(
        self,
        serving: Serving,
        release: Callable[[Decoded], None],
        clock: Stopwatch,
        *,
        batch: int | None = None,
    ) -> None:
        self._serving = serving
        self._release = release
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
        file = self._open.setdefault(part.path, _Open())
        span = Span(part.start_s, part.end_s, "page" if part.kind == "page" else "s")
        if part.kind == "page":
            self._wait(file, Piece("image", span), self._pictures, [part.array])
        elif part.kind == "window":
            self._wait(file, Piece("audio", span), self._sounds, [part.array])
        elif isinstance(self._serving.video, VideoEncoder):
            self._wait(file, Piece("video", span, continues=part.continues), self._films, [part.array])
        else:
            self._wait(file, Piece("video", span, continues=part.continues), self._pictures, list(part.array))
        yield from self._run_full()

    def add_texts(self, part: TextPart) -> Iterator[Done]:
        """Take some rows of a table; yields files that are done."""
        yield from self._wait_for_passages(self._open.setdefault(part.path, _Open()), self._cells(part.texts))

    def drop(self, path: bytes) -> None:
        """Forget the parts of a file that could not be decoded to its end."""
        self._open.pop(path, None)

    def add(self, decoded: Decoded) -> Iterator[Done]:
        """Take a decoded file; yields those that are done. A text without words yields no rows."""
        file = self._open.setdefault(decoded.path, _Open())
        if decoded.kind == "image" and decoded.pixels is not None:
            self._wait(file, Piece("image"), self._pictures, [decoded])
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

    def _wait(self, file: _Open, piece: Piece, batch: Batch[Any], items: Sequence[Any]) -> None:
        """Let a piece wait for the vectors of its items."""

        def sink(vector: Vector) -> None:
            piece.vectors.append(vector)
            file.waiting -= 1
            if not file.waiting and file.decoded is not None:
                self._finished.append(file)

        file.pieces.append(piece)
        file.waiting += len(items)
        for item in items:
            batch.add(item, sink)

    def _wait_for_passages(self, file: _Open, pieces: Iterator[Piece]) -> Iterator[Done]:
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
                file.pieces.append(piece)

    def _run_full(self) -> Iterator[Done]:
        for batch in self._batches:
            if batch.is_full:
                batch.run()
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

    def _passages(self, file: Decoded) -> Iterator[Piece]:
        tower = self._serving.text
        if tower is None:
            return
        count, limit = tower.count_tokens, tower.max_tokens
        if file.cues:
            from mmsearch.retrieval.media.subtitles import Cue, timed_passages

            for start_s, end_s, text in timed_passages([Cue(*cue) for cue in file.cues], count, limit):
                yield Piece("text", Span(start_s, end_s, "s"), text)
        yield from self._cells(file.texts or ())
        for span, passage in kept_passages(file.text or "", file.cuts, count, limit):
            yield Piece("text", span, passage)

    def _cells(self, texts: Iterable[tuple[int, str]]) -> Iterator[Piece]:
        """The passages of a table's texts; a text that comes again at once is cut once."""
        tower = self._serving.text
        if tower is None:
            return
        last, spans = "", list[tuple[int, int]]()
        for row, text in texts:
            if text != last:
                last, spans = text, list(passages(text, tower.count_tokens, tower.max_tokens))
            for start, end in spans:
                yield Piece("text", Span(row, row + 1, "row"), text[start:end])
