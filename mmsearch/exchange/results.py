"""What an import and an export did, in numbers that add up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from mmsearch.types import FileNote, Modality

Counted = Callable[[int, int], None]
"""Told how many rows are done, and of how many."""


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did, counted in vectors: found = added + replaced + unchanged + skipped.

    Attributes:
        space: the key of the space that the vectors were put into.
        model: its model's name, or the name of vectors made elsewhere.
        dim: the dimension of the vectors.
        found: vectors in the sources.
        added: vectors that were new.
        replaced: vectors that took the place of an earlier one of the same name.
        unchanged: vectors that were there already; they were not written again.
        skipped: how many were left out.
        reasons: of those that were left out: how many for each reason.
        notes: the first thousand that were left out, each with its reason.
        scaled: vectors whose length was not 1 (by more than a thousandth).
        rows: new rows by modality.
        renamed: columns that were kept under another name, because the format has one of theirs.
        left_out: columns that were not kept, each with the reason.
        seconds: how long it took.
    """

    space: str
    model: str
    dim: int
    found: int = 0
    added: int = 0
    replaced: int = 0
    unchanged: int = 0
    skipped: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    notes: tuple[FileNote, ...] = ()
    scaled: int = 0
    rows: dict[Modality, int] = field(default_factory=dict)
    renamed: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """The fields as a JSON object."""
        return {
            "space": self.space,
            "model": self.model,
            "dim": self.dim,
            "found": self.found,
            "added": self.added,
            "replaced": self.replaced,
            "unchanged": self.unchanged,
            "skipped": self.skipped,
            "reasons": self.reasons,
            "notes": [note.to_json() for note in self.notes],
            "scaled": self.scaled,
            "rows": dict(self.rows),
            "renamed": self.renamed,
            "left_out": self.left_out,
            "seconds": round(self.seconds, 3),
        }


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export did: rows = written + there. The destination was counted when all was written.

    Attributes:
        to: the kind of destination.
        destination: where it is, as it was named.
        space: the key of the space whose vectors were written.
        model: its model's name, or the name of vectors made elsewhere.
        dim: the dimension of the vectors.
        dtype: ``float16`` or ``float32``.
        rows: rows of the collection that were asked for.
        written: rows that this run wrote.
        there: rows that an earlier run had written.
        verified: rows that the destination said to hold in the end; always ``rows``.
        compared: rows that were read back and had the same path and vector.
        seconds: how long it took.
    """

    to: str
    destination: str
    space: str
    model: str
    dim: int
    dtype: str
    rows: int
    written: int
    there: int
    verified: int
    compared: int
    seconds: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """The fields as a JSON object."""
        return {
            "to": self.to,
            "destination": self.destination,
            "space": self.space,
            "model": self.model,
            "dim": self.dim,
            "dtype": self.dtype,
            "rows": self.rows,
            "written": self.written,
            "there": self.there,
            "verified": self.verified,
            "compared": self.compared,
            "seconds": round(self.seconds, 3),
        }
