"""The key of a part's result: equal for equal bytes, models and options, so that a result is made once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from mmsearch.retrieval.encoders.routing import ModelRouting
from mmsearch.retrieval.ingest.options import IngestOptions
from mmsearch.retrieval.ingest.run import cut_options, decode_spec
from mmsearch.retrieval.sources.protocol import SourcePart

RESULT_VERSION = 1
"""Changes whenever the rows that are made of a part change."""


def recipe_of(routing: ModelRouting, options: IngestOptions) -> dict[str, Any]:
    """All that decides which rows a part becomes, besides the part itself, as JSON."""
    cut = asdict(cut_options(routing, options))
    del cut["speech_chosen"]  # decides what is read again, not what becomes of it
    recipe = {
        "version": RESULT_VERSION,
        "spaces": {modality: space.key for modality, space in sorted(routing.spaces().items())},
        "decode": decode_spec(routing, options).to_json(),
        "cut": cut,
    }
    said: dict[str, Any] = json.loads(json.dumps(recipe))  # equal to what is read from a file
    return said


def part_key(part: SourcePart, recipe: Mapping[str, Any]) -> str:
    """The key of what becomes of a part: 32 hexadecimal digits.

    Args:
        part: the part; its address, etag and number count.
        recipe: as `recipe_of` gives it.
    """
    return _digest(part, recipe)


def content_key(part: SourcePart, recipe: Mapping[str, Any]) -> str:
    """The key of what a part is cut into, whichever models embed it.

    Args:
        part: the part; its address, etag and number count.
        recipe: as `recipe_of` gives it; what hangs on the models does not count.
    """
    return _digest(part, {"version": recipe["version"], "cut": recipe["cut"], "only": recipe["decode"]["only"]})


def _digest(part: SourcePart, recipe: Mapping[str, Any]) -> str:
    said = json.dumps([part.address, part.etag, part.index, list(part.names), recipe], sort_keys=True)
    return hashlib.blake2b(said.encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()
