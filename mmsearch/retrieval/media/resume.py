"""Where decoding goes on in films and sounds whose first parts an earlier run has embedded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

ResumePoints = Mapping[Literal["shot", "window"], "ResumePoint"]
"""Of one film or sound: the first shot and the first window to decode."""

ResumePointsByHash = Mapping[bytes, ResumePoints]
"""The same of several files, by the hash of their content."""


@dataclass(frozen=True, slots=True)
class ResumePoint:
    """The first part of a film or sound to decode; those before it are known.

    Attributes:
        index: its number among the shots or windows of the file, from 0.
        start_s: where it starts, in seconds.
        shot_start_s: where its shot starts: earlier than ``start_s`` in a later piece of a long shot.
        damage: what an earlier run found wrong with the file before that.
    """

    index: int
    start_s: float
    shot_start_s: float
    damage: str | None = None
