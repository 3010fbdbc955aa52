"""Where a picture or film was made, in degrees of latitude and longitude, as its metadata says."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

Position = tuple[float, float]

_GPS_IFD = 0x8825
_LAT_REF, _LAT, _LON_REF, _LON = 1, 2, 3, 4
_NUMBER = r"(\d+(?:\.\d+)?)"
_XMP = re.compile(rf"""exif:GPS(Latitude|Longitude)\s*(?:=\s*["']|>)\s*(\d+),{_NUMBER}(?:,{_NUMBER})?([NSEW])""")
_OF_FILMS = ("com.apple.quicktime.location.iso6709", "location", "location-eng")
_ISO_6709 = re.compile(r"\s*([+-])(\d{2,6}(?:\.\d*)?)([+-])(\d{3,7}(?:\.\d*)?)")


def position_of_picture(exif: Any, xmp: str = "") -> Position | None:
    """Where a picture was made, by its EXIF tags, else by its XMP packet."""
    try:
        gps = exif.get_ifd(_GPS_IFD)
        lat = _signed(_degrees(gps[_LAT]), gps.get(_LAT_REF), "S")
        lon = _signed(_degrees(gps[_LON]), gps.get(_LON_REF), "W")
        if (found := checked_position(lat, lon)) is not None:
            return found
    except Exception:  # no such tags, or broken ones
        pass
    return _by_xmp(xmp)


def position_of_film(metadata: Iterable[Mapping[str, str]]) -> Position | None:
    """Where a film was recorded, by the metadata of its container and tracks, which have it as ISO 6709."""
    for table in metadata:
        for name, value in table.items():
            if name.lower() in _OF_FILMS and (found := _by_iso_6709(value)):
                return found
    return None


def checked_position(lat: float, lon: float) -> Position | None:
    """A position on the globe; None for others, and for 0, 0, which devices write that do not know where they are."""
    on_globe = math.isfinite(lat) and math.isfinite(lon) and abs(lat) <= 90 and abs(lon) <= 180
    return (round(lat, 6), round(lon, 6)) if on_globe and (lat or lon) else None


def _degrees(parts: Any) -> float:
    degrees, minutes, seconds = ([float(part) for part in parts] + [0.0, 0.0])[:3]
    return degrees + (minutes or 0) / 60 + (seconds or 0) / 3600


def _signed(degrees: float, reference: Any, negative: str) -> float:
    said = reference.decode("latin-1") if isinstance(reference, bytes) else str(reference or "")
    return -degrees if said.strip("\0 ").upper().startswith(negative) else degrees


def _by_xmp(xmp: str) -> Position | None:
    found: dict[str, float] = {}
    for name, degrees, minutes, seconds, reference in _XMP.findall(xmp):
        value = float(degrees) + float(minutes) / 60 + float(seconds or 0) / 3600
        found[name] = -value if reference in "SW" else value
    return checked_position(found["Latitude"], found["Longitude"]) if len(found) == 2 else None


def _by_iso_6709(text: str) -> Position | None:
    """``+38.7077-009.1366+012.3/``, or with minutes and seconds in the same number: ``+384227-0090812/``."""
    match = _ISO_6709.match(text)
    if match is None:
        return None
    lat, lon = _sexagesimal(match[2], 2), _sexagesimal(match[4], 3)
    return checked_position(-lat if match[1] == "-" else lat, -lon if match[3] == "-" else lon)


def _sexagesimal(number: str, digits: int) -> float:
    whole, _, fraction = number.partition(".")
    parts = [whole[:digits], *(whole[i : i + 2] for i in range(digits, len(whole), 2))]
    parts[-1] += f".{fraction}" if fraction else ""
    return sum(float(part) / 60.0**i for i, part in enumerate(parts))
