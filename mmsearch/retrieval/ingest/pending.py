"""A file that is not embedded to its end: its parts so far, and which of their vectors are there."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from mmsearch.retrieval.enrich.ocr.lines import lines_from_text, lines_to_text
from mmsearch.retrieval.ingest.rows import RowDraft
from mmsearch.retrieval.media.workers.jobs import Decoded
from mmsearch.retrieval.store.partial_files import PartialPiece, PartialPieces
from mmsearch.types import MODALITIES, Modality, Span


@dataclass(slots=True)
class PendingFile:
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


def kept_piece(piece: RowDraft) -> PartialPiece:
    """An embedded part as it is kept on disk."""
    start, end = (None, None) if piece.span is None else (piece.span.start, piece.span.end)
    written = lines_to_text(piece.lines)
    return PartialPiece(start, end, piece.continues, piece.can_go_on, piece.damage, np.stack(piece.vectors), written)
