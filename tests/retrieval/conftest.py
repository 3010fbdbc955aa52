"""Rows of random unit vectors, a writer to put them with, and errors as the command line shows them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from mmsearch.cli.hints import explained_error
from mmsearch.errors import MMSearchError
from mmsearch.retrieval.store.manifest import Manifest, load_manifest, save_manifest
from mmsearch.retrieval.store.schema import facts_table
from mmsearch.retrieval.store.writer import Addition, Writer
from mmsearch.types import Item, Space

SPACE = Space("test", "weights", "processing", 32)


def unit_vectors(count: int, dim: int = 32, seed: int = 0) -> np.ndarray:
    vectors = np.random.default_rng(seed).standard_normal((count, dim)).astype(np.float32)
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16)


def facts(count: int, start: int = 0, modality: str = "text") -> pa.Table:
    return facts_table(
        [
            Item(f"/files/{i}.txt".encode(), i.to_bytes(16, "little"), 10 + i, 1000 + i, modality, passage=f"text {i}")
            for i in range(start, start + count)
        ]
    )


@pytest.fixture
def space() -> Space:
    return SPACE


@pytest.fixture
def rows() -> Callable[..., Addition]:
    """An addition of random rows."""

    def make(count: int, start: int = 0, space: Space = SPACE, modality: str = "text") -> Addition:
        return Addition(space, modality, facts(count, start, modality), unit_vectors(count, space.dim, seed=start))

    return make


@pytest.fixture
def writer(tmp_path: Path) -> Writer:
    """A writer to a new, empty collection."""
    root = tmp_path / "store.mms"
    root.mkdir()
    save_manifest(root, Manifest())
    (root / "lock").touch()
    return Writer(root, load_manifest(root))


@pytest.fixture
def raises_explained() -> Callable[..., AbstractContextManager[pytest.ExceptionInfo[MMSearchError]]]:
    """As `pytest.raises`; ``match`` is looked for in the line that the command line shows: message and hint."""

    @contextmanager
    def raises(kind: type[MMSearchError], *, match: str) -> Iterator[pytest.ExceptionInfo[MMSearchError]]:
        with pytest.raises(kind) as error:
            yield error
        assert re.search(match, explained_error(error.value)), explained_error(error.value)

    return raises
