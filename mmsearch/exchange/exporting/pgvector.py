"""To PostgreSQL with pgvector: a file that psql loads, or a table on a server."""

from __future__ import annotations

import functools
import json
import os
import re
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mmsearch.durable import explained_write_errors, fsync_folder
from mmsearch.errors import MMSearchError, UsageError
from mmsearch.exchange.exporting.destination import Destination, Plan, Rows, Stored
from mmsearch.exchange.exporting.payload import json_rows
from mmsearch.exchange.packages import TIMEOUT_S, check_installed, is_address, one_line, without_secrets

_ENDING = ".sql"
_SCHEMES = ("postgresql://", "postgres://")
_MOST_DIMENSIONS = 16_000
_LONGEST_NAME = 63  # bytes: PostgreSQL cuts longer ones
_END = "\\.\n"


def open_pgvector(place: str, plan: Plan, table: str) -> Destination:
    """A file ``NAME.sql``, or the table of a server, by its address ``postgresql://…``.

    Raises:
        UsageError: the place is neither, or the vectors are too long for pgvector.
        MMSearchError: psycopg is not installed, or the server refuses.
    """
    if plan.space.dim > _MOST_DIMENSIONS:
        raise UsageError(f"pgvector takes up to {_MOST_DIMENSIONS:,} dimensions; these vectors have {plan.space.dim:,}")
    if place.startswith(_SCHEMES):
        return ServerDestination(place, plan, table)
    if is_address(place) or not place.endswith(_ENDING):
        raise UsageError(f"{without_secrets(place)}: name a file that ends in {_ENDING}, or a server by postgresql://…")
    return SqlDestination(place, plan, table)


class SqlDestination:
    """A file with the table and its rows, in one transaction. While it grows, its name ends in ``.part``."""

    def __init__(self, place: str, plan: Plan, table: str) -> None:
        self._path = Path(place).expanduser().absolute()
        self._growing = self._path.with_name(f"{self._path.name}.part")
        self._head = _head(table, plan)
        self._columns = ["id", *plan.payload.names]
        self._dtype = plan.dtype
        self._file: IO[bytes] | None = None
        with explained_write_errors(self._path.parent):
            self._path.parent.mkdir(parents=True, exist_ok=True)
        there = next((path for path in (self._path, self._growing) if path.exists()), None)
        if there is not None and not _begins_with(there, self._head):
            raise UsageError(f"{there} is another file; name a new one")

    def ids(self) -> NDArray[np.int64]:
        """The ids of all lines that are whole."""
        return np.array([int(line.partition(b"\t")[0]) for line in self._lines()], np.int64)

    def write(self, rows: Rows) -> None:
        """Append a line for each."""
        with explained_write_errors(self._path.parent):
            if self._file is None:
                self._file = self._opened()
            self._file.write("".join(copy_lines(rows)).encode())
            self._file.flush()

    def finish(self) -> None:
        """End the transaction, and name the file."""
        if self._path.exists():  # nothing was written
            return
        with explained_write_errors(self._path.parent):
            file = self._file or self._opened()
            self._file = file
            file.write((_END + "COMMIT;\n").encode())
            file.flush()
            os.fsync(file.fileno())
            self.close()
            os.replace(self._growing, self._path)
            fsync_folder(self._path.parent)

    def read(self, ids: NDArray[np.int64]) -> dict[int, Stored]:
        """Rows by id."""
        wanted = set(ids.tolist())
        place = self._columns.index("path")
        found: dict[int, Stored] = {}
        for line in self._lines():
            row_id = int(line.partition(b"\t")[0])
            if row_id in wanted:
                values = line.decode().rstrip("\n").split("\t")
                vector = np.array(json.loads(values[-1]), np.float32)
                found[row_id] = Stored(_unescaped(values[place]), vector)
        return found

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _opened(self) -> IO[bytes]:
        """The growing file, open after its last whole line; one that was finished grows again."""
        if self._path.exists():
            os.replace(self._path, self._growing)
        size = len(self._head) + sum(map(len, self._lines()))
        file = open(self._growing, "r+b" if self._growing.exists() else "w+b")  # noqa: SIM115
        if size == len(self._head):
            file.write(self._head)
        file.seek(size)
        file.truncate()
        return file

    def _lines(self) -> Any:
        path = self._path if self._path.exists() else self._growing
        if not path.exists():
            return
        with open(path, "rb") as file:
            file.seek(len(self._head))
            for line in file:
                if line == _END.encode() or not line.endswith(b"\n"):
                    return
                yield line


class ServerDestination:
    """A table that is filled by COPY, block by block, each in a transaction of its own."""

    def __init__(self, place: str, plan: Plan, table: str) -> None:
        check_installed("pgvector", "psycopg")
        import psycopg

        self._place, self._table, self._plan = without_secrets(place), table, plan
        self._connection: Any = self._ask(psycopg.connect, place, connect_timeout=TIMEOUT_S, autocommit=True)
        self._ask(self._connection.execute, "CREATE EXTENSION IF NOT EXISTS vector")
        query = (
            "SELECT a.attname, format_type(a.atttypid, a.atttypmod) FROM pg_attribute a "
            "WHERE a.attrelid = to_regclass(%s) AND a.attnum > 0 AND NOT a.attisdropped"
        )
        there = dict(self._ask(self._connection.execute, query, [_quoted(table)]).fetchall())
        wanted = _columns(plan)
        if not there:
            self._ask(self._connection.execute, _create(table, plan))
        elif set(there) != set(wanted) or there["vector"] != wanted["vector"].partition(" ")[0]:
            raise UsageError(f"{self._place}: table {table!r} has other columns; name another table")

    def ids(self) -> NDArray[np.int64]:
        """The ids of all rows."""
        rows = self._ask(self._connection.execute, f"SELECT id FROM {_quoted(self._table)}").fetchall()
        return np.array([row[0] for row in rows], np.int64)

    def write(self, rows: Rows) -> None:
        """Copy them in one transaction."""
        self._ask(self._copy, "".join(copy_lines(rows)))

    def finish(self) -> None:
        """Nothing is left to do."""

    def read(self, ids: NDArray[np.int64]) -> dict[int, Stored]:
        """Rows by id."""
        query = f"SELECT id, path, vector::text FROM {_quoted(self._table)} WHERE id = ANY(%s)"
        found = self._ask(self._connection.execute, query, [ids.tolist()]).fetchall()
        return {row_id: Stored(path, np.array(json.loads(text), np.float32)) for row_id, path, text in found}

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _copy(self, lines: str) -> None:
        with (
            self._connection.transaction(),
            self._connection.cursor() as cursor,
            cursor.copy(_copy(self._table, self._plan)) as copy,
        ):
            copy.write(lines)

    def _ask(self, call: Any, *args: Any, **options: Any) -> Any:
        """Ask the server; what it refuses is one line."""
        try:
            return call(*args, **options)
        except OSError:
            raise
        except Exception as error:
            raise MMSearchError(f"PostgreSQL at {self._place}: {one_line(error)}") from error


def copy_lines(rows: Rows) -> list[str]:
    """Rows as lines of PostgreSQL's COPY: values with tabs between them, ``\\N`` for none."""
    written = number_texts()
    halves = rows.vectors.astype(np.float16)
    columns = [_texts(rows.payload[name]) for name in rows.payload.column_names]
    lines = []
    for place, row_id in enumerate(rows.ids.tolist()):
        if rows.vectors.dtype == np.float16 or np.array_equal(halves[place], rows.vectors[place]):
            numbers = ",".join([written[bits] for bits in halves[place].view(np.uint16).tolist()])
        else:
            numbers = ",".join(map(str, rows.vectors[place].tolist()))
        values = [column[place] for column in columns]
        lines.append("\t".join([str(row_id), *values, f"[{numbers}]"]) + "\n")
    return lines


@functools.cache
def number_texts() -> list[str]:
    """Each of the 65,536 numbers of float16 as the shortest text that float32 reads as the same number."""
    with np.errstate(invalid="ignore"):
        numbers = np.arange(1 << 16, dtype=np.uint32).astype(np.uint16).view(np.float16).astype(np.float32)
    return [np.format_float_positional(number, unique=True, trim="-") for number in numbers]


def _head(table: str, plan: Plan) -> bytes:
    lines = [
        f"-- Vectors of {plan.space.model}, unit length: with the operator <#> (inner product) the nearest is the most",
        "-- similar. Load it with: psql DATABASE < THIS_FILE",
        "-- An index that answers faster, and not always exactly:",
        f"--   CREATE INDEX ON {_quoted(table)} USING hnsw (vector {_kind(plan)}_ip_ops);",
        "BEGIN;",
        "CREATE EXTENSION IF NOT EXISTS vector;",
        f"{_create(table, plan)};",
        f"{_copy(table, plan)};",
    ]
    return "".join(f"{line}\n" for line in lines).encode()


def _create(table: str, plan: Plan) -> str:
    columns = ", ".join(f"{_quoted(name)} {kind}" for name, kind in _columns(plan).items())
    return f"CREATE TABLE {_quoted(table)} ({columns})"


def _copy(table: str, plan: Plan) -> str:
    return f"COPY {_quoted(table)} ({', '.join(map(_quoted, _columns(plan)))}) FROM STDIN"


def _columns(plan: Plan) -> dict[str, str]:
    """The columns of the table, each with its type."""
    payload = {field.name: _sql_type(field.type) for field in plan.payload}
    if long := [name for name in payload if len(name.encode()) > _LONGEST_NAME]:
        raise UsageError(f"PostgreSQL takes no name of more than {_LONGEST_NAME} bytes: column {long[0]!r}")
    return {"id": "bigint PRIMARY KEY", **payload, "vector": f"{_kind(plan)}({plan.space.dim})"}


def _kind(plan: Plan) -> str:
    return "halfvec" if plan.dtype == "float16" else "vector"


def _sql_type(kind: pa.DataType) -> str:
    types = pa.types
    if types.is_boolean(kind):
        return "boolean"
    if types.is_integer(kind):
        return "numeric(20)" if kind.equals(pa.uint64()) else "bigint" if kind.bit_width > 16 else "integer"
    if types.is_floating(kind):
        return "double precision"
    if types.is_decimal(kind):
        return "numeric"
    if types.is_timestamp(kind):
        return "timestamptz" if kind.tz else "timestamp"
    if types.is_date(kind):
        return "date"
    if types.is_time(kind):
        return "time"
    if types.is_duration(kind):
        return "double precision"  # seconds
    if types.is_list(kind) or types.is_struct(kind):
        return "jsonb"
    if types.is_binary(kind):
        return "bytea"
    return "text"


def _texts(column: pa.ChunkedArray) -> list[str]:
    """The values of a column as COPY reads them."""
    kind = column.type
    if pa.types.is_binary(kind):
        return ["\\N" if value is None else f"\\\\x{value.hex()}" for value in column.to_pylist()]
    if pa.types.is_floating(kind):
        return ["\\N" if value is None else repr(value) for value in column.to_pylist()]
    values = [row.get("") for row in json_rows(pa.table({"": column}))]
    nested = pa.types.is_list(kind) or pa.types.is_struct(kind)
    return ["\\N" if value is None else _escaped(_text(value, nested)) for value in values]


def _text(value: Any, nested: bool) -> str:
    if nested:
        return json.dumps(value, ensure_ascii=False).replace("\\u0000", "")
    if isinstance(value, bool):
        return "t" if value else "f"
    return str(value).replace("\0", "")  # PostgreSQL's texts hold no zero byte


_SPECIAL = {"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r", "\b": "\\b", "\f": "\\f", "\v": "\\v"}
_BACK = {escaped[1]: plain for plain, escaped in _SPECIAL.items()}


def _escaped(text: str) -> str:
    return re.sub(r"[\\\t\n\r\b\f\v]" if any(c in text for c in _SPECIAL) else r"(?!)", lambda m: _SPECIAL[m[0]], text)


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", lambda m: _BACK[m[1]], text)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _begins_with(path: Path, head: bytes) -> bool:
    with open(path, "rb") as file:
        found = file.read(len(head))
    return found == head or (len(found) < len(head) and head.startswith(found) and path.suffix == ".part")
