"""One run that gives labels: which rows are looked at for which labels, block by block."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from mmsearch.collection import Collection
from mmsearch.errors import CannotEmbedError, UsageError
from mmsearch.library.tagging.kept import TABLE, Given, KeptTags, SpaceState, Vocabulary
from mmsearch.library.tagging.labels import Label, vocabulary
from mmsearch.library.tagging.likelihood import FITS, Background, Floats, Spreads, fitting, label_vectors
from mmsearch.library.tagging.rows import count_from, kinds_of, live_ids
from mmsearch.types import Modality, Space

WatchRows = Callable[[int, int], None]
"""Called with how many rows were looked at, and how many are to be."""

_MOST_LABELS_OF_ROW = 8
_FEW = 64  # a vocabulary of so many labels gives a row all that fit, and each is computed for itself
_CELLS = 8_000_000  # rows times labels at once: 32 MB
_BLOCK = 16_384  # rows at once
_BACKGROUND = 500  # labels that rows are compared with, about
_MEASURED = 65_536  # rows that spreads are measured on, about
_TEXTS = 256  # embedded at once


class Run:
    """One call of `tag`: changes what is kept, and stores it at the end."""

    def __init__(self, collection: Collection, kept: KeptTags, watch: WatchRows | None) -> None:
        self._collection, self._kept = collection, kept
        self._watch = watch or (lambda done, of: None)
        self._next_id = collection.manifest.next_id
        self._spaces = {space: kinds_of(collection, space) for space in collection.spaces}
        if not any(self._spaces.values()):
            raise UsageError("there are no pictures, films or sounds to label")
        self._backgrounds: dict[tuple[str, bool], Background | None] = {}
        self.looked_at = 0

    def bring_up_to_date(self, name: str, labels: list[Label]) -> None:
        """Give the labels of a vocabulary to the rows that were not looked at for them."""
        kept = self._kept
        old = kept.vocabularies.get(name) or Vocabulary([])
        known = {label.digest for label in old.labels}
        fresh = [label for label in labels if label.digest not in known]
        gone = known - {label.digest for label in labels}
        if len(labels) > _FEW and (fresh or gone):
            fresh = labels
        stale = {label.name for label in old.labels if label.digest in gone} | {label.name for label in fresh}
        kept.drop(name, stale)
        new = Vocabulary(labels, {key: state for key, state in old.spaces.items() if key in self._keys()})
        embedded = [self._in_space(name, new, space, fresh) for space, kinds in self._spaces.items() if kinds]
        if not any(embedded):
            models = ", ".join(space.model for space in self._spaces)
            raise CannotEmbedError(f"labels are words, and no model of the collection embeds words: {models}")
        kept.vocabularies[name] = new

    def keep(self) -> None:
        """Store what was given."""
        self._kept.keep_rows(live_ids(self._collection, self._spaces))
        self._collection.set_side_tables({TABLE: self._kept.stored()})

    def _keys(self) -> set[str]:
        return {space.key for space in self._spaces}

    def _in_space(self, name: str, own: Vocabulary, space: Space, fresh: list[Label]) -> bool:
        """Look at the rows of a space; whether its model embeds words."""
        state = own.spaces.get(space.key) or SpaceState()
        kinds = [kind for kind in self._spaces[space] if any(kind in label.to for label in own.labels)]
        later = {kind: count_from(self._collection, space, kind, state.next_id) for kind in kinds}
        if any(count > state.rows.get(kind, 0) for kind, count in later.items()):  # twice as many: measured anew
            self._kept.drop(name, None, space.key)
            state, fresh = SpaceState(), own.labels
        computed = {label.name for label in fresh}
        old = [label for label in own.labels if label.name not in computed]
        for kind in kinds:
            background = self._background(space, kind)
            if background is None:
                return False
            new = [label for label in fresh if kind in label.to]
            if new:
                weights = self._weights(space, kind, new)
                measured, state.rows[kind] = self._measure(space, kind, background)
                spreads = measured.of(weights, FITS[kind].usual)
                state.spreads.setdefault(kind, {}).update(
                    zip([label.name for label in new], spreads.round(4).tolist(), strict=True)
                )
                self._give(name, own, space, kind, background, (new, weights), state, from_id=0)
            kept = [label for label in old if kind in label.to]
            if kept and later[kind]:
                weights = self._weights(space, kind, kept)
                self._give(name, own, space, kind, background, (kept, weights), state, from_id=state.next_id)
        state.next_id = self._next_id
        names = {label.name for label in own.labels}
        state.spreads = {kind: {n: s for n, s in by.items() if n in names} for kind, by in state.spreads.items()}
        own.spaces[space.key] = state
        return True

    def _give(
        self,
        name: str,
        own: Vocabulary,
        space: Space,
        kind: Modality,
        background: Background,
        what: tuple[list[Label], Floats],
        state: SpaceState,
        from_id: int,
    ) -> None:
        """Look at rows from an id on, and add the labels that fit."""
        labels, weights = what
        spreads = np.array([state.spreads[kind][label.name] for label in labels])
        least = [label.min_probability for label in labels]
        total = count_from(self._collection, space, kind, from_id)
        parts: list[Given] = []
        done = 0
        many = len(own.labels) > _FEW
        block = min(max(_CELLS // len(labels), 64), _BLOCK)
        for ids, vectors in self._blocks(space, kind, from_id, block):
            scaled = background.scaled(vectors)
            rows, numbers, probabilities = fitting(scaled, weights, spreads, least, FITS[kind], many=many)
            if many:
                best = _best_of_each(rows, probabilities)
                rows, numbers, probabilities = rows[best], numbers[best], probabilities[best]
            parts.append(Given(ids[rows], numbers, probabilities))
            done += len(ids)
            self._watch(done, total)
        self.looked_at = max(self.looked_at, done)
        self._kept.add(name, space.key, [label.name for label in labels], Given.joined(parts))

    def _blocks(
        self, space: Space, kind: Modality, from_id: int, rows: int
    ) -> Iterator[tuple[NDArray[np.int64], Floats]]:
        return self._collection.vector_blocks(kind, space=space, from_id=from_id, rows=rows)

    def _measure(self, space: Space, kind: Modality, background: Background) -> tuple[Spreads, int]:
        """The spreads over the rows of a kind, by an even sample of them; and how many rows there are."""
        total = count_from(self._collection, space, kind, 0)
        step = -(-total // _MEASURED) or 1
        spreads, start = Spreads(space.dim + 1), 0
        for ids, vectors in self._blocks(space, kind, 0, _BLOCK):
            spreads.add(background.scaled(vectors[-start % step :: step]))
            start += len(ids)
        return spreads, total

    def _weights(self, space: Space, kind: Modality, labels: Sequence[Label]) -> Floats:
        return Background.weights(label_vectors(labels, kind, lambda texts: self._embed(space, texts)))

    def _embed(self, space: Space, texts: Sequence[str]) -> Floats:
        encode = getattr(self._collection.encoder(space), "encode_texts", None)
        if encode is None:
            raise CannotEmbedError(f"model {space.model} embeds no words")
        parts = [
            encode(
                list(texts[start : start + _TEXTS]),
            )
            for start in range(0, len(texts), _TEXTS)
        ]
        found: Floats = np.concatenate(parts).astype(np.float32)
        return found

    def _background(self, space: Space, kind: Modality) -> Background | None:
        """What rows of a kind are compared with; None if the space's model embeds no words."""
        key = (space.key, kind == "audio")
        if key not in self._backgrounds:
            _, known = vocabulary("everyday", None, (kind,))
            try:
                vectors = label_vectors(
                    known[:: max(1, len(known) // _BACKGROUND)], kind, lambda texts: self._embed(space, texts)
                )
                self._backgrounds[key] = Background(vectors)
            except CannotEmbedError:
                self._backgrounds[key] = None
        return self._backgrounds[key]


def _best_of_each(rows: NDArray[np.int64], probabilities: Floats) -> NDArray[np.int64]:
    """Positions of the most probable labels of each row; ``rows`` are ascending."""
    order = np.lexsort((-probabilities, rows))
    starts = np.searchsorted(rows, rows)
    return np.sort(order[np.arange(len(rows)) - starts < _MOST_LABELS_OF_ROW])
