"""What clip-retrieval writes: ``img_emb/img_emb_0.npy``, ``text_emb/text_emb_0.npy``, ``metadata/metadata_0.parquet``.

Its pictures become pictures, and its captions become texts of the same path; the metadata become facts of both.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from mmsearch.errors import UsageError
from mmsearch.exchange.importing.columns import table_blocks
from mmsearch.exchange.importing.payloads import Payload
from mmsearch.exchange.importing.source import Block, Choice, no_facts
from mmsearch.exchange.packages import checked_file, one_line
from mmsearch.types import Modality, Space

_FOLDERS: tuple[tuple[Modality, str], ...] = (("image", "img_emb"), ("text", "text_emb"))
_METADATA = "metadata"
_NUMBER = re.compile(r"_(\d+)\.(npy|parquet)$")


def is_clip_retrieval(folder: str) -> bool:
    """Whether a folder holds such an output."""
    return any(os.path.isdir(os.path.join(folder, name)) for _, name in _FOLDERS)


class ClipRetrievalSource:
    """A folder with numbered arrays, those of one number belong together."""

    space: Space | None = None

    def __init__(self, name: str, choice: Choice) -> None:
        folder = checked_file(name)
        self._choice = choice
        self._metadata = _numbered(os.path.join(folder, _METADATA))
        wanted = [(kind, part) for kind, part in _FOLDERS if choice.modality in (None, kind)]
        self._files = [
            (number, kind, path)
            for kind, part in wanted
            for number, path in _numbered(os.path.join(folder, part)).items()
        ]
        self._files.sort(key=lambda file: file[0])  # pictures before texts, as they were listed
        if not self._files:
            raise UsageError(f"{name} holds no embeddings: neither img_emb/img_emb_0.npy nor text_emb/text_emb_0.npy")
        shapes = [_array(path).shape for _, _, path in self._files]
        self.rows = sum(shape[0] for shape in shapes)
        self.dim = int(shapes[0][1])
        for (number, _, path), shape in zip(self._files, shapes, strict=True):
            if shape[1] != self.dim:
                raise UsageError(
                    f"{path} holds vectors of {shape[1]} dimensions, and {self._files[0][2]} of {self.dim}"
                )
            beside = self._metadata.get(number)
            if beside is not None and (lines := _lines(beside)) != shape[0]:
                raise UsageError(f"{path} holds {shape[0]:,} vectors, but {beside} has {lines:,} lines")

    def blocks(self, rows: int) -> Iterator[Block]:
        """All vectors, array after array."""
        for number, kind, path in self._files:
            array = _array(path)
            payload = Payload(self._metadata[number]) if number in self._metadata else None
            choice = Choice(kind, self._choice.path_column, text_column=self._choice.text_column or _caption(payload))
            base = os.path.basename(path)
            for start in range(0, len(array), rows):
                block = array[start : start + rows]
                facts = no_facts(len(block)) if payload is None else payload.take(len(block))
                names = [f"{base}#{row}" for row in range(start, start + len(block))]
                yield from table_blocks(facts, block, choice, path, names)

    def close(self) -> None:
        """Nothing is held."""


def _caption(payload: Payload | None) -> str | None:
    if payload is None:
        return None
    return "caption" if "caption" in pq.read_schema(payload.name).names else None


def _numbered(folder: str) -> dict[int, str]:
    """The files of a folder by the numbers in their names, in order."""
    if not os.path.isdir(folder):
        return {}
    found = {int(match[1]): name for name in os.listdir(folder) if (match := _NUMBER.search(name))}
    return {number: os.path.join(folder, found[number]) for number in sorted(found)}


def _array(path: str) -> NDArray[Any]:
    try:
        array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise UsageError(f"{path} cannot be read as an array of NumPy: {one_line(error)}") from error
    if array.ndim != 2:
        raise UsageError(f"{path} holds no vectors: its array has the shape {list(array.shape)}")
    return array


def _lines(path: str) -> int:
    return Payload(path).rows or 0
