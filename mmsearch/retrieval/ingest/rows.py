"""The rows of a file: one for each picture, passage, window and shot, and for long shots and whole films."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from mmsearch.retrieval.encoders.pooling import pooled
from mmsearch.retrieval.enrich.ocr.lines import TextLine
from mmsearch.retrieval.ingest.stored_files import StoredRows
from mmsearch.retrieval.media.workers.jobs import Decoded
from mmsearch.types import MODALITIES, Item, Modality, PassageSource, Space, Span


@dataclass(slots=True)
class RowDraft:
    """A part of a file that becomes a row when its vectors are there; the row's vector is their mean.

    A shot that is embedded by its frames has a vector for each frame, ``vector_count`` in all; other parts have one.
    `Part` explains ``continues``, ``can_go_on``, ``damage`` and ``lines``, `Item` explains ``evidence``, ``boxes`` and
    ``lang``.
    """

    modality: Modality
    span: Span | None = None
    passage: str | None = None
    continues: bool = False
    can_go_on: bool = False
    damage: str | None = None
    vector_count: int = 1
    vectors: list[NDArray[np.float32]] = field(default_factory=list)
    evidence: PassageSource | None = None
    boxes: tuple[float, ...] = ()
    lang: str | None = None
    lines: tuple[TextLine, ...] = ()

    @property
    def is_embedded(self) -> bool:
        """Whether all vectors are there."""
        return len(self.vectors) == self.vector_count


def picture_item(file: Decoded) -> Item:
    """The one row of a file that is a single picture."""
    return Item(
        file.path,
        file.content_hash,
        file.size,
        file.mtime_ns,
        "image",
        facts=file.facts,
        ctime_ns=file.ctime_ns,
    )


def rows_of_file(file: Decoded, drafts: Sequence[RowDraft], spaces: Mapping[Modality, Space]) -> list[StoredRows]:
    """The rows of a decoded file by modality, each in the space of the model that embedded it.

    A film of several shots gets a row for the whole film first, and one for each shot that was cut into pieces because
    it is longer than a span may be. These rows serve the ranking of files; those of the pieces tell the moment.
    """
    stored = []
    for modality in MODALITIES:
        own = [draft for draft in drafts if draft.modality == modality]
        if not own:
            continue
        vectors = [pooled(draft.vectors) for draft in own]
        whole = Item(file.path, file.content_hash, file.size, file.mtime_ns, modality)
        whole = replace(whole, facts=file.facts, ctime_ns=file.ctime_ns)
        if modality == "video":
            spans, vectors = _with_longer_spans(own, vectors, file.facts.duration_s)
            items = [replace(whole, span=span) for span in spans]
        else:
            items = [
                replace(whole, span=d.span, passage=d.passage, evidence=d.evidence, boxes=d.boxes, lang=d.lang)
                for d in own
            ]
        stored.append(StoredRows(spaces[modality], modality, items, np.stack(vectors).astype(np.float16)))
    return stored


def _with_longer_spans(
    pieces: Sequence[RowDraft], vectors: Sequence[NDArray[np.float32]], duration_s: float | None
) -> tuple[list[Span | None], list[NDArray[np.float32]]]:
    """Spans and vectors of the whole film, of shots that were cut, then of the pieces in order of time."""
    spans = [piece.span for piece in pieces]
    if len(pieces) == 1:
        return spans, list(vectors)
    starts = [i for i, piece in enumerate(pieces) if not piece.continues] or [0]
    shots = list(zip(starts, [*starts[1:], len(pieces)], strict=True))
    whole: list[tuple[int, int]] = [(0, len(pieces))] if len(shots) > 1 else []
    longer = whole + [(start, stop) for start, stop in shots if stop - start > 1]
    longer_spans = [_joined(spans[start], spans[stop - 1]) for start, stop in longer]
    if duration_s is not None and longer_spans:
        longer_spans[0] = Span(0.0, max(duration_s, longer_spans[0].end), "s")
    return [*longer_spans, *spans], [*(pooled(vectors[start:stop]) for start, stop in longer), *vectors]


def _joined(first: Span | None, last: Span | None) -> Span:
    assert first is not None
    assert last is not None
    return Span(first.start, last.end, "s")
