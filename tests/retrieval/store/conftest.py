"""Collections in buckets, as several machines see them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmsearch import Collection
from mmsearch.retrieval.storage import join, storage_of
from mmsearch.retrieval.store import remote

DIM = 16


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], Path]:
    """Continue as another process, of a machine by its name, which has a cache of its own; returns that folder."""
    monkeypatch.setattr(remote, "LOOK_AGAIN_S", 0.0)

    def use(name: str) -> Path:
        monkeypatch.setattr(remote, "_mirrors", dict(remote._mirrors))  # collections that are open stay so
        for root in list(remote._mirrors):
            if root.is_relative_to(tmp_path / name):
                del remote._mirrors[root]
        monkeypatch.setattr(remote, "_caches", {})
        monkeypatch.setattr(remote, "_cache_home", lambda: tmp_path / name / "mmsearch" / "buckets")
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / name))
        return tmp_path / name / "mmsearch" / "buckets"

    use("here")
    return use


@pytest.fixture
def address(s3: Any, machine: Any) -> str:
    """Where a collection can be made."""
    return f"{s3.address}/photos.mms"


def some_rows(count: int, start: int = 0) -> dict[str, Any]:
    """Arguments for `Collection.add`: so many rows from a number on, the same ones each time."""
    vectors = np.random.default_rng(start).standard_normal((count, DIM)).astype(np.float32)
    paths = [f"/{i}" for i in range(start, start + count)]
    return {"vectors": vectors, "paths": paths, "modality": "image", "space": "s"}


@pytest.fixture
def more() -> Callable[..., dict[str, Any]]:
    """`some_rows`."""
    return some_rows


@pytest.fixture(scope="session")
def as_folder(tmp_path_factory: pytest.TempPathFactory) -> Collection:
    """A collection of 6,000 rows behind an approximate index, in a folder. Tests only read it."""
    made = Collection.create(tmp_path_factory.mktemp("folder") / "photos.mms", model=None, index="IVF8,Flat")
    made.add(**some_rows(6000))
    return made


@pytest.fixture
def in_bucket(address: str, as_folder: Collection) -> Collection:
    """The same collection, copied to a bucket as it is, opened on a machine that holds nothing of it."""
    storage = storage_of(address)
    for path in as_folder.root.rglob("*"):
        if path.is_file():
            storage.put(join(address, path.relative_to(as_folder.root).as_posix()), path)
    return Collection.open(address)
