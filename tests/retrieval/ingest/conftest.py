"""What several tests of indexing share."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest


@pytest.fixture
def killed_once() -> Callable[[str, str], None]:
    """Runs code in a process of its own and kills it, as ``kill -9`` does, once it has printed a line."""

    def run(printed: str, code: str) -> None:
        process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        assert process.stdout.readline() == f"{printed}\n"
        process.kill()
        process.wait()
        process.stdout.close()

    return run
