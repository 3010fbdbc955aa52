"""Calibration measures recall@10 as it is, and settles for the cheapest point that reaches the target."""

from __future__ import annotations

import numpy as np
import pytest

from mmsearch.indexes import VectorIndex, build_index
from mmsearch.indexes.faiss.probing import Probing
from mmsearch.indexes.operating_point import corpus_queries, queries_worth_comparing, split_text_queries


def clustered(rows: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(60, 32))[rng.integers(60, size=rows)] + 0.8 * rng.normal(size=(rows, 32))
    return (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def index() -> VectorIndex:
    return build_index(clustered(6000), requested="IVF64,SQ8", recall=0.9, text_queries=clustered(100, seed=1))


def recall_at(index: VectorIndex, queries: np.ndarray, probing: Probing, candidates: int) -> float:
    """The share of true neighbours among the candidates: re-scoring puts them first. A row is no answer to itself."""
    own, truth = np.split(index.search(queries, 11, exact=True)[1], [1], axis=1)
    proposed = index.load().candidates(queries, candidates, probing)
    return float(np.mean([len((set(c) - set(o)) & set(t)) for c, o, t in zip(proposed, own, truth, strict=True)]) / 10)


def test_the_recall_stated_at_each_point_is_the_share_of_true_neighbours_found_there(index: VectorIndex) -> None:
    assert index.calibration is not None
    chose = corpus_queries(index.vectors, seed=0)[::2]
    for point in index.calibration.curve[:: len(index.calibration.curve) // 8]:
        on = chose[: point.queries["row"]]
        measured = recall_at(index, on, point.probing, point.candidates)
        assert point.recall["row"] == pytest.approx(measured, abs=0.005)


def test_points_far_below_the_target_are_tried_on_few_queries_and_those_near_it_on_all(index: VectorIndex) -> None:
    assert index.calibration is not None
    on = {point.queries["row"]: [] for point in index.calibration.curve}
    for point in index.calibration.curve:
        on[point.queries["row"]].append(min(point.recall["row"], point.recall["text"]))
    assert sorted(on) == [64, 512]
    assert max(on[64]) < 0.9 - 0.03 < max(on[512])


def test_the_recall_stated_was_measured_on_queries_that_had_no_say_in_the_choice(index: VectorIndex) -> None:
    calibration = index.calibration
    assert calibration is not None
    assert calibration.queries == {"row": 512, "text": 50}
    held_out = corpus_queries(index.vectors, seed=0)[1::2]
    measured = recall_at(index, held_out, calibration.probing, calibration.candidates)
    assert calibration.recall["row"] == pytest.approx(measured, abs=0.005)


def test_every_kind_of_query_reaches_the_target_and_cheaper_points_do_not(index: VectorIndex) -> None:
    calibration = index.calibration
    assert calibration is not None
    assert calibration.reached
    chosen = (calibration.nprobe, calibration.candidates)
    cheaper = [p for p in calibration.curve if p.nprobe <= chosen[0] and p.candidates <= chosen[1]]
    cheaper = [p for p in cheaper if (p.nprobe, p.candidates) != chosen]
    assert cheaper
    assert all(min(point.recall["row"], point.recall["text"]) < 0.92 for point in cheaper)


def test_where_the_target_is_out_of_reach_the_best_is_taken_and_said() -> None:
    rows = clustered(9000)
    coarse = build_index(rows, requested="IVF16,PQ1x4fs", recall=0.999)
    assert coarse.calibration is not None
    assert not coarse.calibration.reached
    assert coarse.calibration.candidates == 1920, "more than are tried where fewer serve"
    assert coarse.search(rows[:5], 3)[1].shape == (5, 3)


def test_with_rows_alone_to_measure_more_lists_are_probed_than_rows_need() -> None:
    alone = build_index(clustered(6000), requested="IVF64,SQ8", recall=0.9).calibration
    assert alone is not None
    enough = [p.nprobe for p in alone.curve if p.recall["row"] >= 0.92]
    assert alone.nprobe >= 4 * min(enough)


def test_texts_that_train_codes_do_not_measure() -> None:
    texts = np.arange(300, dtype=np.float32)[:, None]
    training, measuring = split_text_queries(texts)
    assert len(training) == 100
    assert sorted(np.concatenate([training, measuring]).ravel().tolist()) == list(range(300))
    few = texts[:60]
    assert split_text_queries(few)[0] is few
    assert split_text_queries(few)[1] is few


def test_fewer_queries_are_compared_with_very_many_rows() -> None:
    """So that calibration takes no longer than encoding; with 256 of a kind, recall is known to a hundredth."""
    counts = [queries_worth_comparing(rows) for rows in (0, 1_000_000, 4_000_000, 10_000_000, 20_000_000, 10**9)]
    assert counts == [1024, 1024, 1024, 500, 256, 256]
