"""The rows that can be labelled."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mmsearch.collection import Collection
from mmsearch.library.tagging.labels import KINDS
from mmsearch.types import Modality, Space


def kinds_of(collection: Collection, space: Space) -> list[Modality]:
    """What can be labelled of a space."""
    return [kind for kind in KINDS if kind in collection.manifest.modalities(space.key)]


def live_ids(collection: Collection, spaces: dict[Space, list[Modality]]) -> NDArray[np.int64]:
    """The ids of all rows of some kinds, by space; ascending."""
    parts = [_live(collection, space, kind) for space, kinds in spaces.items() for kind in kinds]
    return np.sort(np.concatenate([np.empty(0, np.int64), *parts]))


def count_from(collection: Collection, space: Space, kind: Modality, from_id: int) -> int:
    """How many rows of a kind have an id from one on."""
    ids = _live(collection, space, kind)
    return len(ids) - int(np.searchsorted(ids, from_id))


def _live(collection: Collection, space: Space, kind: Modality) -> NDArray[np.int64]:
    rows = collection.searcher(space).rows(kind)
    ids: NDArray[np.int64] = rows.ids[rows.live_positions]
    return ids
