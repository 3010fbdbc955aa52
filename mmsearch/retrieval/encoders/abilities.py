"""Checks of what a model can do: it embeds texts or pictures, it makes vectors of a space; else an error says so."""

from __future__ import annotations

from mmsearch.errors import CannotEmbedError, Hint, HintKind, SpaceMismatchError
from mmsearch.retrieval.encoders.protocol import Encoder, ImageEncoder, TextEncoder
from mmsearch.types import Space


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


def check_space(encoder: Encoder, space: Space) -> None:
    """Raise a `SpaceMismatchError` if the model on this machine makes vectors of another space."""
    if encoder.space != space:
        raise SpaceMismatchError(
            f"the collection's vectors are of space {space.key}, but {space.model} on this machine makes vectors of"
            f" space {encoder.space.key}",
            hint=Hint(HintKind.EMBED_ANEW, space.model),
        )
