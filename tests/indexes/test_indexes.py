"""The room as a whole: usable alone, light to import, and right on vectors of real models."""

from __future__ import annotations

import doctest
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import mmsearch.indexes
from mmsearch.indexes import build_index

ROOT = Path(mmsearch.__path__[0]).parent
RECORDED = ["photos_memorylens_290", "fashion_shopsphere_1126", "amazon_products_997", "fashion_stbi_1000"]


def test_the_example_at_the_top_of_the_package_is_true() -> None:
    assert doctest.testmod(mmsearch.indexes) == doctest.TestResults(failed=0, attempted=7)


def test_exact_search_imports_neither_faiss_nor_the_rooms_above() -> None:
    program = """
import sys
import numpy as np
from mmsearch.indexes import build_index
index = build_index(np.eye(8, dtype=np.float32))
assert index.search(np.eye(8, dtype=np.float32)[:2], 3, allowed=np.arange(8) > 0)[1].tolist()[1][0] == 1
heavy = [name for name in sys.modules if name.split(".")[0] in ("faiss", "torch", "pyarrow")]
above = [name for name in sys.modules if name.startswith(("mmsearch.retrieval", "mmsearch.collection"))]
print(heavy + above)
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    assert done.stderr == ""


@pytest.mark.shared
@pytest.mark.parametrize("name", RECORDED)
def test_text_to_image_recall_of_recorded_clip_vectors_survives_ivfpq(name: str, shared: Path) -> None:
    folder = shared / "data" / "dev" / "recorded_clip" / name
    if not folder.is_dir():
        pytest.skip(f"the evaluation data has no {name}")
    images, texts = (normalised(np.load(folder / f"{kind}.npy")) for kind in ("image", "text"))
    pairs = [json.loads(line) for line in (folder / "pairs.jsonl").read_text("utf-8").splitlines()]
    queries = texts[[pair["query_row"] for pair in pairs]]

    brute = np.argsort(-(queries @ images.T), axis=1, kind="stable")[:, :10]
    index = build_index(images, requested="ivfpq", text_queries=queries[:256])
    assert index.kind == "approximate"
    found = index.search(queries, 10)[1]

    assert abs(recall_of(found, pairs) - recall_of(brute, pairs)) <= 0.01


def normalised(vectors: np.ndarray) -> np.ndarray:
    vectors = vectors.astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def recall_of(found: np.ndarray, pairs: list[dict]) -> float:
    return float(np.mean([not set(line).isdisjoint(p["relevant_rows"]) for line, p in zip(found, pairs, strict=True)]))
