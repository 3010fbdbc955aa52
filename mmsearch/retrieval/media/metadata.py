"""Facts that the metadata of a file states: when and where it was made, with which camera, its title and tags."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import IO, Any

from mmsearch.retrieval.media.cameras import camera_of_film, camera_of_picture
from mmsearch.retrieval.media.dates import date_of_picture, date_of_stream, with_date
from mmsearch.retrieval.media.labels import Labels, labels_of_picture, labels_of_stream, xmp_of
from mmsearch.retrieval.media.positions import Position, position_of_film, position_of_picture
from mmsearch.types import Facts


def metadata_of_picture(image: Any, exif: Any, source: IO[bytes] | None = None) -> Facts:
    """What a picture states; ``image`` is what Pillow opened, ``exif`` its tags, ``source`` its file."""
    xmp = xmp_of(image)
    facts = _facts(camera_of_picture(exif), position_of_picture(exif, xmp), labels_of_picture(image, exif, xmp))
    return with_date(facts, date_of_picture(image, exif, source))


def metadata_of_stream(metadata: Iterable[Mapping[str, str]], source: str) -> Facts:
    """What a *film* or a *sound* (``source``) states, in the metadata of its container and then of its tracks."""
    tables = list(metadata)
    facts = _facts(camera_of_film(tables), position_of_film(tables), labels_of_stream(tables[:1]))
    return with_date(facts, date_of_stream(tables, source))


def with_size(facts: Facts, size: tuple[int, int], *, note: str | None = None) -> Facts:
    """The facts with width and height."""
    return replace(facts, width=size[0], height=size[1], note=note)


def _facts(camera: str | None, position: Position | None, labels: Labels) -> Facts:
    lat, lon = position or (None, None)
    title, tags = labels
    return Facts(camera=camera, lat=lat, lon=lon, title=title, tags=tags)
