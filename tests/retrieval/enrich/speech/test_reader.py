"""What is said in a sound, on the clock of the sound, whatever parts it comes in and whatever a transcriber gives."""

from __future__ import annotations

import numpy as np
import pytest

from mmsearch import Said
from mmsearch.retrieval.enrich.speech.reader import SpeechReader


def read(transcriber, sound, part=160_000):
    reader = SpeechReader(transcriber)
    said = [piece for at in range(0, len(sound), part) for piece in reader.add(sound[at : at + part])]
    return said + reader.finish()


class Answer:
    """A transcriber that gives the same pieces for every utterance."""

    name = "answer"

    def __init__(self, *pieces: Said) -> None:
        self.pieces = pieces

    def transcribe(self, samples):
        return self.pieces


def test_words_are_read_back_with_their_times(voices):
    sound = np.concatenate(
        [voices.noise(3), voices.say("fire", "alarm"), voices.silence(3), voices.say("harbour"), voices.silence(2)]
    )
    said = read(voices.PitchReader(), sound)
    assert [(piece.text, piece.language) for piece in said] == [("fire", "en"), ("alarm", "en"), ("harbour", "en")]
    assert [piece.start_s for piece in said] == pytest.approx([3.2, 4.0, 8.0], abs=0.1)
    assert [piece.end_s for piece in said] == pytest.approx([3.8, 4.6, 8.6], abs=0.1)


def test_the_transcriber_is_not_asked_where_nobody_speaks(voices):
    transcriber = voices.PitchReader()
    assert read(transcriber, np.concatenate([voices.noise(20), voices.silence(20)])) == []
    assert transcriber.heard_s == []


def test_it_is_asked_about_half_a_minute_at_most(voices):
    transcriber = voices.PitchReader()
    words = ["fire", "alarm", "harbour", "invoice"] * 25
    assert [piece.text for piece in read(transcriber, voices.say(*words))] == words
    assert max(transcriber.heard_s) <= 28
    assert len(transcriber.heard_s) >= 3


def test_pieces_lie_within_the_utterance_and_blank_ones_are_left_out(voices):
    sound = np.concatenate([voices.silence(1), voices.say("fire"), voices.silence(2)])
    answer = Answer(Said(-5.0, 0.1, "before"), Said(0.2, 99.0, "  two\n words "), Said(3.0, 2.0, "x"), Said(0, 1, "  "))
    before, two, late = read(answer, sound)
    assert two.text == "two words"
    assert 0.5 < before.start_s <= before.end_s <= two.end_s < 2.5
    assert late.start_s == late.end_s == two.end_s


def test_a_long_piece_is_divided_by_its_words(voices):
    sound = np.concatenate([voices.say(*["fire"] * 30), voices.silence(2)])
    text = [f"w{i}" for i in range(50)]
    pieces = read(Answer(Said(0.0, 24.0, " ".join(text), "en")), sound)
    assert len(pieces) == 3
    assert all(piece.end_s - piece.start_s <= 10 for piece in pieces)
    assert [word for piece in pieces for word in piece.text.split()] == text
