"""Whisper by transformers: a checkpoint is loaded from its folder, and its tokens become timed pieces."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from mmsearch.errors import ModelUnavailableError
from mmsearch.retrieval.encoders.protocol import Said, Transcriber
from mmsearch.retrieval.encoders.runtime import Runtime
from mmsearch.retrieval.enrich.speech.whisper import WhisperTranscriber


@pytest.fixture(scope="module")
def transcriber(make_whisper):
    return WhisperTranscriber("small", make_whisper(), Runtime("cpu"))


def test_a_checkpoint_gives_timed_pieces_in_a_language(transcriber):
    sound = np.random.default_rng(0).normal(0, 0.1, 48_000).astype(np.float32)
    pieces = transcriber.transcribe(sound)
    assert isinstance(transcriber, Transcriber)
    assert pieces
    assert all(isinstance(piece, Said) and piece.language in ("en", "de") for piece in pieces)
    assert all(0 <= piece.start_s <= piece.end_s <= 3.0 for piece in pieces)
    assert pieces == transcriber.transcribe(sound), "nothing is drawn at random"


def test_a_checkpoint_of_one_language_is_english(make_whisper):
    sound = np.zeros(16_000, np.float32)
    pieces = WhisperTranscriber("small.en", make_whisper(languages=()), Runtime("cpu")).transcribe(sound)
    assert {piece.language for piece in pieces} == {"en"}


def test_texts_lie_between_time_stamps(transcriber):
    transcriber.transcribe(np.zeros(16_000, np.float32))
    network = transcriber._network
    letter, time = network._tokenizer.token_to_id, lambda seconds: network._first_time + round(seconds / 0.02)
    prompt = [letter("<|startoftranscript|>"), letter("<|en|>"), letter("<|transcribe|>")]
    tokens = [*prompt, time(0.5), letter("H"), letter("i"), time(1.2), time(2.0), letter("O"), letter("K")]
    assert list(network._pieces(tokens, 4.0, "en")) == [Said(0.5, 1.2, "Hi", "en"), Said(2.0, 4.0, "OK", "en")]
    assert list(network._pieces([*prompt, time(0.0), letter("H"), time(9.0)], 4.0, "en")) == [Said(0, 4, "H", "en")]


@pytest.mark.parametrize("damage", ["weights", "tokenizer", "kind", "code"])
def test_what_cannot_be_loaded_is_named(make_whisper, tmp_path, damage):
    folder = tmp_path / "damaged"
    shutil.copytree(make_whisper(), folder)
    config = json.loads((folder / "config.json").read_text())
    if damage == "weights":
        (folder / "model.safetensors").unlink()
    elif damage == "tokenizer":
        (folder / "tokenizer.json").unlink()
    else:
        change = {"model_type": "clap"} if damage == "kind" else {"auto_map": {"AutoModel": "x.y"}}
        (folder / "config.json").write_text(json.dumps(config | change))
    with pytest.raises(ModelUnavailableError) as error:
        WhisperTranscriber("small", folder)
    assert str(folder) in str(error.value)
