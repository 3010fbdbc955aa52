"""The title that a picture, film or sound has inside, and the words that it is tagged with."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping
from typing import Any

_LONGEST_TITLE, _LONGEST_TAG, _MOST_TAGS = 300, 100, 64
_TITLE = re.compile(r"<dc:title\b[^>]*>(.*?)</dc:title>", re.DOTALL)
_SUBJECT = re.compile(r"<dc:subject\b[^>]*>(.*?)</dc:subject>", re.DOTALL)
_ENTRY = re.compile(r"<rdf:li\b[^>]*>([^<]*)</rdf:li>")
_XP_TITLE, _XP_KEYWORDS = 0x9C9B, 0x9C9E
_IPTC_TITLE, _IPTC_KEYWORDS = (2, 5), (2, 25)
_STREAM_TAGS = ("keywords", "com.apple.quicktime.keywords", "artist", "album", "genre")
_XMP_BYTES = 1 << 20

Labels = tuple[str | None, tuple[str, ...]]
"""A title and tags."""


def xmp_of(image: Any) -> str:
    """The XMP packet of a picture that Pillow opened; empty if it has none. What lies behind a megabyte is left out."""
    packet = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp") or b""
    if not packet and getattr(image, "tag_v2", None):
        packet = image.tag_v2.get(700) or b""
    return packet[:_XMP_BYTES] if isinstance(packet, str) else bytes(packet)[:_XMP_BYTES].decode("utf-8", "replace")


def labels_of_picture(image: Any, exif: Any, xmp: str) -> Labels:
    """Title and tags of a picture, by XMP, IPTC and the tags of Windows."""
    titles, tags = _entries(_TITLE, xmp)[:1], _entries(_SUBJECT, xmp)
    iptc = _iptc(image)
    titles.append(_text(iptc.get(_IPTC_TITLE)))
    keywords = iptc.get(_IPTC_KEYWORDS, [])
    tags += map(_text, keywords if isinstance(keywords, list) else [keywords])
    titles.append(_utf16(exif, _XP_TITLE))
    tags += _utf16(exif, _XP_KEYWORDS).split(";")
    return _cleaned(titles, tags)


def labels_of_stream(metadata: Iterable[Mapping[str, str]]) -> Labels:
    """Title and tags of a film or sound, by the metadata of its container: keywords, artist, album and genre."""
    titles: list[str] = []
    tags: list[str] = []
    for table in metadata:
        lower = {name.lower(): value for name, value in table.items()}
        titles.append(lower.get("title") or lower.get("com.apple.quicktime.title") or "")
        for name in _STREAM_TAGS:
            value = lower.get(name, "")
            tags += re.split(r"[;,]", value) if "keywords" in name else [value]
    return _cleaned(titles, tags)


def _cleaned(titles: Iterable[str], tags: Iterable[str]) -> Labels:
    plain = (_plain(title) for title in titles)
    title = next((title[:_LONGEST_TITLE] for title in plain if title), None)
    found = dict.fromkeys(tag[:_LONGEST_TAG] for tag in map(_plain, tags) if tag)
    return title, tuple(found)[:_MOST_TAGS]


def _plain(text: str) -> str:
    return " ".join(re.sub(r"[\x00-\x1f\x7f]", " ", text).split())


def _entries(element: re.Pattern[str], xmp: str) -> list[str]:
    """The entries of the list in an element of an XMP packet."""
    match = element.search(xmp)
    return [html.unescape(entry) for entry in _ENTRY.findall(match[1])] if match else []


def _iptc(image: Any) -> dict[tuple[int, int], Any]:
    from PIL import IptcImagePlugin

    try:
        return dict(IptcImagePlugin.getiptcinfo(image) or {})
    except Exception:  # broken metadata is no reason to lose the picture
        return {}


def _text(value: object) -> str:
    if not isinstance(value, bytes):
        return ""
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _utf16(exif: Any, tag: int) -> str:
    try:
        value = exif.get(tag) or b""
        return bytes(value).decode("utf-16-le", "replace")
    except Exception:
        return ""
