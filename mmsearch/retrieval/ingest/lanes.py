"""Lanes: what waits to be embedded, one lane for each kind of item, until there is a batch of it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmsearch.retrieval.encoders.inputs import checked_vectors
from mmsearch.retrieval.encoders.protocol import BeginsImages, Encoder, ImageEncoder
from mmsearch.retrieval.ingest.batch_size import BatchSize
from mmsearch.retrieval.ingest.encoder_thread import BATCHES_AT_ONCE, Batch, Vectors

MOST_BYTES = 32 << 20
"""Bytes of the items of a batch; there may be six: one is gathered, one waits, three are in work, one is done.

An encoder with several devices has more of them in work.
"""


class Begin:
    """Begins to embed items: by the encoder's method ``begin`` if it has one, else by ``encode``, which waits.

    What a call returns gives the vectors, checked.
    """

    def __init__(self, encoder: Encoder, encode: str, begin: str) -> None:
        self.space = encoder.space
        self._begin: Callable[[Any], Callable[[], Vectors]] | None = getattr(encoder, begin, None)
        self._encode: Callable[[Any], Vectors] = getattr(encoder, encode)

    def __call__(self, items: Any) -> Callable[[], Vectors]:
        """Begin to embed a list or an array of items."""
        if self._begin is None:
            vectors = checked_vectors(self._encode(items), len(items), self.space)
            return lambda: vectors
        waited = self._begin(items)
        return lambda: checked_vectors(waited(), len(items), self.space)


class Lane:
    """Gathers items of one kind in a list.

    Args:
        begin: begins to embed a list of items.
        size: how many items are embedded at once.
        bytes_of: the bytes of an item.

    Attributes:
        model: the name of the model that embeds them.
    """

    def __init__(self, begin: Begin, size: BatchSize, bytes_of: Callable[[Any], int]) -> None:
        self.size = size
        self.model = begin.space.model
        self._begin = begin
        self._bytes_of = bytes_of
        self._items: list[Any] = []
        self._owners: list[Any] = []
        self._n_bytes = 0

    def add(self, item: Any, owner: Any) -> None:
        """Add an item; its batch names the owner, who is to get its vector."""
        self._items.append(item)
        self._owners.append(owner)
        self._n_bytes += self._bytes_of(item)

    @property
    def is_full(self) -> bool:
        """Whether a whole batch is there."""
        return len(self._owners) >= self.size.now or self._n_bytes >= MOST_BYTES

    @property
    def is_empty(self) -> bool:
        """Whether nothing is there."""
        return not self._owners

    def next_batch(self) -> Batch:
        """Take out all that is there, as one batch."""
        batch = Batch(self._begin, self._items, self._owners, self.size, self._n_bytes)
        self._items, self._owners, self._n_bytes = [], [], 0
        return batch


class PictureLane(Lane):
    """Gathers pictures in one array, into which each is copied as it comes, so that its own memory is free again.

    Args:
        encoder: embeds them.
        size: as of `Lane`.
    """

    def __init__(self, encoder: ImageEncoder, size: BatchSize) -> None:
        super().__init__(Begin(encoder, "encode_images", "begin_images"), size, len)
        transform = encoder.image_transform
        self._shape = (transform.height, transform.width, 3)
        self._make = encoder.image_buffer if isinstance(encoder, BeginsImages) else self._plain_buffer
        self._buffer: NDArray[np.uint8] | None = None
        self._free: list[NDArray[np.uint8]] = []
        self._full: deque[Batch] = deque()

    def add(self, item: NDArray[np.uint8], owner: Any) -> None:
        """Copy a picture, uint8 ``[height, width, 3]``."""
        if self._buffer is None:
            self._buffer = self._free.pop() if self._free else self._make(self.size.most)
        self._buffer[len(self._owners)] = item
        self._owners.append(owner)
        if len(self._owners) >= self.size.now:
            self._close()

    @property
    def is_full(self) -> bool:
        """Whether a whole batch is there."""
        return bool(self._full)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is there."""
        return not self._full and not self._owners

    def next_batch(self) -> Batch:
        """Take out a whole batch, or what is there."""
        if not self._full:
            self._close()
        return self._full.popleft()

    def _close(self) -> None:
        buffer, owners = self._buffer, self._owners
        assert buffer is not None
        pixels = buffer[: len(owners)]
        self._full.append(
            Batch(self._begin, pixels, owners, self.size, pixels.nbytes, partial(self._free.append, buffer))
        )
        self._buffer, self._owners = None, []

    def _plain_buffer(self, count: int) -> NDArray[np.uint8]:
        return np.empty((count, *self._shape), np.uint8)


def batches_at_once(encoder: Encoder) -> int:
    """How many batches an encoder takes before the first is waited for; see `encoders.protocol`."""
    return getattr(encoder, "batches_at_once", BATCHES_AT_ONCE)


def most_pictures(encoder: ImageEncoder, most: int) -> int:
    """Pictures of a batch: ``most`` on a processor, where more are no faster; elsewhere what `MOST_BYTES` hold."""
    transform = encoder.image_transform
    return most if encoder.device == "cpu" else max(most, MOST_BYTES // (transform.height * transform.width * 3))
