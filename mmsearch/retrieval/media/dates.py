"""When a picture, film or sound was taken, as a local time, and which part of the file says so.

Each kind of file has several places for a date, which are read in order. Impossible dates are passed over: no such day,
in the future, before photography, or the zero of a clock that was never set.
"""

from __future__ import annotations

import datetime as dt
import email.utils
import os
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import IO, Any

from mmsearch.retrieval.media.labels import xmp_of
from mmsearch.retrieval.media.pictures.bit_depth import png_chunk
from mmsearch.types import Facts

_FIRST_YEAR = 1826
"""Of the oldest photograph that survives."""

_ZEROS = frozenset({(1904, 1, 1), (1970, 1, 1)})
"""The zeros of the clocks of QuickTime and of Unix: a clock that shows one of them was never set."""
_ZERO_OF_DOS = dt.datetime(1980, 1, 1)

_EXIF_IFD = 0x8769
_DATE_TIME, _ORIGINAL, _DIGITIZED = 0x0132, 0x9003, 0x9004
_OFFSETS = {_DATE_TIME: 0x9010, _ORIGINAL: 0x9011, _DIGITIZED: 0x9012}
_FRACTIONS = {_DATE_TIME: 0x9290, _ORIGINAL: 0x9291, _DIGITIZED: 0x9292}

_WRITTEN = re.compile(
    r"\s*(\d{4})[:/.-](\d\d?)[:/.-](\d\d?)"
    r"(?:[ T]+(\d\d?):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?\s*(Z|UTC|[+-]\d\d:?\d\d)?)?\s*\0*\s*"
)
_PDF_DATE = re.compile(r"D:\s*(\d{4})(\d\d)(\d\d)(?:(\d\d)(\d\d)?(\d\d)?)?\s*(Z|[+-]\d\d'?\d\d)?(?:'|Z?00'00'?)?")
_OFFSET = re.compile(r"\s*(?:(Z|UTC)|([+-])(\d\d):?(\d\d))")
_XMP_NAMES = ("photoshop:DateCreated", "exif:DateTimeOriginal", "xmp:CreateDate", "xap:CreateDate")
_MONTH = re.compile(r"[A-Z][a-z][a-z] \d|\d [A-Z][a-z][a-z]")
_PNG_NAMES = ("Creation Time", "exif:DateTimeOriginal", "create-date", "Date")

_CAMERAS = r"IMG|VID|PXL|MVIMG|DSC|WIN|PANO|BURST|DJI|REC|MOV|CAM|FILE|P|screenshot|screen|photo|video|voice|signal"
_IN_NAME = re.compile(
    rf"(?:(?<![0-9A-Za-z])|(?<![A-Za-z])(?:{_CAMERAS}))"
    r"((?:19|20)\d\d)([-_.]?)(\d\d)[-_.]?(\d\d)"
    r"(?:(?:\s*[-_T ]\s*|\s*(?:,|at|um|à|a|om|kl\.?|alle|às)\s+|[-_, ]+at[-_ ]+|)"
    r"([01]\d|2[0-3])([-_.:h\uff1a]?)([0-5]\d)[-_.:m\uff1a]?([0-5]\d)(\d{3})?(?:\s*([AaPp])\.?[Mm]\b)?)?"
    r"(?![0-9])"
)
_TWELVE_HOURS = re.compile(
    r"((?:19|20)\d\d)-(\d\d)-(\d\d)\s+(?:at\s+)?(\d{1,2})[.:]([0-5]\d)[.:]([0-5]\d)\s*([AaPp])\.?[Mm]\b"
)


@dataclass(frozen=True, slots=True)
class DateTaken:
    """When something was taken.

    Attributes:
        at: local time, with its offset from UTC where that is known.
        source: what says so: *exif*, *exif digitized*, *exif changed*, *xmp*, *png*, *iptc*, *film*, *sound*, *raw*,
            *document*, *mail* or *name*.
    """

    at: dt.datetime
    source: str


def with_date(facts: Facts, taken: DateTaken | None) -> Facts:
    """The facts with the date added; unchanged if ``taken`` is None."""
    return facts if taken is None else replace(facts, taken_at=taken.at, taken_from=taken.source)


def first_date(places: Iterable[Callable[[], DateTaken | None]]) -> DateTaken | None:
    """The date in the first of some places that has one. An error in reading a place counts as no date."""
    for place in places:
        try:
            taken = place()
        except Exception:  # metadata may be cut off, or of any type
            continue
        if taken is not None:
            return taken
    return None


def date_of_picture(image: Any, exif: Any, source: IO[bytes] | None = None) -> DateTaken | None:
    """When a picture that Pillow opened was taken.

    Args:
        image: the picture.
        exif: its EXIF tags.
        source: the file that it is read from.
    """
    return first_date(
        (
            lambda: _by_exif(exif, _ORIGINAL, "exif"),
            lambda: _by_exif(exif, _DIGITIZED, "exif digitized"),
            lambda: _by_xmp(xmp_of(image)),
            lambda: _by_iptc(image),
            lambda: _by_png(image),
            lambda: _by_exif(exif, _DATE_TIME, "exif changed"),
            lambda: _by_png_clock(source) if image.format == "PNG" and source is not None else None,
        )
    )


def date_of_stream(metadata: Iterable[Mapping[str, str]], source: str) -> DateTaken | None:
    """When a film or sound was recorded, by the metadata of its container and its tracks.

    QuickTime's local time with an offset is preferred to a time in UTC. ``date`` counts only with a time of day:
    without one it is the day when a song or film was published.
    """
    tables = list(metadata)

    def by(*names: str) -> Callable[[], DateTaken | None]:
        return lambda: first_date(partial(timed, table, name) for table in tables for name in names)

    def timed(table: Mapping[str, str], name: str) -> DateTaken | None:
        text = table.get(name) or table.get(name.upper()) or ""
        if name == "creation_time" and re.fullmatch(r"\d\d:\d\d:\d\d", text):  # Broadcast Wave has them apart
            text = f"{table.get('date', '')} {text}"
        at = read_date(text)
        return DateTaken(at, source) if at is not None and ":" in text.partition("-")[2] else None

    return first_date(
        (
            by("com.apple.quicktime.creationdate", "com.apple.proapps.shootdate"),
            by("datetimeoriginal", "date_recorded", "date_digitized"),
            by("creation_time"),
            by("date"),
        )
    )


def date_in_name(path: str | bytes) -> DateTaken | None:
    """The date that a camera, phone or program wrote into a file's name; at midnight if no time follows it."""
    name = os.path.splitext(os.path.basename(os.fsdecode(path)))[0]
    name = unicodedata.normalize("NFKC", name)  # macOS puts a narrow space before PM, and takes accents apart
    if half := _TWELVE_HOURS.search(name):
        numbers = list(map(int, half.groups()[:6]))
        numbers[3] = numbers[3] % 12 + (12 if half[7] in "Pp" else 0)
        at = _possible(*numbers)
        return DateTaken(at, "name") if at else None
    for found in _IN_NAME.finditer(name):
        year, _, month, day, hour, _, minute, second, milli, _ = found.groups()
        numbers = [int(part or 0) for part in (year, month, day, hour, minute, second)]
        at = _possible(*numbers, int(milli or 0) * 1000)
        if at is not None:
            return DateTaken(at, "name")
    return None


def date_of_document(text: str) -> dt.datetime | None:
    """A date as documents write it (ISO 8601, PDF's ``D:20210503101500+02'00'``, e-mail); None if it is impossible."""
    if found := _PDF_DATE.fullmatch(text.strip()):
        year, month, day, hour, minute, second, offset = found.groups()
        text = f"{year}-{month}-{day} {hour or '00'}:{minute or '00'}:{second or '00'}{offset or ''}".replace("'", "")
    try:
        return read_date(text) or _mail_date(text)
    except ValueError:
        return None


def _mail_date(text: str) -> dt.datetime | None:
    """A date as RFC 1123 and e-mail write it; None for other texts.

    Raises:
        ValueError: it is no date.
    """
    if not _MONTH.search(text):
        return None
    found = email.utils.parsedate_to_datetime(text)
    at = _possible(*found.timetuple()[:6])
    return at.replace(tzinfo=found.tzinfo) if at else None


def read_date(text: str) -> dt.datetime | None:
    """A date as EXIF, XMP or ISO 8601 write it, perhaps with a fraction and an offset; None if it is impossible."""
    found = _WRITTEN.fullmatch(text)
    if not found:
        return None
    year, month, day, hour, minute, second, fraction, offset = found.groups()
    numbers = [int(part or 0) for part in (year, month, day, hour, minute, second)]
    at = _possible(*numbers, int((fraction or "0").ljust(6, "0")[:6]))
    return at.replace(tzinfo=_zone(offset)) if at else None


def _possible(*numbers: int) -> dt.datetime | None:
    """The time of a year, month, day, hour, minute, second and microsecond, of which the last ones may be missing.

    None if there is no such time, if it lies in the future or before photography, and at the zero of a clock.
    """
    try:
        at = dt.datetime(*numbers)  # type: ignore[arg-type]
    except ValueError:
        return None
    latest = dt.datetime.now() + dt.timedelta(days=1)  # clocks of other zones are ahead
    impossible = at.year < _FIRST_YEAR or at > latest or numbers[:3] in _ZEROS or at == _ZERO_OF_DOS
    return None if impossible else at


def _zone(text: str | None) -> dt.timezone | None:
    """An offset from UTC; ValueError if it is over a day, for then the date beside it cannot be trusted either."""
    found = _OFFSET.match(text or "")
    if not found:
        return None
    if found[1]:
        return dt.UTC
    delta = dt.timedelta(hours=int(found[3]), minutes=int(found[4]))
    return dt.timezone(-delta if found[2] == "-" else delta)


def _by_exif(exif: Any, tag: int, source: str) -> DateTaken | None:
    """A date of EXIF with the fraction and the offset that are in tags of their own."""
    facts = exif.get_ifd(_EXIF_IFD) if hasattr(exif, "get_ifd") else {}
    at = read_date(_as_text(exif.get(tag) if tag == _DATE_TIME else facts.get(tag)))
    if at is None:
        return None
    fraction = re.match(r"\d+", _as_text(facts.get(_FRACTIONS[tag])))
    if fraction:
        at = at.replace(microsecond=int(fraction[0].ljust(6, "0")[:6]))
    return DateTaken(at.replace(tzinfo=at.tzinfo or _zone(_as_text(facts.get(_OFFSETS[tag])))), source)


def _by_xmp(text: str) -> DateTaken | None:
    for name in _XMP_NAMES:
        for found in re.finditer(rf"""{name}\s*(?:=\s*["']([^"']*)|>([^<]*)<)""", text):
            at = read_date(found[1] or found[2] or "")
            if at is not None:
                return DateTaken(at, "xmp")
    return None


def _by_iptc(image: Any) -> DateTaken | None:
    """DateCreated and TimeCreated (IIM 2:55, 2:60), as news agencies write them: 20230714, 183005+0200."""
    from PIL import IptcImagePlugin

    facts: Any = IptcImagePlugin.getiptcinfo(image) or {}
    day, time = (_as_text(facts.get((2, number))) for number in (55, 60))
    if not re.fullmatch(r"\d{8}", day):
        return None
    written = f"{day[:4]}-{day[4:6]}-{day[6:]}"
    if re.match(r"\d{6}", time):
        written += f" {time[:2]}:{time[2:4]}:{time[4:6]}{time[6:]}"
    at = read_date(written)
    return DateTaken(at, "iptc") if at else None


def _by_png(image: Any) -> DateTaken | None:
    """A date among the text chunks of a PNG, under any of the usual names."""
    for name in _PNG_NAMES:
        text = str(image.info.get(name) or "")
        at = read_date(text) or _mail_date(text)  # RFC 1123, as the specification of PNG has it
        if at is not None:
            return DateTaken(at, "png")
    return None


def _by_png_clock(source: IO[bytes]) -> DateTaken | None:
    """The chunk tIME, which Pillow does not read: when the picture was last changed, in UTC."""
    data = png_chunk(source, b"tIME")
    at = _possible(int.from_bytes(data[:2], "big"), *data[2:7]) if data else None
    return DateTaken(at.replace(tzinfo=dt.UTC), "png") if at else None


def _as_text(value: object) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value or "").strip()
