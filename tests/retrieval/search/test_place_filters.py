"""Filters by place, position, camera and tags, and hits by date."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmsearch import Collection, read_query
from mmsearch.errors import UsageError
from mmsearch.retrieval.search.place_filters import read_near

SPOTS = {
    "lisbon.jpg": (38.7077, -9.1366, "Canon EOS 80D", "2019:05:01 10:00:00"),
    "restelo.jpg": (38.6916, -9.2160, "Apple iPhone 15 Pro", "2023:07:14 10:00:00"),
    "porto.jpg": (41.1496, -8.6109, "Apple iPhone 12", "2021:07:14 10:00:00"),
    "munich.jpg": (48.1374, 11.5755, "Canon EOS 80D", "2022:12:24 18:00:00"),
    "augsburg.jpg": (48.3705, 10.8978, None, "2020:12:24 18:00:00"),
    "nowhere.jpg": (None, None, None, None),
}


def exif_of(lat, lon, camera, taken) -> Image.Exif:
    exif = Image.Exif()
    if camera:
        exif[0x0110] = camera
    if taken:
        exif.get_ifd(0x8769)[0x9003] = taken
    if lat is not None:
        exif.get_ifd(0x8825).update(
            {1: "N", 2: (abs(lat), 0.0, 0.0), 3: "W" if lon < 0 else "E", 4: (abs(lon), 0.0, 0.0)}
        )
    return exif


@pytest.fixture(scope="module")
def placed(tmp_path_factory: pytest.TempPathFactory) -> Collection:
    """Five pictures from Portugal and Bavaria, and one of no known place."""
    root = tmp_path_factory.mktemp("placed")
    folder = root / "photos"
    folder.mkdir()
    for i, (name, (lat, lon, camera, taken)) in enumerate(SPOTS.items()):
        picture = Image.fromarray(np.random.default_rng(i).integers(0, 256, (48, 64, 3), dtype=np.uint8))
        picture.save(folder / name, exif=exif_of(lat, lon, camera, taken))
    made = Collection.create(root / "c.mms", "mini")
    made.index([folder], workers=1)
    return made


def names(collection: Collection, **options) -> list[str]:
    return [Path(hit.path).stem for hit in collection.search("x", k=10, **options)]


@pytest.mark.parametrize(
    ("place", "found"),
    [
        ("Lisbon", {"lisbon", "restelo"}),  # Restelo is a quarter, in the circle of the town
        ("lisboa", {"lisbon", "restelo"}),
        ("Restelo", {"restelo"}),
        ("Portugal", {"lisbon", "restelo", "porto"}),
        ("Bavaria", {"munich", "augsburg"}),
        ("München", {"munich"}),
        ("germany", {"munich", "augsburg"}),
        ("Paris", set()),
    ],
)
def test_a_place_is_a_town_a_region_or_a_country(placed, place, found):
    assert set(names(placed, place=place)) == found


def test_an_unknown_place_is_an_error_that_names_the_nearest(placed):
    with pytest.raises(UsageError, match="no place is called 'Augsbrug'; did you mean Augsburg"):
        placed.search("x", place="Augsbrug")
    with pytest.raises(UsageError, match="empty"):
        placed.search("x", place=" ")


@pytest.mark.parametrize(
    ("near", "found"),
    [
        ("38.7,-9.15", {"lisbon", "restelo"}),
        ("38.7077,-9.1366,3km", {"lisbon"}),
        ("38.7077, -9.1366, 300km", {"lisbon", "restelo", "porto"}),
        ((48.2, 11.2, 60), {"munich", "augsburg"}),
        ((38.7077, -9.1366), {"lisbon", "restelo"}),
    ],
)
def test_near_is_a_circle_around_a_position(placed, near, found):
    assert set(names(placed, near=near)) == found


@pytest.mark.parametrize("near", ["Lisbon", "38.7", "98,0", "38.7,-9.1,0km", "38.7,-9.1,1e9km", (1.0,), (1, 2, 3, 4)])
def test_what_is_no_position_is_an_error(near):
    with pytest.raises(UsageError):
        read_near(near)


def test_distances_have_units():
    assert [read_near(f"1,2,{d}").km for d in ("10km", "500m", "2", "1mi")] == [10, 0.5, 2, 1.609344]


@pytest.mark.parametrize(
    ("camera", "found"),
    [
        ("iphone", {"restelo", "porto"}),
        ("iPhone 15", {"restelo"}),
        ("canon 80D", {"lisbon", "munich"}),
        ("Canon EOS 80D", {"lisbon", "munich"}),
    ],
)
def test_a_camera_is_named_by_some_of_its_words(placed, camera, found):
    assert set(names(placed, camera=camera)) == found


def test_an_unknown_camera_is_an_error_that_lists_those_there_are(placed):
    with pytest.raises(UsageError, match="Apple iPhone 12, Apple iPhone 15 Pro, Canon EOS 80D"):
        placed.search("x", camera="Leica")


def test_hits_may_be_ordered_by_date(placed):
    oldest = names(placed, sort="oldest", place="Portugal")
    assert oldest == ["lisbon", "porto", "restelo"]
    assert names(placed, sort="newest", place="Portugal") == oldest[::-1]
    hits = placed.search("x", 3, sort="newest", offset=0)
    assert [hit.rank for hit in hits] == [1, 2, 3]
    assert names(placed, sort="newest")[0] == "nowhere", "changed just now"


def test_by_date_only_good_hits_count_where_there_are_some(placed, monkeypatch):
    from mmsearch.retrieval.search import sorting
    from mmsearch.retrieval.search.options import SearchOptions

    hits = placed.search("x", 6, sort="oldest")
    import dataclasses

    levels = ["nothing", "likely", "weak", "strong", "nothing", "nothing"]
    judged = [dataclasses.replace(hit, level=level) for hit, level in zip(hits, levels, strict=True)]
    snapshot = placed._session.snapshot
    found = sorting.in_order(judged, snapshot, SearchOptions(k=6, sort="oldest"))
    assert [hit.level for hit in found] == ["likely", "strong"]
    weak = [dataclasses.replace(hit, level="weak") for hit in hits]
    assert len(sorting.in_order(weak, snapshot, SearchOptions(k=4, sort="newest"))) == 4
    assert len(sorting.in_order(judged, snapshot, SearchOptions(k=6, sort="newest", min_level="nothing"))) == 6


def test_an_unknown_order_is_an_error(placed):
    with pytest.raises(UsageError, match="relevance, newest, oldest"):
        placed.search("x", sort="best")


def test_a_collection_knows_its_places_and_cameras(placed):
    names = placed.names
    assert names.has_places()
    lisbon = names.place("Lisboa")
    assert (lisbon.name, lisbon.is_own, lisbon.near) == ("Lisbon", True, "38.725,-9.150,19km")
    assert names.own_place("portugal").name == "Portugal"
    assert names.own_place("spain") is None
    assert list(names.cameras()) == ["Apple iPhone 12", "Apple iPhone 15 Pro", "Canon EOS 80D"]


def test_a_line_is_read_by_what_the_collection_knows(placed):
    def found(line: str) -> set[str]:
        reading = read_query(line, known=placed.names)
        return {Path(hit.path).stem for hit in placed.search(reading.query, **reading.options)}

    assert found("photos in lisbon") == {"lisbon", "restelo"}
    assert found("a castle in Bavaria Christmas 2022") == {"munich"}
    assert found("iPhone photos July 2021") == {"porto"}
    assert found("anything near Lisbon taken with a Canon") == {"lisbon"}


def test_counts_and_items_take_the_same_filters(placed):
    assert placed.count(place="Lisbon") == 2
    assert placed.count(camera="iphone", place="Portugal") == 2
    assert placed.count(near="48.1,11.5") == 1
    assert sum(len(batch) for batch in placed.items(place="Bavaria")) == 2


def test_a_tag_is_asked_for_by_in(tmp_path, empty):
    folder = tmp_path / "tagged"
    folder.mkdir()
    for name, tags in (("a.jpg", ["beach", "sun"]), ("b.jpg", ["snow"]), ("c.jpg", [])):
        exif = Image.Exif()
        exif[0x9C9E] = (";".join(tags) + "\0").encode("utf-16-le")
        Image.fromarray(np.random.default_rng(len(tags)).integers(0, 256, (48, 64, 3), dtype=np.uint8)).save(
            folder / name, exif=exif
        )
    empty.index([folder], workers=1)
    found = {Path(hit.path).name for hit in empty.search("x", where="'beach' in tags")}
    assert found == {"a.jpg"}
    assert empty.count(where="'beach' not in tags") == 2
    assert empty.count(where="tags is None") == 1
