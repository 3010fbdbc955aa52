"""Sources while they are being made: a file that grows, a pipe, and what cannot be listened to."""

from __future__ import annotations

import io
import os
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from mmsearch.errors import DecodeError, NoSuchFileError
from mmsearch.retrieval.media.live.recorder import GrowingFile
from mmsearch.retrieval.media.live.source import LiveSource, SourceName


def all_of(source: LiveSource) -> np.ndarray:
    parts = []
    while (samples := source.next_samples(0.2)) is not None:
        parts.append(samples)
    return np.concatenate(parts)


def test_sources_are_told_apart_by_their_names(tmp_path):
    (tmp_path / "talk.wav").touch()
    assert SourceName.read("-") == SourceName("input")
    assert SourceName.read("mic") == SourceName("microphone")
    assert SourceName.read("mic:hw:1,0") == SourceName("microphone", "hw:1,0")
    assert SourceName.read("rtsp://camera/1") == SourceName("stream", "rtsp://camera/1")
    assert SourceName.read(str(tmp_path / "talk.wav")) == SourceName("file", str(tmp_path / "talk.wav"))
    for wrong in (str(tmp_path / "none.wav"), str(tmp_path)):
        with pytest.raises(NoSuchFileError, match="mic is the microphone"):
            SourceName.read(wrong)


def test_a_growing_file_is_read_until_it_has_not_grown_for_a_while(tmp_path):
    path = tmp_path / "growing"
    path.write_bytes(b"one")
    waits = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            with path.open("ab") as file:
                file.write(b"two")

    with path.open("rb") as file:
        growing = GrowingFile(file, idle_s=1.0, sleep=sleep, poll_s=0.25)
        assert growing.read(100) == b"one"
        assert growing.read(100) == b"two"
        assert growing.read(100) == b""
    assert len(waits) == 3 + 4


def test_a_file_that_ends_at_once_is_read_without_waiting():
    assert GrowingFile(io.BytesIO(b"all"), idle_s=0.0, sleep=pytest.fail).read(10) == b"all"
    assert GrowingFile(io.BytesIO(b""), idle_s=0.0, sleep=pytest.fail).read(10) == b""


def test_the_samples_of_a_growing_wav_come_while_it_is_written(voices, tmp_path):
    path = tmp_path / "growing.wav"
    whole = voices.write_wav(tmp_path / "whole.wav", voices.say("fire", "alarm"), voices.silence(1)).read_bytes()
    path.write_bytes(whole[:20_000])

    def grow() -> None:
        for at in range(20_000, len(whole), 20_000):
            time.sleep(0.1)
            with path.open("ab") as file:
                file.write(whole[at : at + 20_000])

    writing = threading.Thread(target=grow)
    with LiveSource(SourceName.read(str(path)), 16_000, idle_s=1.0) as source:
        early = source.next_samples(20.0)
        writing.start()
        rest = all_of(source)
    writing.join()
    got = np.concatenate([early, rest])
    assert 0 < len(early) < len(got)
    assert got.tobytes() == whole[44:]


def test_sound_comes_at_the_rate_that_is_asked_for(voices, tmp_path):
    path = voices.write_wav(tmp_path / "fast.wav", voices.say("fire", rate=44_100), rate=44_100)
    with LiveSource(SourceName.read(str(path)), 16_000, idle_s=0.0) as source:
        assert len(all_of(source)) == pytest.approx(16_000, abs=10)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_named_pipe_is_read_to_its_end(voices, tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    data = voices.write_wav(tmp_path / "sound.wav", voices.say("harbour")).read_bytes()
    writing = threading.Thread(target=lambda: pipe.write_bytes(data))
    writing.start()
    with LiveSource(SourceName.read(str(pipe)), 16_000, idle_s=0.3) as source:
        assert all_of(source).tobytes() == data[44:]
    writing.join()


@pytest.mark.parametrize("content", [b"", b"not a sound at all" * 100, b"#EXTM3U\n#EXTINF:10,\nfile:///etc/passwd\n"])
def test_what_is_no_sound_is_a_reason(tmp_path, content):
    path = tmp_path / "what.wav"
    path.write_bytes(content)
    source = LiveSource(SourceName.read(str(path)), 16_000, idle_s=0.0)
    with source, pytest.raises(DecodeError, match=r"cannot listen to .*what\.wav: "):
        all_of(source)


def test_a_film_without_sound_is_a_reason(films, drawn, tmp_path):
    path = tmp_path / "silent.mkv"
    path.write_bytes(films.film([drawn("disc", (96, 64))] * 8, fps=8, format="matroska"))
    source = LiveSource(SourceName.read(str(path)), 16_000, idle_s=0.0)
    with source, pytest.raises(DecodeError, match="no sound track"):
        all_of(source)


def test_leaving_ends_the_process(voices, tmp_path):
    path = voices.write_wav(tmp_path / "talk.wav", voices.silence(60))
    with LiveSource(SourceName.read(str(Path(path))), 16_000, idle_s=600.0) as source:
        source.next_samples(20.0)
        process = source._process
        assert process.poll() is None
    assert process.poll() is not None
