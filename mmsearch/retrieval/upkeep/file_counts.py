"""How many files and rows a collection has, where they lie, and how many of them nobody has listened to or read.

Paths are read once, and numbered. Nothing here imports `pyarrow.compute`, which takes as long as all of the counting.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mmsearch.retrieval.store.arrow_numbers import as_numpy
from mmsearch.retrieval.store.snapshot import Snapshot
from mmsearch.types import Modality

_UNKNOWN, _NOT_ASKED, _ASKED = -1, 0, 1


class FileCounts:
    """Counts of the rows that are not deleted, of all spaces of a snapshot."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._keys: list[tuple[str, Modality]] = []
        self._made: list[tuple[pa.ChunkedArray, NDArray[np.bool_] | None]] = []
        columns: list[pa.ChunkedArray] = []
        for space in snapshot.manifest.spaces:
            for modality in snapshot.manifest.modalities(space):
                rows = snapshot.rows(space, modality)
                table = rows.facts(["path", "made"])
                self._keys.append((space, modality))
                self._made.append((table["made"], rows.live))
                columns.append(table["path"])
        every = pa.chunked_array([chunk for column in columns for chunk in column.chunks], pa.binary())
        encoded = _call("dictionary_encode", every.combine_chunks())
        self._paths: pa.Array = encoded.dictionary
        numbers = as_numpy(encoded.indices)
        stops = np.cumsum([len(column) for column in columns])[:-1]
        parts = np.split(numbers, stops) if columns else []
        self._files = [own if live is None else own[live] for own, (_, live) in zip(parts, self._made, strict=True)]

    def files(self, space: str, modality: Modality) -> int:
        """The number of files of a modality of a space."""
        return int(np.count_nonzero(self._rows_of([self._files[self._keys.index((space, modality))]])))

    def inside(self, path: bytes) -> tuple[int, int]:
        """The number of files and of rows that are at a path or in it."""
        pattern = path.rstrip(b"/") + os.fsencode(os.sep)
        within = as_numpy(_call("starts_with", self._paths, options=_pattern(pattern)))
        # To compare with a scalar, Arrow would make one, and import pandas for it.
        is_path = as_numpy(_call("binary_length", self._paths)) == len(path)
        within = within | (is_path & as_numpy(_call("starts_with", self._paths, options=_pattern(path))))
        rows = self._rows_of(self._files)[within.astype(np.bool_)]
        return int(np.count_nonzero(rows)), int(rows.sum())

    def untranscribed(self) -> int:
        """The number of films and sounds that no model for speech was asked about.

        Animated pictures have no sound, but nobody knows that of a row: they count too.
        """
        return self._without("speech", ("audio", "video"))

    def unread(self) -> int:
        """The number of pictures, films and documents with pages as pictures in which no text was looked for."""
        return self._without("ocr", ("image", "video"))

    def _without(self, option: str, modalities: tuple[Modality, ...]) -> int:
        """The number of files of these modalities with ``option`` in the column ``made`` of no row.

        `ingest.expected_rows` says what is in the column. Rows of vectors made elsewhere have none, and do not count.
        """
        waiting, done = (np.zeros(len(self._paths), np.bool_) for _ in range(2))
        for (_, modality), (made, live), files in zip(self._keys, self._made, self._files, strict=True):
            if modality in modalities:
                asked = _asked(made, option)
                asked = asked if live is None else asked[live]
                waiting[files[asked == _NOT_ASKED]] = True
                done[files[asked == _ASKED]] = True
        return int(np.count_nonzero(waiting & ~done))

    def _rows_of(self, numbers: Iterable[NDArray[np.int32]]) -> NDArray[np.int64]:
        """How many rows each file has, among some rows; int64 ``[files]``."""
        counts = np.zeros(len(self._paths), np.int64)
        for own in numbers:
            counts += np.bincount(own, minlength=len(counts))
        return counts


def _asked(made: pa.ChunkedArray, option: str) -> NDArray[np.int8]:
    """For each row whether an option is in what made it."""
    parts = [np.empty(0, np.int8)]
    for chunk in made.chunks:
        chunk = chunk if pa.types.is_dictionary(chunk.type) else _call("dictionary_encode", chunk)
        values = chunk.dictionary.to_pylist()
        kinds = [_ASKED if f'"{option}":' in (value or "") else _NOT_ASKED for value in values]
        # The last is that of rows without a value.
        numbers = as_numpy(chunk.indices, null=len(values)).astype(np.intp)
        parts.append(np.array([*kinds, _UNKNOWN], np.int8)[numbers])
    return np.concatenate(parts)


def _call(function: str, *values: Any, options: Any = None) -> Any:
    """One of Arrow's functions, without the module that makes Python functions of all of them."""
    try:
        from pyarrow._compute import call_function
    except ImportError:  # a version of Arrow that keeps it elsewhere
        from pyarrow.compute import call_function
    return call_function(function, list(values), options)


def _pattern(start: bytes) -> Any:
    try:
        from pyarrow._compute import MatchSubstringOptions
    except ImportError:
        from pyarrow.compute import MatchSubstringOptions
    return MatchSubstringOptions(start)
