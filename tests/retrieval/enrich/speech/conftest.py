"""Small models for speech as their makers save them: a CTC network that reads tones, a Whisper of random weights."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

TONES = {" fire": 500.0, " alarm": 1000.0, " har": 1800.0, "bour.": 2600.0}
"""Tokens that the CTC network reads, and the tone that stands for each."""

RATE = 16_000


def tone(token: str, seconds: float = 0.4) -> np.ndarray:
    """A token as sound, float32 ``[samples]``."""
    time = np.arange(round(seconds * RATE)) / RATE
    return (0.4 * np.sin(2 * np.pi * TONES[token] * time)).astype(np.float32)


@pytest.fixture
def tones() -> Callable[..., np.ndarray]:
    """`tone`: a token as sound."""
    return tone


@pytest.fixture
def ctc_folder(tmp_path: Path) -> Path:
    """A model of onnx-asr's kind ``nemo-conformer-ctc``: each band of the spectrogram is a token, else a blank."""
    pytest.importorskip("onnx_asr", reason="needs the extra `speech`")
    onnx = pytest.importorskip("onnx", reason="needs the extra `export`")
    from onnx import TensorProto, helper, numpy_helper

    folder = tmp_path / "ctc"
    folder.mkdir()
    bands = 80
    edges = np.linspace(0, 2595 * np.log10(1 + 8000 / 700), bands + 2)
    centres = 700 * (10 ** (edges[1:-1] / 2595) - 1)
    weights = np.zeros((bands, len(TONES) + 1), np.float32)
    for place, frequency in enumerate(TONES.values()):
        weights[np.argmin(np.abs(centres - frequency)), place] = 1
    bias = np.zeros(len(TONES) + 1, np.float32)
    bias[-1] = 1.0  # blank
    nodes = [
        helper.make_node("AveragePool", ["audio_signal"], ["pooled"], kernel_shape=[8], strides=[8], ceil_mode=1),
        helper.make_node("Transpose", ["pooled"], ["frames"], perm=[0, 2, 1]),
        helper.make_node("MatMul", ["frames", "weights"], ["products"]),
        helper.make_node("Add", ["products", "bias"], ["logprobs"]),
        helper.make_node("Identity", ["length"], ["unused"]),
    ]
    graph = helper.make_graph(
        nodes,
        "tones",
        [
            helper.make_tensor_value_info("audio_signal", TensorProto.FLOAT, ["batch", bands, "time"]),
            helper.make_tensor_value_info("length", TensorProto.INT64, ["batch"]),
        ],
        [helper.make_tensor_value_info("logprobs", TensorProto.FLOAT, ["batch", "frames", len(TONES) + 1])],
        [numpy_helper.from_array(weights, "weights"), numpy_helper.from_array(bias, "bias")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, folder / "model.onnx")
    vocabulary = [token.replace(" ", "\u2581") for token in TONES] + ["<blk>"]
    (folder / "vocab.txt").write_text("".join(f"{token} {i}\n" for i, token in enumerate(vocabulary)), "utf-8")
    (folder / "config.json").write_text(json.dumps({"model_type": "nemo-conformer-ctc", "features_size": bands}))
    return folder


@pytest.fixture(scope="session")
def make_whisper(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Writes a folder as transformers does: a small Whisper with random weights."""
    torch = pytest.importorskip("torch", reason="needs the extra `audio`")
    transformers = pytest.importorskip("transformers", minversion="5.0", reason="needs the extra `audio`")
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    def make(languages: tuple[str, ...] = ("en", "de")) -> Path:
        folder = tmp_path_factory.mktemp("whisper")
        alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
        tokenizer = Tokenizer(models.BPE({letter: i for i, letter in enumerate(alphabet)}, []))
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
        specials = ["<|endoftext|>", "<|startoftranscript|>", *(f"<|{name}|>" for name in languages)]
        specials += ["<|translate|>", "<|transcribe|>", "<|startoflm|>", "<|startofprev|>", "<|nospeech|>"]
        specials += ["<|notimestamps|>", *(f"<|{i * 0.02:.2f}|>" for i in range(1501))]
        tokenizer.add_special_tokens(specials)
        number = tokenizer.token_to_id
        PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|endoftext|>").save_pretrained(folder)
        small = {"encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2, "decoder_attention_heads": 2}
        small |= {"encoder_ffn_dim": 32, "decoder_ffn_dim": 32, "d_model": 32, "max_target_positions": 64}
        end, start = number("<|endoftext|>"), number("<|startoftranscript|>")
        config = transformers.WhisperConfig(
            vocab_size=tokenizer.get_vocab_size(),
            decoder_start_token_id=start,
            **dict.fromkeys(("pad_token_id", "bos_token_id", "eos_token_id"), end),
            **small,
        )
        torch.manual_seed(0)
        model = transformers.WhisperForConditionalGeneration(config).eval()
        model.save_pretrained(folder)
        ids = {"bos_token_id": end, "eos_token_id": end, "pad_token_id": end, "decoder_start_token_id": start}
        generation = {**ids, "no_timestamps_token_id": number("<|notimestamps|>"), "max_initial_timestamp_index": 50}
        if languages:
            generation |= {
                "is_multilingual": True,
                "lang_to_id": {f"<|{name}|>": number(f"<|{name}|>") for name in languages},
                "task_to_id": {task: number(f"<|{task}|>") for task in ("transcribe", "translate")},
            }
        (folder / "generation_config.json").write_text(json.dumps(generation))
        transformers.WhisperFeatureExtractor().save_pretrained(folder)
        return folder

    return make
