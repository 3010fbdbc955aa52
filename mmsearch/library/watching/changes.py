"""What has changed and is yet to be indexed: gathered until it is quiet, and bounded."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field


@dataclass(slots=True)
class _Times:
    """When something changed, the first time and the last, in seconds."""

    first: float
    last: float


@dataclass(frozen=True, slots=True)
class Batch:
    """What is to be indexed at once.

    Attributes:
        roots: roots that are looked at as a whole.
        paths: files and folders that have changed in others, by root.
    """

    roots: frozenset[str] = frozenset()
    paths: dict[str, frozenset[str]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.roots or self.paths)


class Changes:
    """Paths that have changed, by root. Several threads may add to them.

    A path is ready when nothing has happened to it for a while, so that a file that is still being written waits. A
    root of which too many paths have changed is looked at as a whole, so that memory is bounded.

    Args:
        quiet_s: seconds without a change after which a path is ready.
        longest_s: seconds that a path which is ready waits for others to become quiet.
        most: paths that are remembered.
        clock: the time in seconds.
    """

    def __init__(self, quiet_s: float, longest_s: float, most: int, clock: Callable[[], float]) -> None:
        self._quiet_s, self._longest_s, self._most, self._clock = quiet_s, longest_s, most, clock
        self._guard = threading.Condition()
        self._paths: dict[str, dict[str, _Times]] = {}
        self._roots: dict[str, _Times] = {}

    def __len__(self) -> int:
        """The number of paths that are remembered."""
        with self._guard:
            return sum(map(len, self._paths.values()))

    def add(self, root: str, paths: Iterable[str]) -> None:
        """Note that paths in a root have changed."""
        now = self._clock()
        with self._guard:
            whole = self._roots.get(root)
            own = self._paths.setdefault(root, {})
            room = self._most - sum(map(len, self._paths.values())) + len(own)
            for path in paths:
                if whole is not None:
                    whole.last = now
                elif (times := own.get(path)) is not None:
                    times.last = now
                elif len(own) < room:
                    own[path] = _Times(now, now)
                else:
                    first = min((times.first for times in own.values()), default=now)
                    whole = self._roots[root] = _Times(first, now)
                    own.clear()
            if not own:
                del self._paths[root]
            self._guard.notify()

    def add_root(self, root: str, *, at_once: bool = False) -> None:
        """Note that a root is to be looked at as a whole; ``at_once``: without waiting until it is quiet."""
        now = self._clock()
        with self._guard:
            last = now - self._quiet_s if at_once else now
            self._roots[root] = _Times(last, last)
            self._paths.pop(root, None)
            self._guard.notify()

    def forget(self, root: str) -> None:
        """Forget what has changed in a root, which is gone."""
        with self._guard:
            self._roots.pop(root, None)
            self._paths.pop(root, None)

    def take(self) -> Batch:
        """What is to be indexed now; it is no longer remembered here."""
        now = self._clock()
        with self._guard:
            everything = [*self._roots.values(), *(times for own in self._paths.values() for times in own.values())]
            if not everything:
                return Batch()
            is_quiet = now - max(times.last for times in everything) >= self._quiet_s
            if not is_quiet and now - min(times.first for times in everything) < self._longest_s:
                return Batch()
            roots = {root for root, times in self._roots.items() if is_quiet or now - times.first >= self._longest_s}
            paths: dict[str, frozenset[str]] = {}
            for root, own in list(self._paths.items()):
                ready = frozenset(path for path, times in own.items() if now - times.last >= self._quiet_s)
                for path in ready:
                    del own[path]
                if ready:
                    paths[root] = ready
                if not own:
                    del self._paths[root]
            for root in roots:
                del self._roots[root]
            return Batch(frozenset(roots), paths)

    def put_back(self, batch: Batch) -> None:
        """Remember again what could not be indexed."""
        for root in batch.roots:
            self.add_root(root)
        for root, paths in batch.paths.items():
            self.add(root, paths)

    def wait(self, seconds: float) -> None:
        """Wait until something changes, or what has changed may be quiet; so many seconds at most."""
        with self._guard:
            times = [*self._roots.values(), *(times for own in self._paths.values() for times in own.values())]
            if times:
                left = self._quiet_s - (self._clock() - max(one.last for one in times))
                seconds = min(seconds, left) if left > 0 else seconds
            self._guard.wait(seconds)


def is_hidden(path: str, root: str) -> bool:
    """Whether a path, or a folder above it in the root, has a name that begins with a dot."""
    return any(part.startswith(".") for part in path[len(root) :].split(os.sep))
