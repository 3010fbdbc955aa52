"""Whether two pictures are copies of one another, by their pixels: how much of what both show agrees."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mmsearch.library.duplicates.align import Pose, as_fractions, fitted, found_inside, inverse, refitted, whole
from mmsearch.library.duplicates.blocks import compared_blocks
from mmsearch.library.duplicates.look import Look

_LIKE = 0.65  # correlation of two squares that are worth a fit as they are
_LIKE_EVEN = 0.4  # the same with contrast evened out
_INSIDE = 0.72  # correlation of a part and its place that is worth a fit

_PLAIN = 0.95  # share and correlation of copies that lie over one another without a fit
_LEAST_SHARE = 0.62
_LEAST_OF_LARGER, _LEAST_OF_SMALLER = 0.78, 0.3
_MOST_TILT = 9.0  # degrees
_MOST_LOST = 0.004  # of the blocks of drawn pictures


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
        pose: from places in the second, turned, to places in the first, as fractions of their sides.
    """

    share: float
    correlation: float
    of_one: float
    of_other: float
    variant: int = 0
    tilt: float = 0.0
    median: float = 0.0
    pose: Pose | None = None


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
    blocks = compared_blocks(small.grey, large.grey, to_large)
    covered = blocks.covered
    area_small = covered
    area_large = covered * small.grey.size * abs(float(np.linalg.det(to_large[:, :2]))) / large.grey.size
    of_other, of_one = (area_small, area_large) if size <= 1 else (area_large, area_small)
    tilt = float(np.degrees(np.arctan2(turn[1, 0] - turn[0, 1], turn[0, 0] + turn[1, 1])))
    return Agreement(
        blocks.share,
        blocks.correlation,
        min(1.0, of_one),
        min(1.0, of_other),
        variant,
        tilt,
        blocks.median,
        as_fractions(changed, one, pose),
    )


def agrees_closely(one: Look, other: Look, found: Agreement) -> bool:
    """Whether drawn pictures are copies: no part of one shows what the other does not, at a size at which it is read.

    Args:
        one: a picture, larger than it was compared at.
        other: the other.
        found: how they lie over one another.
    """
    changed = other.turned(found.variant)
    assert found.pose is not None
    pose = refitted(changed, one, found.pose)
    blocks = compared_blocks(changed.grey, one.grey, pose)
    return blocks.lost <= _MOST_LOST
