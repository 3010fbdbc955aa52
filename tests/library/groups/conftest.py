"""Collections of vectors that fall into groups, and a folder of pictures that do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mmsearch import Collection

DIM = 16


def blob_vectors(sizes: list[int], seed: int = 0, spread: float = 0.15) -> np.ndarray:
    """Vectors about as many middles as there are sizes; the middles are the same for every seed."""
    middles = np.eye(DIM, dtype=np.float32)[: len(sizes)]
    noise = np.random.default_rng(seed).standard_normal((sum(sizes), DIM)).astype(np.float32)
    return np.repeat(middles, sizes, axis=0) + spread * noise


@pytest.fixture(name="blobs", scope="session")
def blobs_() -> Callable[..., np.ndarray]:
    """`blob_vectors`."""
    return blob_vectors


@pytest.fixture
def made(tmp_path: Path) -> Callable[..., Collection]:
    """Makes a collection of vectors about some middles, or adds some to one."""

    def make(sizes: list[int], collection: Collection | None = None, **facts: object) -> Collection:
        collection = collection or Collection.create(tmp_path / "blobs.mms", model=None, index="exact")
        start = collection.manifest.next_id
        names = [f"/blobs/{blob}/{start + i}.jpg" for i, blob in enumerate(np.repeat(np.arange(len(sizes)), sizes))]
        collection.add(blob_vectors(sizes, start), paths=names, modality="image", space="blobs", facts=facts or None)
        return collection

    return make


@pytest.fixture(scope="module")
def drawings(tmp_path_factory: pytest.TempPathFactory, drawn) -> Path:
    """Four pictures of each of three kinds, the same but for their sizes."""
    folder = tmp_path_factory.mktemp("drawings")
    for kind in ("disc", "stripes", "noise"):
        for i in range(4):
            drawn(f"{kind}.png").resize((96 + 8 * i, 64 + 8 * i)).save(folder / f"{kind} {i}.png")
    return folder


@pytest.fixture(scope="module")
def drawn_groups(drawings: Path, tmp_path_factory: pytest.TempPathFactory) -> Collection:
    """A collection over `drawings` that a whole module reads."""
    collection = Collection.create(tmp_path_factory.mktemp("collection") / "drawings.mms", model="mini")
    collection.index([drawings], workers=1)
    return collection
