"""Where weights are found and fetched: the cache's layout, a hub made of a local server, and hubs that fail."""

from __future__ import annotations

import contextlib
import hashlib
import http.server
import json
import os
import socket
import subprocess
import sys
import threading
import time
from contextlib import closing, contextmanager

import pytest
from huggingface_hub import constants

from mmsearch.cli.hints import explained_error
from mmsearch.errors import Hint, HintKind, ModelUnavailableError
from mmsearch.retrieval.encoders import hub
from mmsearch.retrieval.encoders.catalogue import resolve
from mmsearch.retrieval.encoders.digests import file_sha256

REPOSITORY = resolve("clip").repository
COMMIT = "c" * 40
SHA256 = "a" * 64


CLAP = {
    "config.json": b"{}",
    "tokenizer.json": b"{}",
    "preprocessor_config.json": b"{}",
    "pytorch_model.bin": b"weights",
    "modeling.py": b"code",
}


def put_in_cache(hub_cache, filename="open_clip_model.safetensors", repository=REPOSITORY):
    """A file as the hub's client leaves it: a blob named by its digest, and a link to it in a snapshot."""
    folder = hub_cache / f"models--{repository.replace('/', '--')}"
    for name in ("blobs", "refs", f"snapshots/{COMMIT}"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "refs/main").write_text(COMMIT)
    (folder / "blobs" / SHA256).write_bytes(b"weights")
    link = folder / "snapshots" / COMMIT / filename
    link.symlink_to(f"../../blobs/{SHA256}")
    return link


@contextmanager
def serving(handler):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


class EmptyHub(http.server.BaseHTTPRequestHandler):
    def do_HEAD(self):
        self.send_error(404)

    do_GET = do_HEAD

    def log_message(self, *_):
        pass


class OneFileHub(EmptyHub):
    """Has one safetensors file in every repository."""

    def do_HEAD(self):
        if not self.path.endswith("/resolve/main/open_clip_model.safetensors"):
            return self.send_error(404)
        self.send_response(200)
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("ETag", f'"{SHA256}"')
        self.send_header("Content-Length", "7")
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(b"weights")

    do_GET = do_HEAD


class FolderHub(EmptyHub):
    """Has the files of `CLAP` in every repository."""

    def do_HEAD(self):
        if self.path.startswith("/api/models/"):
            files = [{"type": "file", "path": name, "size": len(CLAP[name]), "oid": "0" * 40} for name in CLAP]
            names = [{"rfilename": name} for name in CLAP]  # older clients read these, newer ones the tree
            facts = {"id": resolve("clap").repository, "sha": COMMIT, "siblings": names}
            return self.send(json.dumps(files if "/tree/" in self.path else facts).encode(), "application/json")
        content = CLAP.get(self.path.rpartition("/")[2])
        return self.send_error(404) if content is None else self.send(content, "application/octet-stream")

    do_GET = do_HEAD

    def send(self, content, kind):
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)


def test_nothing_is_here_in_an_empty_cache(hub_cache):
    assert hub.weights_here(resolve("clip")) is None


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"XDG_CACHE_HOME": "/caches"},
        {"HF_HOME": "~/models"},
        {"HF_HOME": "/models", "XDG_CACHE_HOME": "/caches"},
        {"HUGGINGFACE_HUB_CACHE": "/old"},
        {"HF_HUB_CACHE": "$HOME/hub", "HUGGINGFACE_HUB_CACHE": "/old", "HF_HOME": "/models"},
    ],
    ids=lambda environment: " ".join(environment) or "nothing set",
)
def test_the_cache_is_where_the_client_has_it_which_is_not_imported_to_ask(environment):
    program = """
import sys
from mmsearch.retrieval.encoders.hub import _cache_folder
ours = _cache_folder()
assert "huggingface_hub" not in sys.modules
from huggingface_hub.constants import HF_HUB_CACHE
print(ours, HF_HUB_CACHE, sep="\\n")
"""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGINGFACE", "XDG_"))}
    ran = subprocess.run(
        [sys.executable, "-c", program], env={**kept, **environment}, capture_output=True, text=True, check=True
    )
    ours, theirs = ran.stdout.splitlines()
    assert ours == theirs


def test_weights_in_the_cache_are_found_and_their_digest_is_the_blobs_name(hub_cache):
    link = put_in_cache(hub_cache)
    assert hub.weights_here(resolve("clip")) == link
    assert file_sha256(link) == SHA256


def test_older_weights_are_found_where_there_is_no_safetensors(hub_cache):
    link = put_in_cache(hub_cache, "open_clip_pytorch_model.bin")
    assert hub.weights_here(resolve("clip")) == link


def test_what_is_here_is_not_fetched_again(hub_cache, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    link = put_in_cache(hub_cache)
    assert hub.fetch_weights(resolve("clip")) == link


def test_weights_are_fetched_into_the_cache(hub_cache, monkeypatch):
    with serving(OneFileHub) as endpoint:
        monkeypatch.setenv("HF_ENDPOINT", endpoint)
        path = hub.fetch_weights(resolve("clip"))
    assert path.read_bytes() == b"weights"
    assert hub.weights_here(resolve("clip")) == path


def test_a_folder_of_transformers_is_fetched_with_its_small_files_and_without_code(hub_cache, monkeypatch):
    with serving(FolderHub) as endpoint:
        monkeypatch.setenv("HF_ENDPOINT", endpoint)
        path = hub.fetch_weights(resolve("clap"))
    assert path.read_bytes() == b"weights"
    assert {file.name for file in path.parent.iterdir()} == set(CLAP) - {"modeling.py"}
    assert hub.weights_here(resolve("clap")) == path


def test_weights_without_the_small_files_beside_them_are_not_all_that_is_needed(hub_cache):
    repository = resolve("clap").repository
    for name in ("model.safetensors", "config.json", "tokenizer.json"):
        link = put_in_cache(hub_cache, name, repository)
    assert hub.weights_here(resolve("clap")) is None
    put_in_cache(hub_cache, "preprocessor_config.json", repository)
    assert hub.weights_here(resolve("clap")) == link.with_name("model.safetensors")


def test_each_head_of_a_model_needs_its_own_preprocessing(hub_cache):
    repository = resolve("pe-av-video").repository
    for name in ("model.safetensors", "config.json", "tokenizer.json", "preprocessor_config.json"):
        put_in_cache(hub_cache, name, repository)
    assert hub.weights_here(resolve("pe-av-audio")) is not None
    assert hub.weights_here(resolve("pe-av-video")) is None
    put_in_cache(hub_cache, "video_preprocessor_config.json", repository)
    assert hub.weights_here(resolve("pe-av-video")) is not None


def test_a_model_of_sounds_that_cannot_be_fetched_names_the_ways_out(hub_cache, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ModelUnavailableError, match="pe-av-audio is not on this machine") as error:
        hub.fetch_weights(resolve("pe-av-audio"))
    assert error.value.hint == Hint(HintKind.NAME_CHECKPOINT, "pe-av-audio@/path")
    assert "--model pe-av-audio@/path" in explained_error(error.value)
    assert "mini" not in explained_error(error.value)


def unavailable():
    with pytest.raises(ModelUnavailableError) as error:
        hub.fetch_weights(resolve("clip"))
    message = str(error.value)
    assert constants.HF_HUB_CACHE in message
    assert error.value.hint == Hint(HintKind.NAME_CHECKPOINT_OR_USE_MINI, "open_clip:ViT-B-32-256@/path")
    line = explained_error(error.value)
    assert "\n" not in line
    for way_out in (constants.HF_HUB_CACHE, "open_clip:ViT-B-32-256@/path", "--model mini"):
        assert way_out in line
    return message


def test_a_hub_that_refuses_connections_names_the_ways_out(hub_cache, monkeypatch):
    with closing(socket.create_server(("127.0.0.1", 0))) as gone:
        port = gone.getsockname()[1]
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{port}")
    assert "cannot be reached" in unavailable()


def test_a_hub_that_takes_the_connection_and_never_answers_is_given_up(hub_cache, monkeypatch):
    monkeypatch.setattr(hub, "REACH_SECONDS", 0.2)
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        assert "cannot be reached" in unavailable()


class DrippingHub(EmptyHub):
    """Answers, but a byte at a time: no single wait is long enough for a socket's timeout."""

    def do_HEAD(self):
        for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n":
            time.sleep(0.05)
            self.wfile.write(bytes([byte]))
            self.wfile.flush()

    def handle_one_request(self):
        with contextlib.suppress(ConnectionError):
            super().handle_one_request()


def test_a_hub_that_drips_its_answer_is_given_up_before_the_answer_is_complete(hub_cache, monkeypatch):
    monkeypatch.setattr(hub, "REACH_SECONDS", 0.3)
    with serving(DrippingHub) as endpoint:
        monkeypatch.setenv("HF_ENDPOINT", endpoint)
        assert "cannot be reached" in unavailable()


def test_an_answer_that_comes_too_late_is_none():
    def late() -> bool:
        time.sleep(1)
        return True

    assert hub._within(0.1, late) is False
    assert hub._within(30, late) is True


def test_a_hub_is_given_up_within_three_seconds():
    assert hub.REACH_SECONDS <= 3


def test_offline_mode_asks_nobody(hub_cache, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(hub, "_answers", lambda url: pytest.fail("the network was asked"))
    assert "HF_HUB_OFFLINE" in unavailable()


def test_a_hub_without_the_files_is_one_line_too(hub_cache, monkeypatch):
    with serving(EmptyHub) as endpoint:
        monkeypatch.setenv("HF_ENDPOINT", endpoint)
        assert "could not fetch clip" in unavailable()


def test_a_folder_gives_its_best_checkpoint_or_says_that_it_has_none(tmp_path):
    info = resolve(f"open_clip:ViT-B-32@{tmp_path}")
    with pytest.raises(ModelUnavailableError, match="no checkpoint"):
        hub.weights_here(info)
    for name in ("a.pt", "b.safetensors", "notes.txt"):
        (tmp_path / name).touch()
    assert hub.weights_here(info) == tmp_path / "b.safetensors"
