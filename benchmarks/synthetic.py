"""Vectors like those of a CLIP model, as many as are wanted: real ones enlarged, and texts that fit them.

Pictures. Around each real picture the data is taken to be flat: a new one is the real one moved towards and away from
its nearest neighbours by Gaussian amounts, about a point drawn a little to their middle, so that the spread stays what
it was. Neighbourhoods overlap, so that the intrinsic dimension is kept also where a hundred new ones come of each.

Texts. A text is the mean of all texts, plus what it says. The means of texts and pictures stand apart (the modality
gap). What it says is partly what its picture shows (``agreement``: the cosine of the two once each is centred), and
partly its own: turned into directions in which pictures hardly differ, but for a share (``confusion``) that is turned
anyhow and so moves it towards pictures that have nothing to do with it. Length of the mean, gap, agreement and
confusion are set to what a real set of pairs has.

`python benchmarks/synthetic.py` prints the real sets and the generated ones side by side.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from data import data_set
from numpy.typing import NDArray

from mmsearch.unit import normalize_rows

Floats = NDArray[np.float32]
BLOCK = 65_536
NEIGHBOURS = 32
SPREAD = 0.7  # how far a new picture goes, of the distance to its neighbours: with this the intrinsic dimension is kept
SHRINK = 0.4  # how far towards the middle of the neighbours it starts: makes up for the spread
PAIRS = "amazon_products_997"  # the largest set of pairs of an unadapted CLIP model


def unit(rows: NDArray[Any]) -> Floats:
    """Rows at length 1, float32."""
    return normalize_rows(np.asarray(rows, np.float32))


def real_pictures() -> Floats:
    """The 28,000 recorded pictures that are enlarged; float32 ``[28000, 512]``."""
    folder = data_set("muge_cnclip_vitb16_28000")
    return unit(np.load(folder / "image_int8.npy").astype(np.float32) * np.load(folder / "scale.npy").reshape(-1, 1))


@dataclass(frozen=True, slots=True)
class Gap:
    """How texts lie to pictures: length of their mean, cosine of the two means, agreement, and spread of cosines.

    ``spread`` is the standard deviation of one text's cosines to all pictures, median over the texts.
    """

    mean: float
    means_cosine: float
    agreement: float
    spread: float

    @classmethod
    def of(cls, texts: Floats, pictures: Floats) -> Gap:
        """What a set of pairs (row i of both) has."""
        t, p = texts.mean(0), pictures.mean(0)
        together = np.sum(unit(texts - t) * unit(pictures - p), axis=1)
        spread = np.median((texts @ pictures.T).std(axis=1))
        cosine = t @ p / (np.linalg.norm(t) * np.linalg.norm(p))
        return cls(float(np.linalg.norm(t)), float(cosine), float(together.mean()), float(spread))


class Generator:
    """Draws pictures and texts; the same seed gives the same ones, block by block."""

    def __init__(self, pictures: Floats | None = None, gap: Gap | None = None, *, seed: int = 0) -> None:
        self.real = real_pictures() if pictures is None else pictures
        self.dim = self.real.shape[1]
        self.seed = seed
        self.gap = recorded_gap() if gap is None else gap

    @cached_property
    def neighbours(self) -> NDArray[np.int32]:
        """The nearest of each real picture, ``[n, NEIGHBOURS]``."""
        found = np.empty((len(self.real), NEIGHBOURS), np.int32)
        for start in range(0, len(self.real), 1024):
            cosines = self.real[start : start + 1024] @ self.real.T
            cosines[np.arange(len(cosines)), start + np.arange(len(cosines))] = -2
            found[start : start + 1024] = np.argpartition(-cosines, NEIGHBOURS, axis=1)[:, :NEIGHBOURS]
        return found

    def pictures(self, count: int, *, stream: int = 0) -> Iterator[NDArray[np.float16]]:
        """``count`` pictures in blocks of `BLOCK` rows, float16 unit vectors; ``stream`` tells one set from another."""
        for number, start in enumerate(range(0, count, BLOCK)):
            rng = np.random.default_rng([self.seed, stream, number])
            yield self._pictures(rng, min(BLOCK, count - start)).astype(np.float16)

    def _pictures(self, rng: np.random.Generator, count: int) -> Floats:
        made = np.empty((count, self.dim), np.float32)
        for start in range(0, count, 4096):
            chosen = rng.integers(len(self.real), size=min(4096, count - start))
            weights = rng.standard_normal((len(chosen), NEIGHBOURS)).astype(np.float32) * SPREAD / NEIGHBOURS**0.5
            weights += SHRINK / NEIGHBOURS
            moved = self.real[chosen] * (1 - weights.sum(axis=1, keepdims=True))
            for place in range(NEIGHBOURS):
                moved += weights[:, place, None] * self.real[self.neighbours[chosen, place]]
            made[start : start + len(chosen)] = moved
        return unit(made)

    def texts(self, count: int, *, stream: int = 1) -> Floats:
        """``count`` texts about pictures that are in no set of `pictures`; float32 unit vectors."""
        rng = np.random.default_rng([self.seed, stream, 1 << 20])
        own = self._pictures(rng, count)
        return self._texts_about(own, self._confusion)

    def _texts_about(self, pictures: Floats, confusion: float) -> Floats:
        mean, axes, gap = self._mean, self._axes, self.gap
        shown = unit(pictures - mean)
        turned = unit((shown @ axes)[:, ::-1] @ axes.T)  # what varies most in pictures becomes what varies least
        own = unit(confusion * (shown @ self._rotation) + (1 - confusion) * turned)
        said = unit(gap.agreement * shown + (1 - gap.agreement**2) ** 0.5 * own)
        towards = unit(mean[None])[0]
        aside = axes[:, 0] - (axes[:, 0] @ towards) * towards  # the direction in which pictures vary least
        aside /= np.linalg.norm(aside)
        middle = gap.mean * (gap.means_cosine * towards + (1 - gap.means_cosine**2) ** 0.5 * aside)
        return unit(middle + (1 - gap.mean**2) ** 0.5 * said)

    @cached_property
    def _mean(self) -> Floats:
        return self.real.mean(axis=0)

    @cached_property
    def _axes(self) -> Floats:
        """Principal axes of the pictures by ascending variance, ``[dim, dim]``, one a column."""
        axes: Floats = np.linalg.eigh(np.cov(self.real.T))[1].astype(np.float32)
        return axes

    @cached_property
    def _rotation(self) -> Floats:
        turn = np.random.default_rng(self.seed).standard_normal((self.dim, self.dim))
        rotation: Floats = np.linalg.qr(turn)[0].astype(np.float32)
        return rotation

    @cached_property
    def _confusion(self) -> float:
        """The share at which a text's cosines spread as those of real texts do, by bisection."""
        about, among = self.real[::28], self.real[5::28]
        low, high = 0.0, 1.0
        for _ in range(12):
            share = (low + high) / 2
            spread = np.median((self._texts_about(about, share) @ among.T).std(axis=1))
            low, high = (low, share) if spread > self.gap.spread else (share, high)
        return low


def recorded_gap(name: str = PAIRS) -> Gap:
    """The gap of a set of recorded pairs."""
    folder = data_set("recorded_clip") / name
    return Gap.of(unit(np.load(folder / "text.npy")), unit(np.load(folder / "image.npy")))


def figures(rows: Floats, within: Floats | None = None) -> dict[str, float]:
    """What is kept of a set: length of its mean, intrinsic dimension, participation ratio, cosines to neighbours.

    The intrinsic dimension is the maximum-likelihood estimate of Levina and Bickel (2004) from 20 neighbours, the
    median over up to 1,000 rows; the participation ratio (Σλ)² / Σλ² of the covariance says how many directions vary.
    """
    pool = rows if within is None else within
    some = rows[np.random.default_rng(0).choice(len(rows), min(1000, len(rows)), replace=False)]
    cosines = -np.sort(-np.partition(some @ pool.T, -22, axis=1)[:, -22:], axis=1)
    own = (cosines[:, 0] > 0.9995).astype(int)
    near = np.take_along_axis(cosines, own[:, None] + np.arange(20), axis=1)
    distances = np.sqrt(np.maximum(2 - 2 * near, 1e-6))
    dimension = 1 / np.mean(np.log(distances[:, -1:] / distances[:, :-1]), axis=1)
    spectrum = np.linalg.eigvalsh(np.cov(pool[:50_000].T))
    return {
        "mean length": float(np.linalg.norm(pool[:200_000].mean(axis=0))),
        "intrinsic dim": float(np.median(dimension)),
        "participation": float(spectrum.sum() ** 2 / np.square(spectrum).sum()),
        "cosine 1st": float(np.median(near[:, 0])),
        "cosine 10th": float(np.median(near[:, 9])),
    }


def across(texts: Floats, pictures: Floats, pairs: Floats | None = None) -> dict[str, float]:
    """How texts lie to pictures: cosines to all, to the nearest, to their own; and how scattered the nearest are.

    ``lists`` is the mean share of k-means cells (one for every 20 pictures) that must be probed, nearest first,
    until nine of a text's ten nearest are found.
    """
    cosines = texts @ pictures.T
    ordered = -np.sort(-cosines, axis=1)
    line = {
        "cosine all": float(cosines.mean()),
        "spread": float(np.median(cosines.std(axis=1))),
        "cosine 1st": float(np.median(ordered[:, 0])),
        "cosine 10th": float(np.median(ordered[:, 9])),
        "lists": scatter(texts, pictures),
    }
    return line | ({} if pairs is None else {"cosine own": float(np.mean(np.sum(texts * pairs, axis=1)))})


def scatter(queries: Floats, rows: Floats) -> float:
    """Share of cells, one for every 20 rows, probed until nine of the ten nearest are found; mean over the queries."""
    import faiss

    cells = faiss.Kmeans(rows.shape[1], max(4, len(rows) // 20), niter=10, seed=1, min_points_per_centroid=1)
    cells.train(rows)
    cell_of = cells.index.search(rows, 1)[1][:, 0]
    rank = np.argsort(np.argsort(-(queries @ cells.centroids.T), axis=1), axis=1)
    cosines = queries @ rows.T
    nearest = np.argsort(-cosines, axis=1)
    nearest = np.where(np.take_along_axis(cosines, nearest[:, :1], 1) > 0.9995, nearest[:, 1:11], nearest[:, :10])
    ranks = np.sort(np.take_along_axis(rank, cell_of[nearest], axis=1), axis=1)
    return float(np.mean((ranks[:, 8] + 1) / len(cells.centroids)))


def side_by_side() -> list[dict[str, Any]]:
    """A line for each set, real and generated."""
    lines: list[dict[str, Any]] = []
    real = real_pictures()
    made = Generator(real)
    pictures = np.concatenate([block.astype(np.float32) for block in made.pictures(28_000)])
    lines.append({"set": "real pictures, 28,000", **figures(real)})
    lines.append({"set": "generated pictures, 28,000", **figures(pictures)})
    many = np.concatenate(list(made.pictures(200_000))).astype(np.float32)
    lines.append({"set": "generated pictures, 200,000", **figures(many[:1000], many)})
    texts = made.texts(1000)
    lines.append({"set": "generated texts", **figures(texts)})
    recorded = data_set("recorded_clip")
    for folder in sorted(recorded.iterdir()):
        if (folder / "text.npy").exists() and (folder / "pairs.jsonl").exists() and folder.name[-2:] != "99":
            t, p = (unit(np.load(folder / name)) for name in ("text.npy", "image.npy"))
            lines.append({"set": f"{folder.name}, pictures", **figures(p)})
            lines.append({"set": f"{folder.name}, texts", **figures(t)})
            lines.append({"set": f"{folder.name}, texts to pictures", **across(t, p, p)})
            lines.append({"set": f"{folder.name}, pictures to pictures", "lists": scatter(p, p)})
    own = unit(made._pictures(np.random.default_rng(5), 1000))
    lines.append(
        {"set": "generated, texts to 1,000 pictures", **across(made._texts_about(own, made._confusion), own, own)}
    )
    lines.append({"set": "generated, pictures to 1,000 pictures", "lists": scatter(own, own)})
    return lines


def main() -> int:
    """Print the table."""
    for line in side_by_side():
        print(json.dumps({k: round(v, 3) if isinstance(v, float) else v for k, v in line.items()}))
    return 0


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    sys.exit(main())
