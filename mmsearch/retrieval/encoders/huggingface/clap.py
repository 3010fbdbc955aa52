"""`ClapEncoder`: texts and sounds to unit vectors by a CLAP model.

Contrastive language-audio pretraining, https://arxiv.org/abs/2211.06687.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmsearch.errors import ModelUnavailableError
from mmsearch.retrieval.encoders.huggingface.checkpoint import Checkpoint, load_module
from mmsearch.retrieval.encoders.huggingface.encoder import TransformersEncoder
from mmsearch.retrieval.encoders.huggingface.spectrogram import Spectrogram
from mmsearch.retrieval.encoders.inputs import checked_sounds
from mmsearch.retrieval.encoders.runtime import DEFAULT_RUNTIME, Runtime, device_kind
from mmsearch.retrieval.encoders.torch_device import Vectors
from mmsearch.types import Modality

MODEL_TYPE = "clap"
_SOUNDS_AT_ONCE = {"cpu": 8, "mps": 16, "cuda": 64}
# RoBERTa has positions for 512 tokens, but LAION trained CLAP with 77: later positions have seen no caption.
_CONTEXT = 77


class ClapEncoder(TransformersEncoder):
    """Texts and sounds → vectors of a CLAP model that was trained without feature fusion.

    Sounds must not be longer than the model's window (10 s): LAION's code draws a random window from longer ones, so
    that the vector of a sound would change from call to call.

    Args:
        name: the model's name, kept in the space.
        runtime: device, precision and threads; see `TransformersEncoder`.

    Raises:
        UsageError: there is no such device or precision.
        ModelUnavailableError: files cannot be read, or the model fuses windows drawn at random.
    """

    modalities: frozenset[Modality] = frozenset({"text", "audio"})

    def __init__(
        self,
        name: str,
        checkpoint: Checkpoint,
        runtime: Runtime = DEFAULT_RUNTIME,
    ) -> None:
        settings = checkpoint.settings("feature_extractor")
        audio = checkpoint.config.get("audio_config") or {}
        if audio.get("enable_fusion", False) or settings.get("truncation", "fusion") == "fusion":
            raise ModelUnavailableError(
                f"{checkpoint.folder} fuses windows that are drawn at random, so that a sound has no fixed vector; "
                "take a CLAP without fusion, such as laion/clap-htsat-unfused"
            )
        self.spectrogram = Spectrogram.read(settings)
        self.sample_rate = self.spectrogram.sample_rate
        positions = (checkpoint.config.get("text_config") or {}).get("max_position_embeddings", 514)
        super().__init__(
            name,
            checkpoint,
            dim=int(checkpoint.config.get("projection_dim", 512)),
            context=min(_CONTEXT, int(positions) - 2),  # RoBERTa counts positions from 2
            processing={"sound": asdict(self.spectrogram)},
            runtime=runtime,
        )

    def encode_sounds(self, sounds: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Unit vectors, float32 ``[len(sounds), dim]``, of mono samples in -1…1, float32 ``[samples]`` each.

        Raises:
            UsageError: a sound is longer than the model's window, empty, not finite, or not float32.
        """
        return self.begin_sounds(sounds)()

    def begin_sounds(self, sounds: Sequence[NDArray[np.float32]]) -> Callable[[], Vectors]:
        """`encode_sounds`, waited for by the function that it returns."""
        checked = checked_sounds(sounds, most=self.spectrogram.samples)

        def forward(part: list[int]) -> Any:
            batch = np.stack([self.spectrogram(checked[i]) for i in part])[:, None]
            model = self.model()
            return model.audio_projection(model.audio_model(self._to_device(batch)).pooler_output)

        return self._begin(
            [self.spectrogram.samples] * len(checked), _SOUNDS_AT_ONCE[device_kind(self.device)], forward
        )

    def _text_features(self, ids: Any) -> Any:
        model = self.model()
        return model.text_projection(model.text_model(ids).pooler_output)

    def _make_module(self) -> Any:
        from transformers import ClapModel

        return load_module(ClapModel, self.checkpoint, self.device, self.precision)
