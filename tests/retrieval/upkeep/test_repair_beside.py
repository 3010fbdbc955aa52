"""Where several models stand beside each other, what is lost of any of their spaces is missed and made again."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from mmsearch import Collection
from mmsearch.retrieval.store.manifest import load_manifest

pytestmark = pytest.mark.clip

SIZE = (96, 64)


@pytest.fixture(scope="module")
def media(tmp_path_factory, films, drawn) -> Path:
    folder = tmp_path_factory.mktemp("media")
    drawn("disc", SIZE).save(folder / "disc.png")
    (folder / "words.txt").write_text("Fishing boats lie in the harbour.")
    (folder / "tone.wav").write_bytes(films.wav((films.tone(12, 8000) * 32000).astype(np.int16), 8000))
    shots = [drawn("rings", SIZE)] * 16 + [drawn("grid", SIZE)] * 16
    (folder / "loud.mp4").write_bytes(films.film(shots, fps=8, sound=films.tone(4, 8000, 880.0), rate=8000))
    (folder / "silent.mp4").write_bytes(films.film(shots[8:], fps=8))
    return folder


@pytest.fixture(params=["a model for sounds too", "a model for pictures alone"])
def clean(request, media, tmp_path, make_checkpoint, make_clap_checkpoint) -> Path:
    """A collection whose first model does not embed sounds, or does so no more, for another one does."""
    root = tmp_path / "clean.mms"
    made = Collection.create(root, model="mini" if "too" in request.param else f"open_clip:tiny@{make_checkpoint()}")
    made.index([media], workers=1)
    made.index([media], model=f"clap@{make_clap_checkpoint()}", workers=1)
    return root


def rows_of(root: Path) -> dict[tuple[str, str, str], int]:
    """Live rows by space, modality and file."""
    made = Collection.open(root)
    counts: dict[tuple[str, str, str], int] = {}
    for space in made.spaces:
        for modality in made.manifest.modalities(space.key):
            rows = made.searcher(space).rows(modality)
            live = rows.live if rows.live is not None else np.ones(len(rows), bool)
            for row, alive in zip(rows.facts(["path"])["path"].to_pylist(), live, strict=True):
                if alive:
                    key = (space.model.split("@")[0], modality, Path(row.decode()).name)
                    counts[key] = counts.get(key, 0) + 1
    return counts


def test_whatever_shard_is_lost_comes_back(clean, media, tmp_path):
    before = rows_of(clean)
    assert ("clap", "audio", "loud.mp4") in before
    for entry in load_manifest(clean).shards:
        root = shutil.copytree(clean, tmp_path / entry.path.replace("/", "-"))
        (root / entry.path).unlink()
        Collection.doctor(root, repair=True)
        made = Collection.open(root)
        made.index([media], workers=1)
        assert rows_of(root) == before, entry.path
        assert made.index([media], workers=1).unchanged == 5
