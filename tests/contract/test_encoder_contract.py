"""What every encoder promises, whatever runs it: the same vector in any batch, unit vectors, shapes, its space."""

from __future__ import annotations

import functools
import json
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mmsearch
from mmsearch.errors import UsageError
from mmsearch.retrieval.encoders.catalogue import resolve
from mmsearch.retrieval.encoders.load import load_encoder
from mmsearch.retrieval.encoders.protocol import AudioEncoder, ImageEncoder, TextEncoder, VideoEncoder
from mmsearch.retrieval.encoders.runtime import Runtime
from mmsearch.retrieval.encoders.several_devices import SeveralDevices

ROOT = Path(mmsearch.__path__[0]).parent
TINY = {
    "embed_dim": 32,
    "vision_cfg": {"image_size": 64, "layers": 2, "width": 64, "patch_size": 16, "head_width": 32},
    "text_cfg": {"context_length": 24, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 2},
}
ODD_TEXTS = [
    "",
    "   \t\n ",
    "😀",
    "👩‍👩‍👧‍👦 at the beach",
    "日本語のテキスト",
    "נחמד שלום",
    "a &amp; b <b>bold</b>",
    "half a surrogate \ud83d here",
    "nul \x00 and bell \x07",
    "word " * 3000,
    "x" * 5000,
    "it's 2 o'clock, isn't it?",
]


@dataclass
class Case:
    encoder: Any
    model: str
    least_cosine: float
    """What the same input may lose between two batches: 1e-3 in bfloat16, 1e-6 in float32."""
    tolerance: float = 1e-6
    """How far each value of a vector may move between two batches in float32."""


def tiny_checkpoint(folder: Path, seed: int) -> Path:
    """A folder as open_clip writes it: a small CLIP with random weights, and its configuration."""
    torch = pytest.importorskip("torch", reason="needs the extra `clip`")
    open_clip = pytest.importorskip("open_clip", reason="needs the extra `clip`")
    save_file = pytest.importorskip("safetensors.torch", reason="needs safetensors").save_file
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed)
    save_file(dict(open_clip.CLIP(**TINY).state_dict()), folder / "open_clip_model.safetensors")
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": TINY, "preprocess_cfg": {}}))
    return folder


PICTURES = ("mini", "several", "float32", "bfloat16", "onnx")
SOUNDS = ("clap", "pe-av-audio")
FILMS = ("pe-av-video",)


def kinds(*names: str) -> list[Any]:
    return [name if name in ("mini", "several") else pytest.param(name, marks=pytest.mark.clip) for name in names]


@pytest.fixture(scope="module")
def load(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, torch_device: str
) -> Callable[[str], Case]:
    """Loads an encoder by its kind, each once."""

    @functools.cache
    def tiny() -> Path:
        return tiny_checkpoint(tmp_path_factory.mktemp("tiny"), seed=0)

    @functools.cache
    def pe_av() -> Path:
        return request.getfixturevalue("make_pe_av_checkpoint")()

    @functools.cache
    def make(kind: str) -> Case:
        if kind == "mini":
            return Case(load_encoder("mini"), "mini", 1 - 1e-6)
        if kind == "several":  # one encoder, two processes
            if sys.platform != "linux":
                pytest.skip("a process opens the memory of another by /proc")
            return Case(SeveralDevices("mini", ("cpu", "cpu"), Runtime(), load_encoder("mini")), "mini", 1 - 1e-6)
        if kind == "clap":
            model = f"clap@{request.getfixturevalue('make_clap_checkpoint')()}"
            return Case(load_encoder(model, Runtime(torch_device)), model, 1 - 1e-6)
        if kind in ("pe-av-audio", "pe-av-video"):
            model = f"{kind}@{pe_av()}"
            # torch multiplies matrices of different sizes in different orders. Each film's vector lies within 1.9e-6 of
            # the one computed in float64, two of them so within twice that; in float64 they agree (test_pe_av.py).
            tolerance = 4e-6 if kind == "pe-av-video" else 1e-6
            return Case(load_encoder(model, Runtime(torch_device)), model, 1 - 1e-6, tolerance)
        model = f"open_clip:tiny@{tiny()}"
        if kind == "onnx":
            pytest.importorskip("onnxscript", reason="needs the extra `export`")
            from mmsearch.retrieval.encoders.onnx import OnnxEncoder
            from mmsearch.retrieval.encoders.openclip.export import export_onnx

            source = load_encoder(model, Runtime("cpu", "float32"))
            folder = tmp_path_factory.mktemp("export") / "tiny"
            return Case(OnnxEncoder(export_onnx(source, folder)), model, 1 - 1e-6)
        least_cosine = 1 - (1e-3 if kind == "bfloat16" else 1e-6)
        return Case(load_encoder(model, Runtime(torch_device, kind)), model, least_cosine)

    return make


@pytest.fixture(scope="module", params=kinds(*PICTURES, *SOUNDS, *FILMS))
def case(request: pytest.FixtureRequest, load: Callable[[str], Case]) -> Case:
    """Each encoder; all of them embed texts."""
    return load(request.param)


@pytest.fixture(scope="module", params=kinds(*PICTURES))
def picturing(request: pytest.FixtureRequest, load: Callable[[str], Case]) -> Case:
    """Each encoder of pictures."""
    return load(request.param)


@pytest.fixture(scope="module", params=kinds("mini", "several", *SOUNDS))
def hearing(request: pytest.FixtureRequest, load: Callable[[str], Case]) -> Case:
    """Each encoder of sounds."""
    return load(request.param)


@pytest.fixture(scope="module", params=kinds(*FILMS))
def filming(request: pytest.FixtureRequest, load: Callable[[str], Case]) -> Case:
    """Each encoder of films as such."""
    return load(request.param)


@pytest.fixture(scope="module", params=kinds(*PICTURES, *SOUNDS, *FILMS))
def sensing(request: pytest.FixtureRequest, load: Callable[[str], Case]) -> tuple[Case, Callable[..., Any], list[Any]]:
    """Each encoder, with its method for what is no text, and eleven inputs for that."""
    case = load(request.param)
    if request.param in SOUNDS:
        return case, case.encoder.encode_sounds, sounds(case.encoder, 11)
    if request.param in FILMS:
        return case, case.encoder.encode_films, films(case.encoder, 11)
    return case, lambda some: case.encoder.encode_images(np.stack(some)), list(pictures(case.encoder, 37))


def pictures(encoder, n: int, seed: int = 0):
    size = (n, encoder.image_transform.height, encoder.image_transform.width, 3)
    return np.random.default_rng(seed).integers(0, 256, size, np.uint8)


def sounds(encoder, n: int, seed: int = 0) -> list[np.ndarray]:
    """Noise of different lengths, some of the same length, one a whole window and one a single sample."""
    random = np.random.default_rng(seed)
    seconds = [10, 1 / encoder.sample_rate, *(0.7 + 1.1 * (i % 4) for i in range(n))][:n]
    return [0.1 * random.normal(size=round(s * encoder.sample_rate)).astype(np.float32) for s in seconds]


def films(encoder, n: int, seed: int = 0) -> list[np.ndarray]:
    """Films of one to four frames."""
    random = np.random.default_rng(seed)
    size = (encoder.frame_transform.height, encoder.frame_transform.width, 3)
    return [random.integers(0, 256, (1 + i % 4, *size), np.uint8) for i in range(n)]


def texts(n: int) -> list[str]:
    return [f"a photo of {i} dogs on a beach" + " at night" * (i % 5) for i in range(n)]


def assert_same_vectors(case: Case, a, b) -> None:
    assert (a * b).sum(axis=1).min() >= case.least_cosine
    if case.least_cosine > 1 - 1e-4:
        np.testing.assert_allclose(a, b, atol=case.tolerance, rtol=0)


def test_it_offers_what_its_modalities_say(case):
    offered = {"text"} if isinstance(case.encoder, TextEncoder) else set()
    if isinstance(case.encoder, ImageEncoder):
        offered |= {"image", "video"}  # a film is its pooled frames
    if isinstance(case.encoder, AudioEncoder):
        offered |= {"audio"}
    if isinstance(case.encoder, VideoEncoder):
        offered |= {"video"}
    assert case.encoder.modalities == offered > {"text"}


def test_the_name_says_the_modalities_before_anything_is_loaded(case):
    assert resolve(case.model).modalities == case.encoder.modalities


def test_vectors_are_float32_of_unit_length_and_of_the_spaces_dimension(sensing):
    case, encode, some = sensing
    for vectors in (case.encoder.encode_texts(texts(3)), encode(some[:3])):
        assert vectors.dtype == np.float32
        assert vectors.shape == (3, case.encoder.space.dim)
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


def test_no_texts_give_an_empty_array_of_the_right_width(case):
    assert case.encoder.encode_texts([]).shape == (0, case.encoder.space.dim)
    assert case.encoder.count_tokens([]).shape == (0,)


def test_no_pictures_give_an_empty_array_of_the_right_width(picturing):
    nothing = pictures(picturing.encoder, 0)
    assert picturing.encoder.encode_images(nothing).shape == (0, picturing.encoder.space.dim)


def test_no_sounds_give_an_empty_array_of_the_right_width(hearing):
    assert hearing.encoder.encode_sounds([]).shape == (0, hearing.encoder.space.dim)


def test_no_films_give_an_empty_array_of_the_right_width(filming):
    assert filming.encoder.encode_films([]).shape == (0, filming.encoder.space.dim)


def test_a_text_has_the_same_vector_in_any_batch_and_order(case):
    some = texts(37)  # more than one pass of the towers, and no multiple of it
    together = case.encoder.encode_texts(some)
    assert_same_vectors(case, together, np.concatenate([case.encoder.encode_texts([text]) for text in some]))
    assert_same_vectors(case, together, case.encoder.encode_texts(some[::-1])[::-1])
    assert_same_vectors(case, together[:5], case.encoder.encode_texts(some[:5]))


def test_what_is_no_text_has_the_same_vector_in_any_batch_and_order(sensing):
    case, encode, some = sensing  # more than one pass of the towers, and no multiple of it
    together = encode(some)
    assert_same_vectors(case, together, np.concatenate([encode([one]) for one in some]))
    assert_same_vectors(case, together, encode(some[::-1])[::-1])
    assert_same_vectors(case, together[:5], encode(some[:5]))


def test_asking_twice_gives_the_same_bits(sensing):
    case, encode, some = sensing
    assert (encode(some[:3]) == encode(some[:3])).all()
    assert (case.encoder.encode_texts(texts(3)) == case.encoder.encode_texts(texts(3))).all()


def test_different_inputs_have_different_vectors(sensing):
    case, encode, some = sensing
    for vectors in (case.encoder.encode_texts(["a dog", "a skyscraper at night"]), encode(some[-2:])):
        assert vectors[0] @ vectors[1] < 0.9999


def test_threads_that_ask_at_once_get_what_one_would(sensing):
    case, encode, some = sensing
    alone = [(encode(some[i : i + 2]), case.encoder.encode_texts(texts(i + 1))) for i in range(4)]
    with ThreadPoolExecutor(4) as pool:
        at_once = [
            (pool.submit(encode, some[i : i + 2]), pool.submit(case.encoder.encode_texts, texts(i + 1)))
            for i in range(4)
        ]
        for expected, asked in zip(alone, at_once, strict=True):
            for vectors, future in zip(expected, asked, strict=True):
                assert_same_vectors(case, vectors, future.result())


def test_what_is_begun_gives_what_would_be_waited_for(sensing):
    """Two batches are begun before the first is waited for, in another thread, as an indexing run does."""
    case, encode, some = sensing
    others = {"encode_sounds": "begin_sounds", "encode_films": "begin_films"}
    names = ("begin_texts", others.get(encode.__name__, "begin_images"))
    offered = [name for name in names if hasattr(case.encoder, name)]
    assert len(offered) in (0, 2), "begin_texts, and one for what is no text"
    for name in offered:
        items = texts(9) if name == "begin_texts" else some[:9] if name != "begin_images" else np.stack(some[:9])
        begun = [getattr(case.encoder, name)(part) for part in (items[:4], items[4:], items[:0])]
        with ThreadPoolExecutor(1) as pool:
            vectors = np.concatenate(list(pool.map(lambda wait: wait(), begun)))
        assert_same_vectors(case, vectors, getattr(case.encoder, name.replace("begin", "encode"))(items))


def test_a_buffer_for_pictures_has_their_shape(picturing):
    if hasattr(picturing.encoder, "image_buffer"):
        buffer = picturing.encoder.image_buffer(3)
        assert (buffer.shape, buffer.dtype) == (pictures(picturing.encoder, 3).shape, np.uint8)


def test_tokens_are_counted_while_others_embed(case):
    expected = case.encoder.count_tokens(texts(40))
    with ThreadPoolExecutor(2) as pool:
        embedding = [pool.submit(case.encoder.encode_texts, texts(8)) for _ in range(6)]
        for _ in range(12):
            assert (case.encoder.count_tokens(texts(40)) == expected).all()
        for future in embedding:
            future.result()


@pytest.mark.parametrize("text", ODD_TEXTS, ids=[ascii(text)[:24] for text in ODD_TEXTS])
def test_an_odd_text_gets_a_unit_vector_and_is_counted(case, text):
    vectors = case.encoder.encode_texts(["a dog", text])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    assert case.encoder.count_tokens([text])[0] >= 0


def test_a_text_without_words_has_no_tokens(case):
    assert case.encoder.count_tokens(["", "  \n"]).tolist() == [0, 0]


def test_what_exceeds_max_tokens_is_not_read(case):
    full = " ".join(["dog"] * case.encoder.max_tokens)
    assert case.encoder.count_tokens([full])[0] == case.encoder.max_tokens
    beyond, as_full, one_less = case.encoder.encode_texts([f"{full} sea boat", full, full[: -len(" dog")] + " sea"])
    np.testing.assert_allclose(beyond, as_full, atol=1e-6)
    assert abs(one_less - as_full).max() > 1e-4


# Characters that CLIP's text cleaning leaves alone: it guesses wrong encodings from a text as a whole.
PLAIN = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E) | st.sampled_from("犬海の船"), max_size=40)


@settings(max_examples=30, deadline=None)
@given(a=PLAIN, b=PLAIN)
def test_joined_texts_have_at_most_the_tokens_of_their_parts(case, a, b):
    joined, first, second = case.encoder.count_tokens([f"{a} {b}", a, b])
    assert joined <= first + second


def test_pixels_of_another_size_or_type_are_refused_in_one_line(picturing):
    right = pictures(picturing.encoder, 2)
    for wrong in (right[0], right[:, :-1], right.astype(np.float32)):
        with pytest.raises(UsageError, match="image_transform") as error:
            picturing.encoder.encode_images(wrong)
        assert "\n" not in str(error.value)


def test_what_is_no_sound_is_refused_in_one_line(hearing):
    right = sounds(hearing.encoder, 3)[2]
    broken = right.copy()
    broken[7] = np.nan
    two_channels, samples_as_integers, no_samples = right.reshape(-1, 2), right.astype(np.int16), right[:0]
    for wrong in (right.astype(np.float64), two_channels, samples_as_integers, no_samples, right.tolist(), broken):
        with pytest.raises(UsageError, match="sound") as error:
            hearing.encoder.encode_sounds([right, wrong])
        assert "\n" not in str(error.value)


def test_one_sound_in_place_of_a_list_is_refused(hearing):
    with pytest.raises(UsageError, match="list"):
        hearing.encoder.encode_sounds(sounds(hearing.encoder, 3)[2])


@pytest.mark.parametrize("level", [0.0, 1.0, -1.0, 1e-30, 1e4])
def test_silence_and_any_other_level_have_a_finite_vector_of_unit_length(hearing, level):
    constant = np.full(hearing.encoder.sample_rate, level, np.float32)
    np.testing.assert_allclose(np.linalg.norm(hearing.encoder.encode_sounds([constant]), axis=1), 1, atol=1e-6)


def test_what_is_no_film_is_refused_in_one_line(filming):
    right = films(filming.encoder, 3)[2]
    for wrong in (right[0], right[:, :-1], right.astype(np.float32), right[:0], right.tolist()):
        with pytest.raises(UsageError, match="frame_transform") as error:
            filming.encoder.encode_films([right, wrong])
        assert "\n" not in str(error.value)


def test_the_order_of_frames_matters(filming):
    film = films(filming.encoder, 4)[3]
    there, back = filming.encoder.encode_films([film, film[::-1].copy()])
    assert abs(there - back).max() > 1e-4


def test_one_string_in_place_of_a_list_is_refused(case):
    with pytest.raises(UsageError, match="list"):
        case.encoder.encode_texts("a dog")


def test_the_space_is_the_same_in_another_process(case):
    program = (
        "import json, sys; from mmsearch.retrieval.encoders.load import load_encoder;"
        "print(json.dumps(load_encoder(sys.argv[1]).space.to_json()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, case.model], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert json.loads(done.stdout) == case.encoder.space.to_json()


@pytest.mark.clip
def test_two_heads_of_one_checkpoint_are_two_spaces(load):
    sounds_head, films_head = load("pe-av-audio").encoder, load("pe-av-video").encoder
    assert sounds_head.space.weights == films_head.space.weights
    assert sounds_head.space.key != films_head.space.key
    assert sounds_head.space.processing != films_head.space.processing
    cosines = (sounds_head.encode_texts(texts(3)) * films_head.encode_texts(texts(3))).sum(axis=1)
    assert cosines.max() < 0.99


@pytest.mark.clip
def test_other_weights_make_another_space(tmp_path):
    one, other = (
        load_encoder(f"open_clip:tiny@{tiny_checkpoint(tmp_path / 'model', seed)}", Runtime("cpu")).space
        for seed in (1, 2)
    )
    assert one.weights != other.weights
    assert one.processing == other.processing
    assert one.key != other.key
