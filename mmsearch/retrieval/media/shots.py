"""Where one shot of a film ends and the next begins, told from thumbnails as they stream past."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

import numpy as np

from mmsearch.retrieval.media.picture import Frame, Thumbnail

MAX_SHOT_S = 10.0
MIN_SHOT_S = 0.4
FRAMES_PER_PIECE = 4

_AHEAD = 2
_LEAST_CHANGE = 12.0
_RATIO = 3.0
_SAME_AGAIN = 0.5

T = TypeVar("T")
FrameT = TypeVar("FrameT", bound=Frame)


def with_cuts(frames: Iterable[FrameT]) -> Iterator[tuple[FrameT, Thumbnail, bool]]:
    """Each frame, its thumbnail, and whether a new shot begins with it. Runs two frames behind.

    A cut is a change from one frame to the next that is large in itself and against the changes around it
    (so that motion is none), and after which the picture does not come back (so that a flash is none).
    """
    window: deque[tuple[FrameT, Thumbnail, float]] = deque(maxlen=2 * _AHEAD + 1)
    last: Thumbnail | None = None
    since = -np.inf
    pending = 0  # frames of the window that are not given yet
    first = True

    def decide(index: int) -> tuple[FrameT, Thumbnail, bool]:
        nonlocal since, first
        frame, thumbnail, _ = window[index]
        cut = frame.time - since >= MIN_SHOT_S and _is_cut(window, index)
        if cut or first:
            since, first = frame.time, False
        return frame, thumbnail, cut

    for frame in frames:
        thumbnail = frame.thumbnail()
        change = 0.0 if last is None else change_between(last, thumbnail)
        window.append((frame, thumbnail, change))
        last = thumbnail
        pending += 1
        if pending > _AHEAD:
            yield decide(len(window) - 1 - _AHEAD)
            pending -= 1
    while pending:
        yield decide(len(window) - pending)
        pending -= 1


def change_between(a: Thumbnail, b: Thumbnail) -> float:
    """How different two frames look: the mean over cells and planes of the absolute difference, in 8-bit levels."""
    return float(np.abs(a - b).mean())


def _is_cut(window: Sequence[tuple[Frame, Thumbnail, float]], index: int) -> bool:
    change = window[index][2]
    if change < _LEAST_CHANGE or index == 0:
        return False
    around = [window[at][2] for at in range(max(0, index - _AHEAD), len(window)) if at != index]
    if around and change < _RATIO * (sum(around) / len(around)):
        return False
    before = window[index - 1][1]
    after = [window[at][1] for at in range(index + 1, len(window))]
    return all(change_between(before, thumbnail) >= _SAME_AGAIN * change for thumbnail in after)


def evenly(items: Sequence[T], count: int) -> list[T]:
    """``count`` of the items, spread evenly and away from both ends; all where there are no more."""
    if len(items) <= count:
        return list(items)
    return [items[int((place + 0.5) * len(items) / count)] for place in range(count)]
