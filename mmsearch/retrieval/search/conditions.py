"""Conditions on the columns of rows, such as ``width > 1000 and colour in ('red', 'blue')``; which rows fulfil them.

The language is a small part of Python: comparisons of columns with literals, ``in``, ``is None``, ``and``, ``or`` and
``not``. ``=`` is taken as ``==``. A column whose name is no Python name is written in backquotes, as in pandas.
"""

from __future__ import annotations

import ast
import datetime as dt
import os
import re
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mmsearch.errors import HintKind, UsageError
from mmsearch.retrieval.search.filters import parse_date
from mmsearch.retrieval.search.masks import Mask, all_of, any_of, mask_of
from mmsearch.retrieval.search.row_tags import GROUP, TAG, RowTags
from mmsearch.retrieval.store.schema import FACT_NAMES, RESERVED_PREFIX
from mmsearch.retrieval.store.snapshot import Rows

_SHORT_NAMES = {
    name.removeprefix(RESERVED_PREFIX): name
    for name in FACT_NAMES
    if name.startswith(RESERVED_PREFIX) and name not in ("mms_evidence", "mms_boxes")
}
"""Names of the format's columns as people write them; a column of a user's own of that name goes first."""

_SHOWN_NAMES = [
    next((short for short, name in _SHORT_NAMES.items() if name == stored), stored) for stored in FACT_NAMES
]

_COMPARISONS = {
    ast.Eq: "equal",
    ast.NotEq: "not_equal",
    ast.Lt: "less",
    ast.LtE: "less_equal",
    ast.Gt: "greater",
    ast.GtE: "greater_equal",
}
_STRING, _QUOTED, _EQUALS = r"'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\"", r"`([^`]+)`", r"(?<![=!<>:])(=)(?!=)"
_TOKEN = re.compile(f"{_STRING}|{_QUOTED}|{_EQUALS}")
_PARSING = threading.Lock()  # CPython 3.11 now and then raises a SystemError where threads parse at once


def check_condition(
    text: str, own_columns: Callable[[], Iterable[str]], row_labels: Callable[[str], RowTags] | None = None
) -> dict[str, RowTags]:
    """Check a condition before any row is read.

    ``own_columns`` is called for the names of the user's own columns if the condition has a name that is not the
    format's, and ``row_labels`` if that is ``tag`` or ``group`` and no column of theirs.

    Returns:
        The labels and groups of rows by these names, if the condition asks for them.

    Raises:
        UsageError: it cannot be read, or names an unknown column; the text lists the columns that there are. Or it
            names an unknown label.
    """
    tree = _parse(text)
    found: dict[str, RowTags] = {}
    unknown = [name for name in _names(tree) if name not in FACT_NAMES and name not in ("id", *_SHORT_NAMES)]
    if unknown:
        own = list(own_columns())
        for name in unknown:
            if name in own:
                continue
            if name not in (TAG, GROUP) or row_labels is None:
                raise UsageError(f"no column {name!r}; there are: {', '.join(['id', *_SHOWN_NAMES, *own])}")
            found[name] = row_labels(name)
            found[name].check(tree)
    return found


def rows_where(rows: Rows, text: str, labels: Mapping[str, RowTags] | None = None) -> Mask:
    """Which rows fulfil a condition, bool ``[rows]``. A missing value fulfils no comparison.

    Args:
        rows: the rows.
        text: the condition.
        labels: the labels and groups of rows, by the names that stand for them (see `check_condition`).

    Raises:
        UsageError: it does not fit its columns.
    """
    tree = _parse(text)
    labels = labels or {}
    names = [name for name in _names(tree) if name != "id" and name not in labels]
    columns: dict[str, Any] = {"id": pa.chunked_array([pa.array(rows.ids)])}
    columns |= {name: _TagColumn(tags, rows.ids) for name, tags in labels.items()}
    if names:
        stored = {name: name if name in rows.own_types else _SHORT_NAMES.get(name, name) for name in names}
        table = rows.facts(list(dict.fromkeys(stored.values())))
        columns |= {name: table[stored[name]] for name in names}
    try:
        return _mask(tree, columns)
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise UsageError(f"the condition {text!r} does not fit its columns ({str(error).splitlines()[0]})") from error


def _parse(text: str) -> ast.expr:
    quoted: dict[str, str] = {}

    def rewrite(match: re.Match[str]) -> str:
        if match[1] is None:
            return "==" if match[2] else match[0]
        name = f"mms_quoted_{len(quoted)}"
        quoted[name] = match[1]
        return name

    try:
        with _PARSING:
            tree = ast.parse(_TOKEN.sub(rewrite, text.strip()), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise UsageError(f"cannot read the condition {text!r}", hint=HintKind.WHERE_EXAMPLE) from None
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            node.id = quoted.get(node.id, node.id)
    return tree


def _names(tree: ast.expr) -> list[str]:
    """The columns that a condition names, each once."""
    return sorted({node.id for node in ast.walk(tree) if isinstance(node, ast.Name)})


def _mask(node: ast.expr, columns: dict[str, Any]) -> Mask:
    """The rows that fulfil a part of a condition."""
    if isinstance(node, ast.BoolOp):
        masks = [_mask(value, columns) for value in node.values]
        return all_of(masks) if isinstance(node.op, ast.And) else any_of(masks)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        return ~_mask(node.operand, columns)
    if isinstance(node, ast.Compare):
        return _compare(node, columns)
    if isinstance(node, ast.Name):
        column = columns[node.id]
        if not isinstance(column, _TagColumn) and (pa.types.is_boolean(column.type) or pa.types.is_null(column.type)):
            return mask_of(column.cast(pa.bool_()))
    raise UsageError(f"{ast.unparse(node)!r} is neither true nor false of a row", hint=HintKind.WHERE_EXAMPLE)


def _compare(node: ast.Compare, columns: dict[str, Any]) -> Mask:
    masks = []
    sides = [node.left, *node.comparators]
    for left, operator, right in zip(sides, node.ops, sides[1:], strict=False):
        a, b = (_value(side, columns) for side in (left, right))
        if isinstance(a, _TagColumn) or isinstance(b, _TagColumn):
            masks.append(_compare_tags(node, operator, a, b))
            continue
        if not (_is_column(a) or _is_column(b)):
            raise UsageError(f"{ast.unparse(node)!r} names no column", hint=HintKind.WHERE_EXAMPLE)
        if isinstance(operator, ast.In | ast.NotIn):
            found = _contains(b, a) if _is_column(b) else _is_among(a, b)
            masks.append(~found if isinstance(operator, ast.NotIn) else found)
        elif isinstance(operator, ast.Is | ast.IsNot) and _is_column(a) and b is None:
            missing = np.asarray(a.is_null().to_numpy(), np.bool_)
            masks.append(missing if isinstance(operator, ast.Is) else ~missing)
        elif type(operator) in _COMPARISONS:
            masks.append(_compared(_COMPARISONS[type(operator)], a, b))
        else:
            raise UsageError(f"cannot read {ast.unparse(node)!r} in a condition", hint=HintKind.WHERE_EXAMPLE)
    return all_of(masks)


class _TagColumn(NamedTuple):
    """The labels or groups of some rows, in the place of a column."""

    tags: RowTags
    ids: NDArray[np.int64]


def _compare_tags(node: ast.Compare, operator: ast.cmpop, a: Any, b: Any) -> Mask:
    column, other = (a, b) if isinstance(a, _TagColumn) else (b, a)
    found = None if _is_column(other) else column.tags.fulfilling(operator, other, column.ids)
    if found is None:
        raise UsageError(
            f"{ast.unparse(node)!r} asks for no label; write {column.tags.example}", hint=HintKind.WHERE_EXAMPLE
        )
    return found


def _value(node: ast.expr, columns: dict[str, Any]) -> Any:
    """The column that a name stands for, or a literal; a dictionary column as its words."""
    if isinstance(node, ast.Name):
        column = columns[node.id]
        if isinstance(column, _TagColumn):
            return column
        return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column
    try:
        return ast.literal_eval(node)
    except ValueError:
        raise UsageError(f"cannot read {ast.unparse(node)!r} in a condition", hint=HintKind.WHERE_EXAMPLE) from None


def _is_column(side: Any) -> bool:
    return isinstance(side, pa.ChunkedArray)


def _compared(function: str, a: Any, b: Any) -> Mask:
    import pyarrow.compute as pc

    column = a if _is_column(a) else b
    if any(_is_column(side) and pa.types.is_null(side.type) for side in (a, b)):
        return np.zeros(len(column), np.bool_)
    return mask_of(getattr(pc, function)(_fitting(a, column.type), _fitting(b, column.type)))


def _is_among(column: Any, values: Any) -> Mask:
    """For each value of a column whether it is among literals."""
    import pyarrow.compute as pc

    wanted = pa.array([_fitting(value, column.type) for value in values])
    if pa.types.is_null(column.type):
        return np.zeros(len(column), np.bool_)
    if pa.types.is_floating(column.type):
        wanted = wanted.cast(column.type)
    return mask_of(pc.is_in(column, value_set=wanted))


def _contains(column: Any, value: Any) -> Mask:
    """For each list of a column whether a literal is in it; for each text whether the literal is a part of it."""
    import pyarrow.compute as pc

    if pa.types.is_null(column.type):
        return np.zeros(len(column), np.bool_)
    if isinstance(value, str) and (pa.types.is_string(column.type) or pa.types.is_binary(column.type)):
        return mask_of(pc.match_substring(column, value))
    if _is_column(value) or not pa.types.is_list(column.type):
        raise TypeError("`in` looks for a literal in a list or in a text")
    lists = column.combine_chunks()
    found = mask_of(pc.equal(pc.list_flatten(lists), _fitting(value, column.type.value_type)))
    mask = np.zeros(len(column), np.bool_)
    mask[pc.list_parent_indices(lists).to_numpy()[found]] = True
    return mask


def _fitting(value: Any, kind: pa.DataType) -> Any:
    """A literal as a value of a column's type: dates and times are written as strings, paths as names."""
    if not isinstance(value, str):
        return value
    if pa.types.is_timestamp(kind):
        return _moment(value, kind)
    if pa.types.is_date32(kind):
        return pa.scalar(parse_date(value).date(), kind)
    if pa.types.is_time(kind):
        return pa.scalar(dt.time.fromisoformat(value), kind)
    if pa.types.is_binary(kind):
        return pa.scalar(os.fsencode(value))
    return value


def _moment(value: str, kind: pa.DataType) -> pa.Scalar:
    """A date as a timestamp; where the column has a time zone and the date has none, that of the column."""
    if kind.tz is None:
        return pa.scalar(parse_date(value), kind)
    import pyarrow.compute as pc

    try:
        moment = dt.datetime.fromisoformat(value.strip())
    except ValueError:
        moment = parse_date(value)
    if moment.tzinfo is not None:
        return pa.scalar(moment, kind)
    return pc.assume_timezone(pa.scalar(moment, pa.timestamp(kind.unit)), kind.tz)
