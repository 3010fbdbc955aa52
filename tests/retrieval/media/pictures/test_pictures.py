"""Pictures of kinds beyond the usual are read, or refused with the name of what they are."""

from __future__ import annotations

import io
import re
import struct
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from mmsearch.errors import DecodeError
from mmsearch.retrieval.media.films.animation import has_track, is_animated
from mmsearch.retrieval.media.films.frames import open_film
from mmsearch.retrieval.media.pictures.image import decode_image
from mmsearch.retrieval.media.pictures.jpegxl import header_of
from mmsearch.retrieval.media.sniff import sniff


@pytest.fixture
def scene() -> Image.Image:
    y, x = np.mgrid[0:48, 0:64]
    return Image.fromarray(np.stack([4 * x, 5 * y, 255 - 2 * (x + y)], axis=-1).astype(np.uint8))


def decoded(data: bytes, name: str, max_pixels: int = 1_000_000) -> np.ndarray:
    found = sniff(data[:16384], name, explicitly_requested=False)
    assert found.kind == "image", found.reason
    image, _ = decode_image(io.BytesIO(data), max_pixels=max_pixels, format=found.format)
    return np.asarray(image).astype(int)


def saved(image: Image.Image, format: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **options)  # type: ignore[arg-type]
    return file.getvalue()


def psd(scene: Image.Image, depth: int = 8) -> bytes:
    planes = np.asarray(scene).transpose(2, 0, 1).astype(">u2" if depth == 16 else np.uint8).tobytes()
    head = b"8BPS\0\1" + bytes(6) + struct.pack(">HIIHH", 3, scene.height, scene.width, depth, 3)
    return head + bytes(12) + b"\0\0" + planes


@pytest.mark.parametrize(
    ("format", "name"),
    [("TGA", "a.tga"), ("DDS", "a"), ("PCX", "a"), ("SGI", "a"), ("QOI", "a"), ("ICO", "a")],
)
def test_a_picture_of_another_kind_is_read(format: str, name: str, scene: Image.Image) -> None:
    if format == "QOI" and "QOI" not in Image.registered_extensions().values():
        from PIL import QoiImagePlugin  # noqa: F401
    options = {"sizes": [(64, 48)]} if format == "ICO" else {}
    assert np.abs(decoded(saved(scene, format, **options), name) - np.asarray(scene)).max() <= 8


def test_the_composite_of_a_photoshop_document_is_read(scene: Image.Image) -> None:
    assert np.abs(decoded(psd(scene), "a.psd") - np.asarray(scene)).max() == 0
    with pytest.raises(DecodeError, match="16 bits a channel: only 8 bits are read"):
        decoded(psd(scene, 16), "a.psd")
    with pytest.raises(DecodeError, match="PSB"):
        decoded(b"8BPS\0\2" + psd(scene)[6:], "a.psb")


def test_a_jpeg_xl_is_read_with_its_extra_and_measured_before(scene: Image.Image) -> None:
    pytest.importorskip("pillow_jxl")
    for size in ((64, 48), (200, 100), (333, 77), (640, 360)):
        data = saved(scene.resize(size), "JXL", lossless=True)
        assert header_of(io.BytesIO(data)) == (*size, False)
        assert np.abs(decoded(data, "a") - np.asarray(scene.resize(size))).max() == 0
    with pytest.raises(DecodeError, match="megapixels"):
        decoded(data, "a", max_pixels=1000)
    with pytest.raises(DecodeError, match="not readable as JPEG XL"):
        decoded(data[:60], "a")


def test_without_its_extra_a_jpeg_xl_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_jxl", None)
    with pytest.raises(DecodeError, match=re.escape('a JPEG XL picture needs an extra: pip install "mmsearch[jxl]"')):
        decoded(b"\xff\x0a\x00\x01\x02", "a.jxl")


def test_the_header_of_a_jpeg_xl_tells_an_animation() -> None:
    bits = "1" + "00001"[::-1] + "001"[::-1] + "0" + "1" + "000" + "0" + "0" + "1"
    data = int(bits[::-1], 2).to_bytes(8, "little")
    assert header_of(io.BytesIO(b"\xff\x0a" + data)) == (16, 16, True)


def test_an_animated_avif_is_a_film(films: ModuleType) -> None:
    first, *rest = (films.numbered(n) for n in (1, 2, 3))
    data = saved(first, "AVIF", save_all=True, append_images=rest, duration=500)
    assert is_animated(io.BytesIO(data), "avif")
    assert not is_animated(io.BytesIO(saved(first, "AVIF")), "avif")
    frames = list(open_film(io.BytesIO(data), "avif", 1_000_000).frames())
    assert [(films.number_in(f.picture()), f.time, f.duration) for f in frames] == [
        (1, 0.0, 0.5),
        (2, 0.5, 0.5),
        (3, 1.0, 0.5),
    ]


def test_a_heic_with_a_track_is_one_for_ffmpeg(films: ModuleType, tmp_path: Path) -> None:
    from mmsearch.retrieval.media.sniff import Sniffed
    from mmsearch.retrieval.media.workers.take_out import as_film_if_animated

    data = films.film(
        (films.numbered(n) for n in range(5)), codec="libx265", options={"x265-params": "log-level=error"}
    )
    size = int.from_bytes(data[:4], "big")
    brands = b"hevc\0\0\0\0msf1hevcheic".ljust(size - 8, b"\0")[: size - 8]
    data = data[:8] + brands + data[size:]
    found = sniff(data[:16384], "a.heics", explicitly_requested=False)
    assert (found.kind, found.format) == ("image", "heic")
    assert has_track(io.BytesIO(data))
    assert as_film_if_animated(io.BytesIO(data), found) == Sniffed("video", "mov")
    assert len(list(open_film(io.BytesIO(data), "mov", 1_000_000).frames())) == 5
