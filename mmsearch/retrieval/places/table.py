"""The table of places, read when it is first needed: towns over 1,000 people, regions and countries, from GeoNames.

A town is taken for a circle, whose area grows with the number of its people: GeoNames has no borders.
"""

from __future__ import annotations

import functools
import json
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mmsearch.retrieval.places.names import folded

_FILE = Path(__file__).with_name("places.parquet")
_KM_PER_DEGREE = 111.195
_NEAR_KM, _SAME_COUNTRY_KM = 50.0, 150.0
"""A town lends its name to what lies so near, and its country to what lies so near."""
_KNOWN_TO_MOST = 100_000
"""People of a town that is meant rather than a region of its name."""
_OTHER_NAME_COUNTS, _MOST_COUNTED = 0.2, 1_000_000
"""The share of its people with which a town is compared under a name that is not its first, of at most so many."""
_PART_PEOPLE, _PART_SHARE = 0.1, 1 / 3
"""A town with so small a share of the people of another, whose centre is so near by its radius, is a part of it."""

PlaceKind = Literal["town", "region", "country"]


@dataclass(frozen=True, slots=True)
class Place:
    """A town, region or country.

    Attributes:
        name: its name in English, where GeoNames has it so.
        kind: which of them it is.
        country: the name of its country.
        people: how many live there; 0 for countries.
        lat: of a town, in degrees.
        lon: the same.
        radius_km: of the circle that a town is taken for.
        towns: of a region, the names of its towns.
    """

    name: str
    kind: PlaceKind
    country: str
    people: int = 0
    lat: float = 0.0
    lon: float = 0.0
    radius_km: float = 0.0
    towns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Located:
    """What is told of a position.

    Attributes:
        place: the town that it lies in, else the nearest one; None if none is near.
        country: the country of that town.
    """

    place: str | None
    country: str | None


def kilometres(lat: float, lon: float, lats: NDArray[Any], lons: NDArray[Any]) -> NDArray[np.float64]:
    """The distances of a position to others on the globe; all in degrees. What is no number is far away."""
    a, b = np.radians(lat), np.radians(np.asarray(lats, np.float64))
    half = np.radians(np.asarray(lons, np.float64) - lon) / 2
    chord = np.sin((b - a) / 2) ** 2 + np.cos(a) * np.cos(b) * np.sin(half) ** 2
    found = 2 * np.degrees(np.arcsin(np.sqrt(np.clip(chord, 0, 1)))) * _KM_PER_DEGREE
    return np.asarray(np.where(np.isnan(found), np.inf, found), np.float64)


class PlaceTable:
    """All places. `places` gives the one table of this process."""

    def __init__(self, table: pa.Table) -> None:
        self._names, self._other_names = table["name"].combine_chunks(), table["other_names"].combine_chunks()
        self._country, self._region = (table[name].combine_chunks() for name in ("country", "region"))
        self._lat, self._lon = (table[name].to_numpy() / 1000 for name in ("lat", "lon"))
        self._people = table["people"].to_numpy()
        self._radius = 1 + 0.0115 * np.sqrt(self._people)
        called = json.loads(table.schema.metadata[b"countries"])
        self._country_names: dict[str, str] = {code: names[0] for code, names in called.items()}
        self._country_codes = {folded(name): code for code, names in called.items() for name in names}

    def at(self, lat: float, lon: float) -> Located:
        """What is told of a position in degrees."""
        near = self._within(lat, lon, _SAME_COUNTRY_KM)
        if not len(near):
            return Located(None, None)
        distance = kilometres(lat, lon, self._lat[near], self._lon[near])
        shares, people = distance / self._radius[near], self._people[near]
        inside = (shares <= 1) & (people >= _PART_PEOPLE * people.max(initial=0, where=shares <= _PART_SHARE))
        best = int(np.argmin(np.where(inside, shares, np.inf) if inside.any() else distance))
        if distance[best] > _SAME_COUNTRY_KM:
            return Located(None, None)
        row = int(near[best])
        name = self._names[row].as_py() if distance[best] <= _NEAR_KM else None
        return Located(name, self._country_of(row))

    def named(self, name: str) -> Place | None:
        """The best known place of a name, in any language that GeoNames has for it; ``Paris, Texas`` says which."""
        key, _, where = (folded(part) for part in name.partition(","))
        if not where and (code := self._country_codes.get(key)):
            return Place(self._country_names[code], "country", self._country_names[code])
        town = self._town_named(key, where)
        if town is not None and (town.people >= _KNOWN_TO_MOST or where):
            return town
        return self._region_named(key, where) or town

    def _town_named(self, key: str, where: str) -> Place | None:
        import pyarrow.compute as pc

        first = pc.indices_nonzero(pc.equal(pc.utf8_lower(self._names), key)).to_numpy()
        found = pc.indices_nonzero(pc.equal(pc.list_flatten(self._other_names), key))
        other = pc.list_parent_indices(self._other_names).take(found).to_numpy()
        rows = np.concatenate([first, other]).astype(np.int64)
        counted = self._people[rows] + 1.0
        counted[len(first) :] = _OTHER_NAME_COUNTS * np.minimum(counted[len(first) :], _MOST_COUNTED)
        if where:
            lies = np.array([self._lies_in(int(row), where) for row in rows], bool)
            rows, counted = rows[lies], counted[lies]
        if not len(rows):
            return None
        row = int(rows[np.argmax(counted)])
        people, radius = int(self._people[row]), float(self._radius[row])
        lat, lon = float(self._lat[row]), float(self._lon[row])
        return Place(self._names[row].as_py(), "town", self._country_of(row), people, lat, lon, radius)

    def _region_named(self, key: str, where: str) -> Place | None:
        names = self._region.dictionary.to_pylist()
        codes = [i for i, name in enumerate(names) if name and folded(name) == key]
        if not codes:
            return None
        rows = np.flatnonzero(np.isin(self._region.indices.to_numpy(), codes))
        by_country: dict[str, list[int]] = {}
        for row in rows.tolist():
            by_country.setdefault(self._country_of(row), []).append(row)
        if where:
            by_country = {country: own for country, own in by_country.items() if folded(country) == where}
        if not by_country:
            return None
        country, own = max(by_country.items(), key=lambda one: int(self._people[one[1]].sum()))
        towns = tuple(sorted(set(self._names.take(pa.array(own)).to_pylist())))
        region = names[self._region.indices[own[0]].as_py()]
        return Place(region, "region", country, int(self._people[own].sum()), towns=towns)

    def _within(self, lat: float, lon: float, km: float) -> NDArray[np.int64]:
        """Towns that may lie so near: in a box around the position."""
        high = km / _KM_PER_DEGREE
        rows = np.flatnonzero(np.abs(self._lat - lat) <= high)
        wide = min(180.0, high / max(np.cos(np.radians(min(89.9, abs(lat) + high))), 1e-3))
        apart = np.abs((self._lon[rows] - lon + 180) % 360 - 180)
        return np.asarray(rows[apart <= wide], np.int64)

    def _country_of(self, row: int) -> str:
        code: str = self._country[row].as_py()
        return self._country_names.get(code, code)

    def _lies_in(self, row: int, where: str) -> bool:
        country = self._country_of(row)
        known = self._country_codes.get(where)
        return where in (folded(country), folded(self._region[row].as_py())) or known == self._country[row].as_py()


_LOADING = threading.Lock()


def places() -> PlaceTable:
    """The table of this process."""
    with _LOADING:
        return _loaded()


@functools.cache
def _loaded() -> PlaceTable:
    import pyarrow.parquet as pq

    return PlaceTable(pq.read_table(_FILE))
