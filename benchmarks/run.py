"""Run benchmarks and write what they measured: one JSON-lines file for each case, replaced by every run.

With ``--compare`` nothing is run: the ratios of two results of one machine are printed.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import belief
import calibration
import cold_query
import feedback
import ingest
import mini
import moments
import ocr
import recall
import shots
import speech
import tags
import video_decode
import words
from compare import DifferentMachinesError, compare, table
from data import MissingDataError
from machine import machine_facts, versions

Measurement = dict[str, Any]

CASES: dict[str, Callable[[], list[Measurement]]] = {
    "recall": recall.measure,
    "moments": moments.measure,
    "shots": shots.measure,
    "video-decode": video_decode.measure,
    "cold-query": cold_query.measure,
    "ingest": ingest.measure,
    "mini": mini.measure,
    "belief": belief.measure,
    "calibration": calibration.measure,
    "feedback": feedback.measure,
    "ocr": ocr.measure,
    "words": words.measure,
    "speech": speech.measure,
    "tags": tags.measure,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the chosen cases; returns the exit status, 1 where one of them lacked its data or got worse."""
    options = parse(arguments)
    if options.compare:
        return print_comparison(*options.compare, options.tolerance)
    status = 0
    for case in options.cases or CASES:
        print(f"{case} …", flush=True)
        try:
            measured = CASES[case]()
        except MissingDataError as missing:
            print(f"{case} was not run: it {missing}", file=sys.stderr)
            status = 1
            continue
        path = write_results(options.out, case, measured)
        for line in measured:
            print("  " + " ".join(f"{name}={value}" for name, value in line.items()))
        print(f"  → {path}", flush=True)
    return status


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Which cases to run, and where to put their results."""
    parser = argparse.ArgumentParser(prog="benchmarks/run.py", description=__doc__)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"one of: {', '.join(CASES)} (default: all)")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results", help="folder of the results")
    parser.add_argument(
        "--compare",
        nargs=2,
        type=Path,
        metavar=("OLD", "NEW"),
        help="run nothing; print the ratios of two files of results, or of two folders of them. Exit status 1: "
        "something is worse by more than the tolerance; 2: they cannot be compared",
    )
    parser.add_argument(
        "--tolerance",
        type=float,
        default=0.1,
        help="share by which a time or a size may be greater, or a rate smaller (default: 0.1). "
        "A quality such as recall may be lower by 0.005",
    )
    options = parser.parse_args(arguments)
    unknown = [case for case in options.cases if case not in CASES]
    if unknown:
        parser.error(f"no case {unknown[0]}; there are: {', '.join(CASES)}")
    return options


def print_comparison(old: Path, new: Path, tolerance: float) -> int:
    """Print the ratios of two results; returns the exit status: 1 if something is worse, 2 if they do not compare."""
    try:
        compared, only = compare(old, new, tolerance)
    except (DifferentMachinesError, FileNotFoundError) as error:
        print(error, file=sys.stderr)
        return 2
    if not compared:
        print("the two results have no measurement in common", file=sys.stderr)
        return 2
    print(table(compared, only))
    worse = [one for one in compared if one.worse]
    print(f"{len(compared)} measurements compared, {len(worse)} worse by more than {tolerance:.0%}")
    return 1 if worse else 0


def write_results(out: Path, case: str, measured: Sequence[Measurement]) -> Path:
    """Write one line for each measurement, with what it was measured on; returns the file."""
    about = {
        "date": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "machine": machine_facts(),
        "versions": versions(),
    }
    out.mkdir(parents=True, exist_ok=True)
    path = out / f"{case}.jsonl"
    lines = [json.dumps({"case": case, **line, **about}, ensure_ascii=False) + "\n" for line in measured]
    path.write_text("".join(lines), "utf-8")
    return path


if __name__ == "__main__":
    sys.exit(main())
