"""Members of an archive become items: a picture, sound or film with the caption and the facts beside it.

Archives of WebDataset hold files of one sample one after another: ``000123.jpg``, ``000123.json``, ``000123.txt``. What
stands before the first dot of the name is the sample's key.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mmsearch.retrieval.media.workers.contents import HeldContent
from mmsearch.retrieval.sources.addresses import member_path
from mmsearch.retrieval.sources.protocol import SourceItem, SourceNote
from mmsearch.types import sized

_CAPTIONS = ("txt", "text", "caption", "captions", "cap")
_CAPTION_FIELDS = ("caption", "captions", "text", "TEXT", "description", "title", "alt_text")
_MOST_SIDECAR = 16 << 20
_LONGEST_INTEGER = 2**63


@dataclass(frozen=True, slots=True)
class Member:
    """A file in an archive, that can be read until the next one is asked for.

    Attributes:
        name: its name in the archive.
        size: in bytes.
        read: gives its bytes.
        hold: holds its bytes for a decoding worker.
        problem: why it cannot be read; None if it can.
    """

    name: str
    size: int
    read: Callable[[], bytes]
    hold: Callable[[], HeldContent]
    problem: str | None = None


def items_of_members(members: Iterable[Member], archive: str, mtime_ns: int) -> Iterator[SourceItem | SourceNote]:
    """The items of an archive, in its order; what was there twice or is hidden comes as a note.

    Args:
        members: the files in it, those of one sample one after another.
        archive: its address.
        mtime_ns: when it was changed last.
    """
    seen: set[str] = set()
    sample = _Sample("", archive, mtime_ns)
    try:
        for member in members:
            if is_hidden(member.name):
                yield SourceNote(member_path(archive, member.name), "hidden", passed_over=member.name)
                continue
            if member.name in seen:
                yield SourceNote(
                    member_path(archive, member.name), "the archive holds this name twice: the first counts"
                )
                continue
            seen.add(member.name)
            key, ending = split_key(member.name)
            if key != sample.key:
                yield from sample.items()
                sample = _Sample(key, archive, mtime_ns)
            sample.add(member, ending)
        yield from sample.items()
    except Exception:  # of the archive: what was read of the last sample is whole
        yield from sample.items()
        raise
    finally:
        sample.close()


def split_key(name: str) -> tuple[str, str]:
    """The key of the sample that a member belongs to, and the rest of its name: ``a/b.c.jpg`` → ``a/b``, ``c.jpg``."""
    folder, slash, base = name.rpartition("/")
    key, _, ending = base.partition(".")
    return folder + slash + key, ending.lower()


def is_hidden(name: str) -> bool:
    """Whether a member is of those that programs leave in archives, or begins with a dot."""
    return any((part.startswith(".") and part not in (".", "..")) or part == "__MACOSX" for part in name.split("/"))


class _Sample:
    """The members of one sample."""

    def __init__(self, key: str, archive: str, mtime_ns: int) -> None:
        self.key = key
        self._archive, self._mtime_ns = archive, mtime_ns
        self._items: list[SourceItem] = []
        self._texts: list[tuple[Member, bytes]] = []
        self._facts: dict[str, Any] = {}
        self._captions: list[str] = []
        self._notes: list[SourceNote] = []

    def add(self, member: Member, ending: str) -> None:
        if member.problem is not None:
            self._items.append(self._item(member, None, member.problem))
        elif ending in _CAPTIONS and member.size <= _MOST_SIDECAR:
            self._texts.append((member, member.read()))
        elif ending == "json" and member.size <= _MOST_SIDECAR:
            self._add_json(member)
        elif ending == "cls" and member.size <= _MOST_SIDECAR:
            self._facts["cls"] = _label(member.read())
        else:
            self._items.append(self._item(member, member.hold()))

    def items(self) -> Iterator[SourceItem | SourceNote]:
        """The sample's items; a text without any picture, sound or film beside it is an item itself."""
        yield from self._notes
        if not self._items:
            lone, self._texts = self._texts, []
            for member, data in lone:
                yield self._item(member, HeldContent(data, len(data)))
            return
        texts = [data.decode("utf-8", "replace").strip() for _, data in self._texts]
        captions = tuple(dict.fromkeys(text for text in [*texts, *self._captions] if text))
        items, self._items = self._items, []
        for item in items:
            item.captions, item.facts = captions, self._facts
            yield item

    def close(self) -> None:
        for item in self._items:
            item.close()

    def _item(self, member: Member, content: HeldContent | None, problem: str | None = None) -> SourceItem:
        path = member_path(self._archive, member.name)
        return SourceItem(path, content, member.size, self._mtime_ns, problem=problem)

    def _add_json(self, member: Member) -> None:
        try:
            data = json.loads(member.read())
            if not isinstance(data, dict):
                raise ValueError("not an object")
        except ValueError:
            path = member_path(self._archive, member.name)
            self._notes.append(SourceNote(path, "no facts can be read from it: it is no JSON object"))
            return
        field, captions = captions_in(data)
        self._captions += captions
        self._facts |= facts_in(data, besides=field)


def captions_in(data: Mapping[str, Any], column: str | None = None) -> tuple[str | None, list[str]]:
    """The texts about an item in its fields, and the field that they are from: the named one, else one that usually
    holds them."""
    for name in _CAPTION_FIELDS if column is None else (column,):
        value = data.get(name)
        values = value if isinstance(value, list) else [value]
        found = [text.strip() for text in values if isinstance(text, str) and text.strip()]
        if found:
            return name, list(dict.fromkeys(found))
    return None, []


def facts_in(data: Mapping[str, Any], besides: str | None = None) -> dict[str, Any]:
    """The values of fields: numbers, texts, booleans, times and lists of texts as they are, others as JSON texts.

    ``besides``: a field that is left out.
    """
    facts = {}
    for name, value in data.items():
        if value is None or name == besides or (isinstance(value, float) and not math.isfinite(value)):
            continue
        if isinstance(value, int) and not -_LONGEST_INTEGER <= value < _LONGEST_INTEGER:
            value = str(value)
        if isinstance(value, dict) or (isinstance(value, list) and not all(isinstance(one, str) for one in value)):
            value = json.dumps(value, ensure_ascii=False, default=str)
        facts[name] = value
    return facts


def _label(data: bytes) -> int | str:
    text = data.decode("utf-8", "replace").strip()
    try:
        return int(text)
    except ValueError:
        return text


def too_large(size: int, packed: int) -> str | None:
    """Why a member is not unpacked: its packed bytes claim to hold far more than pictures and films do."""
    if size > _SUSPICIOUS_BYTES and size > _MOST_TIMES_PACKED * max(packed, 1):
        return f"{sized(packed)} that unpack to {sized(size)}: not read"
    return None


_SUSPICIOUS_BYTES = 256 << 20
_MOST_TIMES_PACKED = 100
