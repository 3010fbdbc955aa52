"""Excel: rows as lines, numbers and dates as a person sees them."""

from __future__ import annotations

from types import ModuleType

import pytest

from mmsearch.errors import DecodeError
from mmsearch.retrieval.media.documents import rows as rows_module


def cell(value: object, kind: str = "n", style: int = 0) -> str:
    return f'<c t="{kind}" s="{style}"><v>{value}</v></c>'


def row(*cells: str) -> str:
    return f"<row>{''.join(cells)}</row>"


def test_each_sheet_is_a_page_that_begins_with_its_name(documents: ModuleType) -> None:
    bills = row(cell(0, "s"), cell(1, "s")) + row(cell("oil", "str"), cell("12.5"))
    data = documents.xlsx({"Bills": bills, "Empty": "", "Ships": row(cell(2, "s"))}, ["Item", "Total", "Anna"])
    assert documents.texts_of(data, "a.xlsx") == [(0, "Bills\nItem\tTotal\noil\t12.5"), (2, "Ships\nAnna")]


def test_numbers_and_dates_look_as_in_excel(documents: ModuleType) -> None:
    cells = [cell("0.30000000000000004"), cell("1E3"), cell(44682, style=1), cell("44682.5", style=2), cell(7, style=3)]
    cells += ["<c><f>SUM(A1:A9)</f><v>42</v></c>", cell(1, "b"), cell("#REF!", "e"), cell("2958466000", style=1)]
    data = documents.xlsx({"x": row(*cells)}, formats=[0, 14, 200, 201])
    assert documents.texts_of(data, "a.xlsx") == [
        (0, "x\n0.3\t1000\t2022-05-01\t2022-05-01 12:00:00\t7\t42\t2958466000")
    ]


def test_of_numbers_without_words_only_the_first_rows_are_taken(
    documents: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows_module, "NUMBER_ROWS", 2)
    data = documents.xlsx({"x": "".join(row(cell(i)) for i in range(5)) + row(cell("sum", "str"), cell(10))})
    texts, facts = documents.read(data, "a.xlsx")
    assert texts == [(0, "x\n0\n1\nsum\t10")]
    assert facts.note == "3 rows of numbers alone left out"


def test_a_text_that_is_not_there_is_empty(documents: ModuleType) -> None:
    data = documents.xlsx({"x": row(cell(99, "s"), cell("-1", "s"), cell("oil", "str"))}, ["a"])
    assert documents.texts_of(data, "a.xlsx") == [(0, "x\noil")]


def test_a_workbook_without_sheets_has_a_reason(documents: ModuleType) -> None:
    with pytest.raises(DecodeError, match="there are no sheets in it"):
        documents.read(documents.xlsx({}), "a.xlsx")
