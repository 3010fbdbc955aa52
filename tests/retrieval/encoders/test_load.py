"""From a name to an encoder, and what an error says if something is missing."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import pytest

from mmsearch.errors import ModelUnavailableError, UsageError
from mmsearch.retrieval.encoders.load import load_encoder
from mmsearch.retrieval.encoders.mini import MiniEncoder
from mmsearch.retrieval.encoders.runtime import Runtime


@pytest.fixture
def installed(monkeypatch):
    """Sets which packages look installed."""
    find_spec = importlib.util.find_spec

    def only(*packages: str) -> None:
        absent = {"torch", "open_clip", "transformers", "timm"} - set(packages)
        monkeypatch.setattr(
            importlib.util,
            "find_spec",
            lambda name, *rest: None if name in absent else object() if name in packages else find_spec(name, *rest),
        )

    return only


def test_mini_is_loaded_by_name():
    assert isinstance(load_encoder("mini", Runtime(threads=1)), MiniEncoder)


def test_a_model_whose_extra_is_not_installed_names_it(installed):
    installed()
    with pytest.raises(ModelUnavailableError, match=r'pip install "mmsearch\[clip\]"'):
        load_encoder("clip")


@pytest.mark.parametrize("name", ["clap", "pe-av-video"])
def test_a_model_of_sounds_or_films_names_its_own_extra(installed, name):
    installed()
    with pytest.raises(ModelUnavailableError, match=r'pip install "mmsearch\[audio\]"') as error:
        load_encoder(name)
    assert "mini" not in str(error.value)


@pytest.mark.parametrize(("option", "value"), [("device", "cuda"), ("precision", "bfloat16")])
def test_mini_refuses_what_it_cannot_do(option, value):
    with pytest.raises(UsageError, match=value):
        load_encoder("mini", Runtime(**{option: value}))


def test_importing_the_encoders_loads_no_runtime(root):
    program = (
        "import sys, mmsearch.models, mmsearch.retrieval.encoders.load, mmsearch.retrieval.encoders.protocol;"
        "heavy = {'torch', 'open_clip', 'onnxruntime', 'tokenizers', 'huggingface_hub', 'PIL'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=root)
    assert done.stdout.strip() == "[]"
