"""Whether two pictures are copies of one another, by their pixels: how much of what both show agrees."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmsearch.library.duplicates.align import Pose, fitted, found_inside, inverse, places_of, sampled, whole
from mmsearch.library.duplicates.look import Grey, Look

_BLOCK = 12  # pixels of a side of the blocks that are compared
_TEXTURE = 2.5  # grey levels of deviation: a block with less says little
_AGREES = 0.7  # correlation of two blocks that show the same
_LIKE = 0.65  # correlation of two squares that are worth a fit as they are
_LIKE_EVEN = 0.4  # the same with contrast evened out
_INSIDE = 0.72  # correlation of a part and its place that is worth a fit

_PLAIN = 0.95  # share and correlation of copies that lie over one another without a fit
_LEAST_SHARE = 0.62
_LEAST_OF_LARGER, _LEAST_OF_SMALLER = 0.78, 0.3
_MOST_TILT = 9.0  # degrees


@dataclass(frozen=True, slots=True)
class Agreement:
    """What two pictures have in common.

    Attributes:
        share: of the blocks that both show, how much agrees, weighted by how much there is to see; 0 to 1.
        correlation: the weighted mean of the blocks' correlations.
        of_one: what part of the first picture's area both show.
        of_other: what part of the second picture's.
        variant: how the second is turned (see `look.turned`).
        tilt: the angle between them, in degrees.
        median: of the blocks' correlations: high where a few blocks alone differ, as below a text.
    """

    share: float
    correlation: float
    of_one: float
    of_other: float
    variant: int = 0
    tilt: float = 0.0
    median: float = 0.0


NOTHING = Agreement(0.0, 0.0, 0.0, 0.0)


def compare(one: Look, other: Look, *, turned: bool = True) -> Agreement:
    """What two pictures have in common.

    Args:
        one: a picture.
        other: another.
        turned: look also whether they are turned or mirrored.
    """
    plain, even = (own @ square.reshape(-1) for own, square in zip(other.variants, one.squares, strict=True))
    likeness = np.maximum(plain / _LIKE, even / _LIKE_EVEN)
    if not turned:
        likeness = likeness[:1]
    best = NOTHING
    order = np.argsort(-likeness)
    for variant in order[:2].tolist():
        if likeness[variant] >= 1:
            best = max(best, _judged(one, other, variant, None), key=_rank)
            if is_copy(best):
                return best
    for variant in [0] if not turned else [0, 4]:
        best = max(best, _judged_inside(one, other, variant), key=_rank)
        if is_copy(best):
            return best
    return best


def is_copy(found: Agreement) -> bool:
    """Whether pictures that agree so much are copies."""
    return (
        found.share >= _LEAST_SHARE
        and found.correlation >= _LEAST_SHARE
        and max(found.of_one, found.of_other) >= _LEAST_OF_LARGER
        and min(found.of_one, found.of_other) >= _LEAST_OF_SMALLER
        and abs(found.tilt) <= _MOST_TILT
    )


def _rank(found: Agreement) -> float:
    return found.share * min(1.0, max(found.of_one, found.of_other) + 0.2)


def _judged_inside(one: Look, other: Look, variant: int) -> Agreement:
    changed = other.turned(variant)
    a, pose_a = found_inside(changed, one)
    b, pose_b = found_inside(one, changed)
    if max(a, b) < _INSIDE:
        return NOTHING
    return _judged(one, other, variant, pose_a if a >= b else inverse(pose_b))


def _judged(one: Look, other: Look, variant: int, pose: Pose | None) -> Agreement:
    """The agreement after a fit that begins at a pose of the second picture, turned, in the first."""
    changed = other.turned(variant)
    if pose is not None:
        return _agreement(one, changed, fitted(changed, one, pose), variant)
    pose = whole(changed, one)
    plain = _agreement(one, changed, pose, variant)
    if min(plain.share, plain.correlation) >= _PLAIN:
        return plain
    return max(plain, _agreement(one, changed, fitted(changed, one, pose), variant), key=_rank)


def _agreement(one: Look, changed: Look, pose: Pose, variant: int) -> Agreement:
    turn = pose[:, :2]
    size = float(np.sqrt(abs(np.linalg.det(turn))))
    if not 0.2 < size < 5:
        return NOTHING
    # What is compared is sampled in the picture that shows the larger part with more pixels.
    if size <= 1:
        small, large, to_large = changed, one, pose
    else:
        small, large, to_large = one, changed, inverse(pose)
    share, correlation, median, covered = _blocks_agree(small.grey, large.grey, to_large)
    area_small = covered
    area_large = covered * small.grey.size * abs(float(np.linalg.det(to_large[:, :2]))) / large.grey.size
    of_other, of_one = (area_small, area_large) if size <= 1 else (area_large, area_small)
    tilt = float(np.degrees(np.arctan2(turn[1, 0] - turn[0, 1], turn[0, 0] + turn[1, 1])))
    return Agreement(share, correlation, min(1.0, of_one), min(1.0, of_other), variant, tilt, median)


def _blocks_agree(part: Grey, all_: Grey, pose: Pose) -> tuple[float, float, float, float]:
    """The share of blocks that agree, the mean and median of their correlations, and what part of the first picture
    lies in the other."""
    height, width = part.shape
    values, inside = sampled(_smooth(all_)[..., None], pose, *places_of(part))
    there = inside.reshape(height, width)
    covered = float(there.mean())
    if covered < 0.1:
        return 0.0, 0.0, 0.0, covered
    ours, theirs = _smooth(part), values.reshape(height, width)
    pieces = [_in_blocks(values * there) for values in (np.ones_like(ours), ours, theirs)]
    count = pieces[0]
    n = count.sum(axis=-1)
    enough = n >= 0.6 * _BLOCK * _BLOCK
    if not enough.any():
        return 0.0, 0.0, 0.0, covered
    count, a, b = (piece[enough] for piece in pieces)
    n = n[enough][:, None]
    a = (a - a.sum(axis=-1, keepdims=True) / n) * count
    b = (b - b.sum(axis=-1, keepdims=True) / n) * count
    # A change of contrast between the pictures as a whole is none of a block.
    va, vb = np.square(a).sum(axis=-1), np.square(b).sum(axis=-1)
    gain = float(np.sqrt((vb.sum() + 1e-6) / (va.sum() + 1e-6)))
    va, vb, cross = va * gain * gain, vb, (a * b).sum(axis=-1) * gain
    floor = n[:, 0] * _TEXTURE**2
    correlations = (cross + floor) / np.sqrt((va + floor) * (vb + floor))
    weights = np.sqrt(np.maximum(va, vb) / n[:, 0])
    weights = np.minimum(weights, 4 * np.median(weights) + 1e-6)
    total = float(weights.sum())
    if total <= 0:
        return 0.0, 0.0, 0.0, covered
    share = float((weights * (correlations >= _AGREES)).sum() / total)
    return share, float((weights * correlations).sum() / total), float(np.median(correlations)), covered


def _smooth(grey: Grey) -> Grey:
    """Means of 3 × 3 pixels."""
    padded = np.pad(grey, 1, mode="edge")
    across = padded[:, :-2] + padded[:, 1:-1] + padded[:, 2:]
    return np.asarray((across[:-2] + across[1:-1] + across[2:]) / 9, np.float32)


def _in_blocks(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Blocks of pixels, float32 ``[blocks, pixels]``; the edges are filled with zeros."""
    height, width = values.shape
    rows, columns = -(-height // _BLOCK), -(-width // _BLOCK)
    padded = np.zeros((rows * _BLOCK, columns * _BLOCK), np.float32)
    padded[:height, :width] = values
    blocks = padded.reshape(rows, _BLOCK, columns, _BLOCK).swapaxes(1, 2)
    return blocks.reshape(rows * columns, _BLOCK * _BLOCK)
