"""How long a file's header says that it lasts, so that one that was cut off can be told from a short one.

FFmpeg takes the file's size or its last time stamp where the header and the file do not agree.
"""

from __future__ import annotations

import os
from typing import IO

from mmsearch.retrieval.media.formats import FORMATS

_NO_PROMISE = frozenset(
    ("aac", "amr", "mpeg", "mpegvideo", "mpegts", "ogg", "y4m", "dv", "voc", "sox", "adx", "roq", "nsv")
)
_HEAD_BYTES = 1 << 16
_ASF_FILE_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")


def promised_duration(source: IO[bytes], format: str, computed_s: float) -> float:
    """Seconds, 0.0 where the header promises nothing; ``computed_s`` is FFmpeg's, for formats that it reads well."""
    if FORMATS[format].untimed or format in _NO_PROMISE:
        return 0.0
    source.seek(0)
    head = source.read(_HEAD_BYTES)
    if format == "mp3":
        return computed_s if any(mark in head for mark in (b"Xing", b"Info", b"VBRI")) else 0.0
    parse = {"wav": _wav, "avi": _avi, "asf": _asf}.get(format)
    return parse(head) if parse else computed_s


def lacks_its_end(source: IO[bytes], format: str) -> bool:
    """Whether an Ogg file, which promises nothing, breaks off before the page that is marked as its last."""
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
    """The size of the chunk of samples over the bytes a second."""
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
    """The number of frames times the microseconds that each is shown."""
    at = head.find(b"avih") + 8
    return _number(head, at) * _number(head, at + 16) / 1e6 if at >= 8 else 0.0


def _asf(head: bytes) -> float:
    """The time of play (in 100 ns) less what is to be loaded before (in ms)."""
    at = head.find(_ASF_FILE_PROPERTIES)
    return max(0.0, _number(head, at + 64, 8) / 1e7 - _number(head, at + 80, 8) / 1e3) if at >= 0 else 0.0
