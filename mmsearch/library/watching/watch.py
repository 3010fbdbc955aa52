"""Watching folders from end to end: what changes is gathered, indexed in batches, and told."""

from __future__ import annotations

import datetime as dt
import gc
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from mmsearch.errors import (
    CollectionBusyError,
    CollectionDamagedError,
    CollectionNotFoundError,
    MMSearchError,
    NoSuchSearchError,
    ReadOnlyError,
    UsageError,
)
from mmsearch.library.saved.keep import saved_search
from mmsearch.library.saved.links import update_links
from mmsearch.library.saved.look import look, note_look
from mmsearch.library.saved.search import SavedSearch
from mmsearch.library.watching.changes import Batch, Changes
from mmsearch.library.watching.events import EventKind, WatchEvent
from mmsearch.library.watching.file_systems import mount_table, mounted_file_systems
from mmsearch.library.watching.lock import watcher_lock
from mmsearch.library.watching.program import run_program
from mmsearch.library.watching.roots import WatchedRoot
from mmsearch.machine import usable_cpus
from mmsearch.types import Modality, Report

if TYPE_CHECKING:
    from mmsearch import Progress, Transcriber
    from mmsearch.collection import Collection

_TICK_S = 0.5
_RETRY_S = 60.0
_BUSY_S = 2.0
_SWEEP_S = 3_600.0
"""What the system did not tell, a look at everything finds."""
_BURST = 1_000
"""Changes at once of which some may not have been told: Linux keeps 16,384 events, and drops what comes then."""
_MOST_PATHS = 10_000
_WHO = "watch"


def watch_folders(
    collection: Collection,
    paths: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] = (),
    *,
    tell: Sequence[str] = (),
    run: Sequence[str] = (),
    run_limit_s: float = 60.0,
    quiet_s: float = 2.0,
    longest_s: float = 30.0,
    every_s: float = 60.0,
    by_clock: bool = False,
    stop: threading.Event | None = None,
    watch: Callable[[Progress], None] | None = None,
    only: Sequence[Modality] = (),
    exclude: Sequence[str] = (),
    hidden: bool = False,
    workers: int | None = None,
    transcribe: str | Transcriber = "auto",
    ocr: str = "auto",
) -> Iterator[WatchEvent]:
    """Index folders, and go on to index what changes in them, until it is stopped.

    It begins with a look at everything, so that what happened while nobody watched is found. A folder that is gone is
    waited for. Folders of links to saved searches are kept up to date. Where the system does not tell of changes (disks
    of other machines), it looks from time to time.

    Args:
        collection: the collection; its models stay loaded.
        paths: folders; none stands for all folders that were indexed before.
        tell: names of saved searches; new hits of them come with the events. What was told before is not told again,
            also after a restart; of a search that was never told, only what comes from now on.
        run: a program and its first arguments, that is run for new hits, see `run_limit_s`. The paths of the hits are
            its last arguments, and a JSON object with ``search`` and ``hits`` is its standard input. No shell reads it.
        run_limit_s: seconds after which the program is killed.
        quiet_s: seconds without a change after which what has changed is indexed.
        longest_s: seconds that it waits at most, if changes go on; a file that is still being written waits longer.
        every_s: seconds from one look to the next at folders whose changes the system does not tell; more where a look
            takes long.
        by_clock: look at all folders so, whatever the system can tell.
        stop: ends the iteration within half a second after it is set, or after the batch that is being indexed.
        watch: called with a `Progress` while files are indexed.
        only: as in `Collection.index`, and so are the other options.
        exclude: patterns of files and folders to pass over; kept for later runs.
        hidden: read files and folders whose names begin with a dot, too.
        workers: decoding processes.
        transcribe: what turns speech into text.
        ocr: text in pictures.

    Raises:
        UsageError: a path that does not exist or is a file, no folder at all, or a bad option.
        NoSuchSearchError: one of ``tell`` is not saved.
        CollectionBusyError: somebody else watches for the collection.
        MMSearchError: what `Collection.index` raises, in the first run.
    """
    options = {
        "only": only,
        "exclude": exclude,
        "hidden": hidden,
        "workers": workers,
        "transcribe": transcribe,
        "ocr": ocr,
    }
    listed = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
    tops = _tops(collection, listed)
    names = [saved_search(collection, name).name for name in tell]
    if min(quiet_s, longest_s, every_s, run_limit_s) <= 0:
        raise UsageError("times to wait must be above 0 seconds")
    changes = Changes(quiet_s, longest_s, _MOST_PATHS, time.monotonic)
    roots = [
        WatchedRoot(
            top, changes, every_s=every_s, by_clock=by_clock, hidden=hidden, passed_over=os.fspath(collection.root)
        )
        for top in tops
    ]
    stop = stop or threading.Event()
    return _Watcher(collection, roots, changes, names, list(run), run_limit_s, options, stop, watch).events()


def _tops(collection: Collection, paths: Sequence[str | os.PathLike[str]]) -> list[str]:
    """The folders to watch, absolute."""
    known = list(collection.manifest.roots)
    if not paths:
        found = [root for root in known if os.path.isdir(root) or not os.path.exists(root)]
        if not found:
            raise UsageError(f"no folder was indexed in {collection.root} yet: name one to watch")
        return found
    tops = list(dict.fromkeys(os.path.abspath(os.path.expanduser(os.fspath(path))) for path in paths))
    for top in tops:
        if os.path.exists(top) and not os.path.isdir(top):
            raise UsageError(f"{top} is a file: name the folder that it lies in")
        if not os.path.exists(top) and top not in known:
            raise UsageError(f"{top} does not exist; name a folder")
    return tops


class _Watcher:
    """Folders that are watched for a collection."""

    def __init__(
        self,
        collection: Collection,
        roots: Sequence[WatchedRoot],
        changes: Changes,
        names: list[str],
        run: Sequence[str],
        run_limit_s: float,
        options: dict[str, Any],
        stop: threading.Event,
        watch: Callable[[Progress], None] | None,
    ) -> None:
        self._collection, self._changes = collection, changes
        self._roots = {root.path: root for root in roots}
        self._names, self._run, self._run_limit_s = names, run, run_limit_s
        self._options, self._stop, self._watch = options, stop, watch
        self._mount_table = b""
        self._mounted: dict[str, str] = {}
        self._not_before = 0.0
        self._is_busy = self._is_first = False
        self._next_sweep = time.monotonic() + _SWEEP_S

    def events(self) -> Iterator[WatchEvent]:
        """What happens, from the first run on."""
        with watcher_lock(self._collection.root):
            try:
                yield from self._begin()
                while not self._stop.is_set():
                    yield from self._look_at_roots()
                    batch = self._changes.take() if time.monotonic() >= self._not_before else Batch()
                    if batch:
                        yield from self._index(batch)
                        gc.collect()  # a run leaves cycles that hold what it has read of a large collection
                    else:
                        self._changes.wait(_TICK_S)
            finally:
                for root in self._roots.values():
                    root.stop()

    def _begin(self) -> Iterator[WatchEvent]:
        self._mount_table, self._mounted = mount_table(), mounted_file_systems()
        for root in self._roots.values():
            yield from self._start(root)
        self._is_first = True
        self._is_busy = False
        batch = Batch(frozenset(root.path for root in self._roots.values() if root.is_there))
        if batch:
            yield from self._index(batch)
        self._is_first = False

    def _start(self, root: WatchedRoot) -> Iterator[WatchEvent]:
        """Begin to watch a folder, and say what is special about it."""
        why = root.start(self._mounted)
        if not root.is_there:
            yield _event("gone", root=root.path)
        elif why is not None:
            yield _event("by_clock", root=root.path, text=why)

    def _look_at_roots(self) -> Iterator[WatchEvent]:
        """See which folders have gone or come back, and which are due."""
        table = mount_table()
        mounts_changed = table != self._mount_table
        if mounts_changed:
            self._mount_table, self._mounted = table, mounted_file_systems()
        for root in self._roots.values():
            if root.has_moved or root.has_failed or (mounts_changed and root.has_other_mounts(self._mounted)):
                was_there = root.is_there
                self._changes.forget(root.path)
                told = list(self._start(root))
                if root.is_there:
                    if not was_there:
                        yield _event("back", root=root.path)
                    self._changes.add_root(root.path, at_once=True)
                if was_there or root.is_there:  # that it is still gone was said
                    yield from told
            elif root.is_due:
                self._changes.add_root(root.path, at_once=True)
        if time.monotonic() >= self._next_sweep:
            self._next_sweep = time.monotonic() + _SWEEP_S
            for root in self._roots.values():
                if root.is_there:
                    self._changes.add_root(root.path, at_once=True)

    def _index(self, batch: Batch) -> Iterator[WatchEvent]:
        """Index a batch, and tell of it. One that cannot be indexed now waits."""
        is_first = self._is_first
        try:
            report = self._indexed(batch)
        except CollectionBusyError as error:
            if not self._is_busy:
                yield _event("busy", text=f"{error}: waiting")
            self._is_busy = True
            self._wait_with(batch, _BUSY_S)
            return
        except (CollectionNotFoundError, CollectionDamagedError, ReadOnlyError):
            raise
        except MMSearchError as error:
            if is_first:
                raise
            yield _event("failed", text=f"{error}: tried again in {_RETRY_S:g} s")
            self._wait_with(batch, _RETRY_S)
            return
        self._is_busy = False
        for path, changed in batch.paths.items():
            if len(changed) >= _BURST:
                self._changes.add_root(path)
        has_changed = bool(report.indexed or report.moved or report.removed)
        looked: list[tuple[SavedSearch, Any]] = []
        if has_changed or is_first:
            yield from self._look_at_searches(looked)
        hits = {search.name: tuple(found.answer.hits) for search, found in looked if found.answer.hits}
        links = self._linked() if has_changed or is_first else {}
        is_said = has_changed or is_first or hits or report.interrupted
        if is_said or any(not note.known for note in report.skipped):
            yield _event("batch", report=report, hits=hits, links=links)
        for search, found in looked:
            if self._run and found.answer.hits:
                wrong = run_program(self._run, search.name, found.answer.hits, self._run_limit_s)
                if wrong is not None:
                    yield _event("failed", text=wrong)
            note_look(search, found, who=_WHO)  # now that they are told
        if report.interrupted:
            raise KeyboardInterrupt

    def _indexed(self, batch: Batch) -> Report:
        begun = time.monotonic()
        report = Report()
        there = [path for path, root in self._roots.items() if root.is_there]
        wholes = [path for path in batch.roots if path in there]
        changed = [path for top, own in batch.paths.items() if top in there for path in own]
        if wholes:
            report = self._collection.index(wholes, watch=self._watch, **self._options)
        if changed and not report.interrupted:
            options = dict(self._options)
            if options["workers"] is None:
                options["workers"] = min(len(changed), usable_cpus())  # each takes a moment to start
            later = self._collection.index(there, watch=self._watch, changed=changed, **options)
            report = _sum(report, later) if wholes else later
        seconds = time.monotonic() - begun
        for path in wholes:
            self._roots[path].looked(seconds)
        return report

    def _wait_with(self, batch: Batch, seconds: float) -> None:
        self._changes.put_back(batch)
        self._not_before = time.monotonic() + seconds

    def _linked(self) -> dict[str, tuple[int, int]]:
        """The folders of links that have changed, after all were brought up to date."""
        try:
            done = update_links(self._collection)
        except MMSearchError:  # `update_links` says why, when a person calls it
            return {}
        return {os.fspath(one.folder): (one.added, one.removed) for one in done if one.added or one.removed}

    def _look_at_searches(self, looked: list[tuple[SavedSearch, Any]]) -> Iterator[WatchEvent]:
        """Add to ``looked`` what is new to each search that is to be told."""
        for name in list(self._names):
            try:
                search = saved_search(self._collection, name)
                found = look(self._collection, search, new=True, who=_WHO, k=max(search.k, _MOST_HITS))
            except (NoSuchSearchError, CollectionDamagedError) as error:
                self._names.remove(name)
                yield _event("failed", text=f"{error}: not told any more")
            except MMSearchError as error:
                yield _event("failed", text=str(error))
            else:
                if _WHO in search.looks:
                    looked.append((search, found))
                else:  # what is there already is nothing new
                    note_look(search, found, who=_WHO)


_MOST_HITS = 100
"""Of one search that are told at once; the others come with the next batch."""


def _event(
    kind: EventKind,
    *,
    root: str | None = None,
    report: Report | None = None,
    hits: Any = None,
    links: Any = None,
    text: str = "",
) -> WatchEvent:
    return WatchEvent(kind, dt.datetime.now().replace(microsecond=0), root, report, hits or {}, links or {}, text)


def _sum(one: Report, other: Report) -> Report:
    """What two runs did."""
    numbers = ("found", "indexed", "unchanged", "moved", "removed", "rows", "seconds")
    lists = ("skipped", "marked", "kept", "passed_over", "notices")
    return Report(
        **{name: getattr(one, name) + getattr(other, name) for name in (*numbers, *lists)},
        interrupted=one.interrupted or other.interrupted,
    )
