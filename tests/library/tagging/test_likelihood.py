"""How probable a label is: the short ways give what the long ones do."""

from __future__ import annotations

import numpy as np

from mmsearch.library.tagging import likelihood
from mmsearch.library.tagging.labels import Label
from mmsearch.library.tagging.likelihood import FITS, Background, Spreads, fitting, label_vectors, log_odds
from mmsearch.unit import normalize_rows

RNG = np.random.default_rng(0)


def unit(count, dim=16):
    return normalize_rows(RNG.standard_normal((count, dim)).astype(np.float32))


def test_scaled_rows_give_z_scores_among_the_background(monkeypatch):
    monkeypatch.setattr(likelihood, "_SHRINKAGE", 0)
    known, rows, labels = unit(50), unit(7), unit(3)
    cosines = rows @ known.T
    expected = (rows @ labels.T - cosines.mean(1, keepdims=True)) / cosines.std(1, keepdims=True)
    found = Background(known).scaled(rows) @ Background.weights(labels).T
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_few_labels_do_not_make_far_rows_stand_out():
    background = Background(unit(4))
    z_scores = background.scaled(unit(200)) @ Background.weights(unit(5)).T
    assert abs(z_scores).max() < 12


def test_spreads_are_those_of_all_z_scores_joined_with_the_usual_one():
    background, rows, labels = Background(unit(50)), unit(100), unit(3)
    weights = Background.weights(labels)
    spreads = Spreads(17)
    for part in np.split(rows, [30, 31]):
        spreads.add(background.scaled(part))
    own = (background.scaled(rows) @ weights.T).var(axis=0)
    np.testing.assert_allclose(spreads.of(weights, 2.0), np.sqrt((100 * own + 32 * 4) / 132), rtol=1e-4)
    assert Spreads(17).of(weights, 2.0).tolist() == [2.0] * 3


def test_a_label_is_given_from_its_own_probability_on():
    background, rows, labels = Background(unit(50)), unit(40), unit(5)
    scaled, weights, spreads = background.scaled(rows), Background.weights(labels), np.full(5, 1.4)
    fit = FITS["image"]
    odds = fit.z * (scaled @ weights.T) + fit.spread * spreads + fit.intercept
    probability = 1 / (1 + np.exp(-odds))
    least = [0.02, 0.1, 0.3, 0.0, 1.0]
    at, which, given = fitting(scaled, weights, spreads, least, fit)
    expected = np.argwhere(probability > np.array(least))
    assert len(expected)
    assert np.column_stack([at, which]).tolist() == expected.tolist()
    np.testing.assert_allclose(given, probability[at, which], rtol=1e-3)


def test_the_logistic_of_each_kind_rises_with_the_cosine_and_the_spread():
    assert all(fit.z > 0 and fit.spread > 0 and fit.intercept < 0 for fit in FITS.values())


def test_a_label_is_the_mean_of_its_prompts():
    asked = []

    def embed(texts):
        asked.extend(texts)
        return np.eye(len(texts), 8, dtype=np.float32)

    vectors = label_vectors([Label("owl"), Label("car", ("my car",))], "image", embed)
    assert asked == ["an owl", "a photo of an owl", "my car"]
    np.testing.assert_allclose(vectors[0, :3], [0.5**0.5, 0.5**0.5, 0], rtol=1e-6)
    assert vectors[1, 2] == 1
    label_vectors([Label("rain")], "audio", embed)
    assert asked[3:] == ["rain", "we hear rain", "a recording of rain"]


def test_log_odds_are_finite():
    probabilities = [0, 0.2, 1]
    np.testing.assert_allclose(1 / (1 + np.exp(-log_odds(probabilities))), probabilities, atol=1e-8)
