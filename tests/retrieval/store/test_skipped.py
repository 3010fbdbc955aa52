"""The table of skipped files: what is written is read again, also by and from versions that know other columns."""

from __future__ import annotations

from dataclasses import replace

import pyarrow.parquet as pq

from mmsearch.errors import Hint, HintKind
from mmsearch.retrieval.store import skipped
from mmsearch.retrieval.store.skipped import SkippedFile, read_skipped, write_skipped

PLAIN = SkippedFile(b"/a/\xff.xmp", 10, 1000, None, "content", "a sidecar of a picture: not read", "digest")
HINTED = SkippedFile(b"/b.wav", 20, 2000, 3000, "content", "a sound", "digest", Hint(HintKind.ADD_SOUND_MODEL))
NAMED = replace(HINTED, path=b"/c.csv", hint=Hint(HintKind.REMOVE, "/c.csv"))


def test_files_and_their_hints_are_read_again(writer):
    write_skipped(writer, [PLAIN, HINTED, NAMED])
    assert read_skipped(writer.root, writer.manifest) == [PLAIN, HINTED, NAMED]


def test_a_table_of_an_earlier_version_has_no_hints(writer):
    write_skipped(writer, [PLAIN, HINTED])
    path = writer.root / writer.manifest.skipped.path
    pq.write_table(pq.read_table(path).drop_columns(["hint", "hint_subject"]), path)
    assert read_skipped(writer.root, writer.manifest) == [PLAIN, replace(HINTED, hint=None)]


def test_a_hint_of_a_later_version_is_left_out(writer, monkeypatch):
    monkeypatch.setattr(skipped, "_row_of", lambda file: (*_columns(file), "a later hint", ""))
    write_skipped(writer, [HINTED])
    monkeypatch.undo()
    assert read_skipped(writer.root, writer.manifest) == [replace(HINTED, hint=None)]


def _columns(file: SkippedFile) -> tuple[object, ...]:
    return (file.path, file.size, file.mtime_ns, file.ctime_ns, file.why, file.reason, file.reader)
