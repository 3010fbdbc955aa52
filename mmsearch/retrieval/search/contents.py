"""Rows out of a collection: as records, as vectors, as Arrow batches, or just counted."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mmsearch.errors import NoSuchRowError, SpaceMismatchError, UsageError
from mmsearch.hits import Hits, Record, RowVectors
from mmsearch.retrieval.search.engine import answer_one, search_scope
from mmsearch.retrieval.search.hit_rows import Row, shown_modality
from mmsearch.retrieval.search.item_paths import ItemStates
from mmsearch.retrieval.search.masks import Mask
from mmsearch.retrieval.search.moments import clock_file
from mmsearch.retrieval.search.options import SearchOptions
from mmsearch.retrieval.search.query import Query
from mmsearch.retrieval.search.session import Session
from mmsearch.retrieval.store.own_columns import joint_types, with_types
from mmsearch.retrieval.store.remote import shown
from mmsearch.retrieval.store.schema import FACT_NAMES
from mmsearch.retrieval.store.snapshot import Rows, Snapshot
from mmsearch.types import Modality, Space, printable

_RECORDS_AT_ONCE = 1024
_MOST_EXAMPLES = 5
_MAX_ID = np.iinfo(np.int64).max

RowFacts = dict[str, Any]
"""A row's values by column."""


@dataclass(frozen=True, slots=True)
class _Part:
    """The rows of one modality of a space, and which of them are meant: bool ``[rows]``, None for all."""

    space: Space
    modality: Modality
    rows: Rows
    mask: Mask | None

    @property
    def count(self) -> int:
        return len(self.rows) if self.mask is None else int(np.count_nonzero(self.mask))


def count_rows(session: Session, options: SearchOptions) -> int:
    """How many rows a search with these options would look at."""
    return session.retrying(lambda: sum(part.count for part in _parts(session, options)))


def iter_batches(
    session: Session, options: SearchOptions, batch: int, with_vectors: bool, columns: Sequence[str] | None = None
) -> Iterator[pa.RecordBatch]:
    """The rows that a search with these options would look at, as `Collection.items` gives them.

    Raises:
        UsageError: a bad option, a column that there is not, or vectors of several spaces are asked for.
    """
    if batch < 1:
        raise UsageError(f"batch must be at least 1, not {batch}")
    parts = session.retrying(lambda: _parts(session, options))
    spaces = {part.space for part in parts}
    if with_vectors and len(spaces) > 1:
        raise UsageError(f"vectors of several spaces do not fit into one column: name one of {_keys(spaces)}")
    return _batches(parts, batch, with_vectors, columns)


def _batches(
    parts: Sequence[_Part], batch: int, with_vectors: bool, columns: Sequence[str] | None
) -> Iterator[pa.RecordBatch]:
    own_types = joint_types(part.rows.own_types for part in parts)
    names = [*FACT_NAMES, *own_types]
    if columns is not None:
        if unknown := [name for name in columns if name not in names]:
            raise UsageError(f"no column {unknown[0]!r}; there are: {', '.join(names)}")
        names = list(dict.fromkeys(columns))
        own_types = {name: own_types[name] for name in names if name in own_types}
    for part in parts:
        start = 0
        for table in (with_types(table, own_types) for table in part.rows.tables(names or ["size"])):
            stop = start + len(table)
            made = {"id": pa.array(part.rows.ids[start:stop])}
            made |= {name: _readable(name, table[name]) for name in names}
            if with_vectors:
                halves = part.rows.vectors_at(np.arange(start, stop))
                flat = pa.array(halves.astype(np.float32).reshape(-1))
                made["vector"] = pa.FixedSizeListArray.from_arrays(flat, part.space.dim)
            whole = pa.table(made)
            if part.mask is not None:
                whole = whole.filter(pa.array(part.mask[start:stop]))
            yield from whole.combine_chunks().to_batches(max_chunksize=batch)
            start = stop


def iter_vectors(
    session: Session, modality: Modality, space: str | Space | None, from_id: int, block: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
    """Ids and vectors of the live rows of a modality, as `Collection.vector_blocks` gives them.

    Raises:
        UsageError: ``block`` is less than 1.
        SpaceMismatchError: the collection has no such space.
    """
    if block < 1:
        raise UsageError(f"rows must be at least 1, not {block}")
    target = session.find_space(space)
    rows = session.retrying(lambda: session.snapshot.rows(target.key, modality))
    positions = rows.live_positions
    return _vector_blocks(rows, positions[np.searchsorted(rows.ids[positions], from_id) :], block)


def _vector_blocks(
    rows: Rows, positions: NDArray[np.int64], block: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
    for start in range(0, len(positions), block):
        chosen = positions[start : start + block]
        yield rows.ids[chosen], rows.vectors_at(chosen).astype(np.float32)


def _readable(name: str, column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A stored column as people read it: paths as text, words not as numbers of a dictionary."""
    if name == "path":
        try:
            return column.cast(pa.string())
        except pa.ArrowInvalid:  # a name that is not UTF-8
            import os

            return pa.chunked_array([[printable(os.fsdecode(path)) for path in column.to_pylist()]], pa.string())
    return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column


def iter_records(session: Session) -> Iterator[Record]:
    """Every row that a search would look at, as records, space by space and modality by modality in order of id."""
    for part in session.retrying(lambda: _parts(session, SearchOptions())):
        positions = np.arange(len(part.rows)) if part.mask is None else np.flatnonzero(part.mask)
        for start in range(0, len(positions), _RECORDS_AT_ONCE):
            yield from _records(part.rows, positions[start : start + _RECORDS_AT_ONCE])


def read_record(session: Session, row_id: int) -> Record:
    """A row by its id.

    Raises:
        NoSuchRowError: there is no such row.
    """
    return read_row(session, row_id)[0]


def read_row(session: Session, row_id: int) -> tuple[Record, RowFacts]:
    """A row by its id, as a record and as its facts.

    Raises:
        NoSuchRowError: there is no such row.
    """

    def read() -> tuple[Record, RowFacts]:
        part, positions = _find_one(session.snapshot, row_id)
        return _row(part.rows, positions[0])

    return session.retrying(read)


def read_records(session: Session, ids: Iterable[int]) -> list[Record]:
    """Rows by their ids, in that order; ids of no rows are left out."""
    wanted = np.array(list(ids), np.int64)

    def read() -> list[Record]:
        found: dict[int, Record] = {}
        for part in _all_parts(session.snapshot):
            positions = part.rows.live_positions_or_gaps(wanted)
            found.update((record.id, record) for record in _records(part.rows, positions[positions >= 0]))
        return [found[row_id] for row_id in wanted.tolist() if row_id in found]

    return session.retrying(read)


def read_shown(session: Session, row_id: int) -> tuple[Record, RowFacts]:
    """A row as hits show it, and the facts of the row that its file is stored in; see `Collection.shown`.

    Raises:
        NoSuchRowError: there is no such row.
    """
    record, facts = read_row(session, row_id)
    if (kind := shown_modality(facts)) != record.modality:
        record = dataclasses.replace(record, modality=kind)
    if record.span is None or record.span.unit != "s" or record.modality == "video":
        return record, facts
    path = clock_file(record.path)
    found = session.retrying(lambda: _film_at(session, path)) if os.path.isabs(path) else None
    if found is None:
        return record, facts
    film, facts = found
    return dataclasses.replace(film, id=record.id, span=record.span, text=record.text, facts=record.facts), facts


def _film_at(session: Session, path: str) -> tuple[Record, RowFacts] | None:
    """One of the rows of the film at a path; None if no film of that path is stored."""
    for part in _parts(session, SearchOptions(to="video", under=path)):
        if part.modality == "video" and part.mask is not None:
            for position in np.flatnonzero(part.mask)[:1]:
                film = _row(part.rows, position)
                if film[0].path == path:
                    return film
    return None


def read_vectors(session: Session, ids: Iterable[int]) -> RowVectors:
    """Stored vectors by the ids of their rows, in that order.

    Raises:
        NoSuchRowError: there is no row of one of the ids.
        SpaceMismatchError: the rows are of several spaces.
    """
    wanted = np.array(list(ids), np.int64)

    def read() -> RowVectors:
        snapshot = session.snapshot
        found = np.zeros(len(wanted), np.bool_)
        paths = [""] * len(wanted)
        spaces: dict[Space, None] = {}
        pieces: list[tuple[NDArray[np.int64], NDArray[np.float16]]] = []
        for part in _all_parts(snapshot):
            positions = part.rows.live_positions_or_gaps(wanted)
            places = np.flatnonzero(positions >= 0)
            if not len(places):
                continue
            found[places] = True
            spaces[part.space] = None
            pieces.append((places, part.rows.vectors_at(positions[places])))
            for place, record in zip(places.tolist(), _records(part.rows, positions[places]), strict=True):
                paths[place] = record.path
        if not found.all():
            raise _no_such_rows(session, wanted[~found])
        if len(spaces) > 1:
            raise SpaceMismatchError(f"the rows are of several spaces: {_keys(spaces)}; ask for those of one")
        dim = next(iter(spaces)).dim if spaces else 0
        vectors = np.empty((len(wanted), dim), np.float32)
        for places, halves in pieces:
            vectors[places] = halves
        return RowVectors(wanted, paths, vectors)

    return session.retrying(read)


def similar_rows(session: Session, row_id: int, options: SearchOptions) -> Hits:
    """The rows that are nearest to a row, by its stored vector; see `Collection.similar`.

    Raises:
        NoSuchRowError: there is no such row.
    """

    def read() -> tuple[Space, Query, bytes]:
        part, positions = _find_one(session.snapshot, row_id)
        vector = part.rows.vectors_at(positions)[0].astype(np.float32)
        path: bytes = part.rows.facts_at(positions, ["path"])[0]["path"]
        return part.space, Query.of_vector(vector, part.modality), path

    space, query, path = session.retrying(read)
    excluded = {} if options.include_self else {0: [path]}
    return answer_one(session, query, dataclasses.replace(options, space=space), excluded).hits


def _parts(session: Session, options: SearchOptions) -> list[_Part]:
    """The rows that a search with these options would look at; opens their shards."""
    scope = search_scope(session, options)
    spaces = session.spaces if options.space is None else [session.find_space(options.space)]
    parts = []
    for space in spaces:
        searcher = session.searcher(space)
        for modality in searcher.modalities:
            if searcher.may_answer(modality, scope):
                parts.append(_Part(space, modality, searcher.rows(modality), searcher.mask(modality, scope)))
    return parts


def _all_parts(snapshot: Snapshot) -> Iterator[_Part]:
    """All rows of the collection, also of spaces that are not searched unless they are named."""
    for key, space in snapshot.manifest.spaces.items():
        for modality in snapshot.manifest.modalities(key):
            rows = snapshot.rows(key, modality)
            yield _Part(space, modality, rows, rows.live)


def _find_one(snapshot: Snapshot, row_id: int) -> tuple[_Part, NDArray[np.int64]]:
    """Where a row is: its part, and its position as int64 ``[1]``."""
    if 0 <= row_id <= _MAX_ID:
        wanted = np.array([row_id], np.int64)
        for part in _all_parts(snapshot):
            positions = part.rows.live_positions_or_gaps(wanted)
            if positions[0] >= 0:
                return part, positions
    raise NoSuchRowError(f"the collection at {shown(snapshot.root)} has no row {row_id}")


def _records(rows: Rows, positions: NDArray[np.int64]) -> Iterator[Record]:
    yield from (record for record, _ in _with_facts(rows, positions))


def _row(rows: Rows, position: np.int64) -> tuple[Record, RowFacts]:
    (found,) = _with_facts(rows, np.array([position]))
    return found


def _with_facts(rows: Rows, positions: NDArray[np.int64]) -> Iterator[tuple[Record, RowFacts]]:
    names = [*FACT_NAMES, *rows.own_types]
    items = ItemStates()
    for row_id, facts in zip(rows.ids[positions].tolist(), rows.facts_at(positions, names), strict=True):
        row = Row(row_id, facts)
        yield Record(**row.record, state=row.state(items)), facts


def _no_such_rows(session: Session, ids: NDArray[np.int64]) -> NoSuchRowError:
    examples = ", ".join(map(str, ids[:_MOST_EXAMPLES].tolist())) + (", …" if len(ids) > _MOST_EXAMPLES else "")
    return NoSuchRowError(f"the collection at {shown(session.root)} has no row {examples}")


def _keys(spaces: Iterable[Space]) -> str:
    return ", ".join(sorted(space.key for space in spaces))
