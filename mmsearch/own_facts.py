"""Facts of a user's own: values in columns that a program added, as a row gives them back."""

from __future__ import annotations

import base64
import datetime as dt
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol


class ArrowStream(Protocol):
    """An Arrow table, or a data frame that can be read as one."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...


class OwnFacts(Mapping[str, Any]):
    """A row's values in columns of the user's own, by name; read-only. Columns without a value are left out."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = dict(values)

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        """The names of the columns that the row has values in."""
        return iter(self._values)

    def __len__(self) -> int:
        """How many columns the row has values in."""
        return len(self._values)

    def __hash__(self) -> int:
        return hash(frozenset(self._values))  # of the names: a value may be a list

    def __repr__(self) -> str:
        return repr(self._values)

    def to_json(self) -> dict[str, Any]:
        """The values as JSON has them: dates and times in ISO 8601, durations in seconds, bytes in base64."""
        return {name: _json_value(value) for name, value in self._values.items()}


NO_OWN_FACTS = OwnFacts({})


def _json_value(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, dt.timedelta):
        return value.total_seconds()
    if isinstance(value, Mapping):
        return {str(name): _json_value(one) for name, one in value.items()}
    if isinstance(value, Sequence):
        return [_json_value(one) for one in value]
    return str(value)  # a decimal
