"""``--preview``: pictures on the terminal, below the table of hits."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable

import numpy as np
import pytest

from mmsearch.cli.preview import Grid
from mmsearch.cli.terminal_pictures import half_blocks

needs_terminal = pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals there")
PLACEHOLDER = "\U0010eeee"
"""What Kitty's protocol puts in the place of each character of a picture."""


def plain(text: str) -> str:
    """The characters that a terminal shows, without pictures, colours and links."""
    text = re.sub(r"\x1b[P_\]].*?\x1b\\", "", text, flags=re.DOTALL)
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[78]", "", text)


@pytest.fixture
def preview(indexed, terminal) -> Callable[..., str]:
    """What a terminal of the kind ``sixel``, ``kitty``, ``neither`` or ``silent`` is sent by ``--preview``."""

    def start(kind: str, **options: object) -> str:
        command = ["query", "a circle", "--to", "image", "-k", 3, "--preview", "-c", indexed.home]
        code, written = terminal.run(command, answers=terminal.ANSWERS[kind], cwd=indexed.folder, **options)
        assert code == 0, written
        return written

    return start


@needs_terminal
def test_a_terminal_that_knows_sixel_gets_pictures(preview):
    written = preview("sixel")
    assert written.count("\x1bP") == 3
    assert "▀" not in written
    assert PLACEHOLDER not in written


@needs_terminal
def test_a_terminal_that_knows_kittys_protocol_gets_pictures(preview):
    written = preview("kitty")
    assert written.count(",U=1,") == 3, "a placement for each picture"
    assert PLACEHOLDER in written
    assert "▀" not in written
    assert "\x1bP" not in written


@needs_terminal
@pytest.mark.parametrize("kind", ["neither", "silent"])
def test_any_other_terminal_gets_half_blocks(preview, kind):
    written = preview(kind)
    assert "▀" in written
    assert PLACEHOLDER not in written
    assert "\x1bP" not in written


@needs_terminal
def test_a_terminal_that_only_says_that_it_shows_pictures_gets_half_blocks(preview):
    written = preview("kitty", environment={"TERM_PROGRAM": "WarpTerminal"})
    assert "▀" in written
    assert PLACEHOLDER not in written


@needs_terminal
@pytest.mark.parametrize("kind", ["sixel", "kitty", "neither"])
def test_pictures_stand_side_by_side_below_the_table(preview, kind):
    shown = plain(preview(kind)).splitlines()
    table = [line for line in shown if re.match(r"\d  (strong|likely|weak|nothing)", line)]
    assert len(table) == 3
    names = [line.split()[-1].rpartition("/")[2] for line in table]
    (captions,) = (line for line in shown if re.match(r"1  \S+ +2  \S+ +3  ", line))
    assert captions.split()[1::2] == names
    assert shown.index(captions) > shown.index(table[-1])


@needs_terminal
def test_no_color_does_not_take_the_pictures_away(preview):
    assert "\x1b[38;2;" in preview("neither", environment={"NO_COLOR": "1"})


def test_half_blocks_have_the_shape_of_the_picture_and_no_bars(run, painted, tmp_path, monkeypatch):
    monkeypatch.setenv("COLORTERM", "truecolor")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "100")
    painted(tmp_path / "album" / "wide.png", "red", "white", (800, 200))
    painted(tmp_path / "album" / "high.png", "red", "white", (200, 800))
    assert run("index", tmp_path / "album", "-c", tmp_path / "c.mms", "--workers", 1).code == 0
    out = run("query", "red", "-c", tmp_path / "c.mms", "--preview").out
    assert "38;2;255;0;0" in out
    assert "38;2;0;0;0" not in out
    drawn = [plain(line) for line in out.splitlines() if "▀" in line]
    wide = [line.split("  ") for line in drawn]
    lengths = {len(blocks.strip()) for line in wide for blocks in line if blocks.strip()}
    assert lengths == {48, 9}, "800 × 200 fills the width of its place, 200 × 800 the height"
    assert len(drawn) == 18


@pytest.mark.parametrize("width", [20, 60, 80, 100, 160, 250])
@pytest.mark.parametrize("count", [1, 2, 10])
def test_the_grid_is_as_wide_as_the_terminal_and_no_wider(width, count):
    grid = Grid.fitted(count, width, 40)
    used = grid.columns * grid.tile_width + 2 * (grid.columns - 1)
    assert used <= width
    assert used > width - 2 * grid.columns or grid.tile_width == 48
    assert grid.columns <= count
    assert 1 <= grid.tile_height <= 36


def test_a_grid_of_a_low_terminal_leaves_room_for_the_caption():
    assert Grid.fitted(3, 200, 10).tile_height == 6


def test_half_blocks_are_two_pixels_a_character():
    pixels = np.zeros((3, 2, 3), np.uint8)
    pixels[1] = 255
    drawn = half_blocks(pixels)
    assert drawn.plain == "▀▀\n▀▀"
    assert [str(span.style) for span in drawn.spans[::2]] == ["rgb(0,0,0) on rgb(255,255,255)", "rgb(0,0,0)"]


@pytest.mark.parametrize("form", ["--json", "--paths", "--print0"])
def test_preview_goes_with_the_table_alone(run, indexed, form):
    ran = run("query", "a circle", "-c", indexed.home, "--preview", form)
    assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1)
    assert "leave out --json, --paths and --print0" in ran.err


def test_a_preview_of_texts_alone_draws_nothing(run, indexed):
    ran = run("query", "bread", "--to", "text", "-c", indexed.home, "--preview")
    assert (ran.code, "▀" in ran.out, len(ran.lines)) == (0, False, 2)


def test_the_reason_stands_in_the_place_of_a_picture_that_is_gone(run, painted, tmp_path):
    for name in ("here.png", "gone.png"):
        painted(tmp_path / "album" / name, "red", "black" if name == "here.png" else "blue")
    assert run("index", tmp_path / "album", "-c", tmp_path / "c.mms", "--workers", 1).code == 0
    (tmp_path / "album" / "gone.png").unlink()
    ran = run("query", "red", "-c", tmp_path / "c.mms", "--preview")
    assert ran.code == 0
    assert "▀" in ran.out
    assert "file is gone" in [line[:39].strip() for line in plain(ran.out).splitlines()]
