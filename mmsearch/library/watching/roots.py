"""A folder that is watched: through the system where it tells of changes, else by the clock."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from mmsearch.library.watching.changes import Changes, is_hidden
from mmsearch.library.watching.file_systems import mounts_near, tells_of_changes, type_of_folder

_STEP_MS, _GATHER_MS, _WAKE_MS = 200, 1_000, 5_000
_SHARE = 20
"""By the clock, a look at a folder may take one part in so many of the time."""


class WatchedRoot:
    """A folder, whether it is there, and how it is watched.

    Args:
        path: absolute.
        changes: gets what changes.
        every_s: seconds from one look to the next, if it is watched by the clock.
        by_clock: watch it by the clock in any case.
        hidden: names that begin with a dot count.
        passed_over: a folder in it that does not count: that of the collection.
    """

    def __init__(
        self,
        path: str,
        changes: Changes,
        *,
        every_s: float,
        by_clock: bool,
        hidden: bool,
        passed_over: str,
    ) -> None:
        self.path = path
        self._changes = changes
        self._every_s, self._by_clock, self._hidden = every_s, by_clock, hidden
        self._passed_over = passed_over
        self._identity: tuple[int, int] | None = None
        self._mounts: frozenset[tuple[str, str]] = frozenset()
        self._observer: _Observer | None = None
        self._next_look = 0.0
        self.is_there = False

    def start(self, mounted: Mapping[str, str]) -> str | None:
        """Begin to watch. If the folder cannot be watched through the system, says why."""
        self.stop()
        self._identity = identity_of(self.path)
        self.is_there = self._identity is not None
        self._mounts = mounts_near(self.path, mounted)
        self._next_look = time.monotonic() + self._every_s
        if not self.is_there or self._by_clock:
            return None
        kind = type_of_folder(self.path, mounted)
        if not tells_of_changes(kind):
            return f"{kind} does not tell of all changes"
        observer = _Observer(self.path, self._note)
        if (failure := observer.start()) is not None:
            return failure
        self._observer = observer
        return None

    def stop(self) -> None:
        """Watch no more."""
        if self._observer is not None:
            self._observer.stop()
            self._observer = None

    @property
    def has_moved(self) -> bool:
        """Whether the folder is gone, has come, or another one is in its place."""
        return identity_of(self.path) != self._identity

    def has_other_mounts(self, mounted: Mapping[str, str]) -> bool:
        """Whether something was mounted or unmounted above or below the folder."""
        return mounts_near(self.path, mounted) != self._mounts

    @property
    def has_failed(self) -> bool:
        """Whether the system does not tell of changes any more, for whatever reason."""
        return self._observer is not None and not self._observer.is_running

    @property
    def is_due(self) -> bool:
        """Whether it is time to look at a folder that is watched by the clock."""
        return self.is_there and self._observer is None and time.monotonic() >= self._next_look

    def looked(self, seconds: float) -> None:
        """Note that the folder was looked at, which took so long."""
        self._next_look = time.monotonic() + max(self._every_s, _SHARE * seconds)

    def _note(self, paths: set[str]) -> None:
        own = self._passed_over
        counted = [
            path
            for path in paths
            if not (path == own or path.startswith(own + os.sep))
            if self._hidden or path.endswith(".mmsearchignore") or not is_hidden(path, self.path)
        ]
        if any(os.path.basename(path) == ".mmsearchignore" for path in counted):
            self._changes.add_root(self.path)  # other files count than before
        elif counted:
            self._changes.add(self.path, counted)


def identity_of(path: str) -> tuple[int, int] | None:
    """What tells a folder from another one that takes its place; None if there is none."""
    try:
        facts = os.stat(path)
    except OSError:
        return None
    return (facts.st_dev, facts.st_ino) if Path(path).is_dir() else None


class _Observer:
    """A thread that hears from the system what changes in a folder.

    Args:
        path: the folder.
        note: called with the paths that have changed.
    """

    def __init__(self, path: str, note: Callable[[set[str]], None]) -> None:
        self._path, self._note = path, note
        self._stop = _StopAndReady()
        self._failure: str | None = None
        self._thread = threading.Thread(target=self._watch, name=f"watch {path}", daemon=True)

    def start(self) -> str | None:
        """Begin; says why, if the system refuses."""
        self._thread.start()
        self._stop.ready.wait()
        return self._failure

    def stop(self) -> None:
        """End the thread."""
        self._stop.is_over = True
        self._thread.join()

    @property
    def is_running(self) -> bool:
        """Whether it still hears."""
        return self._thread.is_alive()

    def _watch(self) -> None:
        import watchfiles

        try:
            changes = watchfiles.watch(
                self._path,
                watch_filter=None,
                debounce=_GATHER_MS,
                step=_STEP_MS,
                rust_timeout=_WAKE_MS,
                yield_on_timeout=True,
                stop_event=self._stop,
                force_polling=False,
                ignore_permission_denied=True,
                raise_interrupt=False,
            )
            for found in changes:
                if found:
                    self._note({path for _, path in found})
        except Exception as error:  # of the system or of watchfiles, whose errors have no common kind
            self._failure = _worded(error)
        finally:
            self._stop.ready.set()


class _StopAndReady:
    """An event to stop by. That it is asked for says that the system tells of changes from now on."""

    def __init__(self) -> None:
        self.is_over = False
        self.ready = threading.Event()

    def is_set(self) -> bool:
        """Whether to stop."""
        self.ready.set()
        return self.is_over


def _worded(error: Exception) -> str:
    """Why the system refuses to tell of changes."""
    text = str(error)
    if "limit" in text.lower() or getattr(error, "errno", None) == 28:
        return "the system watches no more folders (fs.inotify.max_user_watches)"
    return text or type(error).__name__
