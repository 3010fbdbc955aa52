"""From a name to an encoder: what `auto` picks, and what is said where something is missing."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import pytest

from mmsearch.errors import ModelUnavailableError, UsageError
from mmsearch.retrieval.encoders import auto_model, hub, load_encoder, resolve
from mmsearch.retrieval.encoders.load import is_ready
from mmsearch.retrieval.encoders.mini import MiniEncoder


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


@pytest.fixture
def here(monkeypatch, tmp_path):
    """Sets whose weights are on this machine."""

    def only(*names: str) -> None:
        monkeypatch.setattr(hub, "weights_here", lambda entry: tmp_path if entry.name in names else None)

    return only


def test_mini_is_loaded_by_name():
    assert isinstance(load_encoder("mini", threads=1), MiniEncoder)


def test_auto_is_mini_where_nothing_better_is_here_and_says_how_to_get_better(installed, here):
    installed("torch", "open_clip", "transformers")
    here()
    name, notice = auto_model()
    assert name == "mini"
    assert "English" in notice
    assert "mmsearch models list" in notice
    assert len(notice) < 80, "one short line"


def test_auto_is_mini_where_the_packages_of_a_better_one_are_not_installed(installed, here):
    installed()
    here("clip")
    assert auto_model()[0] == "mini"


def test_auto_takes_the_best_model_whose_weights_are_here(installed, here):
    installed("torch", "open_clip", "transformers")
    here("clip", "siglip2", "mobileclip2-s0")
    assert auto_model()[0] == "siglip2"


def test_auto_passes_over_a_model_whose_packages_are_missing(installed, here):
    installed("torch", "open_clip")
    here("clip", "siglip2")
    assert auto_model()[0] == "clip"


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


def test_auto_never_takes_a_model_of_sounds_or_films_alone(installed, here):
    installed("torch", "open_clip", "transformers", "timm")
    here("clap", "clap-general", "pe-av-audio", "pe-av-video")
    assert auto_model()[0] == "mini"
    assert is_ready(resolve("clap"))
    assert not is_ready(resolve("clip"))


@pytest.mark.parametrize(("option", "value"), [("device", "cuda"), ("precision", "bfloat16")])
def test_mini_refuses_what_it_cannot_do(option, value):
    with pytest.raises(UsageError, match=value):
        load_encoder("mini", **{option: value})


def test_importing_the_encoders_loads_no_runtime(root):
    program = (
        "import sys, mmsearch.retrieval.encoders;"
        "heavy = {'torch', 'open_clip', 'onnxruntime', 'tokenizers', 'huggingface_hub', 'PIL'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=root)
    assert done.stdout.strip() == "[]"
