"""Filters: which rows may answer."""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path

import numpy as np
import pytest

from mmsearch import Collection
from mmsearch.errors import UsageError
from mmsearch.retrieval.search.filters import make_filters

TAKEN = [None, dt.datetime(2022, 12, 31, 23, 59), dt.datetime(2023, 1, 1), dt.datetime(2023, 5, 17, 14, 30), None, None]
WIDTHS = [None, 640, 1000, 1001, 4000, 4000]
NOTES = [None, None, None, None, "truncated", "other"]
MTIMES = ["2020-02-02", "2024-01-01", "2024-01-01", "2024-01-01", "2021-06-01T12:00", "2023-05-17"]


@pytest.fixture(scope="module")
def dated(tmp_path_factory: pytest.TempPathFactory) -> Collection:
    """Six vectors with dates, widths and notes; number i lies in folder ``a`` or ``b`` by turns."""
    root = tmp_path_factory.mktemp("dated")
    files = [root / "ab"[i % 2] / "x" / f"{i}.jpg" for i in range(6)]
    for file, moment in zip(files, MTIMES, strict=True):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
        seconds = dt.datetime.fromisoformat(moment).replace(tzinfo=dt.UTC).timestamp()
        os.utime(file, (seconds, seconds))
    made = Collection.create(root / "c.mms", model=None)
    made.add(
        np.random.default_rng(0).standard_normal((6, 8)),
        paths=files,
        modality="image",
        space="elsewhere",
        facts={"taken_at": TAKEN, "width": WIDTHS, "note": NOTES},
    )
    return made


def numbers(collection: Collection, **filters) -> list[int]:
    hits = collection.search(np.ones(8), k=6, **filters)
    return sorted(int(Path(hit.path).stem) for hit in hits)


def test_without_filters_all_answer(dated):
    assert numbers(dated) == [0, 1, 2, 3, 4, 5]


def test_under_takes_a_folder_and_not_names_that_merely_begin_so(dated, tmp_path):
    folder = dated.root.parent
    assert numbers(dated, under=folder / "a") == [0, 2, 4]
    assert numbers(dated, under=str(folder / "b") + "/") == [1, 3, 5]
    assert numbers(dated, under=folder / "a" / "x" / "2.jpg") == [2]
    assert numbers(dated, under=tmp_path) == []


@pytest.mark.parametrize("name", ["a\0b", "a\ud800b"])
def test_what_no_folder_can_be_called_is_said(dated, name):
    with pytest.raises(UsageError, match="can be the name of no folder"):
        dated.count(under=name)


def test_a_relative_under_is_looked_for_here_and_below_every_root(gallery, monkeypatch):
    (root,) = gallery.manifest.roots
    monkeypatch.chdir(Path(root).parent)
    assert len(gallery.search("x", k=20, under="photos")) == 10
    assert len(gallery.search("x", k=20, under="bread.md")) == 1


@pytest.mark.parametrize(
    ("filters", "left"),
    [
        ({"after": "2023"}, [2, 3, 5]),
        ({"before": "2023"}, [0, 1, 4]),
        ({"after": "2023", "before": "2023-05"}, [2]),
        ({"after": "2023-05-17"}, [3, 5]),
        ({"after": "2023-05-17T14:31"}, []),
        ({"after": dt.date(2023, 5, 17), "before": dt.datetime(2023, 5, 17, 14, 31)}, [3, 5]),
        ({"before": "2021"}, [0]),
    ],
)
def test_dates_are_those_of_the_shot_or_else_of_the_last_change(dated, filters, left):
    assert numbers(dated, **filters) == left


@pytest.mark.parametrize(
    ("where", "left"),
    [
        ("width > 1000", [3, 4, 5]),
        ("1000 >= width", [1, 2]),
        ("640 < width <= 1001", [2, 3]),
        ("width == 4000 and note == 'truncated'", [4]),
        ("width == 4000 and not note == 'truncated'", [5]),
        ("note is None", [0, 1, 2, 3]),
        ("note is not None", [4, 5]),
        ("width in (640, 1000)", [1, 2]),
        ("width not in (640, 1000) and width is not None", [3, 4, 5]),
        ("taken_at >= '2023-01'", [2, 3]),
        ("modality == 'image'", [0, 1, 2, 3, 4, 5]),
        ("modality != 'image'", []),
        ("id <= 2 or width == 1001", [0, 1, 3]),
        ("note > 'p'", [4]),
        ("width = 1000", [2]),
    ],
)
def test_where_compares_the_columns_of_a_shard(dated, where, left):
    assert numbers(dated, where=where) == left


def test_where_compares_a_path_with_a_name(dated):
    name = str(dated.root.parent / "a" / "x" / "2.jpg")
    assert numbers(dated, where=f"path == {name!r}") == [2]


def test_all_filters_hold_at_once(dated):
    assert numbers(dated, under=dated.root.parent / "b", after="2023", where="width > 1000") == [3, 5]


@pytest.mark.parametrize(
    "where",
    [
        "",
        "width >",
        "wdith > 3",
        "width",
        "3",
        "width > 'wide'",
        "__import__('os').system('true')",
        "width + 1 > 3",
        "note.upper() == 'X'",
        "[x for x in width]",
        "width in 5",
        "lambda: 1",
        "(" * 300 + "width > 1" + ")" * 300,
    ],
)
def test_a_condition_that_cannot_be_read_is_one_clear_line(dated, where):
    with pytest.raises(UsageError) as error:
        numbers(dated, where=where)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("date", ["yesterday", "2023-13", "2023-02-30", "", "20"])
def test_a_date_that_is_none_says_how_to_write_one(date):
    with pytest.raises(UsageError, match="is no date; write 2023, 2023-05"):
        make_filters(after=date)
