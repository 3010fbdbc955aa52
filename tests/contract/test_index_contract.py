"""What every index promises, whatever proposes its rows: measured against brute force in float64."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmsearch.cli.hints import explained_error
from mmsearch.errors import Hint, HintKind, SpaceMismatchError, UsageError
from mmsearch.indexes import VectorIndex, build_index, plan
from mmsearch.indexes.faiss.approximate import ApproximateIndex
from mmsearch.indexes.gpu import GpuRows
from mmsearch.indexes.vectors import StoredVectors

BY_TORCH = "exact by PyTorch"
TWO_LEVELS = "ivfpq with centroids in two levels"
REQUESTED = ["exact", BY_TORCH, "ivfpq", TWO_LEVELS, "IVF16,SQ8", "rabitq", "HNSW16", "SQ8"]
EXACT = REQUESTED[:2]
ROWS, DIM, K = 3000, 32, 10
RECALL = 0.95

every_index = pytest.mark.parametrize("requested", REQUESTED)
approximate_indexes = pytest.mark.parametrize("requested", REQUESTED[2:])


def clustered(rows: int, dim: int = DIM, *, seed: int = 0, clusters: int = 40) -> np.ndarray:
    """Unit vectors around random centres, float16, as the store holds them."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(99).normal(size=(clusters, dim))
    points = centres[rng.integers(clusters, size=rows)] + 0.6 * rng.normal(size=(rows, dim))
    return (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float16)


def questions(count: int = 100, dim: int = DIM) -> np.ndarray:
    """Unit float32 queries from the same clusters, none of them a row."""
    points = clustered(count, dim, seed=1).astype(np.float32)
    return points / np.linalg.norm(points, axis=1, keepdims=True)


def gapped(rows: int, step: int = 7) -> np.ndarray:
    return np.arange(rows, dtype=np.int64) * step + 5


def oracle(rows: np.ndarray, queries: np.ndarray, k: int, allowed: np.ndarray | None = None) -> np.ndarray:
    """Positions of the k highest cosines, in float64, ties by position, -1 where there are no more."""
    scores = queries.astype(np.float64) @ rows.astype(np.float64).T
    if allowed is not None:
        scores[:, ~allowed] = -np.inf
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    found = np.full((len(queries), k), -1, np.int64)
    found[:, : order.shape[1]] = np.where(np.take_along_axis(scores, order, axis=1) > -np.inf, order, -1)
    return found


def recall(found: np.ndarray, truth: np.ndarray) -> float:
    shared = [len(set(a) & set(b) - {-1}) for a, b in zip(found.tolist(), truth.tolist(), strict=True)]
    return sum(shared) / np.count_nonzero(truth >= 0)


def cosines(rows: np.ndarray, queries: np.ndarray, positions: np.ndarray) -> np.ndarray:
    return np.einsum("qkd,qd->qk", rows.astype(np.float64)[positions], queries.astype(np.float64))


def build(
    rows: np.ndarray | StoredVectors, ids: Sequence[int] | np.ndarray | None = None, *, requested: str, **options: float
) -> VectorIndex:
    """`build_index`; an index that scans by PyTorch does so on a GPU where there is one.

    Centroids in two levels are those of millions of rows: the plan is told that few lists are enough.
    """
    if requested == TWO_LEVELS:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(plan, "TWO_LEVELS_FROM", 16)
            return build_index(rows, ids, requested="ivfpq", **options)
    if requested != BY_TORCH:
        return build_index(rows, ids, requested=requested, **options)
    return by_torch(build_index(rows, ids, requested="exact", **options))


def by_torch(index: VectorIndex) -> VectorIndex:
    torch = pytest.importorskip("torch", reason="needs the extra `clip`")
    index._gpu = GpuRows(index.vectors, "cuda" if torch.cuda.is_available() else "cpu")
    return index


@cache
def built(requested: str) -> VectorIndex:
    """An index over 3,000 clustered rows with gaps between their ids; read only, so the tests share it."""
    return build(clustered(ROWS), gapped(ROWS), requested=requested, recall=RECALL)


def positions_of(ids: np.ndarray, step: int = 7) -> np.ndarray:
    return np.where(ids >= 0, (ids - 5) // step, -1)


# --- answers ---------------------------------------------------------------------------------------------------


@every_index
def test_it_is_of_the_kind_that_was_asked_for(requested: str) -> None:
    assert built(requested).kind == ("exact" if requested in EXACT else "approximate")


@pytest.mark.parametrize("requested", EXACT)
def test_exact_search_finds_what_brute_force_in_float64_finds(requested: str) -> None:
    rows, queries = clustered(ROWS), questions()
    scores, ids = built(requested).search(queries, K)
    truth = oracle(rows, queries, K)
    assert np.allclose(scores, cosines(rows, queries, truth), atol=1e-6)
    swapped = positions_of(ids) != truth
    assert np.mean(swapped) < 0.01  # only scores that float32 cannot tell apart


@approximate_indexes
def test_an_approximate_index_reaches_the_recall_it_was_tuned_to(requested: str) -> None:
    rows, queries = clustered(ROWS), questions(300)
    found = positions_of(built(requested).search(queries, K)[1])
    assert recall(found, oracle(rows, queries, K)) >= RECALL - 0.01  # other queries than it was tuned with


@every_index
def test_every_score_is_the_cosine_of_the_stored_vector_and_they_descend(requested: str) -> None:
    rows, queries = clustered(ROWS), questions()
    scores, ids = built(requested).search(queries, K)
    assert scores.dtype == np.float32
    assert ids.dtype == np.int64
    assert np.allclose(scores, cosines(rows, queries, positions_of(ids)), atol=1e-6)
    assert np.all(np.diff(scores, axis=1) <= 0)
    assert all(len(set(line)) == K for line in ids.tolist())


@every_index
@pytest.mark.parametrize("share", [0.9, 0.5, 0.2, 0.05, 0.002], ids=lambda share: f"{share:g} of the rows")
def test_a_filter_leaves_k_answers_where_k_rows_match_and_only_rows_that_match(requested: str, share: float) -> None:
    rows, queries = clustered(ROWS), questions(40)
    allowed = np.random.default_rng(3).random(ROWS) < share
    scores, ids = built(requested).search(queries, K, allowed=allowed)
    positions = positions_of(ids)
    there = min(K, np.count_nonzero(allowed))
    assert np.all((positions >= 0).sum(axis=1) == there)
    assert np.all(allowed[positions[positions >= 0]])
    assert np.all(np.isneginf(scores[:, there:]))
    assert recall(positions, oracle(rows, queries, K, allowed)) >= (1 if requested in EXACT else RECALL - 0.02)


@every_index
def test_a_filter_on_rows_far_from_the_query_is_filled_too(requested: str) -> None:
    """The lists that are probed hold none of the rows that match: the index must look further by itself."""
    rows, queries = clustered(ROWS), questions(5)
    for query in queries:
        allowed = (rows.astype(np.float32) @ query) < np.quantile(rows.astype(np.float32) @ query, 0.3)
        _, ids = built(requested).search(query[None], K, allowed=allowed)
        assert np.all(ids >= 0)
        assert np.all(allowed[positions_of(ids)])


@every_index
def test_a_filter_that_nothing_passes_gives_no_answer(requested: str) -> None:
    scores, ids = built(requested).search(questions(3), K, allowed=np.zeros(ROWS, np.bool_))
    assert np.all(ids == -1)
    assert np.all(np.isneginf(scores))


@every_index
def test_ids_may_have_wide_gaps(requested: str) -> None:
    rows = clustered(500)
    ids = np.arange(500, dtype=np.int64) * 10**13
    index = build(rows, ids, requested=requested)
    allowed = np.arange(500) % 2 == 1
    _, found = index.search(questions(5), K, allowed=allowed)
    assert np.all(np.isin(found, ids[allowed]))


@every_index
def test_more_rows_asked_for_than_there_are_gives_all_of_them_and_padding(requested: str) -> None:
    rows, ids = clustered(300), gapped(300)
    scores, found = build(rows, ids, requested=requested).search(questions(4), 350)
    assert found.shape == scores.shape == (4, 350)
    assert np.all(np.sort(found[:, :300], axis=1) == ids)
    assert np.all(found[:, 300:] == -1)
    assert np.all(np.isneginf(scores[:, 300:]))


# --- odd sets of rows ------------------------------------------------------------------------------------------


@every_index
def test_a_single_row_is_found(requested: str) -> None:
    rows = clustered(1)
    scores, ids = build(rows, [42], requested=requested).search(questions(2), 3)
    assert ids.tolist() == [[42, -1, -1]] * 2
    assert np.allclose(scores[:, 0], questions(2) @ rows[0].astype(np.float32), atol=1e-6)


@every_index
def test_no_rows_give_no_answers(requested: str) -> None:
    index = build(np.empty((0, DIM), np.float32), requested=requested)
    scores, ids = index.search(questions(2), 3)
    assert len(index) == 0
    assert ids.tolist() == [[-1] * 3] * 2
    assert np.all(np.isneginf(scores))


@every_index
def test_rows_that_are_all_equal_are_all_found(requested: str) -> None:
    rows = np.repeat(clustered(1), 700, axis=0)
    scores, ids = build(rows, requested=requested).search(questions(3), 700)
    assert np.all(np.sort(ids, axis=1) == np.arange(700))
    assert np.all(scores == scores[:, :1])


@every_index
def test_an_odd_dimension_works(requested: str) -> None:
    rows, queries = clustered(1000, 7), questions(50, 7)
    found = build(rows, requested=requested, recall=RECALL).search(queries, K)[1]
    assert recall(found, oracle(rows, queries, K)) >= (0.99 if requested in EXACT else RECALL - 0.02)


@every_index
def test_blocks_need_not_be_aligned(requested: str) -> None:
    rows = clustered(1000)
    blocks = [np.ndarray(part.shape, np.float16, b"?" + part.tobytes(), 1) for part in (rows[:301], rows[301:])]
    assert not any(block.flags.aligned for block in blocks)
    unaligned = build(StoredVectors(blocks, DIM), requested=requested).search(questions(20), K)
    aligned = build(rows, requested=requested).search(questions(20), K)
    assert np.array_equal(unaligned[0], aligned[0])
    assert np.array_equal(unaligned[1], aligned[1])


# --- rows that come and go -------------------------------------------------------------------------------------


def over(requested: str, rows: np.ndarray, ids: np.ndarray, *, covers_to: int | None = None) -> VectorIndex:
    """The shared index of ``requested``, put over other rows than it was built on."""
    old = built(requested)
    index = VectorIndex(StoredVectors([rows], DIM), ids, old._approximate, old.calibration, covers_to)
    return by_torch(index) if requested == BY_TORCH else index


@every_index
def test_rows_added_after_the_index_was_built_are_found_at_once(requested: str) -> None:
    late = clustered(100, seed=5)
    rows = np.concatenate([clustered(ROWS), late])
    ids = gapped(ROWS + 100)
    index = over(requested, rows, ids, covers_to=int(ids[ROWS - 1]))
    _, found = index.search(late.astype(np.float32), 1)
    assert found[:, 0].tolist() == ids[ROWS:].tolist()
    allowed = np.arange(len(rows)) % 3 > 0
    _, found = index.search(late.astype(np.float32), K, allowed=allowed)
    assert np.all(allowed[positions_of(found)])
    assert np.array_equal(found[allowed[ROWS:], 0], ids[ROWS:][allowed[ROWS:]])


@every_index
def test_rows_that_have_gone_are_never_answered(requested: str) -> None:
    rows, ids = clustered(ROWS), gapped(ROWS)
    kept = np.random.default_rng(4).random(ROWS) < 0.7
    index = over(requested, rows[kept], ids[kept])
    scores, found = index.search(questions(), K)
    assert np.all(np.isin(found, ids[kept]))
    assert all(len(set(line)) == K for line in found.tolist())
    assert np.allclose(scores, cosines(rows, questions(), positions_of(found)), atol=1e-6)


@every_index
def test_when_all_rows_have_gone_nothing_is_answered(requested: str) -> None:
    index = over(requested, np.empty((0, DIM), np.float16), np.empty(0, np.int64))
    assert np.all(index.search(questions(3), K)[1] == -1)


@approximate_indexes
def test_when_only_rows_remain_that_the_index_does_not_know_they_are_found(requested: str) -> None:
    late, ids = clustered(100, seed=5), gapped(ROWS + 100)
    index = over(requested, late, ids[ROWS:], covers_to=int(ids[ROWS - 1]))
    assert np.all(np.isin(index.search(questions(5), K)[1], ids[ROWS:]))


# --- the same again --------------------------------------------------------------------------------------------


@approximate_indexes
@pytest.mark.parametrize("mapped", [True, False])
def test_saving_and_loading_leaves_the_answers_as_they_were(requested: str, mapped: bool, tmp_path: Path) -> None:
    old = built(requested)
    assert isinstance(old._approximate, ApproximateIndex)
    old._approximate.save(tmp_path / "a.faiss")
    loaded = VectorIndex(
        old.vectors, old.ids, lambda: ApproximateIndex.load(tmp_path / "a.faiss", mapped=mapped), old.calibration
    )
    for allowed in (None, np.arange(ROWS) % 2 == 0):
        before, after = (index.search(questions(), K, allowed=allowed) for index in (old, loaded))
        assert np.array_equal(before[0], after[0])
        assert np.array_equal(before[1], after[1])


@every_index
def test_building_twice_gives_the_same_index(requested: str) -> None:
    again = build(clustered(ROWS), gapped(ROWS), requested=requested, recall=RECALL)
    assert again.calibration == built(requested).calibration
    assert np.array_equal(again.search(questions(), K)[1], built(requested).search(questions(), K)[1])


@every_index
def test_a_query_gets_the_same_answer_alone_and_in_a_batch(requested: str) -> None:
    index, queries = built(requested), questions(30)
    together = index.search(queries, K)
    alone = [index.search(query[None], K) for query in queries]
    assert np.array_equal(together[0], np.concatenate([scores for scores, _ in alone]))
    assert np.array_equal(together[1], np.concatenate([ids for _, ids in alone]))


@every_index
def test_searching_from_four_threads_gives_what_one_gives(requested: str) -> None:
    index, batches = built(requested), np.split(questions(100), 20)
    one = [index.search(batch, K) for batch in batches]
    with ThreadPoolExecutor(4) as pool:
        four = list(pool.map(lambda batch: index.search(batch, K), batches))
    for (scores, ids), (other_scores, other_ids) in zip(one, four, strict=True):
        assert np.array_equal(scores, other_scores)
        assert np.array_equal(ids, other_ids)


# --- wrong use -------------------------------------------------------------------------------------------------


def one_line(error: pytest.ExceptionInfo[Any]) -> str:
    text = str(error.value)
    assert text
    assert "\n" not in text
    return text


@every_index
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 0.0])
def test_a_query_without_direction_is_refused(requested: str, value: float) -> None:
    query = np.zeros((1, DIM), np.float32)
    query[0, 3] = value
    with pytest.raises(UsageError) as error:
        built(requested).search(query, K)
    assert "direction" in one_line(error)


@every_index
def test_a_query_of_another_dimension_names_both(requested: str) -> None:
    with pytest.raises(SpaceMismatchError) as error:
        built(requested).search(questions(1, DIM + 1), K)
    assert "33" in one_line(error)
    assert "32" in one_line(error)


@every_index
def test_a_single_query_without_its_row_axis_is_refused(requested: str) -> None:
    with pytest.raises(SpaceMismatchError) as error:
        built(requested).search(questions(1)[0], K)
    one_line(error)


@every_index
@pytest.mark.parametrize("k", [0, -1])
def test_asking_for_fewer_than_one_row_is_refused(requested: str, k: int) -> None:
    with pytest.raises(UsageError) as error:
        built(requested).search(questions(1), k)
    assert str(k) in one_line(error)


@every_index
@pytest.mark.parametrize("value", [np.nan, np.inf, 0.0, 2.0])
def test_a_vector_that_is_not_of_unit_length_is_refused_and_named(requested: str, value: float) -> None:
    rows = clustered(300)
    rows[17] = 0
    rows[17, 0] = value
    with pytest.raises(UsageError) as error:
        build(rows, requested=requested)
    assert "vector 17" in one_line(error)


@every_index
@pytest.mark.parametrize(
    "rows", [np.ones(DIM, np.float32), np.eye(4, dtype=np.int64)], ids=["one axis", "whole numbers"]
)
def test_an_array_that_is_no_matrix_of_floats_is_refused(requested: str, rows: np.ndarray) -> None:
    with pytest.raises(UsageError) as error:
        build(rows, requested=requested)
    assert "[n, dim]" in one_line(error)


@every_index
@pytest.mark.parametrize("ids", [[0, 1, 1], [2, 1, 0], [-1, 0, 1], [0, 1], [0, 1, 2, 3]])
def test_ids_that_are_not_distinct_ascending_and_one_a_row_are_refused(requested: str, ids: list[int]) -> None:
    with pytest.raises(UsageError) as error:
        build(clustered(3), ids, requested=requested)
    assert "ascending" in one_line(error)


@pytest.mark.parametrize("factory", ["", "IVFfoo", "exakt", "IVF16,PQ5x4fs", "IVF16,Flat,RFlat", "LSH", "PQ16x4fs"])
def test_a_factory_string_of_no_use_here_is_refused_with_an_example(factory: str) -> None:
    with pytest.raises(UsageError) as error:
        build(clustered(500), requested=factory)
    assert repr(factory) in one_line(error)
    assert error.value.hint == Hint(HintKind.INDEX_KINDS)
    assert "IVF1024" in explained_error(error.value)


@every_index
def test_building_a_small_index_prints_nothing(requested: str, capfd: pytest.CaptureFixture[str]) -> None:
    for rows in (64, 100, 700):
        build(clustered(rows), requested=requested)
    assert capfd.readouterr() == ("", "")
