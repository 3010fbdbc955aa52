"""What an index of more rows costs than could be built here: `big_index.py --costs` computes it from measured rates.

Each part of the work is so many products of numbers, or bytes moved, for every row; what one takes in processor seconds
was measured. Nothing is assumed of other machines but that a processor of theirs is as fast, and that rows are encoded
and merged by as many processes as there are processors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mmsearch.indexes import plan_index
from mmsearch.indexes.faiss.factory import ivf_of, untrained_index
from mmsearch.indexes.faiss.two_level import PROBED_GROUPS
from mmsearch.indexes.operating_point import queries_worth_comparing

SIZES = ((100_000_000, 512), (1_000_000_000, 512))
PROCESSORS, MACHINES, READERS = 16, 8, 8
_ID_BYTES = 8
_ITERATIONS, _REFINEMENTS = 10, 5


@dataclass(frozen=True, slots=True)
class Work:
    """The work that an index of so many rows is, in units of which each takes about the same time."""

    rows: int
    dim: int
    lists: int
    groups: int
    sample: int
    code_bytes: int

    @classmethod
    def of(cls, rows: int, dim: int, memory: float = 1e15) -> Work:
        """By the plan that is made for them."""
        plan = plan_index(rows, dim, memory_bytes=int(memory))
        ivf = ivf_of(untrained_index(str(plan.factory), dim))
        quantizer = str(plan.factory).partition("(IVF")[2].partition(",")[0]
        return cls(rows, dim, int(ivf.nlist), int(quantizer or 1), plan.train_rows, int(ivf.code_size))

    @property
    def compared(self) -> float:
        """Centroids that a row is compared with to find its list."""
        return self.lists if self.groups == 1 else self.groups + PROBED_GROUPS * self.lists / self.groups

    def units(self) -> dict[str, float]:
        """By part of the work."""
        training = _ITERATIONS * self.lists / self.groups + _REFINEMENTS * self.compared
        return {
            "write": self.rows * self.dim,
            "train": self.sample * self.dim * training,
            "encode": self.rows * self.dim * (self.compared + self.dim),  # the list, and the transform before the code
            "merge": self.rows * (self.code_bytes + _ID_BYTES),
            "calibrate": 2.0 * queries_worth_comparing(self.rows) * self.rows * self.dim,  # two kinds of queries
        }


def cost_table(lines: Sequence[dict[str, Any]]) -> str:
    """The measured run and larger ones, as a Markdown table; from the results of the largest run."""
    index = max((line for line in lines if line["part"] == "index"), key=lambda line: line["rows"] * line["dim"])
    same = {line["part"]: line for line in lines if (line["rows"], line["dim"]) == (index["rows"], index["dim"])}
    measured = Work(
        index["rows"],
        index["dim"],
        index["lists"],
        index["groups"],
        index["train_rows"],
        index["code_bytes"],
    )
    seconds = {name: float(index[f"{name}_processor_s"]) for name in ("train", "encode", "merge")}
    seconds["merge"] += float(index["join_processor_s"])
    seconds["write"] = index["rows"] / same["rows"]["written_a_s"]
    compared = measured.units()["calibrate"]
    seconds["calibrate"] = compared / same["truth"]["products_a_processor_s"]
    beside_vectors = same["rows"]["shards_gb"] * 1e9 / index["rows"] - 2 * index["dim"]
    works = [measured, *(Work.of(rows, dim) for rows, dim in SIZES)]
    cells = [_column(work, measured, seconds, beside_vectors) for work in works]
    heads = [f"{work.rows:,} × {work.dim}" for work in works]
    heads[0] += ", measured"
    table = [["", *heads], ["---"] * (len(heads) + 1)]
    table += [[name, *(column[name] for column in cells)] for name in cells[0]]
    return "\n".join(f"| {' | '.join(row)} |" for row in table)


def _column(work: Work, measured: Work, seconds: dict[str, float], beside_vectors: float) -> dict[str, str]:
    units, unit_of = work.units(), measured.units()
    hours = {name: seconds[name] * units[name] / unit_of[name] / 3600 for name in units}
    shared = hours["write"] + hours["encode"] + hours["merge"]
    alone = hours["train"] + hours["calibrate"]
    codes = work.rows * (work.code_bytes + _ID_BYTES) / 1e9
    resident = codes + work.rows * _ID_BYTES / 1e9 + work.lists * work.dim * 5 / 1e9
    disk = work.rows * (2 * work.dim + beside_vectors) / 1e9 + codes
    return {
        "lists, in groups": f"{work.lists:,}, {work.groups:,}",
        "rows that it is trained on": f"{work.sample:,}",
        "processor hours: shards written": _hours(hours["write"]),
        "training": _hours(hours["train"]),
        "encoding": _hours(hours["encode"]),
        "merging": _hours(hours["merge"]),
        "calibration": _hours(hours["calibrate"]),
        f"hours on one machine of {PROCESSORS} processors": _hours((shared + alone) / PROCESSORS),
        f"hours on {MACHINES} such machines": _hours(shared / MACHINES / PROCESSORS + alone / PROCESSORS),
        "GB of memory to train": f"{work.sample * work.dim * 4 / 1e9:.1f}",
        "GB of memory to search, on one machine": f"{resident:.1f}",
        f"on each of {READERS} readers": f"{resident / READERS:.1f}",
        "GB on disk": f"{disk:,.0f}",
    }


def _hours(hours: float) -> str:
    return f"{hours:.2f}" if hours < 1 else f"{hours:,.1f}"
