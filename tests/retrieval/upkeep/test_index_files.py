"""What stands beside an index: facts that are read once, written with the keys of the format, and compared."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mmsearch import Collection
from mmsearch.errors import CollectionDamagedError
from mmsearch.indexes import Calibration, CalibrationPoint, IndexPlan
from mmsearch.retrieval.store.manifest import IndexEntry
from mmsearch.retrieval.upkeep.index_files import IndexFacts, latest_recall, open_index
from mmsearch.types import Space

SPACE = Space.of_vectors("s", 16)
ENTRY = IndexEntry("indexes/x", SPACE.key, "image", 2000, 1999, "auto recall 0.98", {".json": ""})
CALIBRATION = Calibration(
    nprobe=4,
    candidates=40,
    target=0.95,
    recall={"row": 0.97},
    queries={"row": 512},
    curve=(CalibrationPoint(4, 40, {"row": 0.97}, {"row": 512}, 0.03),),
    probe_margin=0.03,
)
FACTS = IndexFacts(
    SPACE,
    IndexPlan("faiss", "asked for", "IVF16,SQ8", 2000),
    rows=3000,
    calibration=CALIBRATION,
    measured_rows=2800,
    distant_threshold=0.4,
    distant_share=0.06,
)


@pytest.fixture
def made(tmp_path: Path) -> Collection:
    """Three segments of an index."""
    collection = Collection.create(tmp_path / "c.mms", model=None, index="IVF8,SQ8")
    for seed, count in enumerate((2000, 700, 700)):
        rows = np.random.default_rng(seed).normal(size=(count, 16)).astype(np.float32)
        collection.add(rows, paths=[f"/{seed}/{i}" for i in range(count)], modality="image", space="s")
    assert len(collection.manifest.indexes) == 3
    return collection


def test_the_keys_on_disk_are_what_they_were() -> None:
    data = json.loads(json.dumps(FACTS.to_json()))
    assert data == {
        "format": 1,
        "space": SPACE.to_json(),
        "plan": {"kind": "faiss", "reason": "asked for", "factory": "IVF16,SQ8", "train_rows": 2000},
        "rows": 3000,
        "calibration": json.loads(json.dumps(CALIBRATION.to_json())),
        "measured_rows": 2800,
        "far": 0.4,
        "far_share": 0.06,
    }
    assert IndexFacts.from_json(data, ENTRY) == FACTS


def test_a_segment_without_a_calibration_has_no_keys_for_it() -> None:
    facts = IndexFacts(SPACE, FACTS.plan, rows=700, distant_share=0.05)
    assert set(facts.to_json()) == {"format", "space", "plan", "rows", "far_share"}
    assert IndexFacts.from_json(facts.to_json(), ENTRY) == facts


def test_facts_of_an_older_version_were_measured_on_the_rows_of_their_entry() -> None:
    data = {key: value for key, value in FACTS.to_json().items() if key not in ("measured_rows", "far", "far_share")}
    assert IndexFacts.from_json(data, ENTRY).measured_rows == ENTRY.rows


def test_the_newest_calibration_counts() -> None:
    entries = [ENTRY] * 3
    newer = replace(CALIBRATION, recall={"row": 0.96})
    unmeasured = replace(FACTS, calibration=None, measured_rows=None)
    found = latest_recall(Path(), entries, [FACTS, replace(FACTS, calibration=newer, measured_rows=2900), unmeasured])
    assert (found.calibration, found.rows) == (newer, 2900)
    with pytest.raises(CollectionDamagedError, match="no calibration"):
        latest_recall(Path(), entries, [unmeasured])


def test_opening_an_index_reads_each_json_file_once(made: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    original = Path.read_bytes

    def noted(path: Path) -> bytes:
        read.append(path.suffix)
        return original(path)

    snapshot = made.searcher().snapshot
    monkeypatch.setattr(Path, "read_bytes", noted)
    index = open_index(snapshot, SPACE, "image")
    assert read == [".json"] * 3
    assert index.kind == "approximate"
    assert index.recall is not None


def test_the_recall_of_an_index_is_that_of_its_status(made: Collection) -> None:
    (modality,) = made.status().modalities
    recall = made.searcher().index("image").recall
    assert recall is not None
    assert modality.recall == {"image": recall["row"]}
