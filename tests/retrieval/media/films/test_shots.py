"""Where shots begin, how long ones are cut into pieces, and which of their frames are taken."""

from __future__ import annotations

import io
import subprocess
import sys
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from mmsearch.retrieval.media.films import shots
from mmsearch.retrieval.media.films.film import Film, Shot
from mmsearch.retrieval.media.films.frame import Frame, StillFrame
from mmsearch.retrieval.media.films.frames import open_film
from mmsearch.retrieval.media.films.shots import pick_evenly, with_cuts
from mmsearch.retrieval.media.pictures.transform import ImageTransform

FPS = 25
SIZE = (160, 120)
SMALL = ImageTransform(48, 64)


def scene(number: int, size: tuple[int, int] = SIZE) -> Image.Image:
    """A picture of smooth blobs, unlike that of any other number."""
    blobs = np.random.default_rng(number).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(blobs).resize(size, Image.Resampling.BICUBIC)


def cuts_in(pictures: Iterable[Image.Image]) -> list[int]:
    """The numbers of the frames that begin a shot, all but the first."""
    frames = (StillFrame(index / FPS, 1 / FPS, picture) for index, picture in enumerate(pictures))
    return [round(frame.time * FPS) for frame, cut in with_cuts(frames) if cut]


def test_a_cut_is_found_to_the_frame() -> None:
    assert cuts_in([scene(1)] * 30 + [scene(2)] * 20 + [scene(3)] * 40) == [30, 50]
    assert cuts_in([scene(1)] * 30) == []
    assert cuts_in([scene(1)]) == []
    assert cuts_in([]) == []


def test_a_shot_lasts_some_frames_at_least() -> None:
    flicker = [scene(number) for number in range(40)]
    cuts = cuts_in([*[scene(100)] * 20, *flicker, *[scene(101)] * 20])
    assert all(later - earlier >= 10 for earlier, later in zip(cuts, cuts[1:], strict=False))
    assert len(cuts) <= 2, "where every frame is another picture, none of them is a shot"


def test_a_moving_camera_is_no_cut() -> None:
    wide = scene(1, (640, 480))
    pan = [wide.crop((8 * step, 4 * step, 8 * step + 160, 4 * step + 120)) for step in range(60)]
    assert cuts_in(pan) == []
    zoom = [wide.crop((4 * step, 3 * step, 640 - 4 * step, 480 - 3 * step)).resize(SIZE) for step in range(60)]
    assert cuts_in(zoom) == []
    shake = np.random.default_rng(0).integers(0, 30, (60, 2))
    assert cuts_in([wide.crop((200 + x, 200 + y, 360 + x, 320 + y)) for x, y in shake]) == []


def test_a_flash_or_a_change_of_light_is_no_cut() -> None:
    def lit(share: float, glare: float = 0) -> Image.Image:
        pixels = np.asarray(scene(1)) * share + glare
        return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))

    calm = [scene(1)] * 20
    for length in (1, 2, 3):
        assert cuts_in(calm + [lit(0.3, 170)] * length + calm) == []
        assert cuts_in(calm + [Image.new("RGB", SIZE, "white")] * length + calm) == []
    for length in (1, 2):
        assert cuts_in(calm + [scene(2)] * length + calm) == []
    assert cuts_in(calm + [lit(share) for share in np.linspace(1, 0.3, 12)] + [lit(0.3)] * 20) == []
    assert cuts_in([*calm, *[lit(0.3)] * 20, *calm]) == []


@pytest.mark.parametrize("length", [9, 15, 22])
def test_a_dissolve_and_a_fade_through_black_each_begin_one_shot(length: int) -> None:
    def mix(a: Image.Image, b: Image.Image) -> list[Image.Image]:
        return [Image.blend(a, b, share) for share in np.linspace(0, 1, length)]

    black = Image.new("RGB", SIZE)
    for between in (mix(scene(1), scene(2)), mix(scene(1), black) + mix(black, scene(2))):
        cuts = cuts_in([scene(1)] * 40 + between + [scene(2)] * 40)
        assert len(cuts) == 1
        assert 40 < cuts[0] <= 40 + len(between) + 2


def test_items_are_chosen_evenly_and_away_from_the_ends() -> None:
    assert pick_evenly(range(10), 4) == [1, 3, 6, 8]
    assert pick_evenly(range(3), 4) == [0, 1, 2]
    assert pick_evenly([], 4) == []


@pytest.fixture
def shots_of(films: ModuleType):
    def make(pictures: Iterable[Image.Image], fps: float = FPS, **options: object) -> list[Shot]:
        data = films.film(pictures, fps=fps, **options)
        return list(Film(io.BytesIO(data), "mp4", SMALL, max_pixels=10**8).shots())

    return make


def spans(shots: list[Shot]) -> list[tuple[float, float, bool]]:
    return [
        (pytest.approx(shot.start_s, abs=0.02), pytest.approx(shot.end_s, abs=0.02), shot.continues) for shot in shots
    ]


def test_a_film_comes_shot_by_shot_without_gaps(shots_of) -> None:
    shots = shots_of([scene(1)] * 50 + [scene(2)] * 75 + [scene(3)] * 25)
    assert spans(shots) == [(0, 2, False), (2, 5, False), (5, 6, False)]


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (9.6, [(0, 9.6)]),
        (10.4, [(0, 5.2), (5.2, 10.4)]),
        (12.8, [(0, 10), (10, 12.8)]),
        (21.6, [(0, 10), (10, 15.8), (15.8, 21.6)]),
        (30, [(0, 10), (10, 20), (20, 30)]),
    ],
)
def test_a_long_shot_comes_in_pieces_and_none_is_a_crumb(
    seconds: float, expected: list[tuple[float, float]], shots_of
) -> None:
    shots = shots_of([scene(1)] * round(seconds * 5), fps=5)
    assert spans(shots) == [(start, end, start > 0) for start, end in expected]
    assert all(1 <= len(shot.frames) <= 4 for shot in shots)


def test_frames_are_taken_a_quarter_second_in_and_every_second_from_there(films: ModuleType, shots_of) -> None:
    (shot,) = shots_of((films.numbered(1 if n < 3 else 2) for n in range(80)), times=[n / 25 for n in range(80)])
    assert shot.times == pytest.approx((0.24, 1.24, 2.24, 3.16)[: len(shot.times)], abs=0.03)
    assert len(shot.times) == 3
    assert shot.frames.shape == (3, 48, 64, 3)
    assert shot.frames.dtype == np.uint8
    (short,) = shots_of([scene(1)] * 5)
    assert short.times == (0,)
    (one,) = shots_of([scene(1)])
    assert (one.start_s, one.times, len(one.frames)) == (0, (0,), 1)


def test_of_many_frames_four_are_taken_evenly(shots_of) -> None:
    (shot,) = shots_of([scene(1)] * 240)
    assert shot.times == pytest.approx((1.24, 3.24, 6.24, 8.24), abs=0.03)


def test_frames_that_show_nothing_are_taken_only_where_there_is_nothing_else(shots_of) -> None:
    black = Image.new("RGB", SIZE)
    (shot,) = shots_of([black] * 30 + [scene(1)] * 60)
    assert all(time > 1.2 for time in shot.times)
    (dark,) = shots_of([black] * 60)
    assert len(dark.frames) >= 1


def test_a_picture_that_stands_for_long_is_in_every_piece_of_its_time(shots_of, films: ModuleType) -> None:
    shots = shots_of([films.numbered(1), films.numbered(1), films.numbered(1)], times=[0, 25, 35])
    assert spans(shots)[:3] == [(0, 10, False), (10, 20, True), (20, 30, True)]
    assert all(films.number_in(frame) == 1 for shot in shots for frame in shot.frames)
    assert shots[1].times == (0,)


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak of memory where Linux tells it")
def test_an_hour_of_film_are_decoded_in_little_memory(films: ModuleType, tmp_path: Path) -> None:
    import av

    def pictures() -> Iterator[Image.Image]:
        for number in range(20):
            yield from [scene(number, (320, 240))] * 10

    part = tmp_path / "part.mkv"
    part.write_bytes(films.film(pictures(), format="matroska", fps=5, sound=films.tone(40, 48_000)))
    path = tmp_path / "long.mkv"
    with av.open(str(part)) as source, av.open(str(path), "w") as target:
        tracks = [
            target.add_stream_from_template(track) for track in (source.streams.video[0], source.streams.audio[0])
        ]
        packets = [(packet, packet.pts, packet.dts) for packet in source.demux() if packet.dts is not None]
        for round_ in range(90):  # the same forty seconds again and again
            for packet, pts, dts in packets:
                step = round(40 * round_ / packet.time_base)
                packet.pts, packet.dts = pts + step, dts + step
                packet.stream = tracks[0 if packet.stream.type == "video" else 1]
                target.mux(packet)
    script = """
        import sys
        from mmsearch.retrieval.media.films.film import Film
        from mmsearch.retrieval.media.sounds.sound import Sound
        from mmsearch.retrieval.media.pictures.transform import ImageTransform
        with open(sys.argv[1], "rb") as file:
            film = Film(file, "mkv", ImageTransform(224, 224), max_pixels=10**8)
            shots = sum(1 for _ in film.shots())
            windows = sum(1 for _ in Sound(file, "mkv", 48_000).windows())
        with open("/proc/self/status") as status:  # ru_maxrss would count what the process was forked from
            peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
        print(shots, windows, film.facts.duration_s, peak // 1024)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), str(path)], capture_output=True, text=True, check=True
    )
    shots, windows, duration, megabytes = map(float, done.stdout.split())
    assert duration == pytest.approx(3600, abs=1)
    assert shots == pytest.approx(1800, abs=20)
    assert windows == pytest.approx(3600 / 5, abs=3)
    assert megabytes < 500


def moving_film(films: ModuleType, fps: float, pix_fmt: str, size: tuple[int, int]) -> list[Frame]:
    """Frames of a film that stands still, moves, is cut, flashes, and dissolves."""
    wide = scene(7, (4 * size[0], 4 * size[1]))
    pan = [wide.crop((9 * step, 5 * step, 9 * step + size[0], 5 * step + size[1])) for step in range(15)]
    still = [scene(number, size) for number in (1, 2, 3)]
    mixed = [Image.blend(still[2], still[0], share) for share in np.linspace(0, 1, 15)]
    white = Image.new("RGB", size, "white")
    pictures = [*[still[0]] * 23, *pan, *[still[1]] * 21, white, *[still[1]] * 18, *[still[2]] * 29, *mixed]
    data = films.film([*pictures, *[still[0]] * 21], fps=fps, pix_fmt=pix_fmt)
    return list(open_film(io.BytesIO(data), "mp4", 10**8).frames())


@pytest.mark.parametrize("fps", [6, 25, 60])
def test_looking_at_frames_together_and_at_few_of_them_changes_nothing(
    fps: float, films: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The film changes its size, its pixel format and both, amid a group."""
    kinds = [("yuv420p", SIZE), ("yuv420p", (320, 240)), ("yuv420p10le", (320, 240)), ("yuv420p", SIZE)]
    frames, time = [], 0.0
    for pix_fmt, size in kinds:
        for frame in moving_film(films, fps, pix_fmt, size):
            frames.append(replace(frame, time=time))
            time += 1 / fps

    def found() -> list[tuple[float, bool]]:
        return [(frame.time, cut) for frame, cut in with_cuts(frames)]

    monkeypatch.setattr(shots, "_GROUP", 1)
    monkeypatch.setattr(shots, "_CALM", 0.0)
    alone = found()
    assert [time for time, _ in alone] == [frame.time for frame in frames]
    length = len(frames) // len(kinds)
    cuts_of_each = [sum(cut for _, cut in alone[start : start + length]) for start in range(0, len(frames), length)]
    assert min(cuts_of_each) >= 2
    for group, calm in ((4, 0.0), (5, 0.0), (4, 2.0), (7, 2.0)):
        monkeypatch.setattr(shots, "_GROUP", group)
        monkeypatch.setattr(shots, "_CALM", calm)
        assert found() == alone, (group, calm)
