"""From a file, or a moment of one, to the vector it is searched by: decoded in a worker, embedded part by part."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmsearch.errors import CannotEmbedError, DecodeError, NoSuchFileError
from mmsearch.retrieval.encoders.pooling import pooled
from mmsearch.retrieval.encoders.protocol import AudioEncoder, Encoder, ImageEncoder, TextEncoder, VideoEncoder
from mmsearch.retrieval.media.encoded import kept_passages
from mmsearch.retrieval.media.recipe import Recipe
from mmsearch.retrieval.media.sandbox import Decoded, Decoder, Job, Part, TextPart
from mmsearch.retrieval.query.towers import image_tower, text_tower
from mmsearch.types import MODALITIES, Modality, printable

Vector = NDArray[np.float32]

_PARTS = 16  # frames, shots or windows that are embedded at a time, and held
_NOT_EMBEDDED: dict[Modality, str] = {
    "image": "pictures",
    "text": "texts",
    "audio": "sounds (`mmsearch index --model clap` adds one that does)",
    "video": "films",
}


def embed_file(path: Path, encoder: Encoder, moment: tuple[float, float | None] | None = None) -> Vector:
    """What a file is searched by, float32 ``[dim]``, of any length above 0.

    A text stands for the mean of its passages, a film for that of its shots (where the model embeds no frames, of its
    sound), a sound for that of its windows: what the stored rows of the file say, too (see `query.stored`).
    ``moment``: only what is there from … to, in seconds, or at a time; of a film, the mean of the frames there.

    Raises:
        NoSuchFileError: it is not there, or is a folder.
        CannotEmbedError: the model embeds no such files.
        DecodeError: it cannot be read, or there is nothing in it.
    """
    _check_there(path)
    return _embed_file(path, str(path), encoder, moment)


def embed_bytes(data: bytes, encoder: Encoder) -> Vector:
    """What the bytes of a file are searched by; see `embed_file`."""
    import tempfile  # costs a query by a file that is named some milliseconds

    with tempfile.TemporaryDirectory(prefix="mmsearch-") as folder:
        path = Path(folder, "query")
        path.write_bytes(data)
        return _embed_file(path, "the bytes given", encoder, None)


def _check_there(path: Path) -> None:
    """Raise what is to be said of a file that is not there; whether it can be read shows when it is."""
    try:
        mode = os.stat(path).st_mode
    except (FileNotFoundError, NotADirectoryError, ValueError):  # ValueError: a NUL in the name
        raise NoSuchFileError(f"there is no file {printable(str(path))}") from None
    except OSError:
        return
    if stat.S_ISDIR(mode):
        raise NoSuchFileError(f"{printable(str(path))} is a folder: search by a file in it")


def _embed_file(path: Path, name: str, encoder: Encoder, moment: tuple[float, float | None] | None) -> Vector:
    """`embed_file` of a file that is there; ``name`` is what errors call it."""
    name = printable(name)
    recipe = _recipe(encoder)
    mean = _Mean(encoder, by_shot=moment is None)
    texts: list[str] = []
    with Decoder(1, recipe, slots=2) as decoder:
        for decoded in decoder.map([Job(os.fsencode(os.path.abspath(path)), named=True, moment=moment)]):
            if isinstance(decoded, Part):
                mean.add(decoded)
            elif isinstance(decoded, TextPart):
                texts += [text for _, text in decoded.texts]
            elif decoded is not None:
                file = decoded
        _check(file, name, recipe, encoder)
        if mean.count:
            return mean.vector()
        if moment is not None:
            raise DecodeError(f"cannot search by a time in {name}: it is no film or sound")
        if file.pixels is not None:
            vector: Vector = image_tower(encoder).encode_images(file.pixels[None].copy())[0]
            return vector
    texts += [text for *_, text in file.texts or file.cues] or [file.text or ""]
    return _mean_of_passages(texts, name, text_tower(encoder))


class _Mean:
    """The mean of a film's shots, each pooled from its frames as its row is, or of a sound's windows.

    They are embedded a few at a time. A film that comes with its sound stands for its frames alone. ``by_shot``:
    False lets each frame count by itself.
    """

    def __init__(self, encoder: Encoder, by_shot: bool) -> None:
        self._encoder = encoder
        self._by_shot = by_shot
        self._kind: str | None = None
        self._waiting: list[NDArray[Any]] = []
        self._lengths: list[int] = []  # how many of those that wait are pooled to one
        self._sum: Any = 0.0
        self.count = 0

    def add(self, part: Part) -> None:
        self._kind = self._kind or part.kind
        if part.kind != self._kind:
            return
        by_frame = part.kind == "shot" and not isinstance(self._encoder, VideoEncoder)
        items = list(part.array) if by_frame else [part.array]
        self._waiting += items
        lengths = [len(items)] if self._by_shot else [1] * len(items)
        self._lengths += lengths
        self.count += len(lengths)
        if len(self._waiting) >= _PARTS:
            self._embed()

    def vector(self) -> Vector:
        self._embed()
        mean: Vector = np.asarray(self._sum / self.count, np.float32)
        return mean

    def _embed(self) -> None:
        if self._waiting:
            vectors = self._encode()(self._waiting)
            for own in np.split(vectors, np.cumsum(self._lengths)[:-1]):
                self._sum = self._sum + pooled(own).astype(np.float64)
            self._waiting, self._lengths = [], []

    def _encode(self) -> Callable[[list[NDArray[Any]]], NDArray[np.float32]]:
        encoder = self._encoder
        if self._kind == "window":
            assert isinstance(encoder, AudioEncoder)
            return encoder.encode_sounds
        if isinstance(encoder, VideoEncoder) and self._kind == "shot":
            return encoder.encode_films
        tower = image_tower(encoder)
        return lambda frames: tower.encode_images(np.stack(frames))


def _check(file: Decoded, name: str, recipe: Recipe, encoder: Encoder) -> None:
    """Raise why a file is none that can be searched by."""
    if file.outcome != "skipped":
        return
    for kind in MODALITIES:
        if file.reason == recipe.reason_against(kind):
            raise CannotEmbedError(
                f"cannot search by {name}: model {encoder.space.model} does not embed {_NOT_EMBEDDED[kind]}"
            )
    raise DecodeError(f"cannot search by {name}: {file.reason}")


def _recipe(encoder: Encoder) -> Recipe:
    """What decoding is to make of a file for one model."""
    frames = encoder.frame_transform if isinstance(encoder, VideoEncoder) else None
    image = encoder.image_transform if isinstance(encoder, ImageEncoder) else None
    return Recipe(
        image=image,
        frames=frames or image,
        sample_rate=encoder.sample_rate if isinstance(encoder, AudioEncoder) else None,
        texts=isinstance(encoder, TextEncoder),
    )


def _mean_of_passages(texts: list[str], name: str, tower: TextEncoder) -> Vector:
    words = [words for t in texts for _, words in kept_passages(t, [], tower.count_tokens, tower.max_tokens)]
    if not words:
        raise DecodeError(f"cannot search by {name}: there is no text in it")
    mean: Vector = tower.encode_texts(words).mean(axis=0)
    return mean
