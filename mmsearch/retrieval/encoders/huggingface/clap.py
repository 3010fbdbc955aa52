"""`ClapEncoder`: texts and sounds to unit vectors by a CLAP model, the same vector for the same sound every time.

Contrastive language-audio pretraining, https://arxiv.org/abs/2211.06687.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmsearch.errors import ModelUnavailableError
from mmsearch.retrieval.encoders.huggingface.checkpoint import Checkpoint, load_module
from mmsearch.retrieval.encoders.huggingface.encoder import TransformersEncoder
from mmsearch.retrieval.encoders.huggingface.spectrogram import Spectrogram
from mmsearch.retrieval.encoders.inputs import checked_sounds
from mmsearch.types import Modality

MODEL_TYPE = "clap"
_SOUNDS_AT_ONCE = {"cpu": 8, "mps": 16, "cuda": 64}
# RoBERTa has positions for 512 tokens, but LAION trained CLAP on 77: it has seen no caption at those behind.
_CONTEXT = 77


class ClapEncoder(TransformersEncoder):
    """Texts and sounds → vectors of one CLAP model that was trained without feature fusion.

    Sounds are at most as long as the model's window (10 s); LAION's own code draws a window from longer ones at
    random, and here they are refused.

    Args:
        name: the model's name, kept in the space.
        device, precision, threads: see `TransformersEncoder`.

    Raises:
        UsageError: the device or precision is not to be had.
        ModelUnavailableError: files cannot be read, or the model fuses windows drawn at random.
    """

    modalities: frozenset[Modality] = frozenset({"text", "audio"})

    def __init__(
        self,
        name: str,
        checkpoint: Checkpoint,
        *,
        device: str = "auto",
        precision: str = "auto",
        threads: int | None = None,
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
            device=device,
            precision=precision,
            threads=threads,
        )

    def encode_sounds(self, sounds: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Unit vectors, float32 ``[len(sounds), dim]``, of mono samples in -1…1, float32 ``[samples]`` each.

        Raises:
            UsageError: a sound is longer than the model's window, empty, not finite, or not float32.
        """
        checked = checked_sounds(sounds, most=self.spectrogram.samples)

        def forward(part: list[int]) -> Any:
            batch = np.stack([self.spectrogram(checked[i]) for i in part])[:, None]
            model = self.model()
            return model.audio_projection(model.audio_model(self._to_device(batch)).pooler_output)

        return self._encode([self.spectrogram.samples] * len(checked), _SOUNDS_AT_ONCE[self.device], forward)

    def _text_features(self, ids: Any) -> Any:
        model = self.model()
        return model.text_projection(model.text_model(ids).pooler_output)

    def _make_module(self) -> Any:
        from transformers import ClapModel

        return load_module(ClapModel, self.checkpoint, self.device, self.precision)
