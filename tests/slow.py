"""Writes tests/slow.txt, the tests that ``make test-fast`` leaves out, from what ``pytest --durations=0`` printed.

``make slow`` runs all tests and then this. A new test is fast until it is measured.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

LIST = Path(__file__).with_name("slow.txt")
SLOW_S = 0.15
"""Seconds that setup, call and teardown of a test may take together; of a test with parameters, the slowest counts."""

_LINE = re.compile(r"([\d.]+)s (?:call|setup|teardown)\s+(\S+::\S.*)")


def slow_names(lines: Iterable[str]) -> list[str]:
    """Names of slow tests, without their parameters, in order."""
    seconds: Counter[str] = Counter()
    for line in lines:
        if match := _LINE.match(line):
            seconds[match[2]] += float(match[1])
    return sorted({name.partition("[")[0].rstrip() for name, took in seconds.items() if took >= SLOW_S})


if __name__ == "__main__":
    LIST.write_text("".join(f"{name}\n" for name in slow_names(sys.stdin)), "utf-8")
