"""The labels and groups of rows, as conditions ask for them: ``tag = 'dog'``, ``group = 'g7'``.

`mmsearch.library.tag` and `mmsearch.library.find_groups` give them.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mmsearch.errors import Hint, HintKind, UsageError
from mmsearch.retrieval.search.masks import Mask, any_of

if TYPE_CHECKING:
    import pyarrow as pa

    from mmsearch.retrieval.store.snapshot import Snapshot

TAG, GROUP = "tag", "group"
"""The names by which conditions ask for labels and groups; a column of a user's own of that name goes first."""

_TABLE, _METADATA = "tags", b"mmsearch.tags"
_GROUPS_TABLE, _GROUP_FACTS_TABLE = "groups", "group-facts"


class RowTags:
    """The labels of rows. A row has any number of them, also none."""

    example = "tag = 'dog'"

    def __init__(self, table: pa.Table) -> None:
        labels = table["label"].unify_dictionaries().combine_chunks()
        self._names: list[str] = labels.dictionary.to_pylist()
        self._codes: NDArray[np.int32] = labels.indices.to_numpy()
        self._ids: NDArray[np.int64] = table["id"].to_numpy()
        self._metadata = (table.schema.metadata or {}).get(_METADATA)

    def check(self, tree: ast.expr) -> None:
        """Check the labels that a condition names.

        Raises:
            UsageError: there is no such label.
        """
        for label in _labels_in(tree, TAG):
            if label in self._names or label in (known := self._all_names()):
                continue
            import difflib

            near = difflib.get_close_matches(label, known, 3)
            way = f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
            raise UsageError(f"there is no label {label!r}{way}", hint=Hint(HintKind.TAG, label))

    def fulfilling(self, operator: ast.cmpop, value: object, ids: NDArray[np.int64]) -> Mask | None:
        """Which rows (ids, ascending) fulfil a comparison of their labels with a literal; None if it cannot be read.

        ``=``, ``!=``, ``in`` and ``not in``, with a label or several, say whether a row has a label. ``is None`` says
        that it has none at all.
        """
        several = list(value) if isinstance(value, tuple | list | set) else [value]
        if value is None and isinstance(operator, ast.Is | ast.IsNot | ast.Eq | ast.NotEq):
            found = ~self._among(self._ids, ids)
        elif several and all(isinstance(label, str) for label in several):
            found = any_of([self._having(str(label), ids) for label in several])
        else:
            return None
        if isinstance(operator, ast.Eq | ast.In | ast.Is):
            return found
        return ~found if isinstance(operator, ast.NotEq | ast.NotIn | ast.IsNot) else None

    def _having(self, label: str, ids: NDArray[np.int64]) -> Mask:
        if label not in self._names:
            return np.zeros(len(ids), np.bool_)
        return self._among(self._ids[self._codes == self._names.index(label)], ids)

    @staticmethod
    def _among(some: NDArray[np.int64], ids: NDArray[np.int64]) -> Mask:
        mask = np.zeros(len(ids), np.bool_)
        places = np.searchsorted(ids, some)
        inside = places < len(ids)
        places, some = places[inside], some[inside]
        mask[places[ids[places] == some]] = True
        return mask

    def _all_names(self) -> list[str]:
        """All labels that were looked for, also those that no row has."""
        data = json.loads(self._metadata)["vocabularies"] if self._metadata else {}
        return list(dict.fromkeys([*self._names, *(label[0] for one in data.values() for label in one["labels"])]))


class RowGroups(RowTags):
    """The groups of rows by their ids. A row has one for each way in which files were grouped, or none."""

    example = "group = 'g7'"

    def __init__(self, rows: pa.Table, facts: pa.Table) -> None:
        numbers: NDArray[np.int32] = rows["group"].to_numpy()
        known, codes = np.unique(numbers, return_inverse=True)
        self._codes = codes.astype(np.int32)
        self._names = [f"g{number}" for number in known.tolist()]
        self._ids = rows["id"].to_numpy()
        self._known = {f"g{number}" for number in facts["group"].to_pylist()}

    def check(self, tree: ast.expr) -> None:
        """Check the groups that a condition names.

        Raises:
            UsageError: there is no such group.
        """
        for group in _labels_in(tree, GROUP):
            if group not in self._known:
                raise UsageError(f"there is no group {group!r}", hint=HintKind.GROUPS)


def read_row_labels(snapshot: Snapshot, name: str) -> RowTags:
    """The labels (``tag``) or groups (``group``) of a collection's rows.

    Raises:
        UsageError: no row was ever given any.
    """
    if name == GROUP:
        rows, facts = (snapshot.side_table(table) for table in (_GROUPS_TABLE, _GROUP_FACTS_TABLE))
        if rows is None or facts is None:
            raise UsageError("nothing was grouped yet", hint=HintKind.GROUPS)
        return RowGroups(rows, facts)
    table = snapshot.side_table(_TABLE)
    if table is None:
        raise UsageError("no labels were given yet", hint=HintKind.TAG)
    return RowTags(table)


def _labels_in(tree: ast.expr, name: str) -> Iterator[str]:
    """The texts that a condition compares ``name`` with."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            if any(isinstance(side, ast.Name) and side.id == name for side in sides):
                for part in (inner for side in sides for inner in ast.walk(side)):
                    if isinstance(part, ast.Constant) and isinstance(part.value, str):
                        yield part.value
