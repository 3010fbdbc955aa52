"""Two pictures that lie over one another, compared block by block."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmsearch.library.duplicates.align import Pose, places_of, sampled
from mmsearch.library.duplicates.look import Grey

_BLOCK = 12  # pixels of a side
_TEXTURE = 2.5  # grey levels of deviation: a block with less says little
_AGREES = 0.7  # correlation of two blocks that show the same
_DIFFERS = 0.5  # correlation of blocks that show something else, in drawn pictures


@dataclass(frozen=True, slots=True)
class Blocks:
    """How the blocks of two pictures agree.

    Attributes:
        share: how much agrees, weighted by how much there is to see; 0 to 1.
        correlation: the weighted mean of the blocks' correlations.
        median: of the blocks' correlations.
        lost: the share of blocks with anything to see that show something else.
        covered: what part of the first picture lies in the other.
    """

    share: float = 0.0
    correlation: float = 0.0
    median: float = 0.0
    lost: float = 1.0
    covered: float = 0.0


def compared_blocks(part: Grey, all_: Grey, pose: Pose) -> Blocks:
    """How the blocks of a picture agree with what is at their place in another.

    Args:
        part: a picture.
        all_: the other.
        pose: from places in the first to places in the other.
    """
    height, width = part.shape
    values, inside = sampled(_smooth(all_)[..., None], pose, *places_of(part))
    there = inside.reshape(height, width)
    covered = float(there.mean())
    if covered < 0.1:
        return Blocks(covered=covered)
    ours, theirs = _smooth(part), values.reshape(height, width)
    pieces = [_in_blocks(values * there) for values in (np.ones_like(ours), ours, theirs)]
    count = pieces[0]
    n = count.sum(axis=-1)
    enough = n >= 0.6 * _BLOCK * _BLOCK
    if not enough.any():
        return Blocks(covered=covered)
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
        return Blocks(covered=covered)
    share = float((weights * (correlations >= _AGREES)).sum() / total)
    shown = np.maximum(va, vb) >= floor
    lost = float((correlations[shown] < _DIFFERS).mean()) if shown.any() else 0.0
    correlation = float((weights * correlations).sum() / total)
    return Blocks(share, correlation, float(np.median(correlations)), lost, covered)


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
