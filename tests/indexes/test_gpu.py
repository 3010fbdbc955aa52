"""Scans by PyTorch find what brute force finds, and an index built on a GPU is the one that is built without.

What needs a GPU is skipped where there is none, and fails where one is promised: ``MMSEARCH_EXPECT_GPU=torch,faiss``.
"""

from __future__ import annotations

from collections.abc import Callable

import faiss
import numpy as np
import pytest

from mmsearch.indexes import VectorIndex, build_index, gpu
from mmsearch.indexes.exact import rescore, search_exact
from mmsearch.indexes.faiss import encoding
from mmsearch.indexes.faiss.factory import ivf_of
from mmsearch.indexes.gpu import GpuRows, rows_on_gpu
from mmsearch.indexes.vectors import StoredVectors, as_stored_vectors

torch = pytest.importorskip("torch", reason="needs torch")

MakeRows = Callable[..., np.ndarray]

devices = pytest.mark.parametrize("name", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu("torch"))])


@devices
@pytest.mark.parametrize("share", [1.0, 0.6, 0.01, 0.0])
def test_it_finds_what_brute_force_finds(
    name: str, share: float, unit_rows: MakeRows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu, "_BLOCK_PRODUCTS", 50 * 700)  # so that there are several blocks
    monkeypatch.setattr(gpu, "_STAGED_ROWS", 999)
    vectors, queries = as_stored_vectors(unit_rows(3000, 32)), unit_rows(50, 32, seed=1)
    allowed = None if share == 1 else np.random.default_rng(2).random(3000) < share
    found = GpuRows(vectors, name).nearest(queries, 10, allowed)
    assert found is not None
    scores, positions = rescore(vectors, queries, found, 10)
    truth = search_exact(vectors, queries, 10, allowed=allowed)
    assert np.allclose(scores, truth[0], atol=1e-6)
    assert np.array_equal(positions, truth[1])


@devices
def test_more_queries_than_are_compared_at_a_time(
    name: str, unit_rows: MakeRows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu, "_QUERY_BATCH", 16)
    vectors, queries = as_stored_vectors(unit_rows(500, 32)), unit_rows(50, 32, seed=1)
    found = GpuRows(vectors, name).nearest(queries, 10)
    assert found is not None
    assert np.array_equal(rescore(vectors, queries, found, 10)[1], search_exact(vectors, queries, 10)[1])


@devices
def test_fewer_rows_than_are_asked_for_and_none_at_all(name: str, unit_rows: MakeRows) -> None:
    few = GpuRows(as_stored_vectors(unit_rows(3, 8)), name).nearest(unit_rows(2, 8), 10)
    assert few is not None
    assert np.array_equal(np.sort(few[few >= 0].reshape(2, 3), axis=1), [[0, 1, 2]] * 2)
    none = GpuRows(as_stored_vectors(np.empty((0, 8), np.float32)), name).nearest(unit_rows(2, 8), 10)
    assert none is not None
    assert np.all(none == -1)


def nearly_equal(rows: int, dim: int = 64) -> StoredVectors:
    """Rows at about the same small distance from one point: their products with it differ in the fifth decimal."""
    around = np.random.default_rng(0).normal(size=(rows, dim)) * 0.0001
    around[:, 0] = 1
    return as_stored_vectors((around / np.linalg.norm(around, axis=1, keepdims=True)).astype(np.float32))


@devices
def test_rows_that_half_precision_cannot_tell_apart_stand_in_the_right_order(name: str) -> None:
    vectors = nearly_equal(2000)
    query = vectors.take_float32(np.array([7])) + 0.02
    query /= np.linalg.norm(query)
    found = GpuRows(vectors, name).nearest(query, 10)
    assert found is not None
    assert found.shape[1] > 42  # it looked further, for the 42nd might have been among the first
    assert np.array_equal(rescore(vectors, query, found, 10)[1], search_exact(vectors, query, 10)[1])


@devices
def test_more_equal_rows_than_it_looks_at_are_left_to_the_processor(name: str) -> None:
    rows = np.zeros((6000, 8), np.float32)
    rows[:, 0] = 1
    index = VectorIndex(as_stored_vectors(rows))
    index._gpu = GpuRows(index.vectors, name)
    assert index._gpu.nearest(rows[:2], 10) is None
    assert index.search(rows[:2], 10)[1].tolist() == [list(range(10))] * 2


def test_an_index_scans_through_it(unit_rows: MakeRows) -> None:
    index = VectorIndex(as_stored_vectors(unit_rows(2000, 16)))
    queries = unit_rows(5, 16, seed=1)
    expected = index.search(queries, 7)
    index._gpu = GpuRows(index.vectors, "cpu")
    scores, ids = index.search(queries, 7)
    assert np.array_equal(ids, expected[1])
    assert np.array_equal(scores, expected[0])


def test_few_rows_are_not_worth_a_gpu(unit_rows: MakeRows, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "_MIN_VALUES", 20_000)
    assert rows_on_gpu(as_stored_vectors(unit_rows(100, 16))) is None
    index = faiss.IndexFlatIP(16)
    monkeypatch.setattr(gpu, "_MIN_PRODUCTS", 1000)
    assert gpu.flat_on_gpu(index, 999) is index


@pytest.mark.gpu("torch")
def test_many_rows_go_to_the_gpu_by_themselves() -> None:
    rows = np.random.default_rng(0).standard_normal((100_000, 512)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    index = VectorIndex(as_stored_vectors(rows))
    assert index.search(rows[:3], 1)[1][:, 0].tolist() == [0, 1, 2]
    assert index._gpu is not None


@pytest.mark.gpu("faiss")
@pytest.mark.parametrize("factory", ["QW,IVF64,PQ16x4fsr", "IVF64,SQ8"])
def test_faiss_on_a_gpu_puts_rows_into_the_lists_that_it_does_without(
    factory: str, unit_rows: MakeRows, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, queries = unit_rows(5000, 64), unit_rows(50, 64, seed=1)
    asked: list[int] = []

    def on_gpu(index: faiss.Index, products: int) -> faiss.Index:
        asked.append(products)
        on_it = gpu.flat_on_gpu(index, products)
        assert on_it is not index
        return on_it

    monkeypatch.setattr(gpu, "_MIN_PRODUCTS", 0)
    monkeypatch.setattr(encoding, "flat_on_gpu", on_gpu)
    there = build_index(rows, requested=factory, text_queries=queries)
    assert len(asked) >= 2  # to learn the lists, and to fill them
    on_its_lists = encoding.nearest_list(there.load().faiss_index, rows)[1]
    monkeypatch.setattr(encoding, "flat_on_gpu", lambda index, _: index)
    index = there.load().faiss_index
    assert np.mean(on_its_lists == encoding.nearest_list(index, rows)[1]) > 0.999
    assert np.array_equal(there.load().list_sizes, np.bincount(on_its_lists, minlength=64))
    here = build_index(rows, requested=factory, text_queries=queries)
    assert abs(imbalance(there) - imbalance(here)) < 0.2
    truth = VectorIndex(as_stored_vectors(rows)).search(queries, 10)[1]
    for built in (there, here):
        found = built.search(queries, 10)[1]
        assert np.mean([np.isin(a, b).mean() for a, b in zip(found, truth, strict=True)]) > 0.95


def imbalance(index: VectorIndex) -> float:
    """How unevenly the lists are filled: 1 where all are alike."""
    return float(ivf_of(index.load().faiss_index).invlists.imbalance_factor())
