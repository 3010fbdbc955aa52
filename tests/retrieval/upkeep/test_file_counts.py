"""The status tells how many files nobody has listened to or read, and what could do it."""

from __future__ import annotations

import pytest


@pytest.fixture
def talks(voices, tmp_path):
    folder = tmp_path / "talks"
    folder.mkdir()
    for word in ("fire", "harbour"):
        voices.write_wav(folder / f"{word}.wav", voices.say(word), voices.silence(3))
    return folder


def test_films_and_sounds_are_counted_until_somebody_listens(talks, photos, empty, voices):
    empty.index([talks, photos], workers=1, transcribe="off")
    assert empty.status().untranscribed == 2
    empty.index([talks / "fire.wav"], workers=1, transcribe=voices.PitchReader())
    assert empty.status().untranscribed == 1
    empty.index([talks], workers=1, transcribe=voices.PitchReader())
    status = empty.status()
    assert status.untranscribed == 0
    assert status.to_json()["untranscribed"] == 0


def test_vectors_made_elsewhere_are_not_counted(mine):
    assert mine.status().untranscribed == 0


def test_the_transcriber_is_the_one_that_is_ready(talks, empty, monkeypatch):
    empty.index([talks], workers=1, transcribe="off")
    assert empty.status().transcriber is None
    monkeypatch.setattr("mmsearch.retrieval.enrich.speech.load.is_ready", lambda info: info.name == "whisper-small")
    assert empty.status().transcriber == "whisper-small"


def test_files_with_pictures_are_counted_until_somebody_reads_them(reads_text, photos, empty):
    empty.index([photos], workers=1, ocr="off")
    before = empty.status()
    assert (before.unread, before.reads_pictures) == (8, True)
    empty.index([photos / "disc.png"], workers=1)
    assert empty.status().unread == 7
    empty.index([photos], workers=1)
    assert empty.status().to_json()["unread"] == 0


def test_files_and_rows_are_counted_by_root_without_those_that_were_deleted(photos, empty, tmp_path):
    notes = tmp_path / "notes"
    notes.mkdir()
    for name in ("a", "b"):
        (notes / f"{name}.txt").write_text("\n\n".join(f"{word} " * 60 for word in ("one", "two", "three")))
    (tmp_path / "notes beside").mkdir()
    (tmp_path / "notes beside" / "c.txt").write_text("another")
    empty.index([notes, tmp_path / "notes beside"], workers=1)
    empty.index([photos], workers=1, ocr="off")
    status = empty.status()
    before = {root.path: (root.files, root.rows) for root in status.roots}
    texts = next(part for part in status.modalities if part.modality == "text")
    assert before[str(notes)][0] == 2 < before[str(notes)][1]
    assert before[str(tmp_path / "notes beside")] == (1, 1)
    empty.remove([notes / "a.txt"])
    status = empty.status()
    after = {root.path: (root.files, root.rows) for root in status.roots}
    assert after[str(notes)] == (1, before[str(notes)][1] // 2)
    left = next(part for part in status.modalities if part.modality == "text")
    assert (left.files, left.rows) == (texts.files - 1, texts.rows - before[str(notes)][1] // 2)
