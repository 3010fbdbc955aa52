"""Draws the picture of the terminal in the README: what the commands really print, as an SVG.

python examples/picture.py docs/terminal.svg
"""

from __future__ import annotations

import io
import os
import sys
import tempfile
from pathlib import Path

from photos import copy_photographs
from rich.console import Console

from mmsearch import Collection
from mmsearch.cli.hit_table import print_hit_table

WIDTH = 76


def main(target: Path) -> None:
    target = target.absolute()
    console = Console(width=WIDTH, record=True, force_terminal=True, file=io.StringIO(), highlight=False)
    with tempfile.TemporaryDirectory(prefix="mmsearch-picture-") as folder:
        os.chdir(folder)
        copy_photographs(Path("photos"))
        with Collection.create("photos.mms", model="mini") as photos:
            console.print("[bold green]$[/] mmsearch index ./photos")
            report = photos.index(["photos"])
            speed = report.indexed / report.seconds
            console.print(
                f"{report.found} files: {report.indexed} indexed ({report.seconds:.1f} s, {speed:.0f} files/s)"
            )
            for question in ("a cat", "a rocket launch at night"):
                console.print(f'\n[bold green]$[/] mmsearch query "{question}" -k 3')
                print_hit_table(photos.search(question, k=3), console)
            console.print("\n[bold green]$[/] mmsearch query photos/moon.png -k 2")
            print_hit_table(photos.search(Path("photos/moon.png"), k=2), console)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(console.export_svg(title="mmsearch"), "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
