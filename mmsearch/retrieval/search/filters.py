"""Which rows may answer: by folder, by date, and by a condition on the columns of a shard."""

from __future__ import annotations

import ast
import datetime as dt
import operator
import os
import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mmsearch.errors import HintKind, UsageError
from mmsearch.retrieval.store.schema import FACT_NAMES
from mmsearch.retrieval.store.snapshot import Rows, Snapshot
from mmsearch.retrieval.store.stored_paths import StoredPaths, under_mask
from mmsearch.types import printable

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Filters:
    """Conditions that all must hold. ``under``: absolute folders, any of which may hold the file.

    ``after`` is the first moment that counts, ``before`` the first that no longer does; a picture's moment is
    when it was taken, any other file's when it was last changed. ``where`` is an expression such as
    ``width > 1000 and not note == 'truncated'`` over the columns of a shard.
    """

    under: tuple[bytes, ...] = ()
    after: dt.datetime | None = None
    before: dt.datetime | None = None
    where: str | None = None

    def __bool__(self) -> bool:
        return bool(self.under or self.after or self.before or self.where)

    def mask(self, rows: Rows) -> Mask | None:
        """Which positions pass; None where there is nothing to filter by."""
        masks: list[Mask] = []
        if self.under:
            masks.append(_under(rows, self.under))
        if self.after or self.before:
            masks.append(_between(rows, self.after, self.before))
        if self.where:
            masks.append(_where(rows, self.where))
        return all_of(masks) if masks else None


def all_of(masks: Sequence[Mask]) -> Mask:
    """Where every mask is true."""
    return np.asarray(np.logical_and.reduce(masks), np.bool_)


def any_of(masks: Sequence[Mask]) -> Mask:
    """Where any mask is true."""
    return np.asarray(np.logical_or.reduce(masks), np.bool_)


def make_filters(
    *,
    under: Sequence[bytes] = (),
    after: str | dt.date | None = None,
    before: str | dt.date | None = None,
    where: str | None = None,
) -> Filters:
    """Read filters as a person gives them; ``under`` as `folders_meant` makes it.

    Raises:
        UsageError: a date or a condition that cannot be read.
    """
    if where is not None:
        _parse(where)
    return Filters(tuple(under), _moment(after), _moment(before), where)


def folders_meant(snapshot: Snapshot, under: str | os.PathLike[str]) -> tuple[bytes, ...]:
    """The folders (or files) that a person means, as rows spell them. A relative one is looked for here and in every
    indexed root.

    Raises:
        UsageError: there is no such folder, and nothing under it is stored.
    """
    name = os.path.expanduser(os.fspath(under))
    if not name:
        raise UsageError("the name of the folder to look under is empty")
    manifest = snapshot.manifest
    # A link is followed before `..` is: the shell and the system read it so.
    tops = [os.path.join(top, name) for top in (os.getcwd(), *manifest.roots)]
    written = list(dict.fromkeys(os.fsencode(os.path.abspath(top)) for top in tops))
    stored = StoredPaths(snapshot, manifest.spaces)
    found = [path for one in written for path in stored.matching(one)]
    if ".." in name.split(os.sep):
        found += [path for top in tops for path in stored.matching(os.fsencode(os.path.realpath(top)))]
    if found:
        return tuple(dict.fromkeys(found))
    if any(os.path.exists(top) for top in tops):
        return tuple(written)
    near = stored.nearest(written)
    hint = f"; did you mean {printable(os.fsdecode(near))}?" if near else ""
    raise UsageError(f"there is no folder {printable(os.fsdecode(written[0]))}, and nothing under it is stored{hint}")


_DATE = re.compile(r"(\d{4})(?:-(\d{1,2}))?")


def _moment(date: str | dt.date | None) -> dt.datetime | None:
    if date is None:
        return None
    if isinstance(date, dt.datetime):
        return date.replace(tzinfo=None)
    if isinstance(date, dt.date):
        return dt.datetime(date.year, date.month, date.day)
    try:
        if match := _DATE.fullmatch(date.strip()):
            return dt.datetime(int(match[1]), int(match[2] or 1), 1)
        return dt.datetime.fromisoformat(date.strip()).replace(tzinfo=None)
    except ValueError:
        raise UsageError(f"{date!r} is no date; write 2023, 2023-05, 2023-05-17 or 2023-05-17T14:30") from None


def _under(rows: Rows, folders: Sequence[bytes]) -> Mask:
    paths = rows.facts(["path"])["path"]
    return any_of([_numpy(under_mask(paths, folder)) for folder in folders])


def _between(rows: Rows, after: dt.datetime | None, before: dt.datetime | None) -> Mask:
    table = rows.facts(["taken_at", "mtime_ns"])
    taken = table["taken_at"].to_numpy().astype("datetime64[us]")
    changed = (table["mtime_ns"].to_numpy() // 1000).astype("datetime64[us]")
    moments = np.where(np.isnat(taken), changed, taken)
    mask = np.ones(len(rows), np.bool_)
    if after:
        mask &= moments >= np.datetime64(after)
    if before:
        mask &= moments < np.datetime64(before)
    return mask


_COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}

_PARSING = threading.Lock()  # CPython 3.11 now and then raises a SystemError where threads parse at once


def _parse(text: str) -> ast.expr:
    """Check the whole condition before any row is read."""
    try:
        with _PARSING:
            tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError):
        raise UsageError(f"cannot read the condition {text!r}", hint=HintKind.WHERE_EXAMPLE) from None
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id not in FACT_NAMES and node.id != "id":
            raise UsageError(f"no column {node.id!r}; there are: id, {', '.join(FACT_NAMES)}")
    return tree


def _where(rows: Rows, text: str) -> Mask:
    tree = _parse(text)
    names = sorted({node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} - {"id"})
    columns: dict[str, Any] = {"id": pa.array(rows.ids)}
    if names:
        table = rows.facts(names)
        columns |= {name: table[name] for name in names}
    try:
        mask = _evaluate(tree, columns)
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise UsageError(f"the condition {text!r} does not fit its columns ({str(error).splitlines()[0]})") from error
    if not isinstance(mask, np.ndarray):
        raise UsageError(f"the condition {text!r} is neither true nor false of a row", hint=HintKind.WHERE_EXAMPLE)
    return mask


def _evaluate(node: ast.expr, columns: dict[str, Any]) -> Any:
    """A mask for a condition, a column for a name, a value for a literal. A missing value makes a condition false."""
    if isinstance(node, ast.BoolOp):
        masks = [_mask(value, columns) for value in node.values]
        return all_of(masks) if isinstance(node.op, ast.And) else any_of(masks)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        return ~_mask(node.operand, columns)
    if isinstance(node, ast.Compare):
        return _compare(node, columns)
    if isinstance(node, ast.Name):
        return columns[node.id]
    try:
        return ast.literal_eval(node)
    except ValueError:
        raise UsageError(f"cannot read {ast.unparse(node)!r} in a condition", hint=HintKind.WHERE_EXAMPLE) from None


def _mask(node: ast.expr, columns: dict[str, Any]) -> Mask:
    value = _evaluate(node, columns)
    if not isinstance(value, np.ndarray):
        raise UsageError(f"{ast.unparse(node)!r} is neither true nor false of a row", hint=HintKind.WHERE_EXAMPLE)
    return value


def _compare(node: ast.Compare, columns: dict[str, Any]) -> Mask:
    import pyarrow.compute as pc

    functions = {
        operator.eq: pc.equal,
        operator.ne: pc.not_equal,
        operator.lt: pc.less,
        operator.le: pc.less_equal,
        operator.gt: pc.greater,
        operator.ge: pc.greater_equal,
    }
    masks = []
    sides = [node.left, *node.comparators]
    for left, op, right in zip(sides, node.ops, sides[1:], strict=False):
        a, b = (_evaluate(side, columns) for side in (left, right))
        if isinstance(op, ast.In | ast.NotIn):
            found = _numpy(pc.is_in(_plain(a), value_set=pa.array(list(b))))
            masks.append(~found if isinstance(op, ast.NotIn) else found)
        elif isinstance(op, ast.Is | ast.IsNot) and b is None:
            masks.append(_numpy(pc.is_null(a) if isinstance(op, ast.Is) else pc.is_valid(a)))
        elif type(op) in _COMPARISONS:
            masks.append(_numpy(functions[_COMPARISONS[type(op)]](_plain(a), _fitting(b, a))))
        else:
            raise UsageError(f"cannot read {ast.unparse(node)!r} in a condition", hint=HintKind.WHERE_EXAMPLE)
    return all_of(masks)


def _plain(column: Any) -> Any:
    """A dictionary column as its words, so that it compares with a word."""
    if isinstance(column, pa.ChunkedArray) and pa.types.is_dictionary(column.type):
        return column.cast(column.type.value_type)
    return column


def _fitting(value: Any, column: Any) -> Any:
    """A literal in the column's type: dates are written as strings, paths as names."""
    if isinstance(value, str) and isinstance(column, pa.ChunkedArray):
        if pa.types.is_timestamp(column.type):
            return pa.scalar(_moment(value), type=column.type)
        if pa.types.is_binary(column.type):
            return pa.scalar(os.fsencode(value))
    return _plain(value)


def _numpy(mask: Any) -> Mask:
    filled = mask.fill_null(False)
    values = filled.to_numpy(zero_copy_only=False) if isinstance(mask, pa.Array) else filled.to_numpy()
    return np.asarray(values, np.bool_)
