"""Passages of the text that was read in pictures, pages and films, each with the boxes of its lines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mmsearch.retrieval.encoders.protocol import TextEncoder
from mmsearch.retrieval.enrich.ocr.lines import TextLine
from mmsearch.retrieval.enrich.ocr.over_time import joined_over_time
from mmsearch.retrieval.ingest.rows import RowDraft
from mmsearch.retrieval.media.texts.text import passages
from mmsearch.types import Span


def passages_of_lines(
    lines: Sequence[TextLine], encoder: TextEncoder | None, span: Span | None = None
) -> Iterator[RowDraft]:
    """Rows of the lines of one picture: one, or more where they are longer than the encoder takes.

    Each passage has a line of text for each of its boxes. ``encoder`` None: no texts are embedded.
    """
    if encoder is None or not lines:
        return
    text = "\n".join(line.text for line in lines)
    ends: list[int] = []
    for line in lines:
        ends.append((ends[-1] + 1 if ends else 0) + len(line.text))
    for start, end in passages(text, encoder.count_tokens, encoder.max_tokens):
        own = [line for line, until in zip(lines, ends, strict=True) if until > start and until - len(line.text) < end]
        boxes = tuple(edge for line in own for edge in line.box)
        yield RowDraft("text", span, text[start:end], evidence="ocr", boxes=boxes)


def passages_over_time(shots: Sequence[RowDraft], encoder: TextEncoder | None) -> Iterator[RowDraft]:
    """Rows of the lines that were read in the shots of a film: a line that stays has one row, with all of its time."""
    times = [(shot.span.start, shot.span.end, shot.lines) for shot in shots if shot.span is not None]
    for seen in joined_over_time(times):
        yield from passages_of_lines(seen.lines, encoder, Span(seen.start_s, seen.end_s, "s"))
