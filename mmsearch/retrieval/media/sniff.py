"""Recognises files by their first bytes; the ending only decides among kinds of text and among TIFF-like formats."""

from __future__ import annotations

import codecs
import os
import re
from dataclasses import dataclass

from mmsearch.retrieval.media.formats import (
    FORMAT_BY_ENDING,
    FORMATS,
    MEDIA_ENDINGS,
    RAW_ENDINGS,
    TEXT_ENDINGS,
    Kind,
    endings_of,
)
from mmsearch.retrieval.media.headers import format_by_header, is_drawing, is_mpeg_audio
from mmsearch.retrieval.media.texts.text import utf16_without_mark
from mmsearch.retrieval.media.unsupported import (
    BINARY_ENDINGS,
    UNREAD_ENDINGS,
    UNREAD_MAGICS,
    ZIP,
    document_by_ending,
    document_reason,
    markup_of,
    pointer_reason,
    unread_reason,
)

HEAD_BYTES = 16 * 1024
"""How many of a file's first bytes `sniff` looks at."""


@dataclass(frozen=True, slots=True)
class Sniffed:
    """What a file is.

    Attributes:
        kind: what it holds; *other* for what is not read.
        format: its name in `formats.FORMATS`, such as ``jpeg``.
        reason: why it is not read; None if it is read.
    """

    kind: Kind
    format: str
    reason: str | None = None


_PLAIN = re.compile(rb"[\x20-\x7e]*")
_SURE = ("pdf", "rtf", "fits", "xpm", "sphere", "voc", "y4m", "raf", "orf", "x3f")
"""Formats whose first bytes are letters that begin no text."""

_SIGNATURES: tuple[tuple[bytes, str, bool], ...] = tuple(
    (magic, name, name in _SURE or not _PLAIN.fullmatch(magic))
    for name, format in FORMATS.items()
    for magic in format.magics
)
"""First bytes, the format, and whether they are enough: a few letters could also begin a text."""

_JUNK_BEFORE_PDF = 1024
"""Bytes that may stand before the header of a PDF; readers look for it there."""

_TIFF_MAGICS = (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")
_BMP_HEADER_SIZES = (12, 40, 52, 56, 64, 108, 124)
_PNM = re.compile(rb"P[1-6fF]\s+(?:#[^\n]*\n\s*)*\d+\s+(?:#[^\n]*\n\s*)*\d+\s")

_ID3 = (b"ID3\x02", b"ID3\x03", b"ID3\x04")
_ASF = b"\x30\x26\xb2\x75\x8e\x66\xcf\x11"
_ASF_SOUND = bytes.fromhex("409e69f84d5bcf11a8fd00805f5c442b")
_ASF_PICTURES = bytes.fromhex("c0ef19bc4d5bcf11a8fd00805f5c442b")
_OGG_PICTURES = (b"\x80theora", b"\x01video\0\0\0", b"OVP80", b"BBCD\0")
_MATROSKA, _MATROSKA_TRACKS = b"\x1a\x45\xdf\xa3", b"\x16\x54\xae\x6b"
_MATROSKA_PICTURES, _MATROSKA_SOUND = b"\x83\x81\x01", b"\x83\x81\x02"

_BRANDS: tuple[tuple[frozenset[bytes], Kind, str], ...] = (
    (frozenset({b"crx "}), "raw", "cr3"),
    (frozenset({b"avif", b"avis"}), "image", "avif"),
    (frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}), "image", "heic"),
    (frozenset({b"M4A ", b"M4B ", b"M4P "}), "audio", "m4a"),
    (frozenset({b"qt  "}), "video", "mov"),
    (frozenset({b"3gp4", b"3gp5", b"3gp6", b"3gp7", b"3ge6", b"3gg6", b"3g2a", b"3g2b", b"3g2c"}), "video", "3gp"),
)

_MIMETYPES = (
    (b"application/epub+zip", "epub"),
    (b"application/vnd.oasis.opendocument.text", "odt"),
    (b"application/vnd.oasis.opendocument.spreadsheet", "ods"),
    (b"application/vnd.oasis.opendocument.presentation", "odp"),
    (b"application/vnd.oasis.opendocument.graphics", "odp"),
)
_MIMETYPE_WITHIN = 256
"""The first entry of such files is their media type, which is not packed."""
_FOLDERS = ((b"word/", "word"), (b"ppt/", "powerpoint"), (b"xl/", "excel"))
_ZIPPED = frozenset(("word", "powerpoint", "excel", "odt", "ods", "odp", "epub"))
_MAILBOX = re.compile(rb"From \S[^\n]{0,200}\d\d:\d\d[^\n]{0,60}\n[!-9;-~]{1,60}:")
_WEB_PAGE = "a web page (HTML)"

_NO_WEB_PAGES = frozenset(endings_of("table", "subtitles"))
"""A web page in a file with one of these endings is a mistake, such as a failed download."""

_BOMS = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_CONTROL = re.compile(rb"[\x00-\x07\x0e-\x19\x1c-\x1f\x7f]")
_MAX_HIGH_SHARE = 1 / 3
"""Western text in an 8-bit code page has fewer bytes above 127 than this; other scripts cannot be told apart."""


def sniff(head: bytes, name: bytes | str, *, explicitly_requested: bool) -> Sniffed:
    """What a file is, from its first `HEAD_BYTES` bytes and its name.

    Args:
        head: the beginning of the file; a text may be cut amid a character.
        name: its name or path.
        explicitly_requested: the user named this very file, so that plain text of any ending is read. Text in a file
            named as a picture is not: it is a page that was saved in its place, or a pointer to it.
    """
    if not head:
        return Sniffed("empty", "empty", "empty file")
    extension = _extension(name)
    reason = pointer_reason(head)
    if reason is not None:
        return Sniffed("other", "pointer", reason)
    found = _by_signature(head, extension)
    if found is not None:
        return found
    if head.startswith(ZIP) and (name_of := _document_in_zip(head, extension)) is not None:
        return Sniffed("document", name_of)
    reason = unread_reason(head, extension)
    if reason is not None:
        return Sniffed("other", "unread", reason)
    if _is_text(head) or (extension in TEXT_ENDINGS and is_text_with_nuls(head)):
        return _kind_of_text(head, extension, explicitly_requested)
    if _is_transport_stream(head):
        return Sniffed("video", "mpegts")
    if not _CONTROL.search(head):
        return Sniffed("other", "text", "text in an unknown encoding: save it as UTF-8 to index it")
    return _by_ending(extension)


def _by_ending(extension: str) -> Sniffed:
    """What a file is whose first bytes say nothing: a stream that may begin anywhere, or a kind that is not read."""
    name = FORMAT_BY_ENDING.get(extension)
    document = document_by_ending(extension)
    if name is not None and FORMATS[name].by_ending:
        return Sniffed(FORMATS[name].kind, name)
    if document is not None:
        return Sniffed("other", "binary", document)
    if extension in UNREAD_ENDINGS:
        return Sniffed("other", "binary", UNREAD_ENDINGS[extension])
    if name is not None and not FORMATS[name].textual:
        return Sniffed("other", "binary", f"it does not begin as a .{extension} does: damaged, or of another kind")
    return Sniffed("other", "binary", "not a picture, text, sound or film")


def _is_text(head: bytes) -> bool:
    """Whether a text begins so: UTF-8, UTF-16 with a byte order mark, or plausibly an 8-bit code page.

    The last character may be cut.
    """
    if head.startswith(_BOMS):
        return True
    if _CONTROL.search(head):
        return False
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head, final=False)
    except UnicodeDecodeError:
        return sum(byte > 127 for byte in head) <= _MAX_HIGH_SHARE * len(head)
    return True


def _extension(name: bytes | str) -> str:
    return os.path.splitext(os.fsdecode(name))[1][1:].lower()


def _by_signature(head: bytes, extension: str) -> Sniffed | None:
    if head.startswith(_TIFF_MAGICS):
        if head[8:10] == b"CR" or extension in RAW_ENDINGS:
            return Sniffed("raw", extension if extension in RAW_ENDINGS else "cr2")
        return Sniffed("image", "tiff")
    for magic, reason in UNREAD_MAGICS:
        if head.startswith(magic) and (not _PLAIN.fullmatch(magic) or magic[:1] in b"%#" or not _is_text(head)):
            return Sniffed("other", "unread", reason)
    for magic, name, decides in _SIGNATURES:
        if head.startswith(magic) and (decides or not _is_text(head)):
            name = "mjpeg" if name == "jpeg" and extension in FORMATS["mjpeg"].endings else name
            return Sniffed(FORMATS[name].kind, name)
    if extension == "pdf" and b"%PDF-" in head[:_JUNK_BEFORE_PDF]:
        return Sniffed("document", "pdf")
    if head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in _BMP_HEADER_SIZES:
        return Sniffed("image", "bmp")
    if _PNM.match(head):
        return Sniffed("image", "pnm")
    if is_mpeg_audio(head):
        return Sniffed("audio", "mp3" if head[1] & 0x06 else "aac")
    if head.startswith(_ID3):
        return Sniffed("audio", _behind_id3(head, extension))
    found = _by_container(head, extension)
    if found is None and (by_header := format_by_header(head, extension)) is not None:
        found = Sniffed(FORMATS[by_header].kind, by_header)
    if found is None and is_drawing(head):
        found = Sniffed("other", "unread", "an SVG drawing: not read")
    return found


def _document_in_zip(head: bytes, extension: str) -> str | None:
    """The format of a document that is a ZIP file, by the names of its first entries, else by its ending."""
    for mark, name in _MIMETYPES:
        if b"mimetype" + mark in head[:_MIMETYPE_WITHIN]:
            return name
    if b"[Content_Types].xml" in head:
        for mark, name in _FOLDERS:
            if mark in head:
                return name
    name_of = FORMAT_BY_ENDING.get(extension, "")
    return name_of if name_of in _ZIPPED else None


def _behind_id3(head: bytes, extension: str) -> str:
    """The format of what follows an ID3v2 tag, which some programs put before sounds of any format.

    The size of the tag has seven bits per byte.
    """
    size = sum((byte & 0x7F) << shift for byte, shift in zip(head[6:10], (21, 14, 7, 0), strict=False))
    rest = head[10 + size :]
    if rest.startswith(b"fLaC"):
        return "flac"
    if is_mpeg_audio(rest):
        return "mp3" if rest[1] & 0x06 else "aac"
    return extension if extension in ("flac", "aac") else "mp3"


def _by_container(head: bytes, extension: str) -> Sniffed | None:
    """Formats in a shared container, which may hold only sound: RIFF, IFF, Ogg, Matroska, ASF, FLV, ISO base media."""
    form = head[8:12]
    if head[:4] in (b"RIFF", b"RF64", b"BW64"):
        riff: dict[bytes, Sniffed] = {
            b"WEBP": Sniffed("image", "webp"),
            b"WAVE": Sniffed("audio", "wav"),
            b"AVI ": Sniffed("video", "avi"),
            b"AMV ": Sniffed("video", "avi"),
            b"CDXA": Sniffed("video", "mpeg"),
            b"QLCM": Sniffed("audio", "qcp"),
            b"XWMA": Sniffed("audio", "xwma"),
            b"RMID": Sniffed("other", "unread", "a MIDI file: notes, no sound"),
        }
        return riff.get(form)
    if head[:4] == b"RIFX" and form == b"WAVE":
        return Sniffed("audio", "wav")
    if head[:4] == b"FORM" and form in (b"AIFF", b"AIFC"):
        return Sniffed("audio", "aiff")
    if (head[:4] == b"FORM" and form == b"8SVX") or (head[:4] == b"FRM8" and head[12:16] == b"DSD "):
        return Sniffed("audio", "iff")
    if head[:4] == b"FORM" and form in (b"ILBM", b"PBM ", b"ANIM"):
        return Sniffed("other", "unread", "an Amiga picture: not read")
    if head[:4] == b"OggS":
        return Sniffed("video" if any(mark in head[:1024] for mark in _OGG_PICTURES) else "audio", "ogg")
    if head.startswith(_MATROSKA):
        tracks = head.partition(_MATROSKA_TRACKS)[2]
        sound_only = (
            _MATROSKA_SOUND in tracks and _MATROSKA_PICTURES not in tracks
            if tracks
            else extension in FORMATS["mka"].endings
        )
        return Sniffed("audio" if sound_only else "video", "webm" if b"webm" in head[:64] else "mkv")
    if head.startswith(_ASF):
        known = _ASF_SOUND in head or _ASF_PICTURES in head
        sound_only = _ASF_PICTURES not in head if known else extension in FORMATS["wma"].endings
        return Sniffed("audio" if sound_only else "video", "asf")
    if head.startswith(b"FLV\x01"):
        return Sniffed("audio" if head[4:5] == b"\x04" else "video", "flv")
    if head[4:8] == b"ftyp":
        return _by_brand(head)
    if head[:1] == b"\x00" and head[4:8] in (b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot"):
        return Sniffed("video", "mov")  # QuickTime from before file types were declared
    return None


def _by_brand(head: bytes) -> Sniffed:
    """The format of an ISO base media file: by its major brand, then by the compatible ones (ISO/IEC 14496-12, 4.3)."""
    size = int.from_bytes(head[:4], "big")
    major = head[8:12]
    compatible = {head[at : at + 4] for at in range(16, min(size, len(head)), 4)}
    for brands in ({major} - {b"mif1", b"msf1"}, compatible | {major}):  # these two brands do not say which codec
        for known, kind, format in _BRANDS:
            if brands & known:
                return Sniffed(kind, format)
    return Sniffed("video", "mp4")


def _is_transport_stream(head: bytes) -> bool:
    """Whether these are packets of 188 bytes, 192 (M2TS, on disks) or 204 (broadcast), each beginning with a G."""
    steps = ((0, 188), (4, 192), (0, 204))
    return any(len(head) > start + 2 * step and head[start::step][:3] == b"GGG" for start, step in steps)


def is_text_with_nuls(head: bytes) -> bool:
    """Whether this would be a text without its NULs: UTF-16 without a byte order mark, or a few stray NULs."""
    nuls = head.count(0)
    if not nuls:
        return False
    rest = head.replace(b"\x00", b"")
    return bool(rest) and _is_text(rest) and (nuls <= len(head) // 8 or utf16_without_mark(head) is not None)


def _kind_of_text(head: bytes, extension: str, explicitly_requested: bool) -> Sniffed:
    if head.removeprefix(codecs.BOM_UTF8).startswith(b"WEBVTT"):
        return Sniffed("subtitles", "vtt")
    if not extension and _MAILBOX.match(head):
        return Sniffed("document", "mbox")
    markup = markup_of(head)
    reason = document_reason(extension, explicitly_requested)
    if extension in MEDIA_ENDINGS or extension in BINARY_ENDINGS:
        reason = f"{markup or 'text'} in a file named .{extension}"
    elif markup == _WEB_PAGE and extension in _NO_WEB_PAGES:
        reason = f"{markup} in a file named .{extension}"
    elif not extension and not explicitly_requested and (markup or head.startswith(b"#!")):
        reason = f"{markup or 'a script'}: name the file itself to index it"
    if reason is not None:
        return Sniffed("other", "text", reason)
    if extension in TEXT_ENDINGS:
        name = FORMAT_BY_ENDING[extension]
        return Sniffed(FORMATS[name].kind, name)
    if explicitly_requested and markup == _WEB_PAGE:
        return Sniffed("document", "html")
    if not extension or explicitly_requested:
        return Sniffed("text", "text")
    return Sniffed("other", "text", f"source code or data (.{extension}): name the file itself to index it")
