"""A model as one of texts or of pictures, or the error that says it is none."""

from __future__ import annotations

from mmsearch.errors import CannotEmbedError
from mmsearch.retrieval.encoders.protocol import Encoder, ImageEncoder, TextEncoder


def text_tower(encoder: Encoder) -> TextEncoder:
    """The encoder as one of texts; a `CannotEmbedError` if it is none."""
    if isinstance(encoder, TextEncoder):
        return encoder
    raise CannotEmbedError(f"model {encoder.space.model} does not embed texts")


def image_tower(encoder: Encoder) -> ImageEncoder:
    """The encoder as one of pictures; a `CannotEmbedError` if it is none."""
    if isinstance(encoder, ImageEncoder):
        return encoder
    raise CannotEmbedError(f"model {encoder.space.model} does not embed pictures")
