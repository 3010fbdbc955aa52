"""Files of one group of `find_duplicates` are one hit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from mmsearch import Collection
from mmsearch.path_keys import path_key
from mmsearch.retrieval.search.near_copies import near_copies

NAMES = [f"/pictures/{i}.jpg" for i in range(6)]


@pytest.fixture
def grouped(tmp_path: Path) -> Collection:
    """Six pictures, the nearer to the first axis the smaller their number; 1, 3 and 4 are copies."""
    made = Collection.create(tmp_path / "g.mms", model=None)
    angles = np.arange(6) * 0.1
    ids = made.add(np.stack([np.cos(angles), np.sin(angles)], axis=1), paths=NAMES, modality="image", space="s")
    members = sorted((path_key(NAMES[i]), int(ids[i])) for i in (1, 3, 4))
    made.set_side_tables(
        {
            "duplicates": pa.table(
                {"key": [key for key, _ in members], "id": [row for _, row in members], "group": [7] * 3}
            ),
        }
    )
    return made


def found(collection: Collection, **options: object) -> list[str]:
    return [hit.path for hit in collection.search([1.0, 0.0], space="s", **options)]


def test_copies_are_one_hit_the_best(grouped, monkeypatch):
    monkeypatch.setattr("os.path.exists", lambda path: True)
    hits = grouped.search([1.0, 0.0], space="s")
    assert [hit.path for hit in hits] == [NAMES[0], NAMES[1], NAMES[2], NAMES[5]]
    assert [hit.rank for hit in hits] == [1, 2, 3, 4]
    assert hits[1].copies == (NAMES[3], NAMES[4])


def test_others_come_in_their_place(grouped):
    assert found(grouped, k=4) == [NAMES[0], NAMES[1], NAMES[2], NAMES[5]]
    assert found(grouped, k=2, offset=2) == [NAMES[2], NAMES[5]]


def test_copies_may_be_hits_of_their_own(grouped):
    assert found(grouped, copies=True) == NAMES


def test_a_deleted_file_hides_no_other(grouped):
    grouped.remove([NAMES[1]])
    assert found(grouped) == [NAMES[0], NAMES[2], NAMES[3], NAMES[5]]
    assert NAMES[1] not in grouped.search([1.0, 0.0], space="s")[2].copies


def test_without_a_table_nothing_is_looked_up(grouped):
    grouped.set_side_tables({"duplicates": None})
    assert near_copies(grouped.searcher(grouped.manifest.find_space("s")).snapshot) is None
    assert found(grouped) == NAMES


@pytest.fixture
def crowded(tmp_path: Path) -> Collection:
    """200 pictures that are copies of one another, nearer to the first axis than five others."""
    made = Collection.create(tmp_path / "c.mms", model=None)
    angles = np.concatenate([np.arange(200) * 1e-3, 0.5 + np.arange(5) * 0.1])
    paths = [f"/pictures/{i}.jpg" for i in range(205)]
    ids = made.add(np.stack([np.cos(angles), np.sin(angles)], axis=1), paths=paths, modality="image", space="s")
    members = sorted((path_key(paths[i]), int(ids[i])) for i in range(200))
    keys, rows = zip(*members, strict=True)
    made.set_side_tables({"duplicates": pa.table({"key": list(keys), "id": list(rows), "group": [7] * 200})})
    return made


def test_a_large_group_leaves_as_many_hits_as_there_are_answers(crowded):
    names = [f"/pictures/{i}.jpg" for i in range(200, 205)]
    assert found(crowded, k=4)[1:] == names[:3]
    assert found(crowded, k=2, offset=2) == names[1:3]
    assert found(crowded, k=50)[1:] == names
    several = crowded.search_many([[1.0, 0.0], [0.0, 1.0]], k=4, space="s")
    assert [len(hits) for hits in several] == [4, 4]


def test_rows_are_looked_up_once_where_copies_leave_enough(grouped, crowded, monkeypatch):
    from mmsearch.retrieval.search.searcher import Searcher

    asked: list[int] = []
    find = Searcher.find

    def counted(self, queries, k, *args, **options):
        asked.append(k)
        return find(self, queries, k, *args, **options)

    monkeypatch.setattr(Searcher, "find", counted)
    found(grouped, k=4)
    found(grouped, k=50)
    assert asked == [36, 82]
    asked.clear()
    found(crowded, k=4)
    assert 2 <= len(asked) <= 5
