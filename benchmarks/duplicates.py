"""Duplicates: made edits of photographs found among them, look-alikes told apart, films, sounds, a million vectors.

``python benchmarks/duplicates.py`` runs all parts; ``--parts pictures kept lookalikes films sounds scale`` some.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from data import MissingDataError, data_set
from duplicate_edits import EDITS, KEPT_EDITS, TURNS, write_edit, write_photo
from duplicate_negatives import write_lookalikes
from run import write_results
from synthetic import BLOCK, Generator

from mmsearch import Collection
from mmsearch.library import Duplicates, find_duplicates
from mmsearch.library.duplicates.propose import near_pairs

Measurement = dict[str, Any]

EDITS_OF_EACH = 4
ALL_KINDS = ("exact", "near", "burst", "film", "sound")


def stem(path: str) -> str:
    """What the original of a file and all its copies have in common."""
    return Path(path).stem.split("~")[0]


def kind_of(path: str) -> str:
    """What was done to a file."""
    return Path(path).stem.split("~")[1]


def judged(found: Duplicates, files: Iterable[str]) -> tuple[Measurement, dict[str, list[bool]]]:
    """Precision over listed pairs, recall over copies, and by kind which copies are in the group of their original."""
    groups: dict[str, int] = {}
    right = wrong = 0
    for group in found:
        groups[group.kept.path] = group.id
        for copy in group.copies:
            groups[copy.path] = group.id
            if stem(copy.path) == stem(group.kept.path):
                right += 1
            else:
                wrong += 1
    originals = {stem(path): path for path in files if "~" not in Path(path).stem}
    by_kind: dict[str, list[bool]] = defaultdict(list)
    for path in files:
        if "~" in Path(path).stem:
            own = groups.get(path)
            by_kind[kind_of(path)].append(own is not None and own == groups.get(originals[stem(path)]))
    hits = [hit for own in by_kind.values() for hit in own]
    return {
        "pairs": right + wrong,
        "wrong": wrong,
        "precision": round(right / max(1, right + wrong), 4),
        "copies": len(hits),
        "recall": round(sum(hits) / max(1, len(hits)), 4),
    }, by_kind


def found_in(folder: Path, files: Sequence[Path], **options: Any) -> tuple[Measurement, dict[str, list[bool]]]:
    """Index files and find their duplicates: what came of it, and the seconds it took."""
    with Collection.create(folder / "c.mms", model="mini") as collection:
        collection.index(files, ocr="off")
        start, before = time.perf_counter(), _cpu()
        found = find_duplicates(collection, kinds=ALL_KINDS, **options)
        took = {"seconds": round(time.perf_counter() - start, 1), "cpu_s": round(_cpu() - before, 1)}
        start = time.perf_counter()
        find_duplicates(collection, kinds=ALL_KINDS, **options)
        again = {"again_s": round(time.perf_counter() - start, 2)}
        facts, by_kind = judged(found, dict.fromkeys(record.path for record in collection))
        return {**facts, "compared": found.compared, **took, **again}, by_kind


def _cpu() -> float:
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def measure_pictures(step: int) -> list[Measurement]:
    """Every ``step``-th photograph of one half, with some edits of each, other ones than constants were chosen on."""
    photos = sorted(data_set("flickr8k_dev500").glob("images/*")) + sorted(data_set("labels100").glob("images/*"))
    kinds = list(EDITS)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "edits"
        folder.mkdir()
        files = []
        for i, photo in enumerate(photos[1 :: 2 * step]):
            files.append(write_photo(photo, folder))
            for j in range(EDITS_OF_EACH):
                kind = kinds[(i * EDITS_OF_EACH + j) % len(kinds)]
                files.append(write_edit(kind, photo, folder, np.random.default_rng([7, i, j])))
        facts, by_kind = found_in(Path(name), files)
    lines = [{"part": "pictures", "kind": "all", "originals": len(photos[1 :: 2 * step]), **facts}]
    unturned = [hit for kind, own in by_kind.items() if kind not in {_file_kind(t) for t in TURNS} for hit in own]
    lines.append({"part": "pictures", "kind": "all but turned", "recall": round(float(np.mean(unturned)), 4)})
    lines += [
        {"part": "pictures", "kind": kind, "copies": len(own), "recall": round(float(np.mean(own)), 4)}
        for kind, own in sorted(by_kind.items())
    ]
    return lines


def measure_kept(step: int) -> list[Measurement]:
    """Whether the original is kept: photographs as they are with one edit each, and some with all edits."""
    photos = sorted(data_set("flickr8k_dev500").glob("images/*"))[::step]
    kinds = list(KEPT_EDITS)
    lines: list[Measurement] = []
    for run, some, each in (("one edit", photos, 1), ("all edits", photos[: len(photos) // 10], len(kinds))):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name) / "edits"
            folder.mkdir()
            files, kind_of_photo = [], {}
            for i, photo in enumerate(some):
                files.append(Path(shutil.copy(photo, folder)))
                for j in range(each):
                    kind = kinds[(i + j) % len(kinds)]
                    kind_of_photo[photo.stem] = "all" if each > 1 else kind
                    files.append(write_edit(kind, photo, folder, np.random.default_rng([11, i, j]), KEPT_EDITS))
            with Collection.create(Path(name) / "c.mms", model="mini") as collection:
                collection.index(files, ocr="off")
                before = _cpu()
                find_duplicates(collection, keep="oldest")
                compared = _cpu()
                found = find_duplicates(collection)
                measured = _cpu()
        right: dict[str, list[tuple[bool, bool]]] = defaultdict(list)
        for group in found:
            files_of = [group.kept, *group.copies]
            plain = max(files_of, key=lambda f: ((f.record.width or 0) * (f.record.height or 0), f.size))
            kept = group.kept.path, plain.path
            right[kind_of_photo[stem(group.kept.path)]].append(("~" not in kept[0], "~" not in kept[1]))
        for kind, own in right.items():
            shares = np.mean(own, axis=0).round(3).tolist()
            names = {"kind": kind, "groups": len(own), "original_kept": shares[0], "by_pixels_and_bytes": shares[1]}
            lines.append({"part": "kept", "run": run, **names})
        lines.append({"part": "kept", "run": run, "files": len(files), "compare_cpu_s": round(compared - before, 1)})
        lines[-1]["measure_cpu_s"] = round(measured - compared, 1)
    return lines


def _file_kind(kind: str) -> str:
    return kind.replace(" ", "_").replace("%", "pc")


def measure_lookalikes() -> list[Measurement]:
    """Pages, forms, screenshots and slides, no two alike; half of them also recompressed and smaller."""
    from PIL import Image

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "drawn"
        folder.mkdir()
        files = write_lookalikes(folder, 30)
        for path in files[::2]:
            with Image.open(path) as image:
                files += [folder / f"{path.stem}~recompressed.jpg", folder / f"{path.stem}~smaller.png"]
                image.save(files[-2], quality=40)
                image.resize((image.width // 3, image.height // 3), Image.Resampling.LANCZOS).save(files[-1])
        facts, _ = found_in(Path(name), files)
    return [{"part": "lookalikes", "files": len(files), **facts}]


FILM_EDITS: dict[str, dict[str, Any]] = {
    "small": {"scale": 0.5},
    "mpeg4": {"codec": "mpeg4", "ending": ".mkv"},
    "cut": {"start": 0.1, "end": 0.93},
    "black start": {"black_s": 1.0},
}


def measure_films() -> list[Measurement]:
    """The films of video20, each also smaller, in another codec and container, cut short, and after a black second."""
    films = sorted(data_set("video20").glob("video/*"))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "films"
        folder.mkdir()
        files = list(films)
        for film in films:
            for kind, how in FILM_EDITS.items():
                path = folder / f"{film.stem}~{_file_kind(kind)}{how.get('ending', '.mp4')}"
                try:
                    write_film(film, path, **{key: value for key, value in how.items() if key != "ending"})
                except av.error.FFmpegError as error:
                    print(f"  {path.name}: {error}")
                    path.unlink(missing_ok=True)
                    continue
                files.append(path)
        facts, by_kind = found_in(Path(name), files)
    kinds = {kind: round(float(np.mean(own)), 4) for kind, own in sorted(by_kind.items())}
    return [{"part": "films", **facts, "recall_of": kinds}]


def write_film(
    source: Path,
    path: Path,
    *,
    codec: str = "libx264",
    scale: float = 1.0,
    start: float = 0.0,
    end: float = 1.0,
    black_s: float = 0.0,
) -> None:
    """Encode a film again: smaller, a part of it (as shares of its length), after black."""
    with av.open(str(source)) as read, av.open(str(path), "w") as written:
        stream = read.streams.video[0]
        length = float(read.duration or 0) / av.time_base
        rate = stream.average_rate or Fraction(25)
        made = written.add_stream(codec, rate=rate)
        made.width, made.height = round(stream.width * scale) // 2 * 2, round(stream.height * scale) // 2 * 2
        made.pix_fmt = "yuv420p"
        if codec == "libx264":
            made.options = {"crf": "30", "preset": "veryfast"}
        else:
            made.bit_rate = 600_000
        dark = np.zeros((made.height, made.width, 3), np.uint8)
        frames = [av.VideoFrame.from_ndarray(dark, "rgb24") for _ in range(round(black_s * float(rate)))]
        count = 0
        for frame in (*frames, *read.decode(stream)):
            if count >= len(frames) and not start * length <= (frame.time or 0.0) <= end * length:
                continue
            shown = frame.reformat(made.width, made.height, "yuv420p")
            shown.pts, shown.time_base = count, 1 / Fraction(rate)
            count += 1
            written.mux(made.encode(shown))
        written.mux(made.encode(None))


SOUND_EDITS: dict[str, dict[str, Any]] = {
    "mp3 32k": {"codec": "libmp3lame", "rate": 22050, "bits": 32_000, "ending": ".mp3"},
    "opus 24k": {"codec": "libopus", "rate": 48000, "bits": 24_000, "gain": 0.5, "ending": ".opus"},
    "cut": {"codec": "flac", "rate": 44100, "cut_s": 0.73, "ending": ".flac"},
    "quiet": {"codec": "flac", "rate": 16000, "gain": 0.2, "ending": ".flac"},
}


def measure_sounds() -> list[Measurement]:
    """The clips of esc10_fold1, each also at low bit rates, cut at both ends, and quiet at another rate."""
    sounds = sorted(data_set("esc10_fold1").glob("audio/*"))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "sounds"
        folder.mkdir()
        files = list(sounds)
        for sound in sounds:
            for kind, how in SOUND_EDITS.items():
                files.append(folder / f"{sound.stem}~{_file_kind(kind)}{how['ending']}")
                write_sound(sound, files[-1], **{key: value for key, value in how.items() if key != "ending"})
        facts, by_kind = found_in(Path(name), files)
    kinds = {kind: round(float(np.mean(own)), 4) for kind, own in sorted(by_kind.items())}
    return [{"part": "sounds", **facts, "recall_of": kinds}]


def write_sound(
    source: Path, path: Path, *, codec: str, rate: int, bits: int = 0, gain: float = 1.0, cut_s: float = 0.0
) -> None:
    """Encode a sound again: at another rate and bit rate, quieter, without so many seconds at both ends."""
    with av.open(str(source)) as read:
        to_mono = av.AudioResampler("flt", "mono", rate)
        pieces = [got.to_ndarray()[0] for frame in read.decode(audio=0) for got in to_mono.resample(frame)]
    samples = np.concatenate(pieces) * gain
    cut = round(cut_s * rate)
    samples = samples[cut : len(samples) - cut].astype(np.float32)
    with av.open(str(path), "w") as written:
        stream = written.add_stream(codec, rate=rate)
        stream.layout = "mono"
        if bits:
            stream.bit_rate = bits
        frame = av.AudioFrame.from_ndarray(samples[None], "flt", "mono")
        frame.sample_rate = rate
        context = stream.codec_context
        to_codec = av.AudioResampler(context.format or "fltp", "mono", rate, frame_size=context.frame_size or 1024)
        for got in (*to_codec.resample(frame), *to_codec.resample(None)):
            written.mux(stream.encode(got))
        written.mux(stream.encode(None))


class Mapped:
    """Float16 vectors in a file, read as they are needed."""

    def __init__(self, path: Path, count: int, dim: int) -> None:
        self.rows = np.memmap(path, np.float16, "r", shape=(count, dim))
        self.dim = dim

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, places: np.ndarray) -> np.ndarray:
        """Some of the vectors, float32 ``[n, dim]``."""
        return np.asarray(self.rows[places], np.float32)


def measure_scale(rows: int, copies: int) -> list[Measurement]:
    """Pairs of near vectors among many: generated ones, of which some were put in again with a little noise."""
    random = np.random.default_rng(3)
    generator = Generator()
    dim = generator.dim
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "vectors.f16"
        written = np.memmap(path, np.float16, "w+", shape=(rows, dim))
        for number, block in enumerate(generator.pictures(rows)):
            written[number * BLOCK : number * BLOCK + len(block)] = block
        places = random.permutation(rows)[: 2 * copies].reshape(-1, 2)
        noise = random.standard_normal((copies, dim)).astype(np.float32)
        noise *= random.uniform(0.1, 0.5, (copies, 1)) / np.linalg.norm(noise, axis=1, keepdims=True)
        again = written[places[:, 0]].astype(np.float32) + noise
        written[places[:, 1]] = again / np.linalg.norm(again, axis=1, keepdims=True)
        written.flush()
        del written
        vectors = Mapped(path, rows, dim)
        wanted = {(min(a, b), max(a, b)) for a, b in places.tolist()}
        lines = []
        for run, new in (("first", np.ones(rows, np.bool_)), ("1,000 new", np.arange(rows) >= rows - 1000)):
            before, start = _cpu(), time.perf_counter()
            one, other, _ = near_pairs(vectors, new, 0.85, 8)
            found = set(zip(one.tolist(), other.tolist(), strict=True))
            asked = {pair for pair in wanted if new[pair[0]] or new[pair[1]]}
            lines.append(
                {
                    "part": "scale",
                    "run": run,
                    "rows": rows,
                    "dim": dim,
                    "planted": len(asked),
                    "recall": round(len(found & asked) / max(1, len(asked)), 4),
                    "pairs": len(found),
                    "seconds": round(time.perf_counter() - start, 1),
                    "cpu_s": round(_cpu() - before, 1),
                    "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
                }
            )
    return lines


def main() -> None:
    """Run the parts, print the lines, and write them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parts", nargs="*", default=["pictures", "kept", "lookalikes", "films", "sounds", "scale"])
    parser.add_argument("--step", type=int, default=1, help="of the photographs, every so-manieth")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    options = parser.parse_args()
    parts = {
        "pictures": lambda: measure_pictures(options.step),
        "kept": lambda: measure_kept(options.step),
        "lookalikes": measure_lookalikes,
        "films": measure_films,
        "sounds": measure_sounds,
        "scale": lambda: measure_scale(options.rows, options.rows // 100),
    }
    lines: list[Measurement] = []
    for part in options.parts:
        try:
            lines += parts[part]()
        except MissingDataError as missing:
            print(f"{part} was not run: it {missing}")
    for line in lines:
        print(" ".join(f"{name}={value}" for name, value in line.items()))
    counts = Counter(line["part"] for line in lines)
    print(dict(counts), write_results(options.out, "duplicates", lines))


if __name__ == "__main__":
    main()
