"""Speech at the command line: sounds are transcribed, hits show the words, and the status says what is missing."""

from __future__ import annotations

import json
import sys

import pytest


@pytest.fixture
def talks(voices, tmp_path, monkeypatch):
    """A folder with a recording, and the transcriber that reads it under the name ``own_speech:PitchReader``."""
    monkeypatch.setitem(sys.modules, "own_speech", voices)
    folder = tmp_path / "talks"
    folder.mkdir()
    voices.write_wav(folder / "talk.wav", voices.silence(5), voices.say("fire", "alarm"), voices.silence(4))
    return folder


def test_what_is_said_is_found_by_its_words(run, talks, tmp_path):
    home = tmp_path / "c.mms"
    run("index", talks, "-c", home, "--model", "mini", "--transcribe", "own_speech:PitchReader")
    (hit,) = json.loads(run("query", "fire alarm", "-c", home, "--json", "--to", "text").out)["hits"]
    assert hit["text"] == "fire alarm"
    assert hit["evidence"][0] == "speech"
    assert hit["lang"] == "en"
    assert hit["span"]["start_s"] == pytest.approx(5.2, abs=0.1)


def test_the_status_says_what_a_model_for_speech_would_add(run, talks, tmp_path):
    home = tmp_path / "c.mms"
    run("index", talks, "-c", home, "--model", "mini", "--transcribe", "off")
    (line,) = (line for line in run("status", "-c", home).lines if line.startswith("speech"))
    assert "1 film or sound not found by what is said" in line
    assert "mmsearch[speech]" in line
    run("index", talks, "-c", home, "--transcribe", "own_speech:PitchReader")
    assert not [line for line in run("status", "-c", home).lines if line.startswith("speech")]


def test_an_unknown_model_is_an_error_with_a_way_out(run, talks, tmp_path):
    ran = run("index", talks, "-c", tmp_path / "c.mms", "--model", "mini", "--transcribe", "parakeat")
    told = ran.err
    assert ran.code == 2
    assert "did you mean parakeet" in told
    assert "mmsearch models list" in told


def test_a_query_may_be_spoken(run, voices, talks, tmp_path):
    home = tmp_path / "c.mms"
    run("index", talks, "-c", home, "--model", "mini", "--transcribe", "own_speech:PitchReader")
    question = voices.write_wav(tmp_path / "question.wav", voices.say("alarm"), voices.silence(2))
    ran = run("query", f"say:{question}", "-c", home, "--transcribe", "own_speech:PitchReader")
    assert "heard: alarm" in ran.err
    assert "talk.wav" in ran.out


def test_a_spoken_query_without_a_model_tells_the_way_out(run, talks, tmp_path):
    home = tmp_path / "c.mms"
    run("index", talks, "-c", home, "--model", "mini", "--transcribe", "off")
    ran = run("query", f"say:{talks / 'talk.wav'}", "-c", home, "--transcribe", "off")
    assert ran.code != 0
    (line,) = ran.err.splitlines()
    assert "no model for speech" in line
    assert "mmsearch models pull parakeet" in line
