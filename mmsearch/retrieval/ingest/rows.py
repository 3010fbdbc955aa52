"""From the pieces of a file to its rows: one for each picture, passage, window and shot, and a film's larger scales."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mmsearch.retrieval.encoders.pooling import pooled
from mmsearch.retrieval.ingest.stored_files import StoredRows
from mmsearch.retrieval.media.workers.decoder import Decoded
from mmsearch.types import MODALITIES, Item, Modality, Space, Span

Vector = NDArray[np.float32]


@dataclass(slots=True)
class RowDraft:
    """A part of a file that gets a row: its span, and the vectors that it is the mean of (those of a shot's frames).

    ``waits_for`` is how many there will be; `Part` says what ``continues``, ``can_go_on`` and ``damage`` are.
    """

    modality: Modality
    span: Span | None = None
    passage: str | None = None
    continues: bool = False
    can_go_on: bool = False
    damage: str | None = None
    waits_for: int = 1
    vectors: list[Vector] = field(default_factory=list)

    @property
    def is_embedded(self) -> bool:
        """Whether all vectors are there."""
        return len(self.vectors) == self.waits_for


def stored_rows(file: Decoded, pieces: Sequence[RowDraft], spaces: Mapping[Modality, Space]) -> list[StoredRows]:
    """The rows of a decoded file, grouped by modality, each group in the space of the model that embedded it.

    A film of several shots has a row for the whole of it first, and one for each shot that was cut because it is
    longer than a span may be; these larger scales serve ranking, the shots explain it.
    """
    stored = []
    for modality in MODALITIES:
        own = [piece for piece in pieces if piece.modality == modality]
        if not own:
            continue
        vectors = [pooled(piece.vectors) for piece in own]
        spans = [piece.span for piece in own]
        if modality == "video":
            spans, vectors = _with_larger_scales(own, vectors, file.facts.duration_s)
            passages: list[str | None] = [None] * len(spans)
        else:
            passages = [piece.passage for piece in own]
        items = [
            Item(
                file.path,
                file.content_hash,
                file.size,
                file.mtime_ns,
                modality,
                span,
                passage,
                file.facts,
                file.ctime_ns,
            )
            for span, passage in zip(spans, passages, strict=True)
        ]
        stored.append(StoredRows(spaces[modality], modality, items, as_stored(np.stack(vectors))))
    return stored


def as_stored(vectors: NDArray[np.float32]) -> NDArray[np.float16]:
    """Unit vectors as the store keeps them: float16 of unit length (rule 4 of the house)."""
    return vectors.astype(np.float16)


def _with_larger_scales(
    pieces: Sequence[RowDraft], vectors: Sequence[Vector], duration_s: float | None
) -> tuple[list[Span | None], list[Vector]]:
    """Spans and vectors: the whole film, shots that were cut, then the pieces in order of time."""
    spans = [piece.span for piece in pieces]
    if len(pieces) == 1:
        return spans, list(vectors)
    starts = [i for i, piece in enumerate(pieces) if not piece.continues] or [0]
    shots = list(zip(starts, [*starts[1:], len(pieces)], strict=True))
    whole: list[tuple[int, int]] = [(0, len(pieces))] if len(shots) > 1 else []
    larger = whole + [(start, stop) for start, stop in shots if stop - start > 1]
    larger_spans = [_joined(spans[start], spans[stop - 1]) for start, stop in larger]
    if duration_s is not None and larger_spans:
        larger_spans[0] = Span(0.0, max(duration_s, larger_spans[0].end), "s")
    return [*larger_spans, *spans], [*(pooled(vectors[start:stop]) for start, stop in larger), *vectors]


def _joined(first: Span | None, last: Span | None) -> Span:
    assert first is not None
    assert last is not None
    return Span(first.start, last.end, "s")
