"""Finds the cuts between the shots of a film, by thumbnails of its frames, one frame after the other.

The thresholds were chosen on films made by ``benchmarks/shots.py``, which also measures them on other films.
"""

from __future__ import annotations

import bisect
import math
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Generic, NamedTuple, TypeVar

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from mmsearch.retrieval.media.films.frame import (
    THUMBNAIL_SIDE,
    Frame,
    FrameSamples,
    FrameThumbnail,
    thumbnails,
)

MIN_SHOT_S = 0.4

_AHEAD = 2
_MIN_COMPARED_CHANGE, _MIN_CHANGE = 4.0, 8.0
_MIN_DISSIMILARITY = 0.2
_RATIO = 3.0
_MIN_DISSIMILARITY_IN_CALM, _CALM_RATIO = 0.1, 5.0

_FLAT = 3.0
_FAINT = 6.0
_SHIFT = 3
_COARSE = 16
_MIXED = 8

_GROUP, _GROUP_BYTES = 4, 8 * 1024**2
"""So many frames are looked at together, as long as they take no more than so many bytes: more of them would push what
the decoder needs out of the processor's cache."""

_UNSEEN_S = 0.17
"""Where nothing happens the last frame of a group is looked at, and others if it would be less often than this."""

_CALM = 2.0
"""Nothing happens where the thumbnails of frames that were looked at differ by less than this on average."""

_TRANSITIONS_S = (0.4, 0.7, 1.0)
_MIN_TRANSITION = 20.0
_MAX_RESIDUE = 0.2
_ROUNDING_S = 1e-6

_ONES = np.ones(3 * THUMBNAIL_SIDE**2, np.float32)
"""Sums are products with them: several times as fast as `numpy.sum` on arrays of this size."""

T = TypeVar("T")
FrameT = TypeVar("FrameT", bound=Frame)
Coarse = NDArray[np.float32]
Mixed = NDArray[np.float32]


def _means(count: int) -> NDArray[np.float32]:
    """What makes the ``count`` means along a side of a thumbnail, float32 ``[count, 32]``."""
    side = THUMBNAIL_SIDE // count
    return np.kron(np.eye(count), np.full((1, side), 1 / side)).astype(np.float32)


def _parts() -> NDArray[np.intp]:
    """The places of the cells in each part of a coarse frame that the middle of another is compared with."""
    side = _COARSE - 2 * _SHIFT
    cells = np.arange(_COARSE**2).reshape(_COARSE, _COARSE)
    return sliding_window_view(cells, (side, side)).reshape(-1, side**2)


_TO_COARSE, _TO_MIXED, _PARTS = _means(_COARSE), _means(_MIXED), _parts()


class _FrameState:
    """A frame as the detector remembers it; ``change`` and ``dissimilarity`` are those since the frame before.

    ``mixed`` is what transitions are found by, and ``may_mix`` whether it differs enough from earlier ones.
    """

    __slots__ = ("_coarse", "change", "dissimilarity", "flat", "may_mix", "mixed", "thumbnail", "time")

    def __init__(self, time: float, thumbnail: FrameThumbnail, mixed: Mixed, may_mix: bool, flat: bool) -> None:
        self.time, self.thumbnail, self.mixed, self.may_mix, self.flat = time, thumbnail, mixed, may_mix, flat
        self.change = self.dissimilarity = 0.0
        self._coarse: Coarse | None = None

    @property
    def coarse(self) -> Coarse:
        if self._coarse is None:
            self._coarse = coarse(self.thumbnail)
        return self._coarse


def with_cuts(frames: Iterable[FrameT]) -> Iterator[tuple[FrameT, bool]]:
    """Each frame, and whether a new shot begins with it; some frames late.

    Where nothing happens, not all frames are looked at: a flash between two that are is not seen.

    A hard cut is a frame that differs from the one before by more than a small shift (which is motion) or another light
    (which is a flash), that differs more than the frames around it do, and after which the old picture does not come
    back. In a fade or a dissolve every frame of up to a second is a mixture of the first and the last one; the new shot
    begins towards its end, where it is detected. Frames of one colour begin no shot.
    """
    detector: _CutDetector[FrameT] = _CutDetector()
    for group in _Groups[FrameT]().of(frames):
        yield from detector.add(group)
    yield from detector.finish()


class _Group(NamedTuple, Generic[FrameT]):
    """Some frames, thumbnails, which of these stands for each frame, and how much each differs from the one before."""

    frames: list[FrameT]
    small: NDArray[np.float32]
    rows: list[int]
    changes: NDArray[np.float32]


class _Groups(Generic[FrameT]):
    """Frames and their thumbnails, some at a time: numpy takes hardly longer for four small frames than for one.

    Where nothing happens only some frames are looked at. The others are, as soon as one of those has changed.
    """

    def __init__(self) -> None:
        self._room: FrameSamples = np.empty((0, 0), np.uint8)  # for the samples of a group
        self._last: FrameThumbnail | None = None  # of the last frame of the group before
        self._last_s = -math.inf  # when the last frame is shown that was looked at
        self._calm = False  # in the last group
        self._frames: list[FrameT] = []
        self._at: list[int] = []  # the frames of this group that were looked at
        self._samples: list[FrameSamples] = []

    def of(self, frames: Iterable[FrameT]) -> Iterator[_Group[FrameT]]:
        """All frames, in groups."""
        most = 1
        for frame in frames:
            if not self._frames:
                most = max(1, min(_GROUP, _GROUP_BYTES // max(1, frame.held_bytes)))
            self._frames.append(frame)
            full = len(self._frames) == most
            if full or not self._calm or frame.time + frame.duration - self._last_s > _UNSEEN_S:
                self._look(len(self._frames) - 1)
            if full:
                yield self._finished()
        if self._frames:
            if self._at[-1:] != [len(self._frames) - 1]:
                self._look(len(self._frames) - 1)
            yield self._finished()

    def _look(self, at: int) -> None:
        frame, count = self._frames[at], len(self._samples)
        samples = frame.samples(self._room[count] if count < len(self._room) else None)
        self._samples.append(samples)
        self._at.append(at)
        self._last_s = frame.time

    def _finished(self) -> _Group[FrameT]:
        frames, count = self._frames, len(self._frames)
        small = self._thumbnails()
        changes = self._changes(small)
        if len(self._at) == count:
            self._calm = bool(changes.max() < _CALM / 2)
        elif changes.max() >= _CALM:
            self._calm = False
            for at in sorted({*range(count)} - {*self._at}):
                self._look(at)
            small = self._thumbnails()[np.argsort(self._at)]
            changes = self._changes(small)
        rows = [bisect.bisect_left(self._at, at) for at in range(count)] if self._calm else list(range(count))
        self._last, self._last_s = small[-1], frames[-1].time
        self._frames, self._at, self._samples = [], [], []
        return _Group(frames, small, rows, changes)

    def _changes(self, small: NDArray[np.float32]) -> NDArray[np.float32]:
        return mean_differences(small, small[0] if self._last is None else self._last)

    def _thumbnails(self) -> NDArray[np.float32]:
        """Of the frames that were looked at, in that order."""
        first, count = self._samples[0], len(self._samples)
        if all(samples.base is self._room for samples in self._samples):
            return thumbnails(self._room[:count])
        if all(samples.shape == first.shape and samples.dtype == first.dtype for samples in self._samples):
            if self._room.shape != (_GROUP, *first.shape) or self._room.dtype != first.dtype:
                self._room = np.empty((_GROUP, *first.shape), first.dtype)
            return thumbnails(np.stack(self._samples))
        return np.concatenate([thumbnails(samples[None]) for samples in self._samples])


class _CutDetector(Generic[FrameT]):
    def __init__(self) -> None:
        self._window: deque[_FrameState] = deque(maxlen=2 * _AHEAD + 2)
        self._waiting: deque[FrameT] = deque()  # decoded frames are large: those that were yielded are not kept
        self._before: _FrameState | None = None  # the last frame that shows something
        self._after_flat = False
        self._began: float | None = None  # when the current shot began
        self._cut = 0.0  # when the last shot began that starts with a hard cut
        self._earlier_times: NDArray[np.float64] = np.empty(0)  # of frames of the last second, and what they show
        self._earlier_mixed: Mixed = np.empty((0, 3 * _MIXED**2), np.float32)
        self._mixtures = _TransitionDetector()
        self._mixed = 0.0  # when the last transition that was detected is over for certain

    def add(self, group: _Group[FrameT]) -> Iterator[tuple[FrameT, bool]]:
        for frame, seen in zip(group.frames, self._states(group), strict=True):
            if seen.change > _MIN_COMPARED_CHANGE and self._before is not None:
                seen.dissimilarity = dissimilarity(self._before.coarse, seen.coarse)
            if not seen.flat:
                self._before = seen
            self._window.append(seen)
            self._waiting.append(frame)
            if len(self._waiting) > _AHEAD:
                yield self._decide()

    def _states(self, group: _Group[FrameT]) -> list[_FrameState]:
        """Frames as they are remembered, each with its change since the last one before it that is not flat."""
        small, rows = group.small, group.rows
        luma = small[:, 0].reshape(len(small), -1)
        centred = luma - np.add.reduce(luma, axis=1, keepdims=True) / luma.shape[1]
        is_flat = np.einsum("ij,ij->i", centred, centred) < _FLAT**2 * luma.shape[1]
        flat = is_flat.tolist()
        mixed = (_TO_MIXED @ (small @ _TO_MIXED.T)).reshape(len(small), -1)  # small products: no threads of BLAS
        if len(rows) > len(small):
            mixed = mixed[rows]
        may_mix = self._may_mix(np.array([frame.time for frame in group.frames]), mixed)
        changes = group.changes.tolist()
        if self._after_flat or True in flat:
            changes = self._changes(small, is_flat)
        self._after_flat = flat[-1]
        states = []
        for frame, row, mixture, mixes in zip(group.frames, rows, mixed, may_mix, strict=True):
            state = _FrameState(frame.time, small[row], mixture, mixes, flat[row])
            state.change = changes[row] / rows.count(row)
            states.append(state)
        return states

    def _changes(self, small: NDArray[np.float32], is_flat: NDArray[np.bool_]) -> list[float]:
        """How much each thumbnail differs from the last one before it that is not flat; 0 for flat ones."""
        shown = small[~is_flat]
        changes = np.zeros(len(small), np.float32)
        if len(shown):
            changes[~is_flat] = mean_differences(shown, shown[0] if self._before is None else self._before.thumbnail)
        found: list[float] = changes.tolist()
        return found

    def _may_mix(self, times: NDArray[np.float64], mixed: Mixed) -> list[bool]:
        """Which frames differ enough from one of those that a transition to them may have begun with."""
        times = np.concatenate([self._earlier_times, times])
        all_mixed = np.concatenate([self._earlier_mixed, mixed])
        starts = np.searchsorted(times, times[-len(mixed) :, None] - np.array(_TRANSITIONS_S) - _ROUNDING_S)
        differences = mixed[:, None] - all_mixed[starts]
        sizes = np.einsum("ijk,ijk->ij", differences, differences)
        kept = np.searchsorted(times, times[-1] - _TRANSITIONS_S[-1] - _ROUNDING_S)
        self._earlier_times, self._earlier_mixed = times[kept:], all_mixed[kept:]
        least = 0.99 * _MIN_TRANSITION**2 * mixed.shape[1]  # sums of float32 are rounded in different ways
        found: list[bool] = (sizes >= least).any(axis=1).tolist()
        return found

    def finish(self) -> Iterator[tuple[FrameT, bool]]:
        while self._waiting:
            yield self._decide()

    def _decide(self) -> tuple[FrameT, bool]:
        index = len(self._window) - len(self._waiting)
        seen = self._window[index]
        time = seen.time
        if self._began is None:
            self._began = time
            self._cut = time
        mixed = self._mixtures.ends_with(seen, self._began) and time - max(self._began, self._mixed) >= MIN_SHOT_S
        if mixed:
            self._mixed = time + _TRANSITIONS_S[-1]  # the rest of a transition looks like another
        hard = time - self._cut >= MIN_SHOT_S and _is_hard_cut(self._window, index)
        cut = mixed or hard
        if cut:
            self._began = time
        if hard:
            self._cut = time
        return self._waiting.popleft(), cut


def _is_hard_cut(states: Sequence[_FrameState], index: int) -> bool:
    seen = states[index]
    if seen.change < _MIN_CHANGE or seen.dissimilarity < _MIN_DISSIMILARITY_IN_CALM or not index:
        return False
    window = list(states)
    around = [window[at] for at in range(max(0, index - _AHEAD), len(window)) if at != index]
    if seen.dissimilarity * len(around) < _RATIO * sum(other.dissimilarity for other in around):
        return False
    in_calm = seen.change * len(around) > _CALM_RATIO * sum(other.change for other in around)
    least = _MIN_DISSIMILARITY_IN_CALM if in_calm else _MIN_DISSIMILARITY
    if seen.dissimilarity < least:
        return False
    old, new = window[max(0, index - _AHEAD - 1) : index], window[index + 1 :]
    pairs = [(old[-1], later) for later in new] + [(earlier, seen) for earlier in old[:-1]]  # does a picture come back?
    return all(dissimilarity(a.coarse, b.coarse) >= least for a, b in pairs if not (a.flat or b.flat))


def mean_differences(small: NDArray[np.float32], before: FrameThumbnail) -> NDArray[np.float32]:
    """How much each thumbnail differs from the one before it on average; ``before`` is the one before the first."""
    differences = np.empty_like(small)
    np.subtract(small[0], before, out=differences[0])
    np.subtract(small[1:], small[:-1], out=differences[1:])
    values = np.abs(differences, out=differences).reshape(len(small), -1)
    found: NDArray[np.float32] = np.add.reduce(values, axis=1) / values.shape[1]
    return found


def is_flat(thumbnail: FrameThumbnail) -> bool:
    """Black, white or any one colour: a frame that shows nothing."""
    luma = thumbnail[0].ravel()
    centred = luma - (luma @ _ONES[: luma.size]) / luma.size
    return bool(centred @ centred < _FLAT**2 * luma.size)


def coarse(thumbnail: FrameThumbnail) -> Coarse:
    """The luma of a thumbnail in 16 × 16 cells."""
    cells: Coarse = _TO_COARSE @ thumbnail[0] @ _TO_COARSE.T
    return cells


def dissimilarity(a: Coarse, b: Coarse) -> float:
    """How different two frames are, from 0 (the same) to 1 (nothing in common).

    That is one minus the greatest correlation of the middle of one frame with any part of the other of the same size,
    so that shifts and changes of light and contrast make no difference. Faint patterns count for less.
    """
    return 1 - max(_best_correlation(a, b), _best_correlation(b, a))


def _best_correlation(a: Coarse, b: Coarse) -> float:
    middle = b[_SHIFT:-_SHIFT, _SHIFT:-_SHIFT].ravel()
    count = middle.size
    middle = middle - middle.mean()
    parts = a.ravel()[_PARTS]
    means = parts @ _ONES[:count] / count
    squares = np.einsum("ij,ij->i", parts, parts) / count
    spread = np.sqrt(np.maximum(squares - means**2, _FAINT**2))
    products = parts @ middle / count
    return float((products / spread).max() / max(_FAINT, math.sqrt(middle @ middle / count)))


class _TransitionDetector:
    """Detects fades and dissolves: all frames of up to a second are mixtures of the first and the last of them."""

    def __init__(self) -> None:
        self._times: list[float] = []
        self._past: list[tuple[Mixed, _FrameState]] = []

    def ends_with(self, seen: _FrameState, began: float) -> bool:
        """Whether a fade or a dissolve that began after ``began`` ends with this frame."""
        time = seen.time
        self._times.append(time)
        self._past.append((seen.mixed, seen))
        old = bisect.bisect_left(self._times, time - _TRANSITIONS_S[-1] - _ROUNDING_S)
        del self._times[:old], self._past[:old]
        return seen.may_mix and not seen.flat and any(self._mixes(time - length, began) for length in _TRANSITIONS_S)

    def _mixes(self, since: float, began: float) -> bool:
        start = bisect.bisect_left(self._times, since - _ROUNDING_S)
        steps = len(self._times) - 1 - start
        if steps < 4 or self._times[start] < began or self._times[start] > since + 0.1:
            return False
        (first, opening), (last, ending) = self._past[start], self._past[-1]
        difference = last - first
        size = float(difference @ difference)
        if size < _MIN_TRANSITION**2 * difference.size:
            return False
        shares = []
        for quarter in (1, 2, 3):
            step = self._past[start + round(steps * quarter / 4)][0] - first
            share = float(step @ difference) / size
            residue = step - share * difference
            if float(residue @ residue) > _MAX_RESIDUE**2 * size:
                return False
            shares.append(share)
        if not 0.1 < shares[0] < shares[1] < shares[2] < 0.95 or shares[0] > 0.45 or shares[2] < 0.55:
            return False
        return dissimilarity(opening.coarse, ending.coarse) >= _MIN_DISSIMILARITY


def pick_evenly(items: Sequence[T], count: int) -> list[T]:
    """``count`` of the items, evenly spread and not at the ends; all if there are no more."""
    if len(items) <= count:
        return list(items)
    return [items[int((place + 0.5) * len(items) / count)] for place in range(count)]
