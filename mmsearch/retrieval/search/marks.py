"""Rows and files that a person likes or does not: their stored vectors, and what must not come back as hits."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from mmsearch.errors import MMSearchError, NoSuchRowError, SpaceMismatchError
from mmsearch.retrieval.search.moments import clock_file
from mmsearch.retrieval.search.query import MarkValue, Query, StoredRow
from mmsearch.retrieval.search.query_vectors import RowsAsked
from mmsearch.retrieval.search.session import Session
from mmsearch.retrieval.store.remote import shown
from mmsearch.retrieval.store.snapshot import Rows, Snapshot
from mmsearch.types import Modality, Moment, Space
from mmsearch.unit import Vector

LeftOut = Mapping[int, Sequence[bytes | int]]
"""Paths of files and ids of rows that may not answer a query, by its number."""

_COLUMNS = ("path", "content_hash", "span_start", "span_unit")


def rows_asked(session: Session, space: Space, queries: Sequence[Query]) -> RowsAsked:
    """The vectors of the rows that queries name by id, those of one space, and samples of the space for marks."""
    ids = np.array(_ids(row_id for query in queries for row_id in query.row_ids), np.int64)
    marks = any(query.marks for query in queries)
    if not len(ids) and not marks:
        return RowsAsked()

    def read() -> RowsAsked:
        searcher = session.searcher(space)
        vectors: dict[int, Vector] = {}
        modalities: dict[int, Modality] = {}
        for modality in searcher.modalities if len(ids) else ():
            rows = searcher.rows(modality)
            positions = rows.live_positions_of(ids)
            halves = rows.vectors_at(positions).astype(np.float32)
            found = rows.ids[positions].tolist()
            vectors |= dict(zip(found, halves, strict=True))
            modalities |= dict.fromkeys(found, modality)
        samples = [searcher.match_sample(modality).vectors for modality in searcher.modalities if marks]
        return RowsAsked(vectors, modalities, samples)

    return session.retrying(read)


def wrong_rows(session: Session, queries: Mapping[int, Query], spaces: Iterable[Space]) -> dict[int, MMSearchError]:
    """The errors of queries that name an id which is no row of the collection, or none of some spaces; by the number of
    the query."""
    asked = {space.key for space in spaces}

    def error_of(row_id: int, known: Mapping[int, str]) -> MMSearchError | None:
        if row_id not in known:
            return NoSuchRowError(f"the collection at {shown(session.root)} has no row {row_id}")
        if known[row_id] not in asked:
            others = ", ".join(sorted(asked))
            return SpaceMismatchError(f"row {row_id} is of space {known[row_id]}, and {others} is searched")
        return None

    def read() -> dict[int, MMSearchError]:
        ids = np.array(_ids(row_id for query in queries.values() for row_id in query.row_ids), np.int64)
        known: dict[int, str] = {}
        for (space, _), rows in session.snapshot.all_rows().items():
            known |= dict.fromkeys(rows.ids[rows.live_positions_of(ids)].tolist(), space)
        errors: dict[int, MMSearchError] = {}
        for number, query in queries.items():
            wrong = [error_of(row_id, known) for row_id in query.row_ids]
            first = next((error for error in wrong if error is not None), None)
            if first is not None:
                errors[number] = first
        return errors

    return session.retrying(read) if any(query.row_ids for query in queries.values()) else {}


def left_out(session: Session, queries: Mapping[int, Query], include_self: bool) -> LeftOut:
    """What may not answer each query: the files that it is asked by and what is liked, unless ``include_self``; and in
    any case what is not liked. Files of the same content as a marked one are left out with it."""

    def read() -> LeftOut:
        found: dict[int, list[bytes | int]] = {}
        for number, query in queries.items():
            found[number] = [] if include_self else [*query.files, *_files_of(session.snapshot, query)]
            marks = query.unlike if include_self else query.marks
            found[number] += _rows_and_files(session.snapshot, marks) if marks else []
        return found

    return session.retrying(read)


def _files_of(snapshot: Snapshot, query: Query) -> list[bytes]:
    """The paths of the files of the rows that are terms of a query."""
    terms = [term.value for term in query.terms]
    ids = np.array(_ids(value.id for value in terms if isinstance(value, StoredRow)), np.int64)
    parts = snapshot.all_rows().values() if len(ids) else ()
    return [row["path"] for rows in parts for row in rows.facts_at(rows.live_positions_of(ids), ["path"])]


def _rows_and_files(snapshot: Snapshot, marks: Sequence[MarkValue]) -> list[bytes | int]:
    """Ids of the rows and paths of the files that marks stand for, and of their copies. Of films and sounds any row
    stands for the file."""
    ids = np.array(_ids(marks), np.int64)
    parts = list(snapshot.all_rows().values())
    facts = [row for rows in parts for row in rows.facts_at(rows.live_positions_of(ids), _COLUMNS)]
    paths = {os.fsencode(os.path.abspath(path)) for path in map(_file_of, marks) if path is not None}
    paths |= {os.fsencode(clock_file(os.fsdecode(row["path"]))) for row in facts if row["span_unit"] == "s"}
    passages = [row for row in facts if row["span_unit"] != "s"]
    found: set[bytes | int] = {*paths, *ids.tolist()}
    for rows in parts:
        found |= _copies_of_files(rows, paths) | _copies_of_rows(rows, passages)
    return list(found)


def _copies_of_files(rows: Rows, paths: set[bytes]) -> set[bytes]:
    """Paths of the files that have the content of some files."""
    import pyarrow.compute as pc

    if not paths:
        return set()
    table = rows.facts(["path", "content_hash"])
    own = table.filter(pc.is_in(table["path"], value_set=pa.array(sorted(paths), pa.binary())))
    contents = pc.unique(own["content_hash"].drop_null())
    same = table.filter(pc.is_in(table["content_hash"], value_set=contents, skip_nulls=True))
    return set(pc.unique(same["path"]).to_pylist())


def _copies_of_rows(rows: Rows, passages: Sequence[Mapping[str, Any]]) -> set[int]:
    """Ids of the rows of the same content, and of the same place in it, as some rows."""
    import pyarrow.compute as pc

    keys = {(row["content_hash"], row["span_start"]) for row in passages if row["content_hash"]}
    if not keys:
        return set()
    table = rows.facts(["content_hash", "span_start"])
    column = table["content_hash"]
    contents = pa.array(sorted({content for content, _ in keys}), column.type)
    positions = np.flatnonzero(pc.is_in(column, value_set=contents).to_numpy(zero_copy_only=False))
    own = table.take(pa.array(positions)).to_pylist()
    pairs = zip(rows.ids[positions].tolist(), own, strict=True)
    return {row_id for row_id, row in pairs if (row["content_hash"], row["span_start"]) in keys}


def _file_of(mark: MarkValue) -> Path | None:
    value = mark.path if isinstance(mark, Moment) else mark
    return value if isinstance(value, Path) else None


def _ids(marks: Iterable[MarkValue]) -> list[int]:
    """The ids among marks that a row may have, each once."""
    return list(dict.fromkeys(mark for mark in marks if isinstance(mark, int) and 0 <= mark < 2**63))
