"""The command line as tests call it: mostly in this process, and one small indexed folder that nobody changes."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from click.testing import CliRunner
from PIL import Image, ImageDraw

from mmsearch.cli.app import app


@dataclass(frozen=True)
class Ran:
    """How a command ended and what it wrote."""

    code: int
    out: str
    err: str
    out_bytes: bytes

    @property
    def json(self) -> Any:
        """The one object that ``--json`` prints; fails if there is anything else on stdout."""
        return json.loads(self.out)

    @property
    def lines(self) -> list[str]:
        """The lines of stdout."""
        return self.out.splitlines()


Run = Callable[..., Ran]


def call(*arguments: object) -> Ran:
    """Run ``mmsearch ARGUMENTS`` in this process."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Ran(result.exit_code, result.stdout, result.stderr, result.stdout_bytes)


@pytest.fixture(autouse=True)
def _a_clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """No collection of the person who runs the tests is met, and commands leave no signal handler behind."""
    for name in ("MMSEARCH_COLLECTION", "FORCE_COLOR", "NO_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home-data"))
    handler = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, handler)


@pytest.fixture
def run() -> Run:
    """`call`: a command in this process."""
    return call


@pytest.fixture
def run_process(tmp_path: Path) -> Run:
    """A command in a process of its own, as a person starts it."""

    def start(*arguments: object, **options: Any) -> Ran:
        command = [
            sys.executable,
            "-m",
            "mmsearch",
            *(os.fspath(a) if isinstance(a, Path) else str(a) for a in arguments),
        ]
        done = subprocess.run(command, capture_output=True, cwd=tmp_path, timeout=60, check=False, **options)
        return Ran(done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode(), done.stdout)

    return start


@pytest.fixture(scope="session")
def terminal() -> ModuleType:
    """The module ``tests/cli/terminal.py``, which runs a command in a pseudo-terminal."""
    spec = importlib.util.spec_from_file_location("terminal", Path(__file__).parent / "terminal.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def paint(path: Path, ground: str, shape: str, size: tuple[int, int] = (96, 64)) -> Path:
    """A picture: an ellipse on a ground of one colour."""
    picture = Image.new("RGB", size, ground)
    ImageDraw.Draw(picture).ellipse((20, 10, size[0] - 20, size[1] - 10), fill=shape)
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path)
    return path


@pytest.fixture(scope="session")
def painted() -> Callable[..., Path]:
    """`paint`: writes a picture."""
    return paint


def fill_album(folder: Path) -> Path:
    """Five pictures (one wide, one in a folder ``trip`` and from 2019), two texts, and one file that is no picture."""
    paint(folder / "red.png", "red", "white")
    paint(folder / "green.png", "green", "yellow")
    paint(folder / "blue.jpg", "navy", "orange")
    paint(folder / "wide.png", "black", "pink", (1600, 200))
    trip = paint(folder / "trip" / "sea.png", "skyblue", "gold")
    os.utime(trip, (1_560_000_000, 1_560_000_000))  # June 2019
    (folder / "bread.txt").write_text("A loaf of rye bread cools on the kitchen table.")
    (folder / "boats.md").write_text("Fishing boats lie in the harbour at low tide.")
    (folder / "empty.jpg").write_bytes(b"")
    return folder


@pytest.fixture
def album(tmp_path: Path) -> Path:
    """A folder of pictures and texts, free to be changed."""
    return fill_album(tmp_path / "album")


@dataclass(frozen=True)
class Indexed:
    """A folder, its collection, and what ``mmsearch index --json`` said of it."""

    folder: Path
    home: Path
    report: dict[str, Any]


@pytest.fixture(scope="session")
def indexed(tmp_path_factory: pytest.TempPathFactory) -> Indexed:
    """An indexed album that all modules read and nobody changes."""
    base = tmp_path_factory.mktemp("indexed")
    folder, home = fill_album(base / "album"), base / "album.mms"
    ran = call("index", folder, "-c", home, "--model", "mini", "--workers", 1, "--json")
    assert ran.code == 0, ran.err
    return Indexed(folder, home, ran.json)


@pytest.fixture
def query(indexed: Indexed) -> Run:
    """``mmsearch query`` on the indexed album."""
    return lambda *arguments: call("query", "-c", indexed.home, *arguments)


@pytest.fixture
def as_terminal(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Has the next commands print as on a terminal so many columns wide."""

    def set_width(columns: int) -> None:
        monkeypatch.setenv("FORCE_COLOR", "1")
        monkeypatch.setenv("TERM", "xterm-256color")
        monkeypatch.setenv("COLUMNS", str(columns))

    return set_width


@pytest.fixture
def own(indexed: Indexed, tmp_path: Path) -> Indexed:
    """A copy of the indexed collection, free to be changed; the files it names are the album's."""
    import shutil

    home = tmp_path / "own.mms"
    shutil.copytree(indexed.home, home)
    return Indexed(indexed.folder, home, indexed.report)
