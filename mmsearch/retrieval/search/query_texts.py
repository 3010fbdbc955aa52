"""The texts in queries: long ones cut into passages that a model can read, single words put into prompts."""

from __future__ import annotations

import re
from collections.abc import Iterable

from mmsearch.retrieval.encoders.catalogue import find_model
from mmsearch.retrieval.encoders.protocol import TextEncoder
from mmsearch.retrieval.encoders.token_counts import token_counts
from mmsearch.retrieval.search.query import Query


def texts_of(queries: Iterable[Query]) -> list[str]:
    """The texts among the queries' terms, each once."""
    return list(dict.fromkeys(term.value for query in queries for term in query.terms if isinstance(term.value, str)))


def passages_of(text: str, encoder: TextEncoder) -> list[str]:
    """A text as passages that the model reads without cutting them off, split as text files are; often just one."""
    if 2 * len(text.encode("utf-8", "replace")) <= encoder.max_tokens:  # a byte is a token, or at the very most two
        return [text]
    words = text.split()
    if len(words) <= encoder.max_tokens and sum(token_counts(words, encoder)) <= encoder.max_tokens:
        return [text]
    from mmsearch.retrieval.media.texts.text import passages

    spans = list(passages(text, encoder.count_tokens, encoder.max_tokens))
    return [text[start:end] for start, end in spans] if len(spans) > 1 else [text]


_ONE_WORD = re.compile(r"(?:(?:an?|the) )?([\w'’-]+)", re.IGNORECASE)
"""One word, perhaps after an article."""


def prompted(text: str, encoder: TextEncoder) -> list[str]:
    """A text of one word in each of the prompts of its model; empty for others, or if the model has none.

    Models have learned sentences: to `mini` *dog* is as near to *hot dog* as to *a dog*. Two words gain nothing.
    """
    match = _ONE_WORD.fullmatch(" ".join(text.split()))
    if match is None:
        return []
    model = find_model(encoder.space.model)
    word = match[1]
    article = "an" if word[0].lower() in "aeiou" else "a"
    return [prompt.format(word=word, article=article) for prompt in (model.prompts if model else ())]
