"""Draws the pictures of the terminal in the README and the guide: what the commands really print, as an SVG.

python examples/picture.py docs/terminal.svg
python examples/picture.py docs/order.svg
"""

from __future__ import annotations

import io
import os
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from media import make_media
from PIL import Image
from rich.console import Console
from rich.text import Text

WIDTH = 76
COMMANDS = {
    "terminal": (
        "mmsearch index media",
        'mmsearch query "a cat" -k 2',
        'mmsearch query "a rocket at night" --to video',
        'mmsearch query "waves on the beach" --to audio -k 2',
    ),
    "order": (
        "mmsearch index media",
        "mmsearch duplicates",
        "mmsearch tag cat bicycle -q",
        """mmsearch query "a cat" --where "tag = 'cat'" -k 2""",
        'mmsearch save cats "a cat" --to image',
    ),
}
"""By the name of the picture, without its ending."""


def main(target: Path) -> None:
    target = target.absolute()
    console = Console(width=WIDTH, record=True, force_terminal=True, file=io.StringIO(), highlight=False)
    with tempfile.TemporaryDirectory(prefix="mmsearch-picture-") as folder:
        make_media(Path(folder, "media"))
        if target.stem == "order":
            make_copies(Path(folder, "media"))
        for i, command in enumerate(COMMANDS[target.stem]):
            console.print(Text.assemble("\n" if i else "", ("$ ", "bold green"), command))
            console.print(Text.from_ansi(printed(command, Path(folder))))
    target.parent.mkdir(parents=True, exist_ok=True)
    # rich names a font that viewers would fetch from another site; any monospaced one has the same widths.
    drawn = re.sub(r"@font-face \{.*?\}\s*", "", console.export_svg(title="mmsearch"), flags=re.DOTALL)
    target.write_text(drawn, "utf-8")


def make_copies(folder: Path) -> None:
    """Add copies of a photograph: a small one, and a part of it."""
    with Image.open(folder / "chelsea.jpg") as cat:
        cat.resize((cat.width // 2, cat.height // 2)).save(folder / "cat small.jpg", quality=60)
        part = (cat.width // 8, 0, cat.width, 7 * cat.height // 8)
        cat.crop(part).save(folder / "cat cropped.jpg", quality=80)


def printed(command: str, folder: Path) -> str:
    """What a command prints on a terminal of `WIDTH` columns when it runs in ``folder``."""
    terminal = {"FORCE_COLOR": "1", "TERM": "xterm-256color", "COLUMNS": str(WIDTH)}
    environment = {**os.environ, **terminal, "MMSEARCH_COLLECTION": str(folder / "media.mms")}
    environment.pop("NO_COLOR", None)
    arguments = shlex.split(command)[1:]
    done = subprocess.run(
        [sys.executable, "-m", "mmsearch", *arguments],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return done.stdout.rstrip("\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
