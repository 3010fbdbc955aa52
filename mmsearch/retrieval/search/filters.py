"""Which rows may answer: by folder, date, place, camera, and by a condition on the columns of a shard."""

from __future__ import annotations

import datetime as dt
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from mmsearch.errors import UsageError
from mmsearch.retrieval.search.masks import Mask, all_of, any_of, mask_of
from mmsearch.retrieval.storage import is_remote
from mmsearch.retrieval.store.snapshot import Rows, Snapshot
from mmsearch.types import printable

if TYPE_CHECKING:
    from mmsearch.retrieval.search.place_filters import Circle, PlaceFilter
    from mmsearch.retrieval.search.row_tags import RowTags

_DATE = re.compile(r"(\d{4})(?:-(\d{1,2}))?")


@dataclass(frozen=True, slots=True)
class Filters:
    """Conditions on rows; all of them must hold.

    Attributes:
        under: absolute paths of folders and archives; the row's file lies in one of them.
        after: the first moment that counts. The moment of a picture is when it was taken, that of any other file when
            it was last changed.
        before: the first moment that counts no more.
        where: an expression over the columns of the rows, such as ``width > 1000 and not note == 'truncated'``.
        near: made in this circle.
        place: made in this place.
        cameras: made with one of these cameras, named in full; empty for any.
        tags: the labels of rows, if ``where`` asks for them; no condition of its own.
    """

    under: tuple[bytes, ...] = ()
    after: dt.datetime | None = None
    before: dt.datetime | None = None
    where: str | None = None
    near: Circle | None = None
    place: PlaceFilter | None = None
    cameras: tuple[str, ...] = ()
    labels: Mapping[str, RowTags] = field(default_factory=dict, compare=False)

    def __bool__(self) -> bool:
        return self != Filters()

    def mask(self, rows: Rows) -> Mask | None:
        """Which positions pass; None where there is nothing to filter by."""
        masks: list[Mask] = []
        if self.under:
            masks.append(_under(rows, self.under))
        if self.after or self.before:
            masks.append(_between(rows, self.after, self.before))
        if self.where:
            from mmsearch.retrieval.search.conditions import rows_where

            masks.append(rows_where(rows, self.where, self.labels))
        masks += [one.mask(rows) for one in (self.near, self.place) if one is not None]
        if self.cameras:
            from mmsearch.retrieval.search.place_filters import camera_mask

            masks.append(camera_mask(rows, self.cameras))
        return all_of(masks) if masks else None


def make_filters(
    *,
    under: Sequence[bytes] = (),
    after: str | dt.date | None = None,
    before: str | dt.date | None = None,
    where: str | None = None,
    own_columns: Callable[[], Iterable[str]] = tuple,
    row_labels: Callable[[str], RowTags] | None = None,
    near: Circle | None = None,
    place: PlaceFilter | None = None,
    cameras: Sequence[str] = (),
) -> Filters:
    """Read filters as a person gives them.

    Args:
        under: folders, as `folders_meant` finds them.
        after: a date; ``2023``, ``2023-05``, ``2023-05-17`` or ISO 8601.
        before: a date.
        where: a condition (see `Filters`).
        own_columns: called for the names of the user's own columns, where the condition names a column that is not of
            the format.
        row_labels: called with ``tag`` or ``group`` for the labels or groups of rows, where the condition asks for
            them.
        near: a circle.
        place: a place.
        cameras: names of cameras in full.

    Raises:
        UsageError: a date or a condition that cannot be read, or an unknown column.
    """
    labels: Mapping[str, RowTags] = {}
    if where is not None:
        from mmsearch.retrieval.search.conditions import check_condition

        labels = check_condition(where, own_columns, row_labels)
    first, last = (None if date is None else parse_date(date) for date in (after, before))
    return Filters(tuple(under), first, last, where, near, place, tuple(cameras), labels)


def folders_meant(snapshot: Snapshot, under: str | os.PathLike[str]) -> tuple[bytes, ...]:
    """The folders (or files) that a person means, in their stored spelling.

    A relative path is looked for in the working folder and in every indexed root. An archive stands for its items.

    Raises:
        UsageError: there is no such folder, and nothing under it is stored.
    """
    from mmsearch.retrieval.store.stored_paths import StoredPaths

    name = os.path.expanduser(os.fspath(under))
    if not name:
        raise UsageError("the name of the folder to look under is empty")
    if not _can_be_a_name(name):
        raise UsageError(f"{name!r} can be the name of no folder")
    manifest = snapshot.manifest
    if is_remote(name):
        address = os.fsencode(name.rstrip("/"))
        if not StoredPaths(snapshot, manifest.spaces).holds(address):
            raise UsageError(f"nothing under {name} is stored")
        return (address,)
    # Links are followed before `..` is taken: so do the shell and the system.
    tops = [os.path.join(top, name) for top in (os.getcwd(), *manifest.roots)]
    written = list(dict.fromkeys(os.fsencode(os.path.abspath(top)) for top in tops))
    stored = StoredPaths(snapshot, manifest.spaces)
    found = [path for one in written for path in stored.matching(one)]
    if ".." in name.split(os.sep):
        found += [path for top in tops for path in stored.matching(os.fsencode(os.path.realpath(top)))]
    if found:
        return tuple(dict.fromkeys(found))
    if any(os.path.exists(top) for top in tops):
        return tuple(written)
    near = stored.nearest(written)
    hint = f"; did you mean {printable(os.fsdecode(near))}?" if near else ""
    raise UsageError(f"there is no folder {printable(os.fsdecode(written[0]))}, and nothing under it is stored{hint}")


def _can_be_a_name(name: str) -> bool:
    """Whether a file could have the name: no byte of it is 0, and it can be spelled in the file system's encoding."""
    try:
        return b"\0" not in os.fsencode(name)
    except UnicodeEncodeError:
        return False


def parse_date(date: str | dt.date) -> dt.datetime:
    """A date as a person writes it; the first moment of it.

    Raises:
        UsageError: it cannot be read.
    """
    if isinstance(date, dt.datetime):
        return date.replace(tzinfo=None)
    if isinstance(date, dt.date):
        return dt.datetime(date.year, date.month, date.day)
    try:
        if match := _DATE.fullmatch(date.strip()):
            return dt.datetime(int(match[1]), int(match[2] or 1), 1)
        return dt.datetime.fromisoformat(date.strip()).replace(tzinfo=None)
    except ValueError:
        raise UsageError(f"{date!r} is no date; write 2023, 2023-05, 2023-05-17 or 2023-05-17T14:30") from None


def _under(rows: Rows, folders: Sequence[bytes]) -> Mask:
    from mmsearch.retrieval.store.stored_paths import under_mask

    table = rows.facts(["path", "mms_source"])
    return any_of([mask_of(under_mask(table["path"], folder, table["mms_source"])) for folder in folders])


def _between(rows: Rows, after: dt.datetime | None, before: dt.datetime | None) -> Mask:
    table = rows.facts(["taken_at", "mtime_ns"])
    taken = table["taken_at"].to_numpy().astype("datetime64[us]")
    changed = (table["mtime_ns"].to_numpy() // 1000).astype("datetime64[us]")
    moments = np.where(np.isnat(taken), changed, taken)
    mask = np.ones(len(rows), np.bool_)
    if after:
        mask &= moments >= np.datetime64(after)
    if before:
        mask &= moments < np.datetime64(before)
    return mask
