"""Groups of files: those of one content, and those that were found to be copies of the one that is kept.

A group is held together by the file that is kept: each other one is of the same content or was compared with it. So a
chain of copies of copies, in which the first and the last have little in common, is no group.
"""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmsearch.hits import Record
from mmsearch.library.duplicates.detail import Detail, is_compressed_hard, is_enlarged
from mmsearch.library.duplicates.files import Files, Ints, same_file
from mmsearch.library.duplicates.known import Known, Pair
from mmsearch.library.duplicates.propose import components
from mmsearch.library.duplicates.results import DuplicateFile, DuplicateGroup

_OF_ONE_SIZE = ("resized", "recompressed", "overlaid")  # reasons of pairs that show as much as one another
_SAME_PIXELS, _BORDERED = 0.93, 1.02
_LOSSY = (".jpg", ".jpeg", ".jfif", ".heic", ".heif")

ReadRecords = Callable[[Sequence[int]], list[Record]]


@dataclass(frozen=True, slots=True)
class Member:
    """A file that may be in a group: its row, its size, and the row that its content was compared by."""

    record: Record
    size: int
    of: int


def units(files: Files, asked: NDArray[np.bool_]) -> Ints:
    """For each file the row that its content is compared by: that of the first file that is asked for."""
    contents = np.where(files.contents >= 0, files.contents, files.contents.max(initial=-1) + 1 + np.arange(len(files)))
    order = np.lexsort((files.first_rows, ~asked, contents))
    firsts = order[np.searchsorted(contents[order], contents)]
    return files.first_rows[firsts]


class Grouping:
    """Finds groups among files.

    Args:
        files: all files.
        asked: which of them may be in a group.
        known: the pairs that were compared.
        reasons: the reasons of pairs that count.
        exact: whether files of one content are copies.
        keep: the rule by which one is kept.
        read: reads rows by their ids.
        details: what was measured of pictures, by the row that their content was compared by.
    """

    def __init__(
        self,
        files: Files,
        asked: NDArray[np.bool_],
        known: Known,
        *,
        reasons: Set[str],
        exact: bool,
        keep: str,
        read: ReadRecords,
        details: Mapping[int, Detail] | None = None,
    ) -> None:
        self._known, self._keep, self._exact = known, keep, exact
        self._reasons = reasons
        self._details = details or {}
        places = np.flatnonzero(asked & (files.sizes > 0))
        rows = units(files, asked)
        pairs = [pair for pair in known.pairs.values() if pair.reason in reasons]
        unit_of = dict(zip(files.first_rows.tolist(), rows.tolist(), strict=True))
        self._pairs: dict[tuple[int, int], Pair] = {}
        for pair in pairs:
            a, b = unit_of.get(pair.id, pair.id), unit_of.get(pair.other, pair.other)
            self._pairs[min(a, b), max(a, b)] = pair
        one, other = (np.array([key[side] for key in self._pairs], np.int64) for side in (0, 1))
        own = rows[places]
        connected = components(own, one, other)
        order = np.argsort(connected, kind="stable")
        starts = np.flatnonzero(np.diff(connected[order], prepend=-1))
        sizes = np.diff(np.append(starts, len(order)))
        wanted = np.concatenate(
            [order[start : start + size] for start, size in zip(starts, sizes, strict=True) if size > 1]
            or [np.empty(0, np.int64)]
        )
        chosen = places[wanted]
        records = {record.id: record for record in read(files.first_rows[chosen].tolist())}
        parts: dict[int, list[Member]] = {}
        for place, unit, part in zip(chosen.tolist(), own[wanted].tolist(), connected[wanted].tolist(), strict=True):
            record = records.get(int(files.first_rows[place]))
            if record is not None and record.state == "current":
                parts.setdefault(part, []).append(Member(record, int(files.sizes[place]), unit))
        self._parts = [members for members in parts.values() if len(members) > 1]

    def missing(self) -> list[tuple[int, int]]:
        """Pairs of a file that would be kept and a file that may be a copy of it, which were never compared."""
        return [
            (kept.of, member.of)
            for members in self._parts
            for kept, others in [self._split(members)]
            for member in others
            if member.of != kept.of and self._pair(kept, member) is None and self._known.of(kept.of, member.of) is None
        ]

    def groups(self, ids: dict[int, int]) -> list[DuplicateGroup]:
        """The groups.

        Args:
            ids: of groups of earlier runs, by the row of a member.
        """
        made: list[DuplicateGroup] = []
        taken: set[int] = set()
        for members in self._parts:
            left = members
            while len(left) > 1:
                kept, others = self._split(left)
                copies, left = [], []
                for member in others:
                    found = self._copy(kept, member)
                    if found is None:
                        left.append(member)
                    elif not same_file(kept.record.path, member.record.path):
                        copies.append(found)
                if copies:
                    rows = [kept.record.id, *(copy.record.id for copy in copies)]
                    number = _group_id(rows, ids, taken)
                    made.append(DuplicateGroup(number, DuplicateFile(kept.record, kept.size), tuple(copies)))
        made.sort(key=lambda group: (-group.freed, group.id))
        return made

    def _split(self, members: Sequence[Member]) -> tuple[Member, list[Member]]:
        """The one to keep, and the others in the same order."""
        if self._keep != "largest":
            ordered = sorted(members, key=_ORDERS[self._keep])
            return ordered[0], ordered[1:]
        known = [detail for member in members if (detail := self._details.get(member.of)) is not None]
        sizes = _bytes_of_originals(members, self._details) if len(known) > 1 else {}

        def as_good(member: Member) -> Any:
            record, size = member.record, member.size
            own = sizes.get(member.of, size)
            return not record.camera, -own, size, _modified(member), _first_path(member)

        ordered = sorted(members, key=lambda member: (-self._shown(member), *as_good(member)))
        kept = ordered[0]
        for member in ordered[1:] if len(known) > 1 else ():
            if self._is_better(member, kept, as_good):
                kept = member
        return kept, [member for member in ordered if member is not kept]

    def _shown(self, member: Member) -> float:
        """How much a file holds, without an added border."""
        detail = self._details.get(member.of)
        return _extent(member) if detail is None else detail.pixels

    def _is_better(self, member: Member, kept: Member, as_good: Callable[[Member], Any]) -> bool:
        """Whether a picture with fewer pixels inside its border is to be kept: the other has a border, or was enlarged
        from it."""
        detail, other = self._details.get(member.of), self._details.get(kept.of)
        if detail is None or other is None or member.of == kept.of:
            return False
        pair = self._pair(kept, member)
        if detail.pixels >= _SAME_PIXELS * other.pixels:
            if _extent(member) != _extent(kept):
                bordered = max(_extent(member) / detail.pixels, _extent(kept) / other.pixels) > _BORDERED
                return bordered and _extent(member) < _extent(kept)
            if pair is not None and pair.reason == "overlaid":  # what is laid over a picture comes later
                return _age(member) < _age(kept)
            return bool(as_good(member) < as_good(kept))
        if pair is not None and pair.reason not in _OF_ONE_SIZE:
            return False
        sides = (member.record, member.size, detail), (kept.record, kept.size, other)
        return is_enlarged(other, detail) and not is_compressed_hard(*sides)

    def pictures_to_measure(self) -> list[Record]:
        """Of the pictures that are in a group with others of another content, those of which no details are known."""
        asked: dict[int, Record] = {}
        for members in self._parts if self._keep == "largest" else ():
            pictures = {m.of: m.record for m in members if m.record.modality == "image" and m.record.span is None}
            if len(pictures) > 1:
                asked |= {unit: record for unit, record in pictures.items() if unit not in self._details}
        return [replace(record, id=unit) for unit, record in asked.items()]

    def _copy(self, kept: Member, member: Member) -> DuplicateFile | None:
        if member.of == kept.of:
            return DuplicateFile(member.record, member.size, "same content") if self._exact else None
        pair = self._pair(kept, member)
        return None if pair is None else DuplicateFile(member.record, member.size, pair.reason, pair.number)

    def _pair(self, kept: Member, member: Member) -> Pair | None:
        return self._pairs.get((min(kept.of, member.of), max(kept.of, member.of)))


def _group_id(rows: Iterable[int], ids: dict[int, int], taken: set[int]) -> int:
    """The number that a group had before, or else that of its first row."""
    rows = sorted(rows)
    for row in rows:
        if row in ids and ids[row] not in taken:
            taken.add(ids[row])
            return ids[row]
    number = next((row for row in rows if row not in taken), rows[0])
    taken.add(number)
    return number


def _bytes_of_originals(members: Sequence[Member], details: Mapping[int, Detail]) -> dict[int, int]:
    """Bytes of the JPEG of equal pixels, by the row of a content: a picture that was saved again without loss has more
    bytes than its original, and shows no more."""
    smallest: dict[int, int] = {}
    for member in members:
        detail = details.get(member.of)
        if detail is not None and member.record.path.lower().endswith(_LOSSY):
            smallest[detail.checksum] = min(smallest.get(detail.checksum, member.size), member.size)
    return {
        member.of: smallest[detail.checksum]
        for member in members
        if (detail := details.get(member.of)) is not None and detail.checksum in smallest
    }


def _extent(member: Member) -> float:
    """How much a file holds: pixels of a picture, of a film times seconds; seconds of a sound."""
    record = member.record
    pixels = (record.width or 0) * (record.height or 0) or 1
    return pixels * (round(record.duration_s or 1.0, 1) or 1.0)


def _modified(member: Member) -> float:
    try:
        return os.stat(member.record.path).st_mtime
    except OSError:
        return 0.0


def _age(member: Member) -> tuple[bool, float]:
    """Smaller for what is more likely to be the original of a picture with something over it."""
    return not member.record.camera, _modified(member)


def _made(member: Member) -> dt.datetime:
    return member.record.taken_at or dt.datetime.fromtimestamp(_modified(member))


def _first_path(member: Member) -> Any:
    path = member.record.path
    return path.count(os.sep), path


_ORDERS: dict[str, Callable[[Member], Any]] = {
    "oldest": lambda member: (_made(member), _modified(member), -_extent(member), _first_path(member)),
    "newest": lambda member: (-_made(member).timestamp(), -_modified(member), -_extent(member), _first_path(member)),
    "first-path": lambda member: member.record.path,
}
