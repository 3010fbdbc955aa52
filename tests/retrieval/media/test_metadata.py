"""Positions, titles and tags that pictures, films and sounds have inside."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from mmsearch.retrieval.media.labels import labels_of_stream
from mmsearch.retrieval.media.pictures.image import decode_image
from mmsearch.retrieval.media.positions import checked_position, position_of_film, position_of_picture
from mmsearch.types import Facts

LISBON = (38.7077, -9.1366)
XMP = """<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF><rdf:Description exif:GPSLatitude="38,42.462N"
 exif:GPSLongitude="9,8.196W">
<dc:title><rdf:Alt><rdf:li xml:lang="x-default">Boats &amp; gulls</rdf:li></rdf:Alt></dc:title>
<dc:subject><rdf:Bag><rdf:li>beach</rdf:li><rdf:li>holiday 2023</rdf:li></rdf:Bag></dc:subject>
</rdf:Description></rdf:RDF></x:xmpmeta>"""


def gps(lat: float, lon: float) -> Image.Exif:
    """EXIF as a phone writes it: degrees, minutes and seconds."""
    exif = Image.Exif()

    def parts(value: float) -> tuple[float, float, float]:
        degrees, rest = divmod(abs(value), 1)
        minutes, rest = divmod(rest * 60, 1)
        return degrees, minutes, round(rest * 60, 3)

    written = {1: "S" if lat < 0 else "N", 2: parts(lat), 3: "W" if lon < 0 else "E", 4: parts(lon)}
    exif.get_ifd(0x8825).update(written)
    exif._data[0x8825] = 0  # without it, Pillow writes no EXIF, or no GPS into a TIFF
    return exif


def facts_of(format: str, **saved: object) -> Facts:
    data = io.BytesIO()
    Image.new("RGB", (64, 48), "green").save(data, format, **saved)
    return decode_image(data, max_pixels=1_000_000)[1]


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_every_format_with_exif_tells_where_it_was_taken(format):
    facts = facts_of(format, exif=gps(*LISBON))
    assert (facts.lat, facts.lon) == pytest.approx(LISBON, abs=1e-5)
    south_east = facts_of(format, exif=gps(-33.86, 151.2))
    assert (south_east.lat, south_east.lon) == pytest.approx((-33.86, 151.2), abs=1e-5)


def test_xmp_tells_position_title_and_tags():
    facts = facts_of("JPEG", xmp=XMP.encode())
    assert (facts.lat, facts.lon) == pytest.approx(LISBON, abs=1e-5)
    assert facts.title == "Boats & gulls"
    assert facts.tags == ("beach", "holiday 2023")


def test_iptc_tells_title_and_tags():
    def entry(number: int, text: str) -> bytes:
        data = text.encode()
        return b"\x1c\x02" + bytes([number]) + len(data).to_bytes(2, "big") + data

    block = entry(5, "Harbour") + entry(25, "boat") + entry(25, "Küste")
    resource = b"8BIM\x04\x04\0\0" + len(block).to_bytes(4, "big") + block + b"\0" * (len(block) % 2)
    segment = b"Photoshop 3.0\0" + resource
    data = io.BytesIO()
    Image.new("RGB", (64, 48), "green").save(data, "JPEG")
    jpeg = data.getvalue()
    marked = jpeg[:2] + b"\xff\xed" + (len(segment) + 2).to_bytes(2, "big") + segment + jpeg[2:]
    facts = decode_image(io.BytesIO(marked), max_pixels=1_000_000)[1]
    assert (facts.title, facts.tags) == ("Harbour", ("boat", "Küste"))


def test_windows_tags_tell_title_and_tags():
    exif = Image.Exif()
    exif[0x9C9B], exif[0x9C9E] = "A pier\0".encode("utf-16-le"), "sea;pier\0".encode("utf-16-le")
    facts = facts_of("JPEG", exif=exif)
    assert (facts.title, facts.tags) == ("A pier", ("sea", "pier"))


@pytest.mark.parametrize(
    ("written", "position"),
    [
        ("+38.7077-009.1366+012.345/", LISBON),
        ("+38.7077-009.1366/", LISBON),
        ("+3842.462-00908.196/", LISBON),
        ("+384227.7-0090811.8/", LISBON),
        ("-33.86+151.20/", (-33.86, 151.2)),
        ("+00.0000+000.0000/", None),
        ("+98.0000+000.0000/", None),
        ("Lisbon", None),
    ],
)
def test_films_have_their_position_as_iso_6709(written, position):
    found = position_of_film([{}, {"com.apple.quicktime.location.ISO6709": written}])
    assert found == (None if position is None else pytest.approx(position, abs=2e-5))
    assert position_of_film([{"location": written}]) == found


def test_positions_that_cannot_be_are_none():
    for broken in ({2: (1, 2)}, {2: None, 4: None}, {2: (float("nan"),) * 3, 4: (1, 2, 3)}):
        exif = Image.Exif()
        exif.get_ifd(0x8825).update(broken)
        assert position_of_picture(exif) is None
    assert checked_position(0.0, 0.0) is None
    assert checked_position(91.0, 0.0) is None


def test_a_song_has_its_title_artist_album_and_genre():
    metadata = {"TITLE": "Blue", "artist": "Joni Mitchell", "album": "Blue", "genre": "Folk", "keywords": "sea, sand"}
    assert labels_of_stream([metadata]) == ("Blue", ("sea", "sand", "Joni Mitchell", "Blue", "Folk"))


def test_labels_are_bounded():
    title, tags = labels_of_stream([{"title": "t" * 1000, "keywords": ",".join(map(str, range(500)))}])
    assert title is not None
    assert len(title) == 300
    assert len(tags) == 64


def test_hits_know_where_a_picture_and_a_film_were_made(photos, empty, films):
    Image.new("RGB", (64, 48), "red").save(photos / "here.jpg", exif=gps(*LISBON))
    film = films.film(
        [Image.new("RGB", (64, 48), "blue")] * 25, format="mov", metadata={"location": "+48.8566+002.3522/"}
    )
    (photos / "film.mov").write_bytes(film)
    empty.index([photos], workers=1)
    (found,) = empty.search("x", where="place = 'Lisbon'")
    assert (found.country, found.lat) == ("Portugal", pytest.approx(38.7077, abs=1e-5))
    assert {hit.path for hit in empty.search("x", where="country = 'France'")} == {str(photos / "film.mov")}
