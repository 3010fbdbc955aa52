"""The examples of clients and of a server in another app run as they stand."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from mmsearch.serve import create_app

EXAMPLES = Path(__file__).parents[2] / "examples"
CLIENTS = {"http_client.py": sys.executable, "http_client.js": shutil.which("node")}


@pytest.fixture(scope="module")
def address(gallery, running):
    with running(create_app([gallery])) as server:
        yield server


def run(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    program = CLIENTS[name]
    if program is None:
        pytest.skip("Node.js is not here")
    command = [program, str(EXAMPLES / name), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("name", CLIENTS)
def test_a_client_prints_levels_and_paths(name, address, gallery):
    done = run(name, "a red disc", address)
    assert done.returncode == 0, done.stderr
    expected = [f"{hit.level}\t{hit.path}" for hit in gallery.search("a red disc", k=10)]
    assert done.stdout.splitlines() == expected


@pytest.mark.parametrize("name", CLIENTS)
def test_a_client_fails_where_the_server_refuses(name, address):
    assert run(name, " ", address).returncode != 0


@pytest.mark.parametrize("name", CLIENTS)
def test_a_client_has_about_fifteen_lines(name):
    lines = (EXAMPLES / name).read_text().split('"""')[-1].splitlines()
    assert len([line for line in lines if line.strip() and not line.startswith("//")]) <= 15


def test_a_server_is_mounted_in_a_fastapi_app(gallery):
    pytest.importorskip("fastapi", reason="the example needs FastAPI, which mmsearch does not: pip install fastapi")
    spec = importlib.util.spec_from_file_location("serve_in_fastapi", EXAMPLES / "serve_in_fastapi.py")
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    with TestClient(example.make_app(str(gallery.root)), base_url="http://127.0.0.1:8000") as client:
        assert client.get("/found", params={"words": "rye bread"}).json()[0].endswith("bread.md")
        hits = client.post("/photos/api/search", json={"terms": ["rye bread"]}).json()["hits"]
        assert hits[0]["path"].endswith("bread.md")
        page = client.get("/photos/")
        assert page.status_code == 200
        assert client.get("/photos/static/main.js").status_code == 200
        assert client.get("/photos/api/status", headers={"Host": "evil.example"}).status_code == 421
