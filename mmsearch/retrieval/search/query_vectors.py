"""From terms to one unit vector: each is embedded by what it is, and their weighted sum is scaled to length 1."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmsearch.errors import CannotEmbedError, DecodeError, MMSearchError, SpaceMismatchError, UsageError
from mmsearch.retrieval.encoders.abilities import image_tower, text_tower
from mmsearch.retrieval.encoders.protocol import Encoder, TextEncoder
from mmsearch.retrieval.search.listener import NOBODY, QueryListener
from mmsearch.retrieval.search.query import Query, Term
from mmsearch.retrieval.search.query_texts import passages_of, texts_of
from mmsearch.types import Moment, Space

Vector = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Known:
    """What needs no embedding of its own: unit vectors of texts (embedded together), and of files that are indexed."""

    texts: Mapping[str, Vector] = field(default_factory=dict)
    files: Mapping[Path, Vector] = field(default_factory=dict)


def embed_all(
    queries: Sequence[Query],
    space: Space,
    encoder: Encoder | None,
    files: Mapping[Path, Vector] | None = None,
    told: Callable[[int], QueryListener] = lambda _: NOBODY,
) -> tuple[dict[int, Vector], dict[int, MMSearchError]]:
    """The queries that a space's model embeds, by number, as unit vectors, float32 ``[dim]``; and why others are not.

    ``files``: vectors of files that are stored in the space, of any length above 0. ``told``: who hears of the
    files of a query, by its number. What can be wrong: `embed_query`.
    """
    texts = _embed_texts(texts_of(queries), encoder) if isinstance(encoder, TextEncoder) else {}
    known = Known(texts, files or {})
    vectors: dict[int, Vector] = {}
    failures: dict[int, MMSearchError] = {}
    for i, query in enumerate(queries):
        try:
            vectors[i] = embed_query(query, space, encoder, known, told(i))
        except (UsageError, DecodeError) as failure:
            failures[i] = failure
    return vectors, failures


def embed_query(
    query: Query, space: Space, encoder: Encoder | None, known: Known | None = None, told: QueryListener = NOBODY
) -> Vector:
    """The query as a unit vector, float32 ``[dim]``. ``encoder`` may be None where all terms are vectors or known.

    Raises:
        CannotEmbedError: a term is of a kind that the model does not embed.
        UsageError: terms cancel out.
        SpaceMismatchError: a vector of another dimension than the space's.
        DecodeError: a file cannot be read.
    """
    vectors = [_embed(term, space, encoder, known or Known(), told) for term in query.terms]
    if len(vectors) == 1 and isinstance(query.terms[0].value, str):
        return vectors[0]  # the encoder's own bits
    weights = np.array([term.weight for term in query.terms], np.float32)
    return unit(weights @ np.stack(vectors))


def unit(vector: Vector) -> Vector:
    """The vector at length 1.

    Raises:
        UsageError: it has no direction.
    """
    length = float(np.linalg.norm(vector))
    if not np.isfinite(length) or length < 1e-6:
        raise UsageError("the query's terms cancel out, nothing is left to search for; change a weight")
    return (vector / length).astype(np.float32)


def _embed_texts(texts: Sequence[str], tower: TextEncoder) -> dict[str, Vector]:
    """Unit vectors of texts, embedded as one batch; one of several passages is their mean."""
    parts = [passages_of(text, tower) for text in texts]
    vectors = tower.encode_texts([part for own in parts for part in own]) if parts else np.empty((0, 0), np.float32)
    embedded: dict[str, Vector] = {}
    start = 0
    for text, own in zip(texts, parts, strict=True):
        stop = start + len(own)
        embedded[text] = vectors[start] if len(own) == 1 else unit(vectors[start:stop].mean(axis=0))
        start = stop
    return embedded


def _embed(term: Term, space: Space, encoder: Encoder | None, known: Known, told: QueryListener) -> Vector:
    value = term.value
    if isinstance(value, np.ndarray) and value.ndim == 1:
        return _vector(value, space)
    if isinstance(value, Path) and value in known.files:
        return unit(known.files[value])
    if encoder is None:
        raise CannotEmbedError(
            f"space {space.key} was filled with vectors made elsewhere and has no model here; search it by a vector"
        )
    if isinstance(value, str):
        return known.texts[value] if value in known.texts else _embed_texts([value], text_tower(encoder))[value]
    if isinstance(value, Path | Moment | bytes):
        return unit(_embed_file(value, encoder, told))
    return _embed_picture(value, encoder)


def _embed_file(value: Path | Moment | bytes, encoder: Encoder, told: QueryListener) -> Vector:
    from mmsearch.retrieval.search.query_files import embed_bytes, embed_file

    if isinstance(value, Moment):
        return embed_file(value.path, encoder, (value.start_s, value.end_s), told)
    if isinstance(value, Path):
        return embed_file(value, encoder, told=told)
    return embed_bytes(value, encoder, told)


def _vector(value: NDArray[Any], space: Space) -> Vector:
    if value.shape != (space.dim,):
        raise SpaceMismatchError(
            f"the query vector has {len(value)} dimensions, of another space than {space.key} with {space.dim}"
        )
    return unit(value.astype(np.float32))


def _embed_picture(value: Any, encoder: Encoder) -> Vector:
    from PIL import Image, ImageOps

    from mmsearch.retrieval.media.pictures.colour import to_srgb

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
