"""A decoder that a file has taken over reaches nothing but that file: no other file, no network, no program."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from mmsearch.retrieval.media.decode_spec import DecodeSpec
from mmsearch.retrieval.media.workers.confine import landlock_version
from mmsearch.retrieval.media.workers.decoder import Decoder
from mmsearch.retrieval.media.workers.jobs import Job
from mmsearch.retrieval.media.workers.syscalls import filter_of_calls

if sys.platform != "linux" or filter_of_calls(os.uname().machine, 1) is None:
    pytest.skip("workers are confined on Linux, on x86_64 and aarch64", allow_module_level=True)

landlock = pytest.mark.skipif(landlock_version() < 1, reason="this kernel has no Landlock")


@pytest.fixture
def attempt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Runs code in the place of a decoder; returns what it put into ``got``, or the name of its error."""
    home, media, planted = (tmp_path / name for name in ("home", "media", "planted"))
    for folder in (home, media, planted):
        folder.mkdir()
    (home / "canary").write_text("a secret")
    (media / "note.txt").write_text("Two dogs.")
    (media / "other.txt").write_text("Another file.")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("TOKEN_OF_THE_USER", "a secret")

    def run(code: str) -> object:
        body = textwrap.indent(textwrap.dedent(code), "        ")
        script = planted / "worker.py"
        script.write_text(
            "import ctypes, json, os, signal, socket, subprocess, threading\n"
            "from mmsearch.retrieval.media.workers import worker\n"
            f"HOME, MEDIA, MAIN = {str(home)!r}, {str(media)!r}, {os.getpid()}\n"
            "def decode(source):\n    got, file = None, source.file\n    try:\n"
            f"{body}\n"
            "    except Exception as error:\n        got = type(error).__name__\n"
            "    return worker.replace(source.decoded, text=json.dumps(got))\n"
            "worker._decode_text = decode\nworker.main()\n"
        )
        with Decoder(1, DecodeSpec(), slots=1, _worker_command=[sys.executable, str(script)]) as decoder:
            decoded, _ = decoder.decode_one(Job(os.fsencode(media / "note.txt")))
        assert decoded.outcome == "decoded", decoded.reason
        assert decoded.text is not None
        return json.loads(decoded.text)

    return run


def test_what_is_planted_runs_and_reads_the_file_of_its_job(attempt):
    assert attempt("got = file.seek(0) or file.read().decode()") == "Two dogs."


@landlock
@pytest.mark.parametrize(
    "code",
    [
        "got = open(HOME + '/canary').read()",
        "got = open(MEDIA + '/other.txt').read()",
        "got = open(MEDIA + '/note.txt').read()",  # by its name: what has that name may be another file by now
        "got = os.listdir(HOME)",
        "got = open('/etc/passwd').read()",
        "got = open(f'/proc/{MAIN}/environ').read()",
        "got = open(f'/proc/{os.getpid()}/environ').read()",
        "os.open('/proc/self/fd/' + str(file.fileno()), os.O_RDWR)",
    ],
)
def test_no_other_file_is_read(attempt, code):
    assert attempt(code) == "PermissionError"


@landlock
@pytest.mark.parametrize(
    "code",
    [
        "open(HOME + '/new', 'w')",
        "open(MEDIA + '/note.txt', 'w')",
        "open('/tmp/mmsearch-planted', 'w')",
        "os.unlink(HOME + '/canary')",
        "os.rename(HOME + '/canary', HOME + '/moved')",
        "os.mkdir(HOME + '/folder')",
        "os.symlink('canary', HOME + '/link')",
        "os.truncate(HOME + '/canary', 0)",
    ],
)
def test_no_file_is_written_or_removed(attempt, tmp_path, code):
    assert attempt(code) == "PermissionError"
    assert [path.name for path in (tmp_path / "home").iterdir()] == ["canary"]
    assert (tmp_path / "home" / "canary").read_text() == "a secret"
    assert (tmp_path / "media" / "note.txt").read_text() == "Two dogs."


@pytest.mark.parametrize("code", ["os.chmod(HOME + '/canary', 0o777)", "os.utime(HOME + '/canary', (0, 0))"])
def test_no_mode_or_time_of_a_file_is_changed(attempt, code):
    assert attempt(code) == "PermissionError"


def test_no_connection_is_made(attempt):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.2)
        address = listener.getsockname()
        assert attempt(f"socket.create_connection({address!r}, timeout=5)") == "PermissionError"
        with pytest.raises(TimeoutError):
            listener.accept()


@pytest.mark.parametrize("family", ["AF_INET", "AF_INET6", "AF_UNIX", "AF_NETLINK"])
@pytest.mark.parametrize("kind", ["SOCK_STREAM", "SOCK_DGRAM"])
def test_no_socket_is_made(attempt, family, kind):
    assert attempt(f"socket.socket(socket.{family}, socket.{kind})") in ("PermissionError", "OSError")


@pytest.mark.parametrize(
    "code",
    [
        "os.fork()",
        "os.execv('/bin/true', ['true'])",
        "subprocess.run(['/bin/true'])",
        "os.posix_spawn('/bin/true', ['true'], {})",
        "os.kill(MAIN, signal.SIGTERM)",
        "os.kill(-1, 0)",
        "os.kill(os.getppid(), 0)",
    ],
)
def test_no_program_or_process_is_started_or_signalled(attempt, code):
    assert attempt(code) == "PermissionError"


def test_no_other_process_is_looked_into(attempt):
    traced = "ctypes.CDLL(None).ptrace(16, MAIN, 0, 0)"
    assert attempt(f"got = {traced}") == -1


def test_threads_still_start(attempt):
    assert attempt("t = threading.Thread(target=print); t.start(); t.join(); got = 'done'") == "done"


def test_the_environment_has_no_word_of_the_users(attempt):
    names = attempt("got = sorted(os.environ)")
    assert isinstance(names, list)
    assert {"TOKEN_OF_THE_USER", "HOME", "PATH"} & set(names) == set()


def test_few_files_are_open_at_once_and_nothing_more_can_be_gained(attempt):
    assert attempt("import resource; got = resource.getrlimit(resource.RLIMIT_NOFILE)") == [256, 256]
    gains = "got = ctypes.CDLL(None).prctl(39, 0, 0, 0, 0)"  # PR_GET_NO_NEW_PRIVS
    assert attempt(gains) == 1


def test_the_process_that_opens_files_ends_with_its_worker(tmp_path):
    (tmp_path / "a.txt").write_text("dog")
    import psutil

    with Decoder(1, DecodeSpec(), slots=1) as decoder:
        decoder.decode_one(Job(os.fsencode(tmp_path / "a.txt")))
        opener = psutil.Process().children(recursive=True)
        assert len(opener) == 2
        decoder._workers[0].kill()
        _, alive = psutil.wait_procs(opener, timeout=10)
        assert alive == []


def test_workers_end_with_a_main_process_that_is_killed(tmp_path):
    (tmp_path / "a.txt").write_text("dog")
    program = (
        "import os, psutil, sys; from mmsearch.retrieval.media.workers.decoder import Decoder, DecodeSpec\n"
        "from mmsearch.retrieval.media.workers.jobs import Job\n"
        "decoder = Decoder(1, DecodeSpec(), slots=1); decoder.decode_one(Job(os.fsencode(sys.argv[1])))\n"
        "print(*[child.pid for child in psutil.Process().children(recursive=True)], flush=True)\n"
        "os.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", program, tmp_path / "a.txt"], capture_output=True, text=True)
    import psutil

    pids = [int(pid) for pid in done.stdout.split()]
    assert len(pids) == 2
    _, alive = psutil.wait_procs([psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)], timeout=10)
    assert alive == []
