"""An index that workers fill: trained once some parts are there, encoded by each worker, merged when gathering."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mmsearch import Collection, SourcePart, Space
from mmsearch.errors import UsageError
from mmsearch.retrieval.ingest.parts.embed_parts import PartResult
from mmsearch.retrieval.ingest.parts.part_store import PartStore
from mmsearch.retrieval.ingest.stored_files import StoredRows
from mmsearch.scale import gather
from mmsearch.scale.segments import encode_beside
from mmsearch.types import Item

DIM, ROWS = 16, 500
SPACE = Space.of_vectors("s", DIM)


def clustered(seed: int) -> np.ndarray:
    middle = np.random.default_rng(7).normal(size=(30, DIM))
    rng = np.random.default_rng(seed)
    points = middle[rng.integers(30, size=ROWS)] + 0.5 * rng.normal(size=(ROWS, DIM))
    return (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float16)


def work(root: Path, number: int) -> None:
    """What a worker makes of a part of five hundred pictures."""
    rows = {}
    for row, vector in enumerate(clustered(number)):
        path, digest = f"/{number}.tar#{row}.jpg".encode(), (number * ROWS + row).to_bytes(16, "big")
        item = Item(path, digest, 1, 1, "image", source=f"/{number}.tar".encode())
        rows[row] = [StoredRows(SPACE, "image", [item], vector[None])]
    result = PartResult(SourcePart(f"/{number}.tar", 1, "1"), rows, items=ROWS)
    PartStore(str(root), made=encode_beside).write(f"{number:032}", f"{number:032}", result, {"image": SPACE})


def segments(root: Path) -> list[Path]:
    return sorted(root.rglob("*.segment"))


def found(root: Path, number: int) -> list[str]:
    opened = Collection.open(root)
    return [opened.search(vector.astype(np.float32), k=1)[0].path for vector in clustered(number)[:20]]


@pytest.fixture
def trained(tmp_path) -> Path:
    """A collection of one part, with an index that is trained for three times as many rows."""
    root = tmp_path / "c.mms"
    work(root, 0)
    gather(root, index="ivfpq", train_for=3 * ROWS)
    return root


def test_workers_encode_from_when_an_index_is_trained(trained):
    assert segments(trained) == []  # the first part was encoded when it was gathered
    work(trained, 1)
    assert [path.parent.name for path in segments(trained)] == [f"{1:032}"]


def test_gathering_merges_what_workers_have_encoded(trained):
    work(trained, 1)
    work(trained, 2)
    assert gather(trained).rows == 2 * ROWS
    made = Collection.open(trained)
    assert sum(entry.rows for entry in made.manifest.indexes) == 3 * ROWS
    assert made.searcher().index("image").kind == "approximate"
    assert segments(trained) == []
    for number in range(3):
        assert found(trained, number) == [f"/{number}.tar#{row}.jpg" for row in range(20)]
    assert Collection.doctor(trained) == []


def test_a_shard_that_no_worker_has_encoded_is_encoded_when_gathering(trained):
    work(trained, 1)
    work(trained, 2)
    segments(trained)[0].unlink()
    gather(trained)
    assert sum(entry.rows for entry in Collection.open(trained).manifest.indexes) == 3 * ROWS


def test_another_kind_of_index_is_built_by_the_one_who_gathers(trained):
    work(trained, 1)
    gather(trained, index="exact")
    assert Collection.open(trained).manifest.indexes == ()
    assert found(trained, 1)[0] == "/1.tar#0.jpg"


def test_so_few_rows_that_no_index_is_needed_are_said(tmp_path):
    root = tmp_path / "c.mms"
    work(root, 0)
    with pytest.raises(UsageError, match="rows need no index that is encoded in parts"):
        gather(root, train_for=1000)
