"""CLAP models from disk: vectors equal transformers' own, and hang on the sound alone."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from mmsearch.errors import ModelUnavailableError, UsageError
from mmsearch.retrieval.encoders.huggingface.spectrogram import Spectrogram
from mmsearch.retrieval.encoders.load import load_encoder
from mmsearch.retrieval.encoders.runtime import Runtime

torch = pytest.importorskip("torch", reason="needs the extra `audio`")
transformers = pytest.importorskip("transformers", minversion="5.0", reason="needs the extra `audio`")
pytestmark = pytest.mark.clip

RATE = 48_000
TEXTS = ["a dog barks", "it's rain, on a tin roof!", "日本語 😀", ""]


def load(folder, **options):
    return load_encoder(f"clap@{folder}", Runtime(**{"device": "cpu", **options}))


def sounds() -> list[np.ndarray]:
    """Noise, a pure tone, a click and a chirp, of all lengths up to the window."""
    random = np.random.default_rng(0)
    seconds = np.arange(10 * RATE) / RATE
    tone = 0.9 * np.sin(2 * np.pi * 440 * seconds[: 4 * RATE])
    chirp = 0.5 * np.sin(2 * np.pi * (50 + 700 * seconds) * seconds)
    click = np.zeros(RATE // 3)
    click[1000] = 1
    made = [0.1 * random.normal(size=3 * RATE + 17), tone, click, chirp, random.normal(size=1) * 0.1]
    return [sound.astype(np.float32) for sound in made]


@pytest.fixture(scope="module")
def folder(make_clap_checkpoint):
    return make_clap_checkpoint()


@pytest.fixture(scope="module")
def clap(folder):
    return load(folder)


@pytest.fixture(scope="module")
def reference(folder):
    return transformers.ClapModel.from_pretrained(folder).eval()


def transformers_own(model, folder, sound):
    features = transformers.ClapFeatureExtractor.from_pretrained(folder)(sound, sampling_rate=RATE, return_tensors="pt")
    with torch.inference_mode():
        return model.get_audio_features(input_features=features["input_features"].float()).pooler_output.numpy()[0]


def test_sounds_have_the_vectors_that_transformers_gives_them(clap, reference, folder):
    expected = np.stack([transformers_own(reference, folder, sound) for sound in sounds()])
    np.testing.assert_allclose(clap.encode_sounds(sounds()), expected, atol=1e-4)
    assert (expected @ expected.T)[np.triu_indices(len(expected), 1)].max() < 0.9995  # else any vector would do


def test_texts_have_the_vectors_that_transformers_gives_them(clap, reference, folder):
    tokenizer = transformers.PreTrainedTokenizerFast.from_pretrained(folder)
    with torch.inference_mode():
        expected = reference.get_text_features(**tokenizer(TEXTS, padding=True, return_tensors="pt")).pooler_output
    np.testing.assert_allclose(clap.encode_texts(TEXTS), expected.numpy(), atol=1e-4)


@pytest.mark.parametrize("padding", ["repeatpad", "repeat", "pad"])
def test_the_spectrogram_is_transformers_own_whatever_the_padding(padding):
    extractor = transformers.ClapFeatureExtractor(truncation="rand_trunc", padding=padding)
    ours = Spectrogram.read(extractor.to_dict())
    for sound in sounds():
        expected = extractor(sound, sampling_rate=RATE, return_tensors="np")["input_features"][0, 0]
        np.testing.assert_allclose(ours(sound), expected, atol=1e-3)


def test_other_preprocessing_is_followed(make_clap_checkpoint, clap):
    folder = make_clap_checkpoint(padding="pad", frequency_min=50)
    model = transformers.ClapModel.from_pretrained(folder).eval()
    noise = sounds()[0]
    other = load(folder)
    np.testing.assert_allclose(other.encode_sounds([noise])[0], transformers_own(model, folder, noise), atol=1e-4)
    assert other.space.weights == clap.space.weights
    assert other.space.processing != clap.space.processing


def test_a_sound_longer_than_the_window_is_refused_and_not_cut_at_random(clap):
    clap.encode_sounds([np.zeros(10 * RATE, np.float32)])
    with pytest.raises(UsageError, match="longer than the model's window") as error:
        clap.encode_sounds([np.zeros(10 * RATE + 1, np.float32)])
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "options", [{"audio": {"enable_fusion": True, "fusion_type": "aff_2d"}}, {"truncation": "fusion"}]
)
def test_a_model_that_fuses_random_windows_is_refused(make_clap_checkpoint, options):
    with pytest.raises(ModelUnavailableError, match="drawn at random") as error:
        load(make_clap_checkpoint(**options))
    assert "\n" not in str(error.value)


def test_the_longest_text_is_what_clap_was_trained_on(clap):
    assert clap.max_tokens == 75
    assert clap.sample_rate == RATE


def test_a_checkpoint_with_all_preprocessing_in_one_file_is_the_same_space(folder, clap, tmp_path):
    shutil.copytree(folder, tmp_path / "model")
    own = tmp_path / "model/preprocessor_config.json"
    (tmp_path / "model/processor_config.json").write_text(
        json.dumps({"feature_extractor": json.loads(own.read_text()), "processor_class": "ClapProcessor"})
    )
    own.unlink()
    assert load(tmp_path / "model").space.processing == clap.space.processing


def test_bfloat16_is_close_and_the_same_space(folder, clap):
    rounded = load(folder, precision="bfloat16")
    assert clap.precision == "float32"
    assert (rounded.encode_sounds(sounds()) * clap.encode_sounds(sounds())).sum(axis=1).min() > 0.99
    assert rounded.space == clap.space
