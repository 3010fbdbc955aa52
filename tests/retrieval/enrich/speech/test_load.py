"""Which transcriber is taken: by name, from a folder, one of an app's own, the first that is ready, or none."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from mmsearch import Said, UsageError
from mmsearch.cli.hints import explained_error
from mmsearch.errors import ModelUnavailableError
from mmsearch.retrieval.encoders import load as encoder_load
from mmsearch.retrieval.encoders.catalogue import TRANSCRIBERS, resolve
from mmsearch.retrieval.encoders.load import load_encoder
from mmsearch.retrieval.encoders.runtime import Runtime
from mmsearch.retrieval.enrich.speech.load import find_transcriber, ready_transcriber


@pytest.fixture
def hub_cache(tmp_path, monkeypatch):
    """An empty cache of the hub."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return tmp_path / "hub"


def put_in_cache(cache, info):
    folder = cache / f"models--{info.repository.replace('/', '--')}"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs/main").write_text("c" * 40)
    for name in (*info.files, *(["model.safetensors"] if info.family == "whisper" else [])):
        path = folder / "snapshots" / ("c" * 40) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text('{"model_type": "whisper"}' if name == "config.json" else "{}")
    return folder / "snapshots" / ("c" * 40)


def test_off_is_none():
    assert find_transcriber("off") is None


def test_auto_is_none_where_no_weights_are(hub_cache):
    assert ready_transcriber() is None
    assert find_transcriber("auto") is None


@pytest.mark.parametrize("info", TRANSCRIBERS, ids=lambda info: info.name)
def test_auto_is_a_model_whose_weights_are_in_the_cache(hub_cache, monkeypatch, info):
    monkeypatch.setattr(encoder_load, "_missing", lambda info: [])
    put_in_cache(hub_cache, info)
    assert find_transcriber("auto").name == info.name


def test_auto_is_none_where_a_file_is_missing(hub_cache, monkeypatch):
    monkeypatch.setattr(encoder_load, "_missing", lambda info: [])
    (put_in_cache(hub_cache, resolve("parakeet")) / "vocab.txt").unlink()
    assert find_transcriber("auto") is None


def test_auto_is_none_without_the_packages(hub_cache, monkeypatch):
    put_in_cache(hub_cache, resolve("parakeet"))
    monkeypatch.setattr(encoder_load, "_missing", lambda info: ["onnx_asr"])
    assert find_transcriber("auto") is None
    with pytest.raises(ModelUnavailableError, match=r'pip install "mmsearch\[speech\]"'):
        find_transcriber("parakeet")


def test_a_named_model_that_cannot_be_fetched_tells_the_way_out(hub_cache, monkeypatch):
    monkeypatch.setattr(encoder_load, "_missing", lambda info: [])
    for name, way_out in (("parakeet", "--transcribe onnx-asr@/path"), ("whisper-turbo", "--transcribe whisper@/path")):
        with pytest.raises(ModelUnavailableError) as error:
            find_transcriber(name)
        assert way_out in explained_error(error.value)


def test_a_folder_is_named_by_its_path(ctc_folder, tones):
    transcriber = find_transcriber(f"onnx-asr@{ctc_folder}", Runtime("cpu"))
    assert transcriber.name == f"onnx-asr@{ctc_folder}"
    silence = np.zeros(8000, np.float32)
    (said,) = transcriber.transcribe(np.concatenate([silence, tones(" fire"), silence]))
    assert "fire" in said.text


def test_a_checkpoint_of_whisper_is_named_by_its_path(make_whisper):
    transcriber = find_transcriber(f"whisper@{make_whisper()}", Runtime("cpu"))
    assert transcriber.transcribe(np.zeros(16_000, np.float32))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("nonsense", "no model 'nonsense'"),
        ("parakeat", "did you mean parakeet"),
        ("clip", "does not turn speech into text"),
        ("whisper@/nowhere", "no folder of a checkpoint"),
        ("no_such_module:Reader", "cannot be imported"),
    ],
)
def test_a_wrong_name_is_an_error(name, text):
    with pytest.raises(UsageError, match=text):
        find_transcriber(name)


@pytest.mark.parametrize("name", ["parakeet", "whisper@."])
def test_a_model_for_speech_is_no_encoder(name):
    with pytest.raises(UsageError, match="embeds nothing") as error:
        load_encoder(name)
    assert "--transcribe" in explained_error(error.value)


class Own:
    """A transcriber of an app's own."""

    name = "own"

    def __init__(self, device: str = "auto") -> None:
        self.device = device

    def transcribe(self, samples):
        return [Said(0, 1, "words")]


def test_a_transcriber_of_an_apps_own_is_given_named_or_registered(monkeypatch):
    own = Own()
    assert find_transcriber(own) is own
    monkeypatch.setitem(sys.modules, "own_speech", sys.modules[__name__])
    assert find_transcriber("own_speech:Own", Runtime("cpu")).device == "cpu"
    entry = type("Entry", (), {"name": "mine", "load": staticmethod(lambda: Own)})
    monkeypatch.setattr(
        "importlib.metadata.entry_points", lambda group: [entry] if group == "mmsearch.transcribers" else []
    )
    assert find_transcriber("mine").name == "own"


@pytest.mark.parametrize("wrong", [Own, object(), 3])
def test_what_is_no_transcriber_is_an_error(wrong):
    with pytest.raises(UsageError, match="transcriber"):
        find_transcriber(wrong)
