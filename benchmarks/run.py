"""Run benchmarks and write what they measured: one JSON-lines file for each case, replaced by every run."""

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
import video_decode
import words
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
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the chosen cases; returns the exit status, 1 where one of them lacked its data."""
    options = parse(arguments)
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
    options = parser.parse_args(arguments)
    unknown = [case for case in options.cases if case not in CASES]
    if unknown:
        parser.error(f"no case {unknown[0]}; there are: {', '.join(CASES)}")
    return options


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
