"""Vectors of files that a run has begun and not finished. They lie beside the shards; no query sees them.

``partial/<name>/<modality>-<number of the first piece>.arrows`` holds consecutive pieces of a file: the
`bytes_checksum` of an Arrow stream in hex, and then the stream.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mmsearch.durable import bytes_checksum, durable_file, fsync_folder
from mmsearch.types import Modality, Span

PARTIAL_FOLDER = "partial"
SWEEP_PARTIAL_AFTER_S = 30 * 86_400.0
"""Pieces of a file that no run has gone on with for so long are deleted."""

_ROUNDING_S = 1e-3
_CHECKSUM_BYTES = 32

_SCHEMA = pa.schema(
    [
        pa.field("start", pa.float64()),
        pa.field("end", pa.float64()),
        pa.field("continues", pa.bool_(), nullable=False),
        pa.field("can_go_on", pa.bool_(), nullable=False),
        pa.field("damage", pa.string()),
        pa.field("written", pa.string()),
        pa.field("vectors", pa.binary(), nullable=False),
    ]
)


@dataclass(frozen=True, slots=True)
class PartialPiece:
    """A piece of a file: a picture, passage, window or shot that gets a row.

    Attributes:
        start: of its span; None for the whole file.
        end: of its span.
        continues: it goes on with the shot of the piece before.
        can_go_on: a later run may begin decoding with it.
        damage: what was found wrong with the file up to the piece's end; None if nothing was.
        vectors: those that its row is the mean of, float32 ``[n, dim]``.
        written: the text that was read in it, as JSON; None for none.
    """

    start: float | None
    end: float | None
    continues: bool
    can_go_on: bool
    damage: str | None
    vectors: NDArray[np.float32]
    written: str | None = None

    @classmethod
    def known(cls, span: Span | None, vector: NDArray[np.float32]) -> PartialPiece:
        """A piece whose row is stored, float32 ``[dim]``."""
        start, end = (None, None) if span is None else (span.start, span.end)
        return cls(start, end, False, False, None, vector[None])

    def is_of(self, span: Span | None) -> bool:
        """Whether the piece has that span, up to rounding."""
        if span is None or self.start is None or self.end is None:
            return span is None and self.start is None
        return abs(span.start - self.start) < _ROUNDING_S and abs(span.end - self.end) < _ROUNDING_S


PartialPieces = Mapping[Modality, Sequence[PartialPiece]]


def append_pieces(root: Path, name: str, modality: Modality, first: int, pieces: Sequence[PartialPiece]) -> None:
    """Save consecutive pieces of a file. ``first`` is the number of the first of them in the file."""
    folder = root / PARTIAL_FOLDER / name
    if not folder.is_dir():
        folder.mkdir(parents=True)
        fsync_folder(folder.parent)
        fsync_folder(root)
    rows = [(p.start, p.end, p.continues, p.can_go_on, p.damage, p.written, p.vectors.tobytes()) for p in pieces]
    arrays = [pa.array(column, field.type) for column, field in zip(zip(*rows, strict=True), _SCHEMA, strict=True)]
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, _SCHEMA) as stream:
        stream.write_table(pa.Table.from_arrays(arrays, schema=_SCHEMA))
    data = sink.getvalue().to_pybytes()
    with durable_file(folder / f"{modality}-{first:07d}.arrows") as file:
        file.write(bytes_checksum(data).encode("ascii") + data)


def partial_names(root: Path) -> list[str]:
    """The names that pieces are saved under."""
    folder = root / PARTIAL_FOLDER
    return sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []


def read_pieces(root: Path, name: str, dims: Mapping[Modality, int]) -> dict[Modality, list[PartialPiece]]:
    """The saved pieces of a file by modality, up to the first that is missing or damaged.

    ``dims``: the dimension of the vectors of each modality.
    """
    found: dict[Modality, list[PartialPiece]] = {}
    for modality in dims:
        pieces: list[PartialPiece] = []
        for path in sorted((root / PARTIAL_FOLDER / name).glob(f"{modality}-*.arrows")):
            first = int(path.stem.rpartition("-")[2])
            if first > len(pieces):
                break
            pieces += list(_pieces(path, dims[modality]))[len(pieces) - first :]
        if pieces:
            found[modality] = pieces
    return found


def _pieces(path: Path, dim: int) -> Iterator[PartialPiece]:
    """The pieces in one file; none if it is damaged."""
    stored = path.read_bytes()
    expected, data = stored[:_CHECKSUM_BYTES], stored[_CHECKSUM_BYTES:]
    if expected != bytes_checksum(data).encode("ascii"):
        return
    for row in pa.ipc.open_stream(data).read_all().to_pylist():
        yield PartialPiece(**row | {"vectors": np.frombuffer(row["vectors"], np.float32).reshape(-1, dim)})


def remove_partial(root: Path, name: str) -> None:
    """Delete the saved pieces of a file."""
    shutil.rmtree(root / PARTIAL_FOLDER / name, ignore_errors=True)
    with suppress(OSError):  # it holds pieces of other files
        (root / PARTIAL_FOLDER).rmdir()


def sweep_partial(root: Path) -> None:
    """Delete the pieces of files that no run has gone on with for `SWEEP_PARTIAL_AFTER_S`."""
    oldest = time.time() - SWEEP_PARTIAL_AFTER_S
    for name in partial_names(root):
        with suppress(OSError):
            if max(path.stat().st_mtime for path in (root / PARTIAL_FOLDER / name).iterdir()) < oldest:
                remove_partial(root, name)
