"""``mmsearch listen`` in a process of its own: standard input, lines as they come, Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from mmsearch import Collection


@pytest.fixture
def listening(voices, tmp_path):
    """Starts ``mmsearch listen`` with the transcriber of the tests."""

    def start(*arguments: object, **options: object) -> subprocess.Popen[bytes]:
        tests = str(Path(voices.__file__).parent)
        path = os.pathsep.join([tests, os.environ.get("PYTHONPATH", "")])
        command = [sys.executable, "-m", "mmsearch", "listen", *map(str, arguments)]
        command += ["-c", str(tmp_path / "c.mms"), "--transcribe", "voices:PitchReader", "--every", "0.2"]
        return subprocess.Popen(
            command, env={**os.environ, "PYTHONPATH": path}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options
        )

    return start


def test_standard_input_is_listened_to_and_what_is_said_is_printed(listening, voices, tmp_path):
    sound = voices.write_wav(tmp_path / "in.wav", voices.say("fire", "alarm"), voices.silence(3)).read_bytes()
    process = listening("-", "--save", tmp_path / "out.wav", stdin=subprocess.PIPE)
    out, err = process.communicate(sound, timeout=100)
    assert process.returncode == 0, err
    assert [line.split()[-1] for line in out.decode().splitlines()] == ["fire", "alarm"]
    assert "out.wav" in err.decode()
    with Collection.open(tmp_path / "c.mms") as made:
        assert made.search("alarm", k=1, to="text")[0].span.start < 2


def test_a_match_is_printed_with_its_time_and_ctrl_c_ends_the_recording(listening, voices, photos, tmp_path):
    with Collection.create(tmp_path / "c.mms", model="mini") as made:
        made.index([photos], workers=1)
    parts = [voices.silence(4), voices.say("fire", "alarm"), voices.silence(12)]
    growing = voices.write_wav(tmp_path / "in.wav", *parts)
    process = listening(growing, "--save", tmp_path / "out.wav", "--query", "fire alarm", "--json", "--idle", 600)
    assert process.stdout is not None
    while not (hits := json.loads(process.stdout.readline())["hits"]):
        pass
    assert hits[0]["span"]["start_s"] == pytest.approx(4.2, abs=0.1)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=100)
    assert process.returncode == 0, err
    assert json.loads(out.decode().splitlines()[-1])["until_s"] == pytest.approx(17.8, abs=1)
    with Collection.open(tmp_path / "c.mms") as made:
        assert made.index([tmp_path / "out.wav"], transcribe=voices.PitchReader(), workers=1).unchanged == 1


def test_a_wrong_source_is_one_clear_line(run, tmp_path):
    ran = run("listen", tmp_path / "none.wav", "-c", tmp_path / "c.mms")
    assert ran.code == 2
    (line,) = ran.err.splitlines()
    assert "there is no file" in line
    assert "mic is the microphone" in line


def test_an_unknown_level_is_an_error(run, tmp_path):
    ran = run("listen", "-", "-c", tmp_path / "c.mms", "--min", "certain")
    assert ran.code == 2
    assert "no level 'certain'" in ran.err


def test_a_killed_recording_is_whole_to_its_last_commit_and_the_next_run_reads_it_again(listening, voices, tmp_path):
    growing = voices.write_wav(tmp_path / "in.wav", voices.say("fire", "alarm"), voices.silence(20))
    process = listening(growing, "--save", tmp_path / "out.wav", "--json", "--idle", 600)
    assert process.stdout is not None
    process.stdout.readline()
    helpers = psutil.Process(process.pid).children(recursive=True)
    assert helpers
    process.kill()
    process.communicate()
    _, still_there = psutil.wait_procs(helpers, timeout=10)
    assert not still_there, "nobody reads what they record"
    assert Collection.doctor(tmp_path / "c.mms") == []
    with Collection.open(tmp_path / "c.mms") as made:
        assert made.search("fire alarm", k=1, to="text")
        report = made.index(transcribe=voices.PitchReader(), workers=1)
        assert (report.found, len(report.skipped)) == (1, 0)
        assert made.index(transcribe=voices.PitchReader(), workers=1).unchanged == 1
        assert made.search("fire alarm", k=5, to="text")[0].state == "current"
