"""AUROC and expected calibration error of levels, by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmsearch.retrieval.encoders.level_fits import LevelFit, Logistic
from mmsearch.retrieval.evaluation.level_fitting import Examples
from mmsearch.retrieval.evaluation.level_scores import auroc, calibration_error, probabilities, quality_of


def examples(answered: int, absent: int) -> Examples:
    """Examples whose features do not matter."""
    return Examples.of(np.zeros((answered, 3)), True, 2 / 3) + Examples.of(np.zeros((absent, 3)), False, 1 / 3)


def test_auroc_is_the_share_of_couples_in_the_right_order_and_ties_count_half():
    stated = np.array([0.9, 0.5, 0.2, 0.5, 0.1])  # three with an answer, two without
    assert quality_of(stated, examples(3, 2)).auroc == pytest.approx((2 + 1.5 + 1) / 6)


def test_levels_that_are_right_in_every_bin_have_no_calibration_error():
    # An example without an answer weighs half as much as one with: 2/3 of what was stated as 2/3 has one.
    assert quality_of(np.full(4, 2 / 3), examples(2, 2)).ece == pytest.approx(0)


def test_the_calibration_error_is_how_far_what_is_stated_lies_from_what_is_so():
    assert quality_of(np.full(4, 0.95), examples(2, 2)).ece == pytest.approx(0.95 - 2 / 3)
    assert quality_of(np.array([1.0, 1.0, 0.0, 0.0]), examples(2, 2)).ece == pytest.approx(0)
    assert quality_of(np.array([0.0, 0.0, 1.0, 1.0]), examples(2, 2)).ece == pytest.approx(1)


@given(st.lists(st.floats(0, 1), min_size=2, max_size=12), st.data())
def test_both_stay_within_bounds(stated, data):
    answered = data.draw(st.integers(1, len(stated) - 1))
    quality = quality_of(np.array(stated), examples(answered, len(stated) - answered))
    assert 0 <= quality.auroc <= 1
    assert -1e-9 <= quality.ece <= 1 + 1e-9


def test_probabilities_are_those_of_the_answer_logistic():
    fit = LevelFit(Logistic(10, 20, -0.5, -3), Logistic(0, 0, 0, 0))
    features = Examples.of([(0.3, 0.1, math.log(100))], True)
    logit = 10 * 0.3 + 20 * 0.1 - 0.5 * math.sqrt(2 * math.log(100)) - 3
    assert probabilities(fit, features)[0] == pytest.approx(1 / (1 + math.exp(-logit)))


def test_auroc_is_the_chance_that_something_right_is_above_something_wrong_by_weights():
    right, wrong = np.array([1.0, 2.0, 3.0]), np.array([0.0, 2.0])
    pairs = [(r > w) + (r == w) / 2 for r in right for w in wrong]
    alike = Examples(np.zeros((5, 3)), np.array([1.0, 1, 1, 0, 0]), np.ones(5))
    assert auroc(np.concatenate([right, wrong]), alike) == pytest.approx(np.mean(pairs))
    one_wrong = Examples(np.zeros((5, 3)), np.array([1.0, 1, 1, 0, 0]), np.array([1.0, 1, 1, 1, 0]))
    assert auroc(np.concatenate([right, wrong]), one_wrong) == 1.0


def test_the_calibration_error_weighs_both_kinds_by_their_share():
    def error(stated, share):
        examples = Examples(np.zeros((3, 3)), np.array([1.0, 1, 0]), np.array([share / 2, share / 2, 1 - share]))
        return calibration_error(np.array(stated), examples)

    assert error([1.0, 1.0, 0.0], 0.5) == 0
    assert error([0.0, 0.0, 1.0], 0.5) == 1
    assert error([0.7, 0.7, 0.7], 0.7) == pytest.approx(0)
    assert error([0.7, 0.7, 0.7], 0.5) == pytest.approx(0.2)
