"""Runs a command as if the processor lacked some of its instructions: what it lacks is said, then the command.

    python benchmarks/without.py avx512,vnni,amx -- python benchmarks/run.py ingest

Libraries then take the paths that they take on an older processor, and these are really run. It needs Linux on x86-64,
a C compiler and a processor that can fault on CPUID; `/proc/cpuinfo` still shows everything.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

HIDEABLE = ("avx512", "vnni", "amx")
_SOURCE = Path(__file__).with_name("hide_instructions.c")


def can_hide() -> bool:
    """Whether this machine can hide instructions."""
    try:
        flags = Path("/proc/cpuinfo").read_text("utf-8").split()
    except OSError:
        return False
    return "cpuid_fault" in flags and shutil.which("cc") is not None


def environment(hidden: str, folder: Path) -> Mapping[str, str]:
    """The environment of a process that does not see ``hidden``, some of `HIDEABLE` with commas between.

    The library that hides them is made in ``folder``, which must stay as long as the process runs.
    """
    library = folder / "hide.so"
    subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", str(library), str(_SOURCE)], check=True)
    return {**os.environ, "HIDE": hidden, "LD_PRELOAD": str(library)}


def main() -> int:
    hidden, separator, *command = sys.argv[1:] if len(sys.argv) > 3 else ("", "", "")
    if separator != "--" or not command or not set(hidden.split(",")) <= set(HIDEABLE):
        print(f"usage: without.py {','.join(HIDEABLE)} -- COMMAND…", file=sys.stderr)
        return 2
    if not can_hide():
        print("this machine cannot hide instructions", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as folder:
        return subprocess.run(command, env=environment(hidden, Path(folder))).returncode


if __name__ == "__main__":
    sys.exit(main())
