"""Conditions: what the small language takes, and what it says of the rest. Columns of the format: see test_filters."""

from __future__ import annotations

import threading

import numpy as np
import pyarrow as pa
import pytest

from mmsearch.errors import HintKind, UsageError
from mmsearch.retrieval.search.conditions import check_condition, rows_where
from mmsearch.retrieval.store.schema import with_all_columns


class FewRows:
    """Rows of a table, as conditions read them."""

    def __init__(self, **columns: object) -> None:
        self.table = pa.table(columns)
        self.ids = np.arange(1, len(self.table) + 1)
        self.own_types = {field.name: field.type for field in self.table.schema}

    def facts(self, names):
        return with_all_columns(self.table, names)


ROWS = FewRows(
    size=[1, 2, 3, 4],
    colour=["red", "blue", None, "dark red"],
    price=[1.0, 2.5, float("nan"), None],
    sold=[True, False, None, True],
    tags=[["a", "b"], [], None, ["b"]],
    counts=pa.array([[1], [2, 3], [], [None]], pa.list_(pa.int64())),
)


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("size=2", [2]),
        ("size = 2 or size==3", [2, 3]),
        ("colour = 'a=b' or size <= 1", [1]),
        ('colour == "red"', [1]),
        ("colour != 'red'", [2, 4]),
        ("'red' in colour", [1, 4]),
        ("'red' not in colour", [2, 3]),
        ("colour in ('red', 'green')", [1]),
        ("colour in ['red']", [1]),
        ("price in (1, 2.5)", [1, 2]),
        ("size in (1.0, 2)", [1, 2]),
        ("price > 0", [1, 2]),
        ("price is None", [4]),
        ("price is not None", [1, 2, 3]),
        ("sold", [1, 4]),
        ("not sold", [2, 3]),
        ("sold == False", [2]),
        ("sold and size > 1", [4]),
        ("'b' in tags", [1, 4]),
        ("'b' in tags and 'a' not in tags", [4]),
        ("'z' in tags", []),
        ("3 in counts", [2]),
        ("tags is None", [3]),
        ("1 < size < 4", [2, 3]),
        ("size == id", [1, 2, 3, 4]),
        ("`colour` == 'red'", [1]),
        ("`no such` == 3", []),
        ("nothing is None", [1, 2, 3, 4]),
        ("nothing", []),
        ("nothing in (1, 2)", []),
        ("1 in nothing", []),
        ("not nothing > 3", [1, 2, 3, 4]),
    ],
)
def test_conditions_choose_rows(text, ids):
    assert ROWS.ids[rows_where(ROWS, text)].tolist() == ids


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("size == ", "cannot read the condition"),
        ("1 == 1", "names no column"),
        ("size", "'size' is neither true nor false of a row"),
        ("3", "'3' is neither true nor false of a row"),
        ("size + 1 == 2", r"cannot read 'size \+ 1' in a condition"),
        ("f(size == 2)", "is neither true nor false"),
        ("size is 3", "cannot read 'size is 3' in a condition"),
        ("colour > 3", "does not fit its columns"),
        ("3 in size", "does not fit its columns"),
        ("size in 5", "does not fit its columns"),
        ("`size == 2", "cannot read the condition"),
    ],
)
def test_what_cannot_be_read_is_one_clear_line(text, said):
    with pytest.raises(UsageError, match=said) as error:
        rows_where(ROWS, text)
    assert "\n" not in str(error.value)
    if "fit" not in said:
        assert error.value.hint is not None
        assert error.value.hint.kind is HintKind.WHERE_EXAMPLE


def test_an_unknown_column_lists_those_that_there_are_also_the_users_own():
    with pytest.raises(UsageError, match="no column 'wdith'; there are: id, path, .*, colour, unit price$"):
        check_condition("wdith > 3 and colour == 'red'", lambda: ["colour", "unit price"])
    check_condition("`unit price` > 3", lambda: ["unit price"])


def test_the_users_columns_are_not_looked_for_where_the_formats_are_enough():
    def never() -> list[str]:
        raise AssertionError("shards were opened")

    check_condition("width > 3 and id == 2", never)


def test_conditions_are_read_by_many_threads_at_once():
    failures: list[BaseException] = []

    def read() -> None:
        try:
            for _ in range(50):
                rows_where(ROWS, "size > 1 and `colour` = 'red'")
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
