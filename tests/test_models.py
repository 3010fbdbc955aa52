"""`mmsearch.models`: the catalogue, the best model on this machine, fetching and exporting."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from mmsearch import models
from mmsearch.cli.hints import explained_error
from mmsearch.errors import ModelUnavailableError, UsageError
from mmsearch.retrieval.encoders import hub

ROOT = Path(models.__file__).parents[1]
PACKAGES = {"torch", "open_clip", "transformers", "timm"}


@pytest.fixture
def installed(monkeypatch):
    """Sets which packages look installed."""
    find_spec = importlib.util.find_spec

    def only(*packages: str) -> None:
        absent = PACKAGES - set(packages)
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
        monkeypatch.setattr(hub, "weights_here", lambda info: tmp_path if info.name in names else None)

    return only


def test_the_best_is_mini_where_nothing_better_is_here(installed, here):
    installed("torch", "open_clip", "transformers")
    here()
    best = models.best()
    assert best.name == "mini"
    assert best.is_built_in
    assert "English" in best.note
    assert len(best.note) < 80, "one short line"


def test_the_best_is_mini_where_the_packages_of_a_better_one_are_not_installed(installed, here):
    installed()
    here("clip")
    assert models.best().name == "mini"


def test_the_best_is_the_first_of_the_catalogue_whose_weights_are_here(installed, here):
    installed("torch", "open_clip", "transformers")
    here("clip", "siglip2", "mobileclip2-s0")
    assert models.best().name == "siglip2"


def test_the_best_is_never_a_model_whose_packages_are_missing(installed, here):
    installed("torch", "open_clip")
    here("clip", "siglip2")
    assert models.best().name == "clip"


def test_the_best_is_never_a_model_of_sounds_or_films_alone(installed, here):
    installed(*PACKAGES)
    here("clap", "clap-general", "pe-av-audio", "pe-av-video")
    assert models.best().name == "mini"


def test_a_model_is_ready_where_its_packages_and_weights_are_here(installed, here):
    installed(*PACKAGES)
    here("clap")
    assert models.is_ready("clap")
    assert not models.is_ready("clip")
    assert models.is_ready(models.resolve("mini"))
    installed("torch")
    assert not models.is_ready("clap")


def test_the_catalogue_names_each_model_once_and_every_name_can_be_resolved():
    names = [info.name for info in models.catalogue()]
    assert len(set(names)) == len(names) > 10
    assert [models.resolve(name) for name in names] == list(models.catalogue())


def test_mini_is_built_in_so_that_pull_gives_its_folder():
    assert (models.pull("mini") / "text.safetensors").is_file()


def test_pull_fetches_what_is_not_here(installed, monkeypatch, tmp_path):
    installed(*PACKAGES)
    asked = []
    monkeypatch.setattr(hub, "fetch_weights", lambda info: asked.append(info.name) or tmp_path)
    assert models.pull("clip") == tmp_path
    assert models.pull(models.resolve("clap")) == tmp_path
    assert asked == ["clip", "clap"]


@pytest.mark.parametrize(("name", "extra"), [("clip", "clip"), ("clap", "audio")])
def test_pull_names_the_extra_that_is_not_installed(installed, name, extra):
    installed()
    with pytest.raises(ModelUnavailableError, match=rf'pip install "mmsearch\[{extra}\]"'):
        models.pull(name)


@pytest.mark.parametrize(("name", "why"), [("mini", "without torch"), ("clap", "transformers only")])
def test_only_models_of_open_clip_are_exported(name, why):
    with pytest.raises(UsageError, match=why):
        models.export(name)


def test_a_misspelt_name_gets_the_close_one_and_where_to_find_all():
    for call in (models.resolve, models.pull, models.export, models.is_ready):
        with pytest.raises(UsageError, match="did you mean siglip2") as error:
            call("siglp2")
        assert "mmsearch models list" in explained_error(error.value)
        assert "mmsearch models" not in str(error.value)


def test_asking_which_model_is_best_imports_no_heavy_library():
    program = (
        "import sys, mmsearch.models; assert 'numpy' not in sys.modules; mmsearch.models.best();"
        "print(sorted({'torch', 'open_clip', 'transformers', 'onnxruntime', 'numpy', 'PIL'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    loaded = set(done.stdout.strip("[]\n").replace("'", "").split(", "))
    assert not loaded & {"torch", "open_clip", "transformers", "onnxruntime", "PIL"}
