"""From terms to one unit vector: each is embedded by what it is, and their weighted sum is scaled to length 1."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmsearch.errors import DecodeError, SpaceMismatchError, UsageError
from mmsearch.retrieval.encoders.protocol import Encoder, ImageEncoder, TextEncoder
from mmsearch.retrieval.query.terms import Query, Term
from mmsearch.types import Space

Vector = NDArray[np.float32]


def embed_query(query: Query, space: Space, encoder: Encoder | None) -> Vector:
    """The query as a unit vector, float32 ``[dim]``. ``encoder`` may be None where all terms are vectors.

    Raises:
        UsageError: terms cancel out, or a term is of a kind that the model does not embed.
        SpaceMismatchError: a vector of another dimension than the space's.
        DecodeError: a file cannot be read.
    """
    vectors = np.stack([_embed(term, space, encoder) for term in query.terms])
    weights = np.array([term.weight for term in query.terms], np.float32)
    return unit(weights @ vectors)


def embed_texts(queries: list[Query], encoder: Encoder) -> NDArray[np.float32] | None:
    """Queries that are one text each, embedded in one batch ``[len(queries), dim]``; None where any is not."""
    texts = [q.terms[0].value for q in queries if len(q.terms) == 1 and isinstance(q.terms[0].value, str)]
    if len(texts) < len(queries):
        return None
    return _text_tower(encoder).encode_texts([str(text) for text in texts])


def unit(vector: Vector) -> Vector:
    """The vector at length 1.

    Raises:
        UsageError: it has no direction.
    """
    length = float(np.linalg.norm(vector))
    if not np.isfinite(length) or length < 1e-6:
        raise UsageError("the query's terms cancel out, nothing is left to search for; change a weight")
    return (vector / length).astype(np.float32)


def _embed(term: Term, space: Space, encoder: Encoder | None) -> Vector:
    value = term.value
    if isinstance(value, np.ndarray) and value.ndim == 1:
        return _vector(value, space)
    if encoder is None:
        raise UsageError(
            f"space {space.key} was filled with vectors made elsewhere and has no model here; search it by a vector"
        )
    if isinstance(value, str):
        vector: Vector = _text_tower(encoder).encode_texts([value])[0]
        return vector
    if isinstance(value, Path):
        return _embed_file(value, encoder)
    if isinstance(value, bytes):
        import tempfile

        with tempfile.TemporaryDirectory(prefix="mmsearch-") as folder:
            path = Path(folder, "query")
            path.write_bytes(value)
            return _embed_file(path, encoder)
    return _embed_picture(value, encoder)


def _vector(value: NDArray[Any], space: Space) -> Vector:
    if value.shape != (space.dim,):
        raise SpaceMismatchError(
            f"the query vector has {len(value)} dimensions, of another space than {space.key} with {space.dim}"
        )
    return unit(value.astype(np.float32))


def _embed_picture(value: Any, encoder: Encoder) -> Vector:
    from PIL import Image, ImageOps

    from mmsearch.retrieval.media.colour import to_srgb

    tower = _image_tower(encoder)
    if isinstance(value, np.ndarray):
        if value.ndim != 3 or value.shape[2] != 3 or value.dtype != np.uint8:
            raise UsageError(f"a picture is uint8 [height, width, 3], not {value.dtype} {list(value.shape)}")
        value = Image.fromarray(value)
    try:
        picture = to_srgb(ImageOps.exif_transpose(value))  # as a file's picture is made upright and coloured
    except OSError as error:
        raise DecodeError(f"cannot search by the picture: {error}") from error
    pixels = tower.image_transform.apply(picture)
    vector: Vector = tower.encode_images(pixels[None])[0]
    return vector


def _embed_file(path: Path, encoder: Encoder) -> Vector:
    """Embed a picture, or a text by the mean of its passages; its bytes are decoded in a worker."""
    from mmsearch.retrieval.media.sandbox import Decoder, Job

    transform = encoder.image_transform if isinstance(encoder, ImageEncoder) else None
    with Decoder(1, transform, slots=2) as decoder:
        file = decoder.decode_one(Job(os.fsencode(os.path.abspath(path)), named=True))
        if file.outcome == "skipped":
            raise DecodeError(f"cannot search by {path}: {file.reason}")
        if file.pixels is not None:
            vector: Vector = _image_tower(encoder).encode_images(file.pixels[None].copy())[0]
            return vector
    texts = [text for _, text in file.texts] if file.texts is not None else [file.text or ""]
    return _embed_passages(texts, path, _text_tower(encoder))


def _embed_passages(texts: list[str], path: Path, tower: TextEncoder) -> Vector:
    from mmsearch.retrieval.media.text import passages

    words = [t[start:end] for t in texts for start, end in passages(t, tower.count_tokens, tower.max_tokens)]
    if not words:
        raise DecodeError(f"cannot search by {path}: there is no text in it")
    return unit(tower.encode_texts(words).mean(axis=0))


def _text_tower(encoder: Encoder) -> TextEncoder:
    if isinstance(encoder, TextEncoder):
        return encoder
    raise UsageError(f"model {encoder.space.model} does not embed texts")


def _image_tower(encoder: Encoder) -> ImageEncoder:
    if isinstance(encoder, ImageEncoder):
        return encoder
    raise UsageError(f"model {encoder.space.model} does not embed pictures")
