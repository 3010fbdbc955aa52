"""How one picture lies in another: the place where it is found, and a fit that follows scale, tilt and shift.

A pose is a float64 ``[2, 3]`` matrix from places in one picture to places in the other, both as fractions of the longer
side times `look.SIDE`, that is in pixels of the full thumbnails.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mmsearch.library.duplicates.look import Grey, Look, reduced, squeezed

Pose = NDArray[np.float64]

_SCALES = tuple(1.08**-i for i in range(11))
"""What part of one picture's longer side the longer side of the other may be."""

_LEAST = 12  # pixels of the shorter side of what is looked for
_STEPS_HALF, _STEPS_FULL, _STEPS_LARGE = 10, 5, 4


def whole(one: Look, other: Look) -> Pose:
    """The pose in which all of one picture is all of the other."""
    (height, width), (high, wide) = one.grey.shape, other.grey.shape
    sx, sy = wide / width, high / height
    return np.array([[sx, 0, (sx - 1) / 2], [0, sy, (sy - 1) / 2]])


def inverse(pose: Pose) -> Pose:
    """The pose the other way round."""
    turn = np.linalg.inv(pose[:, :2])
    return np.hstack([turn, -turn @ pose[:, 2:]])


def found_inside(part: Look, all_: Look) -> tuple[float, Pose]:
    """Where a picture is found inside another: the best correlation over scales and places, and the pose."""
    big = all_.coarse
    high, wide = big.shape
    centred = big - big.mean()
    fft = high + part.coarse.shape[0], wide + part.coarse.shape[1]
    spectrum = np.fft.rfft2(centred, fft)
    sums = _integral(centred)
    squares = _integral(centred * centred)
    best, best_pose = -1.0, whole(part, all_)
    sizes = []
    for scale in _SCALES:
        height = round(part.coarse.shape[0] * scale)
        width = round(part.coarse.shape[1] * scale)
        if min(height, width) >= _LEAST and height <= high and width <= wide:
            sizes.append((height, width))
    if not sizes:
        return best, best_pose
    templates = np.zeros((len(sizes), *fft), np.float32)
    for template, (height, width) in zip(templates, sizes, strict=True):
        small = squeezed(part.grey, height, width)
        small = small - small.mean()
        length = float(np.linalg.norm(small))
        template[:height, :width] = small / length if length else small
    products = np.fft.irfft2(spectrum[None] * np.conj(np.fft.rfft2(templates)), fft)
    for product, (height, width) in zip(products, sizes, strict=True):
        rows, columns = high - height + 1, wide - width + 1
        count = height * width
        mean = _boxes(sums, height, width) / count
        variance = _boxes(squares, height, width) - count * mean * mean
        score = product[:rows, :columns] / np.sqrt(np.maximum(variance, count * 4.0))
        at = int(np.argmax(score))
        if float(score.flat[at]) > best:
            best = float(score.flat[at])
            y, x = divmod(at, columns)
            best_pose = _pose_of_box(part, all_, (x, y, width, height))
    return best, best_pose


def _pose_of_box(part: Look, all_: Look, box: tuple[int, int, int, int]) -> Pose:
    """The pose of all of a picture in a box of the coarse picture of another."""
    x, y, width, height = box
    to_full = all_.grey.shape[1] / all_.coarse.shape[1], all_.grey.shape[0] / all_.coarse.shape[0]
    sx, sy = width * to_full[0] / part.grey.shape[1], height * to_full[1] / part.grey.shape[0]
    return np.array([[sx, 0, x * to_full[0] + (sx - 1) / 2], [0, sy, y * to_full[1] + (sy - 1) / 2]])


def _integral(values: Grey) -> NDArray[np.float64]:
    total = np.zeros((values.shape[0] + 1, values.shape[1] + 1))
    total[1:, 1:] = values.cumsum(axis=0, dtype=np.float64).cumsum(axis=1)
    return total


def _boxes(total: NDArray[np.float64], height: int, width: int) -> NDArray[np.float64]:
    """The sums of all boxes of a size."""
    return total[height:, width:] - total[:-height, width:] - total[height:, :-width] + total[:-height, :-width]


def fitted(part: Look, all_: Look, pose: Pose) -> Pose:
    """The pose after a fit of all six numbers, by least squares on the grey levels, at half and at full size."""
    pose = _fit(part.half, all_.half, _at_level(pose, part, all_, 2), _STEPS_HALF)
    pose = _from_level(pose, part, all_, 2)
    return _fit(part.grey, all_.grey, pose, _STEPS_FULL)


def refitted(part: Look, all_: Look, pose: Pose) -> Pose:
    """The pose of larger pictures, from that of smaller ones of the same; fitted again."""
    square = np.vstack([pose, [0, 0, 1]])
    pose = np.asarray((_to_size(all_) @ square @ np.linalg.inv(_to_size(part)))[:2])
    return _fit(part.grey, all_.grey, pose, _STEPS_LARGE)


def _to_size(look: Look) -> NDArray[np.float64]:
    """From places as `Agreement.pose` has them to those of a picture."""
    height, width = look.grey.shape
    return np.array([[width, 0, -0.5], [0, height, -0.5], [0, 0, 1]])


def as_fractions(part: Look, all_: Look, pose: Pose) -> Pose:
    """A pose with places as fractions of the pictures' sides."""
    square = np.vstack([pose, [0, 0, 1]])
    return np.asarray((np.linalg.inv(_to_size(all_)) @ square @ _to_size(part))[:2])


def _scaling(look: Look, factor: int) -> NDArray[np.float64]:
    small = look.half if factor == 2 else reduced(look.grey, factor)
    sx, sy = small.shape[1] / look.grey.shape[1], small.shape[0] / look.grey.shape[0]
    return np.array([[sx, 0, (sx - 1) / 2], [0, sy, (sy - 1) / 2], [0, 0, 1]])


def _at_level(pose: Pose, part: Look, all_: Look, factor: int) -> Pose:
    square = np.vstack([pose, [0, 0, 1]])
    return np.asarray((_scaling(all_, factor) @ square @ np.linalg.inv(_scaling(part, factor)))[:2])


def _from_level(pose: Pose, part: Look, all_: Look, factor: int) -> Pose:
    square = np.vstack([pose, [0, 0, 1]])
    return np.asarray((np.linalg.inv(_scaling(all_, factor)) @ square @ _scaling(part, factor))[:2])


def _fit(part: Grey, all_: Grey, pose: Pose, steps: int) -> Pose:
    """Gauss-Newton on the pose and on gain and bias of the levels; pixels that fit badly count less (Tukey)."""
    height, width = part.shape
    x, y = places_of(part)
    sought = part.reshape(-1)
    dy, dx = np.gradient(all_)
    layers = np.stack([all_, dx, dy], axis=-1).astype(np.float32)
    cx, cy, unit = width / 2, height / 2, max(width, height) / 2
    u, v = (x - cx) / unit, (y - cy) / unit
    gain, bias = 1.0, 0.0
    for step in range(steps):
        values, inside = sampled(layers, pose, x, y)
        if np.count_nonzero(inside) < 64:
            break
        level, gx, gy = values[inside].T
        own = sought[inside]
        uu, vv = u[inside], v[inside]
        ones = np.ones_like(own)
        design = np.stack([gx * uu, gx * vv, gx, gy * uu, gy * vv, gy, -own, -ones], axis=1)
        weights: NDArray[np.float32] = ones
        if step > 0:
            off = np.abs(level - gain * own - bias)
            reach = 4.7 * max(float(np.median(off)) * 1.48, 2.0)
            weights = np.square(np.clip(1 - np.square(off / reach), 0, None)).astype(np.float32)
        weighted = design * weights[:, None]
        normal = weighted.T @ design
        normal[np.diag_indices(8)] *= 1 + 1e-4
        normal[np.diag_indices(8)] += 1e-3
        state = np.linalg.solve(normal.astype(np.float64), -(weighted.T @ level).astype(np.float64))
        gain, bias = float(state[6]), float(state[7])
        change = state[:6].reshape(2, 3)
        moved = pose.copy()
        moved[:, :2] += change[:, :2] / unit
        moved[:, 2] += change[:, 2] - (change[:, 0] * cx + change[:, 1] * cy) / unit
        pose = moved
        if float(np.abs(change).max()) < 0.02:
            break
    return pose


def places_of(grey: Grey) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Across and down of each pixel, float32 ``[pixels]`` both."""
    down, across = np.indices(grey.shape, np.float32)
    return across.reshape(-1), down.reshape(-1)


def sampled(
    layers: NDArray[np.float32], pose: Pose, x: NDArray[np.float32], y: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Layers ``[height, width, n]`` at the places to which a pose moves others, and which of these lie inside."""
    height, width = layers.shape[:2]
    px = (pose[0, 0] * x + pose[0, 1] * y + pose[0, 2]).astype(np.float32)
    py = (pose[1, 0] * x + pose[1, 1] * y + pose[1, 2]).astype(np.float32)
    inside = (px > -0.5) & (px < width - 0.5) & (py > -0.5) & (py < height - 0.5)
    px, py = np.clip(px, 0, width - 1.001), np.clip(py, 0, height - 1.001)
    ix, iy = px.astype(np.intp), py.astype(np.intp)
    fx, fy = (px - ix)[:, None], (py - iy)[:, None]
    flat = layers.reshape(height * width, -1)
    at = iy * width + ix
    top = flat[at] * (1 - fx) + flat[at + 1] * fx
    below = flat[at + width] * (1 - fx) + flat[at + width + 1] * fx
    return top * (1 - fy) + below * fy, inside
