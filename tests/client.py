"""A program that uses mmsearch, read by `mypy --strict` (test_public_interface.py) and never run."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

import mmsearch
from mmsearch import (
    Answer,
    Collection,
    CollectionBusyError,
    CollectionNotFoundError,
    FileNote,
    Hint,
    Hit,
    Hits,
    IngestOptions,
    MMSearchError,
    Moment,
    Notice,
    NoticeKind,
    Problem,
    Progress,
    Query,
    Record,
    Report,
    RowVectors,
    Scores,
    Space,
    Span,
    Status,
    Term,
)


def show(progress: Progress) -> None:
    print(progress.stage, progress.done, progress.total, progress.path or "")


def opened(folder: Path) -> Collection:
    try:
        return Collection.open(folder, device="cpu")
    except CollectionNotFoundError as error:
        hint: Hint | None = error.hint
        print(error, hint)
        return Collection.create(folder, model="mini", index="auto", recall=0.95)


def index(collection: Collection, folder: Path) -> int:
    report: Report = collection.index([folder, "notes"], only=["image", "text"], exclude=["*.tmp"], watch=show)
    skipped: tuple[FileNote, ...] = report.skipped
    for notice in report.notices:
        if notice.kind is NoticeKind.INDEX_BELOW_RECALL:
            print(notice)
    collection.index(dry_run=True, check="content", workers=2, window=5.0, hop=2.5, memory=1 << 30)
    options = IngestOptions(only=("audio",))
    return report.indexed + len(skipped) + len(options.only)


def search(collection: Collection) -> list[str]:
    hits: Hits = collection.search("a dog on a beach", k=5, offset=5, to=["image", "video"], after="2023-05")
    best: Hit = hits[0]
    few: Hits = hits[:3]
    span: Span | None = best.span
    score: float = best.score
    print(span, score, few, [hit.path for hit in hits], hits.to_arrow().num_rows)
    collection.search(Path("dog.jpg"), under=Path("photos"), before=dt.date(2024, 1, 1), include_self=True)
    collection.search(Moment(Path("film.mp4"), 83.0, 91.0), to="video", all_spans=True, min_level="likely")
    collection.search([0.1, 0.2, 0.3], exact=True, space="mine")
    collection.search(np.zeros(256, np.float32), where="width > 1000", watch=show)
    collection.search(Query("beach", (Path("sea.jpg"), 2), Term("sand", 0.5), minus=["people"]))
    collection.search(Query("beach", like=[1, Path("sea.jpg")], unlike=[2]))
    collection.search(b"bytes of a file")
    many: list[Hits] = collection.search_many(np.zeros((3, 256), np.float32), k=2)
    answer: Answer = collection.ask("a dog", k=3)
    notices: tuple[Notice, ...] = answer.notices
    for result in collection.ask_many(["a dog", Path("dog.jpg")]):
        if isinstance(result, MMSearchError):
            print(result.hint)
        else:
            print(result.hits, result.took_ms["search"])
    alike: Hits = collection.similar(best.id, k=3, to="image")
    return [hit.path for hits in (*many, answer.hits, alike) for hit in hits] + [str(notice) for notice in notices]


def contents(collection: Collection) -> int:
    record: Record = collection.get(7)
    records: Iterator[Record] = iter(collection)
    vectors: RowVectors = collection.vectors([record.id, next(records).id])
    ids, paths, array = vectors
    floats: npt.NDArray[np.float32] = array
    embedded: npt.NDArray[np.float32] = collection.encode(["a dog", Path("dog.jpg")])
    rows: int = sum(
        batch.num_rows for batch in collection.items(to="text", where="width > 10", batch=100, vectors=True)
    )
    return len(collection) + collection.count(under="photos") + len(ids) + len(paths) + len(floats @ embedded.T) + rows


def add(collection: Collection) -> None:
    ids: npt.NDArray[np.int64] = collection.add(
        np.ones((2, 3), np.float32), paths=["a", "b"], modality="image", space=Space.of_vectors("mine", 3)
    )
    print(ids.tolist(), collection.remove(["a"]))


def keep(collection: Collection) -> None:
    status: Status = collection.status()
    print(status.model, [modality.rows for modality in status.modalities], [note.path for note in collection.skipped()])
    scores: Scores = collection.evaluate("pairs.jsonl", pool="pairs")
    print([direction.recall[10] for direction in scores.directions])
    before, after = collection.compact()
    problems: list[Problem] = Collection.doctor(collection.root, repair=True)
    print(before, after, [problem.repaired for problem in problems], mmsearch.__version__)
    frame = Collection.save_frame(Moment(Path("film.mp4"), 83.0), "goal.jpg")
    clip = Collection.save_clip(Moment(Path("film.mp4"), 83.0, 91.0), Path("goal.mp4"), force=True)
    print(frame.width, frame.time_s, clip.copied, clip.end_s - clip.start_s)


def main() -> None:
    with opened(Path("photos.mms")) as collection:
        try:
            print(index(collection, Path("photos")), search(collection), contents(collection))
        except CollectionBusyError as error:
            print(error)
        add(collection)
        keep(collection)
        if collection.reopen():
            print(collection)
