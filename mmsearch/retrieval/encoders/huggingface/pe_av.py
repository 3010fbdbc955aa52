"""`PeAvAudioEncoder` and `PeAvVideoEncoder`: sounds, and films, by a Perception Encoder Audiovisual; each is a space.

The text network of the model has one head for comparing texts with sounds and another for films, so a text has two
vectors. https://arxiv.org/abs/2512.19687.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmsearch.errors import ModelUnavailableError
from mmsearch.retrieval.encoders.huggingface.checkpoint import Checkpoint, load_module
from mmsearch.retrieval.encoders.huggingface.encoder import TransformersEncoder
from mmsearch.retrieval.encoders.inputs import checked_films, checked_sounds
from mmsearch.retrieval.encoders.lazy import Lazy
from mmsearch.retrieval.encoders.runtime import DEFAULT_RUNTIME, Runtime, device_kind
from mmsearch.retrieval.encoders.torch_device import Vectors
from mmsearch.retrieval.media.pictures.transform import ImageTransform
from mmsearch.types import Modality

MODEL_TYPE = "pe_audio_video"
# The first layers hold 64 channels at 48,000 positions a second: 123 MB for a window of 10 s, in several copies.
_SOUNDS_AT_ONCE = {"cpu": 1, "mps": 2, "cuda": 8}
_FILMS_AT_ONCE = {"cpu": 2, "mps": 4, "cuda": 32}
# The text network has positions for 8,192 tokens. A caption has tens, and attention over thousands takes gigabytes.
_CONTEXT = 512
_BILINEAR, _BICUBIC = 2, 3
_HALF = (0.5, 0.5, 0.5)


class _PeAvEncoder(TransformersEncoder):
    """What both encoders share: the text network, with the head of the subclass."""

    head: str

    def __init__(
        self,
        name: str,
        checkpoint: Checkpoint,
        preprocess: dict[str, Any],
        runtime: Runtime,
    ) -> None:
        text = checkpoint.config.get("text_config") or {}
        super().__init__(
            name,
            checkpoint,
            dim=int(text.get("hidden_size", 1024)),
            context=min(_CONTEXT, int(text.get("max_position_embeddings", 8192))),
            processing={"head": self.head, self.head: preprocess},
            runtime=runtime,
        )

    def _text_features(self, ids: Any) -> Any:
        model = self.model()
        first = model.text_model(ids).last_hidden_state[:, 0]
        return getattr(model, f"text_{self.head}_head")(first)


class PeAvAudioEncoder(_PeAvEncoder):
    """Texts and sounds → vectors of a PE-AV model. Its network for films is not loaded.

    Args:
        name: the model's name, kept in the space.
        runtime: device, precision and threads; see `TransformersEncoder`.

    Raises:
        UsageError: there is no such device or precision.
        ModelUnavailableError: files cannot be read.
    """

    modalities: frozenset[Modality] = frozenset({"text", "audio"})
    head = "audio"

    def __init__(
        self,
        name: str,
        checkpoint: Checkpoint,
        runtime: Runtime = DEFAULT_RUNTIME,
    ) -> None:
        settings = checkpoint.settings("feature_extractor")
        self.sample_rate = _positive(settings, "sampling_rate", 48_000)
        self._hop = _positive(settings, "hop_length", 1920)
        facts = {"sampling_rate": self.sample_rate, "hop_length": self._hop}
        super().__init__(name, checkpoint, facts, runtime)

    def encode_sounds(self, sounds: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Unit vectors, float32 ``[len(sounds), dim]``, of mono samples in -1…1, float32 ``[samples]`` each.

        A sound is padded to a whole number of the codec's steps (40 ms) by mirroring its end, as in transformers.

        Raises:
            UsageError: a sound is empty, not finite, or not float32.
        """
        return self.begin_sounds(sounds)()

    def begin_sounds(self, sounds: Sequence[NDArray[np.float32]]) -> Callable[[], Vectors]:
        """`encode_sounds`, waited for by the function that it returns."""
        whole = [np.pad(sound, (0, -len(sound) % self._hop), "reflect") for sound in checked_sounds(sounds)]

        def forward(part: list[int]) -> Any:
            model = self.model()
            batch = self._to_device(np.stack([whole[i] for i in part])[:, None])
            return model.audio_head(model.audio_encoder(batch).pooler_output)

        return self._begin([len(sound) for sound in whole], _SOUNDS_AT_ONCE[device_kind(self.device)], forward)

    def _make_module(self) -> Any:
        from transformers import PeAudioModel, PeAudioVideoConfig

        config = PeAudioVideoConfig.from_pretrained(self.checkpoint.folder, local_files_only=True)
        return load_module(PeAudioModel, self.checkpoint, self.device, self.precision, config.audio_config)


class PeAvVideoEncoder(_PeAvEncoder):
    """Texts and films → vectors of a PE-AV model. Its network for sounds is not loaded.

    Args:
        name: the model's name, kept in the space.
        runtime: device, precision and threads; see `TransformersEncoder`.

    Raises:
        UsageError: there is no such device or precision.
        ModelUnavailableError: files cannot be read, or frames are prepared in a way that is not known here.
    """

    modalities: frozenset[Modality] = frozenset({"text", "video"})
    head = "video"

    def __init__(
        self,
        name: str,
        checkpoint: Checkpoint,
        runtime: Runtime = DEFAULT_RUNTIME,
    ) -> None:
        settings = checkpoint.settings("video_processor")
        self.frame_transform = _frame_transform(settings)
        self._mean = np.array(settings.get("image_mean", _HALF), np.float32)
        self._deviation = np.array(settings.get("image_std", _HALF), np.float32)
        facts = {
            "transform": self.frame_transform.to_json(),
            "mean": self._mean.tolist(),
            "std": self._deviation.tolist(),
        }
        super().__init__(name, checkpoint, facts, runtime)
        self._normalising = Lazy(lambda: tuple(map(self._device.upload, (self._mean, self._deviation))))

    def encode_films(self, films: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Unit vectors, float32 ``[len(films), dim]``, of RGB frames in order, uint8 ``[frames, height, width, 3]``.

        Raises:
            UsageError: a film is no such array, or has no frame.
        """
        return self.begin_films(films)()

    def begin_films(self, films: Sequence[NDArray[np.uint8]]) -> Callable[[], Vectors]:
        """`encode_films`, waited for by the function that it returns."""
        checked = checked_films(films, self.frame_transform)

        def forward(part: list[int]) -> Any:
            model = self.model()
            batch = np.stack([checked[i] for i in part])
            return model.video_head(model.video_encoder(self._normalised(batch)).pooler_output)

        return self._begin([len(film) for film in checked], _FILMS_AT_ONCE[device_kind(self.device)], forward)

    def _normalised(self, films: NDArray[np.uint8]) -> Any:
        """The network's input, ``[n, frames, 3, height, width]``; made on the device, so that only bytes are copied."""
        import torch

        mean, deviation = self._normalising()
        pixels = (self._device.upload(films).float() / 255 - mean) / deviation
        return pixels.permute(0, 1, 4, 2, 3).contiguous().to(getattr(torch, self.precision))

    def _make_module(self) -> Any:
        from transformers import PeAudioVideoConfig, PeVideoModel
        from transformers.models.pe_video import modeling_pe_video

        # Making the model decorates functions, which prints an error for one that transformers left undocumented.
        modeling_pe_video.auto_docstring = lambda function: function
        config = PeAudioVideoConfig.from_pretrained(self.checkpoint.folder, local_files_only=True)
        return load_module(PeVideoModel, self.checkpoint, self.device, self.precision, config.video_config)


def _frame_transform(settings: Mapping[str, Any]) -> ImageTransform:
    """How frames are resized.

    Raises:
        ModelUnavailableError: the settings ask for steps other than resizing and those of `_normalised`.
    """
    size, resample = settings.get("size") or {}, settings.get("resample", _BILINEAR)
    steps = all(settings.get(step) for step in ("do_resize", "do_rescale", "do_normalize"))
    as_bytes = math.isclose(settings.get("rescale_factor", 1 / 255), 1 / 255)
    resizing = "height" in size and "width" in size and resample in (_BILINEAR, _BICUBIC)
    if not (steps and as_bytes and resizing) or settings.get("do_center_crop"):
        raise ModelUnavailableError(f"this model's way to prepare frames is not known here: {dict(settings)}")
    return ImageTransform(
        int(size["height"]),
        int(size["width"]),
        resize="squash",
        interpolation="bilinear" if resample == _BILINEAR else "bicubic",
    )


def _positive(settings: Mapping[str, Any], key: str, default: int) -> int:
    value = settings.get(key, default)
    if not isinstance(value, int) or value < 1:
        raise ModelUnavailableError(f"{key} is {value!r} in the model's preprocessing: no number of samples")
    return value
