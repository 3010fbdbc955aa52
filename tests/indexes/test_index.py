"""The policy of a search: when rows are scanned, and how many lists are probed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mmsearch.indexes import build_index
from mmsearch.indexes.index import probe_factor, should_scan

COLD, WARM = False, True


def test_few_rows_left_by_a_filter_are_all_compared_and_many_are_not() -> None:
    assert should_scan(1_000_000, 10_000, 10**9, WARM)
    assert should_scan(20_000, 4_000, 10**9, WARM)
    assert not should_scan(1_000_000, 500_000, 10**9, WARM)
    assert not should_scan(10_000_000, 150_000, 10**9, WARM)


def test_a_process_without_faiss_scans_what_is_cheap_and_loads_it_for_what_is_not() -> None:
    assert should_scan(100_000, 100_000, 100_000 * 256, COLD)
    assert not should_scan(10_000_000, 10_000_000, 10_000_000 * 512, COLD)
    assert not should_scan(100_000, 100_000, 100_000 * 256, WARM)


def test_more_lists_are_probed_for_more_rows_and_for_narrower_filters() -> None:
    assert probe_factor(10, 1.0) == 1
    assert probe_factor(1, 1.0) == 1
    assert probe_factor(1000, 1.0) == 10
    assert probe_factor(10, 0.25) == 2


@pytest.mark.parametrize("approximate", ['lambda: ApproximateIndex.load(Path("a.faiss"))', "None"])
def test_a_process_that_goes_on_asking_loads_faiss_and_one_that_asks_once_does_not(
    tmp_path: Path, approximate: str
) -> None:
    """Each scan by numpy is cheaper than importing FAISS, all of them together are not."""
    rows = np.random.default_rng(0).normal(size=(4000, 64)).astype(np.float32)
    index = build_index(rows / np.linalg.norm(rows, axis=1, keepdims=True), requested="ivfpq")
    index._approximate.save(tmp_path / "a.faiss")
    np.save(tmp_path / "rows.npy", index.vectors.take_float32(np.arange(4000)).astype(np.float16))
    code = f"""
import sys
import numpy as np
from mmsearch.indexes.faiss.approximate import ApproximateIndex
from mmsearch.indexes.vectors import StoredVectors
from mmsearch.indexes.index import VectorIndex
from pathlib import Path
rows = np.load("rows.npy")
index = VectorIndex(StoredVectors([rows], 64), None, {approximate})
batch = rows[:200].astype(np.float32)
loaded = []
for _ in range(4):
    index.search(batch, 5)
    loaded.append("faiss" in sys.modules)
print(loaded)
"""
    # A script run by -c finds packages through its own folder first, so the tests' search path is handed on.
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[False, False, True, True]"


@pytest.mark.shared
@pytest.mark.parametrize("name", ["photos_memorylens_290", "fashion_stbi_1000"])
@pytest.mark.parametrize("texts_at_hand", [True, False], ids=["tuned on texts too", "tuned on pictures alone"])
def test_words_find_recorded_clip_pictures_through_the_index_as_by_brute_force(name: str, texts_at_hand: bool) -> None:
    home = Path(os.environ.get("MMSEARCH_SHARED", Path(__file__).parents[2] / ".." / "shared"))
    folder = home / "data" / "dev" / "recorded_clip" / name
    if not folder.is_dir():
        pytest.skip("the evaluation data is not here ($MMSEARCH_SHARED)")
    images, texts = (unit(np.load(folder / f"{kind}.npy")) for kind in ("image", "text"))
    index = build_index(images, requested="ivfpq", text_queries=texts if texts_at_hand else None, threads=1)
    own = np.arange(len(texts))[:, None]  # text i describes image i
    recall = [np.mean(np.any(index.search(texts, 10, exact=exact)[1] == own, axis=1)) for exact in (True, False)]
    assert index.kind == "approximate"
    assert abs(recall[0] - recall[1]) <= 0.01


def unit(rows: np.ndarray) -> np.ndarray:
    rows = rows.astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)
