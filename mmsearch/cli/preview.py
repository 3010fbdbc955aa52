"""``--preview``: pictures and films among the hits as small pictures, in a grid as wide as the terminal."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mmsearch import Collection, Hit
from mmsearch.cli.hit_words import hit_uri
from mmsearch.cli.output import terminal_safe
from mmsearch.cli.terminal_pictures import TerminalPictures
from mmsearch.types import clock

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

    from mmsearch import Thumbnail

_GAP = 2
_LEAST_TILE, _WIDEST_TILE = 26, 48
_SPARE_LINES = 4
"""Lines of the terminal that a picture leaves free: for its caption, a blank line and the next prompt."""


@dataclass(frozen=True, slots=True)
class Grid:
    """The layout of the pictures: how many per row, and the columns and lines of each."""

    columns: int
    tile_width: int
    tile_height: int

    @classmethod
    def fitted(cls, count: int, width: int, height: int) -> Grid:
        """The layout of ``count`` pictures on a terminal of ``width`` columns and ``height`` lines."""
        columns = max(1, min(count, (width + _GAP) // (_LEAST_TILE + _GAP)))
        tile_width = max(1, min(_WIDEST_TILE, (width - _GAP * (columns - 1)) // columns))
        # 4:3, as a character is about twice as high as it is wide; not higher than the terminal, which would scroll
        return cls(columns, tile_width, max(1, min(tile_width * 3 // 8, height - _SPARE_LINES)))


def print_previews(hits: Sequence[Hit]) -> None:
    """Draw a picture for each picture and film among the hits, the film at the hit's time, below its rank and name."""
    from rich.console import Group
    from rich.table import Table

    shown = [hit for hit in hits if hit.modality in ("image", "video")]
    if not shown:
        return
    pictures = TerminalPictures()
    console = pictures.console()
    grid = Grid.fitted(len(shown), console.width, console.height)
    wide, high = pictures.cell
    thumbnails = Collection.thumbnails(shown, width=grid.tile_width * wide, height=grid.tile_height * high)
    for start in range(0, len(shown), grid.columns):
        row: list[RenderableType] = []
        for hit in shown[start : start + grid.columns]:
            thumbnail = next(thumbnails)
            drawn = _reason(hit, thumbnail) if thumbnail.pixels is None else pictures.drawn(thumbnail.pixels)
            row.append(Group(_caption(hit), drawn))
        table = Table.grid(padding=(0, _GAP, 0, 0), pad_edge=False)
        for _ in range(grid.columns):
            table.add_column(width=grid.tile_width)
        table.add_row(*row)
        console.print()
        console.print(table)


def _caption(hit: Hit) -> Text:
    """The line above a picture: rank, time in a film, name. The table above has the whole path."""
    from rich.text import Text

    caption = Text(no_wrap=True, overflow="ellipsis")
    time = clock(hit.span.start) + "  " if hit.span and hit.span.unit == "s" else ""
    caption.append(f"{hit.rank}  {time}", "dim")
    caption.append(terminal_safe(os.path.basename(hit.path)), f"link {hit_uri(hit)}")
    return caption


def _reason(hit: Hit, thumbnail: Thumbnail) -> Text:
    """What is printed instead of a picture that cannot be shown."""
    from rich.text import Text

    return Text(terminal_safe("file is gone" if hit.state == "gone" else thumbnail.reason or "no picture"), "dim")
