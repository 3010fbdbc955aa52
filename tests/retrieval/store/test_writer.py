"""Commits, tombstones, merges and sweeps: what a reader sees is always one whole manifest."""

from __future__ import annotations

import os
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmsearch import Collection
from mmsearch.errors import SpaceMismatchError
from mmsearch.retrieval.store import writer as writer_module
from mmsearch.retrieval.store.manifest import MANIFEST_NAME, ShardEntry, load_manifest
from mmsearch.retrieval.store.snapshot import Snapshot
from mmsearch.retrieval.store.writer import merges_due, open_writer
from mmsearch.retrieval.upkeep.maintain import compact, merge_small_shards
from mmsearch.types import Space


def live(writer) -> dict[int, str]:
    """Live passages by id, as a fresh reader sees them."""
    found = {}
    snapshot = Snapshot(writer.root, load_manifest(writer.root))
    for key in snapshot.manifest.spaces:
        for modality in snapshot.manifest.modalities(key):
            rows = snapshot.rows(key, modality)
            passages = rows.facts(["passage"])["passage"].to_pylist()
            alive = rows.live if rows.live is not None else np.ones(len(rows), bool)
            found |= {i: p for i, p, a in zip(rows.ids.tolist(), passages, alive, strict=True) if a}
    return found


def age(root, seconds: float = 3600) -> None:
    """Make every file of a collection look old."""
    then = time.time() - seconds
    for path in root.rglob("*"):
        os.utime(path, (then, then))


def files_of(root) -> set[str]:
    return {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}


def test_ids_ascend_over_all_commits_and_are_never_given_twice(writer, rows):
    (first,) = writer.commit([rows(3)])
    writer.commit(delete=first)
    compact(writer)
    (second,) = writer.commit([rows(2)])
    assert first.tolist() == [1, 2, 3]
    assert second.tolist() == [4, 5]


def test_new_rows_appear_and_buried_ones_go_in_one_commit(writer, rows):
    (old,) = writer.commit([rows(2)])
    before = load_manifest(writer.root)
    writer.commit([rows(2, start=10)], delete=old)
    assert writer.manifest.generation == before.generation + 1
    assert sorted(live(writer).values()) == ["text 10", "text 11"]
    assert sorted(live(writer)) == [3, 4]


def test_a_crash_between_shard_and_manifest_leaves_the_last_manifest(writer, rows, monkeypatch):
    writer.commit([rows(3)])
    before = load_manifest(writer.root)

    def crash(*_):
        raise RuntimeError("power cut")

    monkeypatch.setattr(writer_module, "save_manifest", crash)
    with pytest.raises(RuntimeError):
        writer.commit([rows(5, start=3)], delete=[1])
    assert load_manifest(writer.root) == before == writer.manifest
    assert len(live(writer)) == 3
    unnamed = files_of(writer.root) - before.files() - {MANIFEST_NAME, "lock"}
    assert len(unnamed) == 3, "a shard, tombstones and their copy"
    monkeypatch.undo()
    writer.commit([rows(1, start=3)])
    assert len(live(writer)) == 4


def test_a_sweep_removes_old_files_that_no_manifest_names_and_no_others(writer, rows):
    writer.commit([rows(3)])
    stray = [
        writer.root / writer.manifest.shards[0].path.replace(".parquet", "x.parquet"),
        writer.root / "indexes" / "space" / "image" / "000001-abc.faiss",
        writer.root / "dead" / "000002-abc.parquet",
        writer.root / f".{MANIFEST_NAME}.0a1b2c3d",
    ]
    mine = writer.root / "my notes.txt"
    for path in (*stray, mine):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"left behind")
    writer.sweep()
    assert all(path.exists() for path in stray), "a reader may still hold the manifest that named them"
    age(writer.root)
    with open_writer(writer.root):
        pass
    assert not any(path.exists() for path in stray)
    assert mine.exists()
    assert len(live(writer)) == 3


def entry(rows: int, first: int) -> ShardEntry:
    return ShardEntry(f"{first}.parquet", "s", "text", rows, first, first + rows - 1, 1, "")


def shards(*sizes: int) -> list[ShardEntry]:
    starts = np.cumsum([1, *sizes])
    return [entry(size, int(start)) for size, start in zip(sizes, starts, strict=False)]


@pytest.mark.parametrize(
    ("sizes", "merged"),
    [
        ([], []),
        ([10] * 7, []),
        ([10] * 8, [8]),
        ([10] * 17, [8, 8]),
        ([10] * 4 + [100_000] + [10] * 4, []),
        ([100_000] + [10] * 8, [8]),
        ([600] * 8, [8]),
        ([1, 63, 64, 65, 100, 200, 300, 511], [8]),
        ([200_000_000] * 8, []),
    ],
)
def test_eight_neighbours_of_one_size_class_are_due_for_a_merge(sizes, merged):
    assert [len(due) for due in merges_due(shards(*sizes))] == merged


def test_large_shards_are_left_alone_and_large_segments_are_not():
    large = shards(*[2_200_000] * 8)
    assert merges_due(large, writer_module.LARGEST_SHARD_CLASS) == []
    assert [len(due) for due in merges_due(large)] == [8]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 5000), max_size=60))
def test_merges_take_neighbours_and_leave_few_shards(sizes):
    entries = shards(*sizes)
    for _ in range(100):
        due = merges_due(entries)
        if not due:
            break
        for group in due:
            assert all(a.max_id + 1 == b.min_id for a, b in zip(group, group[1:], strict=False))
            at = entries.index(group[0])
            entries[at : at + len(group)] = [entry(sum(e.rows for e in group), group[0].min_id)]
    assert not merges_due(entries)
    assert sum(e.rows for e in entries) == sum(sizes)


def test_a_merge_keeps_every_live_row_and_drops_the_dead(writer, rows):
    for start in range(0, 80, 10):
        writer.commit([rows(10, start=start)])
    writer.commit(delete=[1, 15, 80])
    before = live(writer)
    vectors = {i: rows(10, start=(i - 1) // 10 * 10).vectors[(i - 1) % 10] for i in before}
    merge_small_shards(writer, writer.manifest.primary_space or next(iter(writer.manifest.spaces)), "text")
    (merged,) = writer.manifest.shards
    assert merged.rows == 77
    assert live(writer) == before
    fresh = Snapshot(writer.root, writer.manifest).rows(merged.space, "text")
    for position, row_id in enumerate(fresh.ids.tolist()):
        np.testing.assert_array_equal(fresh.vectors_at(np.array([position]))[0], vectors[row_id])


def test_shards_of_two_spaces_are_not_merged(writer, rows):
    other = Space("other", "weights", "processing", 32)
    writer.commit([rows(3), rows(3, start=3, space=other)])
    one, two = writer.manifest.shards
    with pytest.raises(SpaceMismatchError) as error:
        writer.merge([one, two], np.empty(0, np.int64))
    assert one.space in str(error.value)
    assert two.space in str(error.value)


def test_compacting_leaves_one_shard_for_each_modality_and_no_tombstones(writer, rows):
    for start in range(0, 30, 10):
        writer.commit([rows(10, start=start), rows(2, start=100 + start, modality="image")])
    writer.commit(delete=[1, 2, 3])
    before = live(writer)
    compact(writer)
    assert sorted(e.modality for e in writer.manifest.shards) == ["image", "text"]
    assert writer.manifest.tombstones == ()
    assert live(writer) == before


def test_compacting_a_modality_without_live_rows_leaves_nothing_of_it(writer, rows):
    (ids,) = writer.commit([rows(4)])
    writer.commit(delete=ids)
    compact(writer)
    assert writer.manifest.shards == ()
    assert live(writer) == {}


def test_a_reader_keeps_its_snapshot_while_a_writer_compacts_and_sweeps(photos, collection, monkeypatch):
    monkeypatch.setattr(writer_module, "SWEEP_AFTER_S", 0.0)
    reader = Collection.open(collection.root)
    before = reader.search("a red disc", k=20)
    late = Collection.open(collection.root)  # has not opened a shard when its files go
    (photos / "disc.png").unlink()
    (photos / "new.txt").write_text("Something new.")
    collection.index([photos], workers=1)
    collection.compact()
    age(collection.root)
    collection.compact()  # sweeps
    assert files_of(collection.root) == collection.manifest.files() | {MANIFEST_NAME, "lock"}
    assert [(h.id, h.score) for h in reader.search("a red disc", k=20)] == [(h.id, h.score) for h in before]
    assert reader.reopen()
    assert not reader.reopen()
    assert "new.txt" in {os.path.basename(h.path) for h in reader.search("something new", k=20)}
    assert "new.txt" in {os.path.basename(h.path) for h in late.search("something new", k=20)}
