"""Takes the pictures of the page for the README: a collection is made and served, and Chromium looks at it.

python examples/page_pictures.py docs

Needs the extras `serve`, `demo` and `dev`, and Chromium.
"""

from __future__ import annotations

import io
import os
import shutil
import socket
import sys
import tempfile
import threading
import time
from pathlib import Path

import uvicorn
from media import make_media
from photos import copy_photographs
from PIL import Image
from playwright.sync_api import Page, sync_playwright

import mmsearch
from mmsearch.serve import create_app

SIZE = {"width": 1280, "height": 800}
ARGUMENTS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--autoplay-policy=no-user-gesture-required"]
PLAYING = "() => { const film = document.querySelector('video'); return film && film.readyState > 2 }"
NOTES = {
    "harbour.txt": "Fishing boats lie in the harbour at low tide. The cat of the harbour master waits on the wall.",
    "launch.txt": "We saw the rocket rise from the beach. First the light, and half a minute later the sound.",
    "bread.txt": "Mix the rye flour with warm water. Let the dough rest over night, and bake it for an hour.",
}
DULL = ("clock_motion", "brick", "grass", "gravel", "page", "retina", "coins")


def main(folder: Path) -> None:
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    with tempfile.TemporaryDirectory(prefix="mmsearch-page-") as made:
        collection = fill(Path(made))
        with sync_playwright() as playwright, Served(collection) as address:
            browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
            for scheme in ("light", "dark"):
                page = browser.new_page(viewport=SIZE, color_scheme=scheme, device_scale_factor=1.5)
                save(look(page, address), folder / f"page-{scheme}.webp")
            browser.close()


def fill(folder: Path) -> mmsearch.Collection:
    """A collection of photographs, sounds, a film and texts, of several years."""
    media = folder / "Holiday"
    make_media(media)
    copy_photographs(folder / "Photos")
    for path in (folder / "Photos").iterdir():
        # The same in both, or textures that nobody looks for.
        if path.stem in DULL or (media / path.with_suffix(".jpg").name).exists():
            path.unlink()
    (folder / "Notes").mkdir()
    for name, text in NOTES.items():
        (folder / "Notes" / name).write_text(text, "utf-8")
    folders = [folder / name for name in ("Holiday", "Photos", "Notes")]
    for i, path in enumerate(sorted(path for one in folders for path in one.iterdir())):
        when = time.mktime((2026 - i % 6, 1 + i % 12, 1 + i, 12, 0, 0, 0, 0, -1))
        os.utime(path, (when, when))
    collection = mmsearch.Collection.create(folder / "library.mms", model="mini")
    collection.index(folders)
    return collection


def look(page: Page, address: str) -> bytes:
    """A film, open at the moment that was asked for, as a PNG."""
    page.goto(f"{address}?q=a+rocket+at+night")
    page.click(".tile.video a")
    page.wait_for_function(PLAYING)
    page.evaluate("document.querySelector('video').pause()")
    page.wait_for_selector(".frames img")
    page.mouse.move(0, 0)
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(1500)
    return page.screenshot()


def save(png: bytes, target: Path) -> None:
    with Image.open(io.BytesIO(png)) as picture:
        picture.convert("RGB").save(target, quality=82, method=6)


class Served:
    """A context in which a collection is served, as its address."""

    def __init__(self, collection: mmsearch.Collection) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._server = uvicorn.Server(uvicorn.Config(create_app([collection], local=True), log_level="warning"))
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],))

    def __enter__(self) -> str:
        self._thread.start()
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}/"

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
