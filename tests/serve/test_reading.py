"""Readers as processes and a front before them: one killed, one stopped, one of another generation, one with another
token, and parts that do not fit together."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jsonschema import Draft202012Validator
from starlette.testclient import TestClient

from mmsearch import Collection, MMSearchError, UsageError
from mmsearch.retrieval.store.manifest import save_manifest
from mmsearch.serve import create_app
from mmsearch.serve.openapi import DOCUMENT
from mmsearch.serve.reading import token_of_readers

PATIENCE_S = 60


class ReaderProcess:
    """A reader of a part of a collection."""

    def __init__(self, folder: Path, part: str, *more: str, port: int = 0, token: str | None = None) -> None:
        self.folder, self.part = folder, part
        command = [sys.executable, "-m", "mmsearch", "serve", "-c", str(folder), "--part", part, "--port", str(port)]
        environment = {**os.environ, **({"MMSEARCH_TOKEN": token} if token else {})}
        self.process = subprocess.Popen([*command, *more], stdout=subprocess.PIPE, text=True, env=environment)
        assert self.process.stdout is not None
        self.said = self.process.stdout.readline()
        found = re.search(r"http://[^/]+:(\d+)", self.said)
        assert found, self.said
        self.port = int(found[1])
        self.address = f"http://127.0.0.1:{self.port}"

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def end(self) -> None:
        if self.process.poll() is None:
            self.signal(signal.SIGCONT)
            self.process.kill()
        self.process.communicate(timeout=PATIENCE_S)


@pytest.fixture(scope="module")
def start() -> Iterator[Callable[..., ReaderProcess]]:
    """Starts readers, which end with the module."""
    started: list[ReaderProcess] = []

    def one(*arguments: Any, **options: Any) -> ReaderProcess:
        started.append(ReaderProcess(*arguments, **options))
        return started[-1]

    yield one
    for reader in started:
        reader.end()


@pytest.fixture(scope="module")
def three(gallery, start) -> list[ReaderProcess]:
    """Readers of the three parts of `gallery`; a test that ends one starts another in its place."""
    return [start(gallery.root, f"{number}/3") for number in (2, 3, 1)]


def answers(client: TestClient, words: str = "a red disc", **more: Any) -> dict[str, Any]:
    answer = client.post("/api/search", json={"line": words, "k": 20, **more})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def wait_for(client: TestClient, status: str) -> dict[str, Any]:
    """What ``/readyz`` says once its status is this one."""
    until = time.monotonic() + PATIENCE_S
    while True:
        said = dict(client.get("/readyz").json())
        if said["status"] == status:
            return said
        assert time.monotonic() < until, said
        time.sleep(0.05)


@contextlib.contextmanager
def front_of(folder: Path, readers: list[ReaderProcess], late_after: float = 20.0) -> Iterator[TestClient]:
    app = create_app([folder], readers=[reader.address for reader in readers], late_after=late_after)
    with TestClient(app, base_url="http://127.0.0.1:8765") as client:
        yield client


def without_times(answer: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in answer.items() if name != "took_ms"}


def test_a_front_answers_over_http_as_one_server_does(gallery, three):
    with (
        front_of(gallery.root, three) as front,
        TestClient(create_app([gallery.root]), base_url="http://127.0.0.1:8765") as alone,
    ):
        assert wait_for(front, "ok") == {"status": "ok"}
        for words in ("a red disc", "boats in the harbour", '"rye bread"', "stripes -disc"):
            assert without_times(answers(front, words)) == without_times(answers(alone, words))
        row = answers(front)["hits"][0]["id"]
        for path in (f"/api/items/{row}", "/api/items?k=3", "/api/facets", f"/media/{row}", f"/thumb/{row}"):
            assert front.get(path).content == alone.get(path).content
        similar = [without_times(one.get(f"/api/items/{row}/similar").json()) for one in (front, alone)]
        assert similar[0] == similar[1]
        given = {"model": "mini", "input": "a dog"}
        assert front.post("/v1/embeddings", json=given).json() == alone.post("/v1/embeddings", json=given).json()
        assert "mmsearch_parts_missing 0.0" in front.get("/metrics").text


def test_a_reader_that_is_stopped_is_left_out_until_it_goes_on(gallery, three):
    with front_of(gallery.root, three, late_after=1.5) as front:
        wait_for(front, "ok")
        whole = answers(front)
        three[0].signal(signal.SIGSTOP)
        try:
            partial = answers(front)
            assert partial["partial"] is True
            assert partial["missing_parts"] == {"2/3": "its reader was not done within 1.5 s"}
            assert "parts of the collection are not among the answers: 2/3" in partial["notices"][-1]
            found, all_found = ({hit["id"] for hit in answer["hits"]} for answer in (partial, whole))
            assert found < all_found
            assert len(found) >= 6
            assert wait_for(front, "partial")["missing_parts"] == partial["missing_parts"]
            assert "mmsearch_parts_missing 1.0" in front.get("/metrics").text
            for schema, data in (("Answer", partial), ("Health", front.get("/readyz").json())):
                document = {"components": DOCUMENT["components"], "$ref": f"#/components/schemas/{schema}"}
                Draft202012Validator(document).validate(data)
                assert {*data} <= {*DOCUMENT["components"]["schemas"][schema]["properties"]}
        finally:
            three[0].signal(signal.SIGCONT)
        wait_for(front, "ok")
        assert without_times(answers(front)) == without_times(whole)


def test_a_reader_that_is_killed_is_left_out_until_another_takes_its_place(gallery, three, start):
    with front_of(gallery.root, three) as front:
        wait_for(front, "ok")
        whole = answers(front)
        three[1].signal(signal.SIGKILL)
        three[1].process.wait(PATIENCE_S)
        assert answers(front)["missing_parts"] == {"3/3": "its reader cannot be reached"}
        three[1] = start(gallery.root, "3/3", port=three[1].port)
        wait_for(front, "ok")
        assert without_times(answers(front)) == without_times(whole)


def test_a_front_without_any_reader_says_so(gallery, three):
    three[0].signal(signal.SIGSTOP)
    try:
        with front_of(gallery.root, three[:1], late_after=0.3) as front:
            assert front.get("/readyz").status_code == 503
            answer = front.post("/api/search", json={"line": "a disc"})
            assert answer.status_code == 503
            assert answer.json()["error"]["message"] == (
                f"no reader answers ({three[0].address}: its reader was not done within 0.3 s)"
            )
            assert front.get("/api/items").status_code == 200
    finally:
        three[0].signal(signal.SIGCONT)


def test_a_reader_of_another_generation_is_left_out(tmp_path, gallery, start):
    folder, copy = tmp_path / "c.mms", tmp_path / "copy.mms"
    shutil.copytree(gallery.root, folder)
    shutil.copytree(gallery.root, copy)
    readers = [start(folder, "1/2"), start(copy, "2/2")]
    with front_of(folder, readers) as front, Collection.open(folder) as changed:
        wait_for(front, "ok")
        before = changed.manifest.generation
        changed.index([Path(gallery.manifest.roots[0]) / "bread.md"], workers=1, exclude=["nothing*"])
        assert changed.manifest.generation > before
        answer = answers(front)
        assert answer["generation"] == changed.manifest.generation
        assert list(answer["missing_parts"]) == ["2/2"]
        assert f"reads generation {before}, not {changed.manifest.generation}" in answer["missing_parts"]["2/2"]


def test_a_reader_asks_for_its_token(gallery, start, monkeypatch, tmp_path):
    reader = start(gallery.root, "1/1", "--allow-host", "reader.example", token="right")
    monkeypatch.setenv("MMSEARCH_READER_TOKEN", "wrong")
    with front_of(gallery.root, [reader]) as front:
        said = front.get("/readyz").json()
        assert said["missing_parts"] == {"1/1": "its reader refuses the token"}
    (tmp_path / "token").write_text("right\n")
    monkeypatch.delenv("MMSEARCH_READER_TOKEN")
    monkeypatch.setenv("MMSEARCH_READER_TOKEN_FILE", str(tmp_path / "token"))
    with front_of(gallery.root, [reader]) as front:
        wait_for(front, "ok")
        assert "partial" not in answers(front)


def test_the_token_of_readers_comes_from_the_environment_or_a_file(tmp_path):
    assert token_of_readers({}) is None
    assert token_of_readers({"MMSEARCH_READER_TOKEN": "one", "MMSEARCH_READER_TOKEN_FILE": "/none"}) == "one"
    (tmp_path / "empty").write_text(" \n")
    for path in ("nowhere", "empty"):
        with pytest.raises(MMSearchError, match=f"names .*{path}, which"):
            token_of_readers({"MMSEARCH_READER_TOKEN_FILE": str(tmp_path / path)})


def test_readers_that_do_not_fit_together_are_refused(gallery, three, start, tmp_path):
    with pytest.raises(UsageError, match=r"holds part ./3, but 2 readers are named"), front_of(gallery.root, three[:2]):
        pass
    twin = start(gallery.root, "1/3")
    with pytest.raises(UsageError, match="both hold part 1/3"), front_of(gallery.root, [three[2], twin, three[0]]):
        pass
    of_vectors = Collection.create(tmp_path / "vectors.mms", model=None)
    of_vectors.add(np.eye(2), paths=["/1", "/2"], modality="image", space="s")
    with pytest.raises(UsageError, match="reads a collection of other models"), front_of(of_vectors.root, three):
        pass
    other = Collection.create(tmp_path / "other.mms", model="mini")
    other.add(np.ones((1, other.space.dim)), paths=["/1"], modality="image")
    save_manifest(other.root, replace(other.manifest, generation=gallery.manifest.generation))
    with pytest.raises(UsageError, match="reads another collection"), front_of(other.root, three):
        pass


def test_a_reader_answers_to_fronts_alone(three):
    import urllib.error
    import urllib.request

    def status(path: str, **headers: str) -> int:
        request = urllib.request.Request(three[0].address + path, headers=headers, method="GET")
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code

    assert status("/healthz") == status("/readyz") == status("/metrics") == 200
    assert status("/") == status("/api/status") == 404
    assert status("/internal/look-up") == 405
    assert status("/healthz", Host="evil.example") == 421


def test_the_command_line_starts_a_front_asks_it_and_says_what_is_missing(gallery, three, start):
    command = [sys.executable, "-m", "mmsearch"]
    addresses = ",".join(reader.address for reader in three)
    front = subprocess.Popen(
        [*command, "serve", "-c", str(gallery.root), "--of", addresses, "--port", "0"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert front.stdout is not None
        assert "serving gallery at http://127.0.0.1:" in front.stdout.readline()
        three[2].signal(signal.SIGKILL)
        three[2].process.wait(PATIENCE_S)
        query = [*command, "query", "-c", str(gallery.root), "a red disc"]
        done = subprocess.run(query, capture_output=True, text=True, timeout=PATIENCE_S, check=True)
        assert "not among the answers: 1/3 (its reader cannot be reached)" in done.stderr
        done = subprocess.run([*query, "--json"], capture_output=True, text=True, timeout=PATIENCE_S, check=True)
        assert json.loads(done.stdout)["missing_parts"] == {"1/3": "its reader cannot be reached"}
    finally:
        front.send_signal(signal.SIGTERM)
        _, errors = front.communicate(timeout=PATIENCE_S)
        three[2] = start(gallery.root, "1/3", port=three[2].port)
    assert (front.returncode, errors) == (0, "")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--part", "4/3"], "'4/3' is no part; the third of eight is 3/8"),
        (["--part", "1/2", "--mcp"], "--part stands alone: a reader answers to a front, and runs until it is ended"),
        (["--of", "ftp://x"], "'ftp://x' is no address of a reader, such as http://127.0.0.1:8765"),
        (["--of", "http://x:1,http://x:1"], "the reader http://x:1 is named twice"),
        (["--of", "http://x:1/?token=abc"], "an address of a reader has no token in it: http://x"),
    ],
)
def test_wrong_options_are_said_in_one_line(gallery, options, said):
    done = subprocess.run(
        [sys.executable, "-m", "mmsearch", "serve", "-c", str(gallery.root), "--port", "0", *options],
        capture_output=True, text=True, timeout=PATIENCE_S, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"mmsearch: {said}\n")
