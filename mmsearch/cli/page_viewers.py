"""Programs that show a PDF at a page, and how each is told the page."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

Arguments = Callable[[str, int], list[str]]
"""The arguments that show a file at a page, counted from 1."""


def _at_address(path: str, page: int) -> list[str]:
    return [f"{Path(path).absolute().as_uri()}#page={page}"]


def _after(*options: str) -> Arguments:
    *first, last = options
    joined = last.endswith("=")
    return lambda path, page: [*first, *([f"{last}{page}"] if joined else [last, str(page)]), path]


_VIEWERS: dict[str, Arguments] = {
    "papers": _after("--page-index="),
    "evince": _after("--page-index="),
    "atril": _after("--page-index="),
    "xreader": _after("--page-index="),
    "okular": _after("--page"),
    "zathura": _after("--page="),
    "sioyek": _after("--page"),
    "qpdfview": lambda path, page: ["--unique", f"{path}#{page}"],
    "mupdf": lambda path, page: [path, str(page)],
    "SumatraPDF": _after("-reuse-instance", "-page"),
    "firefox": _at_address,
    "chromium": _at_address,
    "chromium-browser": _at_address,
    "google-chrome": _at_address,
    "brave-browser": _at_address,
    "microsoft-edge": _at_address,
    "msedge": _at_address,
}
"""By the name of the program, those that do nothing else first."""

_PLACES_OF_WINDOWS = (
    ("SumatraPDF", "LOCALAPPDATA", r"SumatraPDF\SumatraPDF.exe"),
    ("SumatraPDF", "PROGRAMFILES", r"SumatraPDF\SumatraPDF.exe"),
    ("msedge", "PROGRAMFILES(X86)", r"Microsoft\Edge\Application\msedge.exe"),
)


def viewer_command(path: str, page: int) -> list[str] | None:
    """The command that shows a PDF at a page, counted from 1; None if no such program is installed.

    On macOS there is none: Preview opens every file at the page that it showed last.
    """
    if sys.platform == "darwin":
        return None
    for name, arguments in _VIEWERS.items():
        if program := shutil.which(name):
            return [program, *arguments(path, page)]
    for name, variable, place in _PLACES_OF_WINDOWS if sys.platform == "win32" else ():
        program = os.path.join(os.environ.get(variable, ""), place)
        if os.path.exists(program):
            return [program, *_VIEWERS[name](path, page)]
    return None
