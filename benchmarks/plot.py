"""Draw the results: ``results/<case>.jsonl`` → ``results/<case>.svg``. Needs matplotlib (extra ``bench``)."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ann_table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Line = dict[str, Any]
RECALLS = ("R@1", "R@5", "R@10")
LEAST_RECALL = 0.8  # of engines that is drawn
COLOURS = {"stated": "#bbbbbb", "brute force": "#0077bb", "index": "#ee7733", "index, texts known": "#009988"}


def draw_recall(lines: Sequence[Line], axes: Axes) -> None:
    """R@10 of each set and direction: as stated, by brute force, through IVF-PQ."""
    bars: dict[str, dict[str, float]] = {}
    for line in lines:
        if line["via"] == "index" and line["index"] == "exact":
            continue
        group = bars.setdefault(f"{line['set']}\n{line['direction']}", {})
        if "stated" in line:
            group["stated"] = line["stated"]["R@10"]
        known = line["via"] == "index" and "text" in line.get("tuned_on", ())
        group["index, texts known" if known else line["via"]] = line["R@10"]
    series = [name for name in COLOURS if any(name in group for group in bars.values())]
    height = 0.8 / len(series)
    for number, name in enumerate(series):
        places = [row + number * height for row, group in enumerate(bars.values()) if name in group]
        values = [group[name] for group in bars.values() if name in group]
        axes.barh(places, values, height, label=name, color=COLOURS[name])
    axes.set_yticks([row + 0.4 - height / 2 for row in range(len(bars))], list(bars))
    axes.invert_yaxis()
    axes.set(xlabel="R@10", xlim=(0, 1), title="Recall: model, store and index")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.08), ncols=len(series), frameon=False)


def draw_cold_query(lines: Sequence[Line], axes: Axes) -> None:
    """Seconds of a query from a fresh process, against the baseline and the target."""
    lines = [line for line in lines if "target" in line]  # the others are about memory
    names = [f"query, {line['output']}" for line in lines] + ["import numpy, pyarrow"]
    baseline = min(line["baseline_s"] for line in lines)
    bars = axes.barh(names, [line["query_s"] for line in lines] + [baseline], color=COLOURS["brute force"])
    axes.bar_label(bars, [f"× {line['ratio_of_medians']:.2f}" for line in lines] + ["× 1"], padding=4)
    target = lines[0]["target"]
    axes.axvline(target * baseline, color=COLOURS["index"], linestyle="--", label=f"target × {target}")
    axes.invert_yaxis()
    axes.margins(x=0.15)
    axes.set(xlabel="seconds, median", title=f"A text query from a fresh process, {lines[0]['rows']:,} vectors")
    axes.legend(loc="lower right")


def draw_ingest(lines: Sequence[Line], axes: Axes) -> None:
    """Time for a picture, as a whole and stage by stage, with pictures per second beside it."""
    names = [
        ", ".join([line["stage"], *(f"{n} {line[n]}" for n in ("workers", "batch") if n in line)]) for line in lines
    ]
    bars = axes.barh(names, [1e3 / line["items_per_s"] for line in lines], color=COLOURS["brute force"])
    axes.bar_label(bars, [f"{line['items_per_s']:,.0f} / s" for line in lines], padding=4)
    axes.invert_yaxis()
    axes.margins(x=0.15)
    axes.set(xlabel="milliseconds per picture", title=f"Indexing {lines[0]['items']} photographs with mini")


def draw_moments(lines: Sequence[Line], axes: Axes) -> None:
    """R@k of captions on photographs as files, and on their moments in a film."""
    searched = [line for line in lines if line["searched"] != "loss"]
    for number, line in enumerate(searched):
        colour = list(COLOURS.values())[number + 1]
        bars = axes.bar([k + 0.4 * number for k in range(len(RECALLS))], [line[k] for k in RECALLS], 0.38, color=colour)
        axes.bar_label(bars, [f"{line[k]:.3f}" for k in RECALLS], fontsize="small")
        bars.set_label(line["searched"])
    axes.set_xticks([k + 0.2 for k in range(len(RECALLS))], RECALLS)
    axes.set(
        ylim=(0, 1),
        title=f"{searched[0]['photos']} photographs joined to one film, {searched[0]['queries']:,} captions",
    )
    axes.legend(loc="upper left", frameon=False)


def draw_shots(lines: Sequence[Line], axes: Axes) -> None:
    """F1 of the cuts that each detector finds, by kind of film."""
    measured = [line for line in lines if "F1" in line]
    kinds = list(dict.fromkeys(line["film"] for line in measured))
    detectors = list(dict.fromkeys(line["detector"] for line in measured))
    height = 0.8 / len(detectors)
    colours = [*COLOURS.values()][1:]
    for number, detector in enumerate(detectors):
        of_kind = {line["film"]: line["F1"] for line in measured if line["detector"] == detector}
        places = [kinds.index(kind) + number * height for kind in of_kind]
        bars = axes.barh(places, list(of_kind.values()), height, label=detector, color=colours[number % len(colours)])
        axes.bar_label(bars, [f"{value:.2f}" for value in of_kind.values()], padding=3, fontsize="x-small")
    axes.set_yticks([row + 0.4 - height / 2 for row in range(len(kinds))], kinds)
    axes.invert_yaxis()
    axes.set(xlabel="F1 of the cuts found", xlim=(0, 1.1), title="Where one shot ends and the next begins")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=len(detectors), frameon=False)


def draw_video_decode(lines: Sequence[Line], axes: Axes) -> None:
    """Frames of film, and hours of sound, for each second and minute of processor time, relative to ours."""
    measured = [line for line in lines if "cpu_seconds" in line]
    rows = list(dict.fromkeys((line["task"], line.get("film") or line["file"]) for line in measured))
    readers = list(dict.fromkeys(line["reader"] for line in measured))
    seconds = {
        (line["task"], line.get("film") or line["file"], line["reader"]): line["cpu_seconds"] for line in measured
    }
    height = 0.8 / len(readers)
    for number, reader in enumerate(readers):
        own = [(place, row) for place, row in enumerate(rows) if (*row, reader) in seconds]
        speeds = [seconds[*row, "mmsearch"] / seconds[*row, reader] for _, row in own]
        axes.barh([place + number * height for place, _ in own], speeds, height, label=reader, color=f"C{number}")
    axes.set_yticks([row + 0.4 - height / 2 for row in range(len(rows))], [", ".join(row) for row in rows])
    axes.axvline(1, color="#555555", linewidth=0.8)
    axes.invert_yaxis()
    axes.set(xlabel="speed, mmsearch = 1 (processor time, one thread)", title="Decoding films and sounds")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=len(readers), frameon=False)


def draw_ann(lines: Sequence[Line], axes: Axes) -> Line:
    """Recall against milliseconds, a line for each engine, on the most rows on which engines were compared."""
    return _draw_curves(lines, axes, "text", _most_rows(lines))


def _draw_curves(lines: Sequence[Line], axes: Axes, kind: str, rows: int) -> Line:
    from matplotlib.ticker import LogLocator

    for engine, look in _looks(lines, rows).items():
        points = sorted((point["recall"], point["p50_ms"]) for point in ann_table.curve(lines, engine, rows, kind))
        recalls, times = zip(*points, strict=True)
        label = engine if recalls[-1] > LEAST_RECALL else f"{engine}: at most {recalls[-1]:.2f}"
        axes.plot(times, recalls, label=label, **look)
    asked = {"text": "Text", "picture": "Picture"}[kind]
    axes.set(xscale="log", xlabel="milliseconds, median", ylabel="recall@10", ylim=(LEAST_RECALL, 1.005))
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter("")
    axes.grid(alpha=0.3)
    axes.set_title(f"{asked} queries among {rows:,} pictures, one thread for each")
    axes.legend(fontsize="x-small", loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
    return next(line for line in lines if line["rows"] == rows)


def draw_ann_engines(lines: Sequence[Line], axes: Axes) -> Line:
    """Text queries on the number of rows at which most engines were measured."""
    return _draw_curves(lines, axes, "text", _most_engines(lines))


def draw_ann_pictures(lines: Sequence[Line], axes: Axes) -> Line:
    """The same for queries that are pictures."""
    return _draw_curves(lines, axes, "picture", _most_engines(lines))


def draw_ann_bytes(lines: Sequence[Line], axes: Axes) -> Line:
    """Recall of text queries against bytes a vector held in memory: from the quickest point to the most thorough."""
    rows = _most_engines(lines)
    for engine, look in _looks(lines, rows).items():
        held = ann_table.newest(lines, engine, rows, "held")
        if held:
            recalls = [point["recall"] for point in ann_table.curve(lines, engine, rows)]
            axes.plot([max(held[-1]["held_bytes"], 1)] * len(recalls), recalls, label=engine, **look)
    axes.set(
        xscale="log", xlabel="bytes a vector held in memory, in no file", ylabel="recall@10", ylim=(LEAST_RECALL, 1.005)
    )
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.grid(alpha=0.3)
    axes.set_title(f"Text queries among {rows:,} pictures, from quick to thorough")
    axes.legend(fontsize="x-small", loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
    return next(line for line in lines if line["rows"] == rows)


def _engines_at(lines: Sequence[Line]) -> dict[int, set[str]]:
    sizes: dict[int, set[str]] = {}
    for line in lines:
        if line["phase"] == "search":
            sizes.setdefault(line["rows"], set()).add(line["engine"])
    return sizes


def _most_rows(lines: Sequence[Line]) -> int:
    sizes = _engines_at(lines)
    return max((rows for rows, engines in sizes.items() if len(engines) > 1), default=max(sizes))


def _most_engines(lines: Sequence[Line]) -> int:
    """The number of rows at which most engines were measured; of several the most rows."""
    sizes = _engines_at(lines)
    return max(sizes, key=lambda rows: (len(sizes[rows]), rows))


def _looks(lines: Sequence[Line], rows: int) -> dict[str, Line]:
    """How the lines of each engine look: ours stands out, and neighbours differ in colour and mark."""
    names = [name for name in ann_table.engines(lines, rows) if ann_table.curve(lines, name, rows)]
    looks: dict[str, Line] = {}
    for number, name in enumerate(names):
        looks[name] = {"color": f"C{number % 10}", "marker": "^sDvPX<>h*"[number % 10], "markersize": 5, "linewidth": 1}
    if ann_table.OURS in looks:
        looks[ann_table.OURS] |= {"color": "black", "marker": "o", "linewidth": 2.5, "zorder": 3}
    return looks


LEVEL_COLOURS = {"strong": "#009988", "likely": "#88ccbb", "weak": "#dddddd", "nothing": "#bbbbbb"}
_IN, _NOT_IN = "captions / things", "captions / captions of photos that are not in"
SEARCHES = {  # label: (set of the results, which side of it)
    "captions of photographs that are in the collection": (_IN, "answered"),
    "captions of photographs that are not in it, though others like them are": (_NOT_IN, "not"),
    "things that are in no photograph": (_IN, "not"),
}


def draw_belief(lines: Sequence[Line], axes: Axes) -> None:
    """The share of searches by the level of their best hit, for each number of rows."""
    of = {(line["set"], line["rows"]): line for line in lines if line["part"] == "answers"}
    sizes = sorted({rows for name, rows in of if name == _IN})
    ticks = []
    for group, (label, (name, side)) in enumerate(SEARCHES.items()):
        for number, rows in enumerate(sizes):
            place, left = group * (len(sizes) + 1.2) + number, 0.0
            ticks.append((place, f"{rows:,} rows"))
            for level, colour in LEVEL_COLOURS.items():
                upto = of[name, rows].get(f"{level} or better, {side}", 1.0)
                bar = axes.barh(place, upto - left, left=left, color=colour, label=level if not place else None)
                axes.bar_label(bar, [f"{upto - left:.0%}" if upto - left > 0.06 else ""], label_type="center")
                left = upto
        axes.text(0, group * (len(sizes) + 1.2) - 0.55, label, fontsize="small")
    axes.set_yticks(*zip(*ticks, strict=True))
    axes.invert_yaxis()
    axes.set(xlabel="share of searches", xlim=(0, 1), title="The level of the best hit, mini")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.1), ncols=4, frameon=False)


DRAWINGS = {
    # picture: (drawing, inches, results)
    "recall": (draw_recall, 7.0, "recall"),
    "belief": (draw_belief, 4.6, "belief"),
    "cold-query": (draw_cold_query, 2.6, "cold-query"),
    "ingest": (draw_ingest, 3.4, "ingest"),
    "ann": (draw_ann, 5.0, "ann"),
    "ann-engines": (draw_ann_engines, 5.0, "ann"),
    "ann-pictures": (draw_ann_pictures, 5.0, "ann"),
    "ann-bytes": (draw_ann_bytes, 5.0, "ann"),
}
DRAWINGS |= {"moments": (draw_moments, 3.4, "moments"), "shots": (draw_shots, 4.0, "shots")}
DRAWINGS |= {"video-decode": (draw_video_decode, 5.0, "video-decode")}


def draw(results: Path) -> list[Path]:
    """Draw every case whose results lie in the folder; returns the pictures."""
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams.update({"svg.hashsalt": "mmsearch", "svg.fonttype": "none"})  # same results, same small file
    from matplotlib import pyplot

    drawn = []
    for name, (drawing, inches, case) in DRAWINGS.items():
        source = results / f"{case}.jsonl"
        if not source.exists():
            continue
        lines = [json.loads(line) for line in source.read_text("utf-8").splitlines()]
        if case == "ann":
            lines = ann_table.comparable(lines)
        figure, axes = pyplot.subplots(figsize=(8, inches), layout="constrained")
        shown = drawing(lines, axes) or lines[0]  # of results from several machines, a line of the one that is shown
        figure.supxlabel(_footnote(shown), fontsize="x-small", color="#555555")
        target = results / f"{name}.svg"
        figure.savefig(target, metadata={"Date": None})
        pyplot.close(figure)
        drawn.append(target)
    return drawn


def _footnote(line: Line) -> str:
    machine, versions = line["machine"], line["versions"]
    return f"{machine['cpu']}, {machine['cores']} cores; mmsearch {versions['mmsearch']}, {line['date'][:10]}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw, and say where."""
    parser = argparse.ArgumentParser(prog="benchmarks/plot.py", description=__doc__)
    parser.add_argument("--results", type=Path, default=Path(__file__).parent / "results", help="folder of the results")
    results = parser.parse_args(arguments).results
    try:
        drawn = draw(results)
    except ModuleNotFoundError as missing:
        print(f'{missing.name} is missing: pip install "mmsearch[bench]"', file=sys.stderr)
        return 1
    if not drawn:
        print(f"there are no results in {results}; benchmarks/run.py makes them", file=sys.stderr)
        return 1
    print(*drawn, sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
