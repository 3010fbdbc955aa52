"""Which rows of a source a collection has already, by what tells rows of a space and modality apart."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mmsearch.collection import Collection
from mmsearch.types import Modality, Space

_KEY = ("path", "span_start", "span_end", "span_unit", "passage")


class KnownRows:
    """The rows of a space and modality: a number for each, made of path, span and text, and the row's id. 16 bytes."""

    def __init__(self, collection: Collection, space: Space, modality: Modality) -> None:
        parts: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []
        if modality in collection.manifest.modalities(space.key):
            for batch in collection.items(to=modality, space=space, columns=_KEY, batch=65_536):
                columns = [batch.column(name).to_pylist() for name in _KEY]
                parts.append((row_keys(*columns), batch.column("id").to_numpy()))
        keys = np.concatenate([np.empty(0, np.int64), *(keys for keys, _ in parts)])
        ids = np.concatenate([np.empty(0, np.int64), *(ids for _, ids in parts)])
        order = np.argsort(keys, kind="stable")
        self._keys, self._ids = keys[order], ids[order]

    def ids_of(self, keys: NDArray[np.int64]) -> NDArray[np.int64]:
        """The ids of the rows with these keys, int64 ``[len(keys)]``; -1 where there is none."""
        if not len(self._keys):
            return np.full(len(keys), -1, np.int64)
        places = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
        return np.where(self._keys[places] == keys, self._ids[places], -1)

    def put(self, keys: NDArray[np.int64], ids: NDArray[np.int64]) -> None:
        """Take rows in, in the place of those of the same keys."""
        there = self.ids_of(keys) >= 0
        if there.any():
            self._ids[np.searchsorted(self._keys, keys[there])] = ids[there]
        order = np.argsort(keys[~there], kind="stable")
        new, new_ids = keys[~there][order], ids[~there][order]
        places = np.searchsorted(self._keys, new)
        self._keys, self._ids = np.insert(self._keys, places, new), np.insert(self._ids, places, new_ids)


def row_keys(
    paths: Sequence[str],
    starts: Sequence[float | None],
    ends: Sequence[float | None],
    units: Sequence[str | None],
    texts: Sequence[str | None],
) -> NDArray[np.int64]:
    """A number for each row, int64 ``[n]``: rows of one space and modality with the same number say the same."""
    lines = zip(paths, starts, ends, units, texts, strict=True)
    return np.fromiter((_key(*line) for line in lines), np.int64, len(paths))


def keys_of_facts(paths: Sequence[str], texts: Sequence[str | None] | None, facts: dict[str, pa.Array]) -> Any:
    """The numbers of rows that are to be added, from the arguments of `Collection.add`."""
    none = [None] * len(paths)
    spans = [facts[name].to_pylist() if name in facts else none for name in ("span_start", "span_end", "span_unit")]
    return row_keys(paths, spans[0], spans[1], spans[2], none if texts is None else texts)


def _key(path: str, start: float | None, end: float | None, unit: str | None, text: str | None) -> int:
    words = path if unit is None and text is None else f"{path}\0{start}\0{end}\0{unit}\0{text}"
    digest = hashlib.blake2b(words.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1
