"""A file is what its first bytes say; its extension decides only among kinds of text."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mmsearch.retrieval.media.sniff import sniff


def box(brands: bytes) -> bytes:
    return (8 + len(brands)).to_bytes(4, "big") + b"ftyp" + brands + b"\0" * 8


MATROSKA, TRACKS = b"\x1aE\xdf\xa3\x9fB\x86\x81\x01B\x82\x84", b"\x16\x54\xae\x6b\x9b"
ASF = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
ASF_SOUND = bytes.fromhex("409e69f84d5bcf11a8fd00805f5c442b")
ASF_PICTURES = bytes.fromhex("c0ef19bc4d5bcf11a8fd00805f5c442b")


@pytest.mark.parametrize(
    ("head", "name", "kind", "format"),
    [
        (b"\xff\xd8\xff\xe0\x00\x10JFIF", "a.jpg", "image", "jpeg"),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF", "a.txt", "image", "jpeg"),
        (b"\x89PNG\r\n\x1a\n", "a", "image", "png"),
        (b"GIF89a\x01\0\x01\0", "a", "image", "gif"),
        (b"RIFF\x10\0\0\0WEBPVP8 ", "a", "image", "webp"),
        (b"BM" + bytes(12) + b"\x28\0\0\0", "a", "image", "bmp"),
        (b"II*\0\x08\0\0\0", "a.tif", "image", "tiff"),
        (b"MM\0*\0\0\0\x08", "a", "image", "tiff"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "a", "image", "jpeg2000"),
        (b"\xff\x4f\xff\x51\0", "a", "image", "jpeg2000"),
        (b"P6\n# made by hand\n4 4\n255\n" + bytes(48), "a", "image", "pnm"),
        (b"P2 2 2 9\n1 2 3 4\n", "a.txt", "image", "pnm"),
        (box(b"avif\0\0\0\0mif1avif"), "a", "image", "avif"),
        (box(b"mif1\0\0\0\0mif1avif"), "a", "image", "avif"),
        (box(b"heic\0\0\0\0mif1heic"), "a", "image", "heic"),
        (box(b"mif1\0\0\0\0mif1heic"), "a", "image", "heic"),
        (b"II*\0\x10\0\0\0CR\x02\0", "a", "raw", "cr2"),
        (b"II*\0\x08\0\0\0", "a.DNG", "raw", "dng"),
        (b"MM\0*\0\0\0\x08", "a.nef", "raw", "nef"),
        (box(b"crx \0\0\0\x01crx isom"), "a", "raw", "cr3"),
        (b"FUJIFILMCCD-RAW 0201", "a", "raw", "raf"),
        (b"IIRO\x08\0\0\0", "a", "raw", "orf"),
        (b"IIU\0\x18\0\0\0", "a", "raw", "rw2"),
        (box(b"isom\0\0\x02\0isomavc1mp41"), "a", "video", "mp4"),
        (box(b"qt  \0\0\x02\0qt  "), "a", "video", "mov"),
        (b"\0\0\x10\0moov\0\0\0\x6cmvhd", "a", "video", "mov"),
        (b"\x1aE\xdf\xa3\x9fB\x86\x81\x01B\x82\x84webm", "a", "video", "webm"),
        (b"\x1aE\xdf\xa3\x9fB\x86\x81\x01B\x82\x88matroska", "a", "video", "mkv"),
        (b"RIFF\x10\0\0\0AVI LIST", "a", "video", "avi"),
        ((b"G\x40\0\x10" + bytes(184)) * 4, "a", "video", "mpegts"),
        (b"RIFF\x10\0\0\0WAVEfmt ", "a", "audio", "wav"),
        (b"fLaC\0\0\0\x22", "a", "audio", "flac"),
        (b"ID3\x03\0\0\0", "a", "audio", "mp3"),
        (b"\xff\xfb\x90\x64\0\0", "a", "audio", "mp3"),
        (b"\xff\xf1\x50\x80\0\0", "a", "audio", "aac"),
        (b"OggS\0\x02" + bytes(20) + b"\x01\x1e\x01vorbis", "a", "audio", "ogg"),
        (box(b"M4A \0\0\0\0M4A mp42"), "a", "audio", "m4a"),
        (b"FORM\0\0\0\x2eAIFFCOMM", "a", "audio", "aiff"),
        (b"BW64\xff\xff\xff\xffWAVEds64", "a", "audio", "wav"),
        (b"ID3\x04\0\0\0\0\0\x02\0\0fLaC\0\0\0\x22", "a", "audio", "flac"),
        (b"ID3\x04\0\0\0\0\0\x02\0\0\xff\xf1\x50\x80\0\0", "a", "audio", "aac"),
        (b"ID3\x03\0\0\0\0\x7f\x7f" + bytes(100), "a.aac", "audio", "aac"),
        (b"ID3\x03\0\0\0\0\x7f\x7f" + bytes(100), "a.wav", "audio", "mp3"),
        (b"OggS\0\x02" + bytes(20) + b"\x01\x13OpusHead", "a.ogv", "audio", "ogg"),
        (b"OggS\0\x02" + bytes(20) + b"\x01\x2a\x80theora", "a.ogg", "video", "ogg"),
        (MATROSKA + b"webm" + TRACKS + b"\x83\x81\x02", "a.webm", "audio", "webm"),
        (MATROSKA + b"matroska" + TRACKS + b"\x83\x81\x02" + b"\x83\x81\x01", "a.mka", "video", "mkv"),
        (MATROSKA + b"matroska", "a.mka", "audio", "mkv"),
        (ASF + ASF_SOUND, "a.wmv", "audio", "asf"),
        (ASF + ASF_SOUND + ASF_PICTURES, "a.wma", "video", "asf"),
        (ASF, "a.wma", "audio", "asf"),
        (ASF, "a.wmv", "video", "asf"),
        (b"FLV\x01\x05\0\0\0\x09", "a", "video", "flv"),
        (b"FLV\x01\x04\0\0\0\x09", "a.flv", "audio", "flv"),
        (box(b"3gp4\0\0\x02\x003gp4"), "a", "video", "3gp"),
        (box(b"M4V \0\0\0\x01M4V mp42isom"), "a", "video", "mp4"),
        (b"\0\0\x01\xba\x44\0\x04", "a.vob", "video", "mpeg"),
        (b"\0\0\x01\xb3\x16\0\xf0", "a.mpg", "video", "mpegvideo"),
        (b".RMF\0\0\0\x12\0\x01", "a", "video", "rm"),
        (b"\x1f\x07\0\xbf" + bytes(80), "a", "video", "dv"),
        (b"\x06\x0e\x2b\x34\x02\x05\x01\x01\x0d\x01\x02\x01\x01\x02", "a", "video", "mxf"),
        (b"\0\0\0\1\x67\x64\0\x1f\0\0\0\1\x68\xee", "a", "video", "h264"),
        (b"\0\0\0\1\x09\xf0\0\0\1\x67\x64\0\0\1\x68\xee", "a.h264", "video", "h264"),
        (b"\0\0\0\1\x40\1\x0c\0\0\0\1\x42\1\1\0\0\1\x44\1", "a", "video", "hevc"),
        (b"\0\0\1\x00\0\0\1\x20\0\xc4", "a.m4v", "video", "mpeg4"),
        (b"\x12\0\x0a\x0b", "a", "video", "av1"),
        (b"DKIF\0\0\x20\0VP80", "a", "video", "ivf"),
        (b"YUV4MPEG2 W640 H480 F25:1\nFRAME\n" + bytes(9), "a", "video", "y4m"),
        (b"nut/multimedia container\0N", "a", "video", "nut"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF", "a.mjpg", "video", "mjpeg"),
        ((b"G\x40\0\x10" + bytes(200)) * 4, "a.ts", "video", "mpegts"),
        (b"OggS\0\x02" + bytes(20) + b"\x01\x38\x01video\0\0\0XVID", "a.ogm", "video", "ogg"),
        (b"wvpk\x08\0\0\0", "a", "audio", "wavpack"),
        (b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\4\xc1", "a", "audio", "w64"),
        (b".snd\0\0\0\x18", "a", "audio", "au"),
        (b"TTA1\1\0\2\0", "a", "audio", "tta"),
        (b"MAC \x96\x0f", "a", "audio", "ape"),
        (b"DSD \x1c\0\0\0\0", "a", "audio", "dsf"),
        (b"FRM8\0\0\0\0\0\0\0\0DSD FVER", "a.dff", "audio", "iff"),
        (b"\x0b\x77\0\0\x14\x40", "a.ac3", "audio", "ac3"),
        (b"\x0b\x77\2\xff\x3f\x87", "a.eac3", "audio", "eac3"),
        (b"\x7f\xfe\x80\1", "a", "audio", "dts"),
        (b"\0\0\0\0\xf8\x72\x6f\xba", "a", "audio", "truehd"),
        (b"RIFX\0\0\0\x10WAVEfmt ", "a", "audio", "wav"),
        ((b"\xd2" + bytes(32)) * 9, "a.gsm", "audio", "gsm"),
        (b"\0\0garbage before the first frame", "a.mp3", "audio", "mp3"),
        (b"8BPS\0\1" + bytes(6), "a", "image", "psd"),
        (b"\0\0\1\0\1\0\x10\x10\0\0\1\0\x20\0\x68\4\0\0\x16\0\0\0", "a", "image", "ico"),
        (b"\0\0\2\0\1\0\x10\x10\0\0\1\0\x20\0\x68\4\0\0\x16\0\0\0", "a", "image", "cur"),
        (b"icns\0\0\1\0", "a", "image", "icns"),
        (b"DDS \x7c\0\0\0", "a", "image", "dds"),
        (b"\x0a\x05\1\x08" + bytes(124), "a", "image", "pcx"),
        (b"\1\xda\1\1\0\3", "a", "image", "sgi"),
        (b"qoif\0\0\1\0", "a", "image", "qoi"),
        (bytes(2) + b"\2" + bytes(9) + b"\x40\1\xf0\0\x18\0", "a.tga", "image", "tga"),
        (b"#define dot_width 8\n#define dot_height 8\n", "a.xbm", "image", "xbm"),
        (b"/* XPM */\nstatic char", "a", "image", "xpm"),
        (b"\xff\x0a\xfa\x1f", "a", "image", "jxl"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "a", "image", "jxl"),
        (b"WEBVTT\n\n00:01.000 --> 00:02.000\nhello", "a", "subtitles", "vtt"),
        (b"\xef\xbb\xbfWEBVTT - a title\n", "a.txt", "subtitles", "vtt"),
        (b"1\n00:00:01,000 --> 00:00:02,000\nhello", "a.srt", "subtitles", "srt"),
        (b"1\n00:00:01,000 --> 00:00:02,000\nhello", "a.txt", "text", "text"),
        (b"PAR1\x15\x04\x15", "a.txt", "table", "parquet"),
    ],
)
def test_content_decides(head: bytes, name: str, kind: str, format: str) -> None:
    found = sniff(head, name, explicitly_requested=False)
    assert (found.kind, found.format) == (kind, format)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.txt", "text"),
        ("A.TXT", "text"),
        ("a.md", "text"),
        ("README", "text"),
        ("holiday.jpg", "other"),
        ("song.mp3", "other"),
        ("letter.docx", "other"),
        ("a.csv", "table"),
        ("a.tsv", "table"),
        ("a.jsonl", "table"),
        ("a.py", "other"),
        ("a.json", "other"),
        ("a.html", "document"),
        ("a.rtf", "other"),
        ("a.log", "other"),
        ("a.ts", "other"),
    ],
)
def test_the_extension_decides_among_kinds_of_text(name: str, kind: str) -> None:
    assert sniff(b"a dog on a beach\n", name, explicitly_requested=False).kind == kind


def test_source_code_and_json_are_texts_when_the_user_names_them() -> None:
    assert sniff(b"import os\n", "a.py", explicitly_requested=True).kind == "text"
    assert sniff(b'{"a": 1}', b"a.json", explicitly_requested=True).kind == "text"
    reason = sniff(b"import os\n", b"a.py", explicitly_requested=False).reason
    assert reason == "source code or data (.py): name the file itself to index it"


SUBTITLES = "subtitles of a kind that is not read (SubRip and WebVTT are)"
SIDECAR = "a sidecar of a picture: not read"


@pytest.mark.parametrize(
    ("head", "name", "reason"),
    [
        (b"[Script Info]\nScriptType: v4.00+\n", "a.ass", SUBTITLES),
        (b"[Script Info]\n", "a.SSA", SUBTITLES),
        (b"{0}{25}Hello", "a.sub", SUBTITLES),
        (b'<?xml version="1.0"?>\n<tt xmlns="http://www.w3.org/ns/ttml"/>', "a.ttml", SUBTITLES),
        (b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>", "a.jpg.xmp", SIDECAR),
        (b'<?xml version="1.0" encoding="UTF-8"?>\n<plist/>', "a.AAE", SIDECAR),
        (b"bplist00\xd4\x01", "a.aae", SIDECAR),
        (b"[Version]\nAppVersion=5.8\n", "a.pp3", SIDECAR),
        (b"Sidecar = {\n", "a.dop", SIDECAR),
        (b'{"photos": {}}', "a.on1", SIDECAR),
        (b"\0\1\2\3 a recipe", "a.vrd", SIDECAR),
        (b"[00:12.00]A line of a song", "a.lrc", "lyrics of a sound: not read"),
        (b"#EXTM3U\nsong.mp3\n", "a.m3u8", "a playlist: not read"),
        (b"[InternetShortcut]\nURL=https://example.org\n", "a.url", "a link: not followed"),
    ],
)
def test_what_lies_beside_media_is_not_called_source_code(head: bytes, name: str, reason: str) -> None:
    found = sniff(head, name, explicitly_requested=False)
    assert (found.kind, found.reason) == ("other", reason)


def test_a_sidecar_that_the_user_names_is_a_text() -> None:
    assert sniff(b"[Version]\nAppVersion=5.8\n", "a.pp3", explicitly_requested=True).kind == "text"


@pytest.mark.parametrize(
    "head",
    [
        "naïve café, 日本語".encode(),
        "日本".encode()[:-1],  # the head ends inside a character
        "\ufeffhello".encode(),
        "hello".encode("utf-16"),
        "déjà vu à Besançon".encode("latin-1"),
        b"\x1b[31mred\x1b[0m",
        b"ID3 tags are at the start",
        b"BMX bikes",
        b"PARIS in spring",
    ],
)
def test_bytes_that_read_as_text_are_text(head: bytes) -> None:
    assert sniff(head, "notes", explicitly_requested=False).kind == "text"


def test_what_is_neither_says_so() -> None:
    assert sniff(b"", "a.jpg", explicitly_requested=False).kind == "empty"
    assert sniff(b"\1\2\3\4", "a", explicitly_requested=True).reason == "not a picture, text, sound or film"
    cyrillic = "Собака бежит по пляжу".encode("koi8-r")
    assert (
        sniff(cyrillic, "a.txt", explicitly_requested=False).reason
        == "text in an unknown encoding: save it as UTF-8 to index it"
    )


@given(st.binary(max_size=400), st.binary(max_size=20), st.booleans())
@example(b"\0\0\1", b"", False)  # a start code, and nothing behind it
def test_any_bytes_under_any_name_have_a_kind_and_others_a_reason(head: bytes, name: bytes, named: bool) -> None:
    found = sniff(head, name, explicitly_requested=named)
    assert (found.reason is not None) == (found.kind in ("other", "empty"))


@given(st.text(st.characters(exclude_categories=["C"]), min_size=1))
def test_every_printable_text_without_a_signature_is_a_text(text: str) -> None:
    found = sniff(text.encode(), "a.txt", explicitly_requested=False)
    assert found.kind == "text" or text.startswith(
        ("%PDF-", "GIF8", "P", "RIFF", "FORM", "OggS", "II", "MM", "#!AMR", "WEBVTT")
    )


@pytest.mark.parametrize(
    ("head", "name", "reason"),
    [
        (b"MThd\0\0\0\6\0\0", "a.mid", "a MIDI file: notes, no sound"),
        (b"RIFF\0\0\0\x10RMIDdata", "a.rmi", "a MIDI file: notes, no sound"),
        (b"FWS\x09\0\0", "a.swf", "a film of a kind that is not read"),
        (b"v/1\1\2\0\0\0", "a", "an OpenEXR picture: not read"),
        (b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 1 +X 1\n", "a.hdr", "a Radiance HDR picture: not read"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "a.eps", "a PostScript drawing: not read"),
        (b"\xc5\xd0\xd3\xc6\x1e\0", "a", "a PostScript drawing: not read"),
        (b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg">', "a.svg", "an SVG drawing: not read"),
        (b"<svg width='1'></svg>", "logo", "an SVG drawing: not read"),
        (b"\xd7\xcd\xc6\x9a\0\0", "a.wmf", "a Windows metafile drawing: not read"),
        (b"II\xbc\1\x08\0", "a.jxr", "a JPEG XR picture: not read"),
        (b"BPG\xfb\0", "a.bpg", "a BPG picture: not read"),
        (b"gimp xcf v011\0", "a.xcf", "a GIMP picture: not read"),
        (b"\0\1\2\3 nothing known", "a.mp4", "it does not begin as a .mp4 does: damaged, or of another kind"),
        (bytes(100), "a.gsm", "it does not begin as a .gsm does: damaged, or of another kind"),
        (bytes(100), "a.jpg", "it does not begin as a .jpg does: damaged, or of another kind"),
        (bytes(range(256)), "a.yuv", "raw pictures: without a header nothing says their size"),
    ],
)
@pytest.mark.parametrize("named", [False, True])
def test_a_kind_that_is_not_read_is_named(head: bytes, name: str, reason: str, named: bool) -> None:
    found = sniff(head, name, explicitly_requested=named)
    assert (found.kind, found.reason) == ("other", reason)


@pytest.mark.parametrize(
    "words",
    [b"MAC addresses of the house", b"TTA1 is a codec", b"IMPMPORTANT", b"wvpk?", b"LA0 to LA7", b"<html><svg>"],
)
def test_a_text_may_begin_with_the_letters_of_a_format(words: bytes) -> None:
    assert sniff(words, "notes.txt", explicitly_requested=False).kind == "text"


LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1\nsize 12345\n"
ANNEX = b"/annex/objects/SHA256E-s1024--4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393.jpg\n"


@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize(
    ("head", "name", "reason"),
    [
        (b"two dogs fighting on the road", "a.jpg", "text in a file named .jpg"),
        (b"<!DOCTYPE html><html><head>", "download_failed.jpg", "a web page (HTML) in a file named .jpg"),
        (b"\xef\xbb\xbf\n<!-- saved -->\n<HTML lang='en'>", "a.MP4", "a web page (HTML) in a file named .mp4"),
        ("<html><p>404".encode("utf-16"), "a.wav", "a web page (HTML) in a file named .wav"),
        (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code>", "a.png", "XML in a file named .png"),
        (b'{"error": "not found"}', "a.webp", "JSON in a file named .webp"),
        (b'[{"error": 404}]', "song.flac", "JSON in a file named .flac"),
        (b"<html>", "letter.pdf", "a web page (HTML) in a file named .pdf"),
        (b"<html>", "captions.csv", "a web page (HTML) in a file named .csv"),
        (b"<html>", "film.srt", "a web page (HTML) in a file named .srt"),
        (b"words", "captions.parquet", "text in a file named .parquet"),
        *((LFS, name, "a Git LFS pointer: the file itself is not here (`git lfs pull` fetches it)") for name in (
            "a.png", "a.mp4", "a.txt", "a.csv", "pointer", "a.docx")),
        *((ANNEX, name, "a git-annex pointer: the file itself is not here (`git annex get` fetches it)") for name in (
            "a.jpg", "a.txt", "link")),
    ],
)  # fmt: skip
def test_words_in_a_file_named_as_something_else_are_no_text(head: bytes, name: str, reason: str, named: bool) -> None:
    found = sniff(head, name, explicitly_requested=named)
    assert (found.kind, found.reason) == ("other", reason)


@pytest.mark.parametrize(
    "words",
    [
        b"version https://git-lfs.github.com is where Git LFS lives",
        b"/annex/objects/ is a folder\nthat git-annex makes",
        b"[1] Smith et al., Dogs of the world",
        b"[[Harbour|the harbour]] at night",
        b"{{daily note}}",
        b"<div align='center'>A dog</div>",
    ],
)
def test_a_text_that_speaks_of_such_files_is_a_text(words: bytes) -> None:
    assert sniff(words, "README", explicitly_requested=False).kind == "text"


def test_a_file_without_an_ending_is_a_text_unless_it_plainly_is_code_or_markup() -> None:
    for head, what, kind in (
        (b"<!doctype html>", "a web page (HTML)", "document"),
        (b'{"a": 1}', "JSON", "text"),
        (b"<?xml version='1.0'?><a/>", "XML", "text"),
        (b"#!/bin/sh\necho a dog\n", "a script", "text"),
    ):
        assert sniff(head, "download", explicitly_requested=False).reason == f"{what}: name the file itself to index it"
        assert sniff(head, "download", explicitly_requested=True).kind == kind
    for name in ("README", "LICENSE", ".profile"):
        assert sniff(b"a dog on a beach\n", name, explicitly_requested=False).kind == "text"


ZIP = b"PK\3\4" + bytes(26)
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


@pytest.mark.parametrize(
    ("head", "name", "format"),
    [
        (ZIP + b"[Content_Types].xml _rels/.rels word/document.xml", "a", "word"),
        (ZIP + b"docProps/thumbnail.jpeg", "a.docm", "word"),
        (ZIP + b"[Content_Types].xml xl/workbook.xml", "a.zip", "excel"),
        (ZIP, "a.pptx", "powerpoint"),
        (ZIP + b"mimetypeapplication/vnd.oasis.opendocument.text", "a", "odt"),
        (ZIP + b"mimetypeapplication/vnd.oasis.opendocument.spreadsheet-template", "a", "ods"),
        (ZIP + b"mimetypeapplication/epub+zip", "a.zip", "epub"),
        (b"<?xml version='1.0'?><office:document", "a.fodt", "fodt"),
        (b"{\\rtf1\\ansi A lighthouse}", "a.doc", "rtf"),
        (b"From: a@b.org\nSubject: lighthouse\n\nHello", "a.eml", "eml"),
        (b"Subject: x\n\n" + bytes(range(256)), "a.eml", "eml"),
        (b"From a@b.org Mon May  3 10:15:00 2021\nReceived: by", "Inbox", "mbox"),
        (b"<html>lighthouse", "a.html", "html"),
        (b"<p>a part of a page", "a.htm", "html"),
    ],
)
def test_documents_are_recognised_by_what_is_in_them_or_by_their_endings(head: bytes, name: str, format: str) -> None:
    found = sniff(head, name, explicitly_requested=False)
    assert (found.kind, found.format, found.reason) == ("document", format, None)


@pytest.mark.parametrize(
    ("head", "name", "reason"),
    [
        (ZIP + b"holiday.jpg", "a.zip", "a ZIP archive: not looked into unless it is named"),
        (ZIP + b"src/word/a.txt", "a.zip", "a ZIP archive: not looked into unless it is named"),
        (ZIP + b"Index/Document.iwa", "a.pages", "a Pages document: not read yet"),
        (OLE, "a.doc", "an old Word document: not read yet"),
        (OLE, "a", "an old Office document: not read yet"),
        (OLE, "a.docx", "an encrypted Office document: it needs a password"),
        (OLE + "EncryptedPackage".encode("utf-16-le"), "a", "an encrypted Office document: it needs a password"),
        (b"\x1f\x8b\x08\0", "a.gz", "a gzip archive: not looked into"),
        (b"7z\xbc\xaf\x27\x1c", "a.7z", "a 7z archive: not looked into"),
        (bytes(257) + b"ustar\0" + bytes(9), "a.tar", "a tar archive: not looked into unless it is named"),
        (b"SQLite format 3\0", "a.db", "an SQLite database"),
        (b"MZ\x90\0\3\0", "a.exe", "a Windows program"),
        (b"\x7fELF\2\1\1\0", "a", "a program (ELF)"),
        (b"\0\1\0\0\0\x0f", "a.ttf", "a font (TrueType)"),
        (b"wOF2\0\1\0\0", "a.woff2", "a font (WOFF)"),
    ],
)
@pytest.mark.parametrize("named", [False, True])
def test_documents_archives_and_programs_are_called_what_they_are(
    head: bytes, name: str, reason: str, named: bool
) -> None:
    assert sniff(head, name, explicitly_requested=named).reason == reason


def test_plain_documents_wait_but_are_read_where_they_are_named() -> None:
    for name, what in (("a.tex", "a LaTeX document"), ("a.org", "an Org document"), ("a.log", "a log")):
        reason = sniff(b"a lighthouse\n", name, explicitly_requested=False).reason
        assert reason == f"{what} ({name[1:]}): not read yet; name the file itself to index it as plain text"
        assert sniff(b"a lighthouse\n", name, explicitly_requested=True).kind == "text"
    assert sniff(b"-----BEGIN KEY-----\n", "server.key", explicitly_requested=True).kind == "text"


def test_nuls_and_a_missing_mark_leave_a_text_a_text() -> None:
    assert sniff(b"The lighthouse\0keeper lights\0 the lamp", "a.txt", explicitly_requested=False).kind == "text"
    assert (
        sniff("id,caption\n1,A lighthouse\n".encode("utf-16-le"), "a.csv", explicitly_requested=False).kind == "table"
    )
    assert sniff(bytes(100), "a.txt", explicitly_requested=False).kind == "other"
    assert sniff(bytes(range(256)), "a.txt", explicitly_requested=False).kind == "other"


def test_a_pdf_is_one_whatever_it_is_called_and_whatever_stands_before_it() -> None:
    for head, name in ((b"%PDF-1.7\n", "a.txt"), (b"%PDF-1.4\r%\xe2\xe3", "a"), (b"\0\0 fax\n%PDF-1.2", "a.pdf")):
        found = sniff(head, name, explicitly_requested=False)
        assert (found.kind, found.format, found.reason) == ("document", "pdf", None)
