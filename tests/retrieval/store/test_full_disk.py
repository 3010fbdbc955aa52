"""A disk that is full, whoever writes: one clear line, nothing lost, and the same call works once there is room."""

from __future__ import annotations

import errno
import os
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest

from mmsearch import Collection
from mmsearch.durable import Sink, durable_file
from mmsearch.errors import MMSearchError
from mmsearch.indexes.faiss import index_io
from mmsearch.retrieval.store.manifest import load_manifest

DIM = 16


def vectors(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, DIM)).astype(np.float32)


@pytest.fixture
def small_disk(tmp_path):
    """A real disk of 2 MB, where one may be mounted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", os.fspath(folder)], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip("no disk may be mounted here")
    yield folder
    subprocess.run(["umount", "-l", os.fspath(folder)], check=False)


def fill(disk: Path, left: int) -> Path:
    """Use up all but so many bytes of a disk; returns the file that does."""
    filler = disk / "filler"
    filler.unlink(missing_ok=True)
    free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
    filler.write_bytes(b"x" * max(0, free - left))
    return filler


@pytest.mark.parametrize("kind", ["exact", "IVF4,Flat"])
@pytest.mark.parametrize("left", [0, 4_096, 8_192, 16_384, 32_768, 49_152, 65_536])
def test_a_full_disk_is_one_clear_line_and_nothing_is_lost(small_disk, kind, left):
    made = Collection.create(small_disk / "c.mms", model=None, index=kind)
    made.add(vectors(300), paths=[f"/{i}" for i in range(300)], modality="image", space="s")
    query = vectors(1, 9)[0]
    before = [(hit.id, hit.score) for hit in made.search(query, k=5)]
    manifest = load_manifest(made.root)
    filler = fill(small_disk, left)
    told = None
    try:
        made.add(vectors(600, 1), paths=[f"/new/{i}" for i in range(600)], modality="image", space="s")
        made.remove(["/new"])
        made.compact()
    except MMSearchError as error:
        told = str(error)
    if left < 20_000:
        assert told is not None
    if told is not None:
        assert told.startswith(f"the disk that holds {made.root} is full: ")
        assert re.search(r"\d [kMGT]?B are free, and more is needed", told)
    filler.unlink()
    reopened = Collection.open(made.root)
    assert load_manifest(made.root).generation >= manifest.generation
    assert Collection.doctor(made.root) == []
    kept = [hit for hit in reopened.search(query, k=905) if not hit.path.startswith("/new")]
    assert [(hit.id, hit.score) for hit in kept][:5] == before
    reopened.add(vectors(10, 2), paths=[f"/more/{i}" for i in range(10)], modality="image", space="s")
    assert Collection.doctor(made.root) == []


def test_creating_on_a_full_disk_leaves_no_half_a_collection(small_disk):
    filler = fill(small_disk, 0)
    with pytest.raises(MMSearchError, match="is full"):
        Collection.create(small_disk / "c.mms", model=None)
    filler.unlink()
    Collection.create(small_disk / "c.mms", model=None)


class Full:
    """A file whose disk is full after so many bytes, as an object: for every library that writes."""

    def __init__(self, room: int) -> None:
        self.left, self.written = room, 0

    def write(self, data):
        if len(data) > self.left:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.left -= len(data)
        self.written += len(data)
        return len(data)

    def tell(self):
        return self.written

    def flush(self):
        pass


def by_numpy(sink):
    np.save(sink, np.zeros((1000, 8)))


def by_arrow(sink):
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"id": np.arange(5000)}), sink)


def by_faiss(sink):
    import faiss

    index = faiss.IndexFlatIP(DIM)
    index.add(vectors(900))
    index_io.write(index, sink)


@pytest.mark.parametrize("write", [by_numpy, by_arrow, by_faiss])
@pytest.mark.parametrize("room", [0, 3, 300, 5_000])
def test_numpy_arrow_and_faiss_fail_with_the_errors_of_the_operating_system(tmp_path, monkeypatch, write, room):
    path = tmp_path / "file"
    full = Full(room)
    real = Sink.__init__
    monkeypatch.setattr(Sink, "__init__", lambda self, file: real(self, full))
    with pytest.raises(OSError) as error, durable_file(path) as sink:
        write(sink)
    assert error.value.errno == errno.ENOSPC
    assert error.value.filename == str(path)
    assert not path.exists(), "half a file takes room and says nothing"
