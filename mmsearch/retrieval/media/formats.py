"""The one table of file formats that are read: kind, first bytes, usual endings, and what reads them.

`sniff` recognises formats by it, `pictures.image` and `container` open files with the reader that it names, and queries
take from it what looks like a path. ``python -m mmsearch.retrieval.media.formats`` prints the list in docs/guide.md.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import Literal

from mmsearch.types import Modality

Kind = Literal["image", "raw", "text", "table", "subtitles", "document", "audio", "video", "other", "empty"]

MODALITY_OF_KIND: dict[Kind, Modality] = {
    "image": "image",
    "raw": "image",
    "text": "text",
    "table": "text",
    "subtitles": "text",
    "document": "text",
    "audio": "audio",
    "video": "video",
}


@dataclass(frozen=True, slots=True)
class Format:
    """A format of files.

    Attributes:
        title: what people call it.
        kind: what its files hold.
        reader: Pillow's name of a picture's format, FFmpeg's demuxer of a sound or a film, rawpy, or a module of this
            package.
        magics: what its files begin with. Formats without any are recognised by fields of their headers (`sniff`,
            `headers`), or by their endings.
        endings: what its files are usually named, in lower case and without the dot.
        plugin: the module that adds a picture's format to Pillow.
        extra: the extra of mmsearch that brings the reader, where the plain installation does not.
        by_ending: nothing marks its beginning, so that its ending decides, where the content is no text.
        untimed: a stream without time stamps or a header that says how long it is.
        textual: its bytes are text; the ending decides which kind of text.
    """

    title: str
    kind: Kind
    reader: str
    magics: tuple[bytes, ...] = ()
    endings: tuple[str, ...] = ()
    plugin: str | None = None
    extra: str | None = None
    by_ending: bool = False
    untimed: bool = False
    textual: bool = False


def _picture(title: str, reader: str, plugin: str, *magics: bytes, endings: str) -> Format:
    return Format(title, "image", reader, magics, tuple(endings.split()), plugin=f"PIL.{plugin}ImagePlugin")


def _film(
    title: str, reader: str, *magics: bytes, endings: str, by_ending: bool = False, untimed: bool = False
) -> Format:
    return Format(title, "video", reader, magics, tuple(endings.split()), by_ending=by_ending, untimed=untimed)


def _sound(
    title: str, reader: str, *magics: bytes, endings: str = "", by_ending: bool = False, untimed: bool = False
) -> Format:
    return Format(title, "audio", reader, magics, tuple(endings.split()), by_ending=by_ending, untimed=untimed)


def _document(title: str, reader: str, *magics: bytes, endings: str, textual: bool = False) -> Format:
    return Format(
        title,
        "document",
        f"documents.{reader}",
        magics,
        tuple(endings.split()),
        by_ending=reader == "mail",  # a message may hold bytes of any kind
        textual=textual,
    )


def _raw(ending: str, *magics: bytes) -> Format:
    return Format("", "raw", "rawpy", magics, (ending,), extra="raw")


_RAW_LIKE_TIFF = "3fr arw cr2 cr3 crw dcr dng erf fff iiq kdc mef mos nef nrw pef raw rwl sr2 srf srw"

FORMATS: dict[str, Format] = {
    # Pictures: Pillow's names and plugins.
    "jpeg": _picture("JPEG", "JPEG", "Jpeg", b"\xff\xd8\xff", endings="jpg jpeg jpe jfif mpo"),
    "png": _picture("PNG", "PNG", "Png", b"\x89PNG\r\n\x1a\n", endings="png apng"),
    "webp": _picture("WebP", "WEBP", "WebP", endings="webp"),
    "gif": _picture("GIF", "GIF", "Gif", b"GIF87a", b"GIF89a", endings="gif"),
    "bmp": _picture("BMP", "BMP", "Bmp", endings="bmp dib"),
    "tiff": _picture("TIFF", "TIFF", "Tiff", endings="tif tiff"),
    "jpeg2000": _picture(
        "JPEG 2000",
        "JPEG2000",
        "Jpeg2K",
        b"\x00\x00\x00\x0cjP  \r\n\x87\n",
        b"\xff\x4f\xff\x51",
        endings="jp2 j2k jpf jpx j2c",
    ),
    "pnm": _picture("PNM and PFM", "PPM", "Ppm", endings="pbm pgm ppm pnm pfm"),
    "avif": _picture("AVIF", "AVIF", "Avif", endings="avif avifs"),
    "heic": Format("HEIC", "image", "HEIF", endings=("heic", "heif", "hif", "heics"), plugin="pi_heif"),
    "jxl": Format(
        "JPEG XL",
        "image",
        "JXL",
        (b"\x00\x00\x00\x0cJXL \r\n\x87\n", b"\xff\x0a"),
        ("jxl",),
        plugin="pillow_jxl",
        extra="jxl",
    ),
    "psd": _picture("Photoshop", "PSD", "Psd", b"8BPS\x00", endings="psd psb"),
    "ico": _picture("Windows icon", "ICO", "Ico", endings="ico"),
    "cur": _picture("Windows cursor", "CUR", "Cur", endings="cur"),
    "icns": _picture("macOS icon", "ICNS", "Icns", b"icns\x00", endings="icns"),
    "tga": _picture("TGA", "TGA", "Tga", endings="tga vda icb vst"),
    "dds": _picture("DDS", "DDS", "Dds", b"DDS \x7c\x00\x00\x00", endings="dds"),
    "pcx": _picture("PCX", "PCX", "Pcx", endings="pcx"),
    "sgi": _picture(
        "SGI",
        "SGI",
        "Sgi",
        b"\x01\xda\x00\x01",
        b"\x01\xda\x00\x02",
        b"\x01\xda\x01\x01",
        b"\x01\xda\x01\x02",
        endings="sgi rgb rgba bw",
    ),
    "sun": _picture("Sun raster", "SUN", "Sun", b"\x59\xa6\x6a\x95", endings="ras sun"),
    "qoi": _picture("QOI", "QOI", "Qoi", b"qoif\x00", endings="qoi"),
    "xbm": _picture("XBM", "XBM", "Xbm", endings="xbm"),
    "xpm": _picture("XPM", "XPM", "Xpm", b"/* XPM */", endings="xpm"),
    "fits": _picture("FITS", "FITS", "Fits", b"SIMPLE  =", endings="fits fit fts"),
    # Films: FFmpeg's demuxers.
    "mp4": _film("MP4", "mov", endings="mp4 m4v f4v lrv"),
    "mov": _film("QuickTime", "mov", endings="mov qt"),
    "3gp": _film("3GP", "mov", endings="3gp 3g2"),
    "mkv": _film("Matroska", "matroska", endings="mkv mk3d"),
    "webm": _film("WebM", "matroska", endings="webm"),
    "avi": _film("AVI", "avi", endings="avi divx"),
    "mpegts": _film("MPEG transport stream", "mpegts", endings="mts m2ts ts m2t tod trp", by_ending=True),
    "mpeg": _film(
        "MPEG program stream", "mpeg", b"\x00\x00\x01\xba", b"\x00\x00\x01\xe0", endings="mpg mpeg vob mod dat"
    ),
    "mpegvideo": _film("MPEG-1 and MPEG-2 video", "mpegvideo", b"\x00\x00\x01\xb3", endings="m1v m2v mpv"),
    "flv": _film("Flash Video", "flv", endings="flv"),
    "asf": _film("Windows Media Video", "asf", endings="wmv asf"),
    "ogg": _film("Ogg video", "ogg", endings="ogv ogm ogx"),
    "rm": _film("RealMedia", "rm", b".RMF", b".ra\xfd", endings="rm rmvb ra ram"),
    "mxf": _film("MXF", "mxf", b"\x06\x0e\x2b\x34\x02\x05\x01\x01\x0d\x01\x02\x01\x01", endings="mxf"),
    "nut": _film("NUT", "nut", b"nut/multimedia container\0", endings="nut"),
    "y4m": _film("YUV4MPEG2", "yuv4mpegpipe", b"YUV4MPEG2 ", endings="y4m"),
    "ivf": _film("IVF", "ivf", b"DKIF\x00\x00", endings="ivf"),
    "wtv": _film("Windows Recorded TV", "wtv", bytes.fromhex("b7d800203749da11a64e0007e95ead8d"), endings="wtv"),
    "gxf": _film("GXF", "gxf", b"\x00\x00\x00\x00\x01\xbc", endings="gxf"),
    "nsv": _film("Nullsoft Video", "nsv", b"NSVf", b"NSVs", endings="nsv"),
    "bink": _film("Bink", "bink", *(b"BIK" + bytes([version]) for version in b"bfghik"), b"KB2", endings="bik bk2"),
    "smacker": _film("Smacker", "smk", b"SMK2", b"SMK4", endings="smk"),
    "roq": _film("RoQ", "roq", b"\x84\x10\xff\xff\xff\xff", endings="roq"),
    "dirac": _film("Dirac", "dirac", b"BBCD\x00", endings="drc", untimed=True),
    "flic": _film("FLIC", "flic", endings="fli flc"),
    "dv": _film("DV", "dv", b"\x1f\x07\x00\x3f", b"\x1f\x07\x00\xbf", endings="dv dif"),
    "h264": _film("H.264", "h264", endings="h264 264 avc", by_ending=True, untimed=True),
    "hevc": _film("H.265", "hevc", endings="h265 265 hevc", by_ending=True, untimed=True),
    "vvc": _film("H.266", "vvc", endings="h266 266 vvc", by_ending=True, untimed=True),
    "h263": _film("H.263", "h263", endings="h263 263", by_ending=True, untimed=True),
    "mpeg4": _film("MPEG-4 video", "m4v", b"\x00\x00\x01\xb0", endings="cmp m4e", untimed=True),
    "vc1": _film("VC-1", "vc1", b"\x00\x00\x01\x0f", endings="vc1", untimed=True),
    "av1": _film("AV1", "obu", b"\x12\x00\x0a", endings="obu av1", untimed=True),
    "mjpeg": _film("Motion JPEG", "mjpeg", endings="mjpg mjpeg", untimed=True),
    # Sounds: FFmpeg's demuxers.
    "wav": _sound("WAV", "wav", endings="wav wave bwf rf64"),
    "flac": _sound("FLAC", "flac", b"fLaC", endings="flac"),
    "mp3": _sound("MP3", "mp3", endings="mp3 mp2 mp1 mpa", by_ending=True),
    "aac": _sound("AAC", "aac", endings="aac adts", by_ending=True),
    "oga": _sound("Ogg audio and Opus", "ogg", endings="ogg oga opus spx"),
    "m4a": _sound("M4A", "mov", endings="m4a m4b m4r m4p aax"),
    "mka": _sound("Matroska audio", "matroska", endings="mka weba"),
    "wma": _sound("Windows Media Audio", "asf", endings="wma"),
    "aiff": _sound("AIFF", "aiff", endings="aif aiff aifc"),
    "caf": _sound("CAF", "caf", b"caff\x00\x01", endings="caf"),
    "amr": _sound("AMR", "amr", b"#!AMR", endings="amr awb"),
    "wavpack": _sound("WavPack", "wv", b"wvpk", endings="wv"),
    "w64": _sound("Wave64", "w64", b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb", endings="w64"),
    "au": _sound("AU", "au", b".snd\x00\x00", endings="au snd"),
    "tta": _sound("TTA", "tta", b"TTA1", endings="tta"),
    "ape": _sound("Monkey's Audio", "ape", b"MAC ", endings="ape"),
    "dsf": _sound("DSF", "dsf", b"DSD \x1c\x00\x00\x00", endings="dsf"),
    "iff": _sound("DSDIFF and 8SVX", "iff", endings="dff 8svx svx"),
    "musepack": _sound("Musepack SV7", "mpc", b"MP+\x07", b"MP+\x17", b"MP+\x27", endings="mpc mp+"),
    "musepack8": _sound("Musepack SV8", "mpc8", b"MPCK"),
    "tak": _sound("TAK", "tak", b"tBaK", endings="tak"),
    "shorten": _sound("Shorten", "shn", b"ajkg", endings="shn", untimed=True),
    "voc": _sound("VOC", "voc", b"Creative Voice File\x1a", endings="voc"),
    "sphere": _sound("NIST SPHERE", "nistsphere", b"NIST_1A\n", endings="sph nist"),
    "qcp": _sound("QCP", "qcp", endings="qcp"),
    "xwma": _sound("xWMA", "xwma", endings="xwma"),
    "qoa": _sound("QOA", "qoa", b"qoaf\x00", endings="qoa"),
    "oma": _sound("Sony OpenMG", "oma", b"ea3\x03", b"EA3\x01", b"EA3\x02", endings="oma aa3"),
    "sox": _sound("SoX", "sox", b".SoX", b"XoS.", endings="sox"),
    "dss": _sound("DSS", "dss", b"\x02dss", b"\x03dss", endings="dss ds2"),
    "twinvq": _sound("TwinVQ", "vqf", b"TWIN", endings="vqf"),
    "bonk": _sound("Bonk", "bonk", b"\x00BONK", endings="bonk"),
    "osq": _sound("OSQ", "osq", b"OSQ \x30\x00\x00\x00", endings="osq"),
    "dts": _sound(
        "DTS",
        "dts",
        b"\x7f\xfe\x80\x01",
        b"\xfe\x7f\x01\x80",
        b"\x1f\xff\xe8\x00",
        b"\xff\x1f\x00\xe8",
        endings="dts",
        untimed=True,
    ),
    "dtshd": _sound("DTS-HD", "dtshd", b"DTSHDHDR", endings="dtshd", untimed=True),
    "ac3": _sound("AC-3", "ac3", endings="ac3", untimed=True),
    "eac3": _sound("E-AC-3", "eac3", endings="eac3 ec3", untimed=True),
    "truehd": _sound("TrueHD", "truehd", endings="thd truehd", untimed=True),
    "mlp": _sound("MLP", "mlp", endings="mlp", untimed=True),
    "latm": _sound("LATM", "loas", endings="loas latm", untimed=True),
    "ircam": _sound(
        "IRCAM", "ircam", *(bytes([0x64, 0xA3, n, 0]) for n in range(5)), *(bytes([0, n, 0xA3, 0x64]) for n in range(5))
    ),
    "adx": _sound("ADX", "adx", endings="adx", by_ending=True),
    "sbc": _sound("SBC", "sbc", endings="sbc", by_ending=True, untimed=True),
    "gsm": _sound("GSM 06.10", "gsm", endings="gsm", untimed=True),
    # Camera RAW: LibRaw. All but those with first bytes of their own begin as a TIFF does.
    **{
        ending: _raw(ending)
        for ending in [
            "3fr",
            "arw",
            "cr2",
            "cr3",
            "crw",
            "dcr",
            "dng",
            "erf",
            "fff",
            "iiq",
            "kdc",
            "mef",
            "mos",
            "nef",
            "nrw",
            "pef",
        ]
    },
    **{ending: _raw(ending) for ending in _RAW_LIKE_TIFF.split()},
    "mrw": _raw("mrw", b"\x00MRM"),
    "orf": _raw("orf", b"IIRO", b"IIRS", b"MMOR"),
    "raf": _raw("raf", b"FUJIFILMCCD-RAW"),
    "rw2": _raw("rw2", b"IIU\x00"),
    "x3f": _raw("x3f", b"FOVb"),
    # Texts, tables and subtitles: modules beside this one. Their endings tell them apart.
    "text": Format("Plain text", "text", "texts.text", endings=("txt", "text", "rst"), textual=True),
    "markdown": Format("Markdown", "text", "texts.text", endings=("md", "markdown"), textual=True),
    "csv": Format("CSV", "table", "texts.table", endings=("csv",), textual=True),
    "tsv": Format("TSV", "table", "texts.table", endings=("tsv",), textual=True),
    "jsonl": Format("JSON lines", "table", "texts.table", endings=("jsonl",), textual=True),
    "ndjson": Format("JSON lines", "table", "texts.table", endings=("ndjson",), textual=True),
    "parquet": Format("Parquet", "table", "texts.table", (b"PAR1\x15",), ("parquet",)),
    "srt": Format("SubRip", "subtitles", "texts.subtitles", endings=("srt",), textual=True),
    "vtt": Format("WebVTT", "subtitles", "texts.subtitles", endings=("vtt",), textual=True),
    # Documents: modules beside this one.
    "pdf": _document("PDF", "pdf", b"%PDF-", endings="pdf"),
    "word": _document("Word", "word", endings="docx docm dotx dotm"),
    "powerpoint": _document("PowerPoint", "slides", endings="pptx pptm ppsx ppsm potx potm"),
    "excel": _document("Excel", "sheets", endings="xlsx xlsm xltx xltm"),
    "odt": _document("OpenDocument text", "opendocument", endings="odt ott"),
    "ods": _document("OpenDocument spreadsheet", "opendocument", endings="ods ots"),
    "odp": _document("OpenDocument presentation and drawing", "opendocument", endings="odp otp odg otg"),
    "fodt": _document("flat OpenDocument", "opendocument", endings="fodt fods fodp fodg", textual=True),
    "epub": _document("EPUB", "epub", endings="epub"),
    "rtf": _document("RTF", "rtf", b"{\\rtf", endings="rtf"),
    "html": _document("web pages", "web_page", endings="html htm xhtml", textual=True),
    "eml": _document("e-mail", "mail", endings="eml emlx mht mhtml", textual=True),
    "mbox": _document("mailboxes", "mail", endings="mbox", textual=True),
}
"""By name. A name is not on disk; it lasts as long as a job."""

FORMAT_BY_ENDING: dict[str, str] = {ending: name for name, format in FORMATS.items() for ending in format.endings}
"""The name of the format that a file of an ending usually has."""


def endings_of(*kinds: Kind) -> tuple[str, ...]:
    """The usual endings of some kinds of files, in lower case and without the dot."""
    return tuple(ending for format in FORMATS.values() if format.kind in kinds for ending in format.endings)


RAW_ENDINGS = frozenset(endings_of("raw"))
TEXT_ENDINGS = frozenset(ending for format in FORMATS.values() if format.textual for ending in format.endings)
"""Of plain texts, subtitles and tables that are text."""

_ALSO_TEXTS = "ts dat mod cmp ram qt fit fits sun ras avc dif xbm xpm sox nist cur bw raw mos 264 263 265 266 obu"
MEDIA_ENDINGS = frozenset(endings_of("image", "raw", "audio", "video")) - frozenset(_ALSO_TEXTS.split())
"""Of pictures, sounds and films alone: a text is hardly ever named so."""

_HEADINGS: dict[Kind, str] = {
    "image": "Pictures",
    "raw": "Camera RAW",
    "video": "Films",
    "audio": "Sounds",
    "subtitles": "Subtitles",
    "text": "Texts",
    "table": "Tables",
    "document": "Documents",
}
_GUIDE_WIDTH = 120


def guide_list() -> str:
    """The list of formats in docs/guide.md, in Markdown: a line for each kind, with titles, endings and extras."""
    return "\n".join(_guide_line(kind, heading) for kind, heading in _HEADINGS.items())


def _guide_line(kind: Kind, heading: str) -> str:
    endings: dict[str, list[str]] = {}
    extras: dict[str, str | None] = {}
    for format in FORMATS.values():
        if format.kind == kind:
            endings.setdefault(format.title, []).extend(format.endings)
            extras[format.title] = format.extra
    listed = []
    for title, own in endings.items():
        names = " ".join(f"`.{ending}`" for ending in own)
        extra = f"; needs `mmsearch[{extras[title]}]`" if extras[title] else ""
        listed.append(f"{title} ({names}{extra})" if title and names else title or f"{names}{extra}")
    line = f"- **{heading}**: {', '.join(listed)}"
    return textwrap.fill(line, _GUIDE_WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)


if __name__ == "__main__":
    print(guide_list())
