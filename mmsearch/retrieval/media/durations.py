"""The duration in a file's header, by which a file that was cut off differs from a short one.

FFmpeg's own duration cannot be used for this: where header and file do not agree, it comes from the file's size or its
last time stamp.
"""

from __future__ import annotations

import os
from typing import IO

from mmsearch.retrieval.media.formats import FORMATS

_NO_DURATION_IN_HEADER = frozenset(
    ("aac", "amr", "mpeg", "mpegvideo", "mpegts", "ogg", "y4m", "dv", "voc", "sox", "adx", "roq", "nsv")
)
_HEAD_BYTES = 1 << 16
_ASF_FILE_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")


def header_duration(source: IO[bytes], format: str, computed_s: float) -> float:
    """Seconds by the header; 0.0 if it states no duration.

    Args:
        source: the file.
        format: its name in `formats.FORMATS`.
        computed_s: FFmpeg's duration, which is that of the header for most formats.
    """
    if FORMATS[format].untimed or format in _NO_DURATION_IN_HEADER:
        return 0.0
    source.seek(0)
    head = source.read(_HEAD_BYTES)
    if format == "mp3":
        return computed_s if any(mark in head for mark in (b"Xing", b"Info", b"VBRI")) else 0.0
    parse = {"wav": _wav, "avi": _avi, "asf": _asf}.get(format)
    return parse(head) if parse else computed_s


def lacks_last_page(source: IO[bytes], format: str) -> bool:
    """Whether an Ogg file, whose header states no duration, ends before the page that is marked as its last."""
    if format != "ogg":
        return False
    end = source.seek(0, os.SEEK_END)
    source.seek(max(0, end - _HEAD_BYTES))
    tail = source.read(_HEAD_BYTES)
    last = tail.rfind(b"OggS")
    return last < 0 or not tail[last + 5 : last + 6] or not tail[last + 5] & 0x04


def _number(data: bytes, at: int, size: int = 4) -> int:
    return int.from_bytes(data[at : at + size], "little")


def _wav(head: bytes) -> float:
    """The size of the chunk of samples, divided by the bytes per second."""
    at, byte_rate = 12, 0
    while at + 8 <= len(head):
        name, size = head[at : at + 4], _number(head, at + 4)
        if name == b"fmt ":
            byte_rate = _number(head, at + 16)
        if name == b"data":
            return size / byte_rate if byte_rate and size < 0xFFFF_FFFF else 0.0
        at += 8 + size + size % 2
    return 0.0


def _avi(head: bytes) -> float:
    """The number of frames, times the microseconds per frame."""
    at = head.find(b"avih") + 8
    return _number(head, at) * _number(head, at + 16) / 1e6 if at >= 8 else 0.0


def _asf(head: bytes) -> float:
    """The play duration (in units of 100 ns) less the preroll (in ms)."""
    at = head.find(_ASF_FILE_PROPERTIES)
    return max(0.0, _number(head, at + 64, 8) / 1e7 - _number(head, at + 80, 8) / 1e3) if at >= 0 else 0.0
