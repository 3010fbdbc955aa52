"""Pieces of an index in processes of their own: the same bytes as in one; one that is killed costs its piece."""

from __future__ import annotations

import os
import signal
import stat
import sys
from pathlib import Path

import numpy as np
import pytest

from mmsearch import Collection
from mmsearch.errors import CollectionDamagedError, MMSearchError
from mmsearch.retrieval.upkeep import index_tasks
from mmsearch.retrieval.upkeep.index_tasks import EncodeTask, MergeTask, encode_shard, run_tasks
from mmsearch.types import Space

DIM, ROWS = 16, 900
SPACE = Space.of_vectors("s", DIM)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Collection:
    """Nine hundred vectors in three shards, and an index that is trained on the first 600 of them."""
    collection = Collection.create(tmp_path_factory.mktemp("tasks") / "c.mms", model=None, index="IVF16,SQ8")
    rows = np.random.default_rng(0).normal(size=(ROWS, DIM)).astype(np.float32)
    for start, stop in ((0, 600), (600, 750), (750, ROWS)):
        paths = [f"/{number}" for number in range(start, stop)]
        collection.add(rows[start:stop], paths=paths, modality="image", space="s")
    return collection


def trained_of(collection: Collection) -> Path:
    return (collection.root / collection.manifest.indexes[0].path).with_suffix(".trained")


def encode_tasks(collection: Collection, folder: Path, cuts: tuple[int, ...] = (0, 300, 500, ROWS)) -> list[EncodeTask]:
    return [
        EncodeTask(
            str(collection.root), SPACE.key, "image", start, stop, str(trained_of(collection)), str(folder / f"{start}")
        )
        for start, stop in zip(cuts, cuts[1:], strict=False)
    ]


def targets(tasks: list[EncodeTask]) -> list[bytes]:
    return [Path(task.target).read_bytes() for task in tasks]


def test_rows_encoded_in_processes_are_the_bytes_that_this_process_makes(made: Collection, tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "there").mkdir()
    here, there = (encode_tasks(made, tmp_path / name) for name in ("here", "there"))
    run_tasks(here, 1)
    run_tasks(there, 2)
    assert targets(here) == targets(there)


def test_a_shard_is_encoded_without_its_collection(made: Collection, tmp_path: Path) -> None:
    """What a worker does with the part that it has just embedded: the result is that of the collection's own run."""
    entry = made.manifest.shards_of(SPACE.key, "image")[1]
    assert encode_shard(trained_of(made), made.root / entry.path, tmp_path / "segment") == 150
    (task,) = encode_tasks(made, tmp_path, (600, 750))
    run_tasks([task], 1)
    assert (tmp_path / "segment").read_bytes() == Path(task.target).read_bytes()


def interpreter_that_dies(folder: Path, times: int) -> Path:
    """A Python whose first processes kill themselves, as a machine without memory would."""
    wrapper = folder / "python"
    wrapper.write_text(
        f'#!/bin/sh\nif mkdir "{folder}/$(ls "{folder}" | grep -c died)-died" 2>/dev/null'
        f' && [ "$(ls "{folder}" | grep -c died)" -le {times} ]; then kill -9 $$; fi\nexec "{sys.executable}" "$@"\n'
    )
    wrapper.chmod(wrapper.stat().st_mode | stat.S_IXUSR)
    return wrapper


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_a_piece_whose_process_was_killed_is_begun_again(
    made: Collection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index_tasks.sys, "executable", str(interpreter_that_dies(tmp_path, 1)))
    (tmp_path / "segments").mkdir()
    tasks = encode_tasks(made, tmp_path / "segments")
    run_tasks(tasks, 2)
    monkeypatch.undo()
    (tmp_path / "here").mkdir()
    here = encode_tasks(made, tmp_path / "here")
    run_tasks(here, 1)
    assert targets(tasks) == targets(here)


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_a_piece_that_is_killed_every_time_ends_the_work_in_one_line(
    made: Collection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index_tasks.sys, "executable", str(interpreter_that_dies(tmp_path, 99)))
    with pytest.raises(MMSearchError, match=rf"encode a part of the index.*signal {signal.SIGKILL.value}"):
        run_tasks(encode_tasks(made, tmp_path), 2)


def test_what_a_process_says_is_what_the_person_reads(made: Collection, tmp_path: Path) -> None:
    """A damaged file is not tried again: it would be damaged the second time too."""
    bad = tmp_path / "bad.trained"
    bad.write_bytes(trained_of(made).read_bytes()[:-9])
    tasks = [MergeTask(str(bad), (), first, first + 8, None, str(tmp_path / f"{first}.range")) for first in (0, 8)]
    with pytest.raises(CollectionDamagedError, match=r"bad\.trained"):
        run_tasks(tasks, 1)
    with pytest.raises(MMSearchError, match=r"bad\.trained"):
        run_tasks(tasks, 2)
