"""Which index a set of vectors gets: a table of decisions."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mmsearch.cli.hints import explained_error
from mmsearch.errors import Hint, HintKind, UsageError
from mmsearch.indexes.faiss.factory import untrained_index
from mmsearch.indexes.plan import IVFPQ_FROM, IndexPlan, plan_index, round_to_power_of_two

PLENTY = 1 << 40


@pytest.mark.parametrize(
    ("requested", "rows", "kind", "factory"),
    [
        ("auto", 0, "exact", None),
        ("auto", IVFPQ_FROM - 1, "exact", None),
        ("auto", IVFPQ_FROM, "ivfpq", "QW,IVF1024,PQ128x4fsr"),
        ("auto", 1_000_000, "ivfpq", "QW,IVF2048,PQ128x4fsr"),
        ("auto", 5_000_000, "ivfpq", "QW,IVF4096,PQ128x4fsr"),
        ("auto", 20_000_000, "ivfpq", "QW,IVF8192(IVF256,Flat),PQ128x4fsr"),
        ("auto", 1_000_000_000, "ivfpq", "QW,IVF65536(IVF512,Flat),PQ128x4fsr"),
        ("rabitq", 100_000_000, "rabitq", "IVF16384(IVF256,Flat),RaBitQ"),
        ("exact", 10_000_000, "exact", None),
        ("ivfpq", 63, "exact", None),
        ("ivfpq", 64, "ivfpq", "QW,IVF1,PQ128x4fsr"),
        ("ivfpq", 1_000, "ivfpq", "QW,IVF25,PQ128x4fsr"),
        ("IVF16,SQ8", 15, "exact", None),
        ("IVF16,SQ8", 16, "faiss", "IVF16,SQ8"),
    ],
)
def test_rows_and_request_decide(requested: str, rows: int, kind: str, factory: str | None) -> None:
    plan = plan_index(rows, 512, requested=requested, memory_bytes=PLENTY)
    assert (plan.kind, plan.factory) == (kind, factory)
    assert plan.reason


def test_codes_get_coarser_where_memory_is_short() -> None:
    sizes = (200, 70, 60, 39, 1)
    factories = [plan_index(1_000_000, 512, requested="ivfpq", memory_bytes=m << 20).factory for m in sizes]
    assert factories == [f"QW,IVF2048,PQ{codes}" for codes in ("128x4fsr", "128x4fsr", "64x4fsr", "64x4fsr", "32")]


def test_codes_are_twice_as_long_where_rows_vary_evenly_if_memory_allows() -> None:
    factories = [plan_index(1_000_000, 512, memory_bytes=m << 20, isotropic=True).factory for m in (200, 100)]
    assert factories == ["QW,IVF2048,PQ256x4fsr", "QW,IVF2048,PQ128x4fsr"]


def test_codes_of_which_half_a_bit_for_each_dimension_does_not_fit_into_memory_stay_in_the_file() -> None:
    plan = plan_index(1_000_000, 512, memory_bytes=30 << 20)
    assert (plan.kind, plan.factory) == ("ivfpq", "QW,IVF2048,PQ32")
    assert "memory" in plan.reason


def test_few_rows_or_odd_dimensions_get_coarser_codes_in_memory_instead() -> None:
    assert plan_index(200, 512, requested="ivfpq", memory_bytes=1).factory == "QW,IVF5,PQ1x4fsr"
    assert plan_index(100_000, 30, requested="ivfpq", memory_bytes=1).factory == "QW,IVF512,PQ15x4fsr"


def test_only_a_scan_promises_everything() -> None:
    assert plan_index(1_000_000, 512, recall=1).kind == "exact"


def test_the_training_sample_is_bounded_by_memory_and_by_the_rows() -> None:
    assert plan_index(1_000, 512, requested="ivfpq", memory_bytes=PLENTY).train_rows == 1_000
    assert plan_index(1_000_000, 512, memory_bytes=PLENTY).train_rows == 64 * 2048
    assert plan_index(1_000_000, 512, memory_bytes=100 << 20).train_rows == (100 << 20) // (8 * 512)


@given(rows=st.integers(64, 3_000_000), dim=st.integers(1, 1200), memory=st.integers(1, 1 << 36))
@example(rows=2_500_000, dim=512, memory=1)
def test_every_plan_for_ivfpq_can_be_trained(rows: int, dim: int, memory: int) -> None:
    plan = plan_index(rows, dim, requested="ivfpq", memory_bytes=memory)
    lists, codes = (int(part.strip("IVFPQ").removesuffix("x4fsr")) for part in str(plan.factory).split(",")[1:])
    assert 16 <= plan.train_rows <= rows
    assert 1 <= lists <= plan.train_rows
    assert dim % codes == 0


@pytest.mark.parametrize("dim", [1, 7, 30, 384, 1152])
def test_faiss_reads_the_plan_of_any_dimension(dim: int) -> None:
    assert untrained_index(str(plan_index(1_000, dim, requested="ivfpq").factory), dim).d == dim


def test_a_factory_string_that_faiss_cannot_read_is_refused() -> None:
    with pytest.raises(UsageError, match="IVF16,PQ7000") as error:
        plan_index(1_000, 512, requested="IVF16,PQ7000")
    assert error.value.hint == Hint(HintKind.INDEX_KINDS)
    assert "IVF1024" in explained_error(error.value)


def test_a_plan_comes_back_from_json_as_it_was() -> None:
    plan = plan_index(IVFPQ_FROM, 512)
    assert IndexPlan.from_json(json.loads(json.dumps(plan.to_json()))) == plan


@pytest.mark.parametrize(("x", "power"), [(0.3, 1), (1, 1), (1.4, 1), (1.5, 2), (5, 4), (6, 8), (1264, 1024)])
def test_rounding_to_a_power_of_two_is_logarithmic(x: float, power: int) -> None:
    assert round_to_power_of_two(x) == power
