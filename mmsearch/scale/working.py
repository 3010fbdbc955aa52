"""Workers: each embeds the parts of one task of a plan, and needs nothing of the others."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
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
from mmsearch.types import FileNote


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
    options = ingest_options(plan.options, workers=workers, batch=batch)
    routing = routing_for(plan.model, plan.options, device, precision)
    if recipe_of(routing, options) != plan.recipe:
        theirs, ours = plan.recipe["spaces"], recipe_of(routing, options)["spaces"]
        what = f"the spaces {theirs}, this machine {ours}" if theirs != ours else "other decoders or options"
        raise SpaceMismatchError(f"the plan was made with {what}: plan again, or install what it was made with")
    store = PartStore(absolute_address(out), plan.sources)
    places = plan.task(*task)
    before = store.keys()
    clock = Stopwatch()
    failed: list[FileNote] = []
    report = WorkReport(parts=len(places), done_before=sum(plan.keys[place] in before for place in places))

    def parts() -> Iterator[KeyedPart]:
        for place in places:
            part, key = plan.parts[place], plan.keys[place]
            if key in before:
                continue
            try:
                check_unchanged(part)
                source = open_source(part.address, options.text_column)
            except MMSearchError as error:
                failed.append(FileNote(str(part), str(error)))
                continue
            yield KeyedPart(source, part, key, content_key(part, plan.recipe))

    try:
        for record, result in embed_and_store(store, parts(), routing, options, clock, watch or no_progress):
            if record is None:
                failed.append(FileNote(str(result.part), result.failure or "cannot be read"))
                continue
            report = replace(
                report,
                done=report.done + 1,
                items=report.items + result.items,
                indexed=report.indexed + len(result.rows),
                rows=report.rows + result.row_count,
                skipped=(*report.skipped, *result.skipped),
            )
    except KeyboardInterrupt:
        report = replace(report, interrupted=True)
    return replace(report, failed=tuple(failed), seconds=time.perf_counter() - start, stages=dict(clock.seconds))


def check_unchanged(part: SourcePart) -> None:
    """Check that a part still is what was planned.

    Raises:
        MMSearchError: it has changed since, or is gone.
    """
    if archive_kind(part.address) is not None and not part.names and part_of_file(part.address).etag != part.etag:
        raise MMSearchError(f"{part.address} has changed since it was planned; plan again")
