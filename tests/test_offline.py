"""Everything works without a network and asks for none: no look-up, no connection, no file outside the collection.

Each command runs as a process of its own with a fresh home, in a network namespace of its own where that is allowed,
under an audit hook that notes every socket call of it and of its workers; where strace is there, under it too.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]

# The guide states it: digests of large checkpoints, so that they are not read at every start.
_STATED_CACHE = {".cache", ".cache/mmsearch", ".cache/mmsearch/digests.json"}

_GUARD = """
    import os, sys

    def _note(event, arguments):
        if event in ("socket.connect", "socket.bind", "socket.sendto", "socket.getaddrinfo", "socket.gethostbyname"):
            with open(os.environ["MMSEARCH_TEST_LOG"], "a") as log:
                log.write(f"{event} {arguments[1:]!r}\n")

    sys.addaudithook(_note)
"""


def _allowed(command: list[str]) -> list[str]:
    """The prefix, where this machine lets us use it."""
    if shutil.which(command[0]) is None:
        return []
    done = subprocess.run([*command, "true"], capture_output=True, check=False, timeout=60)
    return command if done.returncode == 0 else []


@pytest.fixture
def offline(tmp_path):
    """Runs a command with all guards; fails on any use of the network and on any file outside ``tmp_path / "own"``."""
    home, own, guard = (tmp_path / name for name in ("home", "own", "guard"))
    for folder in (home, own, guard):
        folder.mkdir()
    (guard / "usercustomize.py").write_text(textwrap.dedent(_GUARD))
    (guard / "sitecustomize.py").write_text(textwrap.dedent(_GUARD))
    log, trace = tmp_path / "sockets.log", tmp_path / "trace.log"
    traced = _allowed(
        [
            "strace",
            "-f",
            "--seccomp-bpf",
            "-qq",
            "-e",
            "trace=%network,openat,open,creat,mkdir,mkdirat",
            "-o",
            os.fspath(trace),
        ]
    )
    apart = _allowed(["unshare", "-n"])

    def run(*arguments: object, code: int = 0) -> str:
        log.unlink(missing_ok=True)
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("HF_", "XDG_", "ORT_"))
        }
        environment |= {
            "HOME": os.fspath(home),
            "PYTHONPATH": os.pathsep.join([os.fspath(guard), os.fspath(ROOT)]),
            "MMSEARCH_TEST_LOG": os.fspath(log),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        environment.pop("DO_NOT_TRACK", None)
        command = [*apart, *traced, sys.executable, *map(os.fspath, map(str, arguments))]
        done = subprocess.run(
            command, env=environment, cwd=own, capture_output=True, text=True, timeout=600, check=False
        )
        assert done.returncode == code, done.stderr
        assert not log.exists(), log.read_text()
        made = {path.relative_to(home).as_posix() for path in home.rglob("*")}
        assert made <= _STATED_CACHE, "the home stays as it was"
        if traced:
            _check_trace(trace.read_text(errors="replace"), own, home)
        return done.stdout

    return run


def _check_trace(trace: str, own: Path, home: Path) -> None:
    connected = [line for line in trace.splitlines() if re.search(r"\b(connect|sendto|bind|sendmsg)\(.*AF_INET", line)]
    assert connected == []
    asked = [line for line in trace.splitlines() if "socket(AF_INET" in line]
    assert asked == []
    for line in trace.splitlines():
        if "O_CREAT" not in line and "mkdir" not in line:
            continue
        match = re.search(r'"((?:[^"\\]|\\.)*)"', line)
        if match is None or re.search(r"= -1 ", line):
            continue
        path = match[1]
        assert not path.startswith("/") or path.startswith(
            (os.fspath(own), os.fspath(home), "/tmp", "/dev/", "/var/tmp")
        ), line


@pytest.fixture
def media(tmp_path, drawn, films):
    """A picture, a text, a sound and a film."""
    folder = tmp_path / "own" / "media"
    folder.mkdir(parents=True)
    drawn("disc.png").save(folder / "disc.png")
    (folder / "note.txt").write_text("Fishing boats lie in the harbour. https://example.org/picture.jpg")
    (folder / "remote.m3u8").write_text("#EXTM3U\n#EXTINF:10,\nhttp://192.0.2.1/a.ts\n")
    (folder / "remote.mp4").write_text("#EXTM3U\n#EXTINF:10,\nhttp://192.0.2.1/a.ts\n")
    rate = 16_000
    samples = (np.sin(np.arange(2 * rate) * 0.1) * 9000).astype("<i2")
    import wave

    with wave.open(os.fspath(folder / "tone.wav"), "wb") as sound:
        sound.setparams((1, 2, rate, 0, "NONE", ""))
        sound.writeframes(samples.tobytes())
    import av

    with av.open(os.fspath(folder / "film.mp4"), "w") as out:
        stream = out.add_stream("libx264", rate=5)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for shade in range(0, 250, 25):
            for packet in stream.encode(av.VideoFrame.from_ndarray(np.full((64, 64, 3), shade, np.uint8))):
                out.mux(packet)
        for packet in stream.encode():
            out.mux(packet)
    (folder / "pairs.jsonl").write_text(json.dumps({"query": "a red disc", "relevant": ["disc.png"]}) + "\n")
    return folder


def test_every_command_works_offline_and_asks_for_no_network(offline, media):
    home = media.parent / "c.mms"
    command = ("-m", "mmsearch")
    offline(*command, "index", media, "-c", home, "--exclude", "pairs.jsonl")
    for query in ("a red disc", "disc.png", "tone.wav", "film.mp4", "film.mp4@0:01", "note.txt"):
        term = media / query if "." in query and " " not in query else query
        assert offline(*command, "query", term, "--include-self", "-c", home)
    offline(*command, "eval", media / "pairs.jsonl", "-c", home)
    offline(*command, "frame", f"{media / 'film.mp4'}@0:01", "-o", media.parent / "frame.png")
    for rest in (["status"], ["remove", media / "note.txt"], ["compact"], ["doctor"]):
        offline(*command, *rest, "-c", home)
    offline(*command, "models", "list")
    with pytest.raises(AssertionError):  # what is to fetch weights asks: the guards see it
        offline(*command, "models", "pull", "siglip2", code=1)


def test_an_app_that_imports_onnxruntime_itself_after_mmsearch_stays_offline(offline):
    script = "import mmsearch, onnxruntime; onnxruntime.get_available_providers(); import time; time.sleep(3)"
    offline("-c", script)


@pytest.mark.parametrize(
    ("to", "package"),
    [("lance", "lancedb"), ("qdrant", "qdrant_edge"), ("npy", "numpy"), ("parquet", "pyarrow"), ("faiss", "faiss")],
)
def test_databases_of_others_are_written_and_read_offline(offline, tmp_path, to, package):
    pytest.importorskip(package, reason=f"needs {package} (extra `{to}`)")
    own = tmp_path / "own"
    np.save(own / "v.npy", np.random.default_rng(0).standard_normal((20, 8)).astype(np.float32))
    commands = [
        ("import", own / "v.npy", "-c", own / "c.mms"),
        ("export", "--to", to, own / "out", "-c", own / "c.mms"),
    ]
    if to != "faiss":
        commands.append(("import", own / "out", "-c", own / "again.mms"))
    for command in commands:
        try:
            offline("-m", "mmsearch", *command)
        except AssertionError as error:
            # urllib3, which a package of LanceDB imports, looks whether there is IPv6 by a port of ::1; it asks nobody.
            if to != "lance" or "::1" not in str(error) or re.search(r"connect|sendto|getaddrinfo", str(error)):
                raise


@pytest.mark.clip
def test_models_of_open_clip_work_offline(offline, media, make_checkpoint):
    model = f"open_clip:tiny@{make_checkpoint()}"
    home = media.parent / "clip.mms"
    offline("-m", "mmsearch", "index", media, "-c", home, "--model", model)
    assert offline("-m", "mmsearch", "query", "a dog", "-c", home)
    assert offline("-m", "mmsearch", "query", media / "disc.png", "--include-self", "-c", home)


@pytest.mark.clip
def test_models_of_transformers_work_offline(offline, media, make_clap_checkpoint):
    home = media.parent / "clap.mms"
    offline("-m", "mmsearch", "index", media, "-c", home, "--model", f"clap@{make_clap_checkpoint()}")
    assert offline("-m", "mmsearch", "query", "a dog", "-c", home)


def test_text_in_pictures_is_read_offline_by_what_the_extra_brings(offline, reads_text, written, tmp_path):
    (tmp_path / "own" / "signs").mkdir()
    written.page(["Pharmacy Raulino"]).save(tmp_path / "own" / "signs" / "sign.png")
    home = tmp_path / "own" / "signs.mms"
    offline("-m", "mmsearch", "index", tmp_path / "own" / "signs", "-c", home, "--ocr", "all", "--workers", "1")
    assert "Pharmacy Raulino" in offline("-m", "mmsearch", "query", "Raulino", "-c", home)


def test_one_module_imports_onnxruntime_and_it_is_loaded_with_its_telemetry_off():
    importing = {
        path.name
        for path in (ROOT / "mmsearch").rglob("*.py")
        if re.search(r"^\s*(import onnxruntime|from onnxruntime)", path.read_text("utf-8"), re.MULTILINE)
    }
    assert importing == {"onnx_session.py"}
    script = "import os, mmsearch; print(os.environ['ORT_DISABLE_TELEMETRY'], os.environ['HF_HUB_DISABLE_TELEMETRY'])"
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("ORT_", "HF_"))}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout == "1 1\n"
