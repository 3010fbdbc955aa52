"""Checkpoints in transformers' layout: files of strangers are safe, what is wrong with a folder is one line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from mmsearch.errors import ModelUnavailableError, UsageError
from mmsearch.retrieval.encoders.huggingface.encoder import equal_groups
from mmsearch.retrieval.encoders.huggingface.tokenizer import TextTokenizer
from mmsearch.retrieval.encoders.load import load_encoder
from mmsearch.retrieval.encoders.runtime import Runtime

torch = pytest.importorskip("torch", reason="needs the extra `audio`")
pytest.importorskip("transformers", minversion="5.0", reason="needs the extra `audio`")
pytestmark = pytest.mark.clip


@pytest.fixture(scope="module")
def saved(make_clap_checkpoint):
    return make_clap_checkpoint()


@pytest.fixture
def folder(saved, tmp_path):
    """A copy that a test may damage."""
    return shutil.copytree(saved, tmp_path / "model")


def load(folder: Path, **options):
    return load_encoder(f"clap@{folder}", Runtime(**{"device": "cpu", **options}))


def refusal(folder: Path) -> str:
    with pytest.raises(ModelUnavailableError) as error:
        load(folder).encode_texts(["a dog"])
    assert "\n" not in str(error.value)
    return str(error.value)


def change_config(folder: Path, **changes) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def as_pickle(folder: Path) -> Path:
    from safetensors.torch import load_file

    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    torch.save(weights, folder / "pytorch_model.bin")
    return folder / "pytorch_model.bin"


class Bomb:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self):
        return Path.touch, (self.target,)


def test_a_pickle_of_weights_gives_the_same_vectors(folder, saved):
    as_pickle(folder)
    expected = load(saved).encode_texts(["a dog"])
    np.testing.assert_allclose(load(folder).encode_texts(["a dog"]), expected, atol=1e-6)


def test_a_pickle_with_code_is_refused_and_not_run(folder, tmp_path):
    torch.save({"weight": Bomb(tmp_path / "ran")}, as_pickle(folder))
    assert "could run code" in refusal(folder)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("content", [b"", b"no checkpoint", b"PK\x03\x04cut"])
@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin"])
def test_a_file_that_is_no_checkpoint_is_one_line(folder, name, content):
    (folder / "model.safetensors").unlink()
    (folder / name).write_bytes(content)
    assert name in refusal(folder)


@pytest.mark.parametrize(
    "changes",
    [
        {"auto_map": {"AutoModel": "evil.Model"}},
        {"attn_implementation": "somebody/kernel"},
        {"text_config": {"quantization_config": {"quant_method": "x"}}},
    ],
)
def test_a_configuration_that_asks_for_code_is_refused(folder, changes):
    change_config(folder, **changes)
    assert "could run code: refused" in refusal(folder)


def test_weights_of_another_configuration_are_refused(folder):
    config = json.loads((folder / "config.json").read_text())
    change_config(folder, text_config={**config["text_config"], "num_hidden_layers": 3})
    assert "does not fit its configuration" in refusal(folder)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("model.safetensors", "no model.safetensors or pytorch_model.bin"),
        ("config.json", "lacks config.json"),
        ("tokenizer.json", "lacks tokenizer.json"),
        ("preprocessor_config.json", "lacks preprocessor_config.json"),
    ],
)
def test_a_missing_file_is_named(folder, name, said):
    (folder / name).unlink()
    assert said in refusal(folder)


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "preprocessor_config.json"])
@pytest.mark.parametrize("content", ["", "[]", '{"model": 3'])
def test_a_damaged_file_is_named(folder, name, content):
    (folder / name).write_text(content)
    assert name in refusal(folder)


def test_another_kind_of_model_is_named(folder):
    change_config(folder, model_type="bert")
    assert "of type 'bert', not 'clap'" in refusal(folder)


def test_the_space_is_known_before_the_weights_are_read(folder):
    (folder / "model.safetensors").write_bytes(b"not even weights")
    assert load(folder).space.dim == 32


def test_what_a_copy_may_differ_in_is_no_part_of_the_space_and_the_rest_is(folder, saved):
    change_config(folder, transformers_version="6.0", _name_or_path="elsewhere")
    assert load(folder).space.processing == load(saved).space.processing
    change_config(folder, projection_hidden_act="gelu")
    assert load(folder).space.processing != load(saved).space.processing


def test_another_tokenizer_is_another_space(folder, saved):
    path = folder / "tokenizer.json"
    path.write_text(path.read_text().replace('"add_prefix_space": false', '"add_prefix_space": true'))
    assert load(folder).space.processing != load(saved).space.processing


@pytest.mark.parametrize(("option", "value"), [("precision", "int8"), ("device", "tpu")])
def test_a_precision_or_device_that_is_not_to_be_had_is_wrong_use(saved, option, value):
    with pytest.raises(UsageError, match=value):
        load(saved, **{option: value})


def test_what_is_of_one_size_goes_together_and_nothing_else():
    groups = list(equal_groups([3, 5, 3, 3, 5, 7], most=2))
    assert groups == [[0, 2], [3], [1, 4], [5]]


def test_counts_of_words_add_up_to_that_of_the_text(saved):
    tokenizer = TextTokenizer(saved / "tokenizer.json", 77)
    text = "  a dog,\n\n barking (loudly)  at 犬 "
    assert tokenizer.count([text])[0] == tokenizer.count(text.split()).sum()
    assert tokenizer.ids([text]) == tokenizer.ids([" ".join(text.split())])
