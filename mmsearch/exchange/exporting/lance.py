"""To a table of LanceDB: a folder or a bucket."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mmsearch.durable import explained_write_errors
from mmsearch.errors import UsageError
from mmsearch.exchange.exporting.destination import Plan, Rows, Stored
from mmsearch.exchange.exporting.files import stored_rows
from mmsearch.exchange.exporting.payload import arrow_rows, arrow_schema
from mmsearch.exchange.lance_tables import open_database, table_names


class LanceDestination:
    """A table with the columns ``id``, those of the payload, and ``vector``. Each block of rows is one version."""

    def __init__(self, place: str, plan: Plan, table: str) -> None:
        self._root = place
        self._schema = arrow_schema(plan.space, plan.payload, plan.dtype)
        database, name = open_database(place, table)
        if name not in table_names(database):
            with explained_write_errors(_path(place)):
                self._table = database.create_table(name, schema=self._schema)
            return
        self._table = database.open_table(name)
        found = self._table.schema
        for field in self._schema:
            if field.name not in found.names or not found.field(field.name).type.equals(field.type):
                there = found.field(field.name).type if field.name in found.names else "not there"
                raise UsageError(
                    f"{place}: column {field.name!r} of table {name!r} is {there}, and {field.type} is to be written; "
                    "name another table"
                )

    def ids(self) -> NDArray[np.int64]:
        """The ids in the table."""
        batches = self._table.search().select(["id"]).to_batches(65_536)
        return np.concatenate([np.empty(0, np.int64), *(batch.column("id").to_numpy() for batch in batches)])

    def write(self, rows: Rows) -> None:
        """Add a version of the table that has them."""
        with explained_write_errors(_path(self._root)):
            self._table.add(arrow_rows(self._schema, rows.ids, rows.payload, rows.vectors))

    def finish(self) -> None:
        """Nothing is left to do."""

    def read(self, ids: NDArray[np.int64]) -> dict[int, Stored]:
        """Rows by id."""
        listed = ", ".join(map(str, ids.tolist()))
        found = self._table.search().where(f"id in ({listed})").limit(len(ids)).select(["id", "path", "vector"])
        return stored_rows(found.to_arrow())

    def close(self) -> None:
        """Nothing is held."""


def _path(place: str) -> Path:
    return Path(place)
