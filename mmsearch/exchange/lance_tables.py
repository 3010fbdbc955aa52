"""Tables of LanceDB: the one module that imports it.

LanceDB reports nothing of its own: its metrics stay in the process unless an app asks for its OpenTelemetry bridge.
"""

from __future__ import annotations

import os
from typing import Any

from mmsearch.errors import UsageError
from mmsearch.exchange.packages import check_installed, is_address

ENDING = ".lance"


def open_database(place: str, table: str | None) -> tuple[Any, str | None]:
    """A database, and the name of a table in it: ``table``, or that of a place which is itself a table's folder.

    Args:
        place: a database's folder or address, or the folder ``NAME.lance`` of a table in one.
        table: the table's name, if it is known.

    Raises:
        MMSearchError: LanceDB is not installed.
    """
    check_installed("lance", "lancedb")
    import lancedb

    place = place if is_address(place) else os.path.abspath(os.path.expanduser(place))
    trimmed = place.rstrip("/")
    if trimmed.endswith(ENDING):
        folder, _, name = trimmed.rpartition("/")
        return lancedb.connect(folder), name.removesuffix(ENDING)
    return lancedb.connect(place), table


def table_names(database: Any) -> list[str]:
    """The names of all tables of a database, in order."""
    names: list[str] = []
    page: str | None = None
    while True:
        answer = database.list_tables(page_token=page)
        names += answer.tables
        page = answer.page_token
        if not page:
            return sorted(names)


def existing_table(database: Any, name: str | None, place: str) -> Any:
    """A table of a database: the one of that name, or its only one.

    Raises:
        UsageError: there is none, or there are several and none was named.
    """
    names = table_names(database)
    if name is None and len(names) == 1:
        name = names[0]
    if name in names:
        return database.open_table(name)
    listed = ", ".join(names[:10]) or "none"
    which = "which table" if name is None else f"there is no table {name!r}"
    raise UsageError(f"{place}: {which}? its tables: {listed}")
