"""Parts of a collection: which rows are in which, decided by the manifest alone, so that all processes agree."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

from mmsearch.errors import UsageError

_WRITTEN = re.compile(r"\s*(\d{1,6})\s*/\s*(\d{1,6})\s*")


@dataclass(frozen=True, slots=True, order=True)
class Part:
    """One of several parts of a collection: of each modality, neighbouring rows by their ids.

    The parts of a modality differ by one row at most. Together they have each row once.

    Attributes:
        number: from 1.
        count: how many parts there are.
    """

    number: int
    count: int

    @classmethod
    def read(cls, text: str) -> Self:
        """A part as a person writes it: ``3/8``.

        Raises:
            UsageError: it is none.
        """
        match = _WRITTEN.fullmatch(text)
        if match is None or not 1 <= int(match[1]) <= int(match[2]):
            raise UsageError(f"{text!r} is no part; the third of eight is 3/8")
        return cls(int(match[1]), int(match[2]))

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    def span(self, rows: int) -> tuple[int, int]:
        """The positions of its rows among so many: the first, and that after the last."""
        return rows * (self.number - 1) // self.count, rows * self.number // self.count
