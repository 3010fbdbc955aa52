"""When something was taken: every place where cameras, phones and programs write it, asked in order."""

from __future__ import annotations

import contextlib
import datetime as dt
import io
import struct
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from mmsearch import Collection
from mmsearch.retrieval.media.dates import date_in_name, date_of_stream, read_date
from mmsearch.retrieval.media.films.frames import open_film
from mmsearch.retrieval.media.pictures.image import decode_image
from mmsearch.retrieval.media.sounds.sound import Sound
from mmsearch.types import Facts

JULY = dt.datetime(1998, 7, 14, 12, 30, 5)
CHANGED, ORIGINAL, DIGITIZED = 0x0132, 0x9003, 0x9004
XMP = '<x:xmpmeta><rdf:Description photoshop:DateCreated="{}" xmp:CreateDate="1990-01-01"/></x:xmpmeta>'


def exif(tags: dict[int, str], changed: str | None = None) -> bytes:
    made = Image.Exif()
    if changed:
        made[CHANGED] = changed
    if tags:
        made.get_ifd(0x8769).update(tags)
    return made.tobytes()


def facts_of(format: str, **options: Any) -> Facts:
    file = io.BytesIO()
    if format == "HEIF":
        import pi_heif

        pi_heif.register_heif_opener()
    Image.new("RGB", (64, 48), "red").save(file, format, **options)
    return decode_image(io.BytesIO(file.getvalue()), max_pixels=1_000_000)[1]


def taken(facts: Facts) -> tuple[dt.datetime | None, str | None]:
    return facts.taken_at, facts.taken_from


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize(
    ("tags", "changed", "source"),
    [
        ({ORIGINAL: "1998:07:14 12:30:05"}, "2001:01:01 00:00:00", "exif"),
        ({DIGITIZED: "1998:07:14 12:30:05"}, "2001:01:01 00:00:00", "exif digitized"),
        ({ORIGINAL: "0000:00:00 00:00:00", DIGITIZED: "1998:07:14 12:30:05"}, None, "exif digitized"),
        ({ORIGINAL: "2999:01:01 00:00:00"}, "1998:07:14 12:30:05", "exif changed"),
        ({}, "1998:07:14 12:30:05", "exif changed"),
    ],
)
def test_the_tags_of_exif_are_asked_in_order(format: str, tags: dict, changed: str | None, source: str) -> None:
    assert taken(facts_of(format, exif=exif(tags, changed))) == (JULY, source)


@pytest.mark.parametrize(
    ("date", "offset", "fraction", "source"),
    [(ORIGINAL, 0x9011, 0x9291, "exif"), (DIGITIZED, 0x9012, 0x9292, "exif digitized")],
)
def test_offsets_and_fractions_of_a_second_belong_to_their_date(
    date: int, offset: int, fraction: int, source: str
) -> None:
    facts = facts_of("JPEG", exif=exif({date: "1998:07:14 12:30:05", offset: "-05:30", fraction: "25"}))
    zone = dt.timezone(-dt.timedelta(hours=5, minutes=30))
    assert taken(facts) == (JULY.replace(microsecond=250_000, tzinfo=zone), source)


def test_a_date_beside_an_offset_that_cannot_be_is_passed_over() -> None:
    tags = {ORIGINAL: "1990:01:01 00:00:05", 0x9011: "+99:00", DIGITIZED: "1998:07:14 12:30:05"}
    assert taken(facts_of("JPEG", exif=exif(tags))) == (JULY, "exif digitized")


@pytest.mark.parametrize("format", ["JPEG", "WEBP", "AVIF", "TIFF"])
def test_xmp_stands_before_the_date_of_the_last_change(format: str) -> None:
    packet = XMP.format("1998-07-14T12:30:05").encode()
    if format == "TIFF":
        from PIL.TiffImagePlugin import ImageFileDirectory_v2

        tags = ImageFileDirectory_v2()
        tags[700], tags.tagtype[700] = packet, 7
        options: dict[str, Any] = {"tiffinfo": tags}
    else:
        options = {"xmp": packet, "exif": exif({}, "2001:01:01 00:00:00")}
    assert taken(facts_of(format, **options)) == (JULY, "xmp")


@pytest.mark.parametrize(
    "text", ["1998:07:14 12:30:05", "1998-07-14T12:30:05Z", "Tue, 14 Jul 1998 12:30:05 +0000", "14 Jul 1998 12:30:05"]
)
def test_png_texts_are_read_in_any_spelling(text: str) -> None:
    info = PngImagePlugin.PngInfo()
    info.add_text("date:create", "2020-01-01T00:00:00")  # when the file was written, says ImageMagick
    info.add_text("Creation Time", text)
    at, source = taken(facts_of("PNG", pnginfo=info))
    assert at is not None
    assert (at.replace(tzinfo=None), source) == (JULY, "png")


def test_the_clock_of_a_png_is_the_last_that_is_asked() -> None:
    info = PngImagePlugin.PngInfo()
    info.add(b"tIME", struct.pack(">H5B", 1998, 7, 14, 12, 30, 5))
    assert taken(facts_of("PNG", pnginfo=info)) == (JULY.replace(tzinfo=dt.UTC), "png")
    older = exif({ORIGINAL: "1990:01:01 00:00:01"})
    assert facts_of("PNG", pnginfo=info, exif=older).taken_from == "exif"


def test_iptc_is_read() -> None:
    file = io.BytesIO()
    Image.new("RGB", (64, 48)).save(file, "JPEG")
    fields = b"".join(
        b"\x1c\2" + bytes([n]) + struct.pack(">H", len(v)) + v for n, v in ((55, b"19980714"), (60, b"123005+0200"))
    )
    block = b"8BIM\x04\x04\0\0" + struct.pack(">I", len(fields)) + fields + b"\0" * (len(fields) % 2)
    segment = b"Photoshop 3.0\0" + block
    data = b"\xff\xd8\xff\xed" + struct.pack(">H", len(segment) + 2) + segment + file.getvalue()[2:]
    at, source = taken(decode_image(io.BytesIO(data), max_pixels=1_000_000)[1])
    assert (at and at.replace(tzinfo=None), source) == (JULY, "iptc")


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({"creation_time": "2021-05-01T10:00:00.000000Z"}, "2021-05-01T10:00:00+00:00"),
        (
            {
                "creation_time": "2021-05-01T10:00:00.000000Z",
                "com.apple.quicktime.creationdate": "2021-05-01T12:00:00+0200",
            },
            "2021-05-01T12:00:00+02:00",
        ),
        ({"creation_time": "1904-01-01T00:00:00.000000Z"}, None),
        ({"creation_time": "1970-01-01T00:00:00.000000Z"}, None),
        ({"creation_time": "2080-01-01T00:00:00.000000Z"}, None),
        ({"date": "1994"}, None),
        ({"date": "1994-03-02"}, None),
        ({"date": "2021-05-01 10:00:00"}, "2021-05-01T10:00:00"),
        ({"date": "2021-05-01", "creation_time": "10:11:12"}, "2021-05-01T10:11:12"),
        ({"DATE_RECORDED": "2021-05-01T10:00:00"}, "2021-05-01T10:00:00"),
        ({}, None),
    ],
)
def test_films_and_sounds_tell_when_they_were_recorded(metadata: dict[str, str], expected: str | None) -> None:
    found = date_of_stream([{}, metadata], "film")
    assert (found and found.at.isoformat()) == expected


def test_a_films_and_a_sounds_date_is_a_fact(films: ModuleType) -> None:
    when = {"creation_time": "2021-05-01T10:00:00.000000Z"}
    data = films.film((films.numbered(n) for n in range(5)), metadata=when)
    found = open_film(io.BytesIO(data), "mp4", 1_000_000).stated
    assert (found.taken_at, found.taken_from) == (dt.datetime(2021, 5, 1, 10, tzinfo=dt.UTC), "film")
    sound = Sound(io.BytesIO(films.film([], sound=films.tone(1, 48_000), metadata=when)), "m4a", 16_000)
    list(sound.windows())
    assert sound.facts.taken_from == "sound"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("IMG_20190704_101112.jpg", "2019-07-04T10:11:12"),
        ("IMG_20190704_101112_1.jpg", "2019-07-04T10:11:12"),
        ("PXL_20210302_101112345.MP.jpg", "2021-03-02T10:11:12.345000"),
        ("Screenshot 2021-03-02 at 10.11.12.png", "2021-03-02T10:11:12"),
        ("Screenshot 2021-03-02 at 10.11.12\u202fPM.png", "2021-03-02T22:11:12"),
        ("Screen Shot 2021-03-02 at 1.11.12 PM.png", "2021-03-02T13:11:12"),
        ("Capture d’e\u0301cran 2021-03-02 a\u0300 10.11.12.png", "2021-03-02T10:11:12"),
        ("Screenshot_20210302-101112_Chrome.jpg", "2021-03-02T10:11:12"),
        ("Screenshot_2021-03-02-10-11-12-345_com.app.jpg", "2021-03-02T10:11:12"),
        ("Screenshot from 2021-03-02 10-11-12.png", "2021-03-02T10:11:12"),
        ("WIN_20210302_10_11_12_Pro.jpg", "2021-03-02T10:11:12"),
        ("IMG-20190704-WA0001.jpg", "2019-07-04T00:00:00"),
        ("VID_20190704_101112.mp4", "2019-07-04T10:11:12"),
        ("WhatsApp Image 2021-03-02 at 10.11.12 (1).jpeg", "2021-03-02T10:11:12"),
        ("signal-2021-03-02-101112.jpg", "2021-03-02T10:11:12"),
        ("photo_2021-03-02_10-11-12.jpg", "2021-03-02T10:11:12"),
        ("IMG20210302101112.jpg", "2021-03-02T10:11:12"),
        ("2021_0302_101112_001F.MP4", "2021-03-02T10:11:12"),
        ("REC_2021_03_02_10_11_12_F.MP4", "2021-03-02T10:11:12"),
        ("20190704_101112.jpg", "2019-07-04T10:11:12"),
        ("IMG_20190704_0001.jpg", "2019-07-04T00:00:00"),
        ("IMG_1234.jpg", None),
        ("1001773457_577c3a7d70.jpg", None),
        ("123420190704.jpg", None),
        ("IMG_20209999_101112.jpg", None),
        ("IMG_20990101_101112.jpg", None),
        ("19700101_000000.jpg", None),
    ],
)
def test_dates_in_names_are_read(name: str, expected: str | None) -> None:
    found = date_in_name("/photos/2001-01-01/" + name)
    assert (found and found.at.isoformat()) == expected


@given(st.text())
def test_no_text_breaks_the_reading_of_dates(text: str) -> None:
    for read in (read_date, date_in_name):
        with contextlib.suppress(ValueError):  # an offset of over a day
            read(text)


def test_a_broken_block_of_facts_hides_no_other(films: ModuleType) -> None:
    good = exif({ORIGINAL: "not a date", DIGITIZED: "1998:07:14 12:30:05"})
    assert taken(facts_of("JPEG", exif=good, xmp=b"\xff\xfe photoshop:DateCreated='")) == (JULY, "exif digitized")


def test_where_a_date_comes_from_is_told_and_can_be_asked_for(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    picture = Image.effect_noise((64, 48), 50).convert("RGB")
    picture.save(folder / "IMG_20190704_101112.png")
    picture.rotate(90).save(folder / "scan.jpg", exif=exif({}, "1998:07:14 12:30:05"))
    picture.rotate(180).save(folder / "plain.png")
    with Collection.create(tmp_path / "c", model="mini") as photos:
        photos.index([folder])
        hits = {Path(hit.path).name: hit.to_json() for hit in photos.search("noise", k=3)}
        assert {name: hit["taken_from"] for name, hit in hits.items()} == {
            "IMG_20190704_101112.png": "name",
            "scan.jpg": "exif changed",
            "plain.png": None,
        }
        assert hits["scan.jpg"]["taken_at"] == "1998-07-14T12:30:05"
        found = photos.search("noise", where="taken_from == 'name'")
        assert [Path(hit.path).name for hit in found] == ["IMG_20190704_101112.png"]
        assert [Path(hit.path).name for hit in photos.search("noise", before="1999")] == ["scan.jpg"]
