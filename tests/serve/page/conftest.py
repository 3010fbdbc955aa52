"""The page in a real Chromium, over a real server with real pictures, sounds, films and texts."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from mmsearch import Collection

EXAMPLES = Path(__file__).parents[3] / "examples"
AXE = Path(sys.prefix) / "npm" / "node_modules" / "axe-core" / "axe.min.js"
NAMES = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
]
YEARS = {"photos": 2021, "films": 2023, "sounds": 2023, "notes": 2024}
RECIPE = (
    "Rye bread for two days. Mix the flour with warm water and a spoon of salt.",
    "Let the dough rest over night under a damp cloth.",
    "Bake it for an hour, until it sounds hollow. Eat it with butter.",
)
MANY = 100_000


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium. One for each module: while Playwright runs, nothing else may run an event loop in this thread."""
    playwright = pytest.importorskip("playwright.sync_api", reason="the page's tests need playwright")
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip(f"the page's tests need Chromium; none of these is on the PATH: {', '.join(NAMES)}")
    with playwright.sync_playwright() as running:
        launched = running.chromium.launch(executable_path=found, args=ARGUMENTS)
        yield launched
        launched.close()


@pytest.fixture
def open_page(browser: Any, server: str) -> Iterator[Callable[..., Any]]:
    """Opens an address in a window of its own. No script may fail, and nothing may be against the content policy."""
    with contextlib.ExitStack() as contexts:
        wrong: list[str] = []

        def note(message: Any) -> None:
            if "Content Security Policy" in message.text or "Refused to" in message.text:
                wrong.append(message.text)

        def open_one(query: str = "", *, at: str = server, width: int = 1280, height: int = 800, **options: Any) -> Any:
            viewport = {"width": width, "height": height}
            context = browser.new_context(viewport=viewport, **options)
            contexts.callback(context.close)
            context.set_default_timeout(20_000)
            page = context.new_page()
            page.on("pageerror", lambda error: wrong.append(str(error)))
            page.on("console", note)
            page.goto(at + query)
            return page

        yield open_one
        assert wrong == []


def module_at(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five photographs, a film of four shots, four sounds and two texts, in folders and of several years."""
    root = tmp_path_factory.mktemp("page") / "library"
    made = root.parent / "made"
    module_at(EXAMPLES / "media.py").make_media(made)
    kinds = {".jpg": "photos", ".mp4": "films", ".wav": "sounds", ".txt": "notes"}
    for path in made.iterdir():
        (root / kinds[path.suffix]).mkdir(parents=True, exist_ok=True)
        shutil.move(path, root / kinds[path.suffix] / path.name)
    (root / "notes" / "bread.txt").write_text("\n\n".join(paragraph * 4 for paragraph in RECIPE), "utf-8")
    for path in root.rglob("*.*"):
        when = time.mktime((YEARS[path.parent.name], 6, 1, 12, 0, 0, 0, 0, -1))
        os.utime(path, (when, when))
    return root


@pytest.fixture(scope="session")
def served(library: Path) -> Mapping[str, Collection]:
    """Collections by their names: the library, one of very many vectors made elsewhere, and an empty one."""
    folder = library.parent
    collections = {"library": Collection.create(folder / "library.mms", model="mini")}
    collections["library"].index([library], workers=1)
    collections["many"] = Collection.create(folder / "many.mms", model=None)
    random = np.random.default_rng(0)
    vectors = random.standard_normal((MANY, 8)).astype(np.float32)
    facts = {"width": random.choice([640, 800, 480], MANY).tolist(), "height": [480] * MANY}
    paths = [f"/pictures/{i:06}.jpg" for i in range(MANY)]
    collections["many"].add(vectors, paths=paths, modality="image", space="made", facts=facts)
    collections["empty"] = Collection.create(folder / "empty.mms", model="mini")
    return collections


@contextlib.contextmanager
def running(app: Any) -> Iterator[str]:
    """The address of a server that runs in a thread."""
    import uvicorn

    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
    finally:
        server.should_exit = True
        thread.join()
        listening.close()


@pytest.fixture(scope="session")
def server(served: Mapping[str, Collection]) -> Iterator[str]:
    """The address of a server over `served`."""
    from mmsearch.serve import create_app

    with running(create_app(served, local=True)) as address:
        yield address


@pytest.fixture(scope="session")
def run_server() -> Callable[..., contextlib.AbstractContextManager[str]]:
    """`running`: a context in which an app is served, as its address."""
    return running


@pytest.fixture(scope="session")
def violations() -> Callable[[Any], list[str]]:
    """What axe-core finds wrong with a page, in light and in dark: rules with the elements that break them."""
    if not AXE.exists():
        pytest.skip(f"axe-core is not at {AXE}: `make test` installs it where npm is there")
    script = AXE.read_text("utf-8")

    def check(page: Any) -> list[str]:
        page.evaluate(script)
        found = []
        for scheme, rules in (("light", None), ("dark", ["color-contrast"])):
            page.emulate_media(color_scheme=scheme)
            # Half-faded colours have no contrast yet.
            page.evaluate("Promise.all(document.getAnimations().map((one) => one.finished.catch(() => {})))")
            options = {"resultTypes": ["violations"], **({"runOnly": rules} if rules else {})}
            broken = page.evaluate("(options) => axe.run(document, options)", options)["violations"]
            found += [f"{scheme}: {rule['id']}: {node['html'][:200]}" for rule in broken for node in rule["nodes"]]
        return found

    return check


@pytest.fixture(scope="session")
def tiles() -> Callable[..., list[str]]:
    """The labels of the results that are in the document, in order, once there are some."""

    def read(page: Any) -> list[str]:
        page.wait_for_selector(".results:not(.stale) .tile a")
        links = "[...document.querySelectorAll('.tile a')]"
        order = ".sort((a, b) => a.dataset.index - b.dataset.index)"
        return page.evaluate(f"{links}{order}.map((link) => link.querySelector('.unseen').textContent)")

    return read
