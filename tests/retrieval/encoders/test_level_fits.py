"""The measured numbers behind levels: of which weights they are, and that they survive a JSON file."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from mmsearch.retrieval.encoders import level_fits
from mmsearch.retrieval.encoders.catalogue import CATALOGUE, resolve
from mmsearch.retrieval.encoders.level_fits import LevelFit, best_of, direction_name, known_fit, measured_fit
from mmsearch.retrieval.encoders.mini.encoder import mini_space

EVERY = [(model, direction) for model, own in level_fits._MEASURED.items() for direction in own]


def test_the_numbers_of_mini_are_of_these_weights():
    """Other weights need ``python benchmarks/belief.py --fits``, and the prompts of the catalogue a new look too."""
    assert mini_space().key == "mini-256-1c821c4e"


@pytest.mark.parametrize(("model", "direction"), EVERY)
def test_each_fit_names_a_model_and_goes_the_right_way(model, direction):
    assert set(direction) <= resolve(model).modalities
    fit = measured_fit(model, direction)
    for logistic in (fit.answer, fit.row):
        assert logistic.cosine > 0
        assert logistic.rows < 0


def test_models_that_nobody_could_measure_have_no_numbers():
    unknown = [info.name for info in CATALOGUE if info.name not in level_fits._MEASURED]
    assert {"siglip2", "clip", "clap"} <= set(unknown)
    assert all(measured_fit(name, ("text", "image")) is None for name in unknown)


def test_a_fit_is_the_same_after_json():
    fit = measured_fit("mini", ("text", "image"))
    assert LevelFit.from_json(json.loads(json.dumps(fit.to_json()))) == fit


def test_a_collections_own_fit_comes_before_the_measured_one():
    space, direction = mini_space(), ("text", "image")
    own = LevelFit(level_fits.Logistic(1.0, 0.0, 0.0, 0.0), level_fits.Logistic(1.0, 0.0, 0.0, 0.0), "pairs")
    assert known_fit({space.key: {direction_name(direction): own.to_json()}}, space, direction) == own
    assert known_fit({}, space, direction) == measured_fit("mini", direction)


@pytest.mark.parametrize("count", [10, 1000])
def test_the_best_of_many_normal_numbers_grows_as_it_says(count):
    numbers = np.random.default_rng(0).standard_normal((2000, count))
    assert numbers.max(axis=1).mean() == pytest.approx(best_of(math.log(count)), rel=0.3)
    assert best_of(0.0) == 0
