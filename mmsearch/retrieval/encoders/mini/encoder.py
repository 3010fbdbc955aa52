"""`MiniEncoder`: the built-in model. Texts run in numpy, pictures and sounds in ONNX Runtime; weights lie here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mmsearch.machine import usable_cpus
from mmsearch.retrieval.encoders.inputs import checked_pixels, checked_sounds, checked_texts, digest
from mmsearch.retrieval.encoders.lazy import Lazy
from mmsearch.retrieval.encoders.mini.integer_graph import in_integers
from mmsearch.retrieval.encoders.mini.mel import SAMPLE_RATE, log_mel_patches
from mmsearch.retrieval.encoders.mini.paddings import with_plain_pads
from mmsearch.retrieval.encoders.mini.text_tower import MAX_TOKENS, MiniTextTower
from mmsearch.retrieval.media.pictures.transform import ImageTransform
from mmsearch.retrieval.onnx_session import open_session
from mmsearch.types import Modality, Space
from mmsearch.unit import normalize_rows

if TYPE_CHECKING:
    from mmsearch.retrieval.onnx_session import Session

FOLDER = Path(__file__).parent
DIM = 256
# sha256 of the files beside this module: the space is known without reading 20 MB. A test compares them.
WEIGHTS = {
    "image.onnx": "5efbc2ce737a0332c7a1bf12ca8dd620a3b7d391efac93aece74aec4924707c8",
    "text.safetensors": "3901ea6fbc532363bbc3cb567dc8d4b5c32fdc20bafd43ba862e97cb6250e784",
    "audio.onnx": "9bc0c4ffdc0e33bc0046d02c81e9a1883c04b10508bb8099c9cd219823726bbf",
}
PROCESSING = {
    "config.json": "379a051507eb9a377ad72db751f7777201dc97861081c4779794d1b4aeb7934b",
    "tokenizer.json": "8b2daa0ebf63e338e0d5e9fefc57802e5ad7bd5a6e36461c9f9d15125b15fd2a",
}
_CHUNK = 4  # pictures in one run of the network: measured no slower than more, with less activations in memory


def mini_space() -> Space:
    """The space of `mini`."""
    return Space("mini", digest(WEIGHTS), digest(PROCESSING), DIM)


def open_pictures() -> Session:
    """The picture network, rewritten to run faster. One thread in a run."""
    return open_session(in_integers((FOLDER / "image.onnx").read_bytes()), 1)


def open_sounds() -> Session:
    """The audio network, rewritten to run faster. One thread in a run."""
    return open_session(with_plain_pads((FOLDER / "audio.onnx").read_bytes()), 1, floats=True)


class MiniEncoder:
    """Texts, pictures and sounds → vectors of 256 dimensions. Each network loads when it is first used; thread-safe.

    Args:
        threads: threads that run the networks for pictures and sounds, each on inputs of its own, so that none waits
            for another; None takes one for each processor that may be used.
    """

    modalities: frozenset[Modality] = frozenset({"text", "image", "audio", "video"})
    device = "cpu"
    max_tokens = MAX_TOKENS
    sample_rate = SAMPLE_RATE
    # draft: a big JPEG is decoded at a reduced scale, but never below 1.25 times the target (decision 36).
    image_transform = ImageTransform(256, 256, resize="squash", interpolation="bicubic", draft=1.25)

    def __init__(self, threads: int | None = None) -> None:
        self.space = mini_space()
        self._texts = Lazy(lambda: MiniTextTower(FOLDER))
        self._images = Lazy(open_pictures)
        self._sounds = Lazy(open_sounds)
        self._threads = threads or usable_cpus()
        self._pool = Lazy(lambda: ThreadPoolExecutor(self._threads, thread_name_prefix="mini"))

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit vectors, float32 ``[len(texts), 256]``; tokens past `max_tokens` are not read."""
        return self._texts().encode(checked_texts(texts))

    def count_tokens(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """Tokens in each text, int64 ``[len(texts)]``; `mini` has no special tokens."""
        return np.array([len(ids) for ids in self._texts().tokens(checked_texts(texts))], np.int64)

    def unknown_words(self, text: str) -> tuple[list[str], int]:
        """The words that the tokenizer has no tokens for, and the number of all words."""
        return self._texts().unknown_words(checked_texts([text])[0])

    def encode_images(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Unit vectors, float32 ``[n, 256]``, of uint8 RGB pixels ``[n, 256, 256, 3]``."""
        checked_pixels(pixels, self.image_transform)
        vectors = np.empty((len(pixels), DIM), np.float32)
        network = self._images()

        def run(start: int) -> None:
            chunk = pixels[start : start + _CHUNK]
            vectors[start : start + _CHUNK] = normalize_rows(network.run(None, {"image": chunk})[0])

        self._for_each(run, range(0, len(pixels), _CHUNK))
        return vectors

    def encode_sounds(self, sounds: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Unit vectors, float32 ``[len(sounds), 256]``, of mono samples at 16 kHz, float32 ``[samples]`` each."""
        vectors = np.empty((len(sounds), DIM), np.float32)
        network = self._sounds()
        # The patches of one sound are a batch of their own, so that its vector does not depend on other sounds.
        checked = checked_sounds(sounds)

        def run(row: int) -> None:
            vectors[row] = network.run(None, {"patches": log_mel_patches(checked[row])})[0][0]

        self._for_each(run, range(len(checked)))
        return normalize_rows(vectors)

    def _for_each(self, work: Callable[[int], None], places: range) -> None:
        """Call ``work`` for each place, in several threads at once if there are several places."""
        if self._threads == 1 or len(places) < 2:
            for place in places:
                work(place)
        else:
            list(self._pool().map(work, places))
