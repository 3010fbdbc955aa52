"""Whether a model can read the words of a query.

A tokenizer may have no pieces for a word; all such words are the same token, so that "собака" and "犬" find the same
picture. The model's vocabulary tells which these are. Byte-level tokenizers have pieces for every word; there the
scripts of the languages that the model was trained on decide.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mmsearch.notices import Notice, NoticeKind
from mmsearch.retrieval.encoders.catalogue import CATALOGUE, find_model
from mmsearch.retrieval.encoders.protocol import Encoder, TextEncoder, embeds_texts, tells_unknown_words
from mmsearch.retrieval.encoders.token_counts import token_counts
from mmsearch.retrieval.search.query import Query
from mmsearch.retrieval.search.query_texts import passages_of, texts_of


@dataclass(frozen=True, slots=True)
class WordCoverage:
    """How much of a query's words a model can read.

    Attributes:
        read: whether it can read at least one term; else the hits mean nothing.
        notices: which words it cannot read, and which texts it reads in parts.
    """

    read: bool
    notices: tuple[Notice, ...]


def word_coverage(query: Query, encoder: Encoder | None) -> WordCoverage:
    """How much of a query's words a model can read; terms that are no words always count as read."""
    if not embeds_texts(encoder):
        return WordCoverage(True, ())
    texts = texts_of([query])
    unknown = {text: unknown_words(text, encoder) for text in texts}
    unread = {text for text, (_, mostly) in unknown.items() if mostly}
    read = any(not isinstance(term.value, str) or term.value not in unread for term in query.terms if term.weight > 0)
    notices = [
        _notice(words or [text], text in unread, read, encoder)
        for text, (words, mostly) in unknown.items()
        if words or mostly
    ]
    for parts in (len(passages_of(text, encoder)) for text in texts):
        if parts > 1:
            values = {"tokens": encoder.max_tokens, "model": encoder.space.model, "passages": parts}
            notices.append(Notice(NoticeKind.TEXT_SPLIT, values))
    return WordCoverage(read, tuple(notices))


def notice_of_text(passages: Iterable[str], encoder: TextEncoder, file: str) -> Notice | None:
    """A notice on a text file to search by; None if the model can read any passage of it."""
    words: list[str] = []
    for passage in passages:
        unknown, mostly = unknown_words(passage, encoder)
        if not mostly:
            return None
        words += unknown or [passage]
    return _notice(list(dict.fromkeys(words)), True, False, encoder, file)


def unknown_words(text: str, encoder: TextEncoder) -> tuple[list[str], bool]:
    """The words that a model cannot read, and whether these are more than half of them."""
    if tells_unknown_words(encoder):
        unknown, count = encoder.unknown_words(text)
        return unknown, 2 * len(unknown) > count or (not count and not text.isascii())
    scripts = None if text.isascii() else scripts_of(encoder.space.model)
    if scripts is None:
        return [], False
    words = [word for word in text.split() if any(c.isalpha() for c in word)]
    unknown = [word for word in words if not _is_written_in(word, scripts)]
    return unknown, 2 * len(unknown) > len(words)


MANY_PIECES = 99
"""Of a word that a model cannot read."""


def count_pieces(words: Sequence[str], encoder: TextEncoder) -> list[int]:
    """The number of pieces that a model's tokenizer cuts each of some words into; many for one that it cannot read."""
    counts = token_counts(words, encoder)
    return [
        MANY_PIECES if unknown_words(word, encoder)[0] else count for word, count in zip(words, counts, strict=True)
    ]


def scripts_of(model: str) -> frozenset[str] | None:
    """The scripts that a model reads, by their Unicode names; None for all scripts, and for unknown models."""
    info = find_model(model)
    return info.scripts if info else None


def _is_written_in(word: str, scripts: Iterable[str]) -> bool:
    letters = [unicodedata.name(c, "").partition(" ")[0] for c in unicodedata.normalize("NFKC", word) if c.isalpha()]
    return 2 * sum(script in scripts for script in letters) >= len(letters)


def _notice(unknown: list[str], mostly: bool, read: bool, encoder: Encoder, file: str = "") -> Notice:
    info = find_model(encoder.space.model)
    readers = [info.name for info in CATALOGUE if info.is_multilingual and "image" in info.modalities]
    values = {
        "model": encoder.space.model,
        "languages": info.languages if info else "",
        "words": unknown,
        "means_nothing": not read,
        "others": readers if mostly else [],
        "file": file,
    }
    return Notice(NoticeKind.WORDS_UNKNOWN, values)
