"""A collection of every format version that was ever released is kept and must open, answer, and take more rows.

`python tests/retrieval/store/test_frozen_format.py FOLDER` made them; a new format version gets a new folder.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from mmsearch import Collection, SourcePart
from mmsearch.retrieval.ingest.parts.adopt import adopt_parts
from mmsearch.retrieval.ingest.parts.embed_parts import PartResult
from mmsearch.retrieval.ingest.parts.part_store import PartStore
from mmsearch.retrieval.ingest.stored_files import StoredRows
from mmsearch.retrieval.store.manifest import load_manifest
from mmsearch.retrieval.store.snapshot import Snapshot
from mmsearch.retrieval.store.writer import open_writer
from mmsearch.retrieval.upkeep.maintain import maintain
from mmsearch.types import Facts, Item

FROZEN = Path(__file__).parent / "frozen"
ROWS, DIM = 80, 8


def rows(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((ROWS, DIM)).astype(np.float32)


@pytest.fixture(params=sorted(FROZEN.iterdir()), ids=lambda path: path.name)
def frozen(request: pytest.FixtureRequest, tmp_path: Path) -> Collection:
    return Collection.open(shutil.copytree(request.param, tmp_path / "frozen"))


def test_a_frozen_collection_answers_as_it_did(frozen):
    for number in (0, 7, 79):
        hits = frozen.search(rows()[number], k=3, to=["image"])
        assert hits[0].path == f"/frozen/{number}.jpg"
        assert hits[0].score == pytest.approx(1, abs=1e-3)
        assert hits[0].width == number + 100
    assert frozen.search(rows(1)[4], k=1, to=["text"])[0].text == "passage 4"


def test_its_dead_rows_stay_dead(frozen):
    assert all(hit.path != "/frozen/13.jpg" for hit in frozen.search(rows()[13], k=ROWS, to=["image"]))


def test_its_index_is_read(frozen):
    index = frozen.searcher().index("image")
    index.load()
    assert index.kind == "approximate"
    assert frozen.search(rows()[7], k=1, to=["image"])[0].path == "/frozen/7.jpg"


def test_it_is_sound_and_takes_more_rows(frozen):
    assert Collection.doctor(frozen.root) == []
    frozen.add(rows(2)[:1], paths=["/later.jpg"], modality="image")
    assert frozen.search(rows(2)[0], k=1, to=["image"])[0].path == "/later.jpg"


def test_facts_of_its_rows_and_of_later_rows_are_read_together(frozen):
    frozen.add(rows(2)[:1], paths=["/later.jpg"], modality="image")
    manifest = load_manifest(frozen.root)
    facts = (
        Snapshot(frozen.root, manifest)
        .rows(manifest.primary_space, "image")
        .facts(["path", "size", "ctime_ns", "made"])
    )
    assert facts["path"].to_pylist()[-1] == b"/later.jpg"
    assert set(facts["ctime_ns"].to_pylist()) == {None}


def freeze(folder: Path) -> None:
    made = Collection.create(folder, model=None, index="IVF2,SQ8")
    names = [f"/frozen/{number}.jpg" for number in range(ROWS)]
    facts = {"width": [number + 100 for number in range(ROWS)]}
    made.add(rows(), paths=names, modality="image", facts=facts, space="frozen")
    texts = [f"passage {number}" for number in range(ROWS)]
    made.add(rows(1), paths=[f"/frozen/{n}.txt" for n in range(ROWS)], modality="text", texts=texts, space="frozen")
    made.remove(["/frozen/13.jpg"])


def freeze_parts(folder: Path) -> None:
    """Format 2: the pictures lie in a shard of a part, whose ids the manifest shifts."""
    made = Collection.create(folder, model=None, index="IVF2,SQ8")
    texts = [f"passage {number}" for number in range(ROWS)]
    made.add(rows(1), paths=[f"/frozen/{n}.txt" for n in range(ROWS)], modality="text", texts=texts, space="frozen")
    space = next(iter(made.manifest.spaces.values()))
    items = [
        Item(
            b"/frozen/%d.jpg" % n,
            n.to_bytes(16, "big"),
            1,
            1,
            "image",
            facts=Facts(width=n + 100),
            source=b"/frozen.tar",
        )
        for n in range(ROWS)
    ]
    stored = [StoredRows(space, "image", [item], row[None]) for item, row in zip(items, unit(rows()), strict=True)]
    result = PartResult(SourcePart("/frozen.tar", 1, "1"), {n: [one] for n, one in enumerate(stored)}, items=ROWS)
    record = PartStore(str(folder)).write("0" * 32, "1" * 32, result, {"image": space})
    with open_writer(folder) as writer:
        adopt_parts(writer, [record])
        maintain(writer, space)
    made.reopen()
    made.remove(["/frozen/13.jpg"])


def unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16)


if __name__ == "__main__":
    freeze(Path(sys.argv[1]) / "format-1")
    freeze_parts(Path(sys.argv[1]) / "format-2")
