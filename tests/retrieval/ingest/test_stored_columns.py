"""The plan by arrays finds the same files unchanged as the plan by objects, file by file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mmsearch.retrieval.ingest.expected_rows import CutOptions, ExpectedRows
from mmsearch.retrieval.ingest.found_files import FoundFile, FoundFiles
from mmsearch.retrieval.ingest.stored_files import StoredFiles
from mmsearch.retrieval.store.create import create_files
from mmsearch.retrieval.store.manifest import LostEntry, Manifest
from mmsearch.retrieval.store.schema import facts_table
from mmsearch.retrieval.store.snapshot import Snapshot
from mmsearch.retrieval.store.writer import Addition, open_writer
from mmsearch.types import Item, Space, Span

SPACES = [Space("one", "w1", "p1", 4), Space("two", "w2", "p2", 4)]
PATHS = [b"/p/a.jpg", b"/p/A.jpg", b"/p/b\xff.mp4", b"/q/c.txt", b"/q/d.wav"]
MADE = [
    None,
    "no JSON",
    ExpectedRows({"image": 1}, ocr="auto").to_text(),
    ExpectedRows({"image": 1}).to_text(),
    ExpectedRows({"video": 2, "audio": 1}, window=10.0, hop=5.0).to_text(),
    ExpectedRows({"text": 2, "image": 0}).to_text(),
]
TIMES = st.sampled_from([0, 1, 2**62])

rows = st.lists(
    st.tuples(
        st.integers(0, len(SPACES) - 1),
        st.sampled_from(["image", "text", "audio", "video"]),
        st.sampled_from(PATHS),
        st.integers(1, 2),
        TIMES,
        st.one_of(st.none(), TIMES),
        st.sampled_from(MADE),
        st.booleans(),
        st.booleans(),
    ),
    max_size=14,
)
found = st.lists(st.tuples(st.sampled_from([*PATHS, b"/q/new"]), st.integers(1, 2), TIMES, TIMES), max_size=6)


def store(root: Path, chosen: list, lost: bool) -> Snapshot:
    """A collection with these rows, each committed alone; those marked so are deleted again."""
    spaces = {space.key: space for space in SPACES}
    create_files(root, Manifest(primary_space=SPACES[0].key, spaces=spaces))
    with open_writer(root) as writer:
        for space, modality, path, size, mtime_ns, ctime_ns, made, timed, deleted in chosen:
            item = Item(
                path=path,
                content_hash=bytes([size]) * 16,
                size=size,
                mtime_ns=mtime_ns,
                modality=modality,
                span=Span(0.0, 1.0, "s") if timed else None,
                ctime_ns=ctime_ns,
                made=made,
            )
            vectors = np.array([[1, 0, 0, 0]], np.float16)
            (ids,) = writer.commit([Addition(SPACES[space], modality, facts_table([item]), vectors)])
            if deleted:
                writer.commit(delete=ids.tolist())
        if lost:
            half = writer.manifest.next_id // 2
            writer.commit(lost=(LostEntry(SPACES[0].key, "audio", half), LostEntry(SPACES[0].key, "text", half + 1)))
        return Snapshot(root, writer.manifest)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows, found, st.booleans(), st.booleans(), st.sampled_from(["off", "auto"]))
def test_arrays_and_objects_say_the_same(tmp_path_factory, chosen, seen, lost, by_ctime, ocr):
    snapshot = store(tmp_path_factory.mktemp("stored") / "c.mms", chosen, lost)
    models = {"image": SPACES[0].key, "text": SPACES[0].key, "audio": SPACES[1].key, "video": SPACES[0].key}
    stored = StoredFiles(snapshot, [space.key for space in SPACES], models, CutOptions(ocr=ocr))
    batch = FoundFiles()
    for path, size, mtime_ns, ctime_ns in seen:
        batch.extend(FoundFiles([path], [size], [mtime_ns], [ctime_ns]))
    by_arrays = stored.unchanged(batch, by_ctime=by_ctime)
    for (path, size, mtime_ns, ctime_ns), number in zip(seen, by_arrays.tolist(), strict=True):
        file = stored.get(path)
        one = FoundFile(path, size, mtime_ns, ctime_ns=ctime_ns)
        is_unchanged = file is not None and stored.is_unchanged(one, by_ctime=by_ctime) and stored.is_complete(file)
        assert (number >= 0) == is_unchanged
        assert number < 0 or [file.path for file in stored.files(np.array([number]))] == [path]
    live = [row for row in chosen if not row[-1]]
    assert {file.path for file in stored.under([b"/"])} == {row[2] for row in live}
    assert sum(len(file.all_ids()) for file in stored.under([b"/"])) == len(live)


def test_a_time_that_no_column_holds_is_no_reason_to_fail(tmp_path):
    snapshot = store(tmp_path / "c.mms", [(0, "image", PATHS[0], 1, 0, None, None, False, False)], lost=False)
    stored = StoredFiles(snapshot, [SPACES[0].key])
    assert stored.unchanged(FoundFiles([PATHS[0]], [1], [2**64], [0])).tolist() == [-1]


@pytest.mark.parametrize("path", [PATHS[0], b"/p"])
def test_files_are_found_under_a_path(tmp_path, path):
    chosen = [(0, "image", one, 1, 0, None, None, False, False) for one in PATHS]
    stored = StoredFiles(store(tmp_path / "c.mms", chosen, lost=False), [SPACES[0].key])
    assert {f.path for f in stored.under([path])} == {p for p in PATHS if p == path or p.startswith(path + b"/")}
