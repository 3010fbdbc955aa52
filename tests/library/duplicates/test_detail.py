from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageOps

from mmsearch import Collection
from mmsearch.library import find_duplicates
from mmsearch.library.duplicates.detail import Detail, is_enlarged, measured


@pytest.fixture
def sharp() -> Image.Image:
    """A picture with detail up to the highest frequency, as a camera gives it."""
    random = np.random.default_rng(0)
    total = np.zeros((240, 320, 3), np.float32)
    for cells in (4, 8, 16, 32, 64, 128, 256):
        noise = Image.fromarray(random.integers(0, 256, (cells, cells, 3), dtype=np.uint8))
        total += np.asarray(noise.resize((320, 240), Image.Resampling.BICUBIC), np.float32) / cells**0.6
    total -= total.min()
    return Image.fromarray((total / total.max() * 255).astype(np.uint8))


def detail(image: Image.Image) -> Detail:
    return measured(np.asarray(image), *image.size)


def scaled(image: Image.Image, scale: float, filter_: Image.Resampling = Image.Resampling.LANCZOS) -> Image.Image:
    return image.resize((round(image.width * scale), round(image.height * scale)), filter_)


@pytest.mark.parametrize("scale", [1.5, 2.0])
@pytest.mark.parametrize("name", ["LANCZOS", "BICUBIC", "BILINEAR"])
def test_an_enlarged_picture_is_told_from_a_reduced_one(sharp, scale, name):
    filter_ = Image.Resampling[name]
    assert is_enlarged(detail(scaled(sharp, scale, filter_)), detail(sharp))
    assert not is_enlarged(detail(sharp), detail(scaled(sharp, 1 / scale, filter_)))


def test_a_picture_that_was_enlarged_when_decoded_is_measured_at_its_own_size(sharp):
    in_box = np.asarray(scaled(sharp, 1.6, Image.Resampling.BICUBIC))
    change = (np.array(measured(in_box, *sharp.size).spectrum) - np.array(detail(sharp).spectrum))[4:60]
    assert np.abs(change - change.mean()).max() < 1


def test_an_added_border_does_not_count_and_an_even_edge_is_none(sharp):
    bordered = detail(ImageOps.expand(sharp, 20, "white"))
    assert (bordered.width, bordered.height) == sharp.size
    top = Image.new("RGB", (320, 260), "white")
    top.paste(sharp, (0, 20))
    assert detail(top).height == 260, "a border is at both ends"


def kept(folder: Path, tmp_path: Path) -> str:
    collection = Collection.create(tmp_path / "c.mms", model="mini")
    collection.index([folder], workers=1)
    (group,) = find_duplicates(collection, workers=1)
    again = find_duplicates(collection, workers=1)
    assert [own.kept.path for own in again] == [group.kept.path]
    return Path(group.kept.path).name


def test_the_original_is_kept_not_what_was_enlarged_or_saved_without_loss(sharp, tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    sharp.save(folder / "own.jpg", quality=85)
    own = Image.open(folder / "own.jpg")
    own.save(folder / "own.png")
    scaled(own, 2).save(folder / "large.jpg", quality=95)
    scaled(own, 0.5).save(folder / "small.png")
    ImageOps.expand(own, 24, "black").save(folder / "bordered.jpg", quality=95)
    assert kept(folder, tmp_path) == "own.jpg"


def test_what_was_laid_over_a_picture_later_is_not_kept(sharp, tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    sharp.save(folder / "own.jpg", quality=80)
    over = sharp.copy()
    ImageDraw.Draw(over).rectangle((90, 90, 230, 130), fill="white")
    over.save(folder / "over.jpg", quality=95)
    os.utime(folder / "own.jpg", (1.6e9, 1.6e9))
    assert kept(folder, tmp_path) == "own.jpg"


def test_pictures_in_groups_alone_are_measured_and_once(sharp, tmp_path, monkeypatch):
    folder = tmp_path / "pictures"
    folder.mkdir()
    sharp.save(folder / "own.png")
    scaled(sharp, 0.5).save(folder / "small.png")
    sharp.transpose(Image.Transpose.FLIP_TOP_BOTTOM).convert("L").point(lambda level: 255 - level).save(
        folder / "other.png"
    )
    collection = Collection.create(tmp_path / "c.mms", model="mini")
    collection.index([folder], workers=1)
    asked: list[str] = []
    thumbnails = Collection.thumbnails

    def counted(records, *, height, **options):
        asked.extend(Path(record.path).name for record in records if height > 128)
        return thumbnails(records, height=height, **options)

    monkeypatch.setattr(Collection, "thumbnails", staticmethod(counted))
    for _ in range(2):
        find_duplicates(collection, workers=1)
    assert sorted(asked) == ["own.png", "small.png"]
