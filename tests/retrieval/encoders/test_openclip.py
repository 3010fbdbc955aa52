"""open_clip models from disk: vectors equal open_clip's own, files of strangers are safe, what makes a space."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmsearch.errors import ModelUnavailableError, UsageError
from mmsearch.retrieval.encoders.catalogue import resolve
from mmsearch.retrieval.encoders.load import load_encoder
from mmsearch.retrieval.encoders.openclip.config import pretrained_config, read_config
from mmsearch.retrieval.encoders.runtime import Runtime

torch = pytest.importorskip("torch", reason="needs the extra `clip`")
open_clip = pytest.importorskip("open_clip", reason="needs the extra `clip`")
pytestmark = pytest.mark.clip

TEXTS = ["a dog on a beach", "it's 2 o'clock", "日本語 😀", "", "long " * 100]
PREPROCESS = [
    {},
    {"resize_mode": "squash", "interpolation": "bilinear", "mean": [0.5] * 3, "std": [0.5] * 3},
    {"resize_mode": "longest", "fill_color": 127},
]


def load(folder: Path, **options):
    return load_encoder(f"open_clip:tiny@{folder}", Runtime(**{"device": "cpu", "precision": "float32", **options}))


def pictures() -> list[Image.Image]:
    random = np.random.default_rng(0)
    return [Image.fromarray(random.integers(0, 256, (h, w, 3), np.uint8)) for h, w in ((64, 64), (90, 200), (301, 77))]


@pytest.mark.parametrize("preprocess", PREPROCESS, ids=["default", "squash", "longest"])
def test_vectors_equal_open_clips_own(make_checkpoint, preprocess):
    folder = make_checkpoint(preprocess=preprocess)
    model, _, transform = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    model.eval()
    with torch.inference_mode():
        images = model.encode_image(torch.stack([transform(p) for p in pictures()]), normalize=True).numpy()
        texts = model.encode_text(open_clip.get_tokenizer(f"local-dir:{folder}")(TEXTS), normalize=True).numpy()
    ours = load(folder)
    pixels = np.stack([ours.image_transform.apply(picture) for picture in pictures()])
    np.testing.assert_allclose(ours.encode_images(pixels), images, atol=1e-5)
    np.testing.assert_allclose(ours.encode_texts(TEXTS), texts, atol=1e-5)


def test_a_model_with_a_hugging_face_tokenizer_equals_open_clips_own(make_checkpoint, write_hf_tokenizer):
    text = {"hf_tokenizer_name": "some/where", "tokenizer_kwargs": {"clean": "canonicalize"}, "vocab_size": 10}
    folder = make_checkpoint(text=text)
    write_hf_tokenizer(folder)
    texts = ["A dog on the BEACH!", "a cat, a unicorn", "the " * 99]
    model = open_clip.create_model(f"local-dir:{folder}").eval()
    with torch.inference_mode():
        expected = model.encode_text(open_clip.get_tokenizer(f"local-dir:{folder}")(texts), normalize=True).numpy()
    ours = load(folder)
    np.testing.assert_allclose(ours.encode_texts(texts), expected, atol=1e-5)
    assert ours.max_tokens == 22
    assert ours.count_tokens(texts).tolist() == [5, 4, 99]


def test_a_tokenizer_that_is_not_beside_the_checkpoint_is_asked_for(make_checkpoint, hub_cache):
    folder = make_checkpoint(text={"hf_tokenizer_name": "some/where"})
    with pytest.raises(ModelUnavailableError, match=r"tokenizer\.json"):
        load(folder)


def test_a_bfloat16_vector_is_close_to_the_float32_one(make_checkpoint):
    folder = make_checkpoint()
    exact, rounded = (load(folder, precision=p).encode_texts(TEXTS) for p in ("float32", "bfloat16"))
    assert (exact * rounded).sum(axis=1).min() > 0.999
    assert load(folder, precision="bfloat16").space == load(folder).space


def test_a_state_dict_in_a_pickle_gives_the_same_vectors(make_checkpoint, tmp_path):
    from safetensors.torch import load_file

    folder = make_checkpoint()
    pickled = tmp_path / "pickled"
    pickled.mkdir()
    shutil.copy(folder / "open_clip_config.json", pickled)
    for new_format in (True, False):
        weights = load_file(folder / "open_clip_model.safetensors")
        torch.save({"state_dict": weights}, pickled / "w.pt", _use_new_zipfile_serialization=new_format)
        np.testing.assert_array_equal(load(pickled).encode_texts(TEXTS), load(folder).encode_texts(TEXTS))


class Bomb:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self):
        return Path.touch, (self.target,)


@pytest.mark.parametrize("as_torch_file", [True, False])
def test_a_pickle_with_code_is_refused_in_one_line_and_not_run(make_checkpoint, tmp_path, as_torch_file):
    folder = make_checkpoint()
    (folder / "open_clip_model.safetensors").unlink()
    bomb = {"state_dict": Bomb(tmp_path / "ran")}
    if as_torch_file:
        torch.save(bomb, folder / "w.pt")
    else:
        (folder / "w.pt").write_bytes(pickle.dumps(bomb))
    with pytest.raises(ModelUnavailableError, match="could run code") as error:
        load(folder).encode_texts(["a"])
    assert "\n" not in str(error.value)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("content", [b"", b"no checkpoint", b"PK\x03\x04cut"])
def test_a_file_that_is_no_checkpoint_is_one_line(make_checkpoint, content):
    folder = make_checkpoint()
    for name in ("open_clip_model.safetensors", "w.pt"):
        (folder / name).write_bytes(content)
        with pytest.raises(ModelUnavailableError) as error:
            load(folder).encode_texts(["a"])
        assert "\n" not in str(error.value)
        (folder / name).unlink()


def test_a_checkpoint_of_another_architecture_is_one_line(make_checkpoint):
    folder = make_checkpoint()
    config = json.loads((folder / "open_clip_config.json").read_text())
    config["model_cfg"]["text_cfg"]["layers"] = 3
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    with pytest.raises(ModelUnavailableError, match="does not fit the architecture") as error:
        load(folder).encode_texts(["a"])
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", ["", "[]", '{"model_cfg": {}}', '{"model_cfg": 3}'])
def test_a_folder_with_a_broken_configuration_is_one_line(make_checkpoint, content):
    folder = make_checkpoint()
    (folder / "open_clip_config.json").write_text(content)
    with pytest.raises(ModelUnavailableError, match="no open_clip configuration"):
        load(folder)


def test_another_preprocessing_or_another_configuration_is_another_space(make_checkpoint):
    plain = load(make_checkpoint()).space
    squashed = load(make_checkpoint(preprocess={"resize_mode": "squash"})).space
    folder = make_checkpoint()
    config = json.loads((folder / "open_clip_config.json").read_text())
    config["model_cfg"]["quick_gelu"] = True
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    other_activation = load(folder).space
    assert plain.weights == squashed.weights == other_activation.weights
    assert len({plain, squashed, other_activation}) == 3


def test_the_space_is_known_before_the_weights_are_read(make_checkpoint):
    folder = make_checkpoint()
    (folder / "open_clip_model.safetensors").write_bytes(b"not even weights")
    assert load(folder).space.dim == 32


def test_a_bare_checkpoint_takes_the_preprocessing_of_its_architecture(tmp_path):
    weights = tmp_path / "w.safetensors"
    weights.write_bytes(b"")
    config = read_config(resolve(f"open_clip:PE-Core-B-16@{weights}"), weights, None)
    assert (config.image_transform().resize, config.image_transform().interpolation) == ("squash", "bilinear")
    assert config.preprocess["mean"] == [0.5, 0.5, 0.5]


def test_weights_of_another_activation_name_the_right_architecture():
    with pytest.raises(UsageError, match="open_clip:ViT-B-32-quickgelu/openai"):
        pretrained_config(resolve("open_clip:ViT-B-32/openai"))


def test_an_unknown_architecture_or_tag_shows_what_there_is(tmp_path):
    with pytest.raises(UsageError, match="laion2b_s34b_b79k"):
        pretrained_config(resolve("open_clip:ViT-B-32/laion"))
    (tmp_path / "w.pt").touch()
    with pytest.raises(UsageError, match=r"near it: .*ViT-B-32"):
        load_encoder(f"open_clip:ViT-B32@{tmp_path / 'w.pt'}")


@pytest.mark.parametrize(("option", "value"), [("precision", "int8"), ("device", "tpu")])
def test_a_precision_or_device_that_is_not_to_be_had_is_wrong_use(make_checkpoint, option, value):
    with pytest.raises(UsageError, match=value):
        load(make_checkpoint(), **{option: value})
