"""The table of places: the town at a position, and the place of a name."""

from __future__ import annotations

import json

import numpy as np
import pyarrow.parquet as pq
import pytest

from mmsearch.retrieval.places import table as table_module
from mmsearch.retrieval.places.located import with_place
from mmsearch.retrieval.places.names import folded
from mmsearch.retrieval.places.table import kilometres, places
from mmsearch.types import Facts


@pytest.mark.parametrize(
    ("lat", "lon", "place", "country"),
    [
        (38.7077, -9.1366, "Lisbon", "Portugal"),  # not Baixa, which is a part of it
        (52.5200, 13.4050, "Berlin", "Germany"),
        (52.3900, 13.0600, "Potsdam", "Germany"),  # beside a larger one
        (40.7500, -73.9800, "New York City", "United States"),
        (-33.8600, 151.2000, "Sydney", "Australia"),
        (51.2000, -1.5000, "Andover", "United Kingdom"),
        (64.9000, -18.5000, None, "Iceland"),  # nobody lives near
        (0.1, 0.1, None, None),  # the sea
        (89.9, 0.0, None, None),
        (-16.7900, 179.9900, None, "Fiji"),  # across the date line
    ],
)
def test_a_position_has_the_name_of_the_town_it_lies_in_else_of_the_nearest(lat, lon, place, country):
    found = places().at(lat, lon)
    assert (found.place, found.country) == (place, country)


@pytest.mark.parametrize(
    ("name", "kind", "found", "country"),
    [
        ("Lisbon", "town", "Lisbon", "Portugal"),
        ("lisboa", "town", "Lisbon", "Portugal"),
        ("München", "town", "Munich", "Germany"),
        ("Cologne", "town", "Köln", "Germany"),
        ("sao paulo", "town", "São Paulo", "Brazil"),
        ("Paris", "town", "Paris", "France"),
        ("Paris, Texas", "town", "Paris", "United States"),
        ("Bavaria", "region", "Bavaria", "Germany"),
        ("California", "region", "California", "United States"),
        ("Georgia", "country", "Georgia", "Georgia"),
        ("USA", "country", "United States", "United States"),
        ("the Netherlands", "country", "Netherlands", "Netherlands"),
    ],
)
def test_a_name_in_any_spelling_is_the_best_known_place_of_that_name(name, kind, found, country):
    place = places().named(name)
    assert place is not None
    assert (place.kind, place.name, place.country) == (kind, found, country)


@pytest.mark.parametrize("name", ["", "Nosuchplace", "in", "Paris, Nowhere", "it"])
def test_what_is_no_place_has_none(name):
    assert places().named(name) is None


def test_the_file_names_its_source_and_its_licence_and_is_small():
    path = table_module._FILE
    about = pq.read_schema(path).metadata
    assert b"GeoNames" in about[b"source"]
    assert b"creativecommons.org/licenses/by/4.0" in about[b"licence"]
    assert len(json.loads(about[b"countries"])) > 240
    assert path.stat().st_size < 3_000_000
    assert "creativecommons.org/licenses/by/4.0" in path.with_name("LICENSE.GeoNames").read_text("utf-8")


def test_distances_are_those_on_the_globe():
    lisbon_porto, across_the_date_line = kilometres(38.72, -9.14, [41.15], [-8.61]), kilometres(0, 179.9, [0], [-179.9])
    assert lisbon_porto[0] == pytest.approx(274, abs=2)
    assert across_the_date_line[0] == pytest.approx(22.2, abs=0.1)
    assert kilometres(0, 0, [np.nan], [0])[0] == np.inf


def test_names_are_compared_without_case_and_accents():
    assert folded("  São  Paulo ") == "sao paulo"
    assert folded("Łódź") == "lodz"
    assert folded("Straßburg") == "strassburg"


def test_facts_without_a_position_are_left_as_they_are():
    facts = Facts(width=3)
    assert with_place(facts) is facts
    assert with_place(Facts(lat=38.7077, lon=-9.1366)).place == "Lisbon"
