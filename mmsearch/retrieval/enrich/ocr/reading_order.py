"""Sorts the lines of a picture as they are read: columns of prose one after the other, else from top to bottom."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from mmsearch.retrieval.enrich.ocr.lines import TextLine

_COLUMN_GAP = 1.0  # of the height of a line: the least space between two columns
_PROSE = 8.0  # of the height of a line: narrower lines are cells of a table, which is read by rows
_FEWEST_LINES = 3  # of a column
_SAME_ROW = 0.5  # of the lower line's height: lines that overlap by more stand side by side
_UPRIGHT = 1.5  # times as high as wide is a line that runs from top to bottom
_WORD_GAP = 1.2  # of the height: pieces that are nearer belong to one line


def in_reading_order(lines: Sequence[TextLine], width: int, height: int) -> list[TextLine]:
    """The lines in reading order; pieces of one line that stand close together are joined.

    Upright lines, as in Chinese, are read from right to left.

    Args:
        lines: in any order.
        width: of the picture, in pixels.
        height: of the picture, in pixels.
    """
    scaled = [_scaled(line, width, height) for line in lines]
    upright = sum(line.bottom - line.top > _UPRIGHT * (line.right - line.left) for line in scaled)
    if 2 * upright > len(lines):
        turned = [TextLine(x.text, x.top, width - x.right, x.bottom, width - x.left) for x in scaled]
        scaled = [TextLine(x.text, width - x.bottom, x.left, width - x.top, x.right) for x in _ordered(turned)]
    else:
        scaled = _ordered(scaled)
    return [_scaled(line, 1 / width, 1 / height) for line in scaled]


def _scaled(line: TextLine, width: float, height: float) -> TextLine:
    return TextLine(line.text, line.left * width, line.top * height, line.right * width, line.bottom * height)


def _ordered(lines: list[TextLine]) -> list[TextLine]:
    """Recursive cuts: between two columns, else through the widest horizontal gap (Nagy and Seth's XY-cut)."""
    if len(lines) < 2:
        return lines
    if (at := _column_cut(lines)) is not None:
        return _ordered([x for x in lines if x.left < at]) + _ordered([x for x in lines if x.left >= at])
    gaps = _gaps([(line.top, line.bottom) for line in lines])
    if not gaps:
        return _rows(lines)
    at = max(gaps)[1]
    return _ordered([x for x in lines if x.top < at]) + _ordered([x for x in lines if x.top >= at])


def _column_cut(lines: Sequence[TextLine]) -> float | None:
    """Where the right column begins; None if there are no two columns of prose."""
    tall = statistics.median(line.bottom - line.top for line in lines)
    for gap, at in sorted(_gaps([(line.left, line.right) for line in lines]), reverse=True):
        sides = [x for x in lines if x.left < at], [x for x in lines if x.left >= at]
        if gap < _COLUMN_GAP * tall:
            return None
        widths = [statistics.median(line.right - line.left for line in side) for side in sides]
        if min(map(len, sides)) >= _FEWEST_LINES and min(widths) >= _PROSE * tall:
            return at
    return None


def _gaps(spans: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The sizes of the gaps that no span covers, each with where it ends."""
    gaps = []
    reached = min(start for start, _ in spans)
    for start, end in sorted(spans):
        if start > reached:
            gaps.append((start - reached, start))
        reached = max(reached, end)
    return gaps


def _rows(lines: Sequence[TextLine]) -> list[TextLine]:
    """Lines without a gap between them: those that stand side by side from left to right."""
    rows: list[list[TextLine]] = []
    for line in sorted(lines, key=lambda one: one.top + one.bottom):
        beside = rows and all(_overlap(line, other) > _SAME_ROW for other in rows[-1])
        if beside:
            rows[-1].append(line)
        else:
            rows.append([line])
    return [line for row in rows for line in _joined(sorted(row, key=lambda one: one.left))]


def _overlap(one: TextLine, other: TextLine) -> float:
    shared = min(one.bottom, other.bottom) - max(one.top, other.top)
    return shared / max(min(one.bottom - one.top, other.bottom - other.top), 1e-9)


def _joined(row: Sequence[TextLine]) -> list[TextLine]:
    joined: list[TextLine] = []
    for line in row:
        if joined and line.left - joined[-1].right < _WORD_GAP * (line.bottom - line.top):
            last = joined.pop()
            text = f"{last.text} {line.text}"
            low, high = min(last.top, line.top), max(last.bottom, line.bottom)
            line = TextLine(text, last.left, low, max(last.right, line.right), high)
        joined.append(line)
    return joined
