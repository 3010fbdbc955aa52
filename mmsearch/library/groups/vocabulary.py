"""The built-in vocabulary as vectors of a model, kept in a side table of the collection once they were made."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from contextlib import suppress

import numpy as np
import pyarrow as pa

from mmsearch.collection import Collection
from mmsearch.errors import CollectionBusyError, ModelUnavailableError, ReadOnlyError, SpaceMismatchError
from mmsearch.library.groups.cluster import Floats
from mmsearch.library.tagging.labels import Label, vocabulary
from mmsearch.library.tagging.likelihood import label_vectors
from mmsearch.types import Modality, Space

WORDS_TABLE = "group-words"
"""The side table: a line for each model and modality, with all its vectors as float16."""

_VOCABULARY = "everyday"
_MOST_KEPT = 4
_SCHEMA = pa.schema([pa.field("digest", pa.string()), pa.field("vectors", pa.binary())])


def word_vectors(collection: Collection, space: Space, modality: Modality) -> tuple[list[str], Floats]:
    """The words that name groups of a modality, and their vectors, float32 ``[words, dim]``.

    There are none if the space has no model that reads words, or if its weights are not here.
    """
    _, labels = vocabulary(_VOCABULARY, None, (modality,))
    names = [label.name for label in labels]
    digest = _digest(labels, modality, space)
    table = collection.side_table(WORDS_TABLE)
    kept = {} if table is None else dict(zip(*(table[name].to_pylist() for name in _SCHEMA.names), strict=True))
    if len(kept.get(digest, b"")) == 2 * len(names) * space.dim:
        return names, np.frombuffer(kept[digest], np.float16).reshape(len(names), -1).astype(np.float32)
    vectors = _embedded(collection, space, modality, labels)
    if vectors is None:
        return [], np.empty((0, space.dim), np.float32)
    kept = {**kept, digest: vectors.astype(np.float16).tobytes()}
    last = list(kept.items())[-_MOST_KEPT:]
    with suppress(CollectionBusyError, ReadOnlyError):  # they are embedded again next time
        columns = {"digest": [one for one, _ in last], "vectors": [data for _, data in last]}
        collection.set_side_tables({WORDS_TABLE: pa.table(columns, schema=_SCHEMA)})
    return names, vectors


def _embedded(collection: Collection, space: Space, modality: Modality, labels: Sequence[Label]) -> Floats | None:
    try:
        encoder = collection.encoder(space)
    except (ModelUnavailableError, SpaceMismatchError):
        return None
    embed = getattr(encoder, "encode_texts", None)
    return None if embed is None else label_vectors(labels, modality, embed)


def _digest(labels: Sequence[Label], modality: Modality, space: Space) -> str:
    told = json.dumps([space.key, modality, [label.digest for label in labels]])
    return hashlib.sha256(told.encode()).hexdigest()[:16]
