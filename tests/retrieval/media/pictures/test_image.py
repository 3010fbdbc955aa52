"""Every format of picture, turned upright, whole or cut short, with its facts."""

from __future__ import annotations

import contextlib
import datetime as dt
import errno
import importlib
import io
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFile, ImageOps, features

from mmsearch.errors import DecodeError, TransientDecodeError
from mmsearch.retrieval.media.pictures.image import BYTES_PER_PIXEL, decode_image, default_max_pixels
from mmsearch.types import Facts

Scene = Callable[..., Image.Image]
Encode = Callable[..., bytes]
LIMIT = 100_000_000


def decode(data: bytes, **options: object) -> tuple[Image.Image, Facts]:
    return decode_image(io.BytesIO(data), **{"max_pixels": LIMIT, **options})  # type: ignore[arg-type]


def thumbnail(image: Image.Image) -> np.ndarray:
    """The colours of the four quarters, int ``[2, 2, 3]``, measured in their middles."""
    pixels = np.asarray(image).astype(int)
    height, width = pixels.shape[:2]
    rows, columns = [height // 4, height - height // 4 - 1], [width // 4, width - width // 4 - 1]
    return pixels[np.ix_(rows, columns)]


def assert_looks_like(image: Image.Image, expected: Image.Image, levels: int = 0) -> None:
    assert image.mode == "RGB"
    assert image.size == expected.size
    assert np.abs(thumbnail(image) - thumbnail(expected)).max() <= levels


@pytest.mark.parametrize(
    ("format", "options", "levels"),
    [
        ("JPEG", {"quality": 95}, 4),
        ("JPEG", {"quality": 95, "progressive": True}, 4),
        ("PNG", {}, 0),
        ("WEBP", {"lossless": True}, 0),
        ("WEBP", {"quality": 90}, 8),
        ("GIF", {}, 4),
        ("BMP", {}, 0),
        ("TIFF", {}, 0),
        ("TIFF", {"compression": "tiff_lzw"}, 0),
        ("TIFF", {"compression": "jpeg"}, 8),
        ("JPEG2000", {}, 0),
        ("JPEG2000", {"no_jp2": True}, 0),
        ("PPM", {}, 0),
        ("AVIF", {"quality": 95}, 8),
    ],
)
def test_every_format_gives_its_picture(
    format: str, options: dict[str, object], levels: int, scene: Scene, encoded: Encode
) -> None:
    module = {"WEBP": "webp", "AVIF": "avif", "JPEG2000": "jpg_2000"}.get(format)
    if module and not features.check(module):
        pytest.skip(f"this Pillow is built without {format}")
    image, facts = decode(encoded(scene(96, 64), format, **options))
    assert_looks_like(image, scene(96, 64), levels)
    assert facts == Facts(width=96, height=64)


def test_heic_gives_its_picture(heic: bytes, scene: Scene) -> None:
    image, facts = decode(heic)
    assert_looks_like(image, scene(), 8)
    assert facts == Facts(width=64, height=64)


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG"])
def test_an_animation_gives_its_first_frame(format: str, scene: Scene, encoded: Encode) -> None:
    later = [Image.new("RGB", (64, 64), colour) for colour in ("black", "white")]
    image, _ = decode(encoded(scene(), format, save_all=True, append_images=later))
    assert_looks_like(image, scene(), 8)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_picture_is_turned_upright(orientation: int, format: str, scene: Scene, encoded: Encode) -> None:
    upright = scene(96, 64)
    inverse = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = upright.transpose(inverse[orientation]) if orientation > 1 else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    image, facts = decode(encoded(stored, format, exif=exif))
    assert_looks_like(image, upright, 12)
    assert (facts.width, facts.height) == (96, 64)


def test_an_orientation_that_does_not_exist_is_ignored(scene: Scene, encoded: Encode) -> None:
    exif = Image.Exif()
    exif[0x0112] = 42
    assert_looks_like(decode(encoded(scene(), "PNG", exif=exif))[0], scene())


def test_exif_that_is_garbage_does_not_lose_the_picture(scene: Scene, encoded: Encode) -> None:
    image, facts = decode(encoded(scene(), "JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff"))
    assert_looks_like(image, scene(), 8)
    assert facts.taken_at is None


@pytest.mark.parametrize(
    ("date", "offset", "expected"),
    [
        ("2023:07:14 18:30:05", None, dt.datetime(2023, 7, 14, 18, 30, 5)),
        (
            "2023:07:14 18:30:05",
            "-03:30",
            dt.datetime(2023, 7, 14, 18, 30, 5, tzinfo=dt.timezone(-dt.timedelta(hours=3, minutes=30))),
        ),
        ("2023-07-14T18:30:05", "nonsense", dt.datetime(2023, 7, 14, 18, 30, 5)),
        ("0000:00:00 00:00:00", None, None),
        ("    :  :     :  :  ", None, None),
        ("2023:07:14 18:30:05", "+99:00", None),
        ("", None, None),
    ],
)
def test_the_date_taken_is_read_with_its_offset(
    date: str, offset: str | None, expected: dt.datetime | None, scene: Scene, encoded: Encode
) -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9003] = date
    if offset:
        exif.get_ifd(0x8769)[0x9011] = offset
    assert decode(encoded(scene(), "JPEG", exif=exif))[1].taken_at == expected


@pytest.mark.parametrize("size", [(900, 700), (1800, 1400), (447, 1000), (100, 80)])
@pytest.mark.parametrize("orientation", [1, 6])
def test_a_jpeg_at_reduced_scale_equals_pillows_own_bit_for_bit(
    size: tuple[int, int], orientation: int, noise: Scene, encoded: Encode
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(noise(*size), "JPEG", exif=exif)
    reference = Image.open(io.BytesIO(data))
    reference.draft("RGB", (448, 448))
    reference = ImageOps.exif_transpose(reference).convert("RGB")
    image, facts = decode(data, target=(224, 224), draft=2.0)
    np.testing.assert_array_equal(np.asarray(image), np.asarray(reference))
    assert (facts.width, facts.height) == (size if orientation == 1 else size[::-1])


def test_a_picture_over_the_limit_is_refused_before_it_is_decoded(
    huge_png: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(self: ImageFile.ImageFile) -> None:
        raise AssertionError("decoding began")

    monkeypatch.setattr(ImageFile.ImageFile, "load", load)
    reason = "30000 x 30000 pixels is over the limit of 400 megapixels that this machine's memory allows"
    with pytest.raises(DecodeError) as caught:
        decode(huge_png, max_pixels=default_max_pixels(1, 1 << 50))
    assert str(caught.value) == reason


def test_the_limit_counts_the_reduced_size_of_a_baseline_jpeg_only(noise: Scene, encoded: Encode) -> None:
    picture = noise(800, 800)
    small = {"max_pixels": 200 * 200, "target": (50, 50), "draft": 2.0}
    assert decode(encoded(picture, "JPEG"), **small)[0].size == (100, 100)
    for data in (encoded(picture, "JPEG", progressive=True), encoded(picture, "PNG")):
        with pytest.raises(DecodeError, match="800 x 800"):
            decode(data, **small)


def test_the_limit_follows_from_memory_and_workers() -> None:
    assert default_max_pixels(1, 2 * BYTES_PER_PIXEL * 1_000_000) == 1_000_000
    assert default_max_pixels(4, 8 * BYTES_PER_PIXEL * 1_000_000) == 1_000_000
    assert default_max_pixels(1, 1 << 50) == 400_000_000
    assert default_max_pixels(2) > 0


@pytest.mark.parametrize("format", ["JPEG", "PNG"])
def test_the_readable_part_of_a_truncated_file_is_used_and_marked(format: str, noise: Scene, encoded: Encode) -> None:
    whole = noise(200, 200)
    data = encoded(whole, format)
    image, facts = decode(data[: len(data) // 2])
    assert facts.note is not None
    percent = int(facts.note.removeprefix("truncated: ").removesuffix(" % of its rows could be read"))
    assert 20 < percent < 80
    top = np.abs(np.asarray(image)[:30].astype(int) - np.asarray(whole)[:30])
    assert top.mean() < 8


def test_a_truncated_progressive_jpeg_is_used_and_marked(noise: Scene, encoded: Encode) -> None:
    data = encoded(noise(200, 200), "JPEG", progressive=True)
    assert decode(data[: len(data) // 2])[1].note == "truncated"


def test_tolerance_for_one_file_does_not_leak_to_the_next(noise: Scene, encoded: Encode) -> None:
    data = encoded(noise(200, 200), "JPEG")
    decode(data[: len(data) // 2])
    assert not ImageFile.LOAD_TRUNCATED_IMAGES
    assert Image.MAX_IMAGE_PIXELS is not None
    with pytest.raises(OSError, match="truncated"):
        Image.open(io.BytesIO(data[: len(data) // 2])).load()


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "GIF", "TIFF", "JPEG2000", "PPM", "AVIF", "BMP"])
def test_a_file_cut_anywhere_is_read_in_part_or_refused(format: str, noise: Scene, encoded: Encode) -> None:
    data = encoded(noise(60, 60), format)
    for length in {*range(0, 40), *range(40, len(data), max(1, len(data) // 20))}:
        with contextlib.suppress(DecodeError):
            assert decode(data[:length])[0].size == (60, 60)


def test_a_file_cut_before_its_picture_is_refused(noise: Scene, encoded: Encode) -> None:
    data = encoded(noise(200, 200), "JPEG")
    start_of_scan = data.index(b"\xff\xda")
    with pytest.raises(DecodeError, match="cut off before any of the picture"):
        decode(data[: start_of_scan + 14])
    with pytest.raises(DecodeError) as caught:
        decode(data[:30])
    assert str(caught.value) == "damaged or cut off: not readable as JPEG"


def test_what_pillow_does_not_know_is_no_damage_alone(noise: Scene, encoded: Encode) -> None:
    data = bytearray(encoded(noise(20, 20), "BMP"))
    data[28] = 77  # bits a pixel
    with pytest.raises(DecodeError) as caught:
        decode(bytes(data))
    assert str(caught.value) == "damaged, or a kind of BMP that is not read"


def test_an_error_is_told_by_its_kind_and_not_by_pillows_words(
    noise: Scene, encoded: Encode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever Pillow says: a header that breaks off is damage, one that is whole and refused is another kind."""
    plugin = importlib.import_module("PIL.BmpImagePlugin")
    data = encoded(noise(20, 20), "BMP")

    def refuse(words: str, error: type[Exception]) -> str:
        def raises(self: object, *rest: object) -> None:
            raise error(words)

        monkeypatch.setattr(plugin.BmpImageFile, "_open", raises)
        with pytest.raises(DecodeError) as caught:
            decode(data)
        monkeypatch.undo()
        return str(caught.value)

    assert refuse("", OSError) == refuse("unknown", OSError) == "damaged, or a kind of BMP that is not read"
    assert refuse("", NotImplementedError) == "damaged, or a kind of BMP that is not read"
    with pytest.raises(DecodeError) as caught:
        decode(data[:20])
    assert str(caught.value) == "damaged or cut off: not readable as BMP"


def test_a_decoder_that_fails_amid_a_picture_is_no_other_kind(
    noise: Scene, encoded: Encode, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(self: object) -> None:
        raise ValueError("unknown, unsupported and unimplemented")

    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", load)
    with pytest.raises(DecodeError) as caught:
        decode(encoded(noise(20, 20), "PNG"))
    assert str(caught.value) == "damaged or cut off: not readable as PNG"


def test_a_fault_of_the_disk_is_not_said_of_the_picture(noise: Scene, encoded: Encode) -> None:
    class Faulty(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell() > 1000:
                raise OSError(errno.EIO, "Input/output error")
            return super().read(size)

    with pytest.raises(TransientDecodeError, match="cannot be read: input/output error"):
        decode_image(Faulty(encoded(noise(200, 200), "BMP")), max_pixels=LIMIT, format="bmp")


@pytest.mark.parametrize("data", [b"", b"just text", b"%!PS-Adobe-3.0 EPSF-3.0\n", b"\x89PNG\r\n\x1a\n", b"GIF89a"])
def test_what_is_no_picture_is_refused(data: bytes) -> None:
    with pytest.raises(DecodeError):
        decode(data)


def test_paths_are_opened_and_missing_ones_refused(tmp_path: Path, scene: Scene) -> None:
    path = tmp_path / "scene.png"
    scene().save(path)
    assert_looks_like(decode_image(path, max_pixels=LIMIT)[0], scene())
    with pytest.raises(DecodeError, match="cannot be read"):
        decode_image(tmp_path / "none.png", max_pixels=LIMIT)


def test_pillows_warnings_are_not_shown(scene: Scene, encoded: Encode) -> None:
    palette = scene().quantize(4)
    data = encoded(palette, "PNG", transparency=bytes([0, 255, 255, 255]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        decode(data)


@pytest.mark.shared
def test_real_photographs_equal_the_reference_bit_for_bit(shared: Path) -> None:
    for path in sorted((shared / "data/dev/flickr8k_dev500/images").iterdir())[:20]:
        reference = Image.open(path)
        reference.draft("RGB", (448, 448))
        reference = ImageOps.exif_transpose(reference).convert("RGB")
        image, _ = decode_image(path, max_pixels=LIMIT, target=(224, 224), draft=2.0)
        np.testing.assert_array_equal(np.asarray(image), np.asarray(reference))
