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
        logits: NDArray[Any] = self.cosine * cosines + self.offset(spread, growth)
        return logits

    def offset(self, spread: Any, growth: Any) -> Any:
        """The log-odds of a row whose cosine is 0."""
        return self.spread * spread + self.rows * growth + self.intercept


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


_PICTURES = Logistic(21.52, -45.8, -0.9109, 0.8056)

_MEASURED: dict[str, dict[Direction, LevelFit]] = {
    "mini": {
        ("text", "image"): LevelFit(Logistic(33.96, 67.93, -2.63, -9.652), _PICTURES),
        ("text", "text"): LevelFit(Logistic(25.62, 51.24, -3.235, -11.15), Logistic(15.6, -47.18, -0.9398, 1.729)),
        ("text", "audio"): LevelFit(Logistic(42.6, 0.0, -3.299, -4.111), Logistic(24.62, 18.08, -1.023, -4.867)),
        ("text", "video"): LevelFit(Logistic(33.96, 67.93, -2.63, -11.15), _PICTURES),
        ("image", "image"): LevelFit(Logistic(21.99, 0.0, -2.188, -4.135), Logistic(18.63, -37.93, -1.028, -0.3508)),
        ("audio", "audio"): LevelFit(Logistic(19.3, 0.0, -1.494, -8.767), Logistic(15.67, -15.52, -0.8083, -1.873)),
        ("image", "text"): LevelFit(Logistic(30.66, 61.32, -2.722, -9.231), Logistic(19.12, -34.34, -0.9545, 2.05)),
    },
    "open_clip:ViT-B-32/openai": {  # by vectors that others recorded: photographs and products
        ("text", "image"): LevelFit(Logistic(129.2, 0.0, -3.946, -21.49), Logistic(64.46, -70.78, -1.695, -8.617)),
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
