"""Plans, workers and gathering: whoever embeds the parts, and however often, the collection is the same."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmsearch import Collection, CollectionBusyError, CollectionNotFoundError, MMSearchError, SourcePart, UsageError
from mmsearch.errors import SpaceMismatchError
from mmsearch.retrieval.store.lock import writer_lock
from mmsearch.scale import Plan, gather, make_plan, read_plan, work


@pytest.fixture
def plan(corpora, tmp_path) -> Plan:
    """Three tars and a table of eight pictures each."""
    for number in range(3):
        corpora.tar(f"x-{number}.tar")
    corpora.hugging_face("t.parquet")
    sources = [corpora.folder / "x-{0..2}.tar", corpora.folder / "t.parquet"]
    return make_plan(sources, tmp_path / "plan.parquet", model="mini", ocr="off")


def digest(root) -> tuple[int, str]:
    """The number of live rows, and a digest of all paths and vectors."""
    searcher = Collection.open(root).searcher()
    rows = []
    for modality in searcher.modalities:
        found = searcher.rows(modality)
        paths = found.facts(["path"])["path"].to_pylist()
        vectors = found.vectors_at(found.live_positions)
        rows += [
            (modality, paths[at], vector.tobytes()) for at, vector in zip(found.live_positions, vectors, strict=True)
        ]
    return len(rows), hashlib.sha256(repr(sorted(rows)).encode()).hexdigest()


def parts(*sizes: int) -> Plan:
    listed = tuple(SourcePart(f"/{number}.tar", size, "e") for number, size in enumerate(sizes))
    return Plan("mini", {}, {}, tuple(str(number) for number in range(len(sizes))), listed)


@given(st.lists(st.integers(0, 1_000), max_size=40), st.integers(1, 9))
def test_tasks_hold_each_part_once(sizes, count):
    made = parts(*sizes)
    tasks = [made.task(number, count) for number in range(1, count + 1)]
    assert sorted(place for task in tasks for place in task) == list(range(len(sizes)))


@given(st.lists(st.integers(1, 1_000), min_size=1, max_size=40), st.integers(1, 9))
def test_tasks_have_about_as_many_bytes(sizes, count):
    made = parts(*sizes)
    loads = [sum(sizes[place] for place in made.task(number, count)) for number in range(1, count + 1)]
    assert max(loads) - min(loads) <= max(sizes)


def test_a_plan_is_read_as_it_was_written(plan, tmp_path):
    assert read_plan(tmp_path / "plan.parquet") == plan
    assert len(plan.parts) == 6  # three tars, three row groups
    assert len(set(plan.keys)) == 6


@pytest.mark.parametrize("number", [0, 4])
def test_a_task_beyond_the_last_is_refused(plan, number):
    with pytest.raises(UsageError, match=f"task {number} of 3"):
        plan.task(number, 3)


def test_two_workers_give_what_one_run_of_indexing_gives(plan, corpora, tmp_path):
    for number in (2, 1):
        report = work(plan, tmp_path / "two.mms", task=(number, 2), workers=1)
        assert report.failed == ()
    gathered = gather(tmp_path / "two.mms")
    assert (gathered.parts, gathered.items, gathered.rows) == (6, 32, 64)
    one = Collection.create(tmp_path / "one.mms", model="mini")
    one.index([str(corpora.folder / "x-{0..2}.tar"), str(corpora.folder / "t.parquet")], workers=1, ocr="off")
    assert digest(tmp_path / "two.mms") == digest(tmp_path / "one.mms")


def test_a_part_that_is_done_is_not_made_again(plan, tmp_path, embedded):
    assert work(plan, tmp_path / "c.mms", workers=1).done == 6
    embedded.clear()
    again = work(plan, tmp_path / "c.mms", workers=1)
    assert (again.done, again.done_before, again.items) == (0, 6, 0)
    assert embedded.pictures == 0


def test_gathering_takes_each_part_once_while_workers_are_at_work(plan, tmp_path):
    root = tmp_path / "c.mms"
    counts = []
    for number in range(1, 4):
        work(plan, root, task=(number, 3), workers=1)
        report = gather(root)
        counts.append((report.parts, report.held))
    assert counts == [(2, 0), (2, 2), (2, 4)]
    assert gather(root).parts == 0
    assert digest(root)[0] == 64


def test_the_same_part_made_twice_is_the_same_to_the_byte(plan, tmp_path):
    def files(root):
        found = (root / "parts").rglob("*.parquet")
        return {str(path.relative_to(root)): path.read_bytes() for path in found}

    for name in ("a.mms", "b.mms"):
        work(plan, tmp_path / name, workers=1 if name == "a.mms" else 2)
    assert files(tmp_path / "a.mms") == files(tmp_path / "b.mms")


def test_a_killed_worker_costs_its_part_alone(plan, tmp_path):
    root = tmp_path / "c.mms"
    command = [sys.executable, "-m", "mmsearch", "work", str(tmp_path / "plan.parquet"), "--out", str(root)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not list(root.glob("parts/*.json")) and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = len(list(root.glob("parts/*.json")))
    assert done
    again = work(plan, root, workers=1)
    assert (again.done_before, again.done) == (done, 6 - done)
    gather(root)
    work(plan, tmp_path / "other.mms", workers=1)
    gather(tmp_path / "other.mms")
    assert digest(root) == digest(tmp_path / "other.mms")


def test_an_archive_that_changed_since_the_plan_fails_its_part_and_a_new_plan_replaces_its_rows(
    plan, corpora, tmp_path
):
    root = tmp_path / "c.mms"
    work(plan, root, workers=1)
    gather(root)
    corpora.tar("x-1.tar", corpora.samples(["disc", "cross"]))
    stale = work(plan, tmp_path / "stale.mms", workers=1)
    assert [note.reason for note in stale.failed] == [
        f"{corpora.folder / 'x-1.tar'} has changed since it was planned; plan again"
    ]
    newer = make_plan([corpora.folder / "x-{0..2}.tar"], tmp_path / "new.parquet", model="mini", ocr="off")
    assert work(newer, root, workers=1).done == 1
    report = gather(root)
    assert (report.parts, report.rows, report.replaced) == (1, 4, 16)
    assert digest(root)[0] == 64 - 16 + 4
    assert gather(root).parts == 0  # the old result, which still lies there, stays replaced


def test_two_gathers_at_once_are_one_and_an_error(plan, tmp_path):
    root = tmp_path / "c.mms"
    work(plan, root, task=(1, 3), workers=1)
    gather(root)
    with writer_lock(root), pytest.raises(CollectionBusyError):
        gather(root)


def test_parts_of_another_model_are_refused(plan, collection, tmp_path, make_checkpoint):
    model = f"open_clip:tiny@{make_checkpoint()}"
    other = make_plan([plan.parts[0].address], tmp_path / "o.parquet", model=model, ocr="off")
    work(other, collection.root, workers=1)
    with pytest.raises(SpaceMismatchError, match="mini-256"):
        gather(collection.root)


def test_a_worker_with_another_model_is_refused(plan, tmp_path):
    changed = Plan(plan.model, plan.options, {**plan.recipe, "spaces": {"image": "other"}}, plan.keys, plan.parts)
    with pytest.raises(SpaceMismatchError, match="the plan was made with the spaces {'image': 'other'}"):
        work(changed, tmp_path / "c.mms")


def test_a_result_whose_rows_are_gone_is_made_again(plan, tmp_path):
    root = tmp_path / "c.mms"
    work(plan, root, workers=1)
    lost = next((root / "parts").rglob("*.parquet"))
    lost.unlink()
    report = gather(root)
    assert [note.reason for note in report.refused] == ["the rows of a part are gone: a worker must make it again"]
    assert work(plan, root, workers=1).done == 1
    assert gather(root).parts == 1
    assert digest(root)[0] == 64


def test_there_must_be_something_to_gather_and_to_plan(tmp_path):
    with pytest.raises(CollectionNotFoundError, match="no collection and no worker's result"):
        gather(tmp_path / "c.mms")
    with pytest.raises(UsageError, match="there is no"):
        make_plan([tmp_path / "x.tar"], tmp_path / "plan.parquet", model="mini")


@pytest.mark.parametrize("content", [b"", b"no plan", None])
def test_what_is_no_plan_is_said(tmp_path, content):
    if content is not None:
        (tmp_path / "plan.parquet").write_bytes(content)
    with pytest.raises(MMSearchError, match="no plan"):
        read_plan(tmp_path / "plan.parquet")


def test_a_table_of_another_program_is_no_plan(corpora):
    with pytest.raises(MMSearchError, match="is no plan"):
        read_plan(corpora.hugging_face())


def test_a_collection_that_was_gathered_is_indexed_as_any_other(plan, corpora, tmp_path):
    root = tmp_path / "c.mms"
    work(plan, root, workers=1)
    gather(root)
    made = Collection.open(root)
    assert made.manifest.sources == (str(corpora.folder / "x-{0..2}.tar"), str(corpora.folder / "t.parquet"))
    assert made.index(workers=1, ocr="off").unchanged == 32
    corpora.tar("x-1.tar", corpora.samples(["disc"]))
    assert made.index(workers=1, ocr="off").indexed == 1


def test_parts_join_a_collection_of_files(plan, collection):
    before = digest(collection.root)[0]
    work(plan, collection.root, workers=1)
    gather(collection.root)
    assert digest(collection.root)[0] == before + 64
    assert os.path.isdir(collection.root / "parts")
