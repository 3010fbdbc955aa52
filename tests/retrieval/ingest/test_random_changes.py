"""After any sequence of changes to a folder, the collection holds what the folder holds, and the counts add up."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mmsearch import Collection

# Words far apart in meaning, so that each text is found first by its own.
CONTENTS = [
    "volcano eruption lava",
    "violin orchestra music",
    "hockey ice skates",
    "penguin antarctica snow",
    "pizza cheese oven",
    "tractor harvest wheat",
]
NAMES = ["a.txt", "b.txt", "c.md", "deep/d.txt", "deep/e.txt", "deep/er/f.txt"]
name, content = st.sampled_from(NAMES), st.sampled_from(CONTENTS)
change = st.one_of(
    st.tuples(st.just("write"), name, content),
    st.tuples(st.just("delete"), name, st.none()),
    st.tuples(st.just("rename"), name, name),
    st.tuples(st.just("copy"), name, name),
    st.tuples(st.just("touch"), name, st.none()),
)


class Folder:
    """A folder and what it should hold. Every write gets a later time of change than the one before."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.files: dict[str, str] = {}
        self._now = 1_700_000_000

    def apply(self, kind: str, name: str, other: str | None) -> None:
        """Make one change, where it can be made."""
        path = self.root / name
        if kind == "write":
            assert other is not None
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(other)
            self.files[name] = other
            self._later(path)
        elif name not in self.files:
            return
        elif kind == "delete":
            path.unlink()
            del self.files[name]
        elif kind == "touch":
            self._later(path)
        elif other != name:
            assert other is not None
            target = self.root / other
            target.parent.mkdir(parents=True, exist_ok=True)
            self.files[other] = self.files[name]
            if kind == "copy":
                shutil.copyfile(path, target)
                self._later(target)
            else:
                path.rename(target)
                del self.files[name]

    def _later(self, path: Path) -> None:
        self._now += 10
        os.utime(path, (self._now, self._now))


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(runs=st.lists(st.lists(change, min_size=1, max_size=6), min_size=1, max_size=4))
def test_after_each_run_the_collection_equals_the_folder(paths_in, runs):
    with tempfile.TemporaryDirectory() as temporary:
        top = Path(temporary) / "files"
        top.mkdir()
        folder = Folder(top)
        collection = Collection.create(Path(temporary) / "c.mms", model="mini")
        for changes in runs:
            for one in changes:
                folder.apply(*one)
            report = collection.index([top], workers=1, prune_missing=True)
            assert report.found == len(folder.files)
            assert report.found == report.indexed + report.unchanged + report.moved + len(report.skipped)
            assert not report.skipped
            assert paths_in(collection) == {str(top / name) for name in folder.files}
            assert all(modality.rows == len(folder.files) for modality in collection.status().modalities)
            for text in set(folder.files.values()):
                first, *_ = collection.search(text, k=1)
                assert first.text == text
                assert first.score == pytest.approx(1, abs=1e-3)
                assert first.state == "current"
        again = collection.index([top], workers=1, prune_missing=True)
        assert again.unchanged == again.found
        assert Collection.doctor(collection.root) == []
