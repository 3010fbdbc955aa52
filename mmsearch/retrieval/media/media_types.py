"""What a file is called in answers to a browser: its media type, by the table of formats."""

from __future__ import annotations

import os

from mmsearch.retrieval.media.formats import FORMAT_BY_ENDING, FORMATS
from mmsearch.types import Modality

TEXT, BYTES = "text/plain", "application/octet-stream"

_MEDIA_TYPES: dict[str, str] = {
    "jpeg": "image/jpeg",
    "png": "image/png",
    "webp": "image/webp",
    "gif": "image/gif",
    "bmp": "image/bmp",
    "tiff": "image/tiff",
    "jpeg2000": "image/jp2",
    "avif": "image/avif",
    "heic": "image/heic",
    "jxl": "image/jxl",
    "ico": "image/x-icon",
    "cur": "image/x-icon",
    "pdf": "application/pdf",
    "mp4": "video/mp4",
    "mov": "video/quicktime",
    "3gp": "video/3gpp",
    "mkv": "video/x-matroska",
    "webm": "video/webm",
    "avi": "video/x-msvideo",
    "mpegts": "video/mp2t",
    "mpeg": "video/mpeg",
    "mpegvideo": "video/mpeg",
    "flv": "video/x-flv",
    "asf": "video/x-ms-wmv",
    "ogg": "video/ogg",
    "wav": "audio/wav",
    "flac": "audio/flac",
    "mp3": "audio/mpeg",
    "aac": "audio/aac",
    "oga": "audio/ogg",
    "m4a": "audio/mp4",
    "mka": "audio/x-matroska",
    "wma": "audio/x-ms-wma",
    "aiff": "audio/aiff",
    "amr": "audio/amr",
}
"""By the name of the format in `formats.FORMATS`; the others are `BYTES`."""


def media_type_of(path: str, modality: Modality) -> str:
    """The media type of a file by its ending; see `IndexedFile`.

    All texts are plain text, whatever their endings say: a browser runs no script in them. Documents but PDF are bytes,
    which a browser saves.
    """
    name = FORMAT_BY_ENDING.get(os.path.splitext(path)[1].lower().removeprefix("."))
    if modality == "text" and (name is None or (FORMATS[name].textual and FORMATS[name].kind != "document")):
        return TEXT
    return _MEDIA_TYPES.get(name or "", BYTES)
