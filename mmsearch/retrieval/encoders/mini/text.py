"""The text tower of `mini`: a table of WordPiece vectors and one residual layer, with numpy and tokenizers alone.

x = Σₜ scale[t] · table[t],   x ← x / (|x| + 1e-6)
y = W x + B relu(A x + a) + b,   y ← y / |y|
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mmsearch.retrieval.encoders.inputs import unit_rows
from mmsearch.retrieval.encoders.mini.tensors import map_tensors

if TYPE_CHECKING:
    from tokenizers import Tokenizer

MAX_TOKENS = 64
_UNKNOWN = 0
_CHUNK = 512  # texts; bounds the gathered token rows to 512 · 64 · 256 floats (32 MB)

Floats = NDArray[np.float32]


class MiniTextTower:
    """Texts → unit vectors. Opening it maps the weights and parses the tokenizer, some 20 ms."""

    def __init__(self, folder: Path) -> None:
        from tokenizers import Tokenizer

        self.tokenizer: Tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        weights = map_tensors(folder / "text.safetensors")
        self.table = weights["table"]
        self.scale: Floats = weights["table_scale"].astype(np.float32)
        self.skip: Floats = weights["W"].astype(np.float32)
        self.hidden: Floats = weights["A"] * weights["A_scale"].astype(np.float32)[:, None]
        self.hidden_bias: Floats = weights["a"].astype(np.float32)
        self.output: Floats = weights["B"] * weights["B_scale"].astype(np.float32)[:, None]
        self.output_bias: Floats = weights["b"].astype(np.float32)

    def tokens(self, texts: list[str]) -> list[list[int]]:
        """Token ids of each text, none cut off."""
        return [encoding.ids for encoding in self.tokenizer.encode_batch_fast(texts)]

    def encode(self, texts: list[str]) -> Floats:
        """Unit vectors, float32 ``[len(texts), 256]``."""
        chunks = [self._encode_chunk(texts[i : i + _CHUNK]) for i in range(0, len(texts), _CHUNK)]
        return np.concatenate(chunks) if chunks else np.zeros((0, len(self.output_bias)), np.float32)

    def _encode_chunk(self, texts: list[str]) -> Floats:
        # A text with no token at all is read as one unknown token.
        tokens = [ids[:MAX_TOKENS] or [_UNKNOWN] for ids in self.tokens(texts)]
        flat = np.concatenate([np.array(ids, np.intp) for ids in tokens])
        starts = np.cumsum([0, *(len(ids) for ids in tokens[:-1])])
        rows = self.table[flat] * self.scale[flat, None]
        return self._head(np.add.reduceat(rows, starts, axis=0))

    def _head(self, sums: Floats) -> Floats:
        x = sums / (np.linalg.norm(sums, axis=1, keepdims=True) + np.float32(1e-6))
        inner = np.maximum(_rowwise(x, self.hidden) + self.hidden_bias, 0)
        return unit_rows(_rowwise(x, self.skip) + _rowwise(inner, self.output) + self.output_bias)


def _rowwise(x: Floats, weight: Floats) -> Floats:
    """``x @ weight.T`` as one matrix–vector product a row.

    A matrix–matrix product may round differently with the number of rows; this gives each text the same bits in
    any batch, and is no slower at these sizes.
    """
    product: Floats = np.matmul(x[:, None, :], weight.T)[:, 0]
    return product
