"""Vectors of the texts that were asked last, so that a server embeds a popular query once."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mmsearch.retrieval.encoders.inputs import checked_vectors
from mmsearch.retrieval.encoders.protocol import TextEncoder
from mmsearch.unit import Vector


class KeptTexts:
    """Embeds texts, and keeps the vectors of those that were asked last. Safe to use from threads.

    Args:
        most: how many vectors are kept; 0 keeps none.
    """

    def __init__(self, most: int = 0) -> None:
        self._most = most
        self._kept: OrderedDict[tuple[str, str], Vector] = OrderedDict()
        self._guard = threading.Lock()

    def encode(self, texts: Sequence[str], encoder: TextEncoder) -> NDArray[np.float32]:
        """Unit vectors of texts, float32 ``[n, dim]``; only those that are not kept are embedded, as one batch.

        The batch is ordered by length, so that a model that pads texts to the longest of a batch pads little.
        """
        if not self._most:
            return checked_vectors(encoder.encode_texts(list(texts)), len(texts), encoder.space)
        space = encoder.space.key
        found = {text: self._take(space, text) for text in dict.fromkeys(texts)}
        missing = sorted((text for text, vector in found.items() if vector is None), key=len)
        if missing:
            made = checked_vectors(encoder.encode_texts(missing), len(missing), encoder.space)
            for text, vector in zip(missing, made, strict=True):
                found[text] = vector
                self._keep(space, text, vector.copy())
        return np.stack([vector for text in texts if (vector := found[text]) is not None])

    def clear(self) -> None:
        """Keep nothing."""
        with self._guard:
            self._kept.clear()

    def _take(self, space: str, text: str) -> Vector | None:
        with self._guard:
            vector = self._kept.get((space, text))
            if vector is not None:
                self._kept.move_to_end((space, text))
            return vector

    def _keep(self, space: str, text: str, vector: Vector) -> None:
        with self._guard:
            self._kept[space, text] = vector
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
