"""What the encoders of this package share: texts to vectors, and batches of inputs of one size, without padding."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmsearch.retrieval.encoders.digests import file_sha256
from mmsearch.retrieval.encoders.huggingface.checkpoint import Checkpoint
from mmsearch.retrieval.encoders.huggingface.tokenizer import TextTokenizer
from mmsearch.retrieval.encoders.inputs import checked_texts, digest
from mmsearch.retrieval.encoders.lazy import Lazy
from mmsearch.retrieval.encoders.runtime import Runtime, checked_precision, choose_device, device_kind, full_float32
from mmsearch.retrieval.encoders.torch_device import TorchDevice, Vectors
from mmsearch.types import Modality, Space

TEXTS_AT_ONCE = {"cpu": 16, "mps": 32, "cuda": 64}


def equal_groups(sizes: Sequence[int], most: int) -> Iterator[list[int]]:
    """Indices of items of the same size, at most ``most`` together.

    Items of one size need no padding, so that a vector does not depend on what else is in the batch. A mask is not
    enough for that: it hides the padding from the attention, but not from convolutions.
    """
    by_size: dict[int, list[int]] = {}
    for index, size in enumerate(sizes):
        by_size.setdefault(size, []).append(index)
    for group in by_size.values():
        for start in range(0, len(group), most):
            yield group[start : start + most]


class TransformersEncoder:
    """Texts → vectors. Subclasses add what else they embed. Weights load at the first call; then thread-safe.

    Args:
        name: the model's name, kept in the space.
        dim: length of the vectors.
        context: tokens of a text that the model reads, special tokens included.
        processing: what makes two models with the same weights differ.
        runtime: device, precision and threads. The precision ``auto`` is float32 on every device: bfloat16 moved the
            vectors of sounds by 2 % (CLAP) and 4 % (PE-AV) of their spread, in models of full size with random
            weights; with trained weights it was not measured. The threads are set when the weights load.

    Raises:
        UsageError: there is no such device or precision.
        ModelUnavailableError: the tokenizer cannot be read.
    """

    modalities: frozenset[Modality]

    def __init__(
        self,
        name: str,
        checkpoint: Checkpoint,
        *,
        dim: int,
        context: int,
        processing: dict[str, Any],
        runtime: Runtime,
    ) -> None:
        facts = checkpoint.processing(context=context, **processing)
        self.space = Space(name, file_sha256(checkpoint.weights)[:16], digest(facts), dim)
        self.checkpoint = checkpoint
        self.device = choose_device(runtime.device)
        self.precision = "float32" if checked_precision(runtime.precision) == "auto" else runtime.precision
        self.tokenizer = TextTokenizer(checkpoint.tokenizer, context)
        self.max_tokens = self.tokenizer.max_tokens
        self._threads = runtime.threads
        self._device = TorchDevice(self.device)
        self.model: Lazy[Any] = Lazy(self._load)

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit vectors, float32 ``[len(texts), dim]``; tokens past `max_tokens` are not read."""
        return self.begin_texts(texts)()

    def begin_texts(self, texts: Sequence[str]) -> Callable[[], Vectors]:
        """`encode_texts`, waited for by the function that it returns."""
        rows = self.tokenizer.ids(checked_texts(texts))

        def forward(part: list[int]) -> Any:
            return self._text_features(self._device.upload(np.array([rows[i] for i in part], np.int64)))

        return self._begin([len(row) for row in rows], TEXTS_AT_ONCE[device_kind(self.device)], forward)

    def count_tokens(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """Tokens in each text, special tokens not counted, int64 ``[len(texts)]``."""
        return self.tokenizer.count(checked_texts(texts))

    @abstractmethod
    def _text_features(self, ids: Any) -> Any:
        """Features ``[n, dim]`` of token ids ``[n, tokens]``, of any length."""

    @abstractmethod
    def _make_module(self) -> Any:
        """The torch module with its weights."""

    def _begin(self, sizes: Sequence[int], most: int, forward: Callable[[list[int]], Any]) -> Callable[[], Vectors]:
        """Unit vectors of all items, waited for. ``forward`` gets the indices of at most ``most`` items of one size."""
        import torch

        groups = list(equal_groups(sizes, most))
        with self._device.computing(), full_float32(self.precision):
            parts = [torch.nn.functional.normalize(forward(group).float(), dim=-1) for group in groups]
            return self._device.download(parts, [index for group in groups for index in group], self.space.dim)

    def _to_device(self, batch: NDArray[Any]) -> Any:
        """An array as a tensor on the device, in the model's precision."""
        import torch

        return self._device.upload(batch).to(getattr(torch, self.precision))

    def _load(self) -> Any:
        import torch

        if self._threads is not None:
            torch.set_num_threads(self._threads)
        return self._make_module()
