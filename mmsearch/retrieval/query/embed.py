"""From terms to one unit vector: each is embedded by what it is, and their weighted sum is scaled to length 1."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mmsearch.errors import CannotEmbedError, DecodeError, MMSearchError, SpaceMismatchError, UsageError
from mmsearch.retrieval.encoders.protocol import AudioEncoder, Encoder, ImageEncoder, TextEncoder, VideoEncoder
from mmsearch.retrieval.query.terms import Moment, Query, Term
from mmsearch.types import MODALITIES, Modality, Space

if TYPE_CHECKING:
    from mmsearch.retrieval.media.recipe import Recipe

Vector = NDArray[np.float32]

_PARTS = 16  # frames, shots or windows of a query that are embedded at a time
_NOT_EMBEDDED: dict[Modality, str] = {
    "image": "pictures",
    "text": "texts",
    "audio": "sounds (`mmsearch index --model clap` adds one that does)",
    "video": "films",
}


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
        vector: Vector = _text_tower(encoder).encode_texts([value])[0]
        return vector
    if isinstance(value, Path):
        return _embed_file(value, encoder)
    if isinstance(value, Moment):
        return _embed_file(value.path, encoder, (value.start_s, value.end_s))
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


def _embed_file(path: Path, encoder: Encoder, moment: tuple[float, float | None] | None = None) -> Vector:
    """Embed a file by what it holds; its bytes are decoded in a worker.

    A text stands for the mean of its passages, a film for that of its frames (where the model embeds no frames, of its
    sound), a sound for that of its windows.
    """
    from mmsearch.retrieval.media.sandbox import Decoder, Job

    recipe = _recipe(encoder)
    with Decoder(1, recipe, slots=2) as decoder:
        file, parts = decoder.decode_one(Job(os.fsencode(os.path.abspath(path)), named=True, moment=moment))
        if file.outcome == "skipped":
            for kind in MODALITIES:
                if file.reason == recipe.reason_against(kind):
                    raise CannotEmbedError(
                        f"cannot search by {path}: model {encoder.space.model} does not embed {_NOT_EMBEDDED[kind]}"
                    )
            raise DecodeError(f"cannot search by {path}: {file.reason}")
        if moment is not None and not parts:
            raise DecodeError(f"cannot search by a time in {path}: it is no film or sound")
        if file.pixels is not None:
            vector: Vector = _image_tower(encoder).encode_images(file.pixels[None].copy())[0]
            return vector
    if parts:
        return _embed_parts([part.array for part in parts], parts[0].kind, encoder)
    texts = [text for *_, text in file.texts or file.cues] or [file.text or ""]
    return _embed_passages(texts, path, _text_tower(encoder))


def _recipe(encoder: Encoder) -> Recipe:
    """What decoding is to make of a query for one model: of a film its frames alone, where the model embeds frames."""
    from mmsearch.retrieval.media.recipe import Recipe

    frames = encoder.frame_transform if isinstance(encoder, VideoEncoder) else None
    image = encoder.image_transform if isinstance(encoder, ImageEncoder) else None
    return Recipe(
        image=image,
        frames=frames or image,
        sample_rate=encoder.sample_rate if isinstance(encoder, AudioEncoder) else None,
        texts=isinstance(encoder, TextEncoder),
    )


def _embed_parts(arrays: list[NDArray[Any]], kind: str, encoder: Encoder) -> Vector:
    """The mean of a film's shots or of a sound's windows, a batch at a time."""
    if kind == "window":
        assert isinstance(encoder, AudioEncoder)
        encode: Callable[[Any], NDArray[np.float32]] = encoder.encode_sounds
    elif isinstance(encoder, VideoEncoder):
        encode = encoder.encode_films
    else:
        arrays = [frame for shot in arrays for frame in shot]
        tower = _image_tower(encoder)
        encode = lambda frames: tower.encode_images(np.stack(frames))  # noqa: E731
    vectors = [encode(arrays[i : i + _PARTS]) for i in range(0, len(arrays), _PARTS)]
    return unit(np.concatenate(vectors).mean(axis=0))


def _embed_passages(texts: list[str], path: Path, tower: TextEncoder) -> Vector:
    from mmsearch.retrieval.media.text import passages

    words = [t[start:end] for t in texts for start, end in passages(t, tower.count_tokens, tower.max_tokens)]
    if not words:
        raise DecodeError(f"cannot search by {path}: there is no text in it")
    return unit(tower.encode_texts(words).mean(axis=0))


def _text_tower(encoder: Encoder) -> TextEncoder:
    if isinstance(encoder, TextEncoder):
        return encoder
    raise CannotEmbedError(f"model {encoder.space.model} does not embed texts")


def _image_tower(encoder: Encoder) -> ImageEncoder:
    if isinstance(encoder, ImageEncoder):
        return encoder
    raise CannotEmbedError(f"model {encoder.space.model} does not embed pictures")
