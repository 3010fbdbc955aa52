"""`OpenClipEncoder`: texts and pictures to unit vectors by any open_clip model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmsearch.retrieval.encoders.digests import file_sha256
from mmsearch.retrieval.encoders.inputs import checked_pixels, checked_texts, digest
from mmsearch.retrieval.encoders.lazy import Lazy
from mmsearch.retrieval.encoders.openclip.config import ModelConfig
from mmsearch.retrieval.encoders.openclip.model import load_model
from mmsearch.retrieval.encoders.openclip.tokenizer import ClipTokenizer
from mmsearch.retrieval.encoders.runtime import (
    DEFAULT_RUNTIME,
    Runtime,
    choose_device,
    choose_precision,
    full_float32,
)
from mmsearch.types import Modality, Space

# Items in one batch: enough to fill the device, few enough for its memory (ViT-L-14: some 10 MB a picture in float32).
_CHUNK = {"cpu": 32, "mps": 64, "cuda": 256}


def openclip_space(name: str, config: ModelConfig) -> Space:
    """The space of a model, from its files; precision and device are no part of it."""
    return Space(name, file_sha256(config.weights)[:16], digest(config.processing()), config.dim)


class OpenClipEncoder:
    """Texts and pictures → vectors of one open_clip model. The weights load at the first call; then thread-safe.

    Args:
        name: the model's name, kept in the space.
        runtime: device, precision and threads. In any precision, sums inside a matrix product and the scaling to unit
            length are in float32. The threads are set when the weights load.

    Raises:
        UsageError: there is no such device or precision.
        ModelUnavailableError: the tokenizer's files are not there.
    """

    modalities: frozenset[Modality] = frozenset({"text", "image", "video"})

    def __init__(self, name: str, config: ModelConfig, runtime: Runtime = DEFAULT_RUNTIME) -> None:
        self.space = openclip_space(name, config)
        self.config = config
        self.device = choose_device(runtime.device)
        self.precision = choose_precision(runtime.precision, self.device)
        self.image_transform = config.image_transform()
        self.tokenizer = ClipTokenizer(config)
        self.max_tokens = self.tokenizer.max_tokens
        self._threads = runtime.threads
        self.model: Lazy[Any] = Lazy(self._load)

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit vectors, float32 ``[len(texts), dim]``; tokens past `max_tokens` are not read."""
        checked = checked_texts(texts)
        return self._encode(
            len(checked), lambda part: self.model().encode_text(self.tokenizer.ids(checked[part]).to(self.device))
        )

    def count_tokens(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """Tokens in each text, special tokens not counted, int64 ``[len(texts)]``."""
        return self.tokenizer.count(checked_texts(texts))

    def encode_images(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Unit vectors, float32 ``[n, dim]``, of uint8 RGB pixels ``[n, height, width, 3]``."""
        checked_pixels(pixels, self.image_transform)
        return self._encode(len(pixels), lambda part: self.model().encode_image(self._normalised(pixels[part])))

    def _encode(self, n: int, forward: Callable[[slice], Any]) -> NDArray[np.float32]:
        import torch

        vectors = np.empty((n, self.space.dim), np.float32)
        step = _CHUNK[self.device]
        for start in range(0, n, step):
            part = slice(start, start + step)
            with torch.inference_mode(), full_float32(self.precision):
                unit = torch.nn.functional.normalize(forward(part).float(), dim=-1)
            vectors[part] = unit.cpu().numpy()
        return vectors

    def _normalised(self, pixels: NDArray[np.uint8]) -> Any:
        """The network's input, ``[n, 3, height, width]``; made on the device, so that only bytes are copied."""
        import torch

        batch = torch.from_numpy(np.ascontiguousarray(pixels)).to(self.device).permute(0, 3, 1, 2).float() / 255
        mean, std = (
            torch.tensor(self.config.preprocess[key], device=self.device).view(1, 3, 1, 1) for key in ("mean", "std")
        )
        return ((batch - mean) / std).to(getattr(torch, self.precision))

    def _load(self) -> Any:
        import torch

        if self._threads is not None:
            torch.set_num_threads(self._threads)
        return load_model(self.config, self.device, self.precision)
