"""Why files are not read: documents, archives, programs, pointers to files, and media of kinds that are not read."""

from __future__ import annotations

import codecs
import re

from mmsearch.retrieval.media.formats import TEXT_ENDINGS, endings_of

_NOT_YET = "not read yet"

_MAGICS: tuple[tuple[bytes, str], ...] = (
    (b"ITSF\x03", f"a Windows help file: {_NOT_YET}"),
    (b"\x1f\x8b\x08", "a gzip archive: not looked into"),
    (b"BZh91AY&SY", "a bzip2 archive: not looked into"),
    (b"\xfd7zXZ\x00", "an xz archive: not looked into"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive: not looked into"),
    (b"Rar!\x1a\x07", "a RAR archive: not looked into"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard archive: not looked into"),
    (b"\x04\x22\x4d\x18", "an LZ4 archive: not looked into"),
    (b"MSCF\x00\x00\x00\x00", "a Windows cabinet: not looked into"),
    (b"!<arch>\n", "an archive of object code or a Debian package: not looked into"),
    (b"\xed\xab\xee\xdb", "an RPM package: not looked into"),
    (b"xar!\x00", "a macOS installer: not looked into"),
    (b"SQLite format 3\x00", "an SQLite database"),
    (b"\x00\x01\x00\x00Standard Jet DB", "an Access database"),
    (b"\x00\x01\x00\x00Standard ACE DB", "an Access database"),
    (b"\x7fELF", "a program (ELF)"),
    (b"\xfe\xed\xfa\xce", "a program (Mach-O)"),
    (b"\xfe\xed\xfa\xcf", "a program (Mach-O)"),
    (b"\xce\xfa\xed\xfe", "a program (Mach-O)"),
    (b"\xcf\xfa\xed\xfe", "a program (Mach-O)"),
    (b"\xca\xfe\xba\xbe", "compiled Java, or a program (Mach-O)"),
    (b"\x00asm\x01\x00", "a program (WebAssembly)"),
    (b"dex\n03", "a program (Android)"),
    (b"\x00\x01\x00\x00\x00", "a font (TrueType)"),
    (b"OTTO\x00", "a font (OpenType)"),
    (b"true\x00", "a font (TrueType)"),
    (b"ttcf\x00", "a font collection"),
    (b"wOFF\x00\x01", "a font (WOFF)"),
    (b"wOFFOTTO", "a font (WOFF)"),
    (b"wOF2\x00\x01", "a font (WOFF)"),
    (b"wOF2OTTO", "a font (WOFF)"),
    (b"wOF2true", "a font (WOFF)"),
    (b"L\x00\x00\x00\x01\x14\x02\x00", "a Windows shortcut"),
    (b"\x00\x00\x00\x01Bud1", "a Finder settings file"),
    (b"bplist0", "a property list"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 data file"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"ARROW1\x00\x00", "an Arrow table: only Parquet is read"),
    (b"Obj\x01", "an Avro table: only Parquet is read"),
    (b"\xd4\xc3\xb2\xa1", "a network capture"),
    (b"\x0a\x0d\x0d\x0a", "a network capture"),
)

_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ENCRYPTED_PACKAGE = "EncryptedPackage".encode("utf-16-le")
"""The part of an OLE file that holds an encrypted document of today's Office."""

ZIP = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")

_PLAIN: dict[str, str] = {
    "tex": "a LaTeX document",
    "org": "an Org document",
    **dict.fromkeys(("adoc", "asciidoc"), "an AsciiDoc document"),
    "log": "a log",
}
_DOCUMENTS: dict[str, str] = {
    **dict.fromkeys(("doc", "dot"), "an old Word document"),
    **dict.fromkeys(("xls", "xlt"), "an old Excel workbook"),
    "xlsb": "a binary Excel workbook",
    **dict.fromkeys(("ppt", "pps", "pot"), "an old PowerPoint presentation"),
    **dict.fromkeys(("mobi", "azw", "azw3", "fb2"), "an e-book of a kind other than EPUB"),
    "pages": "a Pages document",
    "numbers": "a Numbers spreadsheet",
    "key": "a Keynote presentation",
    "msg": "an Outlook e-mail",
    **_PLAIN,
}
_SIDECARS: dict[str, str] = {
    **dict.fromkeys(
        ("xmp", "aae", "pp3", "pp2", "arp", "dop", "on1", "nksc", "vrd"), "a sidecar of a picture: not read"
    ),
    **dict.fromkeys(
        ("ass", "ssa", "smi", "sami", "ttml", "dfxp", "sbv", "sub", "usf"),
        "subtitles of a kind that is not read (SubRip and WebVTT are)",
    ),
    "lrc": "lyrics of a sound: not read",
    **dict.fromkeys(("m3u", "m3u8", "pls", "xspf", "wpl", "cue"), "a playlist: not read"),
    **dict.fromkeys(("url", "webloc", "desktop"), "a link: not followed"),
}
"""Files that accompany pictures, films and sounds; most are text."""

_MARKUP_DOCUMENTS = frozenset({"fb2"})
"""Documents that are text full of mark-up or encoded parts: not read, even where the user names them."""

_CONTAINERS = frozenset({"zip", "jar", "apk", "cbz", "gz", "tgz", "bz2", "xz", "7z", "rar", "zst", "tar", "iso", "dmg"})
_READ = frozenset(ending for ending in endings_of("document") if ending not in TEXT_ENDINGS)
_BINARY = frozenset({"exe", "dll", "parquet", "sqlite", "ttf", "otf"})
_ALSO_TEXTS = frozenset({"key", "msg", "dot", "pages", "numbers", *_PLAIN, *_MARKUP_DOCUMENTS})
BINARY_ENDINGS = (frozenset(_DOCUMENTS) | _READ | _CONTAINERS | _BINARY) - _ALSO_TEXTS
"""Endings of binary files. Text in such a file is a web page that was saved in its place, or a placeholder."""

UNREAD_MAGICS: tuple[tuple[bytes, str], ...] = (
    (b"MThd\x00\x00\x00\x06", "a MIDI file: notes, no sound"),
    (b"XMF_", "a MIDI file: notes, no sound"),
    (b"Extended Module: ", "a tracker module: not read"),
    (b"IMPM", "a tracker module: not read"),
    (b"OFR ", "a sound of a kind that is not read (OptimFROG)"),
    (b"LA0", "a sound of a kind that is not read (Lossless Audio)"),
    (b"AT&TFORM", "a DjVu document: not read"),
    (b"v/1\x01", "an OpenEXR picture: not read"),
    (b"#?RADIANCE", "a Radiance HDR picture: not read"),
    (b"#?RGBE", "a Radiance HDR picture: not read"),
    (b"%!PS", "a PostScript drawing: not read"),
    (b"\x04%!PS", "a PostScript drawing: not read"),
    (b"\xc5\xd0\xd3\xc6", "a PostScript drawing: not read"),
    (b"\xd7\xcd\xc6\x9a", "a Windows metafile drawing: not read"),
    (b"II\xbc\x01", "a JPEG XR picture: not read"),
    (b"II\xbc\x00", "a JPEG XR picture: not read"),
    (b"BPG\xfb", "a BPG picture: not read"),
    (b"FLIF", "a FLIF picture: not read"),
    (b"gimp xcf ", "a GIMP picture: not read"),
    (b"SDPX\x00", "a DPX picture: not read"),
    (b"XPDS", "a DPX picture: not read"),
    (b"P7\n", "a PAM picture: not read"),
)
"""What pictures, films and sounds of other kinds begin with, and the reason that is given."""

UNREAD_ENDINGS: dict[str, str] = {
    **dict.fromkeys(("mid", "midi", "kar", "rmi", "xmf"), "a MIDI file: notes, no sound"),
    **dict.fromkeys(("mod", "s3m", "xm", "it"), "a tracker module: not read"),
    **dict.fromkeys(("swf", "braw", "r3d", "amv", "viv", "ivr", "bdmv", "ifo"), "a film of a kind that is not read"),
    **dict.fromkeys(("yuv", "rgb24", "nv12"), "raw pictures: without a header nothing says their size"),
    **dict.fromkeys(("pcm", "s16le", "s16be", "f32le"), "raw samples: without a header nothing says their rate"),
    **dict.fromkeys(("aa", "ofr", "la", "snes", "spc", "nsf", "vgm"), "a sound of a kind that is not read"),
    **dict.fromkeys(("exr", "hdr", "dcm", "pct", "pict", "wbmp", "kra", "xcf"), "a picture of a kind that is not read"),
    **dict.fromkeys(("wmf", "emf", "cdr", "ai", "eps", "ps"), "a drawing of a kind that is not read"),
}
"""The same by ending, for bytes that nothing else explains."""

_POINTERS = (b"version https://git-lfs.github.com/spec/", b"version https://hawser.github.com/spec/")
_ANNEX = re.compile(rb"(?:\.\./)*(?:\.git)?/annex/objects/[^\n]+\n?(?:/annex/[^\n]*\n?)*\Z")
_HTML = re.compile(
    rb"\s*(?:<\?xml[^>]*>\s*)?(?:<!--(?:[^-]|-(?!->))*-->\s*)*<(?:!doctype\s+html|html|head|body)\b", re.I
)
_XML = re.compile(rb"\s*<\?xml\b", re.I)
_JSON = re.compile(
    rb"\s*(?:\{\s*(?:\"(?:[^\"\\]|\\.)*\"\s*:|\}\s*\Z)|\[\s*(?:\{\s*\"|\[\s*[\"\d]|\"(?:[^\"\\]|\\.)*\"\s*[,\]]|-?\d[\d.]*\s*,))"
)


def unread_reason(head: bytes, extension: str) -> str | None:
    """Why a file is not read, by its first bytes; None if they do not say."""
    if head.startswith(ZIP):
        return _in_zip(extension)
    if head.startswith(_OLE):
        if _ENCRYPTED_PACKAGE in head or extension in _READ:
            return "an encrypted Office document: it needs a password"
        return f"{_DOCUMENTS.get(extension, 'an old Office document')}: {_NOT_YET}"
    if extension in _SIDECARS and head.startswith(b"bplist0"):
        return _SIDECARS[extension]
    for magic, reason in _MAGICS:
        if head.startswith(magic):
            return reason
    if head[:2] == b"MZ" and b"\x00" in head[:64]:
        return "a Windows program"
    if head[257:262] == b"ustar":
        return "a tar archive: not looked into unless it is named"
    if head[60:68] in (b"BOOKMOBI", b"TEXtREAd"):
        return f"an e-book: {_NOT_YET}"
    return None


def _in_zip(extension: str) -> str:
    """What a ZIP file is that is no document that is read."""
    if extension in _DOCUMENTS:
        return f"{_DOCUMENTS[extension]}: {_NOT_YET}"
    return "a ZIP archive: not looked into unless it is named"


def pointer_reason(head: bytes) -> str | None:
    """Why a file is not read that only points to another one (Git LFS, git-annex); None for other files."""
    if head.removeprefix(codecs.BOM_UTF8).startswith(_POINTERS):
        return "a Git LFS pointer: the file itself is not here (`git lfs pull` fetches it)"
    if len(head) < 32 * 1024 and _ANNEX.match(head):
        return "a git-annex pointer: the file itself is not here (`git annex get` fetches it)"
    return None


def markup_of(head: bytes) -> str | None:
    """The mark-up or data format that a text begins with; None for plain text."""
    head = head.removeprefix(codecs.BOM_UTF8)
    if head[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        head = head.decode("utf-16", "ignore").encode("utf-8")
    if _HTML.match(head):
        return "a web page (HTML)"
    if _XML.match(head):
        return "XML"
    return "JSON" if _JSON.match(head) else None


def document_reason(extension: str, explicitly_requested: bool) -> str | None:
    """Why a text file is not read, by its ending; None if it is.

    Args:
        extension: in lower case, without the dot.
        explicitly_requested: the user named this very file: then documents that are plain text are read.
    """
    if extension in _MARKUP_DOCUMENTS:
        return f"{_DOCUMENTS[extension]} (.{extension}): {_NOT_YET}"
    if extension in _PLAIN and not explicitly_requested:
        return f"{_PLAIN[extension]} (.{extension}): {_NOT_YET}; name the file itself to index it as plain text"
    if extension in _SIDECARS and not explicitly_requested:
        return _SIDECARS[extension]
    return None


def document_by_ending(extension: str) -> str | None:
    """What a file most likely is, by its ending, if its bytes do not say; None if the ending does not either."""
    if extension in _DOCUMENTS:
        return f"{_DOCUMENTS[extension]}: {_NOT_YET}"
    if extension in _SIDECARS:
        return _SIDECARS[extension]
    return {"iso": "a disk image: not looked into", "dmg": "a disk image: not looked into"}.get(extension)
