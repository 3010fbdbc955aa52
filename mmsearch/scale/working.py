"""Workers: each embeds the parts of one task of a plan, and needs nothing of the others."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from mmsearch.errors import MMSearchError, SpaceMismatchError
from mmsearch.retrieval.ingest.parts.index_sources import KeyedPart, embed_and_store, open_source
from mmsearch.retrieval.ingest.parts.part_key import content_key, recipe_of
from mmsearch.retrieval.ingest.parts.part_store import PartStore
from mmsearch.retrieval.progress import Stopwatch, Watcher, no_progress
from mmsearch.retrieval.sources.addresses import absolute_address, archive_kind
from mmsearch.retrieval.sources.archives import part_of_file
from mmsearch.retrieval.sources.protocol import SourcePart
from mmsearch.scale.planning import Plan, ingest_options, read_plan, routing_for
from mmsearch.scale.segments import encode_beside
from mmsearch.types import FileNote


@dataclass(frozen=True, slots=True)
class PartOutcome:
    """What became of one part.

    Attributes:
        place: of the part in the plan.
        done_before: it was done already.
        failure: why nothing of it could be read; None if it could.
        items: how many items it has.
        indexed: how many of them were embedded.
        rows: how many rows they became.
        skipped: the items that were not embedded, each with the reason.
    """

    place: int
    done_before: bool = False
    failure: str | None = None
    items: int = 0
    indexed: int = 0
    rows: int = 0
    skipped: tuple[FileNote, ...] = ()


@dataclass(frozen=True, slots=True)
class WorkReport:
    """What a worker did.

    Attributes:
        parts: how many parts its task has.
        done_before: how many of them were done already.
        done: how many it has done.
        failed: parts of which nothing could be read, each with the reason; they are tried again by the next run.
        items: the items of the parts that it has done.
        indexed: how many of them were embedded.
        rows: how many rows they became.
        skipped: the items that were not embedded, each with the reason.
        interrupted: whether it was stopped; the parts that were done are kept.
        seconds: how long it took.
        stages: seconds by stage; stages overlap.
    """

    parts: int = 0
    done_before: int = 0
    done: int = 0
    failed: tuple[FileNote, ...] = ()
    items: int = 0
    indexed: int = 0
    rows: int = 0
    skipped: tuple[FileNote, ...] = ()
    interrupted: bool = False
    seconds: float = 0.0
    stages: dict[str, float] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The report as a JSON object."""
        data = {name: getattr(self, name) for name in self.__slots__}
        data["failed"] = [note.to_json() for note in self.failed]
        data["skipped"] = [note.to_json() for note in self.skipped]
        data["seconds"] = round(self.seconds, 3)
        data["stages"] = {name: round(value, 3) for name, value in self.stages.items()}
        return data


def work(
    plan: Plan | str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    task: tuple[int, int] = (1, 1),
    device: str = "auto",
    precision: str = "auto",
    workers: int | None = None,
    batch: int | None = None,
    watch: Watcher | None = None,
) -> WorkReport:
    """Embed the parts of a task, and store what becomes of each in the collection that is to be gathered.

    A part whose result is there is not made again, so that a worker that was killed goes on where it was.

    Args:
        plan: the plan, or its file or address.
        out: the collection's folder, or its address in an object store.
        task: which part of the plan: the number of the task, from 1, and how many tasks there are.
        device: what the model runs on.
        precision: of the model.
        workers: decoding processes, default one for each processor.
        batch: pictures or frames embedded at once, default 8 at first and more while that is fast.
        watch: called with the progress.

    Raises:
        SpaceMismatchError: the model of this machine is not the one that the plan was made with.
        ModelUnavailableError: the model cannot be loaded.
        UsageError: there is no such task.
    """
    start = time.perf_counter()
    plan = plan if isinstance(plan, Plan) else read_plan(plan)
    places = plan.task(*task)
    worker = PartWorker(plan, out, device=device, precision=precision, workers=workers, batch=batch)
    outcomes: list[PartOutcome] = []
    interrupted = False
    try:
        for outcome in worker.outcomes(places, watch):
            outcomes.append(outcome)  # each is kept where Ctrl-C ends the loop
    except KeyboardInterrupt:
        interrupted = True
    report = report_of(plan, len(places), outcomes)
    seconds = time.perf_counter() - start
    return replace(report, interrupted=interrupted, seconds=seconds, stages=dict(worker.clock.seconds))


def report_of(plan: Plan, parts: int, outcomes: Sequence[PartOutcome]) -> WorkReport:
    """The report of some outcomes.

    Args:
        plan: the plan.
        parts: how many parts were to be made.
        outcomes: what became of them, each once; those of which nothing is known are left out.
    """
    done = [one for one in outcomes if not one.done_before and one.failure is None]
    return WorkReport(
        parts=parts,
        done_before=sum(one.done_before for one in outcomes),
        done=len(done),
        failed=tuple(FileNote(str(plan.parts[one.place]), one.failure) for one in outcomes if one.failure is not None),
        items=sum(one.items for one in done),
        indexed=sum(one.indexed for one in done),
        rows=sum(one.rows for one in done),
        skipped=tuple(note for one in done for note in one.skipped),
    )


class PartWorker:
    """Makes parts of a plan, with a model that is loaded once.

    Args:
        plan: the plan.
        out: as of `work`, like all others.

    Attributes:
        clock: the seconds by stage.

    Raises:
        SpaceMismatchError: the model of this machine is not the one that the plan was made with.
        ModelUnavailableError: the model cannot be loaded.
    """

    def __init__(
        self,
        plan: Plan,
        out: str | os.PathLike[str],
        *,
        device: str = "auto",
        precision: str = "auto",
        workers: int | None = None,
        batch: int | None = None,
    ) -> None:
        self._plan = plan
        self._options = ingest_options(plan.options, workers=workers, batch=batch)
        self._routing = routing_for(plan.model, plan.options, device, precision)
        self._store = PartStore(absolute_address(out), plan.sources, encode_beside)
        self.clock = Stopwatch()
        ours = recipe_of(self._routing, self._options)
        if ours != plan.recipe:
            differ = ours["spaces"] != plan.recipe["spaces"]
            what = f"the spaces {plan.recipe['spaces']}, this machine {ours['spaces']}"
            raise SpaceMismatchError(
                f"the plan was made with {what if differ else 'other decoders or options'}: plan again, or install what"
                " it was made with"
            )

    def outcomes(self, places: Sequence[int], watch: Watcher | None = None) -> Iterator[PartOutcome]:
        """Make the parts at some places of the plan, those that are not done; yields what became of each.

        Args:
            places: in the plan.
            watch: called with the progress.
        """
        before = self._store.keys()
        place_of = {self._plan.parts[place]: place for place in places}
        changed: list[PartOutcome] = []
        todo = []
        for place in places:
            if self._plan.keys[place] in before:
                yield PartOutcome(place, done_before=True)
            else:
                todo.append(place)

        def parts() -> Iterator[KeyedPart]:
            for place in todo:
                part = self._plan.parts[place]
                try:
                    check_unchanged(part)
                    source = open_source(part.address, self._options.text_column)
                except MMSearchError as error:
                    changed.append(PartOutcome(place, failure=str(error)))
                    continue
                yield KeyedPart(source, part, self._plan.keys[place], content_key(part, self._plan.recipe))

        watch = watch or no_progress
        made = embed_and_store(self._store, parts(), self._routing, self._options, self.clock, watch) if todo else ()
        for record, result in made:
            place = place_of[result.part]
            if record is None:
                yield PartOutcome(place, failure=result.failure or "cannot be read")
            else:
                yield PartOutcome(
                    place,
                    items=result.items,
                    indexed=len(result.rows),
                    rows=result.row_count,
                    skipped=tuple(result.skipped),
                )
        yield from changed


def check_unchanged(part: SourcePart) -> None:
    """Check that a part still is what was planned.

    Raises:
        MMSearchError: it has changed since, or is gone.
    """
    if archive_kind(part.address) is not None and not part.names and part_of_file(part.address).etag != part.etag:
        raise MMSearchError(f"{part.address} has changed since it was planned; plan again")
