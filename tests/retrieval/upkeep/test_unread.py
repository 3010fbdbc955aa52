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
