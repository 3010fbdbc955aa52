"""The README: what it shows is what the commands print, it is short, and its sentences are.

``python tests/test_readme.py`` writes what the commands print now into the README.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
COLUMNS = 80

SHOWN = re.compile(r"^```sh\n(?P<commands>[^`]*)^```\n\n```text\n(?P<output>[^`]*)^```\n", re.MULTILINE)
"""Commands whose output follows."""

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\]8;[^\x1b\x07]*(?:\x1b\\|\x07)")
"""Colours, cursor movements and links of a terminal."""


def words(text: str) -> list[str]:
    """The words of prose and tables: no code blocks, no addresses of links."""
    text = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    text = re.sub(r"^\[[^\]]+\]: .*$|\]\([^)]*\)", "", text, flags=re.MULTILINE)
    return [word for word in text.split() if re.search(r"\w", word)]


def sentences(text: str) -> list[str]:
    """The sentences of prose, headings, list items and cells of tables."""
    text = re.sub(r"^```.*?^```", "\n\n", text, flags=re.DOTALL | re.MULTILINE)
    text = re.sub(r"^\[[^\]]+\]: .*$|\]\([^)]*\)", "", text, flags=re.MULTILINE)
    text = re.sub(r"^(?:[-*#]+|\d+\.) ", "\n", text, flags=re.MULTILINE).replace("|", "\n\n")
    paragraphs = [" ".join(part.split()) for part in re.split(r"\n\s*\n", text)]
    return [one for part in paragraphs for one in re.split(r"(?<=[.!?:])\s+(?=[\"“`\[(]?[A-Z0-9`])", part) if one]


def run_as_shown(folder: Path) -> list[str]:
    """What a terminal shows on stdout for each block of commands of the README that shows its output, in order.

    They run in ``folder``, into which the media of ``examples/media.py`` were put, over a new collection.
    """
    import pty

    environment = os.environ | {"MMSEARCH_COLLECTION": str(folder / "readme.mms"), "HOME": str(folder)}
    environment |= {"COLUMNS": str(COLUMNS), "LINES": "50", "PYTHONPATH": str(ROOT), "TERM": "xterm-256color"}
    environment.pop("NO_COLOR", None)
    outputs = []
    for match in SHOWN.finditer(README.read_text("utf-8")):
        shown = ""
        for line in match["commands"].splitlines():
            words = shlex.split(line)
            if words[0] == "python":
                command = [sys.executable, str(ROOT / words[1]), *words[2:]]
            else:
                assert words[0] == "mmsearch", f"a command with output that this test cannot run: {line}"
                command = [sys.executable, "-m", "mmsearch", *words[1:]]
            parent, child = pty.openpty()
            with open(parent, "rb", buffering=0) as terminal:
                process = subprocess.Popen(command, cwd=folder, env=environment, stdout=child, stderr=subprocess.PIPE)
                os.close(child)
                shown += read_all(terminal)
                _, errors = process.communicate(timeout=600)
            assert process.returncode == 0, f"{line}\n{errors.decode()}"
        outputs.append("".join(line.rstrip() + "\n" for line in ESCAPES.sub("", shown).splitlines()))
    return outputs


def read_all(terminal) -> str:
    """All that a terminal receives until the last process that holds it has ended."""
    received = b""
    while True:
        try:
            piece = terminal.read(4096)
        except OSError:  # Linux's way of saying so
            piece = b""
        if not piece:
            return received.decode()
        received += piece


def comparable(output: str) -> list[list[str]]:
    """Lines as lists of words, without what differs from machine to machine: scores, times, and how many a second."""
    output = re.sub(r" \(\d[^)]*s[^)]*\)", "", output)
    return [[re.sub(r"^-?\d+\.\d+$", "0", word) for word in line.split()] for line in output.splitlines()]


def test_the_readme_shows_what_its_commands_print(tmp_path):
    pytest.importorskip("pty", reason="this system has no pseudo terminals")
    printed = run_as_shown(tmp_path)
    shown = [match["output"] for match in SHOWN.finditer(README.read_text("utf-8"))]
    assert len(shown) >= 6
    for there, now in zip(shown, printed, strict=True):
        assert comparable(there) == comparable(now), f"README shows\n{there}\nand the commands print\n{now}"


def test_the_comparison_of_outputs_sees_another_path_and_another_span():
    shown = "1  0.331  media/holiday.mp4  00:00:12–00:00:16\n"
    assert comparable(shown) == comparable(shown.replace("0.331", "0.298"))
    assert comparable(shown) != comparable(shown.replace("holiday", "rocket"))
    assert comparable(shown) != comparable(shown.replace("00:00:12", "00:00:08"))


def test_the_readme_is_between_500_and_750_words_long():
    assert 500 <= len(words(README.read_text("utf-8"))) <= 750


def test_no_sentence_of_the_readme_is_longer_than_30_words():
    for sentence in sentences(README.read_text("utf-8")):
        assert len(words(sentence)) <= 30, sentence


def update() -> None:
    """Put what the commands print now into the README."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        outputs = iter(run_as_shown(Path(folder)))
        text = README.read_text("utf-8")
        README.write_text(
            SHOWN.sub(lambda match: match[0].replace(f"```text\n{match['output']}", f"```text\n{next(outputs)}"), text),
            "utf-8",
        )


if __name__ == "__main__":
    update()
