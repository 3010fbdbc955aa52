"""Whether text can be read in pictures: rapidocr and the networks of its wheel are there."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path

_NAMES = ("PP-OCRv6_det_small.onnx", "PP-OCRv6_rec_small.onnx", "ch_ppocr_mobile_v2.0_cls_mobile.onnx")


@cache
def ocr_is_installed() -> bool:
    """Whether the extra ``ocr`` is installed."""
    return bool(networks()) and all(path.is_file() for path in networks())


@cache
def networks() -> tuple[Path, ...]:
    """The networks that find lines, read them, and tell which way up they are; none without rapidocr."""
    try:
        found = find_spec("rapidocr")
    except (ImportError, ValueError):
        return ()
    if found is None or found.origin is None:
        return ()
    return tuple(Path(found.origin).parent / "models" / name for name in _NAMES)
