"""Vectors made elsewhere, and facts of a user's own: checked, brought into the store's columns, and committed."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mmsearch.errors import NoSuchRowError, SpaceMismatchError, UsageError
from mmsearch.retrieval.store.fact_updates import CHANGEABLE, FactUpdates
from mmsearch.retrieval.store.own_columns import joint_type, name_problem, stored_type, with_types
from mmsearch.retrieval.store.schema import FACT_NAMES, FACT_SCHEMA
from mmsearch.retrieval.store.snapshot import Rows, Snapshot
from mmsearch.retrieval.store.writer import Addition, Writer
from mmsearch.types import MODALITIES, Modality, Space, printable
from mmsearch.unit import normalize_rows, row_lengths

_FROM_ARGUMENTS = ("path", "size", "mtime_ns", "modality", "passage", "content_hash", "mms_source")
_FILLABLE = tuple(name for name in FACT_NAMES if name not in _FROM_ARGUMENTS)
_ROUNDING = 2.0**-11 + 1e-5
_ROW_KEY = ("path", "span_start", "span_end", "span_unit", "passage")
"""Two rows of one space and modality that agree in these say the same."""
_KEY_SCHEMA = pa.schema(
    [
        pa.field("path", pa.binary()),
        pa.field("span_start", pa.float64()),
        pa.field("span_end", pa.float64()),
        pa.field("span_unit", pa.string()),
        pa.field("passage", pa.string()),
        pa.field("new", pa.int64()),
    ]
)


def checked_addition(
    space: Space,
    vectors: NDArray[np.floating[Any]],
    paths: Sequence[str | bytes],
    modality: Modality,
    texts: Sequence[str] | None,
    facts: Any,
) -> Addition:
    """Rows ready to be committed; see `Collection.add` for the arguments.

    Raises:
        SpaceMismatchError, UsageError: see `Collection.add`.
    """
    if modality not in MODALITIES:
        raise UsageError(f"no modality {modality!r}; there are: {', '.join(MODALITIES)}")
    stored = to_stored_vectors(vectors, space)
    count = len(stored)
    names = [os.fsencode(path) for path in paths]
    sizes, times = _stat(names)
    given = _named_columns(facts, _FILLABLE)
    columns = {"path": names, "size": sizes, "mtime_ns": times, "modality": [modality] * count, "passage": texts}
    table = pa.Table.from_arrays(
        [_array(f.name, {**columns, **given}.get(f.name), count, f.type) for f in FACT_SCHEMA], schema=FACT_SCHEMA
    )
    for name, values in given.items():
        if name not in FACT_SCHEMA.names:
            table = table.append_column(name, _array(name, values, count))
    return Addition(space, modality, table, stored)


def add_rows(writer: Writer, addition: Addition, *, replace: bool = False) -> NDArray[np.int64]:
    """Commit rows; returns their ids, int64 ``[n]``. A collection without a space to search gets theirs.

    ``replace``: delete the rows that the same paths have in this space and modality, in the same commit.

    Raises:
        UsageError: a row is given twice, or (without ``replace``) is in the collection; or values of a user's own
            column do not fit the type that it has in the collection.
    """
    snapshot = Snapshot(writer.root, writer.manifest)
    addition = _with_types_of(snapshot, addition)
    before = find_rows_of_same_paths(snapshot, addition)
    _refuse_same_rows(addition, None if replace else before)
    old_ids = before[0].ids[before[1]].tolist() if replace and before else []
    primary = writer.manifest.primary_space or addition.space.key
    (ids,) = writer.commit([addition], old_ids, primary_space=primary)
    return ids


def change_facts(writer: Writer, ids: Sequence[int] | NDArray[np.integer[Any]], facts: Any) -> None:
    """Change facts of stored rows; see `Collection.update_facts` for the arguments.

    Raises:
        UsageError: see `Collection.update_facts`.
    """
    snapshot = Snapshot(writer.root, writer.manifest)
    wanted = checked_ids(snapshot, ids, "changed")
    given = _named_columns(facts, CHANGEABLE)
    if not given:
        raise UsageError("no facts to change; name at least one column")
    order = np.argsort(wanted)
    own_types = dict(snapshot.own_types)
    changes: dict[str, pa.Array] = {}
    for name, values in given.items():
        kind = FACT_SCHEMA.field(name).type if name in CHANGEABLE else None
        array = _array(name, values, len(wanted), kind, each="id")
        if kind is None:
            array = _fitted(name, array, own_types)
            own_types[name] = array.type
        changes[name] = array.take(pa.array(order))
    if "taken_at" in changes and "taken_from" not in changes:  # it was not read from the file
        changes["taken_from"] = pa.nulls(len(wanted), FACT_SCHEMA.field("taken_from").type)
    table = _facts_of(snapshot, wanted[order], [*CHANGEABLE, *own_types], own_types)
    for name, array in changes.items():
        table = table.set_column(table.column_names.index(name), name, array)
    writer.change_facts(FactUpdates(wanted[order], table))


def checked_ids(snapshot: Snapshot, ids: Sequence[int] | NDArray[np.integer[Any]], done: str) -> NDArray[np.int64]:
    """Ids of rows that the collection has, int64 ``[n]``, in the order given. ``done``: what is to be done to them.

    Raises:
        NoSuchRowError: there is no row of one of the ids.
        UsageError: an id is given twice, or ids are no whole numbers.
    """
    given = np.asarray(ids)
    if given.ndim != 1 or (len(given) and not np.issubdtype(given.dtype, np.integer)):
        raise UsageError("ids must be a list of whole numbers")
    wanted = given.astype(np.int64)
    ascending = np.sort(wanted)
    twice = ascending[1:][ascending[1:] == ascending[:-1]]
    if len(twice):
        raise UsageError(f"id {twice[0]} is given twice; nothing was {done}")
    found = [rows.ids[rows.live_positions_of(ascending)] for rows in snapshot.all_rows().values()]
    missing = np.setdiff1d(ascending, np.concatenate(found) if found else np.empty(0, np.int64))
    if len(missing):
        raise NoSuchRowError(f"there is no row {missing[0]} in the collection; nothing was {done}")
    return wanted


def to_stored_vectors(vectors: NDArray[np.floating[Any]], space: Space) -> NDArray[np.float16]:
    """Vectors as float16 of unit length, ``[n, dim]``.

    Raises:
        SpaceMismatchError: another dimension than the space's.
        UsageError: NaN, infinite or zero vectors; the text names the first such row.
    """
    array = np.asarray(vectors, dtype=np.float32)
    if array.ndim != 2:
        raise UsageError(f"vectors must be an array [n, dim], not {list(array.shape)}")
    if array.shape[1] != space.dim:
        raise SpaceMismatchError(
            f"vectors of {array.shape[1]} dimensions do not belong to space {space.key} with {space.dim};"
            " name another space"
        )
    lengths = row_lengths(array)
    bad = np.flatnonzero(~np.isfinite(lengths) | (lengths == 0))
    if len(bad):
        raise UsageError(f"vector {bad[0]} has no direction (NaN, infinite or zero); {len(bad)} such of {len(array)}")
    units = normalize_rows(array).astype(np.float16)
    stored = _were_stored(array, lengths)
    if stored.any():
        units[stored] = array[stored]
    return units


def _were_stored(array: NDArray[np.float32], lengths: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Which rows are unit vectors as they are stored, so that what is read out of a collection goes in bit for bit.

    They hold float16 numbers, and their length differs from 1 by no more than rounding to these can make it differ.
    """
    near = np.abs(lengths - 1) <= _ROUNDING
    if near.any():
        near[near] = (array[near].astype(np.float16) == array[near]).all(axis=1)
    return near


def _named_columns(facts: Any, fillable: Sequence[str]) -> dict[str, Any]:
    """Facts by name, from a mapping or from anything that Arrow takes for a table.

    Raises:
        UsageError: a column of the format that is not ``fillable``, or a name that no column may have.
    """
    if facts is None:
        return {}
    if hasattr(facts, "__arrow_c_stream__"):
        table = pa.table(facts)
        columns = dict(zip(table.column_names, table.columns, strict=True))
    elif isinstance(facts, Mapping):
        columns = dict(facts)
    else:
        raise UsageError(f"facts must be columns by name, or a table; not {type(facts).__name__}")
    for name in columns:
        problem = None if name in fillable else name_problem(name)
        if problem is not None:
            raise UsageError(f"no column {name!r} to fill: the name {problem}; it is none of {', '.join(fillable)}")
    return columns


def _array(name: str, values: Any, count: int, kind: pa.DataType | None = None, each: str = "vector") -> pa.Array:
    """A column's values as Arrow stores them: of the type ``kind``, or of the type that fits a user's own column.

    Raises:
        UsageError: not ``count`` values, or values that do not fit the type or have no common one.
    """
    if values is None and kind is not None:
        return pa.nulls(count, kind)
    try:
        array = _as_arrow(values, kind)
        if len(array) != count:
            raise UsageError(f"{count} {each}s, but {len(array)} values of {name}: give one for each {each}")
        stored = kind or stored_type(array.type)
        if stored is None:
            raise UsageError(f"values of {name} are of type {array.type}, which cannot be stored")
        return array if array.type.equals(stored) else _cast(array, stored, safe=kind is not None)
    except (pa.ArrowException, TypeError, OverflowError, ValueError) as error:
        said = f"do not fit {kind}" if kind is not None else "are of no type that can be stored"
        raise UsageError(f"values of {name} {said} ({str(error).splitlines()[0]})") from error


def _as_arrow(values: Any, kind: pa.DataType | None) -> pa.Array:
    if isinstance(values, pa.ChunkedArray):
        return values.combine_chunks()
    if isinstance(values, pa.Array):
        return values
    if isinstance(values, str | bytes) or not hasattr(values, "__len__"):
        raise TypeError("it must be a list")
    if not hasattr(values, "__array__") or getattr(values, "ndim", 1) > 1:
        values = list(values)
    return pa.array(values, type=kind)


def _cast(array: pa.Array, kind: pa.DataType, *, safe: bool) -> pa.Array:
    if isinstance(array.type, pa.BaseExtensionType):
        array = array.storage
    return array.cast(kind, safe=safe)


def _with_types_of(snapshot: Snapshot, addition: Addition) -> Addition:
    """The rows with their own columns in the types that these have in the collection."""
    own = [name for name in addition.facts.column_names if name not in FACT_SCHEMA.names]
    if not own:
        return addition
    types = {name: _fitted(name, addition.facts[name], snapshot.own_types).type for name in own}
    return Addition(addition.space, addition.modality, with_types(addition.facts, types), addition.vectors)


def _fitted(name: str, values: Any, own_types: Mapping[str, pa.DataType]) -> Any:
    """Values of a user's own column, widened to the type that holds these and the values in the collection.

    Raises:
        UsageError: no type holds both; the text names the two types.
    """
    known = own_types.get(name, values.type)
    joint = joint_type(known, values.type)
    if joint is None:
        raise UsageError(f"column {name!r} is {known} in this collection, but the new values are {values.type}")
    try:
        return values.cast(joint)
    except pa.ArrowException as error:
        raise UsageError(f"values of {name} do not fit {joint} ({str(error).splitlines()[0]})") from error


def find_rows_of_same_paths(snapshot: Snapshot, addition: Addition) -> tuple[Rows, NDArray[np.int64]] | None:
    """The live rows that the paths have in the same space and modality: all rows there, and the positions of these."""
    import pyarrow.compute as pc

    if addition.modality not in snapshot.manifest.modalities(addition.space.key) or not len(addition.facts):
        return None
    rows = snapshot.rows(addition.space.key, addition.modality)
    same = pc.is_in(rows.facts(["path"])["path"], value_set=addition.facts["path"].combine_chunks())
    mask = np.asarray(same.to_numpy(), np.bool_)
    positions = np.flatnonzero(mask if rows.live is None else mask & rows.live)
    return (rows, positions) if len(positions) else None


def _refuse_same_rows(addition: Addition, before: tuple[Rows, NDArray[np.int64]] | None) -> None:
    """Raise a `UsageError` if two of the rows say the same, or one of them says what a row ``before`` says."""
    import pyarrow.compute as pc

    paths = addition.facts["path"]
    if before is None and len(paths.unique()) == len(paths):
        return
    keys = _row_keys(addition.facts, new=1)
    if before is not None:
        rows, positions = before
        keys = pa.concat_tables([keys, _row_keys(rows.facts(_ROW_KEY).take(pa.array(positions)), new=0)])
    groups = keys.group_by(list(_ROW_KEY)).aggregate([("new", "sum"), ("new", "min")])
    known = groups.filter(pc.and_(pc.equal(groups["new_min"], 0), pc.greater(groups["new_sum"], 0)))["path"]
    twice = groups.filter(pc.greater(groups["new_sum"], 1))["path"]
    if len(known):
        raise UsageError(
            f"{_shown(known[0])} is in the collection already ({addition.modality}, space {addition.space.key});"
            " upsert replaces it, and a further row of it needs a text or a span of its own"
        )
    if len(twice):
        raise UsageError(f"{_shown(twice[0])} is given twice; a further row of it needs a text or a span of its own")


def _row_keys(facts: pa.Table, *, new: int) -> pa.Table:
    """What tells rows of one space and modality apart, and a column ``new`` of that number."""
    keys = facts.select(_ROW_KEY)
    unit = _ROW_KEY.index("span_unit")
    keys = keys.set_column(unit, "span_unit", keys.column(unit).cast(pa.string()))
    return keys.append_column("new", pa.array([new] * len(keys), pa.int64())).cast(_KEY_SCHEMA)


def _shown(path: pa.Scalar) -> str:
    return printable(os.fsdecode(path.as_py()))


def _facts_of(
    snapshot: Snapshot, ids: NDArray[np.int64], columns: Sequence[str], own_types: Mapping[str, pa.DataType]
) -> pa.Table:
    """The named columns of rows by their ids, which ascend."""
    tables, found = [], []
    for rows in snapshot.all_rows().values():
        positions = rows.live_positions_of(ids)
        if len(positions):
            tables.append(with_types(rows.facts(columns).take(pa.array(positions)), own_types))
            found.append(rows.ids[positions])
    table = pa.concat_tables(tables) if tables else pa.table({name: pa.nulls(0) for name in columns})
    return table.take(pa.array(np.argsort(np.concatenate(found)))) if found else table


def _stat(names: Sequence[bytes]) -> tuple[list[int], list[int]]:
    """Sizes and modification times of files; zeros for names that are no files (see `is_without_file`)."""
    sizes, times = [], []
    for name in names:
        try:
            found = os.stat(name)
            sizes.append(found.st_size)
            times.append(found.st_mtime_ns)
        except (OSError, ValueError):
            sizes.append(0)
            times.append(0)
    return sizes, times
