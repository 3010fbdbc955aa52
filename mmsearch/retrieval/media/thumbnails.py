"""Small pictures of files, for a person to look at: of a picture, one of its pages, or a film at a time."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mmsearch.errors import MMSearchError
from mmsearch.extracts import Thumbnail
from mmsearch.retrieval.media.decode_spec import DecodeSpec
from mmsearch.retrieval.media.pictures.transform import ImageTransform
from mmsearch.retrieval.media.workers.contents import HeldContent
from mmsearch.retrieval.media.workers.decoder import Decoder
from mmsearch.retrieval.media.workers.jobs import Decoded, Job, Part
from mmsearch.types import Span

if TYPE_CHECKING:
    from mmsearch.hits import Record

_AT_ONCE = 16
"""Files for each of several workers that are decoded before their thumbnails are given out, in order."""

_PADDING = (1, 254, 3)
"""A colour that the edge of a picture does not have throughout, so that padding can be told from the picture."""


def read_thumbnails(
    records: Iterable[Record],
    height: int,
    width: int,
    workers: int = 1,
    content_of: Callable[[Record], HeldContent | None] = lambda _: None,
) -> Iterator[Thumbnail]:
    """A picture for each record, decoded in workers: the picture or its page, or a film in the middle of the span.

    A thumbnail is as large as fits ``height × width`` pixels. Where there is none it has the reason instead. One worker
    decodes no further ahead than is asked for.

    ``content_of`` opens the bytes of a record whose path is no file's, and raises a FileNotFoundError or MMSearchError
    where it cannot.
    """
    fitted = ImageTransform(height, width, resize="longest", fill=_PADDING, draft=2.0)
    spec = DecodeSpec(image=fitted, frames=fitted, texts=False)
    at_once = 1 if workers == 1 else _AT_ONCE * workers
    with Decoder(workers, spec, slots=2 * workers) as decoder:
        for some in _of_different_files(records, at_once):
            yield from _decoded(decoder, some, content_of)


def _of_different_files(records: Iterable[Record], count: int) -> Iterator[list[Record]]:
    """Records in runs of at most ``count``, no two of which have one path: results are told apart by it."""
    some: dict[str, Record] = {}
    for record in records:
        if record.path in some:
            yield list(some.values())
            some = {}
        some[record.path] = record
        if len(some) == count:
            yield list(some.values())
            some = {}
    if some:
        yield list(some.values())


def _decoded(
    decoder: Decoder, records: list[Record], content_of: Callable[[Record], HeldContent | None]
) -> Iterator[Thumbnail]:
    by_path = {os.fsencode(record.path): record for record in records}
    made: dict[bytes, Thumbnail] = {}
    held: dict[bytes, HeldContent] = {}
    try:
        jobs = list(_jobs(by_path, content_of, made, held))
        _decode(decoder, jobs, by_path, made)
    finally:
        for content in held.values():
            content.close()
    for path, record in by_path.items():
        yield made.get(path) or Thumbnail(None, f"no picture: its modality is {record.modality}")


def _jobs(
    by_path: dict[bytes, Record],
    content_of: Callable[[Record], HeldContent | None],
    made: dict[bytes, Thumbnail],
    held: dict[bytes, HeldContent],
) -> Iterator[Job]:
    """A job for each record with a picture whose bytes can be opened; of the others, what is said goes to ``made``."""
    for path, record in by_path.items():
        if record.modality not in ("image", "video"):
            continue
        try:
            content = content_of(record)
        except (FileNotFoundError, MMSearchError) as error:
            made[path] = Thumbnail(None, str(error))
            continue
        if content is not None:
            held[path] = content
        own = None if content is None else content.path
        yield Job(path, explicitly_requested=True, moment=_moment(record), content=own)


def _decode(decoder: Decoder, jobs: list[Job], by_path: dict[bytes, Record], made: dict[bytes, Thumbnail]) -> None:
    parts: dict[bytes, list[Part]] = {}
    for item in decoder.map(jobs) if jobs else ():
        if isinstance(item, Part):
            parts.setdefault(item.path, []).append(item)
        elif isinstance(item, Decoded):
            found = _pixels(item, parts.pop(item.path, []), by_path[item.path].span)
            pixels = None if found is None else _without_padding(found)
            made[item.path] = Thumbnail(pixels, item.reason or ("no such page" if pixels is None else None))
            decoder.release(item)


def _moment(record: Record) -> tuple[float, None] | None:
    """The time of the frame that stands for a film, in seconds: the middle of its span. Of a document, the page."""
    span = record.span
    if record.modality != "video":
        return (span.start, None) if span is not None and span.unit == "page" else None
    return (0.0 if span is None else (span.start + span.end) / 2), None


def _pixels(decoded: Decoded, parts: list[Part], span: Span | None) -> NDArray[np.uint8] | None:
    pages = {int(part.start_s): part.array for part in parts if part.kind == "page"}
    if pages:
        number = int(span.start) if span is not None else min(pages)
        return pages.get(number)
    shots = [part.array for part in parts if part.kind == "shot"]
    return shots[0][0] if shots else decoded.pixels


def _without_padding(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A copy without the rows and columns that `ImageTransform` added."""
    drawn = (pixels != np.array(_PADDING, np.uint8)).any(axis=2)
    rows, columns = np.flatnonzero(drawn.any(axis=1)), np.flatnonzero(drawn.any(axis=0))
    if not len(rows):
        return pixels.copy()
    return pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].copy()
