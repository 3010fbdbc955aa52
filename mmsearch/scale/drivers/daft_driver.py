"""Workers that Daft runs: on this machine, or on a cluster of Ray. Each loads the model once and makes parts of a plan.

Daft gives out the parts, places workers on GPUs and starts a worker that has died again. What becomes of a part is what
`mmsearch.scale.work` makes of it: a run may go on with the other, and both end in the same report.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from mmsearch.errors import MMSearchError, ModelUnavailableError, UsageError
from mmsearch.retrieval.progress import Progress, Watcher, no_progress
from mmsearch.scale.planning import Plan, read_plan
from mmsearch.scale.working import PartOutcome, PartWorker, WorkReport, report_of
from mmsearch.types import FileNote

_NO_TRACKING = {"DAFT_ANALYTICS_ENABLED": "0", "DO_NOT_TRACK": "1", "RAY_USAGE_STATS_ENABLED": "0"}
"""Daft reports its import and its runs to its makers, and Ray each cluster that it starts, unless these say no."""
_MOST_IN_A_BATCH = 8
_BATCHES_EACH = 4
_ROUNDS_WITHOUT_NEWS = 2


def work_with_daft(
    plan: Plan | str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    on: str = "local",
    at_once: int = 1,
    gpus: float = 0,
    task: tuple[int, int] = (1, 1),
    device: str = "auto",
    precision: str = "auto",
    workers: int | None = None,
    batch: int | None = None,
    watch: Watcher | None = None,
) -> WorkReport:
    """Embed the parts of a task by workers that Daft runs; otherwise as `mmsearch.scale.work`.

    Args:
        plan: the plan, or its file or address.
        out: the collection's folder, or its address; the same for all machines.
        on: ``local``: processes of this machine. ``ray://HOST:PORT``, ``HOST:PORT`` or ``auto``: a cluster of Ray;
            its machines have mmsearch, and the model's weights or the way to them.
        at_once: how many workers embed at once.
        gpus: GPUs of each worker: whole ones, or a part of one for small models; 0 places them by processors alone.
        task: which part of the plan.
        device: what the model runs on.
        precision: of the model.
        workers: decoding processes of each worker, default one for each processor of its machine.
        batch: pictures or frames embedded at once.
        watch: called with the progress, part by part.

    Raises:
        ModelUnavailableError: Daft is not installed.
        UsageError: there is no such task, cluster or share of a GPU.
    """
    start = time.perf_counter()
    if at_once < 1 or gpus < 0 or (gpus > 1 and gpus != int(gpus)):
        raise UsageError("a worker has a part of one GPU or whole ones, and at least one worker is needed")
    plan = plan if isinstance(plan, Plan) else read_plan(plan)
    places = plan.task(*task)
    options = {"device": device, "precision": precision, "workers": workers, "batch": batch}
    run = _Run(_daft_on(on), plan, os.fspath(out), options, on != "local", at_once, gpus)
    outcomes: dict[int, PartOutcome] = {}
    interrupted = False
    try:
        for outcome in _all_outcomes(run, places):
            outcomes[outcome.place] = outcome
            (watch or no_progress)(Progress("encode", len(outcomes), len(places), path=str(plan.parts[outcome.place])))
    except KeyboardInterrupt:
        interrupted = True
    report = report_of(plan, len(places), [outcomes[place] for place in places if place in outcomes])
    return replace(report, interrupted=interrupted, seconds=time.perf_counter() - start)


@dataclass(frozen=True, slots=True)
class _Run:
    """What holds for all rounds of a run: Daft, what each worker is made of, and how many there are of which size."""

    daft: Any
    plan: Plan
    out: str
    options: dict[str, Any]
    is_cluster: bool
    at_once: int
    gpus: float


def _all_outcomes(run: _Run, places: Sequence[int]) -> Iterator[PartOutcome]:
    """What became of each part. Where Daft gives up, for a worker that died, it begins again with what is left."""
    left = list(places)
    quiet_rounds = 0
    in_a_batch = max(1, min(_MOST_IN_A_BATCH, len(left) // (_BATCHES_EACH * run.at_once)))
    while left:
        count = len(left)
        try:
            for outcome in _one_round(run, tuple(left), in_a_batch):
                left.remove(outcome.place)
                yield outcome
            return
        except Exception as error:
            in_a_batch = 1  # so that a part that ends its worker takes no other with it
            quiet_rounds = quiet_rounds + 1 if len(left) == count else 0
            if quiet_rounds == _ROUNDS_WITHOUT_NEWS:
                reason = f"its worker died: {_last_line(error)}"
                yield from (PartOutcome(place, failure=reason) for place in left)
                return


def _one_round(run: _Run, places: Sequence[int], size: int) -> Iterator[PartOutcome]:
    batches = -(-len(places) // size)
    count = min(run.at_once, batches)
    kind = run.daft.cls(_worker_class(run.daft, size), gpus=run.gpus, max_concurrency=count, use_process=True)
    frame = run.daft.from_pydict({"place": list(places)})
    if run.is_cluster:
        frame = frame.into_partitions(batches)  # what a cluster gives to its workers
    worker = kind(run.plan, run.out, run.options)
    for row in frame.select(worker.make(frame["place"]).alias("outcome")).iter_rows():
        yield _from_text(row["outcome"])


def _worker_class(daft: Any, size: int) -> Any:
    """The class of whose instances Daft makes workers."""

    class MMSearchWorker:
        def __init__(self, plan: Plan, out: str, options: dict[str, Any]) -> None:
            self._failure: str | None = None
            try:
                self._worker = PartWorker(plan, out, **options)
            except MMSearchError as error:
                self._failure = str(error)

        @daft.method.batch(return_dtype=daft.DataType.string(), batch_size=size)  # type: ignore[untyped-decorator]
        def make(self, places: Any) -> Any:
            asked = places.to_pylist()
            return daft.Series.from_pylist([_as_text(one) for one in self._outcomes(asked)])

        def _outcomes(self, places: list[int]) -> list[PartOutcome]:
            if self._failure is not None:
                return [PartOutcome(place, failure=self._failure) for place in places]
            made = {}
            try:
                made = {one.place: one for one in self._worker.outcomes(places)}
            except Exception as error:
                reason = str(error) if isinstance(error, MMSearchError) else f"{type(error).__name__}: {error}"
                made = {place: PartOutcome(place, failure=reason) for place in places}
            return [made[place] for place in places]

    return MMSearchWorker


def _daft_on(on: str) -> Any:
    """Daft, told where it is to run, and to report to nobody."""
    os.environ.update(_NO_TRACKING)
    try:
        import daft
    except ImportError:
        raise ModelUnavailableError('this needs daft: pip install "mmsearch[cluster]"') from None
    if on == "local":
        _set_runner(daft, "native", daft.set_runner_native)
        return daft
    try:
        import ray
    except ImportError:
        raise ModelUnavailableError('this needs ray: pip install "mmsearch[cluster]"') from None
    if not ray.is_initialized():
        try:
            ray.init(address=on, logging_level="ERROR", log_to_driver=False, runtime_env={"env_vars": _NO_TRACKING})
        except (ConnectionError, ValueError, RuntimeError, OSError) as error:
            raise UsageError(f"no cluster of Ray answers at {on}: {_last_line(error)}") from None
    _set_runner(daft, "ray", lambda: daft.set_runner_ray(noop_if_initialized=True))
    return daft


def _set_runner(daft: Any, kind: str, choose: Callable[[], object]) -> None:
    """Choose what runs the workers. Daft takes one choice in the life of a process."""
    with contextlib.suppress(Exception):  # of its own kind, not documented: one was chosen before
        choose()
    if daft.runners.get_or_infer_runner_type() != kind:
        raise UsageError("Daft runs elsewhere in this process already: begin another process")


def _as_text(outcome: PartOutcome) -> str:
    return json.dumps({**asdict(outcome), "skipped": [note.to_json() for note in outcome.skipped]})


def _from_text(text: str) -> PartOutcome:
    data = json.loads(text)
    names = {field.name for field in dataclasses.fields(FileNote)}
    data["skipped"] = tuple(
        FileNote(**{name: value for name, value in note.items() if name in names and name != "hint"})
        for note in data["skipped"]
    )
    return PartOutcome(**data)


def _last_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[-1].strip() if lines else type(error).__name__
