"""What a watcher tells: of batches that were indexed, of new hits, and of folders that are gone."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from mmsearch.hits import Hit
from mmsearch.types import Report, counted, path_json, printable

EventKind = Literal["batch", "gone", "back", "by_clock", "busy", "failed"]
"""``batch``: files were indexed. ``gone``: a folder is missing. ``back``: it is there again. ``by_clock``: a folder is
looked at from time to time, since the system does not tell of changes. ``busy``: another process writes. ``failed``:
something did not work, and is tried again or left."""


@dataclass(frozen=True, slots=True)
class WatchEvent:
    """What a watcher tells.

    Attributes:
        kind: ``batch``, ``gone``, ``back``, ``by_clock``, ``busy`` or ``failed``.
        at: when, in local time.
        root: the folder that it is about; None for batches and errors.
        report: of a batch.
        hits: new hits of saved searches, by name.
        links: folders of links that have changed, and how many links were added to and removed from each.
        text: what else there is to say.
    """

    kind: EventKind
    at: dt.datetime
    root: str | None = None
    report: Report | None = None
    hits: Mapping[str, tuple[Hit, ...]] = field(default_factory=dict)
    links: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    text: str = ""

    def describe(self) -> str:
        """The event in one line, after the time: ``3 new, 1 removed, 0 skipped; 2 new hits for @dogs``."""
        root = "" if self.root is None else printable(self.root)
        if self.kind == "gone":
            return f"{root} is gone: waiting for it, and nothing of it is forgotten"
        if self.kind == "back":
            return f"{root} is back"
        if self.kind == "by_clock":
            return f"{root} is looked at by the clock: {self.text}"
        if self.report is None:
            return self.text
        report = self.report
        new_notes = sum(not note.known for note in report.skipped)
        said = [f"{report.indexed:,} new", *([f"{report.moved:,} moved"] if report.moved else [])]
        said += [f"{report.removed:,} removed", f"{new_notes:,} skipped"]
        more = [f"{counted(len(hits), 'new hit')} for @{name}" for name, hits in self.hits.items() if hits]
        more += [f"{path}: {added} linked, {removed} unlinked" for path, (added, removed) in self.links.items()]
        more += ["stopped, what was embedded is kept"] if report.interrupted else []
        return "; ".join([", ".join(said), *more])

    def to_json(self) -> dict[str, Any]:
        """The fields that say something, as a JSON object."""
        return {
            "event": self.kind,
            "at": self.at.isoformat(timespec="seconds"),
            **({"root": path_json(self.root)} if self.root is not None else {}),
            **({"report": self.report.to_json()} if self.report is not None else {}),
            **({"hits": {n: [hit.to_json() for hit in hits] for n, hits in self.hits.items()}} if self.hits else {}),
            **({"links": {p: {"added": a, "removed": r} for p, (a, r) in self.links.items()}} if self.links else {}),
            **({"text": self.text} if self.text else {}),
        }
