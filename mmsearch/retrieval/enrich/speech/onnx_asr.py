"""Models that the package onnx-asr runs through ONNX Runtime, without torch: Parakeet, Whisper and others."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmsearch.errors import ModelUnavailableError
from mmsearch.retrieval.encoders.protocol import Said
from mmsearch.retrieval.encoders.runtime import DEFAULT_RUNTIME, Runtime
from mmsearch.retrieval.enrich.speech.voice import VOICE_RATE
from mmsearch.retrieval.onnx_session import import_runtime, providers, session_options

_PAUSE_S = 0.6  # between words, from which a new piece begins
_LONG_ENOUGH_S = 8.0
_SENTENCE_ENDS = (".", "?", "!", "。", "？", "！")
_LAST_WORD_S = 0.4  # models tell when a word begins, not when it ends


class OnnxAsrTranscriber:
    """A folder that onnx-asr takes. The model is loaded when it is first asked.

    Args:
        name: of the model; its results are stored under it.
        folder: its files, as onnx-asr names them: float32, or int8 if there are no others.
        kind: onnx-asr's name of the kind of model; empty: ``config.json`` names it.
        runtime: device and threads.
    """

    def __init__(self, name: str, folder: Path, kind: str = "", runtime: Runtime = DEFAULT_RUNTIME) -> None:
        self.name = name
        self._folder, self._kind, self._runtime = folder, kind, runtime
        self._model: Any = None

    def transcribe(self, samples: NDArray[np.float32]) -> Sequence[Said]:
        """What is said; see `Transcriber`."""
        if self._model is None:
            self._model = self._load()
        result = self._model.recognize(samples, sample_rate=VOICE_RATE)
        length_s = len(samples) / VOICE_RATE
        if not result.timestamps or not result.tokens:
            return [Said(0.0, length_s, result.text)]
        return list(pieces_of(words_of(result.tokens, result.timestamps), length_s))

    def _load(self) -> Any:
        import_runtime()
        import onnx_asr

        kind = self._kind or _kind_in(self._folder)
        options: dict[str, Any] = {
            "sess_options": session_options(self._runtime.threads),
            "providers": providers(self._runtime.device),
        }
        try:
            try:
                model = onnx_asr.load_model(kind, self._folder, **options)
            except FileNotFoundError:
                model = onnx_asr.load_model(kind, self._folder, quantization="int8", **options)
            return model.with_timestamps()
        except Exception as error:  # the state of a stranger's file can break the loading in any way
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise ModelUnavailableError(f"{self.name} cannot be loaded from {self._folder}: {reason}") from None


def _kind_in(folder: Path) -> str:
    """The kind of model that a folder's ``config.json`` names."""
    try:
        kind = json.loads((folder / "config.json").read_text("utf-8"))["model_type"]
    except (OSError, ValueError, KeyError, TypeError):
        raise ModelUnavailableError(f"{folder / 'config.json'} names no model_type of onnx-asr") from None
    if not isinstance(kind, str) or "/" in kind:  # with a slash it would be a name on the hub
        raise ModelUnavailableError(f"{folder / 'config.json'} names no model_type of onnx-asr")
    return kind


def words_of(tokens: Sequence[str], times: Sequence[float]) -> Iterator[tuple[float, str]]:
    """Words with the time that each begins, from tokens of which those that begin a word begin with a space."""
    start, word = 0.0, ""
    for token, time in zip(tokens, times, strict=True):
        if token.startswith(" ") and word.strip():
            yield start, word.strip()
            word = ""
        if not word.strip():
            start = time
        word += token
    if word.strip():
        yield start, word.strip()


def pieces_of(words: Iterator[tuple[float, str]], length_s: float) -> Iterator[Said]:
    """Words joined to sentences, at most some eight seconds long, cut at pauses."""
    held: list[tuple[float, str]] = []
    for start, word in words:
        if held and _ends(held, start):
            yield _joined(held, start)
            held = []
        held.append((start, word))
    if held:
        yield _joined(held, length_s)


def _ends(held: Sequence[tuple[float, str]], next_start: float) -> bool:
    (first, _), (last, word) = held[0], held[-1]
    pause = next_start - last > _PAUSE_S + _LAST_WORD_S
    return pause or word.endswith(_SENTENCE_ENDS) or next_start - first > _LONG_ENOUGH_S


def _joined(held: Sequence[tuple[float, str]], until_s: float) -> Said:
    end = min(until_s, held[-1][0] + _LAST_WORD_S)
    return Said(held[0][0], max(end, held[0][0]), " ".join(word for _, word in held))
