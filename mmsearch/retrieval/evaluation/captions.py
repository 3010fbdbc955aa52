"""Pairs that a collection holds itself: captions ask, and what they were given with answers."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from mmsearch.errors import UsageError
from mmsearch.retrieval.evaluation.pairs import Pair
from mmsearch.retrieval.search.searcher import Searcher

MOST_CAPTIONS = 10_000
"""Of more captions, as many are drawn by chance, the same ones every time."""

_COLUMNS = ("path", "passage", "mms_evidence")


def pairs_of_captions(searchers: Iterable[Searcher]) -> list[Pair]:
    """A pair for each caption, whose files answer it: those that have this very caption.

    Raises:
        UsageError: the collection has no captions.
    """
    files: dict[str, dict[bytes, None]] = {}
    for searcher in searchers:
        if "text" not in searcher.modalities:
            continue
        rows = searcher.rows("text")
        positions = rows.live_positions
        is_caption = rows.facts(["mms_evidence"])["mms_evidence"].cast("string").to_pylist()
        chosen = np.array([at for at in positions.tolist() if is_caption[at] == "caption"], np.int64)
        for facts in rows.facts_at(chosen, _COLUMNS):
            files.setdefault(facts["passage"], {})[facts["path"]] = None
    captions = [caption for caption in files if caption and caption.strip()]
    if not captions:
        raise UsageError("the collection has no captions: they come with the items of archives and Parquet files")
    if len(captions) > MOST_CAPTIONS:
        drawn = np.random.default_rng(0).permutation(len(captions))[:MOST_CAPTIONS]
        captions = [captions[at] for at in np.sort(drawn).tolist()]
    return [Pair(caption, None, tuple(files[caption])) for caption in captions]
