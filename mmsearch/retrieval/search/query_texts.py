"""The texts in queries, cut into passages that a model can read."""

from __future__ import annotations

from collections.abc import Iterable

from mmsearch.retrieval.encoders.protocol import TextEncoder
from mmsearch.retrieval.search.query import Query


def texts_of(queries: Iterable[Query]) -> list[str]:
    """The texts among the queries' terms, each once."""
    return list(dict.fromkeys(term.value for query in queries for term in query.terms if isinstance(term.value, str)))


def passages_of(text: str, encoder: TextEncoder) -> list[str]:
    """A text as passages that the model reads without cutting them off, split as text files are; often just one."""
    if 2 * len(text.encode("utf-8", "replace")) <= encoder.max_tokens:  # a byte is a token, or at the very most two
        return [text]
    from mmsearch.retrieval.media.texts.text import passages

    spans = list(passages(text, encoder.count_tokens, encoder.max_tokens))
    return [text[start:end] for start, end in spans] if len(spans) > 1 else [text]
