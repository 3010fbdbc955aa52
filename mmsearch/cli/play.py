"""``--open``: open a hit, films and PDFs at their time or page with programs that can, else as the system does."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from mmsearch import Hit, MMSearchError
from mmsearch.cli.output import say
from mmsearch.cli.page_viewers import viewer_command
from mmsearch.types import clock

_MAC_VLC = Path("/Applications/VLC.app/Contents/MacOS/VLC")
_OPENERS = ("xdg-open", "wslview")
"""Programs of Linux desktops and of WSL that open a file with the program set up for its type."""

_VIEWERS_HINT = "" if sys.platform == "darwin" else " (Evince, Okular or a browser would start there)"
_PATIENCE_S = 3.0
"""Seconds after which an opener that still runs counts as successful; those that fail do so at once."""


def open_hit(hit: Hit, collection: Path) -> None:
    """Open the file of a hit, at the hit's time or page if a program that supports it is installed.

    An item of an archive is taken out of it into a folder for temporary files.

    Raises:
        MMSearchError: the file is gone, or the system has no program that opens it.
    """
    if hit.state == "gone":
        raise MMSearchError(f"cannot open {hit.path}: the file is gone")
    if hit.source is not None:
        from mmsearch.cli.taken_out import taken_out

        hit = replace(hit, path=taken_out(hit, collection))
    if hit.span is not None and hit.span.unit == "page":
        _open_at_page(hit.path, int(hit.span.start) + 1)
        return
    if hit.modality not in ("audio", "video") or hit.span is None:
        _open(hit.path)
        return
    command = player_command(hit.path, hit.span.start)
    if command is None:
        _open(hit.path)
        say(f"opened by the system's player; the hit is at {clock(hit.span.start)} (mpv or VLC would start there)")
        return
    _start(command)


def _open_at_page(path: str, page: int) -> None:
    """Open a document at a page, counted from 1."""
    is_pdf = path.lower().endswith(".pdf")
    command = viewer_command(path, page) if is_pdf and page > 1 else None
    if command is not None:
        _start(command)
        return
    _open(path)
    if page > 1:
        say(f"opened by the system's program; the hit is on page {page}" + (_VIEWERS_HINT if is_pdf else ""))


def player_command(path: str, start_s: float) -> list[str] | None:
    """The command that plays a file from a time on, in seconds; None if neither mpv nor VLC is installed."""
    if mpv := shutil.which("mpv"):
        return [mpv, f"--start={start_s:.3f}", "--", path]
    vlc = shutil.which("vlc") or (str(_MAC_VLC) if sys.platform == "darwin" and _MAC_VLC.exists() else None)
    if vlc:
        return [vlc, f"--start-time={start_s:.3f}", Path(path).absolute().as_uri()]
    return None


def _open(path: str) -> None:
    """Open a file with the program that the system has for its type."""
    if sys.platform == "win32":
        try:
            os.startfile(path)
        except OSError as error:
            raise MMSearchError(f"cannot open {path}: {error.strerror or error}") from error
        return
    names = ("open",) if sys.platform == "darwin" else _OPENERS
    opener = next(filter(None, map(shutil.which, names)), None)
    if opener is None:
        raise MMSearchError(f"cannot open {path}: no {' or '.join(names)} is installed")
    started = _start([opener, path])
    try:
        code = started.wait(_PATIENCE_S)
    except subprocess.TimeoutExpired:
        return
    if code != 0:
        raise MMSearchError(f"cannot open {path}: {Path(opener).name} found no program for it")


def _start(command: list[str]) -> subprocess.Popen[bytes]:
    """Start a program that keeps running after this one, without its output."""
    nowhere = subprocess.DEVNULL
    return subprocess.Popen(command, stdin=nowhere, stdout=nowhere, stderr=nowhere, start_new_session=True)
