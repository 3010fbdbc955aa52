"""Decoded files in, rows with vectors out: pictures and passages gathered into batches for the encoder."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from mmsearch.retrieval.encoders.protocol import Encoder, ImageEncoder, TextEncoder
from mmsearch.retrieval.ingest.known import StoredRows
from mmsearch.retrieval.ingest.progress import Stopwatch
from mmsearch.retrieval.media.sandbox import Decoded
from mmsearch.retrieval.media.text import passages
from mmsearch.types import Item, Modality, Span

MAX_BATCH = 64
TEXT_BATCH = 256
_FIRST_BATCH = 8
_BATCH_S = 1.0  # batches of pictures grow while they take less: commits must not wait for a long one


class Embedder:
    """Embeds decoded files. Each comes out once, with all its rows, as soon as its batch is full.

    ``release`` is called for a picture when its pixels are no longer needed.
    """

    def __init__(
        self,
        encoder: Encoder,
        release: Callable[[Decoded], None],
        clock: Stopwatch,
        *,
        batch: int | None = None,
    ) -> None:
        self._encoder = encoder
        self._release = release
        self._clock = clock
        self._batch = batch or _FIRST_BATCH
        self._growing = batch is None
        self._pictures: list[Decoded] = []
        self._texts: list[tuple[Decoded, list[Item]]] = []
        self._waiting_passages = 0

    def add(self, file: Decoded) -> Iterator[tuple[Decoded, StoredRows]]:
        """Take a file; yields those that are done. A text without words yields rows of length 0."""
        if file.kind == "image":
            self._pictures.append(file)
            if len(self._pictures) >= self._batch:
                yield from self._embed_pictures()
        else:
            items = self._passages(file)
            self._texts.append((file, items))
            self._waiting_passages += len(items)
            if self._waiting_passages >= TEXT_BATCH or len(self._texts) >= TEXT_BATCH:
                yield from self._embed_texts()

    def flush(self) -> Iterator[tuple[Decoded, StoredRows]]:
        """Embed what waits for its batch to fill."""
        yield from self._embed_pictures()
        yield from self._embed_texts()

    def _embed_pictures(self) -> Iterator[tuple[Decoded, StoredRows]]:
        files, self._pictures = self._pictures, []
        if not files:
            return
        assert isinstance(self._encoder, ImageEncoder)
        pixels = np.stack([file.pixels for file in files if file.pixels is not None])
        for file in files:
            self._release(file)
        start = time.perf_counter()
        with self._clock.timing("encode"):
            vectors = as_stored(self._encoder.encode_images(pixels))
        took = time.perf_counter() - start
        if self._growing and len(files) == self._batch and took < _BATCH_S / 2:
            self._batch = min(2 * self._batch, MAX_BATCH)
        for i, file in enumerate(files):
            yield file, StoredRows("image", [_item(file, "image")], vectors[i : i + 1])

    def _embed_texts(self) -> Iterator[tuple[Decoded, StoredRows]]:
        files, self._texts, self._waiting_passages = self._texts, [], 0
        if not files:
            return
        assert isinstance(self._encoder, TextEncoder)
        words = [item.passage or "" for _, items in files for item in items]
        with self._clock.timing("encode"):
            parts = [self._encoder.encode_texts(words[i : i + TEXT_BATCH]) for i in range(0, len(words), TEXT_BATCH)]
        vectors = as_stored(np.concatenate(parts or [np.empty((0, self._encoder.space.dim), np.float32)]))
        start = 0
        for file, items in files:
            yield file, StoredRows("text", items, vectors[start : start + len(items)])
            start += len(items)

    def _passages(self, file: Decoded) -> list[Item]:
        assert isinstance(self._encoder, TextEncoder)
        count, limit = self._encoder.count_tokens, self._encoder.max_tokens
        if file.texts is not None:
            return [
                _item(file, "text", Span(row, row + 1, "row"), text[start:end])
                for row, text in file.texts
                for start, end in passages(text, count, limit)
            ]
        text = file.text or ""
        return [
            _item(file, "text", Span(start, end, "char"), text[start:end])
            for start, end in passages(text, count, limit)
        ]


def as_stored(vectors: NDArray[np.float32]) -> NDArray[np.float16]:
    """Unit vectors as the store keeps them: float16 of unit length (rule 4 of the house)."""
    return vectors.astype(np.float16)


def _item(file: Decoded, modality: Modality, span: Span | None = None, passage: str | None = None) -> Item:
    return Item(file.path, file.content_hash, file.size, file.mtime_ns, modality, span, passage, file.facts)
