"""A spoken query: what is said in a file is asked in its words, and what cannot be heard is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmsearch import Collection, DecodeError, ModelUnavailableError, NoSuchFileError, NoticeKind
from mmsearch.cli.hints import explained_error
from mmsearch.retrieval.search.query_line import read_query_line


@pytest.fixture
def question(voices, tmp_path) -> Path:
    """A recording in which "harbour" and "invoice" are said."""
    return voices.write_wav(tmp_path / "question.wav", voices.say("harbour", "invoice"), voices.silence(2))


def test_the_words_of_a_recording_are_asked(voices, question):
    line = read_query_line([f"say:{question}"], transcribe=voices.PitchReader())
    assert [term.value for term in line.query.terms] == ["harbour invoice"]
    heard = next(notice for notice in line.notices if notice.kind is NoticeKind.HEARD)
    assert str(heard) == "heard: harbour invoice"


def test_spoken_words_stand_beside_others_and_push_away(voices, question, tmp_path):
    other = voices.write_wav(tmp_path / "other.wav", voices.say("fire"), voices.silence(2))
    line = read_query_line(
        ["boats", "+", f"say:{question}"], [f"say:{other}"], transcribe=voices.PitchReader(), literal=True
    )
    assert [(term.value, term.weight) for term in line.query.terms] == [
        ("boats", 1.0),
        ("harbour invoice", 1.0),
        ("fire", -1.0),
    ]


def test_say_is_a_word_where_there_is_no_such_file():
    assert read_query_line(["say:cheese"], literal=True).query.terms[0].value == "say:cheese"
    assert read_query_line(["say:nothing.wav"], as_text=True).query.terms[0].value == "say:nothing.wav"


def test_a_spoken_query_finds_what_written_words_find(voices, question, collection):
    spoken = read_query_line([f"say:{question}"], transcribe=voices.PitchReader()).query
    assert [hit.id for hit in collection.search(spoken)] == [hit.id for hit in collection.search("harbour invoice")]


def test_without_a_model_for_speech_the_way_out_is_told(question, monkeypatch):
    monkeypatch.setattr("mmsearch.retrieval.enrich.speech.load.is_ready", lambda info: False)
    with pytest.raises(ModelUnavailableError) as error:
        read_query_line([f"say:{question}"])
    assert "mmsearch models pull parakeet" in explained_error(error.value)


def test_what_cannot_be_heard_is_told(voices, photos, tmp_path):
    reader = voices.PitchReader()
    noise = voices.write_wav(tmp_path / "noise.wav", voices.noise(3))
    with pytest.raises(DecodeError, match=r"nobody speaks in .*noise\.wav"):
        read_query_line([f"say:{noise}"], transcribe=reader)
    with pytest.raises(NoSuchFileError, match="there is no file"):
        read_query_line(["say:/nowhere/speech.wav"], transcribe=reader)
    with pytest.raises(DecodeError, match=r"cannot listen to .*disc\.png"):
        read_query_line([f"say:{photos / 'disc.png'}"], transcribe=reader)


def test_a_file_is_transcribed_without_a_collection(voices, question, films, drawn, tmp_path):
    seen = []
    pieces = Collection.transcribe(question, voices.PitchReader(), watch=seen.append)
    assert [piece.text for piece in pieces] == ["harbour", "invoice"]
    assert seen
    assert seen[-1].at_s == pytest.approx(3.8, abs=0.1)
    sound = voices.say("kitchen")
    film = films.film([drawn("disc", (96, 64))] * 16, fps=8, format="matroska", sound=sound[None], rate=16_000)
    (tmp_path / "film.mkv").write_bytes(film)
    assert [piece.text for piece in Collection.transcribe(tmp_path / "film.mkv", voices.PitchReader())] == ["kitchen"]
