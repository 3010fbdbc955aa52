"""`import_vectors`: reads sources block by block, and adds to a collection what it does not have."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import closing
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mmsearch.collection import Collection
from mmsearch.errors import SpaceMismatchError, UsageError
from mmsearch.exchange.importing.columns import clean_facts
from mmsearch.exchange.importing.known import KnownRows, keys_of_facts
from mmsearch.exchange.importing.open import open_source
from mmsearch.exchange.importing.source import Block, Choice, Source
from mmsearch.exchange.packages import explained
from mmsearch.exchange.results import Counted, Imported
from mmsearch.types import MODALITIES, FileNote, Modality, Space
from mmsearch.unit import normalize_rows, row_lengths

Format = Literal["auto", "clip-retrieval", "npy", "npz", "hdf5", "fvecs", "parquet", "lance", "qdrant"]

_BLOCK_BYTES = 64 << 20
_MOST_ROWS, _FEWEST_ROWS = 65_536, 256
_MOST_NOTES = 1000
_UNIT = 1e-3
_HALF, _SMALLEST = 2.0**-10, 2.0**-24
"""What float16 may lose of a number: a part of it, and near zero a little."""

NO_DIRECTION = "the vector has no direction: it is zero, or holds NaN or infinity"
TWICE = "another vector of this import has the same name"


def import_vectors(
    collection: Collection,
    sources: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    *,
    format: Format = "auto",
    space: str | Space | None = None,
    model: str | None = None,
    modality: Modality | None = None,
    path_column: str | None = None,
    vector_column: str | None = None,
    text_column: str | None = None,
    payload: str | os.PathLike[str] | None = None,
    table: str | None = None,
    watch: Counted | None = None,
) -> Imported:
    """Add vectors that others have made, with what is known of them, block by block.

    A vector that the collection has already, of the same name, is not written again, so that a second run continues
    one that was interrupted. One of the same name with other numbers takes the place of the earlier one.

    Args:
        collection: that gets them.
        sources: files, folders, or addresses.
        format: what the sources are; ``auto`` tells by their names and what is in them.
        space: a name for vectors made elsewhere, or a `Space`; default what an export of mmsearch says, else the name
            of the first source.
        model: the model of the collection that has made them, in place of ``space``; then texts find them.
        modality: what they stand for; default what the source says, else pictures.
        path_column: the column that names what a vector stands for; default one with a usual name, else the vector's
            place in its file.
        vector_column: the column, or the named vector of Qdrant; default the only one, or one with a usual name.
        text_column: the column that holds the texts of modality ``text``; default one with a usual name.
        payload: a Parquet, CSV or JSON lines file with a line for each vector of an array; default one of the same
            name that lies beside it.
        table: the table, collection or array in a source that holds several.
        watch: called with the number of vectors that were read, and that there are.

    Raises:
        UsageError: a bad option, or a source that cannot be read as it was said.
        SpaceMismatchError: vectors of another dimension than the space's.
        CollectionBusyError: another process writes to the collection.
        MMSearchError: a package is not installed, or a service refuses.
    """
    started = time.perf_counter()
    given = [sources] if isinstance(sources, str | os.PathLike) else list(sources)
    names = [os.fspath(source) for source in given]
    if not names:
        raise UsageError("there is nothing to import: name at least one source")
    if modality is not None and modality not in MODALITIES:
        raise UsageError(f"no modality {modality!r}; there are: {', '.join(MODALITIES)}")
    if payload is not None and len(names) > 1:
        raise UsageError("a payload belongs to one source: import them one by one")
    beside = None if payload is None else os.fspath(payload)
    choice = Choice(modality, path_column, vector_column, text_column, beside, table)
    run: _Run | None = None
    for name in names:
        with explained(name), closing(open_source(name, format, choice)) as source:
            if run is None:
                run = _Run(collection, _target(collection, source, name, space, model), watch)
            run.take(source, name)
    assert run is not None
    return run.result(time.perf_counter() - started)


def _target(collection: Collection, source: Source, name: str, space: str | Space | None, model: str | None) -> Space:
    """The space that vectors are put into.

    Raises:
        UsageError: the collection has no vectors of the model, or the name is that of a model.
    """
    if model is not None:
        if space is not None:
            raise UsageError("give a space or a model, not both")
        found = collection.manifest.find_space(model)
        if found is None or not found.has_model:
            known = ", ".join(one.model for one in collection.manifest.spaces.values() if one.has_model) or "none"
            raise UsageError(f"{collection.root} has no vectors of model {model!r}; its models: {known}")
        return found
    if isinstance(space, Space):
        return space
    if space is None and source.space is not None and source.space.dim == source.dim:
        return source.space
    wanted = space or _source_name(name)
    found = collection.manifest.find_space(wanted)
    if found is not None and found.has_model:
        raise UsageError(f"{wanted!r} is a model of the collection: name it as the model if it has made these vectors")
    return found or Space.of_vectors(wanted, source.dim)


def _source_name(name: str) -> str:
    """The name of a source without its folder and ending."""
    last = os.path.basename(name.rstrip("/\\"))
    return os.path.splitext(last)[0] or "imported"


class _Run:
    """One import: what was counted, and what the collection has already."""

    def __init__(self, collection: Collection, space: Space, watch: Counted | None) -> None:
        self._collection, self._space, self._watch = collection, space, watch
        self._known: dict[Modality, KnownRows] = {}
        self._first_id = collection.manifest.next_id
        self._block = max(_FEWEST_ROWS, min(_MOST_ROWS, _BLOCK_BYTES // (4 * space.dim)))
        self._counts: Counter[str] = Counter()
        self._reasons: Counter[str] = Counter()
        self._rows: Counter[Modality] = Counter()
        self._notes: list[FileNote] = []
        self._renamed: dict[str, str] = {}
        self._left_out: dict[str, str] = {}

    def take(self, source: Source, name: str) -> None:
        """Import all of a source."""
        if source.dim != self._space.dim:
            raise SpaceMismatchError(
                f"{name}: vectors of {source.dim} dimensions do not belong to space {self._space.key} with "
                f"{self._space.dim}"
            )
        before = self._counts["found"]
        for block in source.blocks(self._block):
            self._take_block(block)
            if self._watch is not None:
                self._watch(self._counts["found"], before + source.rows)

    def result(self, seconds: float) -> Imported:
        """What was done."""
        counts = self._counts
        return Imported(
            space=self._space.key,
            model=self._space.model,
            dim=self._space.dim,
            found=counts["found"],
            added=counts["added"],
            replaced=counts["replaced"],
            unchanged=counts["unchanged"],
            skipped=self._reasons.total(),
            reasons=dict(self._reasons),
            notes=tuple(self._notes),
            scaled=counts["scaled"],
            rows=dict(self._rows),
            renamed=self._renamed,
            left_out=self._left_out,
            seconds=seconds,
        )

    def _take_block(self, block: Block) -> None:
        self._counts["found"] += len(block.paths)
        with np.errstate(over="ignore"):  # of float64 that float32 does not hold: infinite, and skipped
            vectors = np.asarray(block.vectors, np.float32)
            lengths = row_lengths(vectors)
        good = np.isfinite(lengths) & (lengths > 0)
        self._skip(block.paths, np.flatnonzero(~good), NO_DIRECTION)
        self._counts["scaled"] += int(np.count_nonzero(np.abs(lengths[good] - 1) > _UNIT))
        facts = clean_facts(block.facts, self._renamed, self._left_out)
        keys = keys_of_facts(block.paths, block.texts, facts)
        known = self._known_rows(block.modality)
        _, first = np.unique(np.where(good, keys, -1 - np.arange(len(keys))), return_index=True)
        once = np.zeros(len(keys), np.bool_)
        once[first] = True
        ids = known.ids_of(keys)
        twice = good & (~once | (ids >= self._first_id))
        self._skip(block.paths, np.flatnonzero(twice), TWICE)
        new = good & ~twice
        old = np.flatnonzero(new & (ids >= 0))
        if len(old):
            same = self._same_vectors(block.modality, ids[old], vectors[old])
            self._counts["unchanged"] += int(np.count_nonzero(same))
            new[old[same]] = False
            if not same.all():
                self._collection.remove(ids=ids[old[~same]])
                self._counts["replaced"] += int(np.count_nonzero(~same))
        places = np.flatnonzero(new)
        if len(places):
            self._counts["added"] += len(places) - int(np.count_nonzero(ids[places] >= 0))
            known.put(keys[places], self._add(block, vectors, facts, places))

    def _add(
        self, block: Block, vectors: NDArray[np.float32], facts: dict[str, Any], places: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        self._rows[block.modality] += len(places)
        chosen: Sequence[int] = places.tolist()
        return self._collection.add(
            vectors[places],
            paths=[block.paths[place] for place in chosen],
            modality=block.modality,
            texts=None if block.texts is None else [block.texts[place] for place in chosen],  # type: ignore[misc]
            facts={name: column.take(places) for name, column in facts.items()} or None,
            space=self._space,
        )

    def _known_rows(self, modality: Modality) -> KnownRows:
        if modality not in self._known:
            self._known[modality] = KnownRows(self._collection, self._space, modality)
        return self._known[modality]

    def _same_vectors(
        self, modality: Modality, ids: NDArray[np.int64], vectors: NDArray[np.float32]
    ) -> NDArray[np.bool_]:
        """Which of the vectors are those of the stored rows, within what float16 holds."""
        rows = self._collection.searcher(self._space).rows(modality)
        stored = rows.vectors_at(rows.positions(ids)).astype(np.float32)
        allowed = _HALF * np.abs(stored) + _SMALLEST
        same: NDArray[np.bool_] = (np.abs(stored - normalize_rows(vectors)) <= allowed).all(axis=1)
        return same

    def _skip(self, paths: Sequence[str], places: NDArray[np.int64], reason: str) -> None:
        if not len(places):
            return
        self._reasons[reason] += len(places)
        self._notes += [FileNote(paths[place], reason) for place in places[: _MOST_NOTES - len(self._notes)].tolist()]
