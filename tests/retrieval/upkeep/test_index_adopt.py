"""Shards made and encoded by workers that know nothing of one another, and adopted as one index."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mmsearch import Collection
from mmsearch.errors import CollectionDamagedError, UsageError
from mmsearch.indexes import IndexPlan, RowsOfFile
from mmsearch.retrieval.ingest.external_vectors import checked_addition
from mmsearch.retrieval.store.manifest import IndexSettings
from mmsearch.retrieval.store.writer import Addition, open_writer
from mmsearch.retrieval.upkeep.index_adopt import adopt_segments, train_for
from mmsearch.retrieval.upkeep.index_job import IndexJob
from mmsearch.retrieval.upkeep.index_tasks import encode_shard
from mmsearch.types import Space

DIM = 16
SPACE = Space.of_vectors("s", DIM)
PARTS = (500, 300, 400)
SETTINGS = IndexSettings(index="ivfpq", recall=0.95)


def clustered(count: int, seed: int) -> np.ndarray:
    middle = np.random.default_rng(7).normal(size=(30, DIM))
    rng = np.random.default_rng(seed)
    points = middle[rng.integers(30, size=count)] + 0.5 * rng.normal(size=(count, DIM))
    return (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float16)


class Corpus:
    """A trained index, and parts of a corpus, each a shard of its own with ids from 0 and a segment."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder, self.trained = folder, folder / "corpus.trained"
        sample = np.concatenate([clustered(count, seed) for seed, count in enumerate(PARTS)])[::2]
        self.plan = train_for(sum(PARTS), sample, self.trained, settings=SETTINGS, threads=1)
        self.first_ids: list[int] = []
        self.segments = [self._work(number, count) for number, count in enumerate(PARTS)]

    def _work(self, number: int, count: int) -> Path:
        """What a worker does: a shard (here in a collection of its own) and its segment."""
        part = Collection.create(self.folder / f"part{number}.mms", model=None, index="exact")
        paths = [f"/{number}/{row}" for row in range(count)]
        part.add(clustered(count, number).astype(np.float32), paths=paths, modality="image", space="s")
        (shard,) = part.manifest.shards
        self.first_ids.append(shard.min_id)
        target = self.folder / f"{number}.faiss"
        assert encode_shard(self.trained, part.root / shard.path, target, threads=1) == count
        return target

    def gathered(self, parts: int = len(PARTS)) -> tuple[Collection, list[RowsOfFile]]:
        """A collection with the rows of the first parts, under ids that follow one another, without an index."""
        made = Collection.create(self.folder / "all.mms", model=None, index="exact")
        files = []
        for number in range(parts):
            files.append(self.segment(number, made.manifest.next_id))
            self.add(made, number)
        with open_writer(made.root) as writer:
            writer.commit(settings=SETTINGS)
        made.reopen()
        return made, files

    def segment(self, number: int, first_id: int) -> RowsOfFile:
        """The segment of a part whose rows have got the ids from ``first_id`` on."""
        return RowsOfFile(self.segments[number], first_id - self.first_ids[number])

    @staticmethod
    def add(made: Collection, number: int) -> None:
        paths = [f"/{number}/{row}" for row in range(PARTS[number])]
        vectors = clustered(PARTS[number], number).astype(np.float32)
        made.add(vectors, paths=paths, modality="image", space="s")


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    return Corpus(tmp_path / "corpus")


def adopt(made: Collection, corpus: Corpus, files: list[RowsOfFile], trained: Path | None = None) -> None:
    with open_writer(made.root) as writer:
        adopt_segments(IndexJob(writer, SPACE, "image"), trained or corpus.trained, corpus.plan, files)
    made.reopen()


def recall(made: Collection) -> float:
    queries = list(clustered(40, 99).astype(np.float32))
    through, truth = (
        [{hit.id for hit in hits} for hits in made.search_many(queries, k=10, exact=exact)] for exact in (False, True)
    )
    return float(np.mean([len(a & b) / 10 for a, b in zip(through, truth, strict=True)]))


def test_segments_of_workers_become_the_index_without_encoding_again(corpus: Corpus) -> None:
    made, files = corpus.gathered()
    adopt(made, corpus, files)
    (entry,) = made.manifest.indexes
    assert entry.rows == sum(PARTS)
    assert (made.root / entry.path).with_suffix(".trained").read_bytes() == corpus.trained.read_bytes()
    assert recall(made) > 0.93
    assert Collection.doctor(made.root) == []


def test_parts_that_come_later_become_a_segment(corpus: Corpus) -> None:
    made, files = corpus.gathered(2)
    adopt(made, corpus, files)
    first = made.manifest.next_id
    with open_writer(made.root) as writer:
        writer.commit([addition(2)])
    made.reopen()
    adopt(made, corpus, [corpus.segment(2, first)])
    assert [entry.rows for entry in made.manifest.indexes] == [800, 400]
    assert recall(made) > 0.93


def addition(number: int) -> Addition:
    """The rows of a part, committed without an index being brought up to date on the way."""
    paths = [f"/{number}/{row}" for row in range(PARTS[number])]
    return checked_addition(SPACE, clustered(PARTS[number], number), paths, "image", None, None)


def test_segments_that_do_not_hold_all_rows_are_refused_with_both_counts(corpus: Corpus) -> None:
    made, files = corpus.gathered()
    with pytest.raises(CollectionDamagedError, match=r"800 rows, and 1,200 rows"):
        adopt(made, corpus, files[:2])
    assert made.manifest.indexes == ()


def test_segments_under_wrong_ids_are_refused(corpus: Corpus) -> None:
    made, files = corpus.gathered()
    wrong = [files[0], RowsOfFile(files[1].path, files[1].shift + 1), files[2]]
    with pytest.raises(CollectionDamagedError, match="other ids"):
        adopt(made, corpus, wrong)


def test_segments_of_another_training_are_refused(corpus: Corpus, tmp_path: Path) -> None:
    made, files = corpus.gathered()
    adopt(made, corpus, files)
    other = tmp_path / "other.trained"
    train_for(1200, clustered(600, 5), other, settings=SETTINGS, threads=1)
    with pytest.raises(UsageError, match=r"not trained by .*other\.trained"):
        adopt(made, corpus, files, other)


def test_a_plan_travels_as_json(corpus: Corpus) -> None:
    assert IndexPlan.from_json(corpus.plan.to_json()) == corpus.plan


def test_few_rows_need_no_trained_index(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="1,000 rows need no index"):
        train_for(1000, clustered(500, 0), tmp_path / "t")
