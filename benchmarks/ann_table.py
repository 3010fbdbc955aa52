"""What stands in ``results/ann.jsonl``: the newest run of each engine, its curve, and all of them as tables.

`HOW` says how a time is read off a curve; nothing is read off beyond its last point.
"""

from __future__ import annotations

import datetime as dt
import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

Line = dict[str, Any]
RECALLS = (0.95, 0.98)
OURS = "mmsearch"
NONE = "–"
HOW = """Times at one recall are read off each engine's curve, of the points that no other of its points beats in
recall and time; between two of them the logarithm of the time grows in proportion to the recall. Where the quickest
point of an engine reaches more than that recall, its time stands in: ≤ marks a ratio that may be smaller, ≥ one that
may be larger, ≈ one that may be either. Held is what lies in memory and in no file; what is mapped and read lies there
too, but the system may take it away and read it again."""


def read(results: Path) -> list[Line]:
    """All lines of a file of results; none where there is no file."""
    if not results.exists():
        return []
    return [json.loads(line) for line in results.read_text("utf-8").splitlines()]


def newest(lines: Iterable[Line], engine: str, rows: int, phase: str) -> list[Line]:
    """What the last run told of a phase; an earlier one stays in the file, and is passed over."""
    told = [line for line in lines if (line["engine"], line["rows"], line["phase"]) == (engine, rows, phase)]
    last = max((line["date"] for line in told), default="")
    return [line for line in told if line["date"] == last]


def engines(lines: Iterable[Line], rows: int) -> list[str]:
    """Names of the engines with results for so many rows, in the order of the file."""
    return list(dict.fromkeys(line["engine"] for line in lines if line["rows"] == rows))


def machines(lines: Iterable[Line], rows: int) -> list[str]:
    """Processors on which so many rows were searched, in the order of the file: what they measured does not compare."""
    searched = (line for line in lines if (line["rows"], line["phase"]) == (rows, "search"))
    return list(dict.fromkeys(line["machine"]["cpu"] for line in searched))


def measured_on(lines: Iterable[Line], rows: int, cpu: str) -> list[Line]:
    """What was told of so many rows on one of them."""
    return [line for line in lines if line["rows"] == rows and line["machine"]["cpu"] == cpu]


def comparable(lines: Sequence[Line]) -> list[Line]:
    """Of each number of rows what was told on the processor with most engines (of several, the last)."""
    kept: list[Line] = []
    for rows in sorted({line["rows"] for line in lines}):
        by_machine = [measured_on(lines, rows, cpu) for cpu in machines(lines, rows)]
        kept += max(by_machine, key=lambda told: (len(engines(told, rows)), told[-1]["date"]), default=[])
    return kept


def curve(lines: Iterable[Line], engine: str, rows: int, kind: str = "text") -> list[Line]:
    """The searches of one engine for one kind of query."""
    return [line for line in newest(lines, engine, rows, "search") if line["kind"] == kind]


def front(points: Iterable[Line]) -> list[tuple[float, float]]:
    """(recall, p50) of the points that no other one beats in both, from quick to thorough."""
    kept: list[tuple[float, float]] = []
    for point in sorted(points, key=lambda point: (point["p50_ms"], -point["recall"])):
        if not kept or point["recall"] > kept[-1][0]:
            kept.append((point["recall"], point["p50_ms"]))
    return kept


def time_at(points: Iterable[Line], recall: float) -> tuple[float, bool] | None:
    """Milliseconds at a recall, and whether that is the first point's (so at most that); None where none reaches it."""
    kept = front(points)
    if not kept or kept[-1][0] < recall:
        return None
    if kept[0][0] >= recall:
        return kept[0][1], kept[0][0] > recall
    place = next(number for number, (reached, _) in enumerate(kept) if reached >= recall)
    (low, quick), (high, slow) = kept[place - 1 : place + 1]
    share = (recall - low) / (high - low)
    return math.exp((1 - share) * math.log(quick) + share * math.log(slow)), False


def first_with(points: Sequence[Line], recall: float) -> Line | None:
    """The quickest point with at least that recall."""
    return min((p for p in points if p["recall"] >= recall), key=lambda point: point["p50_ms"], default=None)


def table(lines: Sequence[Line]) -> str:
    """Tables for each number of rows and processor, in Markdown: size and building; searches; filters and changes."""
    parts = []
    for rows in sorted({line["rows"] for line in lines if line["phase"] == "search"}):
        for cpu in machines(lines, rows):
            parts += [f"### {rows:,} rows, {cpu}", *_of_machine(measured_on(lines, rows, cpu), rows)]
    return "\n\n".join([*parts, HOW])


def _of_machine(lines: Sequence[Line], rows: int) -> list[str]:
    names = [name for name in engines(lines, rows) if curve(lines, name, rows)]
    parts = [_sizes(lines, names, rows)]
    parts += [_searches(lines, names, rows, recall) for recall in RECALLS]
    return [*parts, _changes(lines, names, rows), *_failures(lines, rows)]


def _sizes(lines: Sequence[Line], names: Sequence[str], rows: int) -> str:
    header = ("engine", "files, bytes a vector", "held, bytes a vector", "mapped and read", "build, s")
    header = (*header, "of the processor, s", "threads")
    told = []
    for name in names:
        build = _last(newest(lines, name, rows, "build"))
        held = _last(newest(lines, name, rows, "held"))
        files = NONE
        if build:
            beside = build.get("beside_bytes")
            files = f"{build['file_bytes']:,.0f}" + (f" + {beside:,.0f} of the vectors" if beside else "")
        told.append(
            (
                f"{name} {_version(lines, name, rows)}".strip(),
                files,
                f"{held['held_bytes']:,.0f}" if held else NONE,
                f"{held['mapped_bytes']:,.0f}" if held and "mapped_bytes" in held else NONE,
                f"{build['wall_s']:,.0f}" if build else NONE,
                f"{build['cpu_s']:,.0f}" if build else NONE,
                str(build["threads"]) if build else NONE,
            )
        )
    return _markdown(header, told)


def _searches(lines: Sequence[Line], names: Sequence[str], rows: int, recall: float) -> str:
    header = ("engine", "point", "text recall", "p50, ms", "p99", "picture recall", "p50, ms", "p99")
    header = (*header, f"p50 at text recall {recall}: times ours", "at picture recall")
    told = []
    for name in names:
        texts, pictures = (curve(lines, name, rows, kind) for kind in ("text", "picture"))
        point = first_with(texts, recall)
        if point is None:
            best = max(p["recall"] for p in texts)
            told.append((name, f"at most {best:.3f}", *(NONE for _ in header[2:])))
            continue
        other = next((p for p in pictures if p["point"] == point["point"]), None)  # a run may have been ended there
        cells = [f(p) if p else NONE for p in (point, other) for f in (_recall, _p50, _p99)]
        ratios = [_ratio(lines, name, rows, kind, recall) for kind in ("text", "picture")]
        told.append((name, str(point["point"]), *cells, *ratios))
    return f"The quickest point with a text recall of at least {recall}:\n\n" + _markdown(header, told)


def _ratio(lines: Sequence[Line], name: str, rows: int, kind: str, recall: float) -> str:
    """An engine's time over ours at one recall, both read off their curves; of several runs the median, and the range.

    Each run stands beside the one of ours that was nearest in time.
    """
    ratios: list[float] = []
    sign = ""
    ours_by_date = runs(lines, OURS, rows, kind)
    for date, points in runs(lines, name, rows, kind).items():
        nearest = min(ours_by_date, key=lambda other: abs(_seconds(other) - _seconds(date)), default=None)
        theirs, ours = time_at(points, recall), time_at(ours_by_date[nearest], recall) if nearest else None
        if theirs is not None and ours is not None:
            ratios.append(theirs[0] / ours[0])
            sign = "≤ " if theirs[1] and not ours[1] else "≥ " if ours[1] and not theirs[1] else "≈ " if ours[1] else ""
    if not ratios:
        return NONE
    if name == OURS:
        return "1.00"
    several = f" ({min(ratios):.2f} to {max(ratios):.2f}, {len(ratios)} runs)" if len(ratios) > 1 else ""
    return f"{sign}{median(ratios):.2f}{several}"


def runs(lines: Iterable[Line], engine: str, rows: int, kind: str) -> dict[str, list[Line]]:
    """The searches of each run of an engine, by its date."""
    by_date: dict[str, list[Line]] = {}
    for line in lines:
        if (line["engine"], line["rows"], line["phase"], line.get("kind")) == (engine, rows, "search", kind):
            by_date.setdefault(line["date"], []).append(line)
    return by_date


def _seconds(date: str) -> float:
    return dt.datetime.fromisoformat(date).timestamp()


def _changes(lines: Sequence[Line], names: Sequence[str], rows: int) -> str:
    header = ("engine", "filter 1 %: recall", "p50, ms", "add 1,000, s", "settle, s", "found")
    header = (*header, "p50 / p99 before, ms", "while adding", "after", "delete 1 %, s", "dead met", "p50 after, ms")
    told = []
    for name in names:
        inside = newest(lines, name, rows, "filter")
        point = first_with(inside, 0.98) or max(inside, key=lambda p: p["recall"], default=None)
        add, during, gone = (_last(newest(lines, name, rows, phase)) for phase in ("add", "during", "delete"))
        if point is None and add is None:
            continue
        cells = [_recall(point), _p50(point)] if point else [NONE] * 2
        if add and "settle_s" in add:
            cells += [f"{add['wall_s']:.2f}", f"{add['settle_s']:.2f}", f"{add['found']:.2f}"]
            cells += [_both(add["before"]), _both(during) if during else NONE, _both(add["after"])]
        else:
            cells += [NONE] * 6
        cells += [f"{gone['wall_s']:.2f}", str(gone["met"]), _p50(gone["after"])] if gone else [NONE] * 3
        told.append((name, *cells))
    return _markdown(header, told)


def _failures(lines: Sequence[Line], rows: int) -> list[str]:
    """What failed last, where nothing of its kind was told since."""
    told = []
    for name in engines(lines, rows):
        for line in newest(lines, name, rows, "failed"):
            phase = {"change": "delete"}.get(line.get("of", ""), line.get("of", "search"))
            if max((other["date"] for other in newest(lines, name, rows, phase)), default="") <= line["date"]:
                told.append(f"{name}: {line['why']}")
    return ["\n".join(f"- {line}" for line in told)] if told else []


def _version(lines: Sequence[Line], name: str, rows: int) -> str:
    """Of the engine's own package: the first word of its name is found in the package's."""
    word = name.split()[0].split("-")[0]
    for line in newest(lines, name, rows, "search"):
        for package, version in line["versions"].items():
            if version and package.startswith(word):
                return str(version)
    return ""


def _last(lines: Sequence[Line]) -> Line | None:
    return lines[-1] if lines else None


def _recall(point: Line) -> str:
    return f"{point['recall']:.3f}"


def _p50(point: Line) -> str:
    return f"{point['p50_ms']:.2f}"


def _p99(point: Line) -> str:
    return f"{point['p99_ms']:.2f}"


def _both(times: Line) -> str:
    return f"{_p50(times)} / {_p99(times)}"


def _markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)
