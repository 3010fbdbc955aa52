"""Which rows are in which part: each is in one, and in no other."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmsearch import Collection, UsageError
from mmsearch.retrieval.store.snapshot import Snapshot
from mmsearch.scale.readers import Part
from mmsearch.scale.readers.part_snapshot import PartSnapshot


@given(rows=st.integers(0, 10**12), count=st.integers(1, 500))
def test_the_parts_of_any_number_of_rows_follow_each_other_and_are_about_equal(rows, count):
    spans = [Part(number, count).span(rows) for number in range(1, count + 1)]
    assert spans[0][0] == 0
    assert spans[-1][1] == rows
    assert all(stop == start for (_, stop), (start, _) in zip(spans, spans[1:], strict=False))
    sizes = [stop - start for start, stop in spans]
    assert max(sizes) - min(sizes) <= 1


def test_a_part_is_written_as_a_person_does():
    assert Part.read(" 3/ 8") == Part(3, 8)
    assert str(Part(3, 8)) == "3/8"
    for wrong in ("0/8", "9/8", "3", "3/", "a/b", "-1/8", "1/0", ""):
        with pytest.raises(UsageError, match="is no part"):
            Part.read(wrong)


@pytest.fixture(scope="module")
def shards(tmp_path_factory) -> Collection:
    """Vectors in shards of several row groups, some of them deleted."""
    made = Collection.create(tmp_path_factory.mktemp("shards") / "c.mms", model=None)
    random = np.random.default_rng(0)
    for count in (5_000, 3, 9_000, 1):
        names = [f"/{made.manifest.next_id + number}" for number in range(count)]
        facts = {"width": list(range(count))}
        made.add(random.standard_normal((count, 3)), paths=names, modality="image", space="s", facts=facts)
    made.add(random.standard_normal((2, 3)), paths=["/a", "/b"], modality="audio", space="s")
    made.remove(["/7", "/5001", "/9000"])
    return made


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_the_rows_of_all_parts_are_those_of_the_collection(shards, count):
    whole = Snapshot(shards.root, shards.manifest)
    parts = [PartSnapshot(shards.root, shards.manifest, Part(number, count)) for number in range(1, count + 1)]
    (space,) = shards.manifest.spaces
    for modality in ("image", "audio"):
        rows = whole.rows(space, modality)
        own = [part.rows(space, modality) for part in parts]
        assert np.array_equal(np.concatenate([one.ids for one in own]), rows.ids)
        assert sum(one.live_count for one in own) == rows.live_count
        blocks = [block for one in own for block in one.vector_blocks]
        assert np.array_equal(np.concatenate(blocks), np.concatenate(rows.vector_blocks))
        facts = [one.facts(["path", "width"]).to_pydict() for one in own if len(one)]
        expected = rows.facts(["path", "width"]).to_pydict()
        assert {name: [value for one in facts for value in one[name]] for name in expected} == expected
    assert sum(part.all_part_rows for part in parts) == 14_006


def test_rows_of_a_part_are_read_by_position_and_by_block(shards):
    (space,) = shards.manifest.spaces
    whole = Snapshot(shards.root, shards.manifest).rows(space, "image")
    start, stop = Part(2, 3).span(len(whole))
    rows = PartSnapshot(shards.root, shards.manifest, Part(2, 3)).rows(space, "image")
    positions = np.array([len(rows) - 1, 0, 4000, 1])
    assert rows.facts_at(positions, ["path"]) == whole.facts_at(positions + start, ["path"])
    assert np.array_equal(rows.vectors_at(positions), whole.vectors_at(positions + start))
    tables = list(rows.live_tables(["width"]))
    expected = whole.live_positions[(whole.live_positions >= start) & (whole.live_positions < stop)]
    widths = [facts["width"] for facts in whole.facts_at(expected, ["width"])]
    assert [width for table in tables for width in table["width"].to_pylist()] == widths


def test_row_groups_outside_a_part_are_never_read(shards, monkeypatch):
    from mmsearch.retrieval.store.shards import Shard

    read: list[tuple[str, int]] = []
    of_group = Shard.facts_of_group

    def noted(shard, group, columns):
        read.append((shard.path.name, group))
        return of_group(shard, group, columns)

    monkeypatch.setattr(Shard, "facts_of_group", noted)
    (space,) = shards.manifest.spaces
    PartSnapshot(shards.root, shards.manifest, Part(1, 7)).rows(space, "image").facts(["path"])
    assert [group for _, group in read] == [0]
