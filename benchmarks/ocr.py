"""Case ``ocr``: how much of what is written in pictures is read, what that costs, and how much memory it takes.

Signs on photographs (also at half their size), scanned pages and screenshots, whose words are known, and photographs as
they are. Read one by one in this process, in one thread, as a decoding worker reads them. Times are of the processor;
decoding is not in them. Photographs are enlarged to 2048 pixels, as a camera's are reduced before they are read.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data import MissingDataError, data_set
from PIL import Image
from written_sets import WrittenSet, scans, screenshots, signs_on_photographs

from mmsearch.retrieval.enrich.ocr.installed import ocr_is_installed

COUNT = 40  # of each kind
PHOTOGRAPHS = 200
SIDE = 2048


@dataclass(frozen=True, slots=True)
class Kind:
    """Pictures of one kind, each with its words."""

    name: str
    pictures: Callable[[], Iterator[tuple[Image.Image, list[str]]]]


def measure() -> list[dict[str, Any]]:
    """One line for each kind of picture, and one for the memory of a process that reads them."""
    if not ocr_is_installed():
        raise MissingDataError("needs the extra ocr")
    photographs = data_set("flickr8k_dev500")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        signs = signs_on_photographs(folder / "signs", photographs, COUNT)
        plain = sorted((photographs / "images").iterdir())[:: 500 // PHOTOGRAPHS][:PHOTOGRAPHS]
        kinds = [
            Kind("signs on photographs", lambda: _pictures(signs)),
            Kind("the same, half as large", lambda: _smaller(signs, plain)),
            Kind("scanned pages", lambda: _pictures(scans(folder / "scans", COUNT))),
            Kind("screenshots", lambda: _pictures(screenshots(folder / "screens", COUNT))),
            Kind("photographs", lambda: ((_enlarged(path), []) for path in plain)),
        ]
        return [*map(_measured, kinds), {"what": "memory", "MB": _peak_megabytes()}]


def _measured(kind: Kind) -> dict[str, Any]:
    from mmsearch.retrieval.enrich.ocr.reader import may_hold_text, read_lines

    seen = words = found = found_by_glance = lines = 0
    glance_s = read_s = auto_s = 0.0
    count = 0
    for picture, wanted in kind.pictures():
        count += 1
        start = time.process_time()
        fires = may_hold_text(picture)
        glanced = time.process_time()
        read = read_lines(picture)
        end = time.process_time()
        glance_s, read_s = glance_s + glanced - start, read_s + end - glanced
        auto_s += (end if fires else glanced) - start
        right = len(_found(wanted, " ".join(line.text for line in read)))
        seen, words, found, lines = seen + fires, words + len(wanted), found + right, lines + len(read)
        found_by_glance += right if fires else 0
    return {
        "what": kind.name,
        "pictures": count,
        "words": words,
        "recall_all": round(found / words, 4) if words else None,
        "recall_auto": round(found_by_glance / words, 4) if words else None,
        "glance_finds": round(seen / count, 3),
        "lines": round(lines / count, 2),
        "glance_ms": round(1000 * glance_s / count, 1),
        "read_ms": round(1000 * read_s / count, 1),
        "auto_s_per_1000": round(1000 * auto_s / count, 1),
        "all_s_per_1000": round(1000 * read_s / count, 1),
    }


def _found(wanted: Sequence[str], text: str) -> list[str]:
    """The words that are there to the letter."""
    read = set(re.findall(r"\w+", text))
    return [word for word in wanted if word in read]


def _pictures(made: WrittenSet) -> Iterator[tuple[Image.Image, list[str]]]:
    for file in made.files:
        yield Image.open(made.folder / file.name).convert("RGB"), re.findall(r"\w+", " ".join(file.lines))


def _smaller(signs: WrittenSet, plain: Sequence[Path]) -> Iterator[tuple[Image.Image, list[str]]]:
    """Each photograph with its sign as a part of a photograph that is twice as wide."""
    for place, (picture, words) in enumerate(_pictures(signs)):
        around = _enlarged(plain[(7 * place + 3) % len(plain)])
        around.paste(picture.resize((SIDE // 2, picture.height * SIDE // 2 // picture.width)), (SIDE // 4, SIDE // 8))
        yield around, words


def _enlarged(path: Path) -> Image.Image:
    picture = Image.open(path).convert("RGB")
    scale = SIDE / max(picture.size)
    return picture.resize((round(picture.width * scale), round(picture.height * scale)), Image.Resampling.BICUBIC)


def _peak_megabytes() -> int:
    """The most memory of a process that reads a page full of small print, above one that has drawn it."""
    code = """
import sys
from PIL import Image, ImageDraw
from written_sets import font
page = Image.new("RGB", (2480, 3508), "white")
for line in range(70):
    ImageDraw.Draw(page).text((150, 150 + 45 * line), "Every line of it is full of words " * 4, font=font(32), fill=20)
if sys.argv[1] == "read":
    from mmsearch.retrieval.enrich.ocr.reader import may_hold_text, read_lines
    may_hold_text(page), read_lines(page)
with open("/proc/self/status") as status:
    print(next(line.split()[1] for line in status if line.startswith("VmHWM")))
"""
    here = Path(__file__).parent
    run = [sys.executable, "-c", code]
    before, after = (int(subprocess.check_output([*run, how], cwd=here, text=True)) for how in ("draw", "read"))
    return round((after - before) / 1024)
