"""The text network of `mini`, in numpy: a table of WordPiece vectors, a residual layer over their sum, which ignores
word order, and a transformer layer, which does not.

s = Σₜ rₜ,   s ← s / (|s| + 1e-6),   y = W s + B relu(A s + a) + b                                (which words)
hₜ = √D rₜ / (|rₜ| + 1e-6) + pₜ,   h += O attention(Q h) + o,   h += N relu(V h + v) + n
y += C meanₜ relu(G hₜ + g),   y ← y / |y|                                                         (in what order)
"""

from __future__ import annotations

import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mmsearch.retrieval.encoders.lazy import Lazy
from mmsearch.retrieval.encoders.mini.few_tokens import FewTokens
from mmsearch.retrieval.encoders.mini.folding import fold_to_ascii
from mmsearch.retrieval.encoders.mini.tensors import map_tensors
from mmsearch.unit import normalize_rows

if TYPE_CHECKING:
    from tokenizers import Tokenizer

MAX_TOKENS = 64
_UNKNOWN = 0
_LONGEST_WORD = 100  # characters; the tokenizer takes longer ones for unknown
_HEADS = 4
_CHUNK = 256  # texts of equal length at a time: bounds the largest intermediate to 256 · 64 · 384 floats (25 MB)

Floats = NDArray[np.float32]


class MiniTextTower:
    """Texts → unit vectors. Opening it maps the weights; the tokenizer is parsed once there are some words."""

    def __init__(self, folder: Path) -> None:
        self._tokenizer = Lazy(lambda: _open_tokenizer(folder / "tokenizer.json"))
        self._few: FewTokens | None = FewTokens(folder / "tokenizer.json")
        weights = map_tensors(folder / "text.safetensors")
        self.table = weights["table"]
        self.scale: Floats = weights["table_scale"].astype(np.float32)
        self.positions: Floats = weights["positions"].astype(np.float32)
        self.weight: dict[str, Floats] = {
            # transposed once: a row vector times a matrix is what every layer does
            name: np.ascontiguousarray((weights[name] * weights[f"{name}_scale"].astype(np.float32)[:, None]).T)
            for name in ("skip", "hidden", "output", "qkv", "mix", "wide", "narrow", "gate", "order")
        }
        self.bias: dict[str, Floats] = {
            name: weights[f"{name}_bias"].astype(np.float32)
            for name in ("hidden", "output", "qkv", "mix", "wide", "narrow", "gate")
        }

    def tokens(self, texts: list[str]) -> list[list[int]]:
        """Token ids of each text, none cut off."""
        plain = [fold_to_ascii(text) for text in texts]
        few = self._few  # another thread may have set it to None
        if few is not None:
            found = few.tokens(plain)
            if found is not None:
                return found
            self._few = None
        return [encoding.ids for encoding in self.tokenizer.encode_batch_fast(plain)]

    @property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer, parsed on first use."""
        return self._tokenizer()

    def unknown_words(self, text: str) -> tuple[list[str], int]:
        """The words that no token stands for, and the number of all words; punctuation is not counted."""
        written = text.split()
        if text.isascii() and max(map(len, written), default=0) <= _LONGEST_WORD:
            return [], len(written)  # the vocabulary has every ASCII character
        plain = fold_to_ascii(text)
        encoding = self.tokenizer.encode(plain)
        words: set[int | None] = set()
        unknown: list[str] = []
        for number, token, (start, end) in zip(encoding.word_ids, encoding.ids, encoding.offsets, strict=True):
            if any(not _is_punctuation(c) for c in plain[start:end]):
                words.add(number)
                unknown += [plain[start:end]] if token == _UNKNOWN else []
        return unknown, len(words)

    def encode(self, texts: list[str]) -> Floats:
        """Unit vectors, float32 ``[len(texts), 256]``."""
        # A text with no token at all is read as one unknown token.
        tokens = [ids[:MAX_TOKENS] or [_UNKNOWN] for ids in self.tokens(texts)]
        vectors = np.empty((len(texts), len(self.bias["output"])), np.float32)
        lengths = np.array([len(ids) for ids in tokens], np.intp)
        # Texts of equal length form a batch of 3-d matrix products, one product a text: the same bits in any batch.
        for length in sorted(set(lengths.tolist())):  # np.unique would import numpy.ma, a tenth of a cold query
            rows = np.flatnonzero(lengths == length)
            for start in range(0, len(rows), _CHUNK):
                chunk = rows[start : start + _CHUNK]
                vectors[chunk] = self._encode_equal(np.array([tokens[i] for i in chunk], np.intp))
        return vectors

    def _encode_equal(self, ids: NDArray[np.intp]) -> Floats:
        """Unit vectors of texts of one length, ids ``[n, tokens]``."""
        rows = self.table[ids] * self.scale[ids][..., None]
        y = self._bag(rows.sum(1, keepdims=True))
        h = rows / (np.linalg.norm(rows, axis=2, keepdims=True) + np.float32(1e-6))
        h = h * np.float32(np.sqrt(rows.shape[2])) + self.positions[: ids.shape[1]]
        h += self._attention(h)
        h += self._layer("narrow", np.maximum(self._layer("wide", h), 0))
        inner = np.maximum(self._layer("gate", h), 0)
        y += np.matmul(inner.mean(1, keepdims=True), self.weight["order"])
        return normalize_rows(y[:, 0])

    def _bag(self, sums: Floats) -> Floats:
        s = sums / (np.linalg.norm(sums, axis=2, keepdims=True) + np.float32(1e-6))
        inner = np.maximum(self._layer("hidden", s), 0)
        y: Floats = np.matmul(s, self.weight["skip"]) + self._layer("output", inner)
        return y

    def _attention(self, h: Floats) -> Floats:
        n, length, _ = h.shape
        q, k, v = self._layer("qkv", h).reshape(n, length, 3, _HEADS, -1).transpose(2, 0, 3, 1, 4)
        scores = np.matmul(q, k.swapaxes(2, 3)) / np.float32(np.sqrt(q.shape[3]))
        scores = np.exp(scores - scores.max(3, keepdims=True))
        scores /= scores.sum(3, keepdims=True)
        return self._layer("mix", np.matmul(scores, v).transpose(0, 2, 1, 3).reshape(n, length, -1))

    def _layer(self, name: str, x: Floats) -> Floats:
        y: Floats = np.matmul(x, self.weight[name])
        y += self.bias[name]
        return y


def _open_tokenizer(path: Path) -> Tokenizer:
    from tokenizers import Tokenizer

    return Tokenizer.from_file(str(path))


def _is_punctuation(character: str) -> bool:
    return unicodedata.category(character)[0] in "PZC"
