"""Reads XML of untrusted origin as a stream of elements. Entities are refused, and nothing is fetched."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from xml.parsers import expat

from mmsearch.errors import DecodeError

Attributes = Mapping[str, str]


class XmlReader:
    """Is told of elements as they come, by names without their prefixes. Subclasses override what they need.

    Text inside of `skipped` elements, and the elements in them, are passed over.
    """

    skipped: frozenset[str] = frozenset()

    def __init__(self) -> None:
        self._skipping = 0

    def start(self, name: str, attributes: Attributes) -> None:
        """An element begins. Names of attributes have their prefixes; see `attribute`."""

    def end(self, name: str) -> None:
        """An element ends."""

    def text(self, text: str) -> None:
        """Some text, perhaps a part of what stands between two tags."""

    def read(self, pieces: Iterable[bytes]) -> None:
        """Read a file, given in pieces.

        Raises:
            DecodeError: it is no XML, or declares entities.
        """
        parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.StartElementHandler = self._on_start
        parser.EndElementHandler = self._on_end
        parser.CharacterDataHandler = self._on_text
        parser.EntityDeclHandler = _refuse_entity
        try:
            for piece in pieces:
                parser.Parse(piece, False)
            parser.Parse(b"", True)
        except (expat.ExpatError, ValueError, LookupError):  # the last two: an encoding that is not known
            raise DecodeError("damaged: the XML in it cannot be read") from None

    def _on_start(self, name: str, attributes: Attributes) -> None:
        name = name.rpartition(":")[2]
        if self._skipping or name in self.skipped:
            self._skipping += 1
        else:
            self.start(name, attributes)

    def _on_end(self, name: str) -> None:
        if self._skipping:
            self._skipping -= 1
        else:
            self.end(name.rpartition(":")[2])

    def _on_text(self, text: str) -> None:
        if not self._skipping:
            self.text(text)


def _refuse_entity(*_: Any) -> None:
    raise DecodeError("it declares XML entities, as no office program does: not read")


def attribute(attributes: Attributes, name: str) -> str:
    """The value of an attribute, whatever its prefix; empty if there is none."""
    for key, value in attributes.items():
        if key.rpartition(":")[2] == name:
            return value
    return ""


class Leaves(XmlReader):
    """The texts of elements by name, several of the same name in order, such as those of a file of metadata."""

    _MOST, _LONGEST = 10_000, 10_000

    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, list[str]] = {}
        self._parts: list[str] = []
        self._left = self._MOST

    def start(self, name: str, attributes: Attributes) -> None:
        """See `XmlReader`."""
        self._parts = []

    def text(self, text: str) -> None:
        """See `XmlReader`."""
        if len(self._parts) < self._LONGEST:
            self._parts.append(text[: self._LONGEST])

    def end(self, name: str) -> None:
        """See `XmlReader`."""
        text, self._parts = "".join(self._parts).strip(), []
        if text and self._left:
            self._left -= 1
            self.found.setdefault(name, []).append(text)

    def first(self, name: str) -> str | None:
        """The first text of an element of that name."""
        return next(iter(self.found.get(name, ())), None)
