"""To a collection of Milvus: on a server, or in a file of Milvus Lite.

pymilvus tells the server that it talks to which version it is, and nobody else.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmsearch.durable import explained_write_errors
from mmsearch.errors import MMSearchError, UsageError
from mmsearch.exchange.exporting.destination import Plan, Rows, Stored
from mmsearch.exchange.exporting.payload import json_rows
from mmsearch.exchange.packages import TIMEOUT_S, check_installed, is_address, one_line, without_secrets

_TOKEN_VARIABLE = "MILVUS_TOKEN"
_ENDING = ".db"
_BYTES_AT_ONCE = 8 << 20
_LISTED = 10_000
_LONGEST_PATH = 65_535  # bytes: the most that Milvus stores in a field of text


class MilvusDestination:
    """Rows with the fields ``id``, ``path`` and ``vector``; all else of the payload is in its dynamic field."""

    def __init__(self, place: str, plan: Plan, table: str) -> None:
        is_lite = not is_address(place)
        check_installed("milvus", "pymilvus", *(("milvus_lite",) if is_lite else ()))
        if is_lite and not place.endswith(_ENDING):
            raise UsageError(f"{place}: the name of a file of Milvus Lite ends in {_ENDING}")
        if is_lite and plan.dtype == "float16":
            raise UsageError("Milvus Lite stores float32 vectors alone; a server of Milvus takes float16")
        os.environ.setdefault("PYTHON_DOTENV_DISABLED", "1")  # or it reads a file .env of the working folder
        from pymilvus import MilvusClient

        logging.getLogger("pymilvus").setLevel(logging.CRITICAL)  # it logs what it raises, with a traceback
        self._place = without_secrets(place)
        self._root = Path(place).expanduser().absolute() if is_lite else Path()
        if is_lite:
            self._root.parent.mkdir(parents=True, exist_ok=True)
        token = os.environ.get(_TOKEN_VARIABLE, "")
        uri = str(self._root) if is_lite else place
        self._name, self._plan = table, plan
        self._client: Any = self._ask(MilvusClient, uri, token=token, timeout=TIMEOUT_S)
        try:
            if self._ask(self._client.has_collection, table):
                self._check_fields()
            else:
                self._create()
        except BaseException:
            self._client.close()
            raise
        self._at_once = max(1, _BYTES_AT_ONCE // (4 * plan.space.dim))

    def ids(self) -> NDArray[np.int64]:
        """The ids of all rows."""
        found: list[int] = []
        pages = self._ask(self._client.query_iterator, self._name, batch_size=_LISTED, output_fields=["id"])
        while page := self._ask(pages.next):
            found += [row["id"] for row in page]
        pages.close()
        return np.array(found, np.int64)

    def write(self, rows: Rows) -> None:
        """Send them in several requests."""
        lines = [
            {**payload, "id": row_id, "vector": vector}
            for payload, row_id, vector in zip(json_rows(rows.payload), rows.ids.tolist(), rows.vectors, strict=True)
        ]
        for line in lines:
            if len(line["path"].encode()) > _LONGEST_PATH:
                raise UsageError(f"Milvus stores no path of more than {_LONGEST_PATH} bytes: {line['path'][:80]}…")
        with explained_write_errors(self._root):
            for start in range(0, len(lines), self._at_once):
                self._ask(self._client.upsert, self._name, lines[start : start + self._at_once])

    def finish(self) -> None:
        """Have everything written to the disk."""
        self._ask(self._client.flush, self._name)

    def read(self, ids: NDArray[np.int64]) -> dict[int, Stored]:
        """Rows by id."""
        wanted = {"filter": f"id in {ids.tolist()}", "output_fields": ["id", "path", "vector"]}
        found = self._ask(self._client.query, self._name, **wanted)
        return {row["id"]: Stored(row["path"], self._numbers(row["vector"])) for row in found}

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def _numbers(self, value: Any) -> NDArray[np.float32]:
        """A vector; those of float16 come as bytes."""
        if isinstance(value, list) and value and isinstance(value[0], bytes):
            value = b"".join(value)
        if isinstance(value, bytes):
            return np.frombuffer(value, np.float16).astype(np.float32)
        return np.asarray(value, np.float32)

    def _create(self) -> None:
        from pymilvus import DataType

        schema = self._client.create_schema(auto_id=False, enable_dynamic_field=True)
        kind = DataType.FLOAT16_VECTOR if self._plan.dtype == "float16" else DataType.FLOAT_VECTOR
        schema.add_field("id", DataType.INT64, is_primary=True)
        schema.add_field("path", DataType.VARCHAR, max_length=_LONGEST_PATH)
        schema.add_field("vector", kind, dim=self._plan.space.dim)
        index = self._client.prepare_index_params()
        index.add_index("vector", index_type="FLAT", metric_type="IP")
        options = {"schema": schema, "index_params": index, "consistency_level": "Strong"}
        self._ask(self._client.create_collection, self._name, **options)

    def _check_fields(self) -> None:
        fields = {one["name"]: one for one in self._ask(self._client.describe_collection, self._name)["fields"]}
        dim = int(fields.get("vector", {}).get("params", {}).get("dim", 0))
        if not {"id", "path", "vector"} <= set(fields) or dim != self._plan.space.dim:
            what = f"vectors of {dim} dimensions, and these have {self._plan.space.dim}" if dim else "other fields"
            raise UsageError(f"{self._place}: collection {self._name!r} has {what}; name another")
        self._ask(self._client.load_collection, self._name)

    def _ask(self, call: Any, *args: Any, **options: Any) -> Any:
        """Ask Milvus; what it refuses is one line."""
        try:
            return call(*args, **options)
        except OSError:
            raise
        except Exception as error:
            said = getattr(error, "message", "") or one_line(error)
            raise MMSearchError(f"Milvus at {self._place}: {one_line(Exception(said))}") from error
