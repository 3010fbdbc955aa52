"""What was measured of models so that hits have levels: for each direction, two fitted logistics.

`benchmarks/belief.py` measures and prints the numbers below. A collection can have fits of its own, see
`Collection.calibrate`.
"""

from __future__ import annotations

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
    """Log-odds = ``cosine`` · c + ``spread`` · s + ``rows`` · g(n) + ``intercept``.

    c is a row's cosine with the query, s the standard deviation of the query's cosines with a sample of the rows of
    its modality, and g a function of the number of these rows, see `LevelFit`.
    """

    cosine: float
    spread: float
    rows: float
    intercept: float

    def logits(self, cosines: NDArray[Any], spread: Any, growth: Any) -> NDArray[Any]:
        """Log-odds of rows by their cosines ``[n]``; spread and g(n) are numbers or ``[n]``."""
        logits: NDArray[Any] = self.cosine * cosines + (self.spread * spread + self.rows * growth + self.intercept)
        return logits


def best_of(log_rows: Any) -> Any:
    """√(2 ln n) by ln n: about how many standard deviations the best of n normal numbers lies above their mean."""
    return np.sqrt(2 * np.maximum(log_rows, 0))


@dataclass(frozen=True, slots=True)
class LevelFit:
    """The two logistics of one model and direction; see `search.levels`.

    Attributes:
        answer: whether what was asked for is there at all, by the cosine of the best row; g(n) = √(2 ln n).
        row: whether a row is what was asked for; g(n) = ln n.
        source: where the numbers come from.
    """

    answer: Logistic
    row: Logistic
    source: FitSource = "catalogue"

    def answer_logits(self, cosines: NDArray[Any], spread: Any, log_rows: Any) -> NDArray[Any]:
        """Log-odds that there is an answer, if a row of such a cosine is the best; ``[n]``."""
        return self.answer.logits(cosines, spread, best_of(log_rows))

    def row_logits(self, cosines: NDArray[Any], spread: Any, log_rows: Any) -> NDArray[Any]:
        """Log-odds that a row is what was asked for; ``[n]``."""
        return self.row.logits(cosines, spread, log_rows)

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


_FRAMES_AND_PICTURES = Logistic(21.15, -43.88, -0.8926, 0.5778)  # films are too few to learn from: frames are pictures

_MEASURED: dict[str, dict[Direction, LevelFit]] = {
    "mini": {
        ("text", "image"): LevelFit(Logistic(33.31, 66.62, -2.546, -9.29), _FRAMES_AND_PICTURES),
        ("text", "text"): LevelFit(Logistic(24.76, 49.52, -2.849, -9.716), Logistic(15.63, -47.64, -0.9426, 1.79)),
        ("text", "audio"): LevelFit(Logistic(52.89, 52.89, -4.043, -11.95), Logistic(27.97, -24.86, -1.129, 1.272)),
        ("text", "video"): LevelFit(Logistic(24.63, 24.63, -1.882, -5.352), _FRAMES_AND_PICTURES),
        ("image", "image"): LevelFit(Logistic(24.86, 49.73, -3.045, -7.841), Logistic(18.91, -32.48, -1.087, -0.7757)),
        ("image", "text"): LevelFit(Logistic(29.92, 59.83, -2.756, -8.363), Logistic(19.32, -34.79, -0.9599, 2.076)),
    },
    "open_clip:ViT-B-32/openai": {  # by vectors that others recorded: photographs and products
        ("text", "image"): LevelFit(Logistic(132.7, 0.0, -4.144, -21.5), Logistic(64.34, -74.35, -1.712, -8.323)),
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
