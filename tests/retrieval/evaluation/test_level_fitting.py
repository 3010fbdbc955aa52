"""Fits of levels to vectors whose answers are known."""

from __future__ import annotations

import numpy as np
import pytest

from mmsearch.retrieval.encoders.level_fits import LevelFit, Logistic
from mmsearch.retrieval.evaluation.level_fitting import (
    Examples,
    answered_examples,
    fit_answer,
    fit_levels,
    row_examples,
    unanswered_examples,
    unlike_examples,
)
from mmsearch.retrieval.evaluation.level_scores import probabilities, quality_of


def right(positions: range) -> list[np.ndarray]:
    return [np.array([i]) for i in positions]


def real(world, queries: slice) -> Examples:
    """Searches with and without an answer, among all rows."""
    numbers = range(*queries.indices(300))
    there = answered_examples(world.ASKED[queries], world.SHOWN, right(numbers), shares=(1,))
    return there + unanswered_examples(world.ABSENT[queries], world.SHOWN, shares=(1,))


def fit_of_first_half(world, absent: bool, **options) -> LevelFit:
    named = world.ABSENT[:150] if absent else None
    return fit_levels(world.ASKED[:150], world.SHOWN, right(range(150)), named, source="pairs", **options)


@pytest.mark.parametrize("absent", [True, False], ids=["absent queries", "guesses"])
def test_a_fit_tells_other_searches_with_an_answer_from_those_without(world, absent):
    fit = fit_of_first_half(world, absent)
    quality = quality_of(probabilities(fit, real(world, slice(150, 300))), real(world, slice(150, 300)))
    assert quality.auroc > 0.97
    assert quality.ece < 0.12


@pytest.mark.parametrize("absent", [True, False], ids=["absent queries", "guesses"])
def test_more_rows_never_make_an_answer_or_a_row_likelier(world, absent):
    fit = fit_of_first_half(world, absent)
    assert fit.answer.cosine > 0
    assert fit.answer.rows <= 0
    assert fit.row.rows <= 0


def test_an_answer_that_seems_likelier_among_more_rows_gets_the_usual_threshold():
    rng = np.random.default_rng(0)
    many, few = np.log(1000), np.log(10)
    there = [(rng.normal(0.5, 0.05), 0.1, many) for _ in range(200)]
    none = [(rng.normal(0.4, 0.05), 0.1, few) for _ in range(200)]
    fitted = fit_answer(Examples.of(there, True) + Examples.of(none, False))
    assert fitted.rows == pytest.approx(-0.4 * 0.1 * fitted.cosine, rel=0.01)


def test_a_fit_to_guesses_depends_on_no_scale_of_its_own(world):
    """Narrow cosines, as of CLIP, are told apart as well as wide ones: all vectors get a large common part."""
    common = 3 * world.pictures(1, seed=9)
    shown, asked, absent = (world.unit(one + common) for one in (world.SHOWN, world.ASKED, world.ABSENT))
    fit = fit_levels(asked[:150], shown, right(range(150)), source="contents")
    there = answered_examples(asked[150:], shown, right(range(150, 300)), shares=(1,))
    examples = there + unanswered_examples(absent, shown, shares=(1,))
    quality = quality_of(probabilities(fit, examples), examples)
    assert np.ptp(examples.features[:, 0]) < 0.2
    assert quality.auroc > 0.97
    assert quality.ece < 0.15


def test_without_absent_queries_the_answer_logistic_stays_as_it_was_measured(world):
    measured = LevelFit(Logistic(1, 2, -3, 4), Logistic(5, 6, 7, 8))
    fit = fit_of_first_half(world, False, measured=measured)
    assert fit.answer == measured.answer
    assert fit.row != measured.row
    assert fit_of_first_half(world, True, measured=measured).answer != measured.answer


def test_rows_of_the_file_that_asks_do_not_answer(world):
    """Each picture asks for the one after it; its own row would be found first, at a cosine of 1."""
    own = [np.array([i]) for i in range(30)]
    options = {"own": own, "shares": (1,)}
    found = answered_examples(world.SHOWN[:30], world.SHOWN, right(range(1, 31)), **options)
    assert found.features[:, 0].max() < 0.99
    assert unanswered_examples(world.SHOWN[:30], world.SHOWN, **options).features[:, 0].max() < 0.99
    assert unlike_examples(world.SHOWN[:30], world.SHOWN, right(range(1, 31)), **options).features[:, 0].max() < 0.99
    assert row_examples(world.SHOWN[:30], world.SHOWN, right(range(1, 31)), **options).features[:, 0].max() < 0.99
    assert (
        answered_examples(world.SHOWN[:30], world.SHOWN, right(range(1, 31)), shares=(1,)).features[:, 0].min() > 0.99
    )
