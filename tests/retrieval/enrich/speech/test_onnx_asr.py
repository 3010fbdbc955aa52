"""Models of onnx-asr: a folder is loaded without a network, tokens become timed sentences, errors name the way out."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from mmsearch.errors import ModelUnavailableError
from mmsearch.retrieval.encoders.protocol import Said, Transcriber
from mmsearch.retrieval.enrich.speech.onnx_asr import OnnxAsrTranscriber, pieces_of, words_of


def test_a_folder_reads_words_with_their_times(ctc_folder, tones):
    gap = np.zeros(4000, np.float32)
    sound = np.concatenate([gap, tones(" fire"), gap, tones(" alarm"), np.zeros(32_000, np.float32), tones(" har")])
    sound = np.concatenate([sound, tones("bour."), gap])
    transcriber = OnnxAsrTranscriber("tones", ctc_folder)
    assert isinstance(transcriber, Transcriber)
    first, second = transcriber.transcribe(sound)
    assert (first.text, second.text) == ("fire alarm", "harbour.")
    assert first.start_s == pytest.approx(0.25, abs=0.1)
    assert first.end_s < second.start_s
    assert second.start_s == pytest.approx(3.3, abs=0.2)
    assert second.end_s <= len(sound) / 16_000


def test_the_kind_may_be_named_instead_of_read(ctc_folder, tones):
    (ctc_folder / "config.json").unlink()
    (said,) = OnnxAsrTranscriber("tones", ctc_folder, "nemo-conformer-ctc").transcribe(
        np.concatenate([np.zeros(4000, np.float32), tones(" fire"), np.zeros(4000, np.float32)])
    )
    assert "fire" in said.text


def test_weights_of_eight_bits_are_taken_if_there_are_no_others(ctc_folder, tones):
    (ctc_folder / "model.onnx").rename(ctc_folder / "model.int8.onnx")
    silence = np.zeros(8000, np.float32)
    (said,) = OnnxAsrTranscriber("tones", ctc_folder).transcribe(np.concatenate([silence, tones(" alarm"), silence]))
    assert "alarm" in said.text


@pytest.mark.parametrize("damage", ["no config", "a name on the hub", "no network", "no onnx"])
def test_what_cannot_be_loaded_is_named(ctc_folder, damage):
    if damage == "no config":
        (ctc_folder / "config.json").unlink()
    elif damage == "a name on the hub":
        (ctc_folder / "config.json").write_text('{"model_type": "someone/model"}')
    elif damage == "no network":
        (ctc_folder / "model.onnx").unlink()
    else:
        (ctc_folder / "model.onnx").write_bytes(b"nothing")
    with pytest.raises(ModelUnavailableError) as error:
        OnnxAsrTranscriber("tones", ctc_folder).transcribe(np.zeros(16_000, np.float32))
    assert str(ctc_folder) in str(error.value)


def test_tokens_are_joined_to_words():
    assert list(words_of([" in", "voice", " of", " May", "."], [0.1, 0.2, 0.5, 0.7, 0.9])) == [
        (0.1, "invoice"),
        (0.5, "of"),
        (0.7, "May."),
    ]
    assert list(words_of([], [])) == []


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([(0.0, "One."), (0.5, "Two.")], ["One.", "Two."]),
        ([(0.0, "one"), (0.5, "two")], ["one two"]),
        ([(0.0, "one"), (2.5, "two")], ["one", "two"]),
        ([], []),
    ],
)
def test_pieces_end_with_sentences_and_at_pauses(words, expected):
    assert [piece.text for piece in pieces_of(iter(words), 10.0)] == expected


def test_a_piece_is_at_most_some_eight_seconds_long_and_ends_with_the_sound():
    words = [(i * 0.5, f"w{i}") for i in range(50)]
    pieces = list(pieces_of(iter(words), 24.7))
    assert all(piece.end_s - piece.start_s <= 9 for piece in pieces)
    assert [word for piece in pieces for word in piece.text.split()] == [word for _, word in words]
    assert all(a.end_s <= b.start_s for a, b in itertools.pairwise(pieces))
    assert pieces[-1].end_s == 24.7


def test_a_model_without_times_gives_one_piece():
    class Model:
        def recognize(self, samples, sample_rate):
            return type("Result", (), {"text": "all of it", "timestamps": None, "tokens": None})

    transcriber = OnnxAsrTranscriber("whisper", None)
    transcriber._model = Model()
    assert transcriber.transcribe(np.zeros(32_000, np.float32)) == [Said(0.0, 2.0, "all of it")]
