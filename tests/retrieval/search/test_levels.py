"""What a cosine is worth: the level of a hit, and the log-odds that lists of several kinds are ordered by."""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from mmsearch import Collection
from mmsearch.retrieval.encoders.level_fits import LevelFit, Logistic, measured_fit
from mmsearch.retrieval.search.levels import (
    LEAST_PROBABILITY,
    PRIOR,
    best_level,
    judge,
    level_numbers,
    level_of,
)
from mmsearch.types import LEVELS

FIT = LevelFit(Logistic(30.0, 60.0, -2.5, -9.0), Logistic(20.0, -40.0, -1.0, 1.0))
COSINES = np.float32([0.6, 0.4, 0.2, 0.0])
MINI = measured_fit("mini", ("text", "image"))


class Judgement(NamedTuple):
    answer: float
    match: float


def judged(rows: int = 1000, fit: LevelFit | None = FIT, modality="image", spread: float = 0.12) -> list[Judgement]:
    answers, odds = judge(modality, [fit], [spread], rows, COSINES[None], COSINES[None] / np.float32(spread))
    return [Judgement(*both) for both in zip(answers[0].tolist(), odds[0].tolist(), strict=True)]


def test_a_judgement_is_the_two_logistics_of_the_fit():
    first = judged()[0]
    assert first.answer == pytest.approx(30 * 0.6 + 60 * 0.12 - 2.5 * math.sqrt(2 * math.log(1000)) - 9, abs=1e-4)
    assert first.match == pytest.approx(20 * 0.6 - 40 * 0.12 - math.log(1000) + 1, abs=1e-4)


def test_queries_of_one_batch_are_judged_each_by_its_own_fit():
    """A batch with one fit is judged at once, one with several line by line: both as each query alone."""
    other = LevelFit(Logistic(10.0, 20.0, -1.0, -3.0), Logistic(5.0, -4.0, -2.0, 2.0))
    spreads, lines = [0.1, 0.12, 0.14], np.stack([COSINES, COSINES / 2, COSINES / 3])
    for fits in ([FIT, FIT, FIT], [FIT, other, FIT], [FIT, None, other], [None, None, None]):
        whole = judge("text", fits, spreads, 500, lines, 3 * lines)
        alone = [judge("text", [fits[i]], [spreads[i]], 500, lines[i : i + 1], 3 * lines[i : i + 1]) for i in range(3)]
        for together, parts in zip(whole, zip(*alone, strict=True), strict=True):
            np.testing.assert_array_equal(together, np.concatenate(parts))


@given(rows=st.integers(1, 10**7), spread=st.floats(0.01, 0.3))
def test_level_and_match_fall_with_the_cosine(rows, spread):
    found = judged(rows, spread=spread)
    assert sorted(found, key=lambda one: -one.match) == found
    levels = [LEVELS.index(level_of(one.answer)) for one in found]
    assert sorted(levels) == levels


@given(few=st.integers(1, 10**6), more=st.integers(1, 10**6))
def test_the_same_cosine_is_worth_less_among_more_rows(few, more):
    for one, other in zip(judged(few), judged(few + more), strict=True):
        assert one.answer >= other.answer
        assert one.match >= other.match


def test_a_text_is_worth_less_than_a_picture_of_the_same_odds():
    picture, text = judged()[0], judged(modality="text")[0]
    assert text.match - picture.match == pytest.approx(PRIOR["text"])
    assert text.answer == picture.answer


def test_without_a_fit_there_is_no_level_and_the_z_score_orders():
    found = judged(fit=None)
    assert np.isnan([one.answer for one in found]).all()
    assert level_of(found[0].answer) is None
    assert sorted(found, key=lambda one: -one.match) == found


def test_a_kind_of_few_rows_gains_nothing_by_being_small_where_there_is_no_fit():
    assert [one.match for one in judged(2, fit=None)] == [one.match for one in judged(100, fit=None)]


@pytest.mark.parametrize("level", LEVELS)
def test_a_level_begins_at_its_probability(level):
    least = LEAST_PROBABILITY[level]
    if least:
        logit = math.log(least / (1 - least))
        assert level_of(logit + 1e-9) == level
        assert level_of(logit - 1e-9) == LEVELS[LEVELS.index(level) + 1]
    assert level_of(-math.inf) == "nothing"
    assert level_of(math.nan) is None


@given(st.lists(st.floats(-20, 20), min_size=1, max_size=20))
def test_levels_have_numbers_for_many_rows_at_once(answers):
    assert level_numbers(np.array(answers)).tolist() == [LEVELS.index(level_of(answer)) for answer in answers]


def test_an_answer_has_the_level_of_its_best_hit(gallery):
    hits = gallery.search("a red disc", k=20)
    assert best_level(hits) == min((hit.level for hit in hits), key=LEVELS.index)
    assert best_level([]) == "nothing"
    assert best_level(gallery.search(gallery.encode(["a red disc"])[0], k=5)) is None  # of a vector nothing is known


def test_the_numbers_of_mini_tell_a_caption_that_fits_from_one_that_does_not():
    """Cosine and spread as they are for captions of flickr8k_dev500, and for things that are in no photograph."""
    for rows in (300, 100_000):
        fits, does_not = (0.46, 0.13), (0.27, 0.09)
        levels = [level_of(float(MINI.answer_logits(*pair, math.log(rows)))) for pair in (fits, does_not)]
        assert levels[1] == "nothing"
        assert LEVELS.index(levels[0]) < LEVELS.index("nothing")


def test_a_note_that_names_somebody_is_found_by_the_name(tmp_path):
    (tmp_path / "notes").mkdir()
    for i, text in enumerate(["Anna: her birthday is on May 3rd", "buy milk and bread", "call the plumber"]):
        (tmp_path / "notes" / f"{i}.txt").write_text(text)
    for colour in ("red", "green", "blue", "yellow", "black", "white"):
        Image.new("RGB", (64, 48), colour).save(tmp_path / "notes" / f"{colour}.png")
    with Collection.create(tmp_path / "c", "mini") as collection:
        collection.index(tmp_path / "notes")
        answer = collection.ask("Anna")
        assert answer.hits[0].text.startswith("Anna")
        assert answer.hits[0].level in ("strong", "likely")
        (first, *_) = collection.search("plumber", to="text")
        assert first.text == "call the plumber"


def test_what_is_like_a_stored_row_has_a_level_too(gallery):
    row = next(record for record in gallery if record.modality == "image")
    hits = gallery.similar(row.id, k=20)
    assert {hit.modality for hit in hits} == {"image", "text"}
    assert all(hit.level for hit in hits)
    by_file = gallery.search(Path(row.path), k=20)
    assert [(hit.id, hit.level) for hit in hits] == [(hit.id, hit.level) for hit in by_file]
