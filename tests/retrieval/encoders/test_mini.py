"""The built-in model: its files, its arithmetic, and what a text query does not load."""

from __future__ import annotations

import collections
import hashlib
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmsearch.retrieval.encoders.mini import MiniEncoder, mini_space
from mmsearch.retrieval.encoders.mini.encoder import FOLDER, PROCESSING, WEIGHTS, open_pictures, open_sounds
from mmsearch.retrieval.encoders.mini.few_tokens import FewTokens
from mmsearch.retrieval.encoders.mini.integer_graph import in_integers
from mmsearch.retrieval.encoders.mini.mel import log_mel_patches
from mmsearch.retrieval.encoders.mini.paddings import with_plain_pads
from mmsearch.retrieval.encoders.mini.tensors import map_tensors
from mmsearch.retrieval.onnx_session import open_session

STORED_PICTURES = (FOLDER / "image.onnx").read_bytes()
TEXTS = ["a dog on a beach", "Café at NIGHT, 2 people!", "", "日本語", "word " * 200, "two men play football"]


@pytest.fixture(scope="module")
def mini() -> MiniEncoder:
    return MiniEncoder(threads=1)


def tone(hertz: float, seconds: float) -> np.ndarray:
    return np.sin(2 * np.pi * hertz * np.arange(int(seconds * 16_000)) / 16_000).astype(np.float32) * np.float32(0.3)


def gradient() -> np.ndarray:
    y, x = np.mgrid[0:256, 0:256]
    return np.stack([x, y, (x + y) // 2], axis=-1).astype(np.uint8)


@pytest.mark.parametrize(("name", "sha256"), [*WEIGHTS.items(), *PROCESSING.items()])
def test_the_recorded_digests_are_those_of_the_files(name, sha256):
    assert hashlib.sha256((FOLDER / name).read_bytes()).hexdigest() == sha256


def test_the_space_is_known_without_reading_the_weights(monkeypatch):
    monkeypatch.setattr("builtins.open", None)
    assert MiniEncoder().space == mini_space()
    assert (mini_space().model, mini_space().dim) == ("mini", 256)


def test_the_training_datas_terms_stand_beside_the_weights():
    terms = (FOLDER / "MODEL_LICENSE").read_text()
    for word in (
        "Flickr8k",
        "ImageNet",
        "non-commercial",
        "EfficientNet-Lite2",
        "YAMNet",
        "ESC-10",
        "MiniLM",
        "Apache-2.0",
    ):
        assert word in terms


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("a dog on a beach", [0.18819, -0.07547, -0.02564, -0.07700]),
        ("Café at NIGHT, 2 people!", [0.13513, 0.12108, 0.09779, -0.02887]),
        ("", [0.05914, -0.02759, -0.01709, 0.04254]),
    ],
)
def test_texts_have_the_vectors_they_had_when_this_was_written(mini, text, start):
    np.testing.assert_allclose(mini.encode_texts([text])[0, :4], start, atol=2e-5)


def test_a_picture_has_the_vector_it_had_when_this_was_written(mini):
    # int8 kernels of other processors may round differently, hence the wide tolerance
    start = [0.1402, 0.0744, 0.0363, -0.0997, -0.0111, 0.0531]
    np.testing.assert_allclose(mini.encode_images(gradient()[None])[0, :6], start, atol=0.02)


def photographs(count: int) -> np.ndarray:
    """Pictures that are neither flat nor noise, no two alike."""
    turned = [np.rot90(gradient(), turn) for turn in range(count)]
    return np.stack([np.clip(picture + 40 * np.sin(np.arange(256) / (3 + place))[:, None, None], 0, 255)
                     for place, picture in enumerate(turned)]).astype(np.uint8)  # fmt: skip


def test_a_picture_has_the_same_bits_whatever_is_beside_it_and_in_however_many_threads(mini):
    pixels = photographs(11)
    alone = np.concatenate([mini.encode_images(picture[None]) for picture in pixels])
    np.testing.assert_array_equal(mini.encode_images(pixels), alone)
    np.testing.assert_array_equal(MiniEncoder(threads=3).encode_images(pixels), alone)


def test_the_picture_network_as_it_is_run_gives_the_vectors_of_the_stored_one():
    pixels = {"image": photographs(4)}
    expected = open_session(FOLDER / "image.onnx", 1).run(None, pixels)[0]
    # The convolutions' integers are the same; one that was not would show in the third digit.
    np.testing.assert_allclose(open_pictures().run(None, pixels)[0], expected, atol=1e-6)


def test_the_picture_network_has_no_floats_in_front_of_its_head():
    onnx = pytest.importorskip("onnx", reason="needs the extra `export`")
    stored, made = (onnx.load_from_string(of) for of in (STORED_PICTURES, in_integers(STORED_PICTURES)))
    onnx.checker.check_model(made)
    left_out = {"Pad": 5, "Cast": 1, "Sub": 1, "Mul": 1, "QuantizeLinear": 5, "DequantizeLinear": 4 + 5}
    assert operators(stored) - operators(made) == left_out
    assert operators(made) - operators(stored) == {}
    padded = [list(a.ints) for node in made.graph.node for a in node.attribute if a.name == "pads"]
    plain = [list(a.ints) for node in stored.graph.node for a in node.attribute if a.name == "pads"]
    changed = [new for new, old in zip(padded, plain, strict=True) if new != old]
    assert changed == [[0, 0, 1, 1], [0, 0, 1, 1], [1, 1, 2, 2], [0, 0, 1, 1], [1, 1, 2, 2]]


def operators(model) -> collections.Counter[str]:
    return collections.Counter(node.op_type for node in model.graph.node)


def plain_text_vector(weights: dict[str, np.ndarray], ids: list[int]) -> np.ndarray:
    """The text tower's formula, token by token."""

    def matrix(name: str) -> np.ndarray:
        return weights[name].astype(np.float64) * weights[f"{name}_scale"].astype(np.float64)[:, None]

    def layer(name: str, x: np.ndarray) -> np.ndarray:
        return matrix(name) @ x + weights[f"{name}_bias"]

    table = weights["table"][ids] * weights["table_scale"][ids].astype(np.float64)[:, None]
    s = table.sum(0)
    s /= np.linalg.norm(s) + 1e-6
    y = matrix("skip") @ s + layer("output", np.maximum(layer("hidden", s), 0))
    places = weights["positions"][: len(ids)]
    hs = [16 * row / (np.linalg.norm(row) + 1e-6) + place for row, place in zip(table, places, strict=True)]
    q, k, v = (np.array([layer("qkv", h) for h in hs])[:, i * 128 : i * 128 + 128].reshape(-1, 4, 32) for i in range(3))
    inner = []
    for t, h in enumerate(hs):
        mixed = []
        for head in range(4):
            score = np.exp(k[:, head] @ q[t, head] / np.sqrt(32))
            mixed.append(score / score.sum() @ v[:, head])
        h = h + layer("mix", np.concatenate(mixed))
        h = h + layer("narrow", np.maximum(layer("wide", h), 0))
        inner.append(np.maximum(layer("gate", h), 0))
    y = y + matrix("order") @ np.mean(inner, axis=0)
    return y / np.linalg.norm(y)


@pytest.mark.parametrize("text", TEXTS)
def test_a_texts_vector_follows_the_formula(mini, text):
    weights = map_tensors(FOLDER / "text.safetensors")
    ids = mini._texts().tokens([text])[0][: mini.max_tokens] or [0]
    np.testing.assert_allclose(mini.encode_texts([text])[0], plain_text_vector(weights, ids), atol=1e-5)


def test_the_order_of_words_matters(mini):
    one, other, same = mini.encode_texts(
        [
            "a red square left of a blue circle",
            "a blue square left of a red circle",
            "a blue circle right of a red square",
        ]
    )
    assert one @ other < 0.95 < one @ same


def test_a_text_without_a_known_token_is_read_as_one_unknown_token(mini):
    np.testing.assert_array_equal(mini.encode_texts([""]), mini.encode_texts(["日"]))


@settings(max_examples=25, deadline=None)
@given(st.lists(st.text(max_size=60), min_size=1, max_size=8))
def test_a_text_has_the_same_bits_whatever_is_beside_it(texts):
    mini = MiniEncoder()
    alone = np.concatenate([mini.encode_texts([text]) for text in texts])
    np.testing.assert_array_equal(mini.encode_texts(texts), alone)


def test_more_texts_than_one_chunk_keep_their_order(mini):
    some = [f"{i} dogs and {i * 7 % 13} cats" for i in range(1100)]
    together = mini.encode_texts(some)
    np.testing.assert_array_equal(
        together[[0, 511, 512, 1099]], mini.encode_texts([some[i] for i in (0, 511, 512, 1099)])
    )


@pytest.mark.parametrize("seconds", [0.001, 0.5, 0.975, 1.0, 5.0, 10.0])
def test_patches_cover_the_whole_sound_and_fill_its_end_with_silence(seconds):
    sound = tone(440, seconds)
    patches = log_mel_patches(sound)
    assert patches.shape[1:] == (96, 64)
    assert patches.dtype == np.float32
    heard = (len(patches) - 1) * 0.48 + 0.975
    assert heard - 0.48 < max(seconds, 0.976)
    assert heard > seconds - 0.001


def test_a_tone_lies_in_the_band_of_its_frequency():
    low, high = (log_mel_patches(tone(hertz, 1.0))[0].mean(0).argmax() for hertz in (300, 3000))
    # 64 bands, linear in mel from 125 to 7,500 Hz: mel(f) = 1127 ln(1 + f / 700)
    step = (1127 * np.log1p(7500 / 700) - 1127 * np.log1p(125 / 700)) / 65
    for hertz, band in ((300, low), (3000, high)):
        expected = (1127 * np.log1p(hertz / 700) - 1127 * np.log1p(125 / 700)) / step - 1
        assert abs(band - expected) < 1


def test_a_sound_has_the_same_bits_whatever_is_beside_it(mini):
    sounds = [tone(440, 0.3), tone(880, 4.0), np.zeros(16_000, np.float32)]
    alone = np.concatenate([mini.encode_sounds([sound]) for sound in sounds])
    np.testing.assert_array_equal(mini.encode_sounds(sounds), alone)


def test_a_sound_has_the_vector_it_had_when_this_was_written(mini):
    # the head was computed in int8 then, hence the tolerance
    start = [-0.0235, 0.0439, 0.0582, -0.1005, -0.0762, -0.1125]
    np.testing.assert_allclose(mini.encode_sounds([tone(440, 4.0)])[0, :6], start, atol=1e-3)


def test_a_sounds_vector_is_computed_in_floats_as_the_graph_says(mini):
    """Without any optimization that could keep the weights in int8."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    plain = onnxruntime.InferenceSession(str(FOLDER / "audio.onnx"), options, providers=["CPUExecutionProvider"])
    sound = tone(440, 4.0)
    expected = plain.run(None, {"patches": log_mel_patches(sound)})[0][0]
    np.testing.assert_allclose(mini.encode_sounds([sound])[0], expected / np.linalg.norm(expected), atol=1e-5)


def test_pads_that_are_part_of_convolutions_change_no_bit_of_a_sounds_vector():
    kept = open_session(FOLDER / "audio.onnx", 1, floats=True)
    for sound in (tone(440, 4.0), tone(1000, 0.3)):
        patches = {"patches": log_mel_patches(sound)}
        np.testing.assert_array_equal(open_sounds().run(None, patches)[0], kept.run(None, patches)[0])


def test_of_the_network_nothing_but_the_empty_inputs_of_pads_is_left_out():
    onnx = pytest.importorskip("onnx", reason="needs the extra `export`")
    stored = (FOLDER / "audio.onnx").read_bytes()
    expected, made = onnx.load_from_string(stored), onnx.load_from_string(with_plain_pads(stored))
    assert made != expected
    pads = [node for node in expected.graph.node if node.op_type == "Pad"]
    assert len(pads) == 14
    for node in pads:
        assert node.input.pop() == ""
    assert made == expected


def test_hiss_is_nearer_to_its_name_than_a_siren_is(mini):
    hiss = np.random.default_rng(0).standard_normal(32_000).astype(np.float32) * np.float32(0.1)
    t = np.arange(48_000) / 16_000
    siren = (0.3 * np.sin(2 * np.pi * (900 * t - 100 * np.cos(np.pi * t)))).astype(np.float32)
    scores = mini.encode_texts(["white noise, static", "a siren"]) @ mini.encode_sounds([hiss, siren]).T
    assert scores[0, 0] > scores[0, 1]
    assert scores[1, 1] > scores[1, 0]


def test_a_text_query_loads_no_torch_and_no_onnxruntime(root):
    program = (
        "import sys; from mmsearch.retrieval.encoders.load import load_encoder;"
        "load_encoder('mini').encode_texts(['a dog']);"
        "print(sorted({'torch', 'open_clip', 'onnxruntime', 'huggingface_hub', 'transformers'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=root)
    assert done.stdout.strip() == "[]"


def test_mapped_tensors_are_those_that_safetensors_reads():
    safetensors = pytest.importorskip("safetensors.numpy", reason="needs safetensors")
    expected = safetensors.load_file(FOLDER / "text.safetensors")
    mapped = map_tensors(FOLDER / "text.safetensors")
    assert mapped.keys() == expected.keys()
    for name, tensor in mapped.items():
        np.testing.assert_array_equal(tensor, expected[name])


PIECES = st.sampled_from(
    ["dog", "beach", "photograph", "IMG_0042", "Milmold", "don't", "x" * 101, '"', "\\", "##ing", "2"]
)


@given(st.lists(PIECES | st.text(st.characters(max_codepoint=126), max_size=4), max_size=5), st.sampled_from(["", " "]))
def test_a_few_words_have_the_tokens_that_the_tokenizer_gives_them(mini, words, between):
    text = between.join(words)
    found = FewTokens(FOLDER / "tokenizer.json").tokens([text, "a dog"])
    expected = [one.ids for one in mini._texts().tokenizer.encode_batch_fast([text, "a dog"])]
    assert found is None or found == expected


def test_common_words_need_no_tokenizer():
    few = FewTokens(FOLDER / "tokenizer.json")
    assert few.tokens(["A dog, on a BEACH!"]) is not None
    assert few.tokens(["a dog named Milmold"]) is None  # of several pieces
    assert few.tokens(["ein schöner Hund"]) is None
    assert few.tokens(["a " * 30]) is not None
    numbers = "one two three four five six seven eight nine ten red green blue white black"
    assert few.tokens([f"{numbers} up down left right car cat man woman house tree"]) is None
