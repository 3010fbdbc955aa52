"""Brute force gives one answer, however the work is cut up."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from mmsearch.indexes.blocks import Vectors
from mmsearch.indexes.exact import search_exact

rng = np.random.default_rng(0)
ROWS = rng.normal(size=(3000, 24))
ROWS = (ROWS / np.linalg.norm(ROWS, axis=1, keepdims=True)).astype(np.float16)
QUERIES = ROWS[:7].astype(np.float32)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 3000), max_size=5).map(sorted), st.integers(1, 4), st.integers(1, 40))
def test_the_answer_does_not_depend_on_blocks_or_threads(cuts: list[int], threads: int, k: int) -> None:
    whole = search_exact(Vectors([ROWS], 24), QUERIES, k, threads=1)
    parts = search_exact(Vectors(np.split(ROWS, cuts), 24), QUERIES, k, threads=threads)
    assert np.array_equal(whole[0], parts[0])
    assert np.array_equal(whole[1], parts[1])


def test_rows_of_equal_score_stand_by_position() -> None:
    rows = np.repeat(ROWS[:3], 50, axis=0)
    _, positions = search_exact(Vectors([rows], 24), ROWS[1:2].astype(np.float32), 50)
    assert positions[0].tolist() == list(range(50, 100))


@given(st.floats(0, 1))
@settings(max_examples=20, deadline=None)
def test_a_filter_gives_what_searching_the_rows_that_it_leaves_gives(share: float) -> None:
    allowed = np.random.default_rng(1).random(len(ROWS)) < share
    scores, positions = search_exact(Vectors([ROWS], 24), QUERIES, 10, allowed=allowed)
    alone_scores, alone = search_exact(Vectors([ROWS[allowed]], 24), QUERIES, 10)
    left = np.flatnonzero(allowed)
    expected = np.where(alone >= 0, left[np.maximum(alone, 0)] if len(left) else -1, -1)
    assert np.array_equal(scores, alone_scores)
    assert np.array_equal(positions, expected)


def test_building_and_searching_an_exact_index_imports_no_faiss() -> None:
    code = (
        "import sys, numpy as np; from mmsearch.indexes import build_index;"
        "build_index(np.eye(8, dtype=np.float32)).search(np.eye(8, dtype=np.float32), 3);"
        "sys.exit('faiss' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
