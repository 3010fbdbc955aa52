"""Random pictures, texts that say what is on them, and texts about other things, of a model that nobody measured."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mmsearch import Collection, Space
from mmsearch.unit import normalize_rows

DIM = 32


def unit(rows: np.ndarray) -> np.ndarray:
    return normalize_rows(rows.astype(np.float32))


def pictures(count: int, seed: int = 0) -> np.ndarray:
    return unit(np.random.default_rng(seed).standard_normal((count, DIM)))


SHOWN = pictures(300)
ASKED = unit(SHOWN + 0.75 * pictures(300, 1))
"""Texts with a cosine of about 0.8 with their pictures."""
ABSENT = pictures(300, 2)


class WorldEncoder:
    """Embeds the words ``t12``, which are about picture 12, and ``s12``, which are about nothing that is there."""

    space = Space("world", weights="1", processing="1", dim=DIM)
    modalities = frozenset({"text"})
    device = "cpu"
    max_tokens = 100

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        vectors = [(ASKED if text[0] == "t" else ABSENT)[int(text[1:])] for text in texts]
        return np.array(vectors, np.float32).reshape(-1, DIM)

    def count_tokens(self, texts: Sequence[str]) -> np.ndarray:
        return np.ones(len(texts), np.int64)


def collection(root: Path, *, photos: int = 200, stray: int = 60) -> Collection:
    """Pictures ``p0`` …, a text ``t0`` … about each, and texts ``s0`` … about nothing that is there."""
    made = Collection.create(root, model=WorldEncoder())
    made.add(SHOWN[:photos], paths=[root.parent / f"p{i}" for i in range(photos)], modality="image")
    texts = [f"t{i}" for i in range(photos)] + [f"s{i}" for i in range(stray)]
    if stray:
        vectors = WorldEncoder().encode_texts(texts)
        made.add(vectors, paths=[root.parent / name for name in texts], modality="text", texts=texts)
    return made
