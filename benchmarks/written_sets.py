"""Sets of files with known words in them, made by a script, and queries of five kinds for each.

Signs drawn onto photographs, pages of text in PDF files, scans of pages, and screenshots. The same arguments give the
same files and queries. Names are invented, and each file has a name and a number that no other file has.

Kinds of queries: a *name*, a *number*, a *phrase* of words that stand together, a *description* that shares no rare
word with what is written, and *mixed*: words of a description and the name.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont
from written_words import TOPICS, Topic

QueryKind = Literal["name", "number", "phrase", "description", "mixed"]
QUERY_KINDS: tuple[QueryKind, ...] = ("name", "number", "phrase", "description", "mixed")

_FONT_FOLDERS = ("/usr/share/fonts/truetype/dejavu", "/usr/share/fonts/TTF", "/usr/share/fonts/dejavu-sans-fonts")
_PLACES = ("Bakery", "Hotel", "Cafe", "Garage", "Pharmacy", "Library", "Bookshop", "Station", "School", "Market")
_NOTICES = (
    "Open every day until {n}",
    "Please ring the bell twice {n}",
    "Parking for guests only {n}",
    "Fresh bread from six {n}",
    "No entry without a ticket {n}",
    "Ask inside for the key {n}",
)
_STARTS = ("Br", "D", "F", "Gl", "K", "L", "M", "N", "P", "Qu", "R", "S", "T", "V", "W", "Z")
_MIDDLES = ("a", "e", "i", "o", "u", "ai", "au", "ei", "ou")
_JOINTS = ("l", "m", "n", "r", "s", "v", "ld", "lm", "nd", "rd", "rv", "st")
_ENDS = ("ane", "en", "ick", "ino", "old", "ona", "orf", "ow", "una", "ys")


@dataclass(frozen=True, slots=True)
class WrittenFile:
    """A file and the lines that are written in it, in reading order; ``pages`` for a document of several."""

    name: str
    lines: tuple[str, ...]
    pages: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class WrittenQuery:
    """A query, and the files that answer it. ``page`` counts from 0; None where files have no pages."""

    text: str
    kind: QueryKind
    files: tuple[str, ...]
    page: int | None = None


@dataclass(frozen=True, slots=True)
class WrittenSet:
    """Files in a folder, and queries for them."""

    folder: Path
    files: tuple[WrittenFile, ...]
    queries: tuple[WrittenQuery, ...]


@dataclass(frozen=True, slots=True)
class _Text:
    """What one page or screen says: a title with a name, sentences, and a line with a number."""

    topic: Topic
    name: str
    number: str
    lines: tuple[str, ...]


class Unique:
    """Names and numbers, each given out once. Sets that are searched together share one."""

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def name(self, rng: random.Random) -> str:
        """An invented word."""
        name = rng.choice(_STARTS) + rng.choice(_MIDDLES) + rng.choice(_JOINTS) + rng.choice(_ENDS)
        while name in self._seen:
            name += rng.choice(_JOINTS) + rng.choice(_ENDS)
        self._seen.add(name)
        return name

    def number(self, rng: random.Random) -> str:
        """Five or six digits."""
        while (number := str(rng.randrange(10_000, 1_000_000))) in self._seen:
            pass
        self._seen.add(number)
        return number


def every_kind(folder: Path, photographs: Path, count: int, seed: int = 0) -> WrittenSet:
    """``count`` files of each kind in subfolders of one folder, with unique names; their queries ask all of them."""
    unique = Unique()
    sets = {
        "signs": signs_on_photographs(folder / "signs", photographs, count, seed, unique),
        "pdf": pdf_pages(folder / "pdf", count, seed, unique=unique),
        "texts": text_pages(folder / "texts", count, seed, unique),
        "scans": scans(folder / "scans", count, seed, unique=unique),
        "screenshots": screenshots(folder / "screenshots", count, seed, unique),
    }
    files = [replace(file, name=f"{name}/{file.name}") for name, made in sets.items() for file in made.files]
    queries: dict[tuple[str, str], WrittenQuery] = {}
    for name, made in sets.items():
        for query in made.queries:
            own = tuple(f"{name}/{file}" for file in query.files)
            if query.kind == "phrase":
                own = tuple(file.name for file in files if query.text in " ".join(file.lines))
            before = queries.get((query.kind, query.text))
            both = own if before is None else tuple(dict.fromkeys((*before.files, *own)))
            page = query.page if len(both) == 1 else None
            queries[query.kind, query.text] = replace(query, files=both, page=page)
    return WrittenSet(folder, tuple(files), tuple(queries.values()))


def signs_on_photographs(
    folder: Path, photographs: Path, count: int, seed: int = 0, unique: Unique | None = None
) -> WrittenSet:
    """Photographs with a sign drawn onto each.

    Args:
        folder: where they go.
        photographs: a data set with ``pairs.jsonl`` (captions) and its pictures, such as flickr8k_dev500.
        count: how many, at most as many as the data set has.
        seed: of all choices.
        unique: gives out names and numbers; sets that are searched together share one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rng, unique = random.Random(f"signs {seed}"), unique or Unique()
    captions = _captions(photographs)
    files, queries = list[WrittenFile](), list[WrittenQuery]()
    for place, source in enumerate(sorted(captions)[:count]):
        name, number, shop = unique.name(rng), unique.number(rng), rng.choice(_PLACES)
        notice = rng.choice(_NOTICES).format(n=number)
        lines = (f"{shop} {name}", notice)
        picture = Image.open(photographs / source).convert("RGB")
        picture = picture.resize([round(side * 1024 / max(picture.size)) for side in picture.size], Image.BICUBIC)  # type: ignore[attr-defined,arg-type]
        file = f"{place:05}.jpg"
        _with_sign(picture, lines, rng).save(folder / file, quality=88)
        files.append(WrittenFile(file, lines))
        caption = rng.choice(captions[source]).rstrip(" .")
        by_kind: dict[QueryKind, str] = {
            "name": f"{shop} {name}" if rng.random() < 0.5 else name,
            "number": number,
            "phrase": f"{' '.join(notice.split()[-3:-1])} {number}",
            "description": caption,
            "mixed": f"{' '.join(caption.split()[:6])} {name}",
        }
        queries += [WrittenQuery(text, kind, (file,)) for kind, text in by_kind.items()]
    return WrittenSet(folder, tuple(files), tuple(queries))


def pdf_pages(folder: Path, count: int, seed: int = 0, pages: int = 3, unique: Unique | None = None) -> WrittenSet:
    """PDF files of ``pages`` pages with a layer of text each; ``count`` files."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = random.Random(f"pdf {seed}")
    texts = _texts(rng, unique or Unique())
    files = list[WrittenFile]()
    placed: list[tuple[str, int | None, _Text]] = []
    for place in range(count):
        own = [next(texts) for _ in range(pages)]
        file = f"{place:05}.pdf"
        (folder / file).write_bytes(pdf_of([text.lines for text in own]))
        lines = tuple(line for text in own for line in text.lines)
        files.append(WrittenFile(file, lines, tuple(text.lines for text in own)))
        placed += [(file, number, text) for number, text in enumerate(own)]
    return WrittenSet(folder, tuple(files), tuple(_queries(placed, rng)))


def text_pages(folder: Path, count: int, seed: int = 0, unique: Unique | None = None) -> WrittenSet:
    """Plain text files."""

    def write(path: Path, text: _Text, rng: random.Random) -> None:
        path.write_text("\n".join(text.lines) + "\n", "utf-8")

    return _one_text_each(folder, count, f"text {seed}", unique, ".txt", write)


def scans(folder: Path, count: int, seed: int = 0, *, as_pdf: bool = False, unique: Unique | None = None) -> WrittenSet:
    """Pages as a scanner gives them: grey, a little askew, noisy, 150 dots per inch; JPEG, or PDF without text."""

    def write(path: Path, text: _Text, rng: random.Random) -> None:
        page = _scanned(text.lines, rng)
        page.save(path, resolution=150.0) if as_pdf else page.save(path, quality=75)

    return _one_text_each(folder, count, f"scans {seed}", unique, ".pdf" if as_pdf else ".jpg", write)


def screenshots(folder: Path, count: int, seed: int = 0, unique: Unique | None = None) -> WrittenSet:
    """Pictures of a screen with one window, light or dark, in a proportional or a fixed font; PNG."""

    def write(path: Path, text: _Text, rng: random.Random) -> None:
        _screen(text.lines, rng).save(path)

    return _one_text_each(folder, count, f"screens {seed}", unique, ".png", write)


def pdf_of(pages: Sequence[Sequence[str]]) -> bytes:
    """A minimal PDF file with one page for each list of lines (ASCII), in Helvetica."""
    kids = " ".join(f"{4 + 2 * place} 0 R" for place in range(len(pages)))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>".encode(),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    for place, lines in enumerate(pages):
        shown = "".join(f"({_escaped(line)}) Tj T* " for line in lines)
        content = f"BT /F1 12 Tf 16 TL 60 780 Td {shown}ET".encode("ascii")
        resources = b"/Resources << /Font << /F1 3 0 R >> >>"
        objects.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] %s /Contents %d 0 R >>" % (resources, 5 + 2 * place)
        )
        objects.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content))
    data, offsets = b"%PDF-1.4\n", list[int]()
    for number, body in enumerate(objects, 1):
        offsets.append(len(data))
        data += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    size = len(objects) + 1
    trailer = b"trailer << /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (size, len(data))
    return data + b"xref\n0 %d\n0000000000 65535 f \n" % size + table + trailer


def font(size: int, *, fixed: bool = False, bold: bool = False) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, or its fixed width; Pillow's own font where DejaVu is not installed."""
    name = f"DejaVuSans{'Mono' if fixed else ''}{'-Bold' if bold else ''}.ttf"
    for folder in _FONT_FOLDERS:
        if (Path(folder) / name).exists():
            return ImageFont.truetype(str(Path(folder) / name), size)
    own: Any = ImageFont.load_default(size)
    return own


def _escaped(line: str) -> str:
    return line.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")


def _one_text_each(
    folder: Path,
    count: int,
    seed: str,
    unique: Unique | None,
    ending: str,
    write: Callable[[Path, _Text, random.Random], None],
) -> WrittenSet:
    folder.mkdir(parents=True, exist_ok=True)
    rng = random.Random(seed)
    texts = _texts(rng, unique or Unique())
    placed: list[tuple[str, int | None, _Text]] = []
    for place in range(count):
        text = next(texts)
        write(folder / f"{place:05}{ending}", text, rng)
        placed.append((f"{place:05}{ending}", None, text))
    files = tuple(WrittenFile(file, text.lines) for file, _, text in placed)
    return WrittenSet(folder, files, tuple(_queries(placed, rng)))


def _texts(rng: random.Random, unique: Unique) -> Iterator[_Text]:
    while True:
        topic, name, number = rng.choice(TOPICS), unique.name(rng), unique.number(rng)
        sentences = rng.sample(topic.sentences, 4)
        closing = rng.choice(("Reference", "Order", "Invoice", "Room", "Phone", "File"))
        title = f"{topic.title} by {name}"
        lines = (title, *(line for text in sentences for line in _wrapped(text)), f"{closing} {number}")
        yield _Text(topic, name, number, lines)


def _wrapped(sentence: str, width: int = 60) -> list[str]:
    lines = [""]
    for word in sentence.split():
        if len(lines[-1]) + len(word) >= width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


def _queries(placed: Sequence[tuple[str, int | None, _Text]], rng: random.Random) -> Iterator[WrittenQuery]:
    """One query of each kind but *description* for each text, and each topic's descriptions once."""
    for file, page, text in placed:
        words = rng.choice([line.split() for line in text.lines[1:-1] if len(line.split()) >= 4])
        first = rng.randrange(len(words) - 3)
        phrase = words[first : first + 4]
        where = [(f, p) for f, p, other in placed if " ".join(phrase) in " ".join(other.lines)]
        same = tuple(dict.fromkeys(f for f, _ in where))
        only_here = page if len(where) == 1 else None
        yield WrittenQuery(text.name, "name", (file,), page)
        yield WrittenQuery(text.number, "number", (file,), page)
        yield WrittenQuery(" ".join(phrase), "phrase", same, only_here)
        yield WrittenQuery(f"{rng.choice(text.topic.descriptions)} {text.name}", "mixed", (file,), page)
    for topic in TOPICS:
        files = tuple(dict.fromkeys(file for file, _, text in placed if text.topic is topic))
        if files:
            yield from (WrittenQuery(text, "description", files) for text in topic.descriptions)


def _captions(photographs: Path) -> dict[str, list[str]]:
    captions: dict[str, list[str]] = {}
    for line in (photographs / "pairs.jsonl").read_text("utf-8").splitlines():
        pair = json.loads(line)
        captions.setdefault(pair["relevant"][0], []).append(pair["query"])
    return captions


def _with_sign(picture: Image.Image, lines: Sequence[str], rng: random.Random) -> Image.Image:
    """The picture with a board of a few per cent of its area, turned by up to 8 degrees, colours at random."""
    size = rng.randrange(22, 40)
    fonts = [font(size, bold=True), font(max(16, size * 2 // 3))]
    boxes = [of.getbbox(line) for of, line in zip(fonts, lines, strict=True)]
    width, height = int(max(box[2] for box in boxes)) + size, int(sum(box[3] for box in boxes)) + 2 * size
    dark, light = rng.choice(_INKS), rng.choice(_PAPERS)
    paper, ink = (dark, light) if rng.random() < 0.5 else (light, dark)
    board = Image.new("RGBA", (width, height), (*paper, 255))
    draw, top = ImageDraw.Draw(board), size // 2
    for of, line, box in zip(fonts, lines, boxes, strict=True):
        draw.text((size // 2, top), line, font=of, fill=ink)
        top += int(box[3]) + size // 2
    if width > picture.width * 0.9:
        board = board.resize((int(picture.width * 0.9), int(height * picture.width * 0.9 / width)))
    board = board.rotate(rng.uniform(-8, 8), expand=True, resample=Image.Resampling.BICUBIC)
    left = rng.randrange(max(1, picture.width - board.width))
    picture.paste(board, (left, rng.randrange(max(1, picture.height - board.height))), board)
    return picture.filter(ImageFilter.GaussianBlur(rng.uniform(0, 0.8)))


_INKS = ((20, 20, 20), (120, 10, 10), (10, 40, 110), (0, 70, 40))
_PAPERS = ((250, 250, 245), (250, 220, 60), (200, 225, 250), (235, 215, 180))


def _scanned(lines: Sequence[str], rng: random.Random) -> Image.Image:
    page = Image.new("L", (1240, 1754), 250)
    draw, size = ImageDraw.Draw(page), rng.choice((22, 25, 29))
    for place, line in enumerate(lines):
        draw.text((130, 150 + place * size * 8 // 5), line, font=font(size, bold=place == 0), fill=30)
    page = page.rotate(rng.uniform(-1.2, 1.2), fillcolor=250, resample=Image.Resampling.BICUBIC)
    noise = np.random.default_rng(rng.randrange(1 << 30)).normal(0, 9, (page.height, page.width))
    return Image.fromarray(np.clip(np.asarray(page.filter(ImageFilter.GaussianBlur(0.6))) + noise, 0, 255).astype("u1"))


def _screen(lines: Sequence[str], rng: random.Random) -> Image.Image:
    is_dark, fixed, size = rng.random() < 0.4, rng.random() < 0.3, rng.choice((14, 15, 17, 20))
    paper, ink, bar = (
        ((32, 34, 40), (225, 225, 225), (50, 54, 62)) if is_dark else ((255, 255, 255), (25, 25, 25), (225, 228, 232))
    )
    screen = Image.new("RGB", (1280, 800), rng.choice(_INKS))
    draw = ImageDraw.Draw(screen)
    left, top = rng.randrange(20, 260), rng.randrange(20, 120)
    draw.rectangle((left, top, left + 980, top + 620), fill=paper)
    draw.rectangle((left, top, left + 980, top + 34), fill=bar)
    for place, colour in enumerate(((236, 95, 90), (240, 190, 70), (95, 195, 90))):
        draw.ellipse((left + 14 + 24 * place, top + 10, left + 28 + 24 * place, top + 24), fill=colour)
    for place, line in enumerate(lines):
        at = (left + 40, top + 60 + place * size * 9 // 5)
        draw.text(at, line, font=font(size, fixed=fixed, bold=place == 0), fill=ink)
    return screen
