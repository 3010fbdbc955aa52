"""The files of rows as answers: whole, or the part that was asked for, piece by piece."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import IO, Any
from urllib.parse import quote

from anyio import to_thread
from starlette.responses import Response
from starlette.types import Send

from mmsearch import Collection, FileNotServedError, IndexedFile, Record
from mmsearch.serve.api_errors import ApiError
from mmsearch.serve.byte_ranges import ByteRange, Version, range_asked
from mmsearch.serve.client_left import StreamedResponse

_PIECE_BYTES = 256 * 1024

_BYTES, _TEXT = "application/octet-stream", "text/plain"


def opened(collection: Collection, row_id: int) -> IndexedFile:
    """The open file of a row.

    Raises:
        ApiError: it is gone (410), has changed (409), lies outside the indexed folders (403), or is no file (404).
        NoSuchRowError: there is no such row.
    """
    try:
        return collection.open_file(row_id)
    except FileNotServedError as error:
        status, kind = _REFUSALS[error.why]
        raise ApiError(status, str(error), kind) from None


_REFUSALS = {
    "gone": (410, "FileGone"),
    "changed": (409, "FileChanged"),
    "outside": (403, "FileOutside"),
    "no file": (404, "NoFile"),
}


def openable(collection: Collection, row_id: int) -> dict[str, Any]:
    """Whether the file of a row can be opened: ``openable``, ``why_not``, and its ``size_bytes`` if it can."""
    try:
        with collection.open_file(row_id) as file:
            return {"size_bytes": file.size, "openable": True, "why_not": None}
    except FileNotServedError as error:
        return {"openable": False, "why_not": str(error)}


def file_answer(file: IndexedFile, headers: Mapping[str, str], *, method: str, download: bool) -> Response:
    """The answer to a request for a file; it closes the file once it is sent, or at once if nothing of it is.

    Args:
        file: the file.
        headers: those of the request.
        method: ``GET`` or ``HEAD``.
        download: have a browser save it rather than show it.
    """
    is_shown = not download and file.media_type != _BYTES
    said = {
        "Content-Type": f"{_TEXT}; charset=utf-8" if file.media_type == _TEXT else file.media_type,
        "Content-Disposition": content_disposition("inline" if is_shown else "attachment", _name(file.record)),
        "X-Content-Type-Options": "nosniff",
    }
    return answer_in_parts(file.file, file.size, _version(file), headers, method=method, said=said)


def answer_in_parts(
    file: IO[bytes], size: int, version: Version, headers: Mapping[str, str], *, method: str, said: Mapping[str, str]
) -> Response:
    """An answer with an open file, or the part of it that a request asks for, or the word that the client has it.

    Args:
        file: is closed once it is sent, or at once if nothing of it is.
        size: in bytes.
        version: of the file.
        headers: those of the request.
        method: ``GET`` or ``HEAD``.
        said: headers of the answer, beside those of the file and its version.

    Raises:
        ApiError: 416, the part is not in the file.
    """
    shown = {**said, "Accept-Ranges": "bytes", "Cache-Control": "private, no-cache", **version.headers}
    if version.is_known(headers):
        file.close()
        shown.pop("Content-Type", None)
        return Response(status_code=304, headers=shown)
    try:
        is_range = method == "GET" and version.goes_on(headers)  # only GET knows ranges
        part = range_asked(headers.get("range"), size) if is_range else None
    except ValueError as error:
        file.close()
        raise ApiError(416, str(error), "RangeNotSatisfiable", {"Content-Range": f"bytes */{size}"}) from None
    if part is not None:
        shown["Content-Range"] = part.content_range(size)
    return _FileResponse(file, part or ByteRange(0, size), 200 if part is None else 206, shown)


def _name(record: Record) -> str:
    """The path of a row's file; of an item of an archive, its name there."""
    return record.path if record.source is None else record.path.removeprefix(f"{record.source}#")


def _version(file: IndexedFile) -> Version:
    digest = file.record.content_hash.hex() or f"{file.size:x}-{file.mtime_ns:x}"
    return Version(f'"{digest}"', file.mtime_ns // 1_000_000_000)


def content_disposition(what: str, path: str) -> str:
    """The header of that name, with the file's name for all clients (RFC 6266)."""
    name = os.path.basename(path)
    plain = re.sub(r"[^ -~]|[\"\\%]", "_", name)
    exact = quote(name.encode("utf-8", "replace"), safe="")
    return f"{what}; filename=\"{plain}\"; filename*=UTF-8''{exact}"


class _FileResponse(StreamedResponse):
    """Sends a part of an open file, and closes it whatever happens."""

    def __init__(self, file: IO[bytes], part: ByteRange, status: int, headers: Mapping[str, str]) -> None:
        super().__init__(status, {**headers, "Content-Length": str(part.stop - part.start)})
        self._file, self._part = file, part

    async def end(self) -> None:
        """Close the file."""
        self._file.close()

    async def send_body(self, send: Send) -> None:
        """Send the part."""
        at, stop = self._part.start, self._part.stop
        await to_thread.run_sync(self._file.seek, at)
        while at < stop:
            data = await to_thread.run_sync(self._file.read, min(_PIECE_BYTES, stop - at))
            if not data:
                return  # the file has become shorter: the server closes the connection before the promised end
            at += len(data)
            await send({"type": "http.response.body", "body": data, "more_body": at < stop})
        if self._part.start == stop:
            await send({"type": "http.response.body", "body": b""})
