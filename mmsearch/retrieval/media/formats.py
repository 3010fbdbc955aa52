"""The one table of formats: what they are, what they begin with, which endings they go by, what reads them.

`sniff` finds a file's format by it, `image` and `container` what to read it with.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["image", "raw", "text", "table", "subtitles", "audio", "video", "other", "empty"]


@dataclass(frozen=True, slots=True)
class Format:
    """A format of pictures, films or sounds.

    ``reader`` is Pillow's name of it, or FFmpeg's demuxer. ``magics`` are what its files begin with; those that need
    more than that to be told are looked at in `sniff`. ``endings``, lower case: what a file of it is usually named.
    ``bare``: nothing marks its beginning, so that its ending decides, where the content is no text.
    ``clockless``: a stream without time stamps or a header that says how long it is.
    """

    kind: Kind
    reader: str
    magics: tuple[bytes, ...] = ()
    endings: tuple[str, ...] = ()
    plugin: str | None = None
    bare: bool = False
    clockless: bool = False


def _picture(reader: str, plugin: str, *magics: bytes, endings: str = "", bare: bool = False) -> Format:
    return Format("image", reader, magics, tuple(endings.split()), plugin=f"PIL.{plugin}ImagePlugin", bare=bare)


def _film(reader: str, *magics: bytes, endings: str = "", bare: bool = False, clockless: bool = False) -> Format:
    return Format("video", reader, magics, tuple(endings.split()), bare=bare, clockless=clockless)


def _sound(reader: str, *magics: bytes, endings: str = "", bare: bool = False, clockless: bool = False) -> Format:
    return Format("audio", reader, magics, tuple(endings.split()), bare=bare, clockless=clockless)


FORMATS: dict[str, Format] = {
    # Pictures: Pillow's names and plugins.
    "jpeg": _picture("JPEG", "Jpeg", b"\xff\xd8\xff", endings="jpg jpeg jpe jfif mpo"),
    "png": _picture("PNG", "Png", b"\x89PNG\r\n\x1a\n", endings="png apng"),
    "webp": _picture("WEBP", "WebP", endings="webp"),
    "gif": _picture("GIF", "Gif", b"GIF87a", b"GIF89a", endings="gif"),
    "bmp": _picture("BMP", "Bmp", endings="bmp dib"),
    "tiff": _picture("TIFF", "Tiff", endings="tif tiff"),
    "jpeg2000": _picture(
        *("JPEG2000", "Jpeg2K", b"\x00\x00\x00\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51"), endings="jp2 j2k jpf jpx j2c"
    ),
    "pnm": _picture("PPM", "Ppm", endings="pbm pgm ppm pnm pfm"),
    "avif": _picture("AVIF", "Avif", endings="avif avifs"),
    "heic": Format("image", "HEIF", endings=("heic", "heif", "hif", "heics")),
    "jxl": Format("image", "JXL", (b"\x00\x00\x00\x0cJXL \r\n\x87\n", b"\xff\x0a"), ("jxl",)),
    "psd": _picture("PSD", "Psd", b"8BPS\x00", endings="psd psb"),
    "ico": _picture("ICO", "Ico", endings="ico"),
    "cur": _picture("CUR", "Cur", endings="cur"),
    "icns": _picture("ICNS", "Icns", b"icns\x00", endings="icns"),
    "tga": _picture("TGA", "Tga", endings="tga vda icb vst"),
    "dds": _picture("DDS", "Dds", b"DDS \x7c\x00\x00\x00", endings="dds"),
    "pcx": _picture("PCX", "Pcx", endings="pcx"),
    "sgi": _picture(
        *("SGI", "Sgi", b"\x01\xda\x00\x01", b"\x01\xda\x00\x02", b"\x01\xda\x01\x01", b"\x01\xda\x01\x02"),
        endings="sgi rgb rgba bw",
    ),
    "sun": _picture("SUN", "Sun", b"\x59\xa6\x6a\x95", endings="ras sun"),
    "qoi": _picture("QOI", "Qoi", b"qoif\x00", endings="qoi"),
    "xbm": _picture("XBM", "Xbm", endings="xbm"),
    "xpm": _picture("XPM", "Xpm", b"/* XPM */", endings="xpm"),
    "fits": _picture("FITS", "Fits", b"SIMPLE  =", endings="fits fit fts"),
    # Films: FFmpeg's demuxers.
    "mp4": _film("mov", endings="mp4 m4v f4v lrv"),
    "mov": _film("mov", endings="mov qt"),
    "3gp": _film("mov", endings="3gp 3g2"),
    "mkv": _film("matroska", endings="mkv mk3d"),
    "webm": _film("matroska", endings="webm"),
    "avi": _film("avi", endings="avi divx"),
    "mpegts": _film("mpegts", endings="mts m2ts ts m2t tod trp", bare=True),
    "mpeg": _film("mpeg", b"\x00\x00\x01\xba", b"\x00\x00\x01\xe0", endings="mpg mpeg vob mod dat"),
    "mpegvideo": _film("mpegvideo", b"\x00\x00\x01\xb3", endings="m1v m2v mpv"),
    "flv": _film("flv", endings="flv"),
    "asf": _film("asf", endings="wmv asf"),
    "ogg": _film("ogg", endings="ogv ogm ogx"),
    "rm": _film("rm", b".RMF", b".ra\xfd", endings="rm rmvb ra ram"),
    "mxf": _film("mxf", b"\x06\x0e\x2b\x34\x02\x05\x01\x01\x0d\x01\x02\x01\x01", endings="mxf"),
    "nut": _film("nut", b"nut/multimedia container\0", endings="nut"),
    "y4m": _film("yuv4mpegpipe", b"YUV4MPEG2 ", endings="y4m"),
    "ivf": _film("ivf", b"DKIF\x00\x00", endings="ivf"),
    "wtv": _film("wtv", bytes.fromhex("b7d800203749da11a64e0007e95ead8d"), endings="wtv"),
    "gxf": _film("gxf", b"\x00\x00\x00\x00\x01\xbc", endings="gxf"),
    "nsv": _film("nsv", b"NSVf", b"NSVs", endings="nsv"),
    "bink": _film("bink", *(b"BIK" + bytes([version]) for version in b"bfghik"), b"KB2", endings="bik bk2"),
    "smacker": _film("smk", b"SMK2", b"SMK4", endings="smk"),
    "roq": _film("roq", b"\x84\x10\xff\xff\xff\xff", endings="roq"),
    "dirac": _film("dirac", b"BBCD\x00", endings="drc", clockless=True),
    "flic": _film("flic", endings="fli flc"),
    "dv": _film("dv", b"\x1f\x07\x00\x3f", b"\x1f\x07\x00\xbf", endings="dv dif"),
    "h264": _film("h264", endings="h264 264 avc", bare=True, clockless=True),
    "hevc": _film("hevc", endings="h265 265 hevc", bare=True, clockless=True),
    "vvc": _film("vvc", endings="h266 266 vvc", bare=True, clockless=True),
    "h263": _film("h263", endings="h263 263", bare=True, clockless=True),
    "mpeg4": _film("m4v", b"\x00\x00\x01\xb0", endings="cmp m4e", clockless=True),
    "vc1": _film("vc1", b"\x00\x00\x01\x0f", endings="vc1", clockless=True),
    "av1": _film("obu", b"\x12\x00\x0a", endings="obu av1", clockless=True),
    "mjpeg": _film("mjpeg", endings="mjpg mjpeg", clockless=True),
    # Sounds.
    "wav": _sound("wav", endings="wav wave bwf rf64"),
    "flac": _sound("flac", b"fLaC", endings="flac"),
    "mp3": _sound("mp3", endings="mp3 mp2 mp1 mpa", bare=True),
    "aac": _sound("aac", endings="aac adts", bare=True),
    "oga": _sound("ogg", endings="ogg oga opus spx"),
    "m4a": _sound("mov", endings="m4a m4b m4r m4p aax"),
    "mka": _sound("matroska", endings="mka weba"),
    "wma": _sound("asf", endings="wma"),
    "aiff": _sound("aiff", endings="aif aiff aifc"),
    "caf": _sound("caf", b"caff\x00\x01", endings="caf"),
    "amr": _sound("amr", b"#!AMR", endings="amr awb"),
    "wavpack": _sound("wv", b"wvpk", endings="wv"),
    "w64": _sound("w64", b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb", endings="w64"),
    "au": _sound("au", b".snd\x00\x00", endings="au snd"),
    "tta": _sound("tta", b"TTA1", endings="tta"),
    "ape": _sound("ape", b"MAC ", endings="ape"),
    "dsf": _sound("dsf", b"DSD \x1c\x00\x00\x00", endings="dsf"),
    "iff": _sound("iff", endings="dff 8svx svx"),
    "musepack": _sound("mpc", b"MP+\x07", b"MP+\x17", b"MP+\x27", endings="mpc mp+"),
    "musepack8": _sound("mpc8", b"MPCK"),
    "tak": _sound("tak", b"tBaK", endings="tak"),
    "shorten": _sound("shn", b"ajkg", endings="shn", clockless=True),
    "voc": _sound("voc", b"Creative Voice File\x1a", endings="voc"),
    "sphere": _sound("nistsphere", b"NIST_1A\n", endings="sph nist"),
    "qcp": _sound("qcp", endings="qcp"),
    "xwma": _sound("xwma", endings="xwma"),
    "qoa": _sound("qoa", b"qoaf\x00", endings="qoa"),
    "oma": _sound("oma", b"ea3\x03", b"EA3\x01", b"EA3\x02", endings="oma aa3"),
    "sox": _sound("sox", b".SoX", b"XoS.", endings="sox"),
    "dss": _sound("dss", b"\x02dss", b"\x03dss", endings="dss ds2"),
    "twinvq": _sound("vqf", b"TWIN", endings="vqf"),
    "bonk": _sound("bonk", b"\x00BONK", endings="bonk"),
    "osq": _sound("osq", b"OSQ \x30\x00\x00\x00", endings="osq"),
    "dts": _sound(
        *("dts", b"\x7f\xfe\x80\x01", b"\xfe\x7f\x01\x80", b"\x1f\xff\xe8\x00", b"\xff\x1f\x00\xe8"),
        endings="dts",
        clockless=True,
    ),
    "dtshd": _sound("dtshd", b"DTSHDHDR", endings="dtshd", clockless=True),
    "ac3": _sound("ac3", endings="ac3", clockless=True),
    "eac3": _sound("eac3", endings="eac3 ec3", clockless=True),
    "truehd": _sound("truehd", endings="thd truehd", clockless=True),
    "mlp": _sound("mlp", endings="mlp", clockless=True),
    "latm": _sound("loas", endings="loas latm", clockless=True),
    "ircam": _sound(
        "ircam", *(bytes([0x64, 0xA3, n, 0]) for n in range(5)), *(bytes([0, n, 0xA3, 0x64]) for n in range(5))
    ),
    "adx": _sound("adx", endings="adx", bare=True),
    "sbc": _sound("sbc", endings="sbc", bare=True, clockless=True),
    "gsm": _sound("gsm", endings="gsm", clockless=True),
}
"""By name. A name is not on disk; it lasts as long as a job."""

_RAW_ENDINGS = "3fr arw cr2 cr3 crw dcr dng erf fff iiq kdc mef mos mrw nef nrw orf pef raf raw rw2 rwl sr2 srf srw x3f"
RAW_ENDINGS = frozenset(_RAW_ENDINGS.split())
"""Of camera raw files, which begin as a TIFF does."""

RAW_MAGICS: tuple[tuple[bytes, str], ...] = (
    (b"FUJIFILMCCD-RAW", "raf"),
    (b"IIRO", "orf"),
    (b"IIRS", "orf"),
    (b"MMOR", "orf"),
    (b"IIU\x00", "rw2"),
    (b"FOVb", "x3f"),
    (b"\x00MRM", "mrw"),
)

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
"""What other kinds begin with, and the reason that is given."""

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
"""Reasons by ending, for bytes that nothing else explains."""

BY_ENDING: dict[str, str] = {ending: name for name, format in FORMATS.items() for ending in format.endings}
"""The format that a file of an ending usually has."""

_ALSO_TEXTS = "ts dat mod cmp ram qt fit fits sun ras avc dif xbm xpm sox nist cur bw raw mos 264 263 265 266 obu"
MEDIA_ENDINGS = (frozenset(BY_ENDING) | RAW_ENDINGS) - frozenset(_ALSO_TEXTS.split())
"""Of pictures, sounds and films alone: no text that a person wrote is named so."""

FILM_ENDINGS: tuple[str, ...] = tuple(
    f".{ending}" for format in FORMATS.values() if format.kind == "video" for ending in format.endings
)
