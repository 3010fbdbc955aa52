"""`export_vectors`: asks the destination what it holds, writes what is missing, and counts what is there in the end."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mmsearch.collection import Collection
from mmsearch.errors import MMSearchError, UsageError
from mmsearch.exchange.exporting.destination import DTYPES, Destination, Dtype, Plan, Rows
from mmsearch.exchange.exporting.open import open_destination
from mmsearch.exchange.exporting.payload import payload_columns
from mmsearch.exchange.packages import explained, without_secrets
from mmsearch.exchange.results import Counted, Exported
from mmsearch.types import Modality, Space, counted, printable

_BLOCK_BYTES = 32 << 20
_FEWEST_ROWS, _MOST_ROWS = 64, 16_384
_PLACES, _ROWS_AT_PLACE = 8, 8
"""Where rows are compared: runs of rows, so that of files in groups of rows few are read."""


def export_vectors(
    collection: Collection,
    to: str,
    destination: str | os.PathLike[str],
    *,
    space: str | Space | None = None,
    modality: Modality | Sequence[Modality] | None = None,
    under: str | os.PathLike[str] | None = None,
    where: str | None = None,
    dtype: Dtype = "float32",
    table: str | None = None,
    watch: Counted | None = None,
) -> Exported:
    """Write rows of a collection to a database or to files: ids, vectors, and what is known of each row.

    Rows that the destination has already are not written again, so that a second run continues one that was
    interrupted. In the end the destination is counted, and some of its rows are read back and compared.

    Args:
        collection: whose rows; what is written to it meanwhile is not exported.
        to: ``lance``, ``qdrant``, ``milvus``, ``pgvector``, ``npy``, ``parquet`` or ``faiss``.
        destination: a folder or file, or the address of a service.
        space: whose vectors, by key, model name or as a `Space`; default the primary one.
        modality: only rows of these modalities.
        under: only rows of files in this folder.
        where: only rows that fulfil a condition, as in `Collection.search`.
        dtype: of the vectors there. Vectors are stored as float16; as float32 they are the same numbers.
        table: the name of the table or collection at the destination; default the name of the collection's folder.
        watch: called with the number of rows that are there, and that there will be.

    Raises:
        UsageError: a bad option, nothing to export, or a destination that holds other rows.
        MMSearchError: a package is not installed, a service refuses, a disk is full, or the count is wrong in the end.
    """
    started = time.perf_counter()
    if dtype not in DTYPES:
        raise UsageError(f"no type {dtype!r} of vectors; there are: {', '.join(DTYPES)}")
    chosen = collection.space if space is None else _space(collection, space)
    options: dict[str, Any] = {"to": modality, "under": under, "where": where, "space": chosen}
    plan = _plan(collection, chosen, dtype, options)
    place = os.fspath(destination)
    opened = open_destination(to, place, plan, table or _table_name(collection))
    with explained(place), closing(opened):
        there = _there(opened, plan, place)
        _check_same_rows(collection, opened, there, place)
        missing = np.setdiff1d(plan.ids, there, assume_unique=True)
        done = len(there)
        if watch is not None:
            watch(done, len(plan.ids))
        if len(missing):
            for rows in _blocks(collection, plan, missing, options):
                opened.write(rows)
                done += len(rows.ids)
                if watch is not None:
                    watch(done, len(plan.ids))
        opened.finish()
        verified = _verified(opened, plan, place)
        compared = _check_same_rows(collection, opened, plan.ids, place)
    return Exported(
        to=to,
        destination=without_secrets(place),
        space=chosen.key,
        model=chosen.model,
        dim=chosen.dim,
        dtype=dtype,
        rows=len(plan.ids),
        written=len(missing),
        there=len(there),
        verified=verified,
        compared=compared,
        seconds=time.perf_counter() - started,
    )


def _space(collection: Collection, wanted: str | Space) -> Space:
    found = collection.manifest.find_space(wanted)
    if found is None:
        known = ", ".join(space.model for space in collection.manifest.spaces.values()) or "none yet"
        raise UsageError(f"the collection has no space {wanted}; there are: {known}")
    return found


def _table_name(collection: Collection) -> str:
    """The name of the collection's folder, in letters that every database takes for a name."""
    letters = "".join(c if c.isascii() and c.isalnum() else "_" for c in collection.root.stem).strip("_")
    return letters if letters and not letters[0].isdigit() else f"c_{letters}"


def _plan(collection: Collection, space: Space, dtype: Dtype, options: dict[str, Any]) -> Plan:
    blocks = [batch.column("id").to_numpy() for batch in collection.items(columns=[], batch=1 << 20, **options)]
    ids: NDArray[np.int64] = np.concatenate([np.empty(0, np.int64), *blocks])
    if not len(ids):
        raise UsageError(f"{collection.root} has no such rows of {space.model}: there is nothing to export")
    first = next(iter(collection.items(batch=1, **options)))
    names = payload_columns(first.schema.names)
    return Plan(space, dtype, ids, pa.schema([first.schema.field(name) for name in names]))


def _there(destination: Destination, plan: Plan, place: str) -> NDArray[np.int64]:
    """The ids of rows that the destination has already; ascending.

    Raises:
        UsageError: some of them are not to be exported.
    """
    there = np.unique(destination.ids())
    others = np.setdiff1d(there, plan.ids, assume_unique=True)
    if len(others):
        raise UsageError(
            f"{without_secrets(place)} holds {counted(len(others), 'row')} that this export does not have: "
            "name another destination, or another table in it"
        )
    return there


def _check_same_rows(collection: Collection, destination: Destination, ids: NDArray[np.int64], place: str) -> int:
    """Compare some rows of the destination with ours; returns how many.

    Raises:
        UsageError: one of them has another path or vector.
    """
    some = _sample(ids)
    if not len(some):
        return 0
    stored = destination.read(some)
    ours = collection.vectors(some)
    for row_id, path, vector in zip(some.tolist(), ours.paths, ours.vectors, strict=True):
        theirs = stored.get(row_id)
        if theirs is None:
            raise MMSearchError(f"{without_secrets(place)}: row {row_id} was written, but cannot be read back")
        if theirs.path != printable(path) or not np.allclose(theirs.vector, vector, atol=1e-3):
            raise UsageError(
                f"{without_secrets(place)} holds other rows: number {row_id} there is {theirs.path}, and here "
                f"{printable(path)}; name another destination, or another table in it"
            )
    return len(some)


def _sample(ids: NDArray[np.int64]) -> NDArray[np.int64]:
    """Some of the ids, in runs that are evenly spread."""
    starts = np.linspace(0, max(0, len(ids) - _ROWS_AT_PLACE), _PLACES).astype(np.int64)
    places = np.unique(starts[:, None] + np.arange(_ROWS_AT_PLACE))
    return ids[places[places < len(ids)]]


def _blocks(collection: Collection, plan: Plan, missing: NDArray[np.int64], options: dict[str, Any]) -> Iterator[Rows]:
    """The rows that are missing at the destination, block by block in the order of the plan; ``missing`` ascends."""
    block = max(_FEWEST_ROWS, min(_MOST_ROWS, _BLOCK_BYTES // (4 * plan.space.dim)))
    for batch in collection.items(vectors=True, batch=block, **options):
        ids = batch.column("id").to_numpy()
        wanted = np.isin(ids, missing, assume_unique=True)
        if not wanted.any():
            continue
        if not wanted.all():
            batch = batch.filter(pa.array(wanted))
            ids = ids[wanted]
        listed = batch.column("vector")
        vectors = listed.flatten().to_numpy(zero_copy_only=False).reshape(len(ids), plan.space.dim)
        payload = pa.table([batch.column(name) for name in plan.payload.names], schema=plan.payload)
        yield Rows(ids, vectors.astype(plan.dtype, copy=False), payload)


def _verified(destination: Destination, plan: Plan, place: str) -> int:
    """How many rows the destination holds.

    Raises:
        MMSearchError: not those that were to be exported.
    """
    there = destination.ids()
    if len(there) != len(plan.ids) or len(np.setdiff1d(there, plan.ids)):
        raise MMSearchError(
            f"{without_secrets(place)} holds {len(there):,} rows after the export, and not {len(plan.ids):,}"
        )
    return len(there)
