"""A calibration says what was measured, in a short text and in the JSON that indexes on disk have."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError

import pytest

from mmsearch.indexes.calibration import Calibration, CalibrationPoint
from mmsearch.indexes.faiss.probing import Probing

POINTS = (
    CalibrationPoint(1, 20, {"row": 0.7, "text": 0.6}, {"row": 64, "text": 64}, 0.01),
    CalibrationPoint(8, 40, {"row": 0.99, "text": 0.98}, {"row": 512, "text": 512}, 0.05),
    CalibrationPoint(16, 20, {"row": 1.0, "text": 1.0}, {"row": 512, "text": 512}, None),
)
MADE = Calibration(8, 40, 0.95, {"row": 0.99, "text": 0.98}, {"row": 512, "text": 512}, POINTS, 0.05)

# As it stands in indexes: these keys are part of the format.
STORED = {
    "nprobe": 8,
    "candidates": 40,
    "target": 0.95,
    "recall": {"row": 0.99, "text": 0.98},
    "queries": {"row": 512, "text": 512},
    "curve": [
        {
            "nprobe": 1,
            "reach": 0.01,
            "candidates": 20,
            "row": 0.7,
            "text": 0.6,
            "queries": {"row": 64, "text": 64},
        },
        {
            "nprobe": 8,
            "reach": 0.05,
            "candidates": 40,
            "row": 0.99,
            "text": 0.98,
            "queries": {"row": 512, "text": 512},
        },
        {
            "nprobe": 16,
            "reach": None,
            "candidates": 20,
            "row": 1.0,
            "text": 1.0,
            "queries": {"row": 512, "text": 512},
        },
    ],
    "reach": 0.05,
}


def test_the_keys_on_disk_are_what_they_were() -> None:
    assert json.loads(json.dumps(MADE.to_json())) == STORED
    assert Calibration.from_json(STORED) == MADE


def test_a_calibration_of_an_older_version_is_read() -> None:
    """It has no margin, and its points neither margins nor numbers of queries."""
    old = {key: value for key, value in STORED.items() if key not in ("reach", "curve")}
    read = Calibration.from_json({**old, "curve": [{"nprobe": 2, "candidates": 32, "row": 1.0}]})
    assert read.probing == Probing(8)
    assert read.curve == (CalibrationPoint(2, 32, {"row": 1.0}),)
    assert Calibration.from_json(read.to_json()) == read


def test_its_text_is_short_however_many_points_were_tried() -> None:
    many = Calibration(8, 40, 0.95, {"row": 0.99}, {"row": 512}, POINTS * 100, 0.05)
    assert repr(many) == (
        "Calibration(nprobe=8, candidates=40, target=0.95, recall={'row': 0.99}, queries={'row': 512},"
        " probe_margin=0.05)"
    )


@pytest.mark.parametrize(
    ("recall", "queries", "reached"),
    [(0.95, 512, True), (0.945, 512, True), (0.93, 512, False), (0.93, 32, True), (0.906, 512, False)],
)
def test_a_target_is_reached_within_two_standard_errors(recall: float, queries: int, reached: bool) -> None:
    assert Calibration(8, 40, 0.95, {"row": recall}, {"row": queries}).reached is reached
    both = Calibration(8, 40, 0.95, {"row": 1.0, "text": recall}, {"row": 512, "text": queries})
    assert both.reached is reached


def test_neither_a_calibration_nor_a_point_can_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        MADE.nprobe = 1  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        POINTS[0].nprobe = 1  # type: ignore[misc]
