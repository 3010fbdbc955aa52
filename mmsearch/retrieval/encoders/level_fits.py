"""What was measured of models so that hits have levels: for each direction, two fitted logistics.

`benchmarks/belief.py` measures and prints the numbers below. A collection can have fits of its own, see
`Collection.calibrate`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mmsearch.types import Modality, Space

Direction = tuple[Modality, Modality]
"""What is asked with, and what answers: ``("text", "image")``."""

FitSource = Literal["catalogue", "pairs", "contents"]
"""Where a fit comes from: measured for the catalogue; a collection's own pairs; its texts and pictures as they are."""


@dataclass(frozen=True, slots=True)
class Logistic:
    """Log-odds = ``cosine`` · c + ``spread`` · s + ``log_rows`` · ln n + ``intercept``.

    c is a row's cosine with the query, s the standard deviation of the query's cosines with a sample of the rows of
    its modality, and n the number of these rows.
    """

    cosine: float
    spread: float
    log_rows: float
    intercept: float

    def logits(self, cosines: NDArray[np.float32], spread: float, rows: int) -> NDArray[np.float32]:
        """Log-odds of rows by their cosines, float32 ``[n]``."""
        constant = self.spread * spread + self.log_rows * math.log(max(rows, 1)) + self.intercept
        logits: NDArray[np.float32] = np.float32(self.cosine) * cosines + np.float32(constant)
        return logits


@dataclass(frozen=True, slots=True)
class LevelFit:
    """The two logistics of one model and direction; see `search.levels`.

    Attributes:
        answer: whether what was asked for is there at all, by the cosine of the best row.
        row: whether a row is what was asked for.
        source: where the numbers come from.
    """

    answer: Logistic
    row: Logistic
    source: FitSource = "catalogue"

    def to_json(self) -> dict[str, Any]:
        """A JSON object."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> LevelFit:
        """The inverse of `to_json`."""
        return cls(Logistic(**data["answer"]), Logistic(**data["row"]), data["source"])


def direction_name(direction: Direction) -> str:
    """``text → image``."""
    return " → ".join(direction)


_ROWS = Logistic(18.55, -47.2, -0.79, 0.96)

_MEASURED: dict[str, dict[Direction, LevelFit]] = {
    "mini": {
        ("text", "image"): LevelFit(Logistic(31.3, 62.6, -0.48, -15.1), _ROWS),
        ("text", "video"): LevelFit(Logistic(31.3, 62.6, -0.48, -15.1), _ROWS),
        ("text", "audio"): LevelFit(Logistic(31.3, 62.6, -0.48, -16.0), _ROWS),
        ("text", "text"): LevelFit(Logistic(23.8, 47.6, -0.97, -13.2), Logistic(14.7, -45.2, -0.715, 0.32)),
    },
}


def measured_fit(model: str, direction: Direction) -> LevelFit | None:
    """What was measured for a model of the catalogue; None where nobody measured it."""
    return _MEASURED.get(model, {}).get(direction)


def known_fit(own: Mapping[str, Mapping[str, Any]], space: Space, direction: Direction) -> LevelFit | None:
    """The fit of a direction in a space: the collection's own, or else what was measured for the model.

    Args:
        own: what was fitted on the collection, see `Manifest.level_fits`.
        space: the space.
        direction: the direction.
    """
    found = own.get(space.key, {}).get(direction_name(direction))
    return LevelFit.from_json(found) if found else measured_fit(space.model, direction)
