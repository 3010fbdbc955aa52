"""The table of labels beside the rows: ``id``, ``label``, ``probability``, ``vocabulary``, ``space``.

Its metadata says which vocabularies there are, with all labels, and up to which id rows were looked at: a row without a
label is in no line.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mmsearch.library.tagging.labels import Label
from mmsearch.types import Modality

if TYPE_CHECKING:
    import pyarrow as pa

TABLE = "tags"
"""The name of the side table."""

_METADATA = b"mmsearch.tags"


@dataclass
class SpaceState:
    """How far a vocabulary has come in a space.

    Attributes:
        next_id: rows of this id and greater ones were not looked at.
        rows: of each modality, on how many rows the spreads were measured.
        spreads: of each modality, those of the labels by name.
    """

    next_id: int = 0
    rows: dict[Modality, int] = field(default_factory=dict)
    spreads: dict[Modality, dict[str, float]] = field(default_factory=dict)


@dataclass
class Vocabulary:
    """A vocabulary that labels were given from; ``spaces`` goes by the keys of spaces."""

    labels: list[Label]
    spaces: dict[str, SpaceState] = field(default_factory=dict)


@dataclass
class Given:
    """Labels that rows were given: ids of rows, numbers of labels in a list, probabilities; ``[n]`` each."""

    ids: NDArray[np.int64]
    labels: NDArray[np.int64]
    probabilities: NDArray[np.float32]

    @classmethod
    def joined(cls, parts: Sequence[Given]) -> Given:
        """Several as one."""
        empty = cls(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32))
        every = [empty, *parts]
        return cls(*(np.concatenate([getattr(part, name) for part in every]) for name in cls.__annotations__))


class KeptTags:
    """The table and what its metadata says."""

    def __init__(self, table: pa.Table | None) -> None:
        self.vocabularies: dict[str, Vocabulary] = {}
        self.table = _schema().empty_table() if table is None else table.cast(_schema())
        metadata = (None if table is None else table.schema.metadata) or {}
        if _METADATA in metadata:
            for name, data in json.loads(metadata[_METADATA])["vocabularies"].items():
                spaces = {key: SpaceState(**state) for key, state in data["spaces"].items()}
                self.vocabularies[name] = Vocabulary([Label.from_json(label) for label in data["labels"]], spaces)

    def drop(self, vocabulary: str, labels: Iterable[str] | None, space: str | None = None) -> None:
        """Take lines out: of a vocabulary all, or those of some labels; of one space alone, if it is named."""
        import pyarrow as pa
        import pyarrow.compute as pc

        out = pc.equal(self.table["vocabulary"], vocabulary)
        if labels is not None:
            out = pc.and_(out, pc.is_in(self.table["label"], value_set=pa.array(list(labels), pa.string())))
        if space is not None:
            out = pc.and_(out, pc.equal(self.table["space"], space))
        self.table = self.table.filter(pc.invert(out))

    def keep_rows(self, ids: NDArray[np.int64]) -> None:
        """Take lines out whose ids are not among these, ascending."""
        own = self.table["id"].to_numpy()
        places = np.searchsorted(ids, own)
        there = places < len(ids)
        there[there] = ids[places[there]] == own[there]
        if not there.all():
            self.table = self.table.filter(there)

    def add(self, vocabulary: str, space: str, names: Sequence[str], given: Given) -> None:
        """Add lines; ``names`` are what the numbers of labels stand for."""
        import pyarrow as pa

        count = len(given.ids)
        same = np.zeros(count, np.int32)

        def words(numbers: NDArray[np.integer[Any]], of: Sequence[str]) -> pa.DictionaryArray:
            return pa.DictionaryArray.from_arrays(pa.array(numbers, pa.int32()), pa.array(list(of), pa.string()))

        columns = [
            pa.array(given.ids),
            words(given.labels, names),
            pa.array(given.probabilities),
            words(same, [vocabulary]),
            words(same, [space]),
        ]
        self.table = pa.concat_tables([self.table, pa.table(columns, schema=_schema())])

    def stored(self) -> pa.Table:
        """The table to store, words as numbers of a dictionary, with metadata."""
        data = {
            name: {
                "labels": [label.to_json() for label in one.labels],
                "spaces": {key: vars(state) for key, state in one.spaces.items()},
            }
            for name, one in self.vocabularies.items()
        }
        text = json.dumps({"vocabularies": data}, ensure_ascii=False)
        table = self.table.unify_dictionaries().combine_chunks()
        return table.replace_schema_metadata({_METADATA: text.encode()})

    def lines_of(self, vocabulary: str) -> dict[str, tuple[NDArray[np.int64], NDArray[np.float32]]]:
        """Ids and probabilities by label, of a vocabulary, the most probable first."""
        import pyarrow.compute as pc

        part = self.table.filter(pc.equal(self.table["vocabulary"], vocabulary))
        coded = part["label"].unify_dictionaries().combine_chunks()
        codes = coded.indices.to_numpy()
        ids, probabilities = part["id"].to_numpy(), part["probability"].to_numpy()
        order = np.lexsort((ids, -probabilities, codes))
        bounds = np.searchsorted(codes[order], np.arange(len(coded.dictionary) + 1))
        return {
            name: (ids[order[start:stop]], probabilities[order[start:stop]])
            for name, start, stop in zip(coded.dictionary.to_pylist(), bounds, bounds[1:], strict=False)
        }


def _schema() -> Any:
    import pyarrow as pa

    text = pa.dictionary(pa.int32(), pa.string())
    return pa.schema(
        [("id", pa.int64()), ("label", text), ("probability", pa.float32()), ("vocabulary", text), ("space", text)]
    )
