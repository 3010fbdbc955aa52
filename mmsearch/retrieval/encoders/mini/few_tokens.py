"""The tokens of a few common words, found in the tokenizer's file: a query from a fresh process needs no tokenizer.

To parse the file takes 15 ms and 11 MB; a word that is one piece is found in its bytes at once. The rules are those of
the file, for texts of printable ASCII: lower case, and punctuation apart. A test compares both.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

_MOST_WORDS = 24
"""Different words; of more, the tokenizer is faster."""

_WORD = re.compile(r"[a-z0-9]+|[^a-z0-9 ]")


class FewTokens:
    """Looks up words in a ``tokenizer.json`` that has each piece in a line of its own, and keeps what it found."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[str, int] = {}

    def tokens(self, texts: Sequence[str]) -> list[list[int]] | None:
        """Token ids of each text; None if there are many words, rare ones, or characters other than printable ASCII."""
        if len(texts) > _MOST_WORDS or not all(text.isascii() and text.isprintable() for text in texts):
            return None
        words = [_WORD.findall(text.lower()) for text in texts]
        missing = {word for own in words for word in own} - self._known.keys()
        if len(self._known) + len(missing) > _MOST_WORDS:
            return None
        if missing:
            data = self._path.read_bytes()
            for word in missing:
                token = _token(word, data)
                if token is None:
                    return None
                self._known[word] = token
        return [[self._known[word] for word in own] for own in words]


def _token(word: str, data: bytes) -> int | None:
    """The number of a word that is one piece, by its line: ``"dog": 3899,``."""
    key = f"\n      {json.dumps(word)}: ".encode()
    start = data.find(key)
    if start < 0:
        return None
    return int(data[start + len(key) : start + len(key) + 12].split(b"\n", 1)[0].rstrip(b", "))
