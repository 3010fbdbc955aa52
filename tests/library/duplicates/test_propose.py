from __future__ import annotations

import numpy as np
import pytest

from mmsearch.library.duplicates import propose
from mmsearch.library.duplicates.propose import Joined, in_runs, near_pairs, usual_cosine


class Array:
    def __init__(self, values: np.ndarray) -> None:
        self.values = values / np.linalg.norm(values, axis=1, keepdims=True)
        self.dim = values.shape[1]

    def __len__(self) -> int:
        return len(self.values)

    def take(self, places: np.ndarray) -> np.ndarray:
        return self.values[places]


def planted(count: int, copies: int, seed: int = 0) -> tuple[Array, set[tuple[int, int]]]:
    random = np.random.default_rng(seed)
    values = random.standard_normal((count, 32)).astype(np.float32)
    places = random.permutation(count)[: 2 * copies].reshape(-1, 2)
    values[places[:, 1]] = values[places[:, 0]] + 0.15 * random.standard_normal((copies, 32))
    return Array(values.astype(np.float32)), {(min(a, b), max(a, b)) for a, b in places.tolist()}


def found(vectors: Array, new: np.ndarray | None = None, least: float = 0.9, most: int = 4) -> set[tuple[int, int]]:
    new = np.ones(len(vectors), np.bool_) if new is None else new
    one, other, cosines = near_pairs(vectors, new, least, most)
    assert (cosines >= least).all()
    assert (one < other).all()
    return set(zip(one.tolist(), other.tolist(), strict=True))


def test_near_rows_are_paired():
    vectors, pairs = planted(800, 60)
    assert found(vectors) == pairs


def test_near_rows_are_paired_through_lists(monkeypatch):
    monkeypatch.setattr(propose, "_DIRECT", 0)
    monkeypatch.setattr(propose, "_ROWS_PER_LIST", 50)
    vectors, pairs = planted(3000, 200)
    assert len(found(vectors) & pairs) >= 198
    assert found(vectors) <= pairs


def test_only_pairs_with_a_new_row_are_given():
    vectors, pairs = planted(600, 50)
    new = np.zeros(600, np.bool_)
    new[:100] = True
    assert found(vectors, new) == {pair for pair in pairs if min(pair) < 100}
    assert found(vectors, np.zeros(600, np.bool_)) == set()


def test_only_the_nearest_of_a_row_are_kept():
    values = np.ones((30, 8), np.float32) + 1e-3 * np.random.default_rng(0).standard_normal((30, 8)).astype(np.float32)
    pairs = found(Array(values), most=2)
    assert 30 <= len(pairs) <= 60


@pytest.mark.parametrize("count", [0, 1])
def test_a_row_alone_has_no_pair(count):
    one, _, _ = near_pairs(Array(np.ones((count, 4), np.float32)), np.ones(count, np.bool_), 0.5, 3)
    assert len(one) == 0


def test_the_usual_cosine_is_that_of_two_rows():
    vectors, _ = planted(500, 1)
    assert usual_cosine(vectors) == pytest.approx(0, abs=0.01)
    assert usual_cosine(Array(np.ones((5, 4), np.float32))) == pytest.approx(1)


def test_pairs_that_hang_together_are_read_together():
    one, other = np.array([1, 5, 2, 6]), np.array([2, 6, 3, 7])
    assert [sorted(run.tolist()) for run in in_runs(one, other, 3)] == [[0, 2], [1, 3]]
    assert sum(len(run) for run in in_runs(one, other, 1)) == 4


def test_joined_rows_hang_together():
    joined = Joined()
    joined.join(5, 9)
    joined.join(9, 2)
    assert joined.are(5, 2)
    assert joined.root(9) == 2
    assert not joined.are(5, 3)
