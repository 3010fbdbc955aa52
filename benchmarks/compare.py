"""Compares two results of one case, or two folders of results, that were measured on one machine.

A field is a measurement if its name says so (see `kind_of`); all other fields say what was measured, and lines of
both sides that agree in them are compared. Several lines that agree are runs of the same, and give their median.
"""

from __future__ import annotations

import json
import re
import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

Kind = Literal["cost", "rate", "quality"]
Key = tuple[tuple[str, str], ...]

QUALITY_TOLERANCE = 0.005  # a share such as recall may be lower by this much: half a point
NOISE_S = 0.005  # of the clock; what takes less is no measurement

_RATE = re.compile(
    r"(^|_)(queries|pictures|texts|items|gb|frames|answers|vectors)_s$|per_(s|cpu_s|cpu_minute)$|times_real_time$"
)
_QUALITY = re.compile(
    r"@\d+( alone)?$|(^|[_ ])(mAP|MRR|F1|recall|precision|AUROC|top-1|busy|share_of_seconds)$|^recall_"
)
_COST = re.compile(
    r"(^|[_ ])(s|ms|mb|MB|kb|seconds)$|(^|_)(held|file|peak)_bytes$|s_per_1000$"
    r"|(^|_)(ratio_of_medians|ratio_to_nothing|median_of_ratios)$"
)
_COUNTED = frozenset({"answers", "failed", "found", "met", "asked", "segments", "changed", "load", "runs", "frames"})
_ABOUT = frozenset({"case", "date", "machine", "versions", "target"})
_NOT_OURS = re.compile(r"(^|_)baseline_|^(rocchio|ridge)_")  # measured beside mmsearch
_WHOSE = ("engine", "reader", "server", "detector")  # fields that name a program; ours begins with "mmsearch"


class DifferentMachinesError(ValueError):
    """The two sides were measured on different kinds of machine."""


@dataclass(frozen=True, slots=True)
class Compared:
    """One measurement on both sides.

    Attributes:
        case: the name of the case.
        what: the fields that say what was measured, as text.
        name: the name of the measurement.
        old: its median before.
        new: its median now.
        ratio: new / old; None if old is 0.
        worse: whether it is worse by more than the tolerance, and measures mmsearch, not a rival.
    """

    case: str
    what: str
    name: str
    old: float
    new: float
    ratio: float | None
    worse: bool


def compare(old: Path, new: Path, tolerance: float) -> tuple[list[Compared], list[str]]:
    """Compare what both sides measured.

    Args:
        old: a file of results, or a folder of them.
        new: the same, of a later state.
        tolerance: costs may be higher, and rates lower, by this share.

    Returns:
        The measurements of both sides, and what only one of them has, in words. Each kind of machine is
        compared with itself.

    Raises:
        DifferentMachinesError: a case was measured on no kind of machine twice.
        FileNotFoundError: a side is not there.
    """
    before, now = _read(old), _read(new)
    _check_machines(before, now)
    old_values, new_values = _medians(before), _medians(now)
    compared = []
    for (case, key, name), value in new_values.items():
        if (case, key, name) in old_values:
            earlier = old_values[case, key, name]
            worse = _is_ours(key, name) and is_worse(name, earlier, value, tolerance)
            ratio = value / earlier if earlier else None
            compared.append(Compared(case, _words(key), name, earlier, value, ratio, worse))
    return compared, [*_only_in(old_values, new_values, "before"), *_only_in(new_values, old_values, "now")]


def kind_of(name: str) -> Kind | None:
    """What a field measures: a cost (less is better), a rate or a quality (more is better); None: it is a setting."""
    if _RATE.search(name):
        return "rate"
    if _QUALITY.search(name):
        return "quality"
    return "cost" if _COST.search(name) else None


def is_worse(name: str, old: float, new: float, tolerance: float) -> bool:
    """Whether a measurement is worse by more than the tolerance: a share of it; of a quality, half a point."""
    kind = kind_of(name)
    if kind == "quality":
        return new < old - QUALITY_TOLERANCE
    if kind == "rate":
        return new < old / (1 + tolerance)
    too_short = re.search(r"(^|_)(s|seconds)$", name) and max(old, new) < NOISE_S
    return kind == "cost" and not too_short and new > old * (1 + tolerance)


def table(compared: Iterable[Compared], only: Iterable[str]) -> str:
    """All ratios as lines of text; those that got worse are marked."""
    lines = []
    for one in compared:
        ratio = "" if one.ratio is None else f"× {one.ratio:.3f}"
        mark = "  WORSE" if one.worse else ""
        lines.append(f"{one.case:<12} {one.name:<24} {one.old:>12.5g} → {one.new:<12.5g} {ratio:<9}{mark}  {one.what}")
    return "\n".join([*lines, *only])


def _read(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        raise FileNotFoundError(f"there are no results at {path}")
    files = sorted(path.glob("*.jsonl")) if path.is_dir() else [path]
    return [json.loads(line) for file in files for line in file.read_text("utf-8").splitlines()]


def _check_machines(before: Iterable[Mapping[str, Any]], now: Iterable[Mapping[str, Any]]) -> None:
    old, new = _machines(before), _machines(now)
    for case in old.keys() & new.keys():
        if not old[case] & new[case]:
            sides = " and ".join("; ".join(sorted(side)) for side in (old[case], new[case]))
            raise DifferentMachinesError(f"{case} was measured on different machines: {sides}")


def _machines(lines: Iterable[Mapping[str, Any]]) -> dict[str, set[str]]:
    machines: dict[str, set[str]] = defaultdict(set)
    for line in lines:
        machines[line["case"]].add(_machine(line))
    return machines


def _machine(line: Mapping[str, Any]) -> str:
    return f"{line['machine']['cpu']} with {line['machine']['cores']} cores"


def _medians(lines: Iterable[Mapping[str, Any]]) -> dict[tuple[str, Key, str], float]:
    values: dict[tuple[str, Key, str], list[float]] = defaultdict(list)
    for line in lines:
        key = _key(line)
        for name, value in line.items():
            if kind_of(name) and isinstance(value, int | float) and not isinstance(value, bool):
                values[line["case"], key, name].append(value)
    return {what: statistics.median(measured) for what, measured in values.items()}


def _key(line: Mapping[str, Any]) -> Key:
    left_out = _ABOUT | _COUNTED
    settings = {
        name: value
        for name, value in line.items()
        if name not in left_out and not kind_of(name) and not isinstance(value, float | dict)
    }
    return (*((name, str(value)) for name, value in sorted(settings.items())), ("machine", _machine(line)))


def _is_ours(key: Key, name: str) -> bool:
    return not _NOT_OURS.search(name) and all(value.startswith("mmsearch") for name, value in key if name in _WHOSE)


def _words(key: Key) -> str:
    return ", ".join(f"{name} {value}" for name, value in key if name != "machine")


def _only_in(some: Mapping[tuple[str, Key, str], float], others: Iterable[Any], when: str) -> list[str]:
    missing = dict.fromkeys((case, key) for case, key, _ in some.keys() - set(others))
    return sorted(f"{case}: only measured {when}: {_words(key)}" for case, key in missing)
