"""Films and pictures of high dynamic range look as their plain originals do, not grey and pale."""

from __future__ import annotations

import io
from fractions import Fraction

import av
import numpy as np
import pytest
from PIL import Image

from mmsearch.retrieval.media.films.frames import open_film
from mmsearch.retrieval.media.pictures.image import decode_image
from mmsearch.retrieval.media.pictures.tone_mapping import HLG, PQ, to_sdr

TO_BT2020 = np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]])
BT2020 = 9


@pytest.fixture
def photo() -> np.ndarray:
    """Soft colours of every hue and brightness, uint8 ``[240, 320, 3]``."""
    y, x = np.mgrid[0:240, 0:320] / 40.0
    waves = np.stack([np.sin(x + phase) * np.cos(y - phase) for phase in (0, 2, 4)], axis=-1)
    return (127.5 + 100 * waves).astype(np.uint8)


def coded(photo: np.ndarray, transfer: int, primaries: int = BT2020) -> np.ndarray:
    """A picture whose white is reference white, as values of 0…1 in PQ or HLG."""
    x = photo / 255.0
    light = np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4)
    if primaries == BT2020:
        light = np.clip(light @ TO_BT2020.T, 0, 1)
    if transfer == PQ:
        y = (light * 203 / 10_000) ** 0.1593017578125
        return ((0.8359375 + 18.8515625 * y) / (1 + 18.6875 * y)) ** 78.84375
    luma = np.maximum(light @ np.array([0.2627, 0.6780, 0.0593]), 1e-6)[..., None] * 203 / 1000
    scene = light * 203 / 1000 / luma ** (0.2 / 1.2)
    high = 0.17883277 * np.log(np.maximum(12 * scene - 0.28466892, 1e-9)) + 0.55991073
    return np.where(scene <= 1 / 12, np.sqrt(3 * scene), high)


def hdr_film(photo: np.ndarray, transfer: int) -> bytes:
    file = io.BytesIO()
    values = (coded(photo, transfer) * 65535).round().astype("<u2")
    height, width = photo.shape[:2]
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx265", rate=25, options={"x265-params": "log-level=error"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p10le"
        context = stream.codec_context
        context.color_primaries, context.color_trc, context.colorspace, context.color_range = 9, transfer, 9, 1
        for number in range(10):
            frame = av.VideoFrame.from_ndarray(values, "rgb48le").reformat(
                format="yuv420p10le", src_colorspace=9, dst_colorspace=9, dst_color_range=1
            )
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.getvalue()


def alike(shown: np.ndarray, photo: np.ndarray) -> float:
    return float(np.abs(shown.astype(float) - photo).mean())


@pytest.mark.parametrize("transfer", [PQ, HLG])
def test_a_film_of_high_dynamic_range_looks_as_its_original(transfer: int, photo: np.ndarray) -> None:
    reader = open_film(io.BytesIO(hdr_film(photo, transfer)), "mp4", 1_000_000)
    shown = np.asarray(next(reader.frames()).picture())
    assert alike(shown, photo) < 8
    assert abs(shown.mean() - photo.mean()) < 5


@pytest.mark.parametrize("transfer", [PQ, HLG])
@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
def test_reference_white_is_nearly_white_and_brighter_is_not_lost(transfer: int, depth: type) -> None:
    white = np.full((4, 4, 3), 255, np.uint8)
    most = np.iinfo(depth).max
    reference = to_sdr((coded(white, transfer) * most).astype(depth), transfer, BT2020)
    brightest = to_sdr(np.full((4, 4, 3), most, depth), transfer, BT2020)
    assert 225 < reference.mean() < brightest.mean() <= 255
    assert to_sdr(np.zeros((4, 4, 3), depth), transfer, BT2020).max() == 0


def test_a_png_says_it_by_a_chunk(photo: np.ndarray) -> None:
    from PIL import PngImagePlugin

    info = PngImagePlugin.PngInfo()
    info.add(b"cICP", bytes([BT2020, PQ, 0, 1]))
    file = io.BytesIO()
    Image.fromarray((coded(photo, PQ) * 255).round().astype(np.uint8)).save(file, "PNG", pnginfo=info)
    image, _ = decode_image(io.BytesIO(file.getvalue()), max_pixels=1_000_000)
    assert alike(np.asarray(image), photo) < 8


def test_an_avif_says_it_by_a_box(photo: np.ndarray) -> None:
    file = io.BytesIO()
    Image.fromarray((coded(photo, PQ) * 255).round().astype(np.uint8)).save(file, "AVIF", quality=95)
    data = bytearray(file.getvalue())
    at = data.find(b"colrnclx") + 8
    assert at >= 8
    data[at : at + 4] = bytes([0, BT2020, 0, PQ])
    image, _ = decode_image(io.BytesIO(bytes(data)), max_pixels=1_000_000)
    assert alike(np.asarray(image), photo) < 8
