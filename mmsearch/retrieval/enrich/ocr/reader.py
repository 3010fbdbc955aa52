"""Finds and reads text in a picture, with PP-OCRv6 (small): its networks lie in rapidocr's wheel.

Nothing is downloaded: rapidocr is given the files of the wheel. It computes in one thread, and its networks are loaded
when the first picture needs them. No other module imports rapidocr.
"""

from __future__ import annotations

import itertools
import unicodedata
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mmsearch.retrieval.enrich.ocr.installed import networks
from mmsearch.retrieval.enrich.ocr.lines import MAX_LINES, TextLine
from mmsearch.retrieval.enrich.ocr.reading_order import in_reading_order
from mmsearch.retrieval.onnx_session import open_session

if TYPE_CHECKING:
    from PIL import Image

    from mmsearch.retrieval.onnx_session import Session

_GLANCE_SIDE = 416  # chosen with the two below on photographs with and without signs: see docs/benchmarks.md
_GLANCE_SCORE = 0.7
_GLANCE_PIXELS = 5
_DETECTION_SIDE = 1280
_READ_SIDE = 2600  # lines are cut out of a picture of this size
_FLAT_SHARE = 0.4  # of a picture in one of 16 greys: a page or a screen
_STRIP = 3.0  # a picture that is longer than so many times its width is read in pieces
_STRIP_OVERLAP = 0.15  # of a piece's length
_LEAST_SCORE = 0.6
_MULTIPLE = 32  # of pixels that the detector takes


def may_hold_text(picture: Image.Image) -> bool:
    """A glance at an RGB picture: whether the detector finds anything in a small copy of it.

    The copy of a page or a screen, of which much has one colour, is larger: their letters are smaller than those of
    signs.
    """
    if max(picture.size) > _STRIP * min(picture.size):
        return True
    greys = np.bincount((np.asarray(_resized(picture, _GLANCE_SIDE).convert("L")) >> 4).ravel())
    is_flat = greys.max() > _FLAT_SHARE * greys.sum()
    if is_flat and np.count_nonzero(greys) == 1:
        return False
    copy = _resized(picture, 2 * _GLANCE_SIDE if is_flat else _GLANCE_SIDE)
    pixels = np.asarray(copy, np.float32)[:, :, ::-1]
    likely = _detector().run(None, {_detector().get_inputs()[0].name: _as_input(pixels)})[0]
    return int((np.asarray(likely) > _GLANCE_SCORE).sum()) >= _GLANCE_PIXELS


def _resized(picture: Image.Image, side: int) -> Image.Image:
    """A copy of that size along the long side, in multiples that the detector takes."""
    scale = side / max(picture.size) / _MULTIPLE
    width, height = (max(1, round(edge * scale)) * _MULTIPLE for edge in picture.size)
    return picture.resize((width, height), _bilinear(), reducing_gap=2.0)


def read_lines(picture: Image.Image) -> list[TextLine]:
    """The lines that are written in an upright RGB picture, in reading order; at most `MAX_LINES`."""
    found: list[TextLine] = []
    for piece, place, (low, high) in _pieces(picture):
        for line in _read(piece):
            line = _placed(line, place, picture.size)
            along = line.left + line.right if picture.width > picture.height else line.top + line.bottom
            if low <= along / 2 < high:
                found.append(line)
    return in_reading_order(found, *picture.size)[:MAX_LINES]


Box = tuple[int, int, int, int]


def _pieces(picture: Image.Image) -> Iterator[tuple[Image.Image, Box, tuple[float, float]]]:
    """The picture, or overlapping pieces of a long one, each with its place and with the part that is its own.

    The part is given as fractions of the long side.
    """
    long, short = max(picture.size), min(picture.size)
    if long <= _STRIP * short:
        yield picture, (0, 0, *picture.size), (0.0, 2.0)
        return
    count = -(-long // (2 * short))
    edges = [round(long * place / count) for place in range(count + 1)]
    more = round(_STRIP_OVERLAP * long / count)
    for start, end in itertools.pairwise(edges):
        low, high = max(0, start - more), min(long, end + more)
        box = (low, 0, high, short) if picture.width > picture.height else (0, low, short, high)
        last = 2.0 if end == long else end / long
        yield picture.crop(box), box, (start / long, last)


def _placed(line: TextLine, box: Box, size: tuple[int, int]) -> TextLine:
    """A line of a piece with its place in the whole picture."""
    (left, top, right, bottom), (width, height) = box, size
    across, down = (right - left) / width, (bottom - top) / height
    x, y = left / width, top / height
    return TextLine(
        line.text, x + line.left * across, y + line.top * down, x + line.right * across, y + line.bottom * down
    )


def _read(picture: Image.Image) -> Iterator[TextLine]:
    if max(picture.size) > _READ_SIDE:
        scale = _READ_SIDE / max(picture.size)
        width, height = (max(1, round(side * scale)) for side in picture.size)
        picture = picture.resize((width, height), _bilinear(), reducing_gap=2.0)
    pixels = np.ascontiguousarray(np.asarray(picture)[:, :, ::-1])
    read = _engine()(pixels, use_det=True, use_cls=True, use_rec=True)
    if read.boxes is None or read.txts is None:
        return
    for corners, text in zip(read.boxes, read.txts, strict=True):
        text = " ".join(text.split())
        if _says_something(text):
            (left, top), (right, bottom) = corners.min(axis=0), corners.max(axis=0)
            yield TextLine(
                text,
                float(left) / picture.width,
                float(top) / picture.height,
                float(right) / picture.width,
                float(bottom) / picture.height,
            )


def _says_something(text: str) -> bool:
    """Two letters or digits, or one sign of a script that writes words with one."""
    signs = [sign for sign in text if sign.isalnum()]
    return len(signs) > 1 or any(unicodedata.category(sign) == "Lo" for sign in signs)


@cache
def _detector() -> Session:
    return open_session(networks()[0], 1)


@cache
def _engine() -> Any:
    """rapidocr with the networks of its wheel."""
    import cv2
    from rapidocr import RapidOCR

    cv2.setNumThreads(1)
    detection, recognition, direction = map(str, networks())
    return RapidOCR(
        params={
            "Global.log_level": "critical",
            "Global.text_score": _LEAST_SCORE,
            "Global.max_side_len": 2 * _READ_SIDE,  # the picture has its size already
            "EngineConfig.onnxruntime.intra_op_num_threads": 1,
            "EngineConfig.onnxruntime.inter_op_num_threads": 1,
            "Det.model_path": detection,
            "Det.limit_type": "max",
            "Det.limit_side_len": _DETECTION_SIDE,
            "Det.max_candidates": MAX_LINES,
            "Rec.model_path": recognition,
            "Rec.rec_batch_num": 1,  # more lines at once need more memory and a quarter more time
            "Cls.model_path": direction,
        }
    )


def _as_input(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Pixels of 0…255 as the detector takes them: -1…1, float32 ``[1, 3, height, width]``."""
    return np.ascontiguousarray((pixels / 127.5 - 1).transpose(2, 0, 1)[None])


def _bilinear() -> Any:
    from PIL import Image

    return Image.Resampling.BILINEAR
