"""What tells that a file has changed: size, modification time, ctime, and on demand the content itself."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from mmsearch.retrieval.store.schema import FACT_NAMES
from mmsearch.retrieval.store.snapshot import Snapshot
from mmsearch.retrieval.store.writer import Addition, open_writer


@pytest.mark.parametrize("how", ["chmod", "hard link", "times that were put back"])
def test_only_ctime_has_changed_and_the_file_is_read_once(photos, collection, embedded, how):
    path = photos / "bread.md"
    if how == "chmod":
        path.chmod(0o600)
    elif how == "hard link":
        os.link(path, photos.parent / "link")
    else:
        facts = path.stat()
        os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    opened = []
    report = collection.index([photos], workers=1, watch=lambda at: opened.append(at.stage))
    assert (report.unchanged, report.indexed, len(embedded)) == (10, 0, 0)
    assert "encode" in opened
    opened.clear()
    collection.index([photos], workers=1, watch=lambda at: opened.append(at.stage))
    assert "encode" not in opened, "the new ctime is remembered"


def rewrite_with_its_times(path: Path, text: str) -> None:
    facts = path.stat()
    assert len(text.encode()) == facts.st_size
    path.write_text(text)
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))


OTHER = "A vase of red roses stands on a white table."


def test_content_that_changed_behind_the_same_size_and_time_is_found_by_ctime(photos, collection):
    before = (photos / "bread.md").read_text()
    rewrite_with_its_times(photos / "bread.md", OTHER[: len(before)].ljust(len(before), "."))
    report = collection.index([photos], workers=1)
    assert (report.indexed, report.unchanged) == (1, 9)
    assert collection.search("roses in a vase", to=["text"], k=1)[0].text.startswith("A vase")


def test_where_ctime_is_not_looked_at_content_is(photos, collection, embedded):
    before = (photos / "bread.md").read_text()
    rewrite_with_its_times(photos / "bread.md", OTHER[: len(before)].ljust(len(before), "."))
    assert collection.index([photos], workers=1, check="mtime").unchanged == 10
    report = collection.index([photos], workers=1, check="content")
    assert (report.indexed, report.unchanged, len(embedded)) == (1, 9, 1)


def test_checking_content_rewrites_no_row(photos, collection, embedded):
    report = collection.index([photos], workers=1, check="content")
    assert (report.found, report.unchanged, report.rows, len(embedded)) == (10, 10, 0, 0)
    assert all(part.dead == 0 for part in collection.status().modalities)


def test_rows_of_an_earlier_version_have_no_ctime_and_are_not_read_for_want_of_it(photos, collection):
    forget_ctimes(collection.root)
    collection.reopen()
    (photos / "bread.md").chmod(0o600)
    opened = []
    assert collection.index([photos], workers=1, watch=lambda at: opened.append(at.stage)).unchanged == 10
    assert "encode" not in opened


def forget_ctimes(root):
    """Store all rows anew without the times of status change, as an earlier version wrote them."""
    with open_writer(root) as writer:
        additions, ids = [], []
        for (key, modality), rows in Snapshot(root, writer.manifest).all_rows().items():
            facts = rows.facts(FACT_NAMES)
            place = facts.column_names.index("ctime_ns")
            facts = facts.set_column(place, "ctime_ns", pa.nulls(len(rows), pa.int64()))
            vectors = rows.vectors_at(np.arange(len(rows)))
            additions.append(Addition(writer.manifest.spaces[key], modality, facts, vectors))
            ids += rows.ids.tolist()
        writer.commit(additions, delete=ids)
