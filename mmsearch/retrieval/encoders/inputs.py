"""What all encoders share: checks of what they are given and return, and digests that name a space."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmsearch.errors import UsageError
from mmsearch.retrieval.media.pictures.transform import ImageTransform
from mmsearch.types import Space
from mmsearch.unit import row_lengths

_LENGTH_TOLERANCE = 0.01


def checked_texts(texts: Sequence[str]) -> list[str]:
    """The texts as a list, lone surrogates replaced by ``?``: no tokenizer takes what is not valid Unicode.

    Raises:
        UsageError: a single string was given where a sequence of texts belongs.
    """
    if isinstance(texts, str):
        raise UsageError("encode_texts takes a sequence of texts; put the one text in a list")
    return [text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8") for text in texts]


def checked_pixels(pixels: NDArray[np.uint8], transform: ImageTransform) -> NDArray[np.uint8]:
    """The pixels, if they are what the transform makes: uint8 ``[n, height, width, 3]``.

    Raises:
        UsageError: another shape or type.
    """
    wanted = (transform.height, transform.width, 3)
    if pixels.dtype != np.uint8 or pixels.ndim != 4 or pixels.shape[1:] != wanted:
        raise UsageError(
            f"encode_images takes uint8 pixels [n, {wanted[0]}, {wanted[1]}, 3], got {pixels.dtype} "
            f"{list(pixels.shape)}; use the encoder's image_transform"
        )
    return pixels


def checked_sounds(sounds: Sequence[NDArray[np.float32]], most: int | None = None) -> list[NDArray[np.float32]]:
    """The sounds as a list, if each is mono float32 ``[samples]``, finite, with 1 to ``most`` samples.

    Raises:
        UsageError: another shape or type, samples that are not finite, or too many of them.
    """
    for sound in sounds:
        if not isinstance(sound, np.ndarray) or sound.dtype != np.float32 or sound.ndim != 1 or not len(sound):
            raise UsageError(
                "encode_sounds takes a list of mono sounds, float32 [samples] with at least one, "
                f"got {_described(sound)}"
            )
        if most is not None and len(sound) > most:
            raise UsageError(f"a sound of {len(sound)} samples is longer than the model's window of {most}: cut it")
        if not np.isfinite(sound).all():
            raise UsageError("a sound holds samples that are not finite numbers: silence them first")
    return list(sounds)


def checked_films(films: Sequence[NDArray[np.uint8]], transform: ImageTransform) -> list[NDArray[np.uint8]]:
    """The films as a list, if each holds frames of the transform's size: uint8 ``[frames, height, width, 3]``.

    Raises:
        UsageError: another shape or type, or a film without a frame.
    """
    wanted = (transform.height, transform.width, 3)
    for film in films:
        right = isinstance(film, np.ndarray) and film.dtype == np.uint8 and film.ndim == 4 and film.shape[1:] == wanted
        if not right or not len(film):
            raise UsageError(
                f"encode_films takes a list of films, uint8 [frames, {wanted[0]}, {wanted[1]}, 3] with at least one "
                f"frame, got {_described(film)}; use the encoder's frame_transform"
            )
    return list(films)


def _described(given: Any) -> str:
    return f"{given.dtype} {list(given.shape)}" if isinstance(given, np.ndarray) else type(given).__name__


def checked_vectors(vectors: NDArray[np.float32], count: int, space: Space) -> NDArray[np.float32]:
    """What an encoder returned for ``count`` items, if it is float32 ``[count, dim]`` with rows of length 1.

    Rows that are all zero, or not finite, pass: a model may have no direction for an input.

    Raises:
        UsageError: it is something else, which an encoder of an app's own may return.
    """
    wanted = f"an encoder returns unit vectors, float32 [{count}, {space.dim}]"
    if not isinstance(vectors, np.ndarray) or vectors.dtype != np.float32 or vectors.shape != (count, space.dim):
        raise UsageError(f"model {space.model} returned {_described(vectors)}: {wanted}")
    lengths = row_lengths(vectors)
    wrong = np.flatnonzero((lengths > 0) & (np.abs(lengths - 1) > _LENGTH_TOLERANCE))
    if len(wrong):
        raise UsageError(f"model {space.model} returned a vector of length {lengths[wrong[0]]:.3g}: {wanted}")
    return vectors


def digest(facts: Any) -> str:
    """A digest (64 bits, hexadecimal) of what JSON can write; the order of keys does not matter."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]
