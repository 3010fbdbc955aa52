"""Case ``shots``: how many cuts of a film are found where they are, beside PySceneDetect on the same films.

The films are made here and so are their cuts: photographs under a moving camera, shots with flashes and changes of
light, fades and dissolves, and real films cut together. What is found counts if it lies within a tenth of a second
of a cut, or inside a transition.
"""

from __future__ import annotations

import itertools
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from data import data_set
from numpy.typing import NDArray
from PIL import Image

from mmsearch.retrieval.media.films.frames import open_film
from mmsearch.retrieval.media.films.shots import with_cuts

FPS = 25
WIDTH, HEIGHT = 320, 240
SHOTS = 40
TOLERANCE_S = 0.1
MAX_PIXELS = 100_000_000

Pixels = NDArray[np.uint8]
Detect = Callable[[Path], list[float]]


@dataclass(frozen=True, slots=True)
class Cut:
    """A change of shot, from the last frame of the old one to the first of the new, in seconds."""

    start_s: float
    end_s: float


def measure() -> list[dict[str, Any]]:
    """Lines of precision, recall and F1 for each detector on each kind of film and on all.

    Raises:
        MissingDataError: the photographs or the films are not here.
    """
    lines = []
    with tempfile.TemporaryDirectory() as folder:
        films = make_films(Path(folder))
        for name, detect in detectors():
            if detect is None:
                lines.append({"detector": name, "result": "not installed"})
                continue
            counts = {}
            start = time.perf_counter()
            for kind, (path, cuts) in films.items():
                counts[kind] = matches(detect(path), cuts)
            seconds = time.perf_counter() - start
            counts["all"] = tuple(sum(column) for column in zip(*counts.values(), strict=True))
            lines += [{"detector": name, "film": kind, **scores(*count)} for kind, count in counts.items()]
            lines[-1]["seconds"] = round(seconds, 2)
    return lines


def scores(found: int, true: int, hits: int) -> dict[str, Any]:
    """Precision, recall and F1 from what was found, what there is, and what of both is the same."""
    precision, recall = hits / max(1, found), hits / max(1, true)
    f1 = 2 * precision * recall / (precision + recall) if hits else 0.0
    return {"cuts": true, "precision": round(precision, 3), "recall": round(recall, 3), "F1": round(f1, 3)}


def matches(found: Sequence[float], cuts: Sequence[Cut]) -> tuple[int, int, int]:
    """How many were found, how many there are, how many of these were found; each counts once."""
    left = list(cuts)
    hits = 0
    for moment in found:
        near = next((cut for cut in left if cut.start_s - TOLERANCE_S <= moment <= cut.end_s + TOLERANCE_S), None)
        if near is not None:
            left.remove(near)
            hits += 1
    return len(found), len(cuts), hits


def detectors() -> list[tuple[str, Detect | None]]:
    """Ours and, where it is installed, PySceneDetect's two with their defaults."""
    found: list[tuple[str, Detect | None]] = [("mmsearch", our_cuts)]
    try:
        from scenedetect import AdaptiveDetector, ContentDetector, detect
    except ImportError:
        return [*found, ("PySceneDetect", None)]

    def with_detector(kind: Any) -> Detect:
        return lambda path: [scene[0].seconds for scene in detect(str(path), kind())][1:]

    return [
        *found,
        ("PySceneDetect Adaptive", with_detector(AdaptiveDetector)),
        ("PySceneDetect Content", with_detector(ContentDetector)),
    ]


def our_cuts(path: Path) -> list[float]:
    """The times of the first frames of all shots but the first."""
    with path.open("rb") as file:
        reader = open_film(file, "mp4", MAX_PIXELS)
        return [frame.time for frame, cut in with_cuts(reader.frames()) if cut]


# --- films whose cuts are known ------------------------------------------------------------------------------------


def make_films(folder: Path, seed: int = 0) -> dict[str, tuple[Path, list[Cut]]]:
    """A film of each kind, and its cuts. Seed 0 is what is measured; thresholds were set on others."""
    photos = sorted((data_set("flickr8k_dev500") / "images").iterdir())
    clips = sorted((data_set("video20") / "video").iterdir())
    kinds: dict[str, Callable[[np.random.Generator], Iterator[tuple[Pixels, bool | None]]]] = {
        "still": lambda random: joined(random, photos, still),
        "moving": lambda random: joined(random, photos, moving),
        "flashes": lambda random: joined(random, photos, flashing),
        "fades": lambda random: faded(random, photos),
        "real": lambda random: real(random, clips),
    }
    films = {}
    for number, (kind, make) in enumerate(kinds.items()):
        path = folder / f"{kind}.mp4"
        films[kind] = (path, write_film(path, make(np.random.default_rng([seed, number]))))
    return films


def write_film(path: Path, frames: Iterator[tuple[Pixels, bool | None]]) -> list[Cut]:
    """Code frames as H.264. A frame is the first of a shot (True), inside a transition (None), or neither."""
    import av

    cuts: list[Cut] = []
    transition: int | None = None
    with av.open(str(path), "w") as film:
        stream = film.add_stream("libx264", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.options = {"preset": "ultrafast", "crf": "26"}
        for index, (pixels, first) in enumerate(frames):
            if first and index:
                cuts.append(Cut(index / FPS, index / FPS))
            elif first is None and transition is None:
                transition = index
            elif first is False and transition is not None:
                cuts.append(Cut(transition / FPS, index / FPS))
                transition = None
            film.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, "rgb24")))
        film.mux(stream.encode(None))
    return cuts


def views(random: np.random.Generator, photo: Path, count: int, speed: float, shake: float = 0.0) -> Iterator[Pixels]:
    """A photograph under a camera that pans and zooms: ``speed`` in widths of the picture a second."""
    with Image.open(photo) as opened:
        picture = opened.convert("RGB")
    width, height = picture.size
    zoom, zooming = random.uniform(0.5, 0.8), random.uniform(-0.3, 0.3) * speed
    x, y = random.uniform(0, 1, 2)
    angle = random.uniform(0, 2 * np.pi)
    for _ in range(count):
        if not 0.35 < zoom + zooming / FPS < 0.95:
            zooming = -zooming
        zoom += zooming / FPS
        x, y = x + np.cos(angle) * speed / FPS, y + np.sin(angle) * speed / FPS
        if not (0 <= x <= 1 and 0 <= y <= 1):  # the camera turns at the edge
            angle += np.pi / 2 + random.uniform(-0.5, 0.5)
            x, y = np.clip([x, y], 0, 1)
        wide, high = zoom * width, zoom * height
        left, top = np.clip(np.array([x, y]) + random.normal(0, shake, 2), 0, 1) * (width - wide, height - high)
        box = (left, top, left + wide, top + high)
        yield np.asarray(picture.resize((WIDTH, HEIGHT), Image.Resampling.BILINEAR, box=box))


Shoot = Callable[[np.random.Generator, Path], Iterator[Pixels]]


def joined(random: np.random.Generator, photos: Sequence[Path], shoot: Shoot) -> Iterator[tuple[Pixels, bool]]:
    """Shots of different photographs, cut hard."""
    for photo in random.choice(np.array(photos), SHOTS, replace=False):
        for index, pixels in enumerate(shoot(random, photo)):
            yield pixels, index == 0


def _count(random: np.random.Generator) -> int:
    return int(random.integers(round(0.8 * FPS), 5 * FPS))


def still(random: np.random.Generator, photo: Path) -> Iterator[Pixels]:
    """A camera that hardly moves."""
    return views(random, photo, _count(random), 0.05)


def moving(random: np.random.Generator, photo: Path) -> Iterator[Pixels]:
    """Fast pans and zooms, or a hand that shakes."""
    if random.random() < 0.5:
        return views(random, photo, _count(random), random.uniform(0.5, 3))
    return views(random, photo, _count(random), 0.2, shake=random.uniform(0.02, 0.15))


def flashing(random: np.random.Generator, photo: Path) -> Iterator[Pixels]:
    """Flashes of one to three frames, and light that comes and goes within half a second."""
    frames = list(views(random, photo, _count(random) + 2 * FPS, 0.1))
    for start in range(round(0.5 * FPS), len(frames) - round(0.5 * FPS), FPS):
        if random.random() < 0.5:
            for at in range(start, start + int(random.integers(1, 4))):
                bright = frames[at].astype(float) * 0.3 + 255 * random.uniform(0.5, 0.7)
                frames[at] = bright.clip(0, 255).astype(np.uint8)
        elif random.random() < 0.5:
            dark = random.uniform(0.3, 0.6)
            for at, weight in zip(range(start, start + 12), np.sin(np.linspace(0, np.pi, 12)), strict=True):
                frames[at] = (frames[at] * (1 - (1 - dark) * weight)).astype(np.uint8)
    return iter(frames)


def faded(random: np.random.Generator, photos: Sequence[Path]) -> Iterator[tuple[Pixels, bool | None]]:
    """Shots that fade through black or dissolve into each other for a third of a second to a second."""
    before: list[Pixels] = []
    for photo in random.choice(np.array(photos), SHOTS, replace=False):
        frames = list(views(random, photo, _count(random) + 2 * FPS, 0.15))
        if before:
            length = int(random.integers(FPS // 3, FPS))
            through_black = random.random() < 0.5
            for at, weight in enumerate(np.linspace(0, 1, length)):
                if through_black:
                    old, new = max(0.0, 1 - 2 * weight), max(0.0, 2 * weight - 1)
                else:
                    old, new = 1 - weight, weight
                yield (before[at] * old + frames[at] * new).astype(np.uint8), None
            frames = frames[length:]
        before = frames[-FPS:]
        for pixels in frames[:-FPS]:
            yield pixels, False
    for pixels in before:
        yield pixels, False


def real(random: np.random.Generator, clips: Sequence[Path]) -> Iterator[tuple[Pixels, bool]]:
    """Stretches of real films, cut hard; films with cuts of their own are left out."""
    steady = [clip for clip in clips if clip.stem not in ("city_street_bikes", "dance_drawings")]
    for clip in itertools.islice(itertools.cycle(random.permutation(np.array(steady))), SHOTS):
        with clip.open("rb") as file:
            reader = open_film(file, "mkv" if clip.suffix == ".mkv" else "mp4", MAX_PIXELS)
            skipped = int(random.integers(0, 20))
            frames = itertools.islice(reader.frames(), skipped, skipped + _count(random))
            for index, frame in enumerate(frames):
                yield np.asarray(frame.picture().resize((WIDTH, HEIGHT), Image.Resampling.BILINEAR)), index == 0


if __name__ == "__main__":
    for line in measure():
        print(line)
