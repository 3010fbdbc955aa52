"""What an encoder can do: one small protocol for each ability, so that a model offers just those it has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from mmsearch.retrieval.media.pictures.transform import ImageTransform
from mmsearch.types import Modality, Space


@runtime_checkable
class Encoder(Protocol):
    """A model. Making one is cheap; towers load when they are first used."""

    space: Space
    modalities: frozenset[Modality]
    device: str


@runtime_checkable
class TextEncoder(Encoder, Protocol):
    """Embeds texts."""

    max_tokens: int
    """Words and pieces of words that the tower reads of one text, special tokens not counted."""

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit vectors, float32 ``[len(texts), dim]``. What exceeds `max_tokens` is not read."""
        ...

    def count_tokens(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """Tokens in each text, special tokens not counted; int64 ``[len(texts)]``."""
        ...


@runtime_checkable
class TellsUnknownWords(TextEncoder, Protocol):
    """Embeds texts, and has no pieces at all for some words."""

    def unknown_words(self, text: str) -> tuple[list[str], int]:
        """The words that stand for nothing, and the number of all words."""
        ...


@runtime_checkable
class ImageEncoder(Encoder, Protocol):
    """Embeds pictures."""

    image_transform: ImageTransform
    """How a decoded picture becomes the pixels that `encode_images` takes; applied in the decoding workers."""

    def encode_images(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Unit vectors, float32 ``[n, dim]``, of uint8 RGB pixels ``[n, height, width, 3]``."""
        ...


@runtime_checkable
class AudioEncoder(Encoder, Protocol):
    """Embeds sounds."""

    sample_rate: int
    """Samples a second of the mono sound that `encode_sounds` takes; decoding workers resample to it."""

    def encode_sounds(self, sounds: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Unit vectors, float32 ``[len(sounds), dim]``, of mono samples in -1…1, float32 ``[samples]`` each.

        Sounds may differ in length (at most a window, see `media.sounds.sound`); the encoder pads them
        as its model wants, the same way every time.
        """
        ...


@runtime_checkable
class VideoEncoder(Encoder, Protocol):
    """Embeds moving pictures as such. Image models need no such tower: a film is their pooled frames."""

    frame_transform: ImageTransform
    """How a decoded frame becomes pixels; applied in the decoding workers."""

    def encode_films(self, films: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Unit vectors, float32 ``[len(films), dim]``, of RGB frames in order, uint8 ``[frames, height, width, 3]``."""
        ...
