"""Which FAISS factory strings can be used, and on how many rows."""

from __future__ import annotations

import numpy as np
import pytest

from mmsearch.cli.hints import explained_error
from mmsearch.errors import UsageError
from mmsearch.indexes.faiss.approximate import ApproximateIndex
from mmsearch.indexes.faiss.factory import min_training_rows, untrained_index
from mmsearch.indexes.plan import plan_index
from mmsearch.indexes.vectors import StoredVectors


@pytest.mark.parametrize(
    ("factory", "rows"),
    [
        ("IVF16,SQ8", 16),
        ("IVF1024,Flat", 1024),
        ("IVF4,PQ8x4fsr", 16),
        ("IVF4,PQ8", 256),
        ("PCA24,IVF4,Flat", 24),
        ("OPQ8,IVF4,PQ8x4fs", 256),
        ("QW,IVF4,PQ8x4fsr", 16),
        ("QW,IVF4,PQ8", 256),
        ("Flat", 1),
    ],
)
def test_an_index_trains_on_as_few_rows_as_are_said_and_prints_nothing(
    factory: str, rows: int, capfd: pytest.CaptureFixture[str]
) -> None:
    assert min_training_rows(untrained_index(factory, 32)) == rows
    vectors = np.random.default_rng(0).normal(size=(rows, 32))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16)
    plan = plan_index(rows, 32, requested=factory)
    built = ApproximateIndex.build(StoredVectors([vectors], 32), np.arange(rows), plan, seed=0, threads=1)
    assert len(built) == rows
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("factory", ["IVF16,SQ8", "IVF4,PQ8", "OPQ8,IVF4,PQ8x4fs"])
def test_with_too_few_rows_to_train_the_plan_is_exact_and_says_why(factory: str) -> None:
    plan = plan_index(3, 32, requested=factory)
    assert plan.kind == "exact"
    assert factory in plan.reason
    assert "3" in plan.reason


@pytest.mark.parametrize(
    "factory",
    [
        "nonsense",
        "",
        "IVF16,PQ7",
        "PQ8",
        "PQ16x4fs",
        "IVF16,PQ8x4fsr,RFlat",
        "QW,IVF16,SQ8",
        "QW,IVF16_HNSW8,PQ8",
        "QW,HNSW8",
    ],
)
def test_a_string_that_cannot_be_used_is_refused_in_one_line_with_an_example(factory: str) -> None:
    with pytest.raises(UsageError) as error:
        untrained_index(factory, 32)
    assert "IVF1024,PQ64x4fsr" in explained_error(error.value)
    assert repr(factory) in str(error.value)
    assert "\n" not in str(error.value)
