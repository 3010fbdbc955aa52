"""The passages of a text, and the subtitles of a film, in order."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

from mmsearch import Collection, Record
from mmsearch.types import Span, printable

_ROWS_AT_ONCE = 1 << 16
_COLUMNS = ["id", "path", "passage", "span_start", "span_end", "span_unit"]


@dataclass(frozen=True, slots=True)
class Passage:
    """A stored passage.

    Attributes:
        id: of its row.
        path: of its file.
        text: the passage.
        span: where in the file it is.
    """

    id: int
    path: str
    text: str
    span: Span | None


def passages_of(collection: Collection, row_id: int) -> tuple[list[Passage], int]:
    """The passages of the file of a row in order, and the place of the row's own, or of the nearest in time.

    Those of a film or sound are its subtitles, also where they lie in a file beside it. The list is empty if there are
    none.

    Raises:
        NoSuchRowError: there is no such row.
    """
    record, shown = collection.get(row_id), collection.shown(row_id)
    by_file: dict[str, list[Passage]] = {}
    for one in _texts_beside(collection, shown):
        by_file.setdefault(one.path, []).append(one)
    wanted = next((path for path in (printable(record.path), printable(shown.path)) if path in by_file), None)
    found = by_file.get(wanted or min(by_file, default=""), [])
    unique = {(one.span, one.text): one for one in reversed(found)}  # a text may be stored for several models
    ordered = sorted(unique.values(), key=lambda one: (_start(one), one.id))
    return ordered, _place(ordered, record)


def _texts_beside(collection: Collection, file: Record) -> Iterator[Passage]:
    """The passages of a file, and of files of subtitles that belong to a film: their names begin with its name."""
    import pyarrow.compute as pc

    path = printable(file.path)
    beside = os.path.splitext(path)[0] + "." if file.modality in ("video", "audio") else path
    # A name that is no path lies in no folder: it is looked for among all texts.
    folder = os.path.dirname(file.path) if os.path.isabs(file.path) else None
    for batch in collection.items(to="text", batch=_ROWS_AT_ONCE, under=folder):
        of_file = batch.filter(pc.starts_with(batch["path"], pattern=beside))
        for row in of_file.select(_COLUMNS).to_pylist():
            unit = row["span_unit"]
            if row["passage"] and (row["path"] == path or unit == "s"):
                span = Span(row["span_start"], row["span_end"], unit) if unit else None
                yield Passage(row["id"], row["path"], row["passage"], span)


def _start(passage: Passage) -> float:
    return passage.span.start if passage.span else 0.0


def _place(passages: list[Passage], record: Record) -> int:
    """Where the record's passage is among the others, or the one nearest in time to it."""
    for i, one in enumerate(passages):
        if one.id == record.id:
            return i
    start = record.span.start if record.span else 0.0
    return min(range(len(passages)), key=lambda i: abs(_start(passages[i]) - start), default=0)
