"""Calibration measures recall@10 as it is, and settles for the cheapest point that reaches the target."""

from __future__ import annotations

import json

import numpy as np
import pytest

from mmsearch.indexes import VectorIndex, build_index
from mmsearch.indexes.calibrate import Calibration, corpus_queries


def clustered(rows: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(60, 32))[rng.integers(60, size=rows)] + 0.8 * rng.normal(size=(rows, 32))
    return (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def index() -> VectorIndex:
    return build_index(clustered(6000), requested="IVF64,SQ8", recall=0.9, text_queries=clustered(100, seed=1))


def test_the_recall_stated_at_each_point_is_the_share_of_true_neighbours_found_there(index: VectorIndex) -> None:
    calibration, approximate = index.calibration, index.load()
    assert calibration is not None
    queries = corpus_queries(index.vectors, seed=0)
    own, truth = np.split(index.search(queries, 11, exact=True)[1], [1], axis=1)
    for point in calibration.curve:
        candidates = approximate.candidates(queries, point["candidates"], point["nprobe"])
        # Of all true neighbours, those proposed: re-scoring puts them first. A row is no answer to itself.
        found = [len((set(c) - set(o)) & set(t)) for c, o, t in zip(candidates, own, truth, strict=True)]
        assert point["row"] == pytest.approx(np.mean(found) / 10, abs=0.005)


def test_every_kind_of_query_reaches_the_target_and_fewer_probes_do_not(index: VectorIndex) -> None:
    calibration = index.calibration
    assert calibration is not None
    assert calibration.reached
    assert calibration.queries == {"row": 256, "text": 100}
    fewer = [point for point in calibration.curve if point["nprobe"] < calibration.nprobe]
    assert fewer
    assert all(min(point["row"], point["text"]) < 0.9 for point in fewer)


def test_with_rows_alone_to_measure_more_lists_are_probed_than_rows_need() -> None:
    calibration = build_index(clustered(6000), requested="IVF64,SQ8", recall=0.9).calibration
    assert calibration is not None
    needed = next(point["nprobe"] for point in calibration.curve if point["row"] >= 0.9)
    assert calibration.nprobe == 4 * needed


def test_a_calibration_comes_back_from_json_as_it_was(index: VectorIndex) -> None:
    assert index.calibration is not None
    data = json.loads(json.dumps(index.calibration.to_json()))
    assert Calibration.from_json(data) == index.calibration
