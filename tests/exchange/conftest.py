"""A small collection with everything that a row can have, and places to export it to."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from mmsearch import Collection
from mmsearch.exchange.exporting import run as export_run
from mmsearch.exchange.importing import run as import_run

DIM = 16
PICTURES, TEXTS = 40, 20


def numbers(rows: int, dim: int = DIM, seed: int = 0) -> np.ndarray:
    """Vectors of some length."""
    return np.random.default_rng(seed).standard_normal((rows, dim)).astype(np.float32)


@pytest.fixture
def vectors():
    """`numbers`."""
    return numbers


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Collection]:
    """Forty pictures and twenty passages of ten texts, with facts of the format and of a user's own."""
    with Collection.create(tmp_path / "shop.mms", model=None) as made:
        count = range(PICTURES)
        made.add(
            numbers(PICTURES),
            paths=[f"/shop/{i:02d} 'ä\t\\.jpg" for i in count],
            modality="image",
            space="ours",
            facts={
                "width": [100 + i for i in count],
                "taken_at": [dt.datetime(2026, 1, 1, 12, 0, i, 250_000) for i in count],
                "mms_lat": [i / 7 if i % 3 else None for i in count],
                "mms_place": ["Lisbon" if i % 2 else None for i in count],
                "mms_tags": [["red", f"t{i}"] if i % 4 else None for i in count],
                "colour": ["red" if i % 2 else "blue\nor green" for i in count],
                "price": [i / 3 for i in count],
                "sizes": [[1, i] for i in count],
                "sold": [bool(i % 2) for i in count],
            },
        )
        made.add(
            numbers(TEXTS, seed=1),
            paths=[f"/texts/{i // 2}.txt" for i in range(TEXTS)],
            modality="text",
            space="ours",
            texts=[f"passage {i}" for i in range(TEXTS)],
            facts={
                "span_start": [float(i % 2) for i in range(TEXTS)],
                "span_end": [float(i % 2 + 1) for i in range(TEXTS)],
                "span_unit": ["char"] * TEXTS,
            },
        )
        yield made


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs read and write eight rows at a time."""
    for module in (export_run, import_run):
        monkeypatch.setattr(module, "_FEWEST_ROWS", 8)
        monkeypatch.setattr(module, "_MOST_ROWS", 8)


@dataclass(frozen=True)
class Kind:
    """A kind of destination: its name, and the packages that it needs."""

    name: str
    to: str
    place: str
    needs: tuple[str, ...] = ()

    def at(self, folder: Path) -> str:
        """A place of this kind; the test is skipped where a package is missing."""
        for package in self.needs:
            pytest.importorskip(package, reason=f"needs {package} (extra `{self.to}`)")
        place = folder / self.place
        if self.name == "qdrant client":
            from qdrant_client import QdrantClient

            QdrantClient(path=str(place)).close()
        return str(place)


KINDS = (
    Kind("parquet", "parquet", "out"),
    Kind("npy", "npy", "out"),
    Kind("faiss", "faiss", "out"),
    Kind("pgvector", "pgvector", "out.sql"),
    Kind("lance", "lance", "out", ("lancedb",)),
    Kind("qdrant edge", "qdrant", "out", ("qdrant_edge",)),
    Kind("qdrant client", "qdrant", "out", ("qdrant_client",)),
    Kind("milvus", "milvus", "out.db", ("pymilvus", "milvus_lite")),
)


@pytest.fixture(params=KINDS, ids=lambda kind: kind.name)
def kind(request: pytest.FixtureRequest) -> Kind:
    """Each kind of destination."""
    return request.param


def stop_after(rows: int):
    """A watcher that ends a run once so many rows are done."""

    def watch(done: int, total: int) -> None:
        if done >= rows:
            raise KeyboardInterrupt

    return watch


@pytest.fixture
def stopping():
    """`stop_after`."""
    return stop_after
