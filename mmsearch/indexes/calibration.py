"""The calibration of an approximate index: its operating point, and the recall that was measured there."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mmsearch.indexes.faiss.probing import Probing

K = 10
"""Neighbours that recall counts: everything here is recall@10."""

CORPUS_QUERIES = "row"
"""The kind of queries that are rows of the corpus itself."""

TEXT_QUERIES = "text"
"""The kind of queries that are texts."""


@dataclass(frozen=True, slots=True)
class CalibrationPoint:
    """An operating point that was tried: the recall@10 of each kind of query there, and on how many queries.

    ``queries`` is empty in indexes of older versions, which did not store it.
    """

    nprobe: int
    candidates: int
    recall: Mapping[str, float]
    queries: Mapping[str, int] = field(default_factory=dict)
    probe_margin: float | None = None

    @property
    def probing(self) -> Probing:
        """Which lists are probed."""
        return Probing(self.nprobe, self.probe_margin)

    def to_json(self) -> dict[str, Any]:
        """A JSON object: ``nprobe``, ``reach`` (the margin), ``candidates``, one key a kind of query, ``queries``."""
        about = {"nprobe": self.nprobe, "reach": self.probe_margin, "candidates": self.candidates}
        return {**about, **self.recall, **({"queries": dict(self.queries)} if self.queries else {})}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> CalibrationPoint:
        """The inverse of `to_json`."""
        recall = {kind: value for kind, value in data.items() if kind not in _POINT_KEYS}
        return cls(data["nprobe"], data["candidates"], recall, data.get("queries", {}), data.get("reach"))


_POINT_KEYS = {"nprobe", "reach", "candidates", "queries"}


@dataclass(frozen=True, slots=True)
class Calibration:
    """The operating point of an approximate index, and the recall that was measured there.

    Attributes:
        nprobe: lists probed for each query, on average if there is a ``probe_margin``.
        candidates: candidates that are rescored for each query.
        target: the recall@10 that was asked for.
        recall: recall@10 by kind of query, on queries that were not used to choose the operating point.
        queries: how many queries of each kind that was measured on.
        curve: every operating point that was tried. Points far below the target were tried on few queries.
        probe_margin: see `Probing`; None in indexes of older versions.
    """

    nprobe: int
    candidates: int
    target: float
    recall: Mapping[str, float]
    queries: Mapping[str, int]
    curve: tuple[CalibrationPoint, ...] = field(default=(), repr=False)
    probe_margin: float | None = None

    @property
    def probing(self) -> Probing:
        """Which lists are probed."""
        return Probing(self.nprobe, self.probe_margin)

    @property
    def reached(self) -> bool:
        """Whether every kind of query reaches the target, within two standard errors of the measurement."""
        return all(
            value >= self.target - 2 * _standard_error(self.target, self.queries[kind])
            for kind, value in self.recall.items()
        )

    def to_json(self) -> dict[str, Any]:
        """The fields as a JSON object; ``probe_margin`` is called ``reach`` there."""
        return {
            "nprobe": self.nprobe,
            "candidates": self.candidates,
            "target": self.target,
            "recall": dict(self.recall),
            "queries": dict(self.queries),
            "curve": [point.to_json() for point in self.curve],
            "reach": self.probe_margin,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Calibration:
        """The inverse of `to_json`; reads what older versions wrote too."""
        return cls(
            nprobe=data["nprobe"],
            candidates=data["candidates"],
            target=data["target"],
            recall=data["recall"],
            queries=data["queries"],
            curve=tuple(map(CalibrationPoint.from_json, data.get("curve", ()))),
            probe_margin=data.get("reach"),
        )


def _standard_error(recall: float, queries: int) -> float:
    return math.sqrt(recall * (1 - recall) / (K * max(queries, 1)))
