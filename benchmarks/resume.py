"""What is lost when a run that indexes one long file is killed: the time of both runs together, less that of one."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from machine import machine_facts

_MMSEARCH = [sys.executable, "-m", "mmsearch"]


def make_film(path: Path, seconds: int) -> None:
    """A film in 720p whose picture drifts and changes every seven seconds, with sound."""
    random = np.random.default_rng(0)
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=25)
        video.width, video.height, video.pix_fmt = 1280, 720, "yuv420p"
        video.options = {"preset": "ultrafast", "crf": "30"}
        audio = container.add_stream("aac", rate=44_100, layout="mono")
        for second in range(seconds):
            if second % 7 == 0:
                coarse = random.integers(0, 256, (900, 1500, 3), np.uint8)
                large = np.repeat(np.repeat(coarse[::60, ::60], 60, 0), 60, 1)
            for frame in range(25):
                at = (second * 25 + frame) % 175
                picture = av.VideoFrame.from_ndarray(
                    np.ascontiguousarray(large[at : at + 720, at : at + 1280]), "rgb24"
                )
                container.mux(video.encode(picture))
            samples = (0.2 * random.standard_normal((1, 44_100))).astype(np.float32)
            sound = av.AudioFrame.from_ndarray(samples, "flt", "mono")
            sound.sample_rate, sound.time_base, sound.pts = 44_100, Fraction(1, 44_100), second * 44_100
            container.mux(audio.encode(sound))
        container.mux(video.encode(None))
        container.mux(audio.encode(None))


def make_sound(path: Path, seconds: int) -> None:
    """A sound as MP3: noise whose level changes."""
    random = np.random.default_rng(0)
    with av.open(str(path), "w") as container:
        audio = container.add_stream("libmp3lame", rate=44_100, layout="mono")
        for second in range(seconds):
            samples = (0.1 + 0.1 * (second % 9)) * random.standard_normal((1, 44_100)).astype(np.float32)
            frame = av.AudioFrame.from_ndarray(samples.astype(np.float32), "flt", "mono")
            frame.sample_rate, frame.time_base, frame.pts = 44_100, Fraction(1, 44_100), second * 44_100
            container.mux(audio.encode(frame))
        container.mux(audio.encode(None))


def run(collection: Path, path: Path, kill_after_s: float | None = None) -> float:
    """Index, killed after so long; returns the seconds that it took."""
    start = time.perf_counter()
    command = [*_MMSEARCH, "-c", str(collection), "index", "--workers", "1", str(path)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        code = process.wait(kill_after_s)
        assert code == 0 or kill_after_s is not None
    except subprocess.TimeoutExpired:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=1200)
    given = parser.parse_args()
    print(machine_facts())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for path, make in ((folder / "film.mp4", make_film), (folder / "book.mp3", make_sound)):
            make(path, given.seconds)
            whole = run(folder / f"whole-{path.stem}.mms", path)
            for share in (0.3, 0.6, 0.9):
                collection = folder / f"{path.stem}-{share}.mms"
                first = run(collection, path, share * whole)
                second = run(collection, path)
                lost = first + second - whole
                print(
                    f"{path.name} of {given.seconds} s: {whole:.0f} s in one run; killed after {first:.0f} s the next"
                    f" takes {second:.0f} s: {lost:.0f} s lost"
                )


if __name__ == "__main__":
    main()
