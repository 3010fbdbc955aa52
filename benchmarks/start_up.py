"""Case ``start-up``: what a person waits for before anything is done: help, an import, the status of a collection.

    python benchmarks/start_up.py [--runs 15] [--out FOLDER]

Beside a program that does nothing but print its help with click. Each command is a process from start to end, in turns;
``heavy`` names the heavy packages that it had imported. ``status`` reads columns, so it is also compared with a process
that only imports numpy and pyarrow.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fresh_process import Took, environment, launch
from run import write_results
from second_run import make_collection, make_files

FILES = (100, 100_000)
WARM_UPS = 2
HEAVY = ("numpy", "pyarrow", "pyarrow.parquet", "pyarrow.compute", "PIL", "onnxruntime", "tokenizers", "torch")
CLICK = """
import click
@click.command()
@click.option("--name", default="you", help="Who is greeted.")
def hello(name):
    "Greet somebody."
    click.echo(f"Hello {name}")
hello()
"""
_WATCHED = """
import sys
{code}
print(*[name for name in {heavy!r} if name in sys.modules], file=sys.stderr)
"""
_COMMAND = """
from mmsearch.cli import main
try:
    main()
except SystemExit:
    pass
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and write."""
    parser = argparse.ArgumentParser(prog="benchmarks/start_up.py", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    options = parser.parse_args(arguments)
    measured = measure(options.runs)
    for line in measured:
        print("  " + " ".join(f"{name}={value}" for name, value in line.items()))
    print(f"  → {write_results(options.out, 'start-up', measured)}")
    return 0


def measure(runs: int) -> list[dict[str, Any]]:
    """A line for each command: medians, and the medians of the ratios to the bare click program and to the imports."""
    with tempfile.TemporaryDirectory() as folder:
        commands = {
            "click": ["-c", CLICK, "--help"],
            "imports": ["-c", "import numpy, pyarrow"],
            "--help": ["-m", "mmsearch", "--help"],
            "query --help": ["-m", "mmsearch", "query", "--help"],
            "import mmsearch": ["-c", "import mmsearch"],
        }
        for files in FILES:
            tree, root = Path(folder, f"{files}"), Path(folder, f"{files}.mms")
            make_files(tree, files)
            make_collection(root, tree)
            commands[f"status, {files} files"] = ["-m", "mmsearch", "status", "--collection", str(root)]
        for _ in range(WARM_UPS):
            for command in commands.values():
                launch([sys.executable, *command])
        turns = [{name: launch([sys.executable, *command]) for name, command in commands.items()} for _ in range(runs)]
        heavy = {name: _heavy(command) for name, command in commands.items()}
    return [_line(name, turns, heavy[name]) for name in commands]


def _line(name: str, turns: Sequence[Mapping[str, Took]], heavy: list[str]) -> dict[str, Any]:
    runs = [turn[name] for turn in turns]

    def ratio_to(other: str) -> float:
        return round(statistics.median(turn[name].wall_s / turn[other].wall_s for turn in turns), 2)

    return {
        "command": name,
        "runs": len(turns),
        "wall_s": round(statistics.median(run.wall_s for run in runs), 4),
        "cpu_s": round(statistics.median(run.cpu_s for run in runs), 4),
        "peak_mb": round(statistics.median(run.peak_mb for run in runs), 1),
        "ratio": ratio_to("click"),
        "ratio_to_imports": ratio_to("imports"),
        "heavy": heavy,
    }


def _heavy(command: Sequence[str]) -> list[str]:
    """The heavy packages that a command has imported at its end."""
    code = _COMMAND if command[0] == "-m" else "" if "click" in command[1] else command[1]
    watched = [sys.executable, "-c", _WATCHED.format(code=code, heavy=HEAVY), *command[2:]]
    done = subprocess.run(watched, check=True, capture_output=True, text=True, env=environment())
    return done.stderr.splitlines()[-1].split()


if __name__ == "__main__":
    sys.exit(main())
