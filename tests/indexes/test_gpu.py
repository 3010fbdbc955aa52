"""Exact search by PyTorch gives what exact search gives; on the processor here, on a GPU where there is one."""

from __future__ import annotations

import os
from collections.abc import Callable

import numpy as np
import pytest

from mmsearch.indexes import VectorIndex
from mmsearch.indexes.blocks import as_vectors
from mmsearch.indexes.exact import rescored, search_exact
from mmsearch.indexes.gpu import GpuRows, rows_on_gpu

torch = pytest.importorskip("torch", reason="needs torch")
PROMISED = os.environ.get("MMSEARCH_EXPECT_GPU")  # a machine that should have a GPU says so

MakeRows = Callable[..., np.ndarray]


def device(name: str) -> str:
    if name == "cuda" and not torch.cuda.is_available():
        if PROMISED:
            pytest.fail("$MMSEARCH_EXPECT_GPU promises a GPU, and PyTorch sees none")
        pytest.skip("needs a CUDA device")
    return name


devices = pytest.mark.parametrize("name", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])


@devices
@pytest.mark.parametrize("share", [1.0, 0.6, 0.01, 0.0])
def test_it_finds_what_brute_force_finds(name: str, share: float, unit_rows: MakeRows) -> None:
    vectors, queries = as_vectors(unit_rows(3000, 32)), unit_rows(50, 32, seed=1)
    allowed = None if share == 1 else np.random.default_rng(2).random(3000) < share
    found = GpuRows(vectors, device(name), block=700).nearest(queries, 10, allowed)
    scores, positions = rescored(vectors, queries, found, 10)
    truth = search_exact(vectors, queries, 10, allowed=allowed)
    assert np.allclose(scores, truth[0], atol=1e-6)
    assert np.array_equal(positions, truth[1])


@devices
def test_fewer_rows_than_are_asked_for_and_none_at_all(name: str, unit_rows: MakeRows) -> None:
    few = GpuRows(as_vectors(unit_rows(3, 8)), device(name)).nearest(unit_rows(2, 8), 10)
    assert np.array_equal(np.sort(few[few >= 0].reshape(2, 3), axis=1), [[0, 1, 2]] * 2)
    none = GpuRows(as_vectors(np.empty((0, 8), np.float32)), device(name)).nearest(unit_rows(2, 8), 10)
    assert np.all(none == -1)


def test_an_index_scans_through_it(unit_rows: MakeRows) -> None:
    index = VectorIndex(as_vectors(unit_rows(2000, 16)))
    queries = unit_rows(5, 16, seed=1)
    expected = index.search(queries, 7)
    index._gpu = GpuRows(index.vectors, "cpu")
    scores, ids = index.search(queries, 7)
    assert np.array_equal(ids, expected[1])
    assert np.array_equal(scores, expected[0])


def test_few_rows_are_not_worth_a_gpu(unit_rows: MakeRows) -> None:
    assert rows_on_gpu(as_vectors(unit_rows(100, 16))) is None


@pytest.mark.gpu
def test_many_rows_go_to_the_gpu_by_themselves() -> None:
    device("cuda")
    rows = np.random.default_rng(0).standard_normal((100_000, 512)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    index = VectorIndex(as_vectors(rows))
    assert index.search(rows[:3], 1)[1][:, 0].tolist() == [0, 1, 2]
    assert index._gpu is not None
