"""A query probes the lists nearly as near as its nearest: few where one stands out, many where all are alike."""

from __future__ import annotations

import numpy as np
import pytest

from mmsearch.indexes.probing import Probing, chosen_lists, gaps

faiss = pytest.importorskip("faiss")
DIM = 16


@pytest.fixture(scope="module")
def quantizer() -> object:
    centroids = np.random.default_rng(0).normal(size=(64, DIM)).astype(np.float32)
    centroids /= np.linalg.norm(centroids, axis=1, keepdims=True)
    index = faiss.IndexFlatIP(DIM)
    index.add(centroids)
    return index


def queries(count: int) -> np.ndarray:
    rows = np.random.default_rng(1).normal(size=(count, DIM)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def numbers(lists: np.ndarray) -> list[set[int]]:
    return [set(line.tolist()) - {-1} for line in lists]


def test_all_lists_within_reach_of_the_tenth_are_probed_and_no_other(quantizer: object) -> None:
    asked = queries(20)
    for reach in (-0.1, 0.0, 0.07, 3.0):
        near, lists = chosen_lists(quantizer, asked, Probing(1, reach))
        behind = gaps(quantizer, asked)
        expected = [set(np.flatnonzero(line <= max(reach, line.min()) + 1e-7).tolist()) for line in behind]
        assert numbers(lists) == expected
        assert np.all(np.diff(near, axis=1)[lists[:, 1:] >= 0] <= 0), "nearest first"


def test_a_query_close_to_one_centroid_probes_fewer_than_one_that_is_far_from_all(quantizer: object) -> None:
    centroids = quantizer.reconstruct_n(0, 64)
    close, far = centroids[:1] * 3, queries(1) * 0.3
    probed = [len(numbers(chosen_lists(quantizer, query, Probing(1, 0.1))[1])[0]) for query in (close, far)]
    assert probed[0] < probed[1]


def test_a_query_probes_the_same_lists_alone_and_among_others(quantizer: object) -> None:
    asked = queries(30)
    together = numbers(chosen_lists(quantizer, asked, Probing(1, 0.05))[1])
    assert together == [numbers(chosen_lists(quantizer, query[None], Probing(1, 0.05))[1])[0] for query in asked]


def test_looking_wider_adds_lists_and_takes_none_away(quantizer: object) -> None:
    asked = queries(10)
    for probing in (Probing(4), Probing(4, 0.05)):
        few, more = (numbers(chosen_lists(quantizer, asked, p)[1]) for p in (probing, probing.widened(2)))
        assert all(a <= b and len(b) == min(2 * len(a), 64) for a, b in zip(few, more, strict=True))
        everything = chosen_lists(quantizer, asked, probing.widened(1000))[1]
        assert all(len(line) == 64 for line in numbers(everything))
