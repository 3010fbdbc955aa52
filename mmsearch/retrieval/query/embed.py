"""From terms to one unit vector: each is embedded by what it is, and their weighted sum is scaled to length 1."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmsearch.errors import CannotEmbedError, DecodeError, MMSearchError, SpaceMismatchError, UsageError
from mmsearch.retrieval.encoders.protocol import Encoder, TextEncoder
from mmsearch.retrieval.query.terms import Query, Term
from mmsearch.retrieval.query.towers import image_tower, text_tower
from mmsearch.types import Moment, Space

Vector = NDArray[np.float32]


def embed_all(
    queries: Sequence[Query], space: Space, encoder: Encoder | None
) -> tuple[dict[int, Vector], dict[int, MMSearchError]]:
    """The queries that a space's model embeds, by number, as unit vectors, float32 ``[dim]``; and why others are not.

    Raises:
        UsageError, SpaceMismatchError: a query that is wrong in any space; see `embed_query`.
    """
    texts = [q.terms[0].value for q in queries if len(q.terms) == 1 and isinstance(q.terms[0].value, str)]
    if len(texts) == len(queries) and isinstance(encoder, TextEncoder):
        return dict(enumerate(encoder.encode_texts([str(text) for text in texts]))), {}
    vectors: dict[int, Vector] = {}
    failures: dict[int, MMSearchError] = {}
    for i, query in enumerate(queries):
        try:
            vectors[i] = embed_query(query, space, encoder)
        except (CannotEmbedError, DecodeError) as failure:
            failures[i] = failure
    return vectors, failures


def embed_query(query: Query, space: Space, encoder: Encoder | None) -> Vector:
    """The query as a unit vector, float32 ``[dim]``. ``encoder`` may be None where all terms are vectors.

    Raises:
        CannotEmbedError: a term is of a kind that the model does not embed.
        UsageError: terms cancel out.
        SpaceMismatchError: a vector of another dimension than the space's.
        DecodeError: a file cannot be read.
    """
    vectors = np.stack([_embed(term, space, encoder) for term in query.terms])
    weights = np.array([term.weight for term in query.terms], np.float32)
    return unit(weights @ vectors)


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
        raise CannotEmbedError(
            f"space {space.key} was filled with vectors made elsewhere and has no model here; search it by a vector"
        )
    if isinstance(value, str):
        vector: Vector = text_tower(encoder).encode_texts([value])[0]
        return vector
    if isinstance(value, Path | Moment | bytes):
        return unit(_embed_file(value, encoder))
    return _embed_picture(value, encoder)


def _embed_file(value: Path | Moment | bytes, encoder: Encoder) -> Vector:
    from mmsearch.retrieval.query.files import embed_file

    if isinstance(value, Moment):
        return embed_file(value.path, encoder, (value.start_s, value.end_s))
    if isinstance(value, Path):
        return embed_file(value, encoder)
    import tempfile  # costs a query of words five milliseconds

    with tempfile.TemporaryDirectory(prefix="mmsearch-") as folder:
        path = Path(folder, "query")
        path.write_bytes(value)
        return embed_file(path, encoder)


def _vector(value: NDArray[Any], space: Space) -> Vector:
    if value.shape != (space.dim,):
        raise SpaceMismatchError(
            f"the query vector has {len(value)} dimensions, of another space than {space.key} with {space.dim}"
        )
    return unit(value.astype(np.float32))


def _embed_picture(value: Any, encoder: Encoder) -> Vector:
    from PIL import Image, ImageOps

    from mmsearch.retrieval.media.colour import to_srgb

    tower = image_tower(encoder)
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
