"""Servers over small collections."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest
from PIL import Image
from starlette.testclient import TestClient

from mmsearch import Collection
from mmsearch.serve import create_app


@pytest.fixture(scope="session", autouse=True)
def kept_pictures(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of small pictures, which is not that of the person who runs the tests."""
    folder = tmp_path_factory.mktemp("cache") / "pictures"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mmsearch.serve.thumbnails.cache_folder", lambda: folder)
        yield folder


@pytest.fixture
def client(collection: Collection) -> Iterator[TestClient]:
    """A client of a server over `collection`, as a browser on this machine asks."""
    with TestClient(create_app([collection]), base_url="http://127.0.0.1:8765") as client:
        yield client


@pytest.fixture(scope="module")
def gallery_client(gallery: Collection) -> Iterator[TestClient]:
    """A client of a server over `gallery`, which no test changes."""
    with TestClient(create_app([gallery]), base_url="http://127.0.0.1:8765") as client:
        yield client


@pytest.fixture(scope="module")
def media_collection(
    tmp_path_factory: pytest.TempPathFactory, films: ModuleType, drawn: Callable[..., Image.Image]
) -> Collection:
    """Pictures, two of them copies, a film with sound and subtitles, a sound, and a text."""
    folder = tmp_path_factory.mktemp("media")
    (folder / "photos").mkdir()
    for name, of in (("disc.png", "disc"), ("copy of disc.png", "disc"), ("square.png", "square")):
        drawn(of).save(folder / "photos" / name)
    frames = [drawn("disc", (160, 120))] * 50 + [drawn("stripes", (160, 120))] * 50
    cues = [(0.5, 2.0, "A red disc on white.")]
    made = films.film(
        frames, fps=25, sound=films.tone(4, 48_000), subtitles=cues, format="matroska", subtitle_codec="subrip"
    )
    (folder / "photos" / "film.mkv").write_bytes(made)
    (folder / "photos" / "tone.flac").write_bytes(
        films.sound_file(films.tone(12, 16_000), 16_000, format="flac", codec="flac")
    )
    (folder / "photos" / "bread.md").write_text("A loaf of rye bread cools on the kitchen table.")
    collection = Collection.create(folder / "media.mms", model="mini")
    assert collection.index([folder / "photos"], workers=1).indexed == 6
    return collection
