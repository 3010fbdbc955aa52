"""How many tokens words have. Queries ask for the same words again and again, and a tokenizer takes long to call."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from weakref import WeakKeyDictionary

from mmsearch.retrieval.encoders.protocol import TextEncoder

_MOST_KEPT = 10_000  # words of one encoder; a longer word than this is not kept:
_LONGEST_KEPT = 64

_KEPT: WeakKeyDictionary[TextEncoder, dict[str, int]] = WeakKeyDictionary()
_GUARD = threading.Lock()


def token_counts(words: Sequence[str], encoder: TextEncoder) -> list[int]:
    """The number of tokens of each of some words. Safe to use from threads."""
    try:
        kept = _KEPT.get(encoder)
        if kept is None:
            kept = _KEPT.setdefault(encoder, {})
    except TypeError:  # an object of a class that cannot be kept so
        kept = {}
    found = [kept.get(word) for word in words]
    missing = list(dict.fromkeys(word for word, count in zip(words, found, strict=True) if count is None))
    if not missing:
        return [count for count in found if count is not None]
    made: dict[str, int] = dict(zip(missing, encoder.count_tokens(missing).tolist(), strict=True))
    with _GUARD:
        kept |= {word: count for word, count in made.items() if len(word) <= _LONGEST_KEPT}
        while len(kept) > _MOST_KEPT:
            del kept[next(iter(kept))]
    return [made[word] if count is None else count for word, count in zip(words, found, strict=True)]
