"""The side table of changed facts: laid over rows, joined with later changes, read again."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from mmsearch.errors import CollectionDamagedError
from mmsearch.retrieval.store.fact_updates import NO_UPDATES, FactUpdates, find_updates, read_update_file, write_updates

IDS = np.array([2, 3, 5, 8], np.int64)


def updates(ids: list[int], **columns: object) -> FactUpdates:
    return FactUpdates(np.array(ids, np.int64), pa.table(columns))


def laid_over(changes: FactUpdates) -> dict[str, list[object]]:
    rows = pa.table({"path": list("abcd"), "price": [1, None, 3, 4], "colour": pa.array(list("rgby"))})
    return changes.applied_to(IDS, rows).to_pydict()


def test_changed_rows_are_laid_over_and_others_stay():
    changes = updates([1, 3, 8, 9], price=[10, 30, None, 90], other=["w", "x", "y", "z"])
    assert laid_over(changes) == {"path": list("abcd"), "price": [1, 30, 3, None], "colour": list("rgby")}
    assert laid_over(NO_UPDATES)["price"] == [1, None, 3, 4]
    assert laid_over(updates([1, 4, 9], price=[1, 1, 1]))["price"] == [1, None, 3, 4]


def test_words_of_a_dictionary_are_laid_over():
    words = pa.table({"taken_from": pa.array(["exif", "xmp", "name", None]).dictionary_encode()})
    changes = FactUpdates(np.array([3, 8]), pa.table({"taken_from": pa.array([None, "png"]).dictionary_encode()}))
    assert changes.applied_to(IDS, words)["taken_from"].to_pylist() == ["exif", None, "name", "png"]


def test_rows_are_found_by_id():
    changes = updates([3, 8], price=[30, None])
    assert changes.row(3, ["price", "nothing"]) == {"price": 30}
    assert changes.row(8, ["price"]) == {"price": None}
    assert changes.row(5, ["price"]) == changes.row(9, ["price"]) == NO_UPDATES.row(3, ["price"]) == {}
    assert changes.touches(IDS)
    assert not changes.touches(np.array([4, 9]))
    assert not changes.touches(np.empty(0, np.int64))
    assert not NO_UPDATES.touches(IDS)


def test_of_two_changes_of_a_row_the_later_counts_with_all_its_columns():
    first = updates([2, 3, 9], price=[1, 2, 3], colour=["r", "g", "b"])
    later = updates([1, 3], price=[0.5, 2.5], kind=["s", None])
    both = first.followed_by(later)
    assert both.ids.tolist() == [1, 2, 3, 9]
    assert both.table.to_pydict() == {
        "price": [0.5, 1.0, 2.5, 3.0],
        "colour": [None, "r", None, "b"],
        "kind": ["s", None, None, None],
    }


def test_a_file_of_changes_is_read_again_and_a_damaged_one_is_told(tmp_path):
    (tmp_path / "facts").mkdir()
    changes = updates([3, 8], price=[30, None], tags=[["a"], []])
    entry = write_updates(tmp_path, "facts/000001-aa.parquet", changes)
    again = read_update_file(tmp_path / entry.path)
    assert again.ids.tolist() == [3, 8]
    assert again.table.to_pydict() == changes.table.to_pydict()
    later = write_updates(tmp_path, "facts/000012-bb.parquet", changes)
    cut = tmp_path / "facts/000013-cc.parquet"
    cut.write_bytes((tmp_path / entry.path).read_bytes()[:-20])
    assert find_updates(tmp_path) == (entry, later), "the oldest first"
    with pytest.raises(CollectionDamagedError, match="is damaged"):
        read_update_file(cut)
    with pytest.raises(FileNotFoundError):
        read_update_file(tmp_path / "facts/nothing.parquet")
