"""Contact sheets: a page for each group with small pictures of its files, and a page that shows all groups.

The pages are HTML files that hold their pictures. They load nothing from anywhere, and hold no scripts.
"""

from __future__ import annotations

import base64
import html
import io
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import quote_from_bytes

from mmsearch import Progress
from mmsearch.collection import Collection
from mmsearch.durable import durable_file
from mmsearch.errors import HintKind, UsageError
from mmsearch.extracts import Thumbnail
from mmsearch.hits import Record
from mmsearch.library.groups.files import Watcher
from mmsearch.library.groups.results import Group
from mmsearch.types import clock, counted, printable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

T = TypeVar("T")

MOST_ON_A_SHEET = 120
"""Files of a group that its page shows."""

_SHOWN = 6  # pictures of each group on the page of all groups
_FILES_A_WORKER = 30  # fewer are decoded before another process has started
_WIDTH, _HEIGHT = 240, 180
_QUALITY = 80
_STYLE = "sheet.css"


def write_contact_sheets(
    collection: Collection,
    groups: Sequence[Group],
    folder: str | os.PathLike[str],
    *,
    force: bool = False,
    watch: Watcher | None = None,
) -> list[Path]:
    """Write a page for each group with small pictures of its files, and ``index.html`` with all groups.

    A page shows up to 120 files: those nearest to the middle of the group, of an event files spread over its time.
    Files that have no picture are shown by their names, texts by their first words.

    Args:
        collection: the collection that the groups are of.
        groups: the groups.
        folder: where to write; it is made if it is not there.
        force: write over pages that are there.
        watch: called with a `Progress` while pictures are decoded.

    Returns:
        The pages, that of all groups first.

    Raises:
        UsageError: a page is there already, or the folder is a file.
    """
    place = Path(folder).expanduser()
    pages = [place / "index.html", *(place / f"{group.id}.html" for group in groups)]
    if place.exists() and not place.is_dir():
        raise UsageError(f"{printable(str(place))} is no folder")
    if not force and (there := [page for page in pages if page.exists()]):
        raise UsageError(f"{printable(str(there[0]))} is there already", hint=HintKind.OVERWRITE)
    place.mkdir(parents=True, exist_ok=True)
    sections = []
    for group, page, cells in zip(groups, pages[1:], _cells(collection, groups, watch), strict=True):
        back = '<p><a href="index.html">All groups</a></p>'
        _write(page, group.name, f"{back}<h1>{_text(group.name)}</h1><p>{_about(group)}</p>{_list(cells)}")
        link = f'<h2><a href="{group.id}.html">{_text(group.name)}</a></h2>'
        sections.append(f"<section>{link}<p>{_about(group)}</p>{_list(_spread(cells, _SHOWN))}</section>")
    files = counted(sum(group.size for group in groups), "file")
    heading = f"<h1>{counted(len(groups), 'group')}</h1><p>{files}</p>"
    _write(pages[0], counted(len(groups), "group"), heading + "".join(sections))
    return pages


def _cells(collection: Collection, groups: Sequence[Group], watch: Watcher | None) -> Iterator[list[str]]:
    """The cells of the page of each group, one for each file that it shows."""
    shown = [collection.records(_shown(group)) for group in groups]
    together = [record for records in shown for record in records]  # for all groups, processes are started once
    workers = max(1, min(4, os.cpu_count() or 1, len(together) // _FILES_A_WORKER))
    pictures = Collection.thumbnails(together, height=_HEIGHT, width=_WIDTH, workers=workers)
    done = 0
    for records in shown:
        if watch is not None:
            watch(Progress("decode", done, len(together)))
        done += len(records)
        yield [_cell(record, next(pictures)) for record in records]


def _shown(group: Group) -> list[int]:
    ids: list[int] = group.ids.tolist()
    return _spread(ids, MOST_ON_A_SHEET) if group.kind == "event" else ids[:MOST_ON_A_SHEET]


def _cell(record: Record, picture: Thumbnail) -> str:
    name = printable(os.path.basename(record.path))
    if picture.pixels is not None:
        shown = f'<span class="picture"><img alt="" src="{_data(picture.pixels)}"></span>'
    elif record.text:
        words = " ".join(record.text.split())[:160]
        shown = f'<span class="picture words">{_text(words)}</span>'
    elif record.duration_s is not None:
        shown = f'<span class="picture">♪ {clock(record.duration_s)}</span>'
    else:
        shown = f'<span class="picture">{_text(picture.reason or "no picture")}</span>'
    date = "" if record.taken_at is None else f'<span class="date">{record.taken_at:%Y-%m-%d %H:%M}</span>'
    inside = f'{shown}<span class="name">{_text(name)}</span>{date}'
    if record.state == "none":
        return f"<li>{inside}</li>"
    return f'<li><a href="{_text(_uri(record.path))}" title="{_text(printable(record.path))}">{inside}</a></li>'


def _data(pixels: NDArray[np.uint8]) -> str:
    from PIL import Image

    written = io.BytesIO()
    Image.fromarray(pixels).save(written, "JPEG", quality=_QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(written.getvalue()).decode()


def _about(group: Group) -> str:
    parts = [group.id, counted(group.size, "file")]
    if not group.is_sure:
        parts.append("the name is a guess")
    if group.first is not None and group.last is not None:
        days = sorted({f"{group.first:%Y-%m-%d}", f"{group.last:%Y-%m-%d}"})
        parts.append(" to ".join(days))
    if group.place:
        parts.append(", ".join(filter(None, (group.place, group.country))))
    return _text(" · ".join(parts))


def _spread(values: Sequence[T], count: int) -> list[T]:
    """So many of the values, evenly from the first to the last; all if there are no more."""
    if len(values) <= count:
        return list(values)
    return [values[round(i * (len(values) - 1) / (count - 1))] for i in range(count)]


def _list(cells: Iterable[str]) -> str:
    return f"<ul>{''.join(cells)}</ul>"


def _text(words: str) -> str:
    return html.escape(words, quote=True)


def _uri(path: str) -> str:
    return "file://" + quote_from_bytes(os.fsencode(os.path.abspath(path)))


def _write(page: Path, title: str, body: str) -> None:
    head = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:; '
        "style-src 'unsafe-inline'\">"
    )
    style = Path(__file__).with_name(_STYLE).read_text("utf-8")
    text = f"{head}<title>{_text(title)}</title><style>{style}</style></head><body>{body}</body></html>\n"
    with durable_file(page) as sink:
        sink.write(text.encode("utf-8", "backslashreplace"))
