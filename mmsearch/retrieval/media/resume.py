"""Where to go on in a film or a sound whose first parts an earlier run has embedded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

Beginnings = Mapping[Literal["shot", "window"], "Since"]
"""With which shot and which window of a film or a sound to begin."""

Places = Mapping[bytes, Beginnings]
"""The same for several, by the hash of their content."""


@dataclass(frozen=True, slots=True)
class Since:
    """The first part to hand on: its number ``index``, where it starts, and where its shot does, in seconds.

    ``damage``: what was found wrong with the file before that.
    """

    index: int
    start_s: float
    shot_s: float
    damage: str | None = None


def places_to_json(places: Places) -> dict[str, Any]:
    """As JSON, for a worker."""
    return {digest.hex(): {kind: asdict(since) for kind, since in of.items()} for digest, of in places.items()}
