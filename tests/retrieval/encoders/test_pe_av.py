"""PE-AV models from disk: vectors equal transformers' own, one space for each head, half a model for each."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from mmsearch.errors import ModelUnavailableError
from mmsearch.retrieval.encoders.load import load_encoder
from mmsearch.retrieval.encoders.runtime import Runtime

torch = pytest.importorskip("torch", reason="needs the extra `audio`")
transformers = pytest.importorskip("transformers", minversion="5.0", reason="needs the extra `audio`")
pytestmark = pytest.mark.clip

RATE = 48_000
TEXTS = ["a dog barks", "it's rain, on a tin roof!", "日本語 😀", ""]


def load(head, folder, **options):
    return load_encoder(f"pe-av-{head}@{folder}", Runtime(**{"device": "cpu", **options}))


def sounds() -> list[np.ndarray]:
    """Of no, one and many whole steps of the codec, and shorter than what is mirrored at the end."""
    random = np.random.default_rng(0)
    return [0.1 * random.normal(size=size).astype(np.float32) for size in (1920, 1921, 2 * RATE + 7, 300, 1)]


def films() -> list[np.ndarray]:
    random = np.random.default_rng(0)
    return [random.integers(0, 256, (frames, 32, 32, 3), np.uint8) for frames in (4, 1, 16, 4)]


@pytest.fixture(scope="module")
def folder(make_pe_av_checkpoint):
    return make_pe_av_checkpoint()


@pytest.fixture(scope="module")
def audio(folder):
    return load("audio", folder)


@pytest.fixture(scope="module")
def video(folder):
    return load("video", folder)


@pytest.fixture(scope="module")
def transformers_own(folder):
    """The whole model's answer to one text, sound and film at a time, through transformers' own processors."""
    model = transformers.PeAudioVideoModel.from_pretrained(folder).eval()
    tokenizer = transformers.PreTrainedTokenizerFast.from_pretrained(folder)
    extractor = transformers.PeAudioFeatureExtractor.from_pretrained(folder)
    processor = transformers.PeVideoVideoProcessor.from_pretrained(folder)

    def answer(key, text="a dog", sound=sounds()[0], film=films()[0]) -> np.ndarray:
        frames = torch.from_numpy(film).permute(0, 3, 1, 2)
        given = {**tokenizer([text], return_tensors="pt"), **processor([frames], return_tensors="pt")}
        given |= extractor(sound, sampling_rate=RATE, return_tensors="pt")
        given.pop("token_type_ids", None)
        with torch.inference_mode():
            return torch.nn.functional.normalize(model(**given)[key], dim=-1).numpy()[0]

    return answer


def assert_tells_apart(vectors) -> None:
    assert (vectors @ vectors.T)[np.triu_indices(len(vectors), 1)].max() < 0.999


def test_sounds_have_the_vectors_that_transformers_gives_them(audio, transformers_own):
    expected = np.stack([transformers_own("audio_embeds", sound=sound) for sound in sounds()])
    np.testing.assert_allclose(audio.encode_sounds(sounds()), expected, atol=1e-4)
    assert_tells_apart(expected)


def test_films_have_the_vectors_that_transformers_gives_them(video, transformers_own):
    expected = np.stack([transformers_own("video_embeds", film=film) for film in films()])
    np.testing.assert_allclose(video.encode_films(films()), expected, atol=1e-4)
    assert_tells_apart(expected)


def test_texts_have_the_vectors_of_the_head_that_is_asked(audio, video, transformers_own):
    for encoder, key in ((audio, "text_audio_embeds"), (video, "text_video_embeds")):
        expected = np.stack([transformers_own(key, text=text) for text in TEXTS])
        np.testing.assert_allclose(encoder.encode_texts(TEXTS), expected, atol=1e-4)
        assert_tells_apart(expected)


def test_the_two_heads_of_one_checkpoint_are_two_spaces(audio, video):
    assert audio.space.weights == video.space.weights
    assert audio.space.processing != video.space.processing
    assert audio.space.model != video.space.model
    assert audio.space.dim == video.space.dim == 32
    cosines = (audio.encode_texts(TEXTS) * video.encode_texts(TEXTS)).sum(axis=1)
    assert cosines.max() < 0.99


def test_each_half_leaves_the_other_on_the_disk(audio, video):
    audio.encode_texts(["a dog"])
    video.encode_texts(["a dog"])
    assert not any("video" in name for name, _ in audio.model().named_parameters())
    assert not any("audio" in name for name, _ in video.model().named_parameters())


def test_frames_are_prepared_as_the_checkpoint_says(folder, video, tmp_path):
    assert (video.frame_transform.height, video.frame_transform.width) == (32, 32)
    assert (video.frame_transform.resize, video.frame_transform.interpolation) == ("squash", "bilinear")
    shutil.copytree(folder, tmp_path / "model")
    path = tmp_path / "model/video_preprocessor_config.json"
    settings = json.loads(path.read_text())
    path.write_text(json.dumps({**settings, "image_mean": [0.4, 0.5, 0.6]}))
    other = load("video", tmp_path / "model")
    assert other.space.processing != video.space.processing
    assert abs(other.encode_films(films()) - video.encode_films(films())).max() > 1e-4
    for other in ({"size": {"shortest_edge": 32}}, {"do_rescale": False}, {"do_center_crop": True}):
        path.write_text(json.dumps({**settings, **other}))
        with pytest.raises(ModelUnavailableError, match="not known here") as error:
            load("video", tmp_path / "model")
        assert "\n" not in str(error.value)


def test_loading_prints_nothing(folder, capfd):
    for head in ("audio", "video"):
        load(head, folder).encode_texts(["a dog"])
    assert capfd.readouterr() == ("", "")


def test_positions_stay_exact_in_bfloat16(folder, audio):
    rounded = load("audio", folder, precision="bfloat16")
    assert (rounded.encode_sounds(sounds()) * audio.encode_sounds(sounds())).sum(axis=1).min() > 0.99
    rotary = rounded.model().audio_encoder.rotary_emb.inv_freq
    np.testing.assert_array_equal(rotary.float(), audio.model().audio_encoder.rotary_emb.inv_freq)


def test_what_a_films_vector_owes_to_its_batch_is_rounding(folder):
    encoder = load("video", folder)
    encoder.model().double()
    encoder.precision = "float64"
    random = np.random.default_rng(0)
    some = [random.integers(0, 256, (1 + i % 4, 32, 32, 3), np.uint8) for i in range(11)]
    together = encoder.encode_films(some)
    alone = np.concatenate([encoder.encode_films([film]) for film in some])
    backwards = encoder.encode_films(some[::-1])[::-1]
    for other in (alone, backwards):  # float32 in the end: one step of it near 1
        np.testing.assert_allclose(together, other, atol=1.2e-7, rtol=0)
