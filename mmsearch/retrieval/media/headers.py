"""Recognises formats without fixed first bytes: by header fields that must agree, by start codes, by sync words."""

from __future__ import annotations

import codecs
import re

from mmsearch.retrieval.media.formats import FORMATS

_TGA_KINDS, _TGA_DEPTHS = (1, 2, 3, 9, 10, 11), (8, 15, 16, 24, 32)
_GSM_MARK, _GSM_FRAME = 0xD, 33
_FLIC = (b"\x11\xaf", b"\x12\xaf")
_MOST_ICONS = 256
_START_CODE = re.compile(rb"\x00\x00\x01(.)", re.DOTALL)
_H264_SPS, _H264_PPS = 7, 8
_HEVC_VPS, _HEVC_SPS = 32, 33
_MPEG4_OBJECT, _MPEG4_LAYER = range(0x20), range(0x20, 0x30)
_XBM = re.compile(rb"\s*(?:/\*.*?\*/\s*)?#define\s+\S*_?width\s+\d+\s+#define\s+\S*_?height\s+\d+", re.DOTALL)
_SVG = re.compile(
    rb"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*(?:<!DOCTYPE\s+svg.*?>\s*)?(?:<!--.*?-->\s*)*<(?:\w+:)?svg[\s>]",
    re.DOTALL,
)


def format_by_header(head: bytes, extension: str) -> str | None:
    """The name in `formats.FORMATS` of the format that a file begins as; None where its header marks none."""
    if _is_icon(head):
        return "cur" if head[2] == 2 else "ico"
    if (
        head[:1] == b"\x0a"
        and len(head) >= 128
        and head[1] in (0, 2, 3, 4, 5)
        and head[2] <= 1
        and head[3] in (1, 2, 4, 8)
    ):
        return "pcx"
    if head[4:6] in _FLIC and head[12:14] in (b"\x08\x00", b"\x00\x00"):
        return "flic"
    if head[4:8] in (b"\xf8\x72\x6f\xba", b"\xf8\x72\x6f\xbb"):
        return "truehd" if head[7] == 0xBA else "mlp"
    if head[:2] in (b"\x0b\x77", b"\x77\x0b") and len(head) >= 6:
        return _dolby(head if head[:1] == b"\x0b" else head[1::-1] + head[3:1:-1] + head[5:3:-1], extension)
    if head[:1] == b"\x56" and head[1:2] >= b"\xe0" and extension in FORMATS["latm"].endings:
        return "latm"
    if extension in FORMATS["gsm"].endings and all(byte >> 4 == _GSM_MARK for byte in head[::_GSM_FRAME]):
        return "gsm"
    if extension in FORMATS["tga"].endings and _is_tga(head):
        return "tga"
    if extension in FORMATS["xbm"].endings and _XBM.match(head):
        return "xbm"
    return _coded_pictures(head)


def is_mpeg_audio(head: bytes) -> bool:
    """Whether this is an MPEG audio or ADTS frame header: eleven bits of sync, and no field with a forbidden value."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0 or head.startswith(codecs.BOM_UTF16_LE):
        return False
    if head[1] & 0xF6 == 0xF0:  # layer 0 means ADTS: the sampling index has 13 values
        return (head[2] >> 2) & 0x0F < 13
    version, layer = (head[1] >> 3) & 3, (head[1] >> 1) & 3
    bitrate, sampling = head[2] >> 4, (head[2] >> 2) & 3
    return version != 1 and layer != 0 and bitrate not in (0, 15) and sampling != 3


def is_drawing(head: bytes) -> bool:
    """Whether this begins an SVG drawing."""
    return bool(_SVG.match(head.removeprefix(codecs.BOM_UTF8)))


def _is_icon(head: bytes) -> bool:
    """Whether this is a directory of icons, whose first entry points behind the directory."""
    if len(head) < 22 or head[:2] != b"\0\0" or head[2] not in (1, 2) or head[3]:
        return False
    count, first = int.from_bytes(head[4:6], "little"), int.from_bytes(head[18:22], "little")
    return 0 < count <= _MOST_ICONS and head[9] == 0 and first >= 6 + 16 * count


def _is_tga(head: bytes) -> bool:
    """Whether this is a header of Targa, which has no signature: its fields have values that are allowed."""
    if len(head) < 18 or head[1] > 1 or head[2] not in _TGA_KINDS or head[16] not in _TGA_DEPTHS:
        return False
    return any(head[12:14]) and any(head[14:16])


def _dolby(head: bytes, extension: str) -> str | None:
    """AC-3 or E-AC-3, by the version; there must be a second sync word, or one of their endings."""
    version = head[5] >> 3
    if version > 16 or (head[4] >> 6 == 3 and version <= 10):
        return None
    if extension not in (*FORMATS["ac3"].endings, *FORMATS["eac3"].endings) and head[:2] not in head[2:]:
        return None
    return "ac3" if version <= 10 else "eac3"


def _coded_pictures(head: bytes) -> str | None:
    """The format of a video stream without a container, by the units between its start codes."""
    if not head.startswith((b"\0\0\1", b"\0\0\0\1")):
        return None
    codes = [match[0] for match in _START_CODE.findall(head)]
    if not codes:
        return None
    if {_H264_SPS, _H264_PPS} <= {code & 0x1F for code in codes if code < 0x80}:
        return "h264"
    if {_HEVC_VPS, _HEVC_SPS} <= {code >> 1 for code in codes if code < 0x80}:
        return "hevc"
    if codes[0] in _MPEG4_OBJECT and any(code in _MPEG4_LAYER for code in codes):
        return "mpeg4"
    return None
