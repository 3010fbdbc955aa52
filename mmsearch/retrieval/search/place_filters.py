"""Filters by where a file was made and with which camera: from what a person writes to masks over columns."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import pyarrow as pa

from mmsearch.errors import UsageError
from mmsearch.retrieval.places.names import folded
from mmsearch.retrieval.search.camera_names import cameras_named
from mmsearch.retrieval.search.masks import Mask, all_of, any_of, mask_of
from mmsearch.retrieval.store.snapshot import Rows, Snapshot

NearInput: TypeAlias = "str | tuple[float, float] | tuple[float, float, float]"
"""``38.7,-9.1`` or ``38.7,-9.1,10km``, or latitude, longitude and perhaps kilometres."""

NEAR_KM = 10.0
"""How near counts as near, where nothing is said."""

_FARTHEST_KM = 20_100.0
_NEAR = re.compile(
    r"\s*([+-]?\d{1,2}(?:\.\d+)?)°?\s*,\s*([+-]?\d{1,3}(?:\.\d+)?)°?\s*(?:,\s*(\d+(?:\.\d+)?)\s*(km|m|mi)?\s*)?"
)
_KM_OF = {None: 1.0, "km": 1.0, "m": 0.001, "mi": 1.609344}
_MOST_LISTED = 8


@dataclass(frozen=True, slots=True)
class Circle:
    """All that lies near a position: degrees of latitude and longitude, and kilometres."""

    lat: float
    lon: float
    km: float

    def mask(self, rows: Rows) -> Mask:
        """Which rows were made in it; those of no known position were not."""
        from mmsearch.retrieval.places.table import kilometres

        table = rows.facts(["mms_lat", "mms_lon"])
        lats, lons = (table[name].to_numpy() for name in ("mms_lat", "mms_lon"))
        return np.asarray(kilometres(self.lat, self.lon, lats, lons) <= self.km, np.bool_)

    def __str__(self) -> str:
        return f"{self.lat:g},{self.lon:g},{self.km:g}km"


@dataclass(frozen=True, slots=True)
class PlaceFilter:
    """What was made in a place.

    Attributes:
        places: names of towns as rows have them; empty for all.
        country: the country that they are in; None for any.
        circle: of a town, the circle that it is taken for: rows in it count, too.
    """

    places: tuple[str, ...] = ()
    country: str | None = None
    circle: Circle | None = None

    def mask(self, rows: Rows) -> Mask:
        """Which rows were made there."""
        table = rows.facts(["mms_place", "mms_country"])
        masks = []
        if self.places:
            masks.append(_is_one_of(table["mms_place"], self.places))
        if self.country is not None:
            masks.append(_is_one_of(table["mms_country"], [self.country]))
        named = all_of(masks)
        return named if self.circle is None else any_of([named, self.circle.mask(rows)])


def read_near(near: NearInput) -> Circle:
    """A circle as a person writes it.

    Raises:
        UsageError: it cannot be read, or is no position on the globe.
    """
    if isinstance(near, str):
        match = _NEAR.fullmatch(near)
        if match is None:
            raise UsageError(f"{near!r} is no position; write latitude,longitude or 38.7,-9.1,10km")
        numbers = [float(match[1]), float(match[2])]
        numbers += [float(match[3]) * _KM_OF[match[4]]] if match[3] else []
    else:
        numbers = [float(number) for number in near]
    if len(numbers) not in (2, 3):
        raise UsageError("a position is latitude, longitude and perhaps kilometres")
    lat, lon, km = [*numbers, NEAR_KM][:3]
    if not (abs(lat) <= 90 and abs(lon) <= 180 and 0 < km <= _FARTHEST_KM):
        raise UsageError(f"{lat:g},{lon:g} within {km:g} km is nowhere on the globe")
    return Circle(lat, lon, km)


def place_meant(snapshot: Snapshot, name: str) -> PlaceFilter:
    """The place that a person means: a town, region or country, in any of its names, or what rows have as a place.

    Raises:
        UsageError: there is no such place.
    """
    from mmsearch.retrieval.places.table import places

    key = folded(name)
    if not key:
        raise UsageError("the name of the place is empty")
    found = places().named(name)
    stored = stored_values(snapshot, "mms_place")
    if found is None:
        own = tuple(place for place in stored if folded(place) == key)
        if own:
            return PlaceFilter(own)
        import difflib  # takes 2 ms, and most queries name no place

        near = difflib.get_close_matches(key, {folded(place): place for place in stored}, 1)
        hint = f"; did you mean {next(place for place in stored if folded(place) == near[0])}?" if near else ""
        raise UsageError(f"no place is called {name!r}{hint}")
    if found.kind == "country":
        return PlaceFilter(country=found.country)
    if found.kind == "region":
        return PlaceFilter(tuple(place for place in stored if place in found.towns) or (found.name,), found.country)
    return PlaceFilter((found.name,), found.country, Circle(found.lat, found.lon, round(found.radius_km, 1)))


def cameras_meant(snapshot: Snapshot, name: str) -> tuple[str, ...]:
    """The cameras whose names have all words of ``name``, in any case: ``iphone`` is every iPhone.

    Raises:
        UsageError: nothing was made with such a camera.
    """
    stored = stored_values(snapshot, "mms_camera")
    found = cameras_named(stored, name)
    if not found:
        listed = ", ".join(stored[:_MOST_LISTED]) + (" and others" if len(stored) > _MOST_LISTED else "")
        there = f"; there are: {listed}" if stored else ", and of no file the camera is known"
        raise UsageError(f"no file was made with a camera {name!r}{there}")
    return found


def camera_mask(rows: Rows, cameras: Sequence[str]) -> Mask:
    """Which rows were made with one of some cameras."""
    return _is_one_of(rows.facts(["mms_camera"])["mms_camera"], cameras)


def stored_values(snapshot: Snapshot, column: str) -> list[str]:
    """The distinct values of a column of words in the whole collection, sorted."""
    import pyarrow.compute as pc

    found: set[str] = set()
    for rows in snapshot.all_rows().values():
        values = rows.facts([column])[column]
        found.update(value for value in pc.unique(values.cast(pa.string())).to_pylist() if value)
    return sorted(found)


def _is_one_of(column: pa.ChunkedArray, values: Sequence[str]) -> Mask:
    import pyarrow.compute as pc

    return mask_of(pc.is_in(column.cast(pa.string()), value_set=pa.array(list(values), pa.string())))
