"""The folders that clip-retrieval writes: pictures, captions and metadata that belong together by their numbers."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mmsearch import Collection, UsageError
from mmsearch.exchange import import_vectors


@pytest.fixture
def new(tmp_path):
    """A collection with nothing in it, and no model."""
    with Collection.create(tmp_path / "new.mms", model=None) as made:
        yield made


@pytest.fixture
def output(tmp_path, vectors):
    """Twelve shards, named without zeros in front, of three pairs each."""
    root = tmp_path / "laion"
    for folder in ("img_emb", "text_emb", "metadata"):
        (root / folder).mkdir(parents=True)
    for number in range(12):
        np.save(root / "img_emb" / f"img_emb_{number}.npy", vectors(3, seed=number).astype(np.float16))
        np.save(root / "text_emb" / f"text_emb_{number}.npy", vectors(3, seed=100 + number).astype(np.float16))
        metadata = {
            "image_path": [f"{number:05d}{i:04d}" for i in range(3)],
            "caption": [f"caption {number} {i}" for i in range(3)],
            "url": [f"http://x/{i}" for i in range(3)],
            "key": [f"{number}-{i}" for i in range(3)],
            "width": [640.0, float("nan"), 320.0],
            "similarity": [0.1, 0.2, 0.3],
        }
        pq.write_table(pa.table(metadata), root / "metadata" / f"metadata_{number}.parquet")
    return root


def test_pictures_and_captions_are_rows_of_one_path_that_know_their_facts(new, output, vectors):
    done = import_vectors(new, output)
    assert (done.found, done.added) == (72, 72)
    assert done.rows == {"image": 36, "text": 36}
    rows = {(record.path, record.modality): record for record in new}
    picture, caption = rows["000110001", "image"], rows["000110001", "text"]
    assert (caption.text, picture.text) == ("caption 11 1", None)
    assert dict(picture.facts) == {"caption": "caption 11 1", "url": "http://x/1", "key": "11-1", "similarity": 0.2}
    assert (picture.width, rows["000110002", "image"].width) == (None, 320)
    stored = new.vectors([picture.id]).vectors[0]
    expected = vectors(3, seed=11)[1]
    assert np.allclose(stored, expected / np.linalg.norm(expected), atol=2e-3)


def test_only_pictures_can_be_asked_for(new, output):
    assert import_vectors(new, output, modality="image").rows == {"image": 36}


def test_a_folder_without_texts_or_without_metadata_is_taken(new, output, tmp_path):
    for folder in ("text_emb", "metadata"):
        for path in (output / folder).iterdir():
            path.unlink()
        (output / folder).rmdir()
    import_vectors(new, output)
    assert {record.path for record in new} >= {"img_emb_0.npy#0", "img_emb_11.npy#2"}


def test_metadata_of_another_length_is_one_line(new, output, vectors):
    np.save(output / "img_emb" / "img_emb_4.npy", vectors(4))
    with pytest.raises(UsageError, match=r"img_emb_4.npy holds 4 vectors, but .*metadata_4.parquet has 3 lines"):
        import_vectors(new, output)
    assert len(new) == 0, "that is seen before anything is written"


def test_shards_of_another_dimension_are_one_line(new, output, vectors):
    np.save(output / "img_emb" / "img_emb_4.npy", vectors(3, 24))
    with pytest.raises(UsageError, match=r"img_emb_4.npy holds vectors of 24 dimensions, and .*img_emb_0.npy of 16"):
        import_vectors(new, output)


def test_an_empty_output_is_one_line(new, tmp_path):
    (tmp_path / "laion" / "img_emb").mkdir(parents=True)
    with pytest.raises(UsageError, match="holds no embeddings"):
        import_vectors(new, tmp_path / "laion")
