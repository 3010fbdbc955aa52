"""Case ``video-decode``: films and sounds through our readers and through others, in one run and in turns.

Each reader decodes on one thread, as one of many worker processes does; time is the processor's, all threads of the
process together, so that what else the machine does counts less. *every frame* gives all frames as RGB;
*as indexed* gives 224 × 224 pixels of a frame a second (ours finds the shots besides and keeps four frames
of each). Sounds become mono at 48 kHz. OpenCV, decord, torchcodec and librosa are measured where they are
installed. *The decoder alone* is PyAV's loop, and nothing is done with what it gives.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import shots
from data import data_set
from PIL import Image

from mmsearch.retrieval.media.films.film import Film
from mmsearch.retrieval.media.films.frames import FilmReader, open_film
from mmsearch.retrieval.media.pictures.transform import ImageTransform
from mmsearch.retrieval.media.sounds.sound import Sound

RUNS = 3
TRANSFORM = ImageTransform(224, 224)
MAX_PIXELS = 100_000_000
RATE = 48_000
SOUND_S = 600
FULL_HD_S = 20

Work = Callable[[Path], int]


def measure() -> list[dict[str, Any]]:
    """Frames a second of each reader on each film, and hours of sound a minute on each format.

    Raises:
        MissingDataError: the photographs or the films are not here.
    """
    lines: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        clips = data_set("video20") / "video"
        films = {
            "360p": clips / "water_bottles.mp4",
            "720p": clips / "cockatoo.mp4",
            "1080p": full_hd_film(Path(folder) / "1080p.mp4"),
        }
        for task, readers in (("every frame", every_frame()), ("as indexed", as_indexed())):
            for size, path in films.items():
                frames = count_frames(path)
                for name, seconds in in_turns(readers, path).items():
                    line = {"task": task, "film": size, "frames": frames, "reader": name}
                    lines.append({**line, **result(seconds, "frames_per_cpu_s", frames)})
        for kind, path in sound_files(Path(folder)).items():
            for name, seconds in in_turns(whole_sounds(), path).items():
                line = {"task": "sound", "file": kind, "reader": name}
                lines.append({**line, **result(seconds, "hours_per_cpu_minute", SOUND_S / 60)})  # = minutes a second
    return lines


def result(seconds: list[float] | None, unit: str, amount: float) -> dict[str, Any]:
    """The median of several runs as a rate, or that there were none."""
    if seconds is None:
        return {"result": "not installed"}
    median = statistics.median(seconds)
    return {"runs": len(seconds), "cpu_seconds": round(median, 3), unit: round(amount / median, 1)}


def in_turns(readers: dict[str, Work | None], path: Path) -> dict[str, list[float] | None]:
    """Processor seconds of each reader's runs; everyone has a turn in each round, the first does not count.

    A rival that finds its own libraries missing only then (torchcodec without FFmpeg's) is not installed either.
    """
    seconds: dict[str, list[float] | None] = {name: [] if work else None for name, work in readers.items()}
    for round_ in range(RUNS + 1):
        for name, work in readers.items():
            if work is None or seconds[name] is None:
                continue
            start = time.process_time()
            try:
                work(path)
            except (OSError, RuntimeError):
                if name == "mmsearch":
                    raise
                seconds[name] = None
            taken = seconds[name]
            if round_ and taken is not None:
                taken.append(time.process_time() - start)
    return seconds


# --- films ---------------------------------------------------------------------------------------------------------


def every_frame() -> dict[str, Work | None]:
    """Readers that give all frames as RGB arrays; each returns their number."""
    return {"mmsearch": our_frames, "OpenCV": opencv_frames(), "decord": decord_frames(), "torchcodec": torch_frames()}


def as_indexed() -> dict[str, Work | None]:
    """Readers that give the pixels of a frame a second; each returns their number."""
    return {
        "mmsearch": our_shots,
        "OpenCV": opencv_picks(),
        "decord": decord_picks(),
        "torchcodec": torch_picks(),
        "the decoder alone": decoded_alone,
    }


def count_frames(path: Path) -> int:
    with path.open("rb") as file:
        return sum(1 for _ in open_film(file, "mp4", MAX_PIXELS).frames())


def our_frames(path: Path) -> int:
    with path.open("rb") as file:
        frames = FilmReader(file, "mp4", MAX_PIXELS).frames()
        return sum(len(frame.pixels()) > 0 for frame in frames)


def our_shots(path: Path) -> int:
    with path.open("rb") as file:
        return sum(len(shot.frames) for shot in Film(file, "mp4", TRANSFORM, max_pixels=MAX_PIXELS).shots())


def decoded_alone(path: Path) -> int:
    """Decode a film, or a sound, and use nothing of it: what our reader cannot be faster than."""
    import av

    with av.open(str(path)) as file:
        track = (file.streams.video or file.streams.audio)[0]
        track.codec_context.thread_count = 1
        return sum(1 for _ in file.decode(track))


def opencv_frames() -> Work | None:
    try:
        import cv2
    except ImportError:
        return None

    def work(path: Path) -> int:
        film = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
        count = 0
        while True:
            found, frame = film.read()
            if not found:
                return count
            cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
            count += 1

    return work


def opencv_picks() -> Work | None:
    try:
        import cv2
    except ImportError:
        return None

    def work(path: Path) -> int:
        film = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
        every = round(film.get(cv2.CAP_PROP_FPS))
        count = index = 0
        while film.grab():
            if index % every == every // 4:
                fit(cv2.cvtColor(film.retrieve()[1], cv2.COLOR_BGR2RGB))
                count += 1
            index += 1
        return count

    return work


def decord_frames() -> Work | None:
    try:
        import decord
    except ImportError:
        return None

    def work(path: Path) -> int:
        film = decord.VideoReader(str(path), num_threads=1)
        return sum(len(film[index].asnumpy()) > 0 for index in range(len(film)))

    return work


def decord_picks() -> Work | None:
    try:
        import decord
    except ImportError:
        return None

    def work(path: Path) -> int:
        film = decord.VideoReader(str(path), num_threads=1)
        every = round(film.get_avg_fps())
        picks = list(range(every // 4, len(film), every))
        return sum(len(fit(frame)) > 0 for frame in film.get_batch(picks).asnumpy())

    return work


def torch_frames() -> Work | None:
    try:
        from torchcodec.decoders import VideoDecoder
    except (ImportError, OSError, RuntimeError):  # it finds no FFmpeg
        return None

    def work(path: Path) -> int:
        film = VideoDecoder(str(path), dimension_order="NHWC", num_ffmpeg_threads=1, seek_mode="approximate")
        return sum(len(frame.numpy()) > 0 for frame in film)

    return work


def torch_picks() -> Work | None:
    try:
        from torchcodec.decoders import VideoDecoder
    except (ImportError, OSError, RuntimeError):
        return None

    def work(path: Path) -> int:
        film = VideoDecoder(str(path), dimension_order="NHWC", num_ffmpeg_threads=1, seek_mode="approximate")
        every = round(film.metadata.average_fps)
        picks = list(range(every // 4, len(film), every))
        return sum(len(fit(frame)) > 0 for frame in film.get_frames_at(picks).data.numpy())

    return work


def fit(frame: Any) -> Any:
    return TRANSFORM.apply(Image.fromarray(frame))


def full_hd_film(path: Path) -> Path:
    """Photographs under a moving camera in 1920 × 1080, cut every few seconds, as a phone would code them."""
    import av

    photos = sorted((data_set("flickr8k_dev500") / "images").iterdir())
    random = np.random.default_rng(0)
    with av.open(str(path), "w") as film:
        stream = film.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = 1920, 1080, "yuv420p"
        stream.options = {"preset": "fast", "crf": "23"}
        for photo in random.choice(np.array(photos), FULL_HD_S // 4, replace=False):
            for pixels in shots.views(random, photo, 4 * 30, 0.1):
                large = Image.fromarray(pixels).resize((1920, 1080), Image.Resampling.BICUBIC)
                film.mux(stream.encode(av.VideoFrame.from_ndarray(np.asarray(large), "rgb24")))
        film.mux(stream.encode(None))
    return path


# --- sounds --------------------------------------------------------------------------------------------------------


def whole_sounds() -> dict[str, Work | None]:
    """Readers that give a sound as mono at 48 kHz; each returns the number of samples."""
    return {
        "mmsearch": our_sound,
        "librosa": librosa_sound(),
        "torchcodec": torch_sound(),
        "the decoder alone": decoded_alone,
    }


def our_sound(path: Path) -> int:
    with path.open("rb") as file:
        return sum(len(window.samples) for window in Sound(file, path.suffix[1:], RATE, hop_s=10.0).windows())


def librosa_sound() -> Work | None:
    try:
        import librosa
    except ImportError:
        return None
    return lambda path: len(librosa.load(path, sr=RATE, mono=True)[0])


def torch_sound() -> Work | None:
    try:
        from torchcodec.decoders import AudioDecoder
    except (ImportError, OSError, RuntimeError):
        return None
    return lambda path: len(AudioDecoder(path, sample_rate=RATE, num_channels=1).get_all_samples().data.numpy()[0])


def sound_files(folder: Path) -> dict[str, Path]:
    """Ten minutes of stereo at 44.1 kHz: noise that swells, in four formats."""
    kinds = {"wav": "pcm_s16le", "flac": "flac", "mp3": "libmp3lame", "ogg": "libopus"}
    return {suffix: write_sound(folder / f"sound.{suffix}", codec) for suffix, codec in kinds.items()}


def write_sound(path: Path, codec: str) -> Path:
    import av

    with av.open(str(path), "w") as file:
        stream = file.add_stream(codec, rate=RATE if codec == "libopus" else 44_100, layout="stereo")
        for frame in noise():
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return path


def noise() -> Iterator[Any]:
    import av

    random = np.random.default_rng(0)
    for second in range(SOUND_S):
        samples = random.normal(0, 0.05 + 0.04 * np.sin(second), (2, 44_100)).astype(np.float32)
        frame = av.AudioFrame.from_ndarray(samples, "fltp", "stereo")
        frame.sample_rate, frame.time_base, frame.pts = 44_100, Fraction(1, 44_100), second * 44_100
        yield frame


if __name__ == "__main__":
    for line in measure():
        print(line)
