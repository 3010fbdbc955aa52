"""A collection of many kinds of rows, and readers of its parts: apps in threads of this process, asked over HTTP."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from mmsearch import Collection
from mmsearch.path_keys import path_key
from mmsearch.scale.readers import Readers, open_front
from mmsearch.serve import create_app

NOTES = [
    *("Potatoes grow behind the barn.", "The price of copper fell again.", "Wash the wool in cold water."),
    *("An owl called twice over the harbour.", "Two plus three is five.", "Her uncle repairs old clocks."),
    *("Frost killed the vines.", "The vote was postponed.", "He lost his umbrella in Zwolle."),
    *("Salt lowers the melting point.", "Mind the third step.", "The red boat has a white sail."),
]
CUES = [(0.5, 2.5, "Fishing boats lie in the harbour."), (6.25, 8.5, "A loaf of rye bread cools.")]
FPS = 8


@pytest.fixture(scope="session")
def corpus(
    tmp_path_factory: pytest.TempPathFactory, films: ModuleType, drawn: Callable[..., Image.Image]
) -> Collection:
    """Pictures (some of them copies, some that a search for duplicates has put together), texts, a film with sound and
    subtitles, a longer film, sounds, vectors of two more spaces, columns of a user's own, labels, deleted rows."""
    place = tmp_path_factory.mktemp("corpus")
    folder = place / "files"
    for inside in ("pictures/old", "notes", "films"):
        (folder / inside).mkdir(parents=True)
    names = ("disc", "square", "stripes", "rings", "cross", "ramp", "grid", "noise")
    for name in names:
        drawn(name).save(folder / "pictures" / f"{name}.png")
        drawn(name).transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(
            folder / "pictures" / "old" / f"{name} mirrored.png"
        )
    for number in range(40):
        drawn("disc").save(folder / "pictures" / f"disc copy {number}.png")
    for number, note in enumerate(NOTES):
        (folder / "notes" / f"{number:02}.txt").write_text(note)
    (folder / "notes" / "copy of 01.txt").write_text(NOTES[1])
    for name, shots in (("three", ("disc", "stripes", "grid")), ("other", ("cross", "rings", "ramp", "square"))):
        pictures = (drawn(shot) for shot in shots for _ in range(3 * FPS))
        sound = films.tone(9, 16_000) if name == "three" else None
        made = films.film(pictures, format="matroska", fps=FPS, sound=sound, rate=16_000)
        (folder / "films" / f"{name}.mkv").write_bytes(made)
    lines = [f"{i}\n00:00:0{a:.3f} --> 00:00:0{b:.3f}\n{text}\n" for i, (a, b, text) in enumerate(CUES, 1)]
    (folder / "films" / "other.srt").write_text("\n".join(lines))
    for seconds in (4, 31):
        tone = films.tone(seconds, 16_000)
        (folder / "films" / f"tone {seconds}.flac").write_bytes(
            films.sound_file(tone, 16_000, format="flac", codec="flac")
        )
    made_here = Collection.create(place / "corpus.mms", model="mini")
    made_here.index([folder], workers=1)
    _add_elsewhere(made_here)
    made_here.remove([folder / "notes" / "04.txt"])
    return made_here


def _add_elsewhere(collection: Collection) -> None:
    """Vectors of the collection's own space with facts, vectors of another one, and groups of copies."""
    random = np.random.default_rng(3)
    near = collection.encode(["a red disc"])[0]
    around = near + 0.6 * random.standard_normal((60, len(near))).astype(np.float32) / np.sqrt(len(near))
    paths = [f"/elsewhere/{number:03}.jpg" for number in range(60)]
    facts = {"width": list(range(60)), "colour": ["red" if number % 3 else None for number in range(60)]}
    ids = collection.add(around, paths=paths, modality="image", facts=facts)
    collection.add(around[:9], paths=[f"/notes/{n}" for n in range(9)], modality="text", texts=["copper wire"] * 9)
    collection.add(random.standard_normal((40, 3)), paths=paths[:40], modality="image", space="mine")
    members = sorted((path_key(paths[number]), int(ids[number]), number % 4) for number in range(24))
    columns = zip(("key", "id", "group"), zip(*members, strict=True), strict=True)
    collection.set_side_tables({"duplicates": pa.table({name: list(own) for name, own in columns})})


@pytest.fixture(scope="session")
def run_readers(running) -> Callable[[Path, int], contextlib.AbstractContextManager[list[str]]]:
    """Runs the readers of all parts of a collection; gives their addresses."""

    @contextlib.contextmanager
    def run(root: Path, count: int) -> Iterator[list[str]]:
        with contextlib.ExitStack() as stack:
            apps = [create_app([root], part=f"{number}/{count}") for number in range(1, count + 1)]
            yield [stack.enter_context(running(app)) for app in apps]

    return run


@pytest.fixture(scope="session")
def open_with() -> Callable[[Path, list[str]], contextlib.AbstractContextManager[Collection]]:
    """Opens a collection whose rows some readers look up, once all of them have opened their indexes."""

    @contextlib.contextmanager
    def opened(root: Path, addresses: list[str]) -> Iterator[Collection]:
        readers = Readers(addresses, late_after=30)
        try:
            front = open_front(root, readers)
            until = time.monotonic() + 60
            while readers.missing() and time.monotonic() < until:
                time.sleep(0.02)
            with front:
                yield front
        finally:
            readers.close()

    return opened


@pytest.fixture(scope="session")
def front(corpus, run_readers, open_with) -> Iterator[Collection]:
    """`corpus`, looked up by three readers."""
    with run_readers(corpus.root, 3) as addresses, open_with(corpus.root, addresses) as opened:
        yield opened
