"""Pictures of several pages: scans in one TIFF, collections in one HEIC. Each page is decoded as a picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import IO, TYPE_CHECKING, Any

from mmsearch.errors import DecodeError
from mmsearch.retrieval.media.pictures.image import decode_image, load_plugin
from mmsearch.retrieval.media.pictures.transform import ImageTransform
from mmsearch.retrieval.media.texts.text import join_notes
from mmsearch.types import Facts, counted

if TYPE_CHECKING:
    from PIL import Image

MAX_PAGES = 200
_MOST_DIRECTORIES = 10_000
_NEW_SUBFILE_TYPE, _SUBFILE_TYPE = 254, 255
_REDUCED, _MASK = 1, 4
_SIZES = {3: 2, 4: 4}

Emit = Callable[["Image.Image", int], None]
"""Is called with the picture of a page, upright in RGB, and its number, from 0."""


def pages_of(source: IO[bytes], format: str) -> list[int]:
    """The numbers of the pages of a picture file, from 0; ``[0]`` for other formats, and if they cannot be read.

    Reduced copies and masks, which a TIFF may hold beside its pages, are left out.
    """
    if format == "tiff":
        return _pages_of_tiff(source) or [0]
    if format == "heic":
        return _pages_of_heic(source)
    return [0]


def decode_pages(
    source: IO[bytes], format: str, pages: Sequence[int], transform: ImageTransform, emit: Emit, max_pixels: int
) -> Facts:
    """Emit the first `MAX_PAGES` pages; returns the facts of the first page that could be read.

    Raises:
        DecodeError: no page can be read.
    """
    target = (transform.height, transform.width)
    facts: Facts | None = None
    failed: list[tuple[int, str]] = []
    for page in pages[:MAX_PAGES]:
        try:
            picture, own = decode_image(
                source, max_pixels=max_pixels, target=target, draft=transform.draft, format=format, page=page
            )
        except DecodeError as error:
            failed.append((page, str(error)))
            continue
        emit(picture, page)
        facts = facts or own
    if facts is None:
        raise DecodeError(failed[0][1])
    notes = [facts.note]
    if failed:
        others = f" and {counted(len(failed) - 1, 'other')}" if len(failed) > 1 else ""
        notes.append(f"page {failed[0][0] + 1}{others} could not be read")
    if len(pages) > MAX_PAGES:
        notes.append(f"the first {MAX_PAGES} of {len(pages)} pages are used")
    return replace(facts, note=join_notes(*notes))


def _pages_of_heic(source: IO[bytes]) -> list[int]:
    from PIL import Image

    load_plugin("heic")
    source.seek(0)
    try:
        image: Any = Image.open(source, formats=["HEIF"])
        return list(range(max(1, int(image.n_frames))))
    except Exception:  # decoding says what is wrong with it
        return [0]


def _pages_of_tiff(source: IO[bytes]) -> list[int]:
    """Follows the chain of directories, and reads of each only the tags that say which kind of picture it holds."""
    source.seek(0)
    head = source.read(16)
    order = "little" if head[:2] == b"II" else "big"

    def number(data: bytes) -> int:
        return int.from_bytes(data, order)  # type: ignore[arg-type]

    big = number(head[2:4]) == 43
    width, entry = (8, 20) if big else (4, 12)
    at = number(head[8:16] if big else head[4:8])
    seen: set[int] = set()
    pages = []
    while at and at not in seen and len(seen) < _MOST_DIRECTORIES:
        seen.add(at)
        source.seek(at)
        count = number(source.read(8 if big else 2))
        fields = source.read(min(count, 4096) * entry)
        if len(fields) < count * entry:
            break
        kinds = {}
        for i in range(0, len(fields), entry):
            tag, type_of, value = number(fields[i : i + 2]), number(fields[i + 2 : i + 4]), fields[i + entry - width :]
            kinds[tag] = number(value[: _SIZES.get(type_of, width)])
        kind, old = kinds.get(_NEW_SUBFILE_TYPE, 0), kinds.get(_SUBFILE_TYPE, 1)
        if not kind & (_REDUCED | _MASK) and old != 2:
            pages.append(len(seen) - 1)
        at = number(source.read(width))
    return pages
