"""A program that is told of new hits."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence

from mmsearch.hits import Hit

_MOST_ARGUMENTS = 1_000


def run_program(command: Sequence[str], name: str, hits: Sequence[Hit], limit_s: float) -> str | None:
    """Run a program with the paths of hits as its last arguments, without a shell. Returns what went wrong, or None.

    On its standard input it gets a JSON object: the ``search``, and the ``hits`` as `Hit.to_json` gives them. Its
    standard output goes to this process's standard error, so that lines of events stay whole.

    Args:
        command: the program and its first arguments.
        name: of the saved search; also in the environment, as ``MMSEARCH_SEARCH``.
        hits: at most the first thousand paths become arguments.
        limit_s: seconds after which it is killed.
    """
    paths = list(dict.fromkeys(hit.path for hit in hits))[:_MOST_ARGUMENTS]
    told = json.dumps({"search": name, "hits": [hit.to_json() for hit in hits]}).encode()
    try:
        done = subprocess.run(
            [*command, *paths],
            input=told,
            stdout=2,
            timeout=limit_s,
            check=False,
            env={**os.environ, "MMSEARCH_SEARCH": name},
        )
    except subprocess.TimeoutExpired:
        return f"{command[0]} was stopped: it took longer than {limit_s:g} seconds"
    except (OSError, ValueError) as error:
        return f"{command[0]} cannot be run: {getattr(error, 'strerror', None) or error}"
    return None if done.returncode == 0 else f"{command[0]} ended with code {done.returncode}"
