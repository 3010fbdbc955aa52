"""`find_groups`: what is in a collection, as groups of files with names."""

from __future__ import annotations

import datetime as dt
import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mmsearch.collection import Collection
from mmsearch.errors import Hint, HintKind, UsageError
from mmsearch.library.groups.cluster import Floats, cluster, sums_by
from mmsearch.library.groups.describe import Described, describe, group_of_records
from mmsearch.library.groups.events import find_events
from mmsearch.library.groups.files import (
    MODALITIES_OF,
    NO_DATE,
    FileKind,
    Files,
    Scope,
    Watcher,
    read_files,
    space_of,
    walk,
)
from mmsearch.library.groups.kept import Kept, stand_of
from mmsearch.library.groups.results import GROUPS_BY, Group, GroupKind, Groups, GroupsBy
from mmsearch.types import Modality, Space, modalities_named
from mmsearch.unit import normalize_rows

LEAST_FILES = 3
"""Fewer files are no group."""

_EVENT_MODALITIES: tuple[Modality, ...] = ("image", "video", "audio")


def find_groups(
    collection: Collection,
    *,
    by: GroupsBy = "look",
    to: Modality | Sequence[Modality] | None = None,
    under: str | os.PathLike[str] | None = None,
    where: str | None = None,
    detail: float = 1.0,
    again: bool = False,
    watch: Watcher | None = None,
) -> Groups:
    """Find out what is in a collection: groups of files that look, sound or read alike, or that were made together.

    Pictures and films are grouped together, sounds and texts each on their own. Not every file has to be in a group.
    The groups are kept in the collection with their ids, so that the same group has the same id in a later run, though
    files came and went; if nothing came or went, they are read from there.

    Args:
        collection: the collection, as `Collection.index` has filled it.
        by: ``look``: what is in the files, by their vectors; ``event``: when and where they were made.
        to: modalities of the files, default all; of events all but texts.
        under: only files in this folder; they are grouped among themselves.
        where: only files that fulfil a condition on their columns, such as ``width > 1000``.
        detail: above 1 for more and smaller groups by look, below 1 for fewer.
        again: group anew, and not from where an earlier run ended; ids stay where most of the files do.
        watch: called with a `Progress` while rows are read.

    Returns:
        The groups, the largest first; events the newest first.

    Raises:
        UsageError: a way to group that there is not, a bad detail, condition or folder.
    """
    if by not in GROUPS_BY:
        raise UsageError(f"no groups by {by!r}; there are: {', '.join(GROUPS_BY)}", hint=_other("by"))
    if not 0.05 <= detail <= 20:
        raise UsageError(f"the detail is a number from 0.05 to 20, not {detail:g}", hint=_other("detail"))
    wanted = modalities_named((to,) if isinstance(to, str) else to or ())
    folder = None if under is None else str(Path(under).expanduser().absolute())
    scope: Scope = {name: value for name, value in (("under", folder), ("where", where)) if value is not None}
    run = _Run(collection, scope, Kept.read(collection), again, watch)
    if by == "event":
        run.events(wanted or _EVENT_MODALITIES)
    else:
        for kind, modalities in MODALITIES_OF.items():
            if chosen := tuple(one for one in modalities if not wanted or one in wanted):
                run.look(kind, chosen, detail)
    return run.result()


def _other(argument: str) -> Hint:
    return Hint(HintKind.CHANGE_ARGUMENT, argument)


@dataclass(slots=True, eq=False)
class _Found:
    """Groups before they have ids.

    ``group``: the place of the group of each file, -1 for none; ``fit``: how well it fits, or its time; ``middles``: of
    the groups, the collection's mean taken off.
    """

    group: NDArray[np.int64]
    fit: Floats
    middles: Floats

    def keep_large(self, least: int) -> None:
        """Leave out groups of fewer files; the others are numbered by size, the largest first."""
        sizes = np.bincount(self.group[self.group >= 0], minlength=len(self.middles))
        order = np.argsort(-sizes, kind="stable")
        order = order[sizes[order] >= least]
        number = np.full(len(sizes) + 1, -1, np.int64)  # the last place is that of group -1
        number[order] = np.arange(len(order))
        self.group = number[self.group]
        self.middles = self.middles[order]


class _Run:
    """One call of `find_groups`: what it has found, and what earlier ones have kept."""

    def __init__(self, collection: Collection, scope: Scope, kept: Kept, again: bool, watch: Watcher | None) -> None:
        self.collection, self.scope, self.kept, self.again, self.watch = collection, scope, kept, again, watch
        self.groups: list[Group] = []
        self.files = self.ungrouped = self.undated = 0
        self.has_changed = False

    def look(self, kind: FileKind, modalities: Sequence[Modality], detail: float) -> None:
        """Group files by their vectors."""
        space = space_of(self.collection, modalities, self.scope)
        if space is None:
            return
        told = self._scope("look", modalities, detail, space.key)
        files = self._read(modalities, space, vectors=self._is_due(told))
        if not len(files):
            return
        found = self._cluster(told, files, modalities, space, detail) if self._is_due(told) else None
        self._add(kind, told, files, found, space)

    def events(self, modalities: Sequence[Modality]) -> None:
        """Group files by when and where they were made."""
        space = space_of(self.collection, modalities, self.scope)
        if space is None:
            return
        told = self._scope("event", modalities, 1.0, space.key)
        files = self._read(modalities, space, vectors=False)
        is_dated = files.taken != NO_DATE
        self.undated += int(np.count_nonzero(~is_dated))
        found = None
        if self._is_due(told) and len(files):
            events = find_events(files.taken, is_dated, files.lat, files.lon)
            sums = np.zeros((events.count, space.dim), np.float32)
            total = np.zeros(space.dim, np.float64)
            start = 0
            for block in walk(self.collection, modalities, space, self.scope, watch=self.watch):
                here = events.event[start : start + len(block.ids)]
                sums += sums_by(block.vectors, here, events.count)
                total += block.vectors.sum(axis=0, dtype=np.float64)
                start += len(block.ids)
            sizes = np.bincount(events.event[is_dated], minlength=events.count)
            mean = (total / max(1, len(files))).astype(np.float32)
            counts = np.maximum(sizes, 1).astype(np.float32)
            middles = normalize_rows((sums / counts[:, None] - mean).astype(np.float32))
            found = _Found(events.event, np.zeros(len(files), np.float32), middles)
        self._add("event", told, files, found, space)

    def result(self) -> Groups:
        """All groups; keeps them in the collection."""
        problem = self.kept.write(self.collection) if self.has_changed else None
        return Groups(
            self.groups,
            files=self.files,
            ungrouped=self.ungrouped,
            undated=self.undated,
            notices=() if problem is None else (problem,),
        )

    def _read(self, modalities: Sequence[Modality], space: Space, *, vectors: bool) -> Files:
        return read_files(self.collection, modalities, space, self.scope, vectors=vectors, watch=self.watch)

    def _scope(self, by: str, modalities: Sequence[Modality], detail: float, space: str) -> str:
        told = {"by": by, "to": list(modalities), "detail": detail, "space": space, **self.scope}
        return json.dumps(told, sort_keys=True)

    def _is_due(self, told: str) -> bool:
        return self.again or self.kept.stands.get(told) != stand_of(self.collection)

    def _cluster(self, told: str, files: Files, modalities: Sequence[Modality], space: Space, detail: float) -> _Found:
        start = None if self.again else self._kept_numbers(told, files)[0][files.sample]
        clustering = cluster(files.vectors, detail=detail, start=start)
        if len(files.sample) == len(files):
            group, fit = clustering.assign(files.vectors) if clustering.by_point else clustering.of_points()
            return _Found(group, fit, clustering.middles)
        groups, fits = [], []
        for block in walk(self.collection, modalities, space, self.scope, watch=self.watch):
            one, fit = clustering.assign(block.vectors)
            groups.append(one)
            fits.append(fit)
        return _Found(np.concatenate(groups), np.concatenate(fits), clustering.middles)

    def _add(self, kind: GroupKind, told: str, files: Files, found: _Found | None, space: Space) -> None:
        """Give the groups their ids and names, or take both from an earlier run if ``found`` is None."""
        self.files += len(files)
        if found is None:
            described = self._kept_groups(kind, told, files)
        else:
            found.keep_large(LEAST_FILES)
            of_row = found.group[files.file_of_row]
            numbers = self.kept.numbered(told, files.rows, of_row, len(found.middles))
            called = dict(zip(self.kept.facts["group"].to_pylist(), self.kept.facts["name"].to_pylist(), strict=True))
            earlier = [called.get(number, "") for number in numbers.tolist()]
            described = describe(self.collection, kind, files, found.group, found.fit, found.middles, space, earlier)
            for one, number in zip(described, numbers.tolist(), strict=True):
                one.number = number
            inside = of_row >= 0
            self.kept.put(
                told,
                stand_of(self.collection),
                files.rows[inside],
                numbers[of_row[inside]],
                found.fit[files.file_of_row[inside]],
                [one.facts() for one in described],
            )
            self.has_changed = True
        self.ungrouped += len(files) - sum(len(one.ids) for one in described)
        if kind == "event":
            described.sort(key=lambda one: one.last or dt.datetime.min, reverse=True)
        wanted = [row for one in described for row in one.example_ids]
        records = {record.id: record for record in self.collection.records(wanted)}
        self.groups += [one.group(records) for one in described]

    def _kept_groups(self, kind: GroupKind, told: str, files: Files) -> list[Described]:
        number, fit = self._kept_numbers(told, files)
        facts = [fact for fact in self.kept.facts.to_pylist() if fact["scope"] == told]
        return [Described.of_facts(kind, files, np.flatnonzero(number == fact["group"]), fit, fact) for fact in facts]

    def _kept_numbers(self, told: str, files: Files) -> tuple[NDArray[np.int64], Floats]:
        """The number of the group that an earlier run put each file in, -1 for none, and how well it fitted."""
        rows, numbers, fits = self.kept.of_scope(told)
        number, fit = np.full(len(files), -1, np.int64), np.zeros(len(files), np.float32)
        _, here, there = np.intersect1d(files.ids, rows, assume_unique=True, return_indices=True)
        number[here], fit[here] = numbers[there], fits[there]
        return number, fit


def group_paths(collection: Collection, group: Group) -> list[str]:
    """The paths of the files of a group, those nearest to its middle first; of an event in order of time.

    Args:
        collection: the collection that the group is of.
        group: a group, as `find_groups` gives it.
    """
    return [record.path for record in collection.records(group.ids.tolist())]


def find_group(collection: Collection, group_id: str) -> Group:
    """A group that an earlier `find_groups` found, by its id; files that are no longer indexed are left out.

    Args:
        collection: the collection.
        group_id: such as ``g7``.

    Raises:
        UsageError: no group has the id, or none any more.
    """
    kept = Kept.read(collection)
    number = int(group_id[1:]) if re.fullmatch(r"g[1-9][0-9]{0,8}", group_id) else 0
    fact = next((fact for fact in kept.facts.to_pylist() if fact["group"] == number), None)
    if fact is None:
        known = f"; the ids so far are g1 to g{kept.next_number - 1}" if kept.next_number > 1 else ""
        why = "there is no group" if 0 < number < kept.next_number else "there never was a group"
        raise UsageError(f"{why} {group_id!r}{known if number else known + ', such as g1'}")
    rows, numbers, fits = kept.of_scope(fact["scope"])
    chosen = np.flatnonzero(numbers == number)
    fit = dict(zip(rows[chosen].tolist(), fits[chosen].tolist(), strict=True))
    records = collection.records(rows[chosen].tolist())
    if not records:
        raise UsageError(f"nothing of the group {group_id!r} is indexed any more")
    return group_of_records(fact, records, fit)
