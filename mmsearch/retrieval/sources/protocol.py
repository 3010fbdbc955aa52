"""What a source of items is: a list of parts, each a unit of work, and the items of a part."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from mmsearch.retrieval.media.workers.contents import HeldContent


@dataclass(frozen=True, slots=True)
class SourcePart:
    """A part of a source: what one worker reads as a whole, and reads again if it has changed.

    Attributes:
        address: the file that it is, or is in: a path or an address such as ``s3://bucket/00012.tar``. Of a slice of a
            folder, the folder.
        size: in bytes, as far as it is known before it is read.
        etag: changes whenever the content does.
        index: the number of the row group in a Parquet file; None elsewhere.
        names: of a slice of a folder, its files, relative to ``address``.
    """

    address: str
    size: int
    etag: str
    index: int | None = None
    names: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.names:
            return f"{self.address} ({self.names[0]} and {len(self.names) - 1:,} more)"
        return self.address if self.index is None else f"{self.address} (row group {self.index})"


@dataclass(slots=True)
class SourceItem:
    """One item of a part: a picture, a sound, a film, a text or a document, with what the source says about it.

    Attributes:
        path: what a hit shows: the path or address of a file, or ``archive#member``.
        content: its bytes, which the reader of the item closes; None where ``path`` is a file of this machine.
        size: of its bytes.
        mtime_ns: when it was changed last, in nanoseconds; of an item of an archive, when the archive was.
        captions: texts about it, each of which becomes a row of its own beside its picture.
        facts: the other values that the source has of it, by name.
        problem: why it cannot be read; None if it can.
    """

    path: str
    content: HeldContent | None
    size: int
    mtime_ns: int
    captions: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    problem: str | None = None

    @classmethod
    def of_bytes(
        cls,
        path: str,
        data: bytes,
        *,
        mtime_ns: int = 0,
        captions: tuple[str, ...] = (),
        facts: Mapping[str, Any] | None = None,
    ) -> SourceItem:
        """An item whose bytes are in memory.

        Args:
            path: what a hit shows; its ending may tell the format.
            data: the bytes of a file of any format that is read.
            mtime_ns: when it was changed last, in nanoseconds.
            captions: texts about it.
            facts: other values by name, that become columns.
        """
        return cls(path, HeldContent(data, len(data)), len(data), mtime_ns, captions, facts or {})

    def close(self) -> None:
        """Let go of its bytes."""
        if self.content is not None:
            self.content.close()


@dataclass(frozen=True, slots=True)
class SourceNote:
    """A remark on a part as a whole, that comes between its items.

    Attributes:
        path: of the file that it is about.
        reason: the remark, such as ``cut short``.
        passed_over: the name of something that was passed over on purpose; then ``reason`` is its kind.
    """

    path: str
    reason: str
    passed_over: str | None = None


@runtime_checkable
class Source(Protocol):
    """Where items come from. Reading the same part twice gives the same items in the same order."""

    def parts(self) -> Iterator[SourcePart]:
        """The parts, in an order that stays.

        Raises:
            MMSearchError: the source is not there, or cannot be read.
        """
        ...

    def items(self, part: SourcePart) -> Iterator[SourceItem | SourceNote]:
        """The items of a part, one at a time: the reader closes each before it asks for many more.

        They are asked for by several threads, never by two at once.

        Args:
            part: one of `parts`.

        Raises:
            MMSearchError: the part is gone, or nothing of it can be read.
        """
        ...
