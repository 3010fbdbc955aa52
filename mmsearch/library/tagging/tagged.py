"""What labels rows have: counts, examples, and what was not looked at yet."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmsearch.collection import Collection
from mmsearch.library.tagging.kept import KeptTags, SpaceState
from mmsearch.library.tagging.labels import WORDS
from mmsearch.library.tagging.rows import count_from, kinds_of, live_ids
from mmsearch.types import Modality, Space, path_json

_EXAMPLES, _LABELS_WITH_EXAMPLES = 3, 50


@dataclass(frozen=True, slots=True)
class TagCount:
    """What a label was given to.

    Attributes:
        label: its name.
        vocabulary: where it is from: ``words``, ``everyday``, ``moderation``, or a file's name; several have commas.
        rows: how many rows have it.
        min_probability: the probability from which on it was given.
        highest: the greatest probability; None if no row has it.
        examples: paths of rows that have it, the most probable first; of the most frequent labels alone.
    """

    label: str
    vocabulary: str
    rows: int
    min_probability: float
    highest: float | None = None
    examples: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """A JSON object."""
        return {
            "label": self.label,
            "vocabulary": self.vocabulary,
            "rows": self.rows,
            "min": self.min_probability,
            "highest": None if self.highest is None else round(self.highest, 4),
            "examples": [path_json(path) for path in self.examples],
        }


@dataclass(frozen=True, slots=True)
class Tagged:
    """What labels rows have. Labels are guesses of a model, each with a probability.

    Attributes:
        labels: the most frequent first; those that no row has, too.
        rows: how many rows were looked at, in this run and before.
        looked_at: how many of them in this run, or for a new label.
        untagged: how many of them no label fits.
        waiting: how many rows were not looked at yet.
        models: whose vectors they are.
        merged: the labels, those that several vocabularies have only once, as conditions see them.
    """

    labels: tuple[TagCount, ...]
    rows: int
    looked_at: int
    untagged: int
    waiting: int
    models: tuple[str, ...]
    merged: tuple[TagCount, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """A JSON object, without ``merged``."""
        return {
            "rows": self.rows,
            "looked_at": self.looked_at,
            "untagged": self.untagged,
            "waiting": self.waiting,
            "models": list(self.models),
            "labels": [label.to_json() for label in self.labels],
        }


def count_tags(collection: Collection, kept: KeptTags, looked_at: int, only: dict[str, set[str]] | None) -> Tagged:
    """What is kept as counts; ``only``: labels that are counted, by vocabulary."""
    spaces = {space: kinds_of(collection, space) for space in collection.spaces}
    every = live_ids(collection, spaces)
    kept.keep_rows(every)
    counts: list[TagCount] = []
    best: dict[tuple[str, str], list[int]] = {}
    tagged: dict[str, list[NDArray[np.int64]]] = {}
    for name, own in kept.vocabularies.items():
        lines = kept.lines_of(name)
        for label in own.labels:
            if only is not None and label.name not in only.get(name, ()):
                continue
            ids, probabilities = lines.get(label.name, (np.empty(0, np.int64), np.empty(0, np.float32)))
            highest = float(probabilities[0]) if len(ids) else None
            counts.append(TagCount(label.name, name, len(ids), label.min_probability, highest))
            best[name, label.name] = ids[: 4 * _EXAMPLES].tolist()
            tagged.setdefault(label.name, []).append(ids)
    counts.sort(key=lambda count: (-count.rows, count.label))
    counts[:_LABELS_WITH_EXAMPLES] = [
        _with_examples(collection, count, best[count.vocabulary, count.label])
        for count in counts[:_LABELS_WITH_EXAMPLES]
    ]
    rows = len(every)
    waiting = _waiting(collection, kept, spaces)
    each = {name: _union(ids) for name, ids in tagged.items()}
    fitted = len(_union(list(each.values())))
    models = tuple(space.model for space, kinds in spaces.items() if kinds)
    return Tagged(
        tuple(counts), rows - waiting, looked_at, rows - waiting - fitted, waiting, models, _merged(counts, each)
    )


def _union(ids: list[NDArray[np.int64]]) -> NDArray[np.int64]:
    return ids[0] if len(ids) == 1 else np.unique(np.concatenate([np.empty(0, np.int64), *ids]))


def _merged(counts: list[TagCount], ids: dict[str, NDArray[np.int64]]) -> tuple[TagCount, ...]:
    """One count for each label; ``ids``: the rows that have it, whichever vocabulary gave it."""
    alike: dict[str, list[TagCount]] = {}
    for count in counts:
        alike.setdefault(count.label, []).append(count)
    merged = [own[0] if len(own) == 1 else _one_of(own, len(ids[label])) for label, own in alike.items()]
    return tuple(sorted(merged, key=lambda count: (-count.rows, count.label)))


def _one_of(counts: list[TagCount], rows: int) -> TagCount:
    best = sorted(counts, key=lambda count: -(count.highest or 0.0))
    return TagCount(
        counts[0].label,
        ", ".join(sorted((count.vocabulary for count in counts), key=lambda name: (name != WORDS, name))),
        rows,
        min(count.min_probability for count in counts),
        best[0].highest,
        tuple(dict.fromkeys(path for count in best for path in count.examples))[:_EXAMPLES],
    )


def _with_examples(collection: Collection, count: TagCount, ids: list[int]) -> TagCount:
    paths = dict.fromkeys(record.path for record in collection.records(ids))
    return replace(count, examples=tuple(paths)[:_EXAMPLES])


def _waiting(collection: Collection, kept: KeptTags, spaces: dict[Space, list[Modality]]) -> int:
    """How many rows some vocabulary was not given to."""
    count = 0
    for space, kinds in spaces.items():
        first = min((one.spaces.get(space.key, SpaceState()).next_id for one in kept.vocabularies.values()), default=0)
        count += sum(count_from(collection, space, kind, first) for kind in kinds)
    return count
