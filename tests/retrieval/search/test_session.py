"""What an open collection holds: one snapshot until it is reopened, or until a file of it has been swept."""

from __future__ import annotations

import numpy as np
import pytest

from mmsearch import Collection, CollectionClosedError, CollectionDamagedError, SpaceMismatchError
from mmsearch.retrieval.search.session import Session


@pytest.fixture
def made(tmp_path) -> Collection:
    made = Collection.create(tmp_path / "c.mms", model=None)
    made.add(np.eye(3, dtype=np.float32), paths=["a", "b", "c"], modality="image", space="mine")
    return made


def test_a_session_reads_one_snapshot_until_it_is_reopened(made):
    session = Session(made.root)
    before = session.snapshot
    made.remove(["a"])
    assert session.snapshot is before
    assert session.reopen()
    assert session.snapshot is not before
    assert not session.reopen()


def test_what_was_swept_is_read_again_from_the_newest_snapshot(made):
    session = Session(made.root)
    calls = []

    def read() -> int:
        calls.append(session.manifest.generation)
        if len(calls) == 1:
            made.remove(["a"])
            raise FileNotFoundError(2, "swept", str(made.root / "shards" / "old.parquet"))
        return len(calls)

    assert session.retrying(read) == 2
    assert calls[0] < calls[1]


def test_a_file_that_the_newest_manifest_names_and_is_missing_is_damage(made):
    session = Session(made.root)
    missing = made.root / "shards" / "lost.parquet"

    def read() -> None:
        raise FileNotFoundError(2, "lost", str(missing))

    with pytest.raises(CollectionDamagedError, match=r"lost\.parquet is missing"):
        session.retrying(read)


def test_a_file_elsewhere_that_is_missing_is_no_damage(made, tmp_path):
    session = Session(made.root)

    def read() -> None:
        raise FileNotFoundError(2, "gone", str(tmp_path / "elsewhere.jpg"))

    with pytest.raises(FileNotFoundError):
        session.retrying(read)


def test_a_space_is_found_by_its_key_its_model_and_itself(made):
    session = Session(made.root)
    for name in (None, "mine", made.space.key, made.space):
        assert session.find_space(name) == made.space
    with pytest.raises(SpaceMismatchError, match="no space theirs; there are: mine-3-"):
        session.find_space("theirs")


def test_searchers_are_kept_until_the_snapshot_changes(made):
    session = Session(made.root)
    searcher = session.searcher(made.space)
    assert session.searcher(made.space) is searcher
    made.remove(["a"])
    session.reopen()
    assert session.searcher(made.space) is not searcher


def test_a_closed_session_says_that_it_is_closed(made):
    session = Session(made.root)
    session.close()
    assert session.is_closed
    for use in (lambda: session.manifest, lambda: session.searcher(made.space), session.reopen):
        with pytest.raises(CollectionClosedError):
            use()
