"""What `find_duplicates` gives back: groups of files that are copies of one another, and which of each is kept."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from mmsearch.hits import Record
from mmsearch.types import path_json

Reason = Literal[
    "same content", "resized", "recompressed", "cropped", "turned", "overlaid", "burst", "film", "sound", "different"
]
"""What makes a file a copy. *Different* pairs were checked and are none; they are in no result."""

KEEP_RULES = ("largest", "oldest", "newest", "first-path")
"""The rules by which one file of a group is kept."""

DUPLICATE_KINDS = ("exact", "near", "burst", "film", "sound")
"""What can be looked for."""


@dataclass(frozen=True, slots=True)
class DuplicateFile:
    """A file of a group.

    Attributes:
        record: its row, or the first of several.
        size: of the file, in bytes.
        reason: why it is a copy of the one that is kept: ``same content``, ``resized``, ``recompressed``, ``cropped``,
            ``turned`` (or mirrored), ``overlaid`` (part of it shows something else), ``burst`` (taken in the seconds
            before or after), ``film`` or ``sound``. Empty for the file that is kept.
        number: how much of what both show or play agrees, up to 1.
    """

    record: Record
    size: int
    reason: str = ""
    number: float = 1.0

    @property
    def path(self) -> str:
        """The path of the file."""
        return self.record.path

    def to_json(self) -> dict[str, Any]:
        """The fields as a JSON object."""
        record = self.record
        return {
            **path_json(record.path),
            "id": record.id,
            "modality": record.modality,
            **({"reason": self.reason, "number": round(self.number, 4)} if self.reason else {}),
            "size": self.size,
            "width": record.width,
            "height": record.height,
            "duration_s": record.duration_s,
            "taken_at": record.taken_at.isoformat() if record.taken_at else None,
        }


@dataclass(frozen=True, slots=True)
class DuplicateGroup:
    """Files that are copies of one of them. Each was compared with the one that is kept.

    Attributes:
        id: of the group; it stays the same in later runs.
        kept: the file that is kept.
        copies: the others, the best first.
    """

    id: int
    kept: DuplicateFile
    copies: tuple[DuplicateFile, ...]

    @property
    def freed(self) -> int:
        """Bytes that the disk would have more without the copies."""
        return sum(copy.size for copy in self.copies)

    def to_json(self) -> dict[str, Any]:
        """The fields as a JSON object."""
        return {
            "group": self.id,
            "freed": self.freed,
            "kept": self.kept.to_json(),
            "copies": [copy.to_json() for copy in self.copies],
        }


@dataclass(frozen=True, slots=True)
class Duplicates:
    """What `find_duplicates` has found; iterating gives the groups.

    Attributes:
        groups: the groups, those first whose copies take most bytes.
        compared: pairs that were compared in this run; earlier runs' are not compared again.
        unreadable: files that could not be opened to compare them, each with the reason.
    """

    groups: list[DuplicateGroup] = field(default_factory=list)
    compared: int = 0
    unreadable: dict[str, str] = field(default_factory=dict)

    def __iter__(self) -> Iterator[DuplicateGroup]:
        """The groups."""
        return iter(self.groups)

    def __len__(self) -> int:
        """How many groups there are."""
        return len(self.groups)

    @property
    def copies(self) -> list[DuplicateFile]:
        """All files but those that are kept."""
        return [copy for group in self.groups for copy in group.copies]

    @property
    def freed(self) -> int:
        """Bytes that the disk would have more without the copies."""
        return sum(group.freed for group in self.groups)

    def to_json(self) -> dict[str, Any]:
        """The result as ``mmsearch duplicates --json`` prints it."""
        return {
            "groups": [group.to_json() for group in self.groups],
            "copies": len(self.copies),
            "freed": self.freed,
            "compared": self.compared,
            "unreadable": [{**path_json(path), "reason": reason} for path, reason in self.unreadable.items()],
        }
