"""A line cut into words, of which the readers take those that they understand."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

_AROUND = ',;:?!()[]"“”„«»'


@dataclass(frozen=True, slots=True)
class Token:
    """A word.

    Attributes:
        text: as it is written.
        plain: without what stands around it.
        key: ``plain`` in small letters.
        ends: a comma or the like follows.
    """

    text: str
    plain: str
    key: str
    ends: bool

    @property
    def is_capital(self) -> bool:
        """Whether it begins with a capital letter."""
        return self.plain[:1].isupper()


@dataclass(slots=True)
class Line:
    """The words of a line, and which of them are taken. What is taken parts the words on its sides.

    Attributes:
        tokens: the words.
        taken: for each word, whether a reader has taken it.
    """

    tokens: list[Token]
    taken: list[bool] = field(default_factory=list)

    @classmethod
    def of(cls, text: str) -> Line:
        """A line cut at white space."""
        tokens = []
        for word in text.split():
            plain = word.strip(_AROUND)
            plain = plain if re.search(r"\d$", plain[:-1]) else plain.rstrip(".")
            tokens.append(Token(word, plain, plain.casefold(), word[-1:] in ",;:?!.)"))
        return cls(tokens, [False] * len(tokens))

    def __len__(self) -> int:
        return len(self.tokens)

    def key(self, at: int) -> str:
        """The word at a place, in small letters; empty where there is none, or it is taken."""
        return self.tokens[at].key if 0 <= at < len(self.tokens) and not self.taken[at] else ""

    def keys(self, start: int, count: int) -> list[str]:
        """Some neighbouring words; empty ones where there are none."""
        return [self.key(start + i) for i in range(count)]

    def take(self, start: int, stop: int) -> str:
        """Take some words; returns them as they are written."""
        for at in range(start, stop):
            self.taken[at] = True
        return self.text(start, stop)

    def text(self, start: int, stop: int) -> str:
        """Some neighbouring words as they are written, without what stands around them."""
        return " ".join(token.text for token in self.tokens[start:stop]).strip(_AROUND + " ")

    def rest(self) -> str:
        """The words that nobody took, as they are written, without commas that lost a side."""
        left = [token.text for token, taken in zip(self.tokens, self.taken, strict=True) if not taken]
        return " ".join(left).strip(",;: ")

    def is_edge(self, at: int) -> bool:
        """Whether no word stands at a place: before the line, behind it, or because it is taken."""
        return not self.key(at)

    def back_over(self, at: int, words: Iterable[str]) -> int:
        """The place of the first of the words before ``at`` that are all among ``words``; ``at`` if there are none."""
        known = set(words)
        while at > 0 and self.key(at - 1) in known:
            at -= 1
        return at
