"""A query as unit vectors: each term is embedded, and the weighted sum is scaled to length 1.

A query with a text of one word has two vectors: one of the word as it is, which looks among texts, and one of it in
prompts, which looks among pictures, sounds and films.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mmsearch.errors import CannotEmbedError, DecodeError, MMSearchError, SpaceMismatchError, UsageError
from mmsearch.retrieval.encoders.protocol import Encoder, TextEncoder, embeds_texts
from mmsearch.retrieval.encoders.routing import as_image_encoder, as_text_encoder
from mmsearch.retrieval.search.feedback import refine
from mmsearch.retrieval.search.kept_texts import KeptTexts
from mmsearch.retrieval.search.listener import NO_LISTENER, QueryListener
from mmsearch.retrieval.search.query import MarkValue, Query, StoredRow, Term
from mmsearch.retrieval.search.query_texts import passages_of, prompted, texts_of
from mmsearch.types import Modality, Moment, Space
from mmsearch.unit import Vector, normalize

if TYPE_CHECKING:
    from typing import Self

    from mmsearch.retrieval.search.query_files import FileEmbedder


@dataclass(frozen=True, slots=True, eq=False)
class QueryVector:
    """A query in one space, as unit vectors, float32 ``[dim]``.

    Attributes:
        media: what looks among pictures, sounds and films.
        texts: what looks among texts: words as they are, without prompts.
        source: what it was asked by, see `Query.source`.
    """

    media: Vector
    texts: Vector
    source: Modality | None = None

    def among(self, modality: Modality) -> Vector:
        """The vector that looks among rows of a modality."""
        return self.texts if modality == "text" else self.media


@dataclass(frozen=True, slots=True)
class RowsAsked:
    """What queries that name stored rows need of a space.

    Attributes:
        vectors: stored vectors of those rows that are of the space, by id, float32 ``[dim]``, of any length above 0.
        modalities: of the same rows.
        samples: random rows of each modality, float32 ``[rows, dim]``, for queries with marks.
    """

    vectors: Mapping[int, Vector] = field(default_factory=dict)
    modalities: Mapping[int, Modality] = field(default_factory=dict)
    samples: Sequence[NDArray[np.float32]] = ()


@dataclass(frozen=True, slots=True)
class ReadyVectors:
    """Vectors of terms that need no embedding of their own.

    Attributes:
        texts: unit vectors, float32 ``[dim]``, of texts that were embedded as one batch.
        prompted: those of the texts of one word, in prompts.
        files: float32 ``[dim]`` of any length above 0, of files that are indexed.
        rows: of stored rows that are terms or marked.
    """

    texts: Mapping[str, Vector] = field(default_factory=dict)
    prompted: Mapping[str, Vector] = field(default_factory=dict)
    files: Mapping[Path, Vector] = field(default_factory=dict)
    rows: RowsAsked = field(default_factory=RowsAsked)


def embed_all(
    queries: Sequence[Query],
    space: Space,
    encoder: Encoder | None,
    files: Mapping[Path, Vector] | None = None,
    listener_of: Callable[[int], QueryListener] = lambda _: NO_LISTENER,
    rows: RowsAsked | None = None,
    kept: KeptTexts | None = None,
) -> tuple[dict[int, QueryVector], dict[int, MMSearchError]]:
    """Embed queries in one space.

    Args:
        queries: go by their number in the results.
        space: the space.
        encoder: its model; None for vectors made elsewhere.
        files: vectors of files that are stored in the space, float32 ``[dim]``, of any length above 0.
        listener_of: the listener of a query.
        rows: what queries that name stored rows need.
        kept: embeds the texts, and may have kept their vectors.

    Returns:
        The vectors of the queries that could be embedded, and the errors of the others (see `embed_query`).
    """
    texts: dict[str, Vector] = {}
    in_prompts: dict[str, Vector] = {}
    if embeds_texts(encoder):
        texts, in_prompts = _embed_texts(texts_of(queries), encoder, kept or KeptTexts())
    ready = ReadyVectors(texts, in_prompts, files or {}, rows or RowsAsked())
    vectors: dict[int, QueryVector] = {}
    failures: dict[int, MMSearchError] = {}
    with _Embedding(space, encoder, ready) as embedding:
        for i, query in enumerate(queries):
            try:
                vectors[i] = embedding.of_query(query, listener_of(i))
            except (UsageError, DecodeError) as failure:
                failures[i] = failure
    return vectors, failures


def embed_query(
    query: Query,
    space: Space,
    encoder: Encoder | None,
    ready: ReadyVectors | None = None,
    listener: QueryListener = NO_LISTENER,
) -> QueryVector:
    """The query as unit vectors. ``encoder`` may be None if all terms are vectors or ready.

    Raises:
        CannotEmbedError: the model embeds no such term.
        UsageError: the terms cancel out.
        SpaceMismatchError: a vector has another dimension than the space.
        DecodeError: a file cannot be read.
    """
    with _Embedding(space, encoder, ready or ReadyVectors()) as embedding:
        return embedding.of_query(query, listener)


def _source(query: Query, ready: ReadyVectors) -> Modality | None:
    """What is asked by, see `Query.source`; of a single stored row its modality."""
    if len(query.terms) == 1 and isinstance(row := query.terms[0].value, StoredRow) and not query.marks:
        return ready.rows.modalities.get(row.id)
    return query.source


def _join_terms(query: Query, vectors: Sequence[Vector]) -> Vector:
    """The weighted sum of the terms' vectors at length 1."""
    if len(vectors) == 1 and isinstance(query.terms[0].value, str):
        return vectors[0]  # bit for bit what the encoder gave
    weights = np.array([term.weight for term in query.terms], np.float32)
    return unit_query(weights @ np.stack(vectors))


def unit_query(vector: Vector) -> Vector:
    """The vector of a query at length 1.

    Raises:
        UsageError: it has no direction.
    """
    length = float(np.linalg.norm(vector))
    if not np.isfinite(length) or length < 1e-6:
        raise UsageError("the query's terms cancel out, nothing is left to search for; change a weight")
    return normalize(vector)


def _embed_texts(
    texts: Sequence[str], encoder: TextEncoder, kept: KeptTexts
) -> tuple[dict[str, Vector], dict[str, Vector]]:
    """Unit vectors of texts as they are, and of single words in prompts, all embedded as one batch.

    A text of several passages is the mean of these, one in prompts the mean of the prompts.
    """
    own = {text: passages_of(text, encoder) for text in texts}
    in_prompts = {text: prompts for text in texts if (prompts := prompted(text, encoder))}
    passages = [part for group in (own, in_prompts) for parts in group.values() for part in parts]
    if not passages:
        return {}, {}
    vectors = iter(kept.encode(passages, encoder))

    def mean_of(parts: Sequence[str]) -> Vector:
        rows = [next(vectors) for _ in parts]
        return rows[0] if len(rows) == 1 else unit_query(np.mean(rows, axis=0))

    return {text: mean_of(parts) for text, parts in own.items()}, {t: mean_of(parts) for t, parts in in_prompts.items()}


class _Embedding:
    """Turns queries into vectors of one space; a context manager, for files are decoded by a process that stays."""

    def __init__(self, space: Space, encoder: Encoder | None, ready: ReadyVectors) -> None:
        self._space, self._encoder, self._ready = space, encoder, ready
        self._files: FileEmbedder | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._files is not None:
            self._files.__exit__(kind, error, trace)

    def of_query(self, query: Query, listener: QueryListener) -> QueryVector:
        """The query as unit vectors; see `embed_query`."""
        ready = self._ready
        terms = [self._of_term(term, listener) for term in query.terms]
        in_prompts = [ready.prompted.get(term.value) if isinstance(term.value, str) else None for term in query.terms]
        liked = self._of_marks(query.like, listener)
        unliked = self._of_marks(query.unlike, listener)
        if not terms and not len(liked):
            raise CannotEmbedError(f"nothing that is liked is of space {self._space.key}")

        def joined(vectors: Sequence[Vector]) -> Vector:
            asked = _join_terms(query, vectors) if vectors else None
            if asked is not None and not query.marks:
                return asked
            return unit_query(refine(asked, liked, unliked, ready.rows.samples))

        texts = joined(terms)
        if all(vector is None for vector in in_prompts):
            return QueryVector(texts, texts, _source(query, ready))
        chosen = [plain if prompts is None else prompts for plain, prompts in zip(terms, in_prompts, strict=True)]
        return QueryVector(joined(chosen), texts, query.source)

    def _of_marks(self, marks: Sequence[MarkValue], listener: QueryListener) -> NDArray[np.float32]:
        """Unit vectors, float32 ``[n, dim]``; rows of other spaces are passed over, they move the query there."""
        vectors = [np.empty((0, self._space.dim), np.float32)]
        for mark in marks:
            if not isinstance(mark, int):
                vectors.append(self._of_term(Term(mark), listener)[None])
            elif mark in self._ready.rows.vectors:
                vectors.append(unit_query(self._ready.rows.vectors[mark])[None])
        return np.concatenate(vectors)

    def _of_term(self, term: Term, listener: QueryListener) -> Vector:
        value, space, encoder, ready = term.value, self._space, self._encoder, self._ready
        if isinstance(value, np.ndarray) and value.ndim == 1:
            return _checked_vector(value, space)
        if isinstance(value, Path) and value in ready.files:
            return unit_query(ready.files[value])
        if isinstance(value, StoredRow):
            if value.id not in ready.rows.vectors:
                raise CannotEmbedError(f"row {value.id} is of another space than {space.key}")
            return unit_query(ready.rows.vectors[value.id])
        if encoder is None:
            raise CannotEmbedError(
                f"space {space.key} was filled with vectors made elsewhere and has no model here; search it by a vector"
            )
        if isinstance(value, str):
            return (
                ready.texts[value]
                if value in ready.texts
                else _embed_texts([value], as_text_encoder(encoder), KeptTexts())[0][value]
            )
        if isinstance(value, Path | Moment | bytes):
            return unit_query(self._of_file(value, encoder, listener))
        return _embed_picture(value, encoder)

    def _of_file(self, value: Path | Moment | bytes, encoder: Encoder, listener: QueryListener) -> Vector:
        if self._files is None:
            from mmsearch.retrieval.search.query_files import FileEmbedder

            self._files = FileEmbedder(encoder)
        if isinstance(value, Moment):
            return self._files.of_file(value.path, (value.start_s, value.end_s), listener)
        if isinstance(value, Path):
            return self._files.of_file(value, listener=listener)
        return self._files.of_bytes(value, listener)


def _checked_vector(value: NDArray[Any], space: Space) -> Vector:
    if value.shape != (space.dim,):
        raise SpaceMismatchError(
            f"the query vector has {len(value)} dimensions, of another space than {space.key} with {space.dim}"
        )
    return unit_query(value.astype(np.float32))


def _embed_picture(value: Any, encoder: Encoder) -> Vector:
    from PIL import Image, ImageOps

    from mmsearch.retrieval.media.pictures.colour import to_srgb

    image_encoder = as_image_encoder(encoder)
    if isinstance(value, np.ndarray):
        if value.ndim != 3 or value.shape[2] != 3 or value.dtype != np.uint8:
            raise UsageError(f"a picture is uint8 [height, width, 3], not {value.dtype} {list(value.shape)}")
        value = Image.fromarray(value)
    try:
        picture = to_srgb(ImageOps.exif_transpose(value))  # as the pictures of files are
    except OSError as error:
        raise DecodeError(f"cannot search by the picture: {error}") from error
    pixels = image_encoder.image_transform.apply(picture)
    vector: Vector = image_encoder.encode_images(pixels[None])[0]
    return vector
