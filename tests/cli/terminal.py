"""A terminal for tests: a command runs in a pseudo-terminal that answers what real terminals are asked."""

from __future__ import annotations

import os
import select
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

_ASKS_FEATURES, _ASKS_KITTY = b"\x1b[c", b"\x1b_G"
ANSWERS = {
    "sixel": {_ASKS_FEATURES: b"\x1b[?62;4;22c"},
    "kitty": {_ASKS_FEATURES: b"\x1b[?62c", _ASKS_KITTY: b"\x1b_Gi=1;OK\x1b\\"},
    "neither": {_ASKS_FEATURES: b"\x1b[?62;22c"},
    "silent": {},
}
"""What a terminal of each kind answers when it is asked about pictures."""


def run(
    arguments: Sequence[object],
    *,
    columns: int = 100,
    lines: int = 40,
    cell: tuple[int, int] = (8, 16),
    answers: Mapping[bytes, bytes] | None = None,
    environment: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> tuple[int, str]:
    """Run ``mmsearch ARGUMENTS`` in a terminal of so many columns and lines, each character ``cell`` pixels large.

    ``answers``: what the terminal answers the first time that it is sent such bytes.

    Returns:
        The exit code, and all that was written to the terminal.
    """
    import fcntl
    import pty
    import termios

    ours, theirs = pty.openpty()
    size = struct.pack("HHHH", lines, columns, cell[0] * columns, cell[1] * lines)
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, size)
    unset = ("COLUMNS", "LINES", "FORCE_COLOR", "NO_COLOR", "TERM_PROGRAM")
    clean = {name: value for name, value in os.environ.items() if name not in unset}
    process = subprocess.Popen(
        [sys.executable, "-m", "mmsearch", *map(str, arguments)],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        cwd=cwd,
        start_new_session=True,
        env={**clean, "TERM": "xterm-256color", "COLORTERM": "truecolor", **(environment or {})},
    )
    os.close(theirs)
    waiting = dict(answers or {})
    written = bytearray()
    until = time.monotonic() + 120
    while time.monotonic() < until:
        if not select.select([ours], [], [], 0.1)[0]:
            if process.poll() is not None:
                break
            continue
        try:
            chunk = os.read(ours, 65536)
        except OSError:  # Linux: all on the other side have closed it
            break
        if not chunk:
            break
        written += chunk
        for asked in [asked for asked in waiting if asked in written]:
            os.write(ours, waiting.pop(asked))
    else:
        os.killpg(process.pid, signal.SIGKILL)
    os.close(ours)
    return process.wait(), written.decode("utf-8", "replace").replace("\r\n", "\n")
