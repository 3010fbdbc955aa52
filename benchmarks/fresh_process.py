"""Processes from start to end: the time by the clock, the time of the processor, and the peak of the memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

# A process of its own: the peak of a process counts that of the one that started it.
_LAUNCHER = """
import json, os, subprocess, sys, time
start = time.perf_counter()
done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
wall = time.perf_counter() - start
try:
    import resource
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu, peak = used.ru_utime + used.ru_stime, used.ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)
except ImportError:
    cpu = peak = 0.0
if done.returncode:
    sys.exit(done.stderr.decode(errors="replace"))
print(json.dumps([wall, cpu, peak]))
"""


@dataclass(frozen=True, slots=True)
class Took:
    """Seconds of one process by the clock and of the processor, and its peak in megabytes; 0 where nothing tells."""

    wall_s: float
    cpu_s: float
    peak_mb: float


def launch(command: Sequence[str]) -> Took:
    """Run a process from start to end.

    Raises:
        RuntimeError: it failed.
    """
    launcher = [sys.executable, "-I", "-S", "-c", _LAUNCHER, *command]
    done = subprocess.run(launcher, capture_output=True, text=True, env=environment())
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed: {done.stderr}")
    return Took(*json.loads(done.stdout))


def environment() -> dict[str, str]:
    """The variables of this process, but that modules are compiled once: as they are where a package is installed."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "PYTHONPYCACHEPREFIX": str(Path(tempfile.gettempdir(), "mmsearch-benchmarks-compiled"))}
