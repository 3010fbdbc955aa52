"""A lexical index over several segments: which rows hold what is sought."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mmsearch.indexes.lexical.segment import LexicalSegment, phrase_expression

_KEPT = 64  # answers to words

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
        return int(self._kept((expression, "count"), lambda: sum(one.count(expression) for one in self.segments)))

    def _ids(self, expression: str, most: int | None) -> NDArray[np.int64]:
        found: NDArray[np.int64] = self._kept((expression, most), lambda: self._look_up(expression, most))
        return found

    def _kept(self, key: Hashable, look_up: Callable[[], Any]) -> Any:
        """What was looked up before: a query asks for the weights of its words first, and then for their rows."""
        with self._guard:
            if key in self._answers:
                return self._answers[key]
        found = look_up()
        with self._guard:
            while len(self._answers) >= _KEPT:
                del self._answers[next(iter(self._answers))]
            self._answers[key] = found
        return found

    def _look_up(self, expression: str, most: int | None) -> NDArray[np.int64]:
        found: list[NDArray[np.int64]] = []
        room = most
        for segment in self.segments:
            if room is not None and room <= 0:
                break
            found.append(segment.ids(expression, room))
            room = None if room is None else room - len(found[-1])
        return np.concatenate(found) if found else np.empty(0, np.int64)
