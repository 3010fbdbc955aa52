"""Opening a hit: a film or sound at its time where mpv or VLC is installed, anything else as the system does."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import click

from mmsearch.cli.output import say
from mmsearch.hits import Hit
from mmsearch.types import clock

_MAC_VLC = Path("/Applications/VLC.app/Contents/MacOS/VLC")


def open_hit(hit: Hit) -> None:
    """Open the file of a hit, at the hit's time where a player that can is installed."""
    if hit.modality not in ("audio", "video") or hit.span is None:
        click.launch(hit.path)
        return
    command = player_command(hit.path, hit.span.start)
    if command is None:
        say(f"opened by the system's player; the hit is at {clock(hit.span.start)} (mpv or VLC would start there)")
        click.launch(hit.path)
        return
    subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )


def player_command(path: str, start_s: float) -> list[str] | None:
    """The command that plays a file from a time on; None where no player that can is found."""
    if mpv := shutil.which("mpv"):
        return [mpv, f"--start={start_s:.3f}", "--", path]
    vlc = shutil.which("vlc") or (str(_MAC_VLC) if sys.platform == "darwin" and _MAC_VLC.exists() else None)
    if vlc:
        return [vlc, f"--start-time={start_s:.3f}", Path(path).absolute().as_uri()]
    return None
