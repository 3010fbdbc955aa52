"""What `find_groups` gives back: groups of files, each with an id, a name, and files that show what is in it."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Literal, SupportsIndex, overload

import numpy as np
from numpy.typing import NDArray

from mmsearch.hits import Record
from mmsearch.types import path_json

GroupKind = Literal["look", "sound", "text", "event"]
"""What the files of a group have in common: the look of pictures and films, the sound of recordings, what texts are
about, or when and where they were made."""

GroupsBy = Literal["look", "event"]
"""How files are grouped: by what is in them, or by when and where they were made."""

GROUPS_BY: tuple[GroupsBy, ...] = ("look", "event")


@dataclass(frozen=True, kw_only=True, eq=False)
class Group:
    """Files that belong together.

    Attributes:
        id: such as ``g7``; the same in later runs, as long as most of the files stay together. Never used again.
        kind: what the files have in common: ``look``, ``sound``, ``text`` or ``event``.
        name: a few words that no other group has; of an event when it was, and where.
        is_sure: whether the words fit well; else they are the nearest there are.
        words: the words nearest to what sets the group apart from the others, the nearest first.
        size: how many files.
        first: when the first of those files was taken whose date is known; None if there is none.
        last: when the last was.
        place: the town where most of the files were made whose place is known; None if there is none.
        country: the country of it.
        examples: rows of files that show what is in the group, those nearest to its middle first; of an event spread
            over its time.
        ids: a row of each file, int64 ``[size]``, those nearest to the middle first; of an event in order of time.
    """

    id: str
    kind: GroupKind
    name: str
    is_sure: bool = True
    words: tuple[str, ...] = ()
    size: int
    first: dt.datetime | None = None
    last: dt.datetime | None = None
    place: str | None = None
    country: str | None = None
    examples: tuple[Record, ...] = ()
    ids: NDArray[np.int64] = field(repr=False)

    def to_json(self) -> dict[str, Any]:
        """The fields as a JSON object, without ``ids``."""
        return {
            "id": self.id,
            "kind": self.kind,
            "name": self.name,
            "is_sure": self.is_sure,
            "words": list(self.words),
            "size": self.size,
            "first": self.first.isoformat() if self.first else None,
            "last": self.last.isoformat() if self.last else None,
            "place": self.place,
            "country": self.country,
            "examples": [{**path_json(row.path), "id": row.id, "modality": row.modality} for row in self.examples],
        }


class Groups(list[Group]):
    """Groups, the largest first, events the newest first; those of looks before those of sounds and of texts.

    Attributes:
        files: how many files were looked at.
        ungrouped: how many of them are in no group.
        undated: of events, how many of these have no date.
        notices: remarks, such as that the ids could not be kept.
    """

    def __init__(
        self,
        groups: list[Group] | None = None,
        *,
        files: int = 0,
        ungrouped: int = 0,
        undated: int = 0,
        notices: tuple[str, ...] = (),
    ) -> None:
        super().__init__(groups or [])
        self.files, self.ungrouped, self.undated, self.notices = files, ungrouped, undated, notices

    def largest(self, count: int) -> Groups:
        """The first groups of each kind.

        Args:
            count: how many of each.
        """
        seen: Counter[GroupKind] = Counter()
        kept = []
        for group in self:
            seen[group.kind] += 1
            if seen[group.kind] <= count:
                kept.append(group)
        return self._with(kept)

    @overload
    def __getitem__(self, index: SupportsIndex) -> Group: ...

    @overload
    def __getitem__(self, index: slice) -> Groups: ...

    def __getitem__(self, index: SupportsIndex | slice) -> Group | Groups:
        found = super().__getitem__(index)
        return found if isinstance(found, Group) else self._with(found)

    def _with(self, groups: list[Group]) -> Groups:
        counts = {"files": self.files, "ungrouped": self.ungrouped, "undated": self.undated}
        return Groups(groups, **counts, notices=self.notices)

    def to_json(self) -> dict[str, Any]:
        """Counts and groups as ``mmsearch groups --json`` prints them."""
        return {
            "files": self.files,
            "ungrouped": self.ungrouped,
            "undated": self.undated,
            "notices": list(self.notices),
            "groups": [group.to_json() for group in self],
        }
