from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmsearch import Collection
from mmsearch.library import find_duplicates
from mmsearch.library.duplicates.films import alike


def test_shots_vote_for_offsets():
    starts = np.array([0.0, 4.0, 9.0, 2.0, 6.1, 11.0])
    units = np.array([10, 10, 10, 20, 20, 20])
    one, other = np.array([0, 1, 2, 0]), np.array([3, 4, 5, 4])
    (pair,) = alike(starts, units, one, other, np.array([0.9, 0.95, 0.9, 0.8], np.float32))
    assert (pair.one, pair.other) == (10, 20)
    assert pair.offsets[0] == pytest.approx(-2, abs=0.11)
    assert pair.cosine == pytest.approx(0.95)


def test_shots_of_one_film_are_no_pair():
    assert alike(np.zeros(2), np.array([5, 5]), np.array([0]), np.array([1]), np.ones(1, np.float32)) == []


def write_film(path: Path, pictures: list[Image.Image], *, size: tuple[int, int] = (160, 120), crf: int = 24) -> None:
    """A film of pictures, a second each."""
    av = pytest.importorskip("av")
    with av.open(str(path), "w") as film:
        stream = film.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        stream.options = {"crf": str(crf), "preset": "veryfast"}
        for number, picture in enumerate(picture for picture in pictures for _ in range(10)):
            frame = av.VideoFrame.from_image(picture.resize(size))
            frame.pts, frame.time_base = number, Fraction(1, 10)
            film.mux(stream.encode(frame))
        film.mux(stream.encode(None))


def test_a_film_encoded_again_is_a_copy_and_a_black_start_makes_none(photograph, tmp_path):
    folder = tmp_path / "films"
    folder.mkdir()
    black = Image.new("RGB", (160, 120))
    first = [photograph(number, (160, 120)) for number in range(4)]
    second = [photograph(number, (160, 120)) for number in range(4, 8)]
    write_film(folder / "first.mp4", [black, *first])
    write_film(folder / "first small.mp4", [black, *first], size=(96, 72), crf=30)
    write_film(folder / "second.mp4", [black, *second])
    collection = Collection.create(tmp_path / "f.mms", model="mini")
    collection.index([folder], workers=1)
    (group,) = find_duplicates(collection, workers=1)
    assert Path(group.kept.path).name == "first.mp4"
    assert [(Path(copy.path).name, copy.reason) for copy in group.copies] == [("first small.mp4", "film")]
    assert group.copies[0].number > 0.8
