"""Small pictures of hits: of a picture, one of its pages, a film at a time."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from mmsearch import Collection, Record, Span


def record(path, modality="image", span=None):
    return Record(id=1, path=str(path), modality=modality, span=span, state="current")


def thumbnail(found, height=40, width=40):
    (made,) = Collection.thumbnails([found], height=height, width=width)
    return made


@pytest.mark.parametrize(
    ("size", "shape"), [((200, 100), (20, 40, 3)), ((100, 200), (40, 20, 3)), ((10, 10), (40, 40, 3))]
)
def test_a_thumbnail_fills_its_place_in_one_direction_and_has_no_padding(tmp_path, size, shape):
    Image.new("RGB", size, "navy").save(tmp_path / "picture.png")
    made = thumbnail(record(tmp_path / "picture.png"))
    assert (made.pixels.shape, made.reason) == (shape, None)
    assert (made.pixels == (0, 0, 128)).all()


def test_a_picture_with_a_black_edge_keeps_it(tmp_path):
    picture = Image.new("RGB", (80, 40))
    picture.paste("white", (20, 10, 60, 30))
    picture.save(tmp_path / "framed.png")
    made = thumbnail(record(tmp_path / "framed.png"))
    assert made.pixels.shape == (20, 40, 3)
    assert not made.pixels[0].any()


def test_a_film_is_shown_in_the_middle_of_the_hit(tmp_path, films):
    (tmp_path / "numbers.mp4").write_bytes(films.film([films.numbered(n) for n in range(40)], fps=8))
    for span, number in ((Span(2, 4, "s"), 24), (None, 0)):
        made = thumbnail(record(tmp_path / "numbers.mp4", "video", span), 120, 160)
        assert made.pixels.shape == (120, 160, 3)
        assert films.number_in(made.pixels) == number


def test_a_page_is_shown_by_itself(tmp_path):
    pages = [Image.new("RGB", (60, 30), colour) for colour in ("red", "lime", "blue")]
    pages[0].save(tmp_path / "scan.tiff", save_all=True, append_images=pages[1:])
    made = thumbnail(record(tmp_path / "scan.tiff", span=Span(1, 2, "page")))
    assert made.pixels.shape == (20, 40, 3)
    assert (made.pixels == (0, 255, 0)).all()
    assert thumbnail(record(tmp_path / "scan.tiff", span=Span(7, 8, "page"))).reason == "no such page"


def test_what_cannot_be_shown_has_a_reason(tmp_path):
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nno more")
    for found, reason in (
        (record(tmp_path / "gone.png"), "vanished before it could be read"),
        (record(tmp_path / "broken.png"), "damaged"),
        (record(tmp_path / "bread.txt", "text"), "no picture: its modality is text"),
    ):
        made = thumbnail(found)
        assert made.pixels is None
        assert reason in made.reason


def test_thumbnails_come_in_the_order_of_the_hits_and_outlive_each_other(tmp_path):
    colours = {"red": (255, 0, 0), "lime": (0, 255, 0), "blue": (0, 0, 255)}
    for name in colours:
        Image.new("RGB", (30, 30), name).save(tmp_path / f"{name}.png")
    made = list(Collection.thumbnails([record(tmp_path / f"{name}.png") for name in colours], height=8, width=8))
    for one, colour in zip(made, colours.values(), strict=True):
        np.testing.assert_array_equal(one.pixels, np.full((8, 8, 3), colour, np.uint8))


def test_several_workers_give_thumbnails_in_order(tmp_path):
    levels = list(range(0, 250, 12))
    for level in levels:
        Image.new("RGB", (32, 32), (level, level, level)).save(tmp_path / f"{level}.png")
    records = [record(tmp_path / f"{level}.png") for level in levels]
    made = list(Collection.thumbnails([*records, *records[:3]], height=8, width=8, workers=2))
    assert [int(thumbnail.pixels[4, 4, 0]) for thumbnail in made] == [*levels, *levels[:3]]
