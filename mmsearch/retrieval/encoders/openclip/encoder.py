"""`OpenClipEncoder`: texts and pictures to unit vectors by any open_clip model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmsearch.retrieval.encoders.digests import file_sha256
from mmsearch.retrieval.encoders.inputs import checked_pixels, checked_texts, digest
from mmsearch.retrieval.encoders.lazy import Lazy
from mmsearch.retrieval.encoders.openclip.config import ModelConfig
from mmsearch.retrieval.encoders.openclip.model import load_model
from mmsearch.retrieval.encoders.openclip.short_texts import ShortTexts
from mmsearch.retrieval.encoders.openclip.tokenizer import ClipTokenizer
from mmsearch.retrieval.encoders.runtime import (
    DEFAULT_RUNTIME,
    Runtime,
    choose_device,
    choose_precision,
    device_kind,
    full_float32,
)
from mmsearch.retrieval.encoders.torch_device import TorchDevice, Vectors
from mmsearch.types import Modality, Space

# Items in one pass: enough to fill the device, few enough for its memory (ViT-L-14: some 10 MB a picture in float32).
_CHUNK = {"cpu": 32, "mps": 64, "cuda": 512}


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
        self._device = TorchDevice(self.device)
        self._normalising: Lazy[tuple[Any, Any]] = Lazy(self._make_normalising)
        self.model: Lazy[Any] = Lazy(self._load)
        self._short_texts = Lazy(lambda: ShortTexts(self.model(), self.tokenizer.context_length))

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit vectors, float32 ``[len(texts), dim]``; tokens past `max_tokens` are not read."""
        return self.begin_texts(texts)()

    def begin_texts(self, texts: Sequence[str]) -> Callable[[], Vectors]:
        """`encode_texts`, waited for by the function that it returns."""
        ids = self.tokenizer.ids(checked_texts(texts)).numpy()
        network = self._short_texts()
        groups = list(network.groups(ids, _CHUNK[device_kind(self.device)]))

        def forward(group: tuple[list[int], int]) -> Any:
            rows, length = group
            return network(self._device.upload(ids[rows, :length]))

        return self._begin(groups, forward, [row for rows, _ in groups for row in rows])

    def count_tokens(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """Tokens in each text, special tokens not counted, int64 ``[len(texts)]``."""
        return self.tokenizer.count(checked_texts(texts))

    def encode_images(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Unit vectors, float32 ``[n, dim]``, of uint8 RGB pixels ``[n, height, width, 3]``."""
        return self.begin_images(pixels)()

    def image_buffer(self, count: int) -> NDArray[np.uint8]:
        """Memory for pictures, uint8 ``[count, height, width, 3]``, from which they get to the device fast."""
        return self._device.buffer(count, self.image_transform.height, self.image_transform.width, 3)

    def begin_images(self, pixels: NDArray[np.uint8]) -> Callable[[], Vectors]:
        """`encode_images`, waited for by the function that it returns; until then the pixels must not change."""
        checked_pixels(pixels, self.image_transform)
        step = _CHUNK[device_kind(self.device)]
        parts = (pixels[start : start + step] for start in range(0, len(pixels), step))
        return self._begin(parts, lambda part: self.model().encode_image(self._normalised(part)))

    def _begin(
        self, parts: Iterable[Any], forward: Callable[[Any], Any], order: list[int] | None = None
    ) -> Callable[[], Vectors]:
        """Unit vectors of the features of all parts; for ``order`` see `TorchDevice.download`."""
        import torch

        with self._device.computing(), full_float32(self.precision):
            units = [torch.nn.functional.normalize(forward(part).float(), dim=-1) for part in parts]
            return self._device.download(units, order, self.space.dim)

    def _normalised(self, pixels: NDArray[np.uint8]) -> Any:
        """The network's input, ``[n, 3, height, width]``; made on the device, so that only bytes are copied."""
        import torch

        scale, shift = self._normalising()
        batch = torch.addcmul(shift, self._device.upload(pixels).float(), scale)
        return batch.to(getattr(torch, self.precision)).permute(0, 3, 1, 2)

    def _make_normalising(self) -> tuple[Any, Any]:
        """What a byte is multiplied with, and what is added then, of each colour."""
        import torch

        mean, deviation = (torch.tensor(self.config.preprocess[key], dtype=torch.float64) for key in ("mean", "std"))
        scale, shift = 1 / (255 * deviation), -mean / deviation
        return scale.float().to(self.device), shift.float().to(self.device)

    def _load(self) -> Any:
        import torch

        if self._threads is not None:
            torch.set_num_threads(self._threads)
        return load_model(self.config, self.device, self.precision)
