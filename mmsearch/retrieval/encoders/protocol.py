"""What an encoder has: one protocol for each kind of thing that a model embeds; and what a transcriber has.

To search with a model of your own, write a class with the members of `Encoder` and of those protocols below that its
``modalities`` name. It need not inherit from anything here; ``examples/own_encoder.py`` is a whole one. Then:

- give an object of it: ``Collection.create(path, model=encoder)``, ``collection.index(model=encoder)``, and
  ``Collection.open(path, encoders=[encoder])`` to open the collection again;
- or name its class: ``"my_package.colours:ColourEncoder"`` in place of the object;
- or let an installed package register it under the entry point group ``mmsearch.encoders``. Then its name is enough,
  also on the command line, and a collection finds it again by itself (see `encoders.custom`).

What every encoder must keep to: vectors are float32 and of length 1; the same input gives the same vector, whatever
else is in the batch (pad each item by itself, or not at all); methods may be called from several threads. Making an
encoder should be cheap: load weights when they are first used. Arrays that it is given may be overwritten once it has
returned. An indexing run embeds on one thread, in batches that grow while that makes the encoder faster; where one is
too large for its memory, raise `MemoryError` (or let torch's ``OutOfMemoryError`` pass), and it comes again in halves.

An encoder on a device that works by itself, as a GPU does, may also have ``begin_images``, ``begin_texts``,
``begin_sounds`` or ``begin_films`` (`BeginsImages` and so on). They return before the work is done, so that an indexing
run prepares the next batch meanwhile. With an attribute ``batches_at_once`` it says how many may be begun and not yet
waited for: more than three where it has several devices. Its batches then have their full size from the first on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeGuard, runtime_checkable
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from mmsearch.retrieval.media.pictures.transform import ImageTransform
from mmsearch.types import Modality, Space


@runtime_checkable
class Encoder(Protocol):
    """A model: what every encoder has. `TextEncoder`, `ImageEncoder`, `AudioEncoder`, `VideoEncoder` add the rest.

    A class of your own needs these attributes, and those and the methods of the protocols that its ``modalities`` name;
    it need not inherit from them. See ``examples/own_encoder.py``.

    Attributes:
        space: the space of its vectors. A collection refuses an encoder whose space is not that of its vectors, so
            change ``weights`` or ``processing`` of the space (any strings, best digests) whenever the vectors change.
        modalities: what it embeds: some of ``text``, ``image``, ``audio``, ``video``. An encoder of pictures may name
            ``video`` without being a `VideoEncoder`: a film is then the mean of its frames.
        device: where it runs, such as ``cpu`` or ``cuda``; for information.
    """

    space: Space
    modalities: frozenset[Modality]
    device: str


@runtime_checkable
class TextEncoder(Encoder, Protocol):
    """Embeds texts: ``text`` in ``modalities``.

    Attributes:
        max_tokens: how many tokens of a text are read, special tokens not counted. Longer texts are split into
            passages.
    """

    max_tokens: int

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed texts. What exceeds `max_tokens` is ignored.

        Args:
            texts: any texts, also empty ones; or none.

        Returns:
            Unit vectors, float32 ``[len(texts), dim]``.
        """
        ...

    def count_tokens(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """Count the tokens of texts, special tokens not counted. Two joined texts have at most the tokens of both.

        Args:
            texts: any texts.

        Returns:
            int64 ``[len(texts)]``.
        """
        ...


@runtime_checkable
class TellsUnknownWords(TextEncoder, Protocol):
    """Embeds texts, and knows which words its vocabulary lacks; optional."""

    def unknown_words(self, text: str) -> tuple[list[str], int]:
        """The words that it has no tokens for, and the number of all words."""
        ...


@runtime_checkable
class ImageEncoder(Encoder, Protocol):
    """Embeds pictures: ``image`` in ``modalities``.

    Attributes:
        image_transform: how a decoded picture becomes the pixels that `encode_images` takes; applied in the decoding
            processes.
    """

    image_transform: ImageTransform

    def encode_images(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Embed pictures.

        Args:
            pixels: RGB, uint8 ``[n, height, width, 3]``; n may be 0.

        Returns:
            Unit vectors, float32 ``[n, dim]``.
        """
        ...


@runtime_checkable
class BeginsImages(ImageEncoder, Protocol):
    """Embeds pictures on a device that works by itself; optional."""

    def image_buffer(self, count: int) -> NDArray[np.uint8]:
        """Memory from which pictures get to the device fastest.

        Args:
            count: how many pictures.

        Returns:
            uint8 ``[count, height, width, 3]``, not filled.
        """
        ...

    def begin_images(self, pixels: NDArray[np.uint8]) -> Callable[[], NDArray[np.float32]]:
        """Begin to embed pictures, and return at once.

        Args:
            pixels: as `encode_images` takes them, best part of an `image_buffer`; not changed until the vectors are
                there.

        Returns:
            A function that waits for the vectors and returns what `encode_images` would. It may be called from another
            thread; of two batches begun one after the other, the first is waited for first.
        """
        ...


@runtime_checkable
class BeginsTexts(TextEncoder, Protocol):
    """Embeds texts on a device that works by itself; optional."""

    def begin_texts(self, texts: Sequence[str]) -> Callable[[], NDArray[np.float32]]:
        """Begin to embed texts; see `BeginsImages.begin_images`."""
        ...


@runtime_checkable
class AudioEncoder(Encoder, Protocol):
    """Embeds sounds: ``audio`` in ``modalities``.

    Attributes:
        sample_rate: samples a second of the sounds that `encode_sounds` takes; decoding resamples to it.
    """

    sample_rate: int

    def encode_sounds(self, sounds: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Embed sounds.

        Args:
            sounds: mono samples in -1…1, float32 ``[samples]`` each; of different lengths, up to the window that a
                collection cuts sounds into (10 s).

        Returns:
            Unit vectors, float32 ``[len(sounds), dim]``.
        """
        ...


@runtime_checkable
class VideoEncoder(Encoder, Protocol):
    """Embeds films as such, not frame by frame: ``video`` in ``modalities``.

    Attributes:
        frame_transform: how a decoded frame becomes the pixels that `encode_films` takes; applied in the decoding
            processes.
    """

    frame_transform: ImageTransform

    def encode_films(self, films: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Embed films.

        Args:
            films: RGB frames in order, uint8 ``[frames, height, width, 3]`` each; of different numbers of frames.

        Returns:
            Unit vectors, float32 ``[len(films), dim]``.
        """
        ...


@runtime_checkable
class BeginsSounds(AudioEncoder, Protocol):
    """Embeds sounds on a device that works by itself; optional."""

    def begin_sounds(self, sounds: Sequence[NDArray[np.float32]]) -> Callable[[], NDArray[np.float32]]:
        """Begin to embed sounds; see `BeginsImages.begin_images`."""
        ...


@runtime_checkable
class BeginsFilms(VideoEncoder, Protocol):
    """Embeds films on a device that works by itself; optional."""

    def begin_films(self, films: Sequence[NDArray[np.uint8]]) -> Callable[[], NDArray[np.float32]]:
        """Begin to embed films; see `BeginsImages.begin_images`."""
        ...


@dataclass(frozen=True, slots=True)
class Said:
    """A piece of what is said in a sound.

    Attributes:
        start_s: where it begins in the sound, in seconds.
        end_s: where it ends.
        text: the words.
        language: their language as a code such as ``en``; None if it is not known.
    """

    start_s: float
    end_s: float
    text: str
    language: str | None = None


@runtime_checkable
class Transcriber(Protocol):
    """Turns speech into text. A class of your own needs this attribute and this method.

    Give an object of it as ``collection.index(transcribe=…)``, name its class, ``"my_package.speech:Transcriber"``, or
    register it under the entry point group ``mmsearch.transcribers``. Making one should be cheap: load weights when
    they are first used.

    Attributes:
        name: says which model it is; it is stored with what it heard.
    """

    name: str

    def transcribe(self, samples: NDArray[np.float32]) -> Sequence[Said]:
        """What is said in a sound, piece by piece.

        Args:
            samples: mono samples at 16 kHz in -1…1, float32 ``[samples]``, at most 28 seconds.

        Returns:
            Pieces in order of time, best sentences or parts of them; empty if nothing is said.
        """
        ...


_KNOWN: WeakKeyDictionary[Encoder, tuple[bool, bool]] = WeakKeyDictionary()


def embeds_texts(encoder: Encoder | None) -> TypeGuard[TextEncoder]:
    """Whether it is a `TextEncoder`. Queries ask again and again, and to compare with a protocol takes long."""
    return encoder is not None and _kinds_of(encoder)[0]


def tells_unknown_words(encoder: Encoder) -> TypeGuard[TellsUnknownWords]:
    """Whether it is one that `TellsUnknownWords`; see `embeds_texts`."""
    return _kinds_of(encoder)[1]


def _kinds_of(encoder: Encoder) -> tuple[bool, bool]:
    try:
        known = _KNOWN.get(encoder)
        if known is None:
            known = _KNOWN[encoder] = isinstance(encoder, TextEncoder), isinstance(encoder, TellsUnknownWords)
        return known
    except TypeError:  # an object of a class that cannot be kept so
        return isinstance(encoder, TextEncoder), isinstance(encoder, TellsUnknownWords)
