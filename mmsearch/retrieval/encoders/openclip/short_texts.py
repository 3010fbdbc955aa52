"""CLIP's text network for texts that are shorter than its context: it need not compute what nothing looks at."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmsearch.retrieval.encoders.lazy import Lazy

_STEP = 8  # tokens: few lengths, so that many texts have the same


class ShortTexts:
    """Runs each text at its own length, rounded up, and not at that of the context (77 tokens).

    In CLIP a token sees only those before it, and the vector is that of the token that ends the text: what stands
    behind it does not matter. A text has one length in every batch, and so one vector.

    Args:
        model: made by open_clip; others than CLIP's own kind run at full length.
        context: tokens of a row of ids.
    """

    def __init__(self, model: Any, context: int) -> None:
        self._model, self._context = model, context
        self._shortens = (
            type(model).__name__ == "CLIP"
            and getattr(model, "text_pool_type", None) == "argmax"
            and getattr(model, "attn_mask", None) is not None
        )
        self._by_length = {n: Lazy(partial(self._cut_to, n)) for n in range(_STEP, context, _STEP)}

    def groups(self, ids: NDArray[np.int64], most: int) -> Iterator[tuple[list[int], int]]:
        """Indices of at most ``most`` texts of one length, and that length; ``ids``: ``[n, context]``."""
        lengths = np.full(len(ids), self._context)
        if self._shortens:
            lengths = np.minimum(-(-(ids.argmax(axis=1) + 1) // _STEP) * _STEP, self._context)
        for length in np.unique(lengths).tolist():
            rows = np.flatnonzero(lengths == length).tolist()
            for start in range(0, len(rows), most):
                yield rows[start : start + most], length

    def __call__(self, ids: Any) -> Any:
        """Features ``[n, dim]`` of token ids ``[n, length]``."""
        cut = self._by_length.get(ids.shape[1])
        return (self._model if cut is None else cut()).encode_text(ids)

    def _cut_to(self, length: int) -> Any:
        """The same model, with the same weights, for so many tokens."""
        model = copy.copy(self._model)
        model._parameters = dict(model._parameters)
        model._buffers = dict(model._buffers)
        model.positional_embedding = type(self._model.positional_embedding)(
            self._model.positional_embedding[:length], requires_grad=False
        )
        model.attn_mask = self._model.attn_mask[:length, :length]
        return model
