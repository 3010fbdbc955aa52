"""What this process may use of the machine: the lower of what is there and what its container (cgroup) allows."""

from __future__ import annotations

import contextlib
import functools
import math
import os
import sys
from collections.abc import Iterator
from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")
_MEMBERSHIP = Path("/proc/self/cgroup")
_NO_LIMIT = 1 << 60  # version 1 writes the largest multiple of a page


def free_memory(root: Path = _ROOT, membership: Path = _MEMBERSHIP) -> int:
    """Bytes that can be had now. Cached files of a container do not count as used, since they give way."""
    import psutil

    free = int(psutil.virtual_memory().available)
    for folder in _groups("memory", root, membership):
        limits = [_number(folder / name) for name in ("memory.max", "memory.high", "memory.limit_in_bytes")]
        used = _number(folder / "memory.current") or _number(folder / "memory.usage_in_bytes") or 0
        cached = _cached_files(folder)
        for limit in limits:
            if limit is not None and limit < _NO_LIMIT:
                free = min(free, max(0, limit - max(0, used - cached)))
    return free


def usable_cpus(root: Path = _ROOT, membership: Path = _MEMBERSHIP) -> int:
    """Processors that this process may keep busy, at least 1: a fraction of a container's quota counts as one."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(min(cpus, _cpu_quota(root, membership)), 1)


@functools.cache  # every query asks, and reading the files would take a fifth of its time
def _cpu_quota(root: Path, membership: Path) -> int:
    """Processors that the groups of this process allow, rounded up."""
    cpus = sys.maxsize
    for folder in _groups("cpu", root, membership):
        quota, period = _number(folder / "cpu.cfs_quota_us"), _number(folder / "cpu.cfs_period_us")
        with contextlib.suppress(OSError, ValueError):
            quota, period = (int(part) for part in (folder / "cpu.max").read_text().split())
        if quota and period and quota > 0:
            cpus = min(cpus, math.ceil(quota / period))
    return cpus


def _groups(controller: str, root: Path, membership: Path) -> Iterator[Path]:
    """The folders of this process's group and of all groups above it, of both versions of cgroups."""
    try:
        lines = membership.read_text().splitlines()
    except (OSError, UnicodeDecodeError):
        return
    for line in lines:
        _, names, path = line.split(":", 2)
        if names and controller not in names.split(","):
            continue
        for top in (root / names, root / controller) if names else (root, root / "unified"):
            folder = top / path.lstrip("/")
            while folder.is_relative_to(top):
                yield folder
                if folder == top:
                    break
                folder = folder.parent


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):  # no such file, or "max"
        return None


def _cached_files(folder: Path) -> int:
    """Bytes of cached files, of which the kernel frees any for who needs memory."""
    try:
        facts = dict(line.split(maxsplit=1) for line in (folder / "memory.stat").read_text().splitlines())
        names = ("inactive_file", "active_file")
        return sum(int(facts.get(f"total_{name}", facts.get(name, 0))) for name in names)
    except (OSError, ValueError):
        return 0


def give_back_freed_memory() -> None:
    """Give memory that was freed back to the system, where the C library keeps it and can be told (glibc)."""
    import ctypes

    with contextlib.suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)
