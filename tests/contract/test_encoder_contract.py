"""What every encoder promises, whatever runs it: rule 9 of the house, unit vectors, shapes, odd texts, its space."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mmsearch
from mmsearch.errors import UsageError
from mmsearch.retrieval.encoders import ImageEncoder, TextEncoder, load_encoder

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


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_checkpoint(tmp_path_factory.mktemp("tiny"), seed=0)


def load(kind: str, checkpoint_of: pytest.FixtureRequest) -> Case:
    if kind == "mini":
        return Case(load_encoder("mini"), "mini", 1 - 1e-6)
    model = f"open_clip:tiny@{checkpoint_of.getfixturevalue('checkpoint')}"
    if kind == "onnx":
        pytest.importorskip("onnxscript", reason="needs the extra `export`")
        from mmsearch.retrieval.encoders.onnx import OnnxEncoder
        from mmsearch.retrieval.encoders.openclip.export import export_onnx

        source = load_encoder(model, device="cpu", precision="float32")
        folder = checkpoint_of.getfixturevalue("tmp_path_factory").mktemp("export") / "tiny"
        return Case(OnnxEncoder(export_onnx(source, folder)), model, 1 - 1e-6)
    return Case(load_encoder(model, device="cpu", precision=kind), model, 1 - (1e-3 if kind == "bfloat16" else 1e-6))


@pytest.fixture(
    scope="module",
    params=[
        "mini",
        pytest.param("float32", marks=pytest.mark.clip),
        pytest.param("bfloat16", marks=pytest.mark.clip),
        pytest.param("onnx", marks=pytest.mark.clip),
    ],
)
def case(request: pytest.FixtureRequest) -> Case:
    return load(request.param, request)


def pictures(encoder, n: int, seed: int = 0):
    size = (n, encoder.image_transform.height, encoder.image_transform.width, 3)
    return np.random.default_rng(seed).integers(0, 256, size, np.uint8)


def texts(n: int) -> list[str]:
    return [f"a photo of {i} dogs on a beach" + " at night" * (i % 5) for i in range(n)]


def assert_same_vectors(case: Case, a, b) -> None:
    assert (a * b).sum(axis=1).min() >= case.least_cosine
    if case.least_cosine > 1 - 1e-4:
        np.testing.assert_allclose(a, b, atol=1e-6, rtol=0)


def test_it_offers_both_abilities(case):
    assert isinstance(case.encoder, TextEncoder)
    assert isinstance(case.encoder, ImageEncoder)
    assert case.encoder.modalities == {"text", "image"}


def test_vectors_are_float32_of_unit_length_and_of_the_spaces_dimension(case):
    for vectors in (case.encoder.encode_texts(texts(3)), case.encoder.encode_images(pictures(case.encoder, 3))):
        assert vectors.dtype == np.float32
        assert vectors.shape == (3, case.encoder.space.dim)
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


def test_nothing_in_gives_an_empty_array_of_the_right_width(case):
    assert case.encoder.encode_texts([]).shape == (0, case.encoder.space.dim)
    assert case.encoder.encode_images(pictures(case.encoder, 0)).shape == (0, case.encoder.space.dim)
    assert case.encoder.count_tokens([]).shape == (0,)


def test_a_text_has_the_same_vector_in_any_batch_and_order(case):
    some = texts(37)  # more than one pass of the towers, and no multiple of it
    together = case.encoder.encode_texts(some)
    assert_same_vectors(case, together, np.concatenate([case.encoder.encode_texts([text]) for text in some]))
    assert_same_vectors(case, together, case.encoder.encode_texts(some[::-1])[::-1])
    assert_same_vectors(case, together[:5], case.encoder.encode_texts(some[:5]))


def test_a_picture_has_the_same_vector_in_any_batch_and_order(case):
    some = pictures(case.encoder, 37)
    together = case.encoder.encode_images(some)
    assert_same_vectors(case, together, np.concatenate([case.encoder.encode_images(one[None]) for one in some]))
    assert_same_vectors(case, together, case.encoder.encode_images(some[::-1])[::-1])
    assert_same_vectors(case, together[:5], case.encoder.encode_images(some[:5]))


def test_asking_twice_gives_the_same_bits(case):
    some = pictures(case.encoder, 3)
    assert (case.encoder.encode_images(some) == case.encoder.encode_images(some)).all()
    assert (case.encoder.encode_texts(texts(3)) == case.encoder.encode_texts(texts(3))).all()


def test_different_inputs_have_different_vectors(case):
    vectors = case.encoder.encode_texts(["a dog", "a skyscraper at night"])
    assert vectors[0] @ vectors[1] < 0.9999


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


def test_pixels_of_another_size_or_type_are_refused_in_one_line(case):
    right = pictures(case.encoder, 2)
    for wrong in (right[0], right[:, :-1], right.astype(np.float32)):
        with pytest.raises(UsageError, match="image_transform") as error:
            case.encoder.encode_images(wrong)
        assert "\n" not in str(error.value)


def test_one_string_in_place_of_a_list_is_refused(case):
    with pytest.raises(UsageError, match="list"):
        case.encoder.encode_texts("a dog")


def test_the_space_is_the_same_in_another_process(case):
    program = (
        "import json, sys; from mmsearch.retrieval.encoders import load_encoder;"
        "print(json.dumps(load_encoder(sys.argv[1]).space.to_json()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, case.model], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert json.loads(done.stdout) == case.encoder.space.to_json()


@pytest.mark.clip
def test_other_weights_make_another_space(tmp_path):
    one, other = (
        load_encoder(f"open_clip:tiny@{tiny_checkpoint(tmp_path / 'model', seed)}", device="cpu").space
        for seed in (1, 2)
    )
    assert one.weights != other.weights
    assert one.processing == other.processing
    assert one.key != other.key
