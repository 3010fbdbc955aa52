"""A lexical index over several segments: which rows hold what is sought."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mmsearch.indexes.lexical.segment import LexicalSegment, phrase_expression

_KEPT_BYTES = 4 << 20  # answers to words
_ANSWER_BYTES = 200  # of an answer without its ids
_FEW = 256  # rows of a word that are looked up at once; of more they are counted first

Column = Literal["name", "text"]


@dataclass(frozen=True, slots=True)
class Sought:
    """A word or phrase to look for.

    Attributes:
        words: folded words that stand one after another, at least one.
        prefix: the last of them is the beginning of a word.
    """

    words: tuple[str, ...]
    prefix: bool = False

    def expression(self, column: Column | None = None) -> str:
        """It as an expression of FTS5."""
        return phrase_expression(self.words, prefix=self.prefix, column=column)


class LexicalIndex:
    """Segments that cover rows one after another, by ascending id. Thread-safe."""

    def __init__(self, segments: Sequence[LexicalSegment]) -> None:
        self.segments = list(segments)
        self._answers: dict[Hashable, Any] = {}
        self._bytes = 0
        self._guard = threading.Lock()

    def __len__(self) -> int:
        """How many rows have any words."""
        return sum(segment.rows for segment in self.segments)

    def ids(self, sought: Sought, *, column: Column | None = None, most: int | None = None) -> NDArray[np.int64]:
        """The ids of rows that hold a word or phrase, ascending.

        Args:
            sought: what they hold.
            column: where: in the ``name`` of the file or in the ``text`` of the row; default anywhere.
            most: how many ids, at most; the rest is not looked for.
        """
        return self._ids(sought.expression(column), most)

    def ids_with_all(self, all_sought: Sequence[Sought], most: int) -> NDArray[np.int64]:
        """The ids of the first ``most`` rows that hold each of several words and phrases."""
        return self._ids(" AND ".join(f"({sought.expression()})" for sought in all_sought), most)

    def count(self, sought: Sought) -> int:
        """How many rows hold a word or phrase, dead ones included."""
        expression = sought.expression()
        ids = self._answers.get((expression, None))
        if ids is not None:
            return len(ids)
        if len(sought.words) > 1 and self._lacks(sought):
            self._keep((expression, None), np.empty(0, np.int64))
            return 0
        return int(self._kept((expression, "count"), lambda: self._count(expression)))

    def _count(self, expression: str) -> int:
        """How many rows match; the rows are kept if they are few, for they are asked for next."""
        few = self._look_up(expression, _FEW + 1)
        if len(few) > _FEW:
            return sum(one.count(expression) for one in self.segments)
        self._keep((expression, None), few)
        return len(few)

    def _lacks(self, phrase: Sought) -> bool:
        """Whether no row can hold a phrase, by what is known of its words."""
        whole = phrase.words[:-1] if phrase.prefix else phrase.words
        known = [self._answers.get((Sought((word,)).expression(), None)) for word in whole]
        some = sorted((ids for ids in known if ids is not None), key=len)
        if not some or not len(some[0]):
            return bool(some)
        return any(not _have_common(some[0], other) for other in some[1:])

    def _ids(self, expression: str, most: int | None) -> NDArray[np.int64]:
        found: NDArray[np.int64] = self._kept((expression, most), lambda: self._look_up(expression, most))
        return found

    def _kept(self, key: Hashable, look_up: Callable[[], Any]) -> Any:
        """What was looked up before: a query asks for the weights of its words first, and then for their rows."""
        known = self._answers.get(key)
        if known is not None:
            return known
        found = look_up()
        self._keep(key, found)
        return found

    def _keep(self, key: Hashable, found: Any) -> None:
        with self._guard:
            if key in self._answers:
                return
            self._answers[key] = found
            self._bytes += _size(found)
            while self._bytes > _KEPT_BYTES:
                self._bytes -= _size(self._answers.pop(next(iter(self._answers))))

    def _look_up(self, expression: str, most: int | None) -> NDArray[np.int64]:
        found: list[NDArray[np.int64]] = []
        room = most
        for segment in self.segments:
            if room is not None and room <= 0:
                break
            found.append(segment.ids(expression, room))
            room = None if room is None else room - len(found[-1])
        return np.concatenate(found) if found else np.empty(0, np.int64)


def _have_common(few: NDArray[np.int64], many: NDArray[np.int64]) -> bool:
    """Whether two ascending lists of ids share any."""
    places = np.minimum(np.searchsorted(many, few), len(many) - 1)
    return bool((many[places] == few).any())


def _size(found: Any) -> int:
    return _ANSWER_BYTES + (found.nbytes if isinstance(found, np.ndarray) else 0)
