"""A dry run says what would be embedded, what would be skipped and why; it decodes and writes nothing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mmsearch import Collection
from mmsearch.cli.hints import with_hint
from mmsearch.errors import Hint, HintKind
from mmsearch.retrieval.encoders.mini.encoder import MiniEncoder


def reasons(notes) -> dict[str, str]:
    return {Path(note.path).name: note.reason for note in notes}


def balanced(report) -> bool:
    return report.found == report.indexed + report.unchanged + report.moved + len(report.skipped)


@pytest.fixture
def mixed(photos: Path) -> Path:
    """`photos` with files of other kinds, an empty file and a link."""
    (photos / "a.xmp").write_text("<x:xmpmeta xmlns:x='adobe:ns:meta/'/>")
    (photos / "paper.djvu").write_bytes(b"AT&TFORM\0\0\0\1DJVU")
    (photos / "void.txt").touch()
    (photos / "link.png").symlink_to(photos / "disc.png")
    return photos


def test_files_of_other_kinds_empty_files_and_links_are_listed_with_their_reasons(mixed, empty):
    report = empty.index([mixed], workers=1, dry_run=True)
    assert (report.found, report.indexed) == (14, 10)
    assert balanced(report)
    assert reasons(report.skipped) == {
        "a.xmp": "a sidecar of a picture: not read",
        "paper.djvu": "a DjVu document: not read",
        "void.txt": "empty file",
        "link.png": "symbolic link",
    }
    (link,) = [note for note in report.skipped if note.path.endswith("link.png")]
    assert link.hint == Hint(HintKind.FOLLOW_LINKS)
    assert with_hint(link.reason, link.hint) == "symbolic link; --follow-links follows it"


def test_the_run_after_it_does_what_it_said(mixed, empty):
    said = empty.index([mixed], workers=1, dry_run=True)
    did = empty.index([mixed], workers=1)
    assert (said.found, said.indexed, said.unchanged) == (did.found, did.indexed, did.unchanged)
    assert reasons(said.skipped) == reasons(did.skipped)


def test_nothing_is_decoded_embedded_or_written(mixed, empty, monkeypatch):
    def refuse(*_):
        raise AssertionError("a dry run embeds nothing")

    for name in ("encode_images", "encode_texts"):
        monkeypatch.setattr(MiniEncoder, name, refuse)
    before = sorted(path for path in empty.root.rglob("*"))
    assert empty.index([mixed], workers=1, dry_run=True).rows == 0
    assert sorted(path for path in empty.root.rglob("*")) == before
    assert not empty.reopen()
    assert empty.skipped() == []


def test_a_damaged_file_of_a_kind_that_is_read_counts_as_to_be_read(photos, empty):
    (photos / "cut.jpg").write_bytes((photos / "rings.jpg").read_bytes()[:100])
    report = empty.index([photos], workers=1, dry_run=True)
    assert (report.indexed, report.skipped) == (11, ())
    assert set(reasons(empty.index([photos], workers=1).skipped)) == {"cut.jpg"}


def test_files_that_an_earlier_run_skipped_are_listed_as_known(mixed, empty):
    empty.index([mixed], workers=1)
    report = empty.index([mixed], workers=1, dry_run=True)
    assert (report.indexed, report.unchanged) == (0, 10)
    assert balanced(report)
    assert {Path(note.path).name for note in report.skipped if note.known} == {"a.xmp", "paper.djvu", "void.txt"}
    again = empty.index([mixed], workers=1, dry_run=True, retry_skipped=True)
    assert reasons(again.skipped) == reasons(report.skipped)
    assert not any(note.known for note in again.skipped)


def test_what_cannot_be_read_is_listed(photos, empty, faulty_worker, monkeypatch):
    (photos / "secret.txt").write_text("Nobody may read this.")
    (photos / "private").mkdir()
    faulty_worker(
        """
        def faulty_open(path, *rest, open=os.open):
            if b"secret" in os.fsencode(path):
                raise PermissionError(errno.EACCES, "Permission denied")
            return open(path, *rest)
        os.open = faulty_open
        """
    )
    listdir = os.listdir

    def deny(path):
        if os.fsdecode(path).endswith("private"):
            raise PermissionError(13, "Permission denied", path)
        return listdir(path)

    monkeypatch.setattr(os, "listdir", deny)
    report = empty.index([photos], workers=1, dry_run=True)
    assert reasons(report.skipped) == {
        "secret.txt": "cannot be read: permission denied",
        "private": "folder cannot be read: Permission denied",
    }
    assert balanced(report)


def test_files_of_kinds_that_are_not_asked_for_are_listed(photos, empty):
    report = empty.index([photos], workers=1, dry_run=True, only=("text",))
    assert (report.indexed, len(report.skipped)) == (2, 8)
    assert {note.reason for note in report.skipped} == {"a picture: only texts are asked for"}


@pytest.mark.clip
def test_sounds_without_a_model_for_them_are_listed_with_the_way_out(photos, tmp_path, films, make_checkpoint):
    (photos / "tone.wav").write_bytes(films.wav((films.tone(1, 8000) * 32000).astype("int16"), 8000))
    made = Collection.create(tmp_path / "c.mms", model=f"open_clip:tiny@{make_checkpoint()}")
    (note,) = made.index([photos], workers=1, dry_run=True).skipped
    assert note.reason.startswith("a sound: no model of this collection embeds sounds")
    assert "--model clap" in with_hint(note.reason, note.hint)


def test_changed_files_are_marked_as_to_be_embedded_again(photos, collection):
    (photos / "bread.md").write_text("Another text altogether.")
    (photos / "new.txt").write_text("A new text.")
    report = collection.index([photos], workers=1, dry_run=True)
    assert (report.indexed, report.unchanged) == (2, 9)
    assert [(Path(note.path).name, note.reason, note.kind) for note in report.marked] == [
        ("bread.md", "changed since it was indexed", "again")
    ]


def test_progress_is_reported_file_by_file(photos, empty):
    events = []
    empty.index([photos], workers=1, dry_run=True, watch=events.append)
    assert events[0].stage == "scan"
    assert [(event.done, event.total) for event in events if event.stage == "decode"] == [(n, 10) for n in range(1, 11)]
