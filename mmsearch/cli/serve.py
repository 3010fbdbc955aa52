"""``mmsearch serve``: a page and an HTTP interface for collections, and answers for the command line."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import click

from mmsearch import MMSearchError, UsageError
from mmsearch.cli.options import (
    collections_option,
    command,
    device_option,
    json_option,
    precision_option,
    quiet_option,
    verbose_option,
)
from mmsearch.cli.output import echo, print_json, say
from mmsearch.serve import LATE_AFTER_S, RunningCollection, ServerInfo

_START_S = 120.0
_POLL_S = 0.05


@click.command()
@collections_option
@click.option("--host", metavar="ADDRESS", help="Listen here, for other machines too; clients need a token then.")
@click.option("--port", type=click.IntRange(0, 65535), metavar="N", help="Default: the first free one from 8765 on.")
@click.option("--allow-host", "names", metavar="NAME", multiple=True, help="Answer to this name, too; needs a token.")
@click.option("--open", "open_", is_flag=True, help="Open the page in the browser.")
@click.option("--mcp", is_flag=True, help="Serve agents at /mcp, too.")
@click.option("--part", metavar="N/M", help="Hold one part of the collection alone, such as 3/8; a front asks it.")
@click.option("--of", "readers", metavar="URL,URL…", help="Be the front: ask these readers, one for each part.")
@click.option(
    "--late-after",
    type=click.FloatRange(0.01, 600),
    default=LATE_AFTER_S,
    metavar="SECONDS",
    show_default=True,
    help="Answer without a reader that takes longer.",
)
@click.option("--background", is_flag=True, help="Serve in the background, until --stop.")
@click.option("--stop", is_flag=True, help="End the server of the collection.")
@click.option("--status", is_flag=True, help="Print where the collection is served.")
@device_option
@precision_option
@json_option
@quiet_option
@verbose_option
@command
def serve(
    collections: tuple[Path, ...],
    host: str | None,
    port: int | None,
    names: tuple[str, ...],
    open_: bool,
    mcp: bool,
    part: str | None,
    readers: str | None,
    late_after: float,
    background: bool,
    stop: bool,
    status: bool,
    device: str,
    precision: str,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """Serve a page to look at, and an HTTP interface for apps.

    While it runs, `mmsearch query` gets its answers from it, and loads no model. Ctrl-C ends it.
    """
    if stop + status + background > 1:
        raise UsageError("--background, --stop and --status exclude each other")
    if part is not None and (readers is not None or background or stop or status or mcp or open_):
        raise UsageError("--part stands alone: a reader answers to a front, and runs until it is ended")
    addresses = [] if readers is None else [address.strip() for address in readers.split(",")]
    if stop or status:
        found = [info for folder in collections if (info := _running(folder, stop=stop)) is not None]
        _print_found(found, collections, as_json, "stopped" if stop else "serving")
        return
    if background:
        given: list[tuple[str, Sequence[object]]] = [
            ("-c", collections),
            ("--host", [host]),
            ("--port", [port]),
            ("--allow-host", names),
            ("--device", [device]),
            ("--precision", [precision]),
            ("--of", [readers]),
            ("--late-after", [late_after]),
        ]
        options = [str(word) for name, own in given for one in own if one is not None for word in (name, one)]
        info = _start(collections[0], [*options, *(["--mcp"] if mcp else [])])
    else:
        # Threads of BLAS and OpenMP that wait by spinning slow a server down many times when other processes work, such
        # as an index run. Scans have threads of their own. Both are read when numpy is imported, which is later.
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
        from mmsearch.serve import serve as run

        def started(info: ServerInfo) -> None:
            _announce(info, as_json, quiet)
            if open_:
                click.launch(info.address)

        run(
            collections,
            host=host,
            port=port,
            names=names,
            mcp=mcp,
            device=device,
            precision=precision,
            part=part,
            readers=addresses,
            late_after=late_after,
            started=started,
            say=say,
        )
        return
    _announce(info, as_json, quiet)
    if open_:
        click.launch(info.address)


def _announce(info: ServerInfo, as_json: bool, quiet: bool) -> None:
    if as_json:
        print_json(info.to_json())
    elif not quiet:
        echo(f"serving {', '.join(info.collections)} at {info.address}")
    sys.stdout.flush()


def _print_found(found: Sequence[ServerInfo], folders: Sequence[Path], as_json: bool, did: str) -> None:
    if as_json:
        print_json({"servers": [info.to_json() for info in found]})
    for info in [] if as_json else found:
        echo(f"{did} {', '.join(info.collections)} at {info.address} (process {info.process})")
    if not found:
        say(f"no server is running for {', '.join(map(str, folders))}")
        raise click.exceptions.Exit(1)


def _running(folder: Path, *, stop: bool = False) -> ServerInfo | None:
    """The server of a collection, which is asked to end with ``stop``; None if there is none."""
    running = RunningCollection.find(folder)
    if running is None:
        return None
    with running:
        if stop:
            running.stop()
        return running.server


def _start(folder: Path, options: Sequence[str]) -> ServerInfo:
    """Start a server as a process of its own, and wait until it answers.

    Raises:
        MMSearchError: it ended; the text is what it said last.
    """
    served = _running(folder)
    if served is not None:
        raise UsageError(f"process {served.process} serves {folder} at {served.address}")
    log = _log_file()
    with open(log, "w", encoding="utf-8") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "mmsearch", "serve", *options],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    until = time.monotonic() + _START_S
    while time.monotonic() < until:
        info = _running(folder)
        if info is not None:
            return info
        if process.poll() is not None:
            lines = log.read_text("utf-8", "replace").strip().splitlines() or ["it said nothing"]
            raise MMSearchError(f"the server ended: {lines[-1].removeprefix('mmsearch: ')}")
        time.sleep(_POLL_S)
    process.terminate()
    raise MMSearchError(f"the server did not answer within {_START_S:.0f} seconds; {log} may say why")


def _log_file() -> Path:
    """Where a server in the background writes what it says."""
    import platformdirs

    folder = Path(platformdirs.user_state_dir("mmsearch", appauthor=False))
    folder.mkdir(parents=True, exist_ok=True)
    os.chmod(folder, 0o700)
    return folder / "serve.log"
