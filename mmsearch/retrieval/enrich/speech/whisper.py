"""Whisper through transformers and torch: `WhisperTranscriber`. https://arxiv.org/abs/2212.04356."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmsearch.errors import ModelUnavailableError
from mmsearch.retrieval.encoders.huggingface.checkpoint import WEIGHTS, Checkpoint, load_module, read_checkpoint
from mmsearch.retrieval.encoders.protocol import Said
from mmsearch.retrieval.encoders.runtime import DEFAULT_RUNTIME, Runtime, choose_device, device_kind
from mmsearch.retrieval.enrich.speech.voice import VOICE_RATE

_STEP_S = 0.02  # of Whisper's time stamps
_MOST_TOKENS = 440  # of the 448 positions, some are taken by the prompt


class WhisperTranscriber:
    """A checkpoint of Whisper that transformers saved. The model is loaded when it is first asked.

    Args:
        name: of the model; its results are stored under it.
        folder: the checkpoint.
        runtime: device and precision; ``auto`` is float16 on a GPU, else float32.

    Raises:
        ModelUnavailableError: files are missing, it is another kind of model, or its configuration asks for code.
    """

    def __init__(self, name: str, folder: Path, runtime: Runtime = DEFAULT_RUNTIME) -> None:
        self.name = name
        weights = next((folder / file for file in WEIGHTS if (folder / file).exists()), None)
        if weights is None:
            raise ModelUnavailableError(f"no {' or '.join(WEIGHTS)} in {folder}")
        self._checkpoint = read_checkpoint(weights, "whisper", frozenset({"audio"}))
        self._runtime = runtime
        self._network: _Network | None = None

    def transcribe(self, samples: NDArray[np.float32]) -> Sequence[Said]:
        """What is said; see `Transcriber`."""
        if self._network is None:
            self._network = _Network(self._checkpoint, self._runtime)
        return self._network.transcribe(samples)


class _Network:
    def __init__(self, checkpoint: Checkpoint, runtime: Runtime) -> None:
        from tokenizers import Tokenizer
        from transformers import WhisperFeatureExtractor, WhisperForConditionalGeneration

        self._device = choose_device(runtime.device)
        precision = runtime.precision
        if precision == "auto":
            precision = "float16" if device_kind(self._device) == "cuda" else "float32"
        self._model = load_module(WhisperForConditionalGeneration, checkpoint, self._device, precision)
        self._features = WhisperFeatureExtractor.from_pretrained(checkpoint.folder, local_files_only=True)
        self._tokenizer = Tokenizer.from_file(str(checkpoint.tokenizer))
        no_times = self._tokenizer.token_to_id("<|notimestamps|>")
        end = self._tokenizer.token_to_id("<|endoftext|>")
        if no_times is None or end is None:
            raise ModelUnavailableError(f"{checkpoint.tokenizer} is no tokenizer of Whisper")
        self._first_time, self._first_special = no_times + 1, end
        languages = getattr(self._model.generation_config, "lang_to_id", None) or {}
        self._languages = {number: token.strip("<|>") for token, number in languages.items()}

    def transcribe(self, samples: NDArray[np.float32]) -> list[Said]:
        import torch

        inputs = self._features(samples, sampling_rate=VOICE_RATE, return_tensors="pt")
        features = inputs.input_features.to(self._device, self._model.dtype)
        with torch.inference_mode():
            language = self._language_of(features)
            options: dict[str, Any] = {"language": language, "task": "transcribe"} if self._languages else {}
            tokens = self._model.generate(
                features,
                return_timestamps=True,
                do_sample=False,
                num_beams=1,
                max_new_tokens=min(_MOST_TOKENS, self._model.config.max_target_positions - 8),
                **options,
            )[0].tolist()
        return list(self._pieces(tokens, len(samples) / VOICE_RATE, language))

    def _language_of(self, features: Any) -> str | None:
        """The language of a sound; English of a model that knows no other."""
        if not self._languages:
            return "en"
        return self._languages.get(int(self._model.detect_language(input_features=features)[0]))

    def _pieces(self, tokens: Sequence[int], length_s: float, language: str | None) -> Iterator[Said]:
        """The texts between time stamps; a last one without an end goes on to the end of the sound."""
        start, held = 0.0, list[int]()
        for token in tokens:
            if token < self._first_special:
                held.append(token)
            elif token >= self._first_time:
                time = min((token - self._first_time) * _STEP_S, length_s)
                if held:
                    yield Said(min(start, time), time, self._tokenizer.decode(held).strip(), language)
                    held = []
                start = time
        if held:
            yield Said(min(start, length_s), length_s, self._tokenizer.decode(held).strip(), language)
