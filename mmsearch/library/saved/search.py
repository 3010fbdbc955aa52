"""A search that is kept under a name, and how far its hits have been seen."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmsearch import (
    LineTerms,
    Moment,
    StoredRow,
    Term,
    UsageError,
)
from mmsearch.types import Level

if TYPE_CHECKING:
    pass


@dataclass(frozen=True, slots=True)
class LastLook:
    """How far somebody has seen the hits of a saved search.

    Attributes:
        next_id: rows from this id on have come since.
        at: when it was, in UTC.
        seen: what was shown or is older: hashes of contents in hex, else paths; the newest at the end.
    """

    next_id: int
    at: str
    seen: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The fields as a JSON object."""
        return {"next_id": self.next_id, "at": self.at, "seen": list(self.seen)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> LastLook:
        """The inverse of `to_json`."""
        return cls(int(data["next_id"]), str(data["at"]), tuple(map(str, data["seen"])))


@dataclass(frozen=True, slots=True)
class LinkedFolder:
    """A folder of links to the hits of a saved search.

    Attributes:
        path: of the folder.
        k: the most links in it.
        min_level: the least level of a hit that is linked; None: all of the best k.
    """

    path: Path
    k: int
    min_level: Level | None

    def to_json(self) -> dict[str, Any]:
        """The fields as a JSON object."""
        return {"path": os.fspath(self.path), "k": self.k, "min_level": self.min_level}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> LinkedFolder:
        """The inverse of `to_json`."""
        return cls(Path(data["path"]), int(data["k"]), data["min_level"])


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedSearch:
    """A search that is kept under a name.

    Attributes:
        root: the folder of the collection that it is kept in and asked of.
        name: of the search, without ``@``.
        terms: what is asked. ``last week`` in it is read anew each time.
        k: the number of hits.
        options: keywords of `Collection.search` that were given.
        rows: where the rows lie that it goes by, as files and moments: they stand for rows that are gone.
        made_at: when it was saved, in UTC.
        looks: how far its hits were seen, by who looks: ``query`` or ``watch``.
        folders: folders of links to its hits.
    """

    root: Path
    name: str = ""
    terms: LineTerms
    k: int = 10
    options: Mapping[str, Any] = field(default_factory=dict)
    rows: Mapping[int, Path | Moment] = field(default_factory=dict)
    made_at: str = ""
    looks: Mapping[str, LastLook] = field(default_factory=dict)
    folders: tuple[LinkedFolder, ...] = ()

    @property
    def shown(self) -> str:
        """The name as it is written in a query: ``@dogs``."""
        return f"@{self.name}"

    def describe(self) -> str:
        """The search for people: its terms, and the options that were given."""
        said = [f"{name.replace('_level', '').replace('_', ' ')} {_said(v)}" for name, v in self.options.items()]
        return "; ".join([self.terms.describe(), *said])

    def with_files_for_rows(self) -> SavedSearch:
        """The search with files and moments in the place of the rows that it goes by.

        Raises:
            UsageError: one of these files is gone.
        """

        def placed(value: Any) -> Any:
            number = value.id if isinstance(value, StoredRow) else value
            if not isinstance(number, int):
                return value
            place = self.rows.get(number)
            path = place.path if isinstance(place, Moment) else place
            if place is None or path is None or not path.exists():
                raise UsageError(f"{self.shown} goes by row {number}, which is gone{_and(path)}; save it anew")
            return place

        terms = replace(
            self.terms,
            terms=tuple(Term(placed(term.value), term.weight) for term in self.terms.terms),
            like=tuple(placed(mark) for mark in self.terms.like),
            unlike=tuple(placed(mark) for mark in self.terms.unlike),
        )
        return replace(self, terms=terms)

    def to_json(self) -> dict[str, Any]:
        """All but the collection as a JSON object, as it is kept in a file."""
        return {
            "name": self.name,
            "made_at": self.made_at,
            "shown": self.describe(),
            "query": self.terms.to_json(),
            "k": self.k,
            "options": dict(self.options),
            "rows": {str(number): _place_to_json(place) for number, place in self.rows.items()},
            "looks": {who: look.to_json() for who, look in self.looks.items()},
            "folders": [folder.to_json() for folder in self.folders],
        }

    @classmethod
    def from_json(cls, root: Path, data: Mapping[str, Any]) -> SavedSearch:
        """The inverse of `to_json`.

        Args:
            root: the folder of the collection.
            data: the object.
        """
        return cls(
            root=root,
            name=str(data["name"]),
            made_at=str(data["made_at"]),
            terms=LineTerms.from_json(data["query"]),
            k=int(data["k"]),
            options=dict(data["options"]),
            rows={int(number): _place_from_json(place) for number, place in data["rows"].items()},
            looks={str(who): LastLook.from_json(look) for who, look in data["looks"].items()},
            folders=tuple(LinkedFolder.from_json(folder) for folder in data["folders"]),
        )


def _place_to_json(place: Path | Moment) -> dict[str, Any]:
    if isinstance(place, Moment):
        return {"path": os.fspath(place.path), "start_s": place.start_s, "end_s": place.end_s}
    return {"path": os.fspath(place)}


def _place_from_json(data: Mapping[str, Any]) -> Path | Moment:
    path = Path(data["path"])
    return Moment(path, data["start_s"], data["end_s"]) if "start_s" in data else path


def _said(value: Any) -> str:
    if value is True:
        return "yes"
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def _and(path: Path | None) -> str:
    return "" if path is None else f", and so is {path}"
