"""Where to go on in a film or a sound whose first parts an earlier run has embedded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

Places = Mapping[bytes, Mapping[Literal["shot", "window"], "Since"]]
"""Of films and sounds, by the hash of their content: with which shot and which window to begin."""


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
