"""Inverted lists of files, merged in ranges: the same rows, ids and codes, however they are cut, or a clear refusal."""

from __future__ import annotations

from pathlib import Path

import faiss
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmsearch.durable import durable_file
from mmsearch.errors import CollectionDamagedError
from mmsearch.indexes import ApproximateIndex, RowsOfFile, TrainedIndex
from mmsearch.indexes.faiss.factory import ivf_of
from mmsearch.indexes.faiss.list_files import ListFiles
from mmsearch.indexes.plan import plan_index
from mmsearch.indexes.vectors import as_stored_vectors

DIM, LISTS, ROWS = 16, 6, 900
NONE = np.empty(0, np.int64)
FACTORIES = [f"QW,IVF{LISTS},PQ8x4fsr", f"QW,IVF{LISTS}(IVF3,Flat),PQ8x4fsr", f"IVF{LISTS},PQ4x4fs"]
ARRAYS = [f"IVF{LISTS},SQ8", f"IVF{LISTS}(IVF3,Flat),RaBitQ", f"IVF{LISTS},PQ8x4"]

Lists = list[list[tuple[int, bytes]]]
"""Ids and codes of the rows in each list."""


class Files:
    """An index trained on 900 rows, and files with some of them."""

    def __init__(self, factory: str, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self.folder, self.factory = folder, factory
        rng = np.random.default_rng(0)
        rows = rng.normal(size=(ROWS, DIM)).astype(np.float32)
        self.rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float16)
        plan = plan_index(ROWS, DIM, requested=factory)
        self.trained = TrainedIndex.train(self.rows.astype(np.float32), plan, threads=1)
        self.list_files = self.trained.list_files

    def segment(self, numbers: np.ndarray) -> Path:
        """A segment of the rows with these numbers, which are their ids."""
        path = self.folder / f"{len(list(self.folder.iterdir()))}.faiss"
        self.trained.encode(as_stored_vectors(self.rows[numbers]), numbers, threads=1).save(path)
        return path

    def merged(self, files: list[RowsOfFile], dead: np.ndarray, cuts: list[int]) -> Path:
        """The files merged in ranges that end at ``cuts``."""
        bounds = [0, *cuts, LISTS]
        ranges = [self.folder / f"range{number}" for number in range(len(bounds) - 1)]
        for path, first, last in zip(ranges, bounds, bounds[1:], strict=False):
            self.list_files.merge(files, first, last, dead, path)
        target = self.folder / "merged.faiss"
        with durable_file(target) as sink:
            count = self.list_files.join(ranges, sink, whole=False)
        assert count == self.list_files.count(ranges)
        return target

    def lists(self, path: Path) -> Lists:
        """What FAISS reads in a file; the codes of fast scan one by one."""
        segment = self.trained.read(path)
        inverted = faiss.downcast_InvertedLists(segment.inverted_file.invlists)
        found: Lists = []
        for number in range(LISTS):
            size = inverted.list_size(number)
            ids = faiss.rev_swig_ptr(inverted.get_ids(number), size).tolist() if size else []
            if isinstance(inverted, faiss.BlockInvertedLists):
                blocks = -(-size // inverted.n_per_block)
                data = faiss.rev_swig_ptr(inverted.get_codes(number), blocks * inverted.block_size) if size else NONE
                woven = data.reshape(blocks, inverted.block_size)
                codes = [inverted.packer.unpack_1(woven, row).tobytes() for row in range(size)]
            else:
                flat = faiss.rev_swig_ptr(inverted.get_codes(number), size * inverted.code_size) if size else NONE
                codes = [code.tobytes() for code in flat.reshape(size, inverted.code_size)]
            found.append(list(zip(ids, codes, strict=True)))
        return found


@pytest.fixture(scope="module", params=FACTORIES + ARRAYS)
def files(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Files:
    return Files(request.param, tmp_path_factory.mktemp("lists"))


@given(data=st.data())
@settings(max_examples=12, deadline=None)
def test_merged_lists_are_the_lists_of_the_files_end_to_end_without_the_dead(files: Files, data: st.DataObject) -> None:
    """Whatever the files hold, whichever rows are dead, and wherever the ranges are cut."""
    cuts = sorted(data.draw(st.sets(st.integers(1, LISTS - 1)), label="cuts"))
    stops = sorted({0, ROWS, *data.draw(st.sets(st.integers(0, ROWS), max_size=3), label="stops")})
    paths = [files.segment(np.arange(first, stop)) for first, stop in zip(stops, stops[1:], strict=False)]
    dead = np.array(sorted(data.draw(st.sets(st.integers(0, ROWS - 1)), label="dead")), np.int64)
    merged = files.lists(files.merged([RowsOfFile(path) for path in paths], dead, cuts))
    parts = [files.lists(path) for path in paths]
    gone = set(dead.tolist())
    for number in range(LISTS):
        expected = [row for part in parts for row in part[number] if row[0] not in gone]
        assert merged[number] == expected


def test_the_cuts_leave_no_trace_in_the_file(files: Files) -> None:
    segments = [RowsOfFile(files.segment(np.arange(0, 500))), RowsOfFile(files.segment(np.arange(500, ROWS)))]
    at_once = files.merged(segments, NONE, []).read_bytes()
    assert files.merged(segments, NONE, [1, 2, 5]).read_bytes() == at_once


def test_ids_are_shifted_file_by_file(files: Files) -> None:
    """A worker numbers the rows of its part from 0; whoever gathers the parts says what their ids are."""
    part = files.segment(np.arange(100))
    merged = files.merged([RowsOfFile(part, 1000), RowsOfFile(part, 5000)], np.array([7]), [3])
    ids = sorted(row[0] for rows in files.lists(merged) for row in rows)
    kept = [number for number in range(100) if number != 7]
    assert ids == [number + 1000 for number in kept] + [number + 5000 for number in kept]


def test_a_whole_index_and_its_segments_become_a_whole_index(files: Files, tmp_path: Path) -> None:
    first = ApproximateIndex(faiss.clone_index(files.trained.faiss_index))
    first.add(as_stored_vectors(files.rows[:500]), np.arange(500), 0, threads=1)
    first.save(tmp_path / "first.faiss")
    later = files.segment(np.arange(500, ROWS))
    files.list_files.merge([RowsOfFile(tmp_path / "first.faiss"), RowsOfFile(later)], 0, LISTS, NONE, tmp_path / "all")
    with durable_file(tmp_path / "whole.faiss") as sink:
        assert files.list_files.join([tmp_path / "all"], sink, whole=True) == ROWS
    whole = ApproximateIndex.load(tmp_path / "whole.faiss")
    assert len(whole) == whole.list_sizes.sum() == ROWS


def test_lists_that_fill_their_blocks_grow_by_merging(tmp_path: Path) -> None:
    """FAISS 1.15.1 writes past the end of such a list: 256 rows of 8 bytes, or 2,048 of 64."""
    made = Files("IVF1,PQ16x4fsr", tmp_path / "full")
    ivf = ivf_of(made.trained.faiss_index)
    block = faiss.downcast_InvertedLists(ivf.invlists).block_size
    paths = [made.segment(np.arange(block)), made.segment(np.arange(block, block + 10))]
    target, lists = tmp_path / "merged.faiss", made.list_files
    lists.merge([RowsOfFile(path) for path in paths], 0, 1, NONE, tmp_path / "range")
    with durable_file(target) as sink:
        assert lists.join([tmp_path / "range"], sink, whole=False) == block + 10
    at_once = made.segment(np.arange(block + 10))
    assert target.read_bytes() == at_once.read_bytes()


@pytest.mark.parametrize("harm", ["cut", "another index", "no index"])
def test_a_file_that_does_not_fit_is_named(files: Files, tmp_path: Path, harm: str) -> None:
    path = tmp_path / "bad.faiss"
    good = files.segment(np.arange(100)).read_bytes()
    other = Files(files.factory.replace(f"IVF{LISTS}", "IVF5"), tmp_path / "other").segment(np.arange(50)).read_bytes()
    path.write_bytes({"cut": good[:-40], "another index": other, "no index": b"no index" * 9}[harm])
    with pytest.raises(CollectionDamagedError, match=r"bad\.faiss"):
        files.list_files.merge([RowsOfFile(path)], 0, LISTS, NONE, tmp_path / "range")
    assert not (tmp_path / "range").exists()


def test_codes_whose_layout_is_not_known_are_left_alone() -> None:
    index = faiss.index_factory(DIM, f"IVF{LISTS},RaBitQfs", faiss.METRIC_INNER_PRODUCT)
    assert not ListFiles(index).can_be_merged
