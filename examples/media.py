"""Makes a small folder of pictures, sounds, a film and a text, for the commands that the README shows.

python examples/media.py media
"""

from __future__ import annotations

import shutil
import sys
import wave
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

PICTURES = Path(__file__).parent / "pictures"
SAMPLE_RATE = 16_000
SECONDS = 8
FRAMES_PER_SECOND = 12
SHOT_SECONDS = 4
FILM_SIZE = (320, 240)
NOTES = "Fishing boats lie in the harbour at low tide.\n"

Samples = NDArray[np.float64]


def make_media(folder: Path) -> None:
    """Fill ``folder``, which is made: five photographs, four sounds, a film of four shots, a text."""
    folder.mkdir(parents=True, exist_ok=True)
    for picture in sorted(PICTURES.glob("*.jpg")):
        shutil.copyfile(picture, folder / picture.name)
    write_film(folder / "holiday.mp4", ["chelsea", "coffee", "astronaut", "rocket"])
    for name, sound in {"clock": clock(), "piano": piano(), "siren": siren(), "waves": waves()}.items():
        write_sound(folder / f"{name}.wav", sound)
    (folder / "notes.txt").write_text(NOTES, "utf-8")


def write_film(path: Path, pictures: list[str]) -> None:
    """A film that shows each picture for `SHOT_SECONDS` and slowly zooms into it."""
    with av.open(path, "w") as container:
        stream = container.add_stream("libx264", rate=FRAMES_PER_SECOND)
        (stream.width, stream.height), stream.pix_fmt = FILM_SIZE, "yuv420p"
        for name in pictures:
            still = Image.open(PICTURES / f"{name}.jpg")
            for i in range(SHOT_SECONDS * FRAMES_PER_SECOND):
                frame = ImageOps.fit(still, FILM_SIZE, bleed=0.001 * i)
                container.mux(stream.encode(av.VideoFrame.from_image(frame)))
        container.mux(stream.encode())


def write_sound(path: Path, samples: Samples) -> None:
    """Mono samples between -1 and 1 as a WAV file of 16 bits."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes((np.clip(samples, -1, 1) * 26_000).astype("<i2").tobytes())


def times(seconds: float = SECONDS) -> Samples:
    """The time of each sample, in seconds."""
    return np.arange(int(SAMPLE_RATE * seconds)) / SAMPLE_RATE


def clock() -> Samples:
    """Two ticks a second: short clicks of falling loudness, by turns higher and lower."""
    samples = np.zeros_like(times())
    noise = np.random.default_rng(0)
    t = times(0.025)
    for i, second in enumerate(np.arange(0.25, SECONDS, 0.5)):
        tone = np.sin(2 * np.pi * (3200 if i % 2 else 2500) * t)
        start = int(second * SAMPLE_RATE)
        samples[start : start + len(t)] = np.exp(-t / 0.004) * (0.8 * tone + 0.2 * noise.normal(size=len(t)))
    return samples


def siren() -> Samples:
    """A tone with two overtones that rises and falls between 400 and 1,400 Hz every four seconds."""
    phase = 2 * np.pi * np.cumsum(900 - 500 * np.cos(2 * np.pi * times() / 4)) / SAMPLE_RATE
    return 0.5 * np.sin(phase) + 0.25 * np.sin(2 * phase) + 0.12 * np.sin(3 * phase)


def waves() -> Samples:
    """Noise with more of the low frequencies, swelling every five seconds."""
    noise = np.random.default_rng(0).normal(size=len(times()))
    frequencies = np.fft.rfftfreq(len(noise), 1 / SAMPLE_RATE)
    sea = np.fft.irfft(np.fft.rfft(noise) / np.maximum(frequencies, 40) ** 0.7, len(noise))
    swell = 0.35 + 0.6 * np.maximum(0, np.sin(2 * np.pi * times() / 5)) ** 2
    return sea / np.abs(sea).max() * swell


def piano() -> Samples:
    """A chord up and down, a note a second: seven partials each, the higher ones shorter."""
    samples = np.zeros_like(times())
    t = times(1.6)
    for second, hertz in enumerate([261.6, 329.6, 392.0, 523.3, 392.0, 329.6, 261.6]):
        note = np.zeros_like(t)
        for k in range(1, 8):
            note += np.exp(-t * (0.7 + 0.8 * k)) / k * np.sin(2 * np.pi * hertz * k * t * (1 + 0.0004 * k * k))
        end = min(len(samples), second * SAMPLE_RATE + len(t))
        samples[second * SAMPLE_RATE : end] += 0.3 * note[: end - second * SAMPLE_RATE]
    return samples


if __name__ == "__main__":
    make_media(Path(sys.argv[1]))
