"""Token ids of texts by a ``tokenizer.json``, without transformers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mmsearch.errors import ModelUnavailableError


class TextTokenizer:
    """Texts → ids, special tokens included, cut to ``context`` tokens; never padded. Safe to use from threads.

    Runs of white space become one space, and none stays at the ends, as in the captions that the models were trained
    on: a byte-level tokenizer would spend tokens on each.

    Raises:
        ModelUnavailableError: the file is no tokenizer.
    """

    def __init__(self, path: Path, context: int) -> None:
        from tokenizers import Tokenizer

        try:
            self._tokenizer = Tokenizer.from_file(str(path))
        except Exception as error:  # the library raises bare exceptions
            raise ModelUnavailableError(f"{path} is no tokenizer ({error})") from None
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self.max_tokens = context - self._tokenizer.num_special_tokens_to_add(is_pair=False)

    def ids(self, texts: list[str]) -> list[list[int]]:
        """The ids of each text."""
        rows = []
        for encoding in self._tokenizer.encode_batch([_spaced(text) for text in texts], add_special_tokens=False):
            encoding.truncate(self.max_tokens)
            rows.append(self._tokenizer.post_process(encoding).ids)
        return rows

    def count(self, texts: list[str]) -> NDArray[np.int64]:
        """Tokens in each text, special tokens not counted, int64 ``[len(texts)]``.

        A text is counted as if it followed a space, which a byte-level tokenizer makes part of the next word. So the
        counts of the words of a text add up to the count of the text.
        """
        spaced = [_spaced(text) for text in texts]
        behind = [f" {text}" if text else "" for text in spaced]
        encodings = self._tokenizer.encode_batch(behind, add_special_tokens=False)
        return np.array([len(encoding.ids) for encoding in encodings], np.int64)


def _spaced(text: str) -> str:
    return " ".join(text.split())
