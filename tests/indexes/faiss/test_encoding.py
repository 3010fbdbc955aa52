"""Rows get into the lists of an index: what is learned, which list a row goes into, and what FAISS makes of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import faiss
import numpy as np
import pytest

from mmsearch.indexes.faiss import encoding
from mmsearch.indexes.faiss.approximate import ApproximateIndex
from mmsearch.indexes.faiss.factory import ivf_of, weighting_of
from mmsearch.indexes.faiss.probing import Probing
from mmsearch.indexes.plan import IndexPlan
from mmsearch.indexes.vectors import as_stored_vectors

ROWS, DIM = 2000, 32
EVERY_LIST = Probing(10_000)

MakeRows = Callable[..., np.ndarray]


@pytest.fixture(scope="module")
def turn() -> np.ndarray:
    """A rotation: directions are no axes, as in vectors of models."""
    return np.linalg.qr(np.random.default_rng(7).normal(size=(DIM, DIM)))[0].astype(np.float32)


@pytest.fixture(scope="module")
def rows(unit_rows: MakeRows, turn: np.ndarray) -> np.ndarray:
    """Rows that vary much in some directions and little in the others."""
    made = unit_rows(ROWS, DIM) * np.where(np.arange(DIM) < 16, 1, 0.15)
    return ((made / np.linalg.norm(made, axis=1, keepdims=True)) @ turn).astype(np.float32)


@pytest.fixture(scope="module")
def words(turn: np.ndarray) -> np.ndarray:
    """Queries that look at half of the directions in which rows vary little."""
    made = np.random.default_rng(3).normal(size=(400, DIM)) * np.where(np.arange(DIM) < 24, 0.02, 1)
    return ((made / np.linalg.norm(made, axis=1, keepdims=True)) @ turn).astype(np.float32)


def built(rows: np.ndarray, factory: str, words: np.ndarray | None = None) -> ApproximateIndex:
    plan = IndexPlan("faiss", "", factory, train_rows=len(rows))
    queries = [] if words is None else [words]
    return ApproximateIndex.build(
        as_stored_vectors(rows), np.arange(len(rows)), plan, seed=0, threads=1, queries=queries
    )


def found(index: ApproximateIndex, queries: np.ndarray, rows: np.ndarray, count: int = 40) -> float:
    """The share of the ten nearest rows among the first candidates."""
    nearest = np.argsort(-(queries @ rows.T), axis=1)[:, :10]
    proposed = index.candidates(queries, count, EVERY_LIST)
    return float(np.mean([len(np.intersect1d(*pair)) / 10 for pair in zip(nearest, proposed, strict=True)]))


@pytest.mark.parametrize("codes", ["PQ8x4fsr", "PQ4"])
def test_weighted_codes_find_for_words_what_plain_ones_lose(codes: str, rows: np.ndarray, words: np.ndarray) -> None:
    plain, weighted = (built(rows, f"{prefix}IVF8,{codes}", words[::2]) for prefix in ("", "QW,"))
    assert found(weighted, words[1::2], rows) > found(plain, words[1::2], rows) + 0.1


def test_each_row_is_put_into_the_list_whose_centroid_is_nearest_whatever_the_codes(
    rows: np.ndarray, words: np.ndarray
) -> None:
    plain, weighted = (built(rows, f"{prefix}IVF8,PQ8x4fsr", words) for prefix in ("", "QW,"))
    assert np.array_equal(plain.list_sizes, weighted.list_sizes)
    for ours, theirs in zip(
        encoding.nearest_list(weighted.faiss_index, rows), encoding.nearest_list(plain.faiss_index, rows), strict=True
    ):
        assert np.allclose(ours, theirs, atol=1e-4)


def test_products_with_weighted_centroids_are_those_with_the_centroids(rows: np.ndarray, words: np.ndarray) -> None:
    """So the lists that a query probes are those that it would probe without weights."""
    plain, weighted = (built(rows, f"{prefix}IVF8,PQ8x4fsr", words) for prefix in ("", "QW,"))
    assert np.allclose(plain.centroid_margins(words), weighted.centroid_margins(words), atol=1e-4)


def test_a_weighted_index_is_searched_by_faiss_as_it_is(rows: np.ndarray, words: np.ndarray, tmp_path: Path) -> None:
    index = built(rows, "QW,IVF8,PQ8x4fsr", words)
    index.save(tmp_path / "a.faiss")
    theirs = faiss.read_index(str(tmp_path / "a.faiss"))
    ivf_of(theirs).nprobe = 8
    ours = index.candidates(words[:50], 40, EVERY_LIST)
    same = [len(np.intersect1d(*pair)) / 40 for pair in zip(theirs.search(words[:50], 40)[1], ours, strict=True)]
    assert np.mean(same) > 0.95


@pytest.mark.parametrize("factory", ["QW,IVF8,PQ8x4fsr", "QW,IVF8,PQ4", "OPQ8,IVF8,PQ8x4fsr", "PCA8,IVF8,SQ8"])
def test_which_codes_are_weighted_is_still_known_when_the_index_was_read(
    factory: str, rows: np.ndarray, words: np.ndarray, tmp_path: Path
) -> None:
    """FAISS writes a rotation that it learned as the same kind of transform."""
    built(rows, factory, words).save(tmp_path / "a.faiss")
    index = faiss.read_index(str(tmp_path / "a.faiss"))
    assert (weighting_of(index) is not None) == factory.startswith("QW,")


def test_rows_that_come_later_are_encoded_as_the_first_ones_were(rows: np.ndarray, words: np.ndarray) -> None:
    early = built(rows[:1500], "QW,IVF8,PQ8x4fsr", words)
    early.add(as_stored_vectors(rows[1500:]), np.arange(1500, ROWS), 0)
    assert len(early) == ROWS
    late = early.candidates(rows[1500:], 40, EVERY_LIST)
    assert np.mean([own in line for own, line in zip(range(1500, ROWS), late, strict=True)]) > 0.95


@pytest.mark.parametrize("factory", ["QW,IVF8,PQ8x4fsr", "IVF8,SQ8"])
def test_what_lists_are_learned_with_is_freed(
    factory: str, rows: np.ndarray, words: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a GPU it is the card's memory. SWIG gives up what is assigned to an index; FAISS does not take it over."""
    made: list[faiss.Index] = []

    def kept(index: faiss.Index, _: int) -> faiss.Index:
        made.append(index)
        return index

    monkeypatch.setattr(encoding, "flat_on_gpu", kept)
    index = built(rows, factory, words)
    assert made[0].thisown
    assert ivf_of(index.faiss_index).clustering_index is None
