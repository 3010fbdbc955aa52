"""What a person is told of a group: its name, when and where its files were made, and which of them show it."""

from __future__ import annotations

import datetime as dt
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmsearch.collection import Collection
from mmsearch.hits import Record
from mmsearch.library.groups.cluster import Floats
from mmsearch.library.groups.files import NO_DATE, Files
from mmsearch.library.groups.labels import own_labels
from mmsearch.library.groups.names import Name, names_by_texts, names_by_vectors, told_apart
from mmsearch.library.groups.results import Group, GroupKind
from mmsearch.library.groups.vocabulary import word_vectors
from mmsearch.types import Modality, Space

EXAMPLES = 6
_TEXTS_READ = 100
"""Texts of a group that are read for its name."""

_MODALITY: dict[GroupKind, Modality] = {"look": "image", "event": "image", "sound": "audio"}
_EPOCH = dt.datetime(1970, 1, 1)


@dataclass(slots=True, eq=False)
class Described:
    """A group on the way to a `Group`: ``number`` is set once it is known."""

    kind: GroupKind
    name: Name
    ids: NDArray[np.int64]
    first: dt.datetime | None
    last: dt.datetime | None
    place: str | None
    country: str | None
    number: int = 0

    @classmethod
    def of_files(cls, kind: GroupKind, files: Files, members: NDArray[np.int64], fit: Floats) -> Described:
        """A group without a name, of the files of these numbers."""
        taken = files.taken[members]
        known = taken[taken != NO_DATE]
        order = np.argsort(taken, kind="stable") if kind == "event" else np.argsort(-fit[members], kind="stable")
        place, country = _commonest(files, members)
        first, last = (_date(known.min()), _date(known.max())) if len(known) else (None, None)
        return cls(kind, _UNNAMED, files.ids[members[order]], first, last, place, country)

    @classmethod
    def of_facts(
        cls, kind: GroupKind, files: Files, members: NDArray[np.int64], fit: Floats, facts: Mapping[str, Any]
    ) -> Described:
        """A group that an earlier run has named."""
        found = cls.of_files(kind, files, members, fit)
        found.name = Name(facts["name"], facts["is_sure"], tuple(facts["words"]))
        found.number = facts["group"]
        return found

    def facts(self) -> dict[str, Any]:
        """What is kept of it."""
        name = self.name
        return {
            "group": self.number,
            "kind": self.kind,
            "name": name.text,
            "is_sure": name.is_sure,
            "words": list(name.words),
        }

    @property
    def example_ids(self) -> list[int]:
        """Rows that show what is in the group."""
        return _examples(self.kind, self.ids)

    def group(self, records: Mapping[int, Record]) -> Group:
        """The group; ``records``: by id, at least those of its examples that are still there."""
        return Group(
            id=f"g{self.number}",
            kind=self.kind,
            name=self.name.text,
            is_sure=self.name.is_sure,
            words=self.name.words,
            size=len(self.ids),
            first=self.first,
            last=self.last,
            place=self.place,
            country=self.country,
            examples=tuple(records[row] for row in self.example_ids if row in records),
            ids=self.ids,
        )


_UNNAMED = Name("unnamed", False, ())


def group_of_records(facts: Mapping[str, Any], records: Sequence[Record], fit: Mapping[int, float]) -> Group:
    """A group that was kept, of the records of its rows."""
    by_path: dict[str, Record] = {}
    for record in records:
        by_path.setdefault(record.path, record)
    kind: GroupKind = facts["kind"]
    if kind == "event":
        files = sorted(by_path.values(), key=lambda record: record.taken_at or _EPOCH)
    else:
        files = sorted(by_path.values(), key=lambda record: -fit[record.id])
    dates = [record.taken_at for record in files if record.taken_at is not None]
    places = Counter((record.place, record.country) for record in files if record.place)
    place, country = places.most_common(1)[0][0] if places else (None, None)
    ids = np.array([record.id for record in files], np.int64)
    shown = set(_examples(kind, ids))
    return Group(
        id=f"g{facts['group']}",
        kind=kind,
        name=facts["name"],
        is_sure=facts["is_sure"],
        words=tuple(facts["words"]),
        size=len(files),
        first=min(dates, default=None),
        last=max(dates, default=None),
        place=place,
        country=country,
        examples=tuple(record for record in files if record.id in shown),
        ids=ids,
    )


def describe(
    collection: Collection,
    kind: GroupKind,
    files: Files,
    group: NDArray[np.int64],
    fit: Floats,
    middles: Floats,
    space: Space,
    earlier: Sequence[str],
) -> list[Described]:
    """Name the groups that files fall into; events in order of time, the newest first, and their places with them.

    ``earlier``: what each group was called by the last run, empty for new ones.
    """
    order = np.argsort(group, kind="stable")
    bounds = np.searchsorted(group[order], np.arange(len(middles) + 1))
    members = [order[start:stop] for start, stop in pairwise(bounds.tolist())]
    described = [Described.of_files(kind, files, one, fit) for one in members]
    names = _names(collection, kind, described, middles, space, earlier)
    if kind != "text":
        names = own_labels_first(names, own_labels(collection, files, group, len(middles)))
    if kind == "event":
        names = _event_names(described, names)
    for one, name in zip(described, names, strict=True):
        one.name = name
    return described


def _names(
    collection: Collection,
    kind: GroupKind,
    described: Sequence[Described],
    middles: Floats,
    space: Space,
    earlier: Sequence[str],
) -> list[Name]:
    if not described:
        return []
    names: list[Name] = []
    if kind != "text":
        words, vectors = word_vectors(collection, space, _MODALITY[kind])
        if words:
            names = names_by_vectors(middles, words, vectors, earlier if kind != "event" else ())
    if not names and kind == "event":
        return [_UNNAMED] * len(described)  # the date says enough
    if not names:
        names = names_by_texts([_texts(collection, one.ids) for one in described])
    return names


def own_labels_first(names: Sequence[Name], labels: Sequence[str | None]) -> list[Name]:
    """Names with the person's own labels in front; where two groups have the same one, the nearest word tells them."""
    often = Counter(labels)
    labelled = []
    for name, label in zip(names, labels, strict=True):
        if label is not None:
            others = [word for word in name.text.split(", ") if word != label]
            others = others or [word for word in name.words if word != label][:1]
            text = label if often[label] == 1 else ", ".join([label, *others])
            name = Name(text, True, tuple(dict.fromkeys((label, *name.words))))
        labelled.append(name)
    return told_apart(labelled)


def _texts(collection: Collection, ids: NDArray[np.int64]) -> list[str]:
    """What files say of themselves: their texts, else their titles, folders and names."""
    records = collection.records(ids[:_TEXTS_READ].tolist())
    return [record.text or " ".join([record.title or "", *record.path.split(os.sep)[-2:]]) for record in records]


def _event_names(described: Sequence[Described], words: Sequence[Name]) -> list[Name]:
    days = [_days(one.first, one.last) + (f", {one.place}" if one.place else "") for one in described]
    often = Counter(days)
    names = []
    for one, day, name in zip(described, days, words, strict=True):
        if often[day] > 1 and one.first is not None:
            day = f"{day}, {one.first:%H:%M}"
        names.append(Name(f"{day}: {name.words[0]}" if name.is_sure and name.words else day, True, name.words))
    return names


def _days(first: dt.datetime | None, last: dt.datetime | None) -> str:
    """``12 May 2023``, ``12–14 May 2023``, ``30 April – 2 May 2023``, ``30 December 2022 – 2 January 2023``."""
    if first is None or last is None:
        return "no date"
    end = f"{last.day} {last:%B} {last.year}"
    if first.date() == last.date():
        return end
    if (first.year, first.month) == (last.year, last.month):
        return f"{first.day}–{end}"
    return f"{first.day} {first:%B}{f' {first.year}' if first.year != last.year else ''} – {end}"


def _commonest(files: Files, members: NDArray[np.int64]) -> tuple[str | None, str | None]:
    known = files.place[members]
    known = known[known >= 0]
    if not len(known):
        return None, None
    place, country = files.places[int(np.bincount(known).argmax())]
    return place, country or None


def _examples(kind: GroupKind, ids: NDArray[np.int64]) -> list[int]:
    """Those nearest to the middle, which come first; of an event spread over its time."""
    if kind == "event" and len(ids) > EXAMPLES:
        ids = ids[np.linspace(0, len(ids) - 1, EXAMPLES).astype(np.int64)]
    return [int(one) for one in ids[:EXAMPLES]]


def _date(microseconds: np.int64) -> dt.datetime:
    return _EPOCH + dt.timedelta(microseconds=int(microseconds))
