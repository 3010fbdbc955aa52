"""E-mail: single messages (EML, MHTML) and mailboxes (mbox), in which each message is a page.

Attachments are named, not opened. Pictures and links are never fetched.
"""

from __future__ import annotations

import email
import email.message
import email.policy
import re
from collections.abc import Iterator
from dataclasses import replace
from email.errors import MessageError
from functools import partial
from typing import IO

from mmsearch.errors import DecodeError
from mmsearch.retrieval.media.documents.own_facts import document_facts
from mmsearch.retrieval.media.documents.sink import DocumentSink
from mmsearch.retrieval.media.documents.web_page import WebPage, decoded
from mmsearch.retrieval.media.texts.text import decode_text
from mmsearch.types import Facts, counted, sized

MAX_MESSAGE = 64 * 1024 * 1024
"""Bytes of a message that are read: its text comes before its attachments."""

_LINE = 64 * 1024
_MOST_PARTS = 200
_SHOWN = ("Subject", "From", "To", "Cc", "Date")
_NEXT = re.compile(rb"From \S.*\d\d:\d\d")
_COUNT = re.compile(rb"\s*\d{1,12}\s*\n")


def read(source: IO[bytes], format: str, sink: DocumentSink) -> Facts:
    """The reader of e-mail; see `read.Reader`."""
    if format == "mbox":
        return _read_mailbox(source, sink)
    data = source.read(MAX_MESSAGE)
    if count := _COUNT.match(data[:64]):  # Apple Mail writes the length before a message
        data = data[count.end() :]
    message = _parsed(data)
    _add_message(message, 0, sink)
    note = f"only its first {sized(MAX_MESSAGE)} are read" if source.read(1) else None
    facts = document_facts(
        title=_header(message, "Subject"),
        tags=_header(message, "Keywords"),
        lang=_header(message, "Content-Language").partition(",")[0],
        created=_header(message, "Date"),
        date_source="mail",
    )
    return replace(facts, note=note)


def _read_mailbox(source: IO[bytes], sink: DocumentSink) -> Facts:
    cut = page = 0
    for page, (data, is_cut) in enumerate(_messages(source)):
        cut += is_cut
        _add_message(_parsed(data), page, sink)
    return Facts(note=f"of {counted(cut, 'message')} only the first {sized(MAX_MESSAGE)} are read" if cut else None)


def _messages(source: IO[bytes]) -> Iterator[tuple[bytes, bool]]:
    """The messages of a mailbox, and whether each was cut: a line that begins with ``From`` is before each of them."""
    lines: list[bytes] = []
    size = 0
    is_after_blank = True
    is_line_start = True
    while line := source.readline(_LINE):
        if is_line_start and is_after_blank and _NEXT.match(line):
            if lines:
                yield b"".join(lines), size > MAX_MESSAGE
            lines, size = [], 0
        else:
            size += len(line)
            if size <= MAX_MESSAGE:
                lines.append(line)
        is_after_blank = is_line_start and not line.strip()
        is_line_start = line.endswith(b"\n")
    if lines:
        yield b"".join(lines), size > MAX_MESSAGE


def _parsed(data: bytes) -> email.message.Message:
    try:
        return email.message_from_bytes(data, policy=email.policy.compat32)
    except (MessageError, RecursionError, ValueError):
        raise DecodeError("a damaged e-mail: it cannot be read") from None


def _add_message(message: email.message.Message, page: int, sink: DocumentSink) -> None:
    """The subject, who wrote to whom, the text, and the names of attachments."""
    add = partial(sink.add, page)
    for name in _SHOWN:
        value = _header(message, name)
        add(value if name == "Subject" else f"{name}: {value}" if value else "")
    attached = []
    for part in _texts_of(message):
        if filename := _filename(part):
            attached.append(filename)
        elif part.get_content_type() == "text/html":
            WebPage(add).read(decoded(_payload(part), part.get_content_charset()))
        elif part.get_content_type() == "text/plain":
            add(_decoded(_payload(part), part.get_content_charset()))
        elif part.get_content_type() == "message/rfc822":
            add(_header(part, "Subject"))
    add(f"Attached: {', '.join(attached)}" if attached else "")


def _texts_of(message: email.message.Message) -> Iterator[email.message.Message]:
    """The parts of a message; of the forms of one text, the plain one if it says anything."""
    waiting = [message]
    for _ in range(_MOST_PARTS):
        if not waiting:
            return
        part = waiting.pop(0)
        inner = part.get_payload() if part.is_multipart() else None
        if not isinstance(inner, list):
            yield part
            continue
        parts = [one for one in inner if isinstance(one, email.message.Message)]
        if part.get_content_type() == "multipart/alternative":
            plain = [one for one in parts if one.get_content_type() == "text/plain" and _payload(one).strip()]
            parts = plain or parts[-1:]
        elif part.get_content_type() == "multipart/related":
            parts = parts[:1]  # the others are pictures and style sheets of the first
        waiting[:0] = parts


def _payload(part: email.message.Message) -> bytes:
    try:
        data = part.get_payload(decode=True)
    except (ValueError, LookupError):
        return b""
    return data if isinstance(data, bytes) else b""


def _decoded(data: bytes, charset: str | None) -> str:
    try:
        return data.decode(charset, "replace") if charset else decode_text(data, limit=MAX_MESSAGE)[0]
    except (LookupError, ValueError):
        return decode_text(data, limit=MAX_MESSAGE)[0]


def _filename(part: email.message.Message) -> str:
    try:
        name = part.get_filename() or ""
    except (ValueError, LookupError, TypeError):
        return ""
    return " ".join(_words(name).split())


def _header(message: email.message.Message, name: str) -> str:
    return " ".join(_words(str(message.get(name, "") or "")).split())


def _words(value: str) -> str:
    """A header's value with its encoded words decoded."""
    from email.header import decode_header

    try:
        parts = decode_header(value)
    except (MessageError, ValueError):
        return value
    decoded_parts = []
    for part, charset in parts:
        if isinstance(part, bytes):
            try:
                part = part.decode(charset or "utf-8", "replace")
            except (LookupError, ValueError):
                part = part.decode("latin-1")
        decoded_parts.append(part)
    return "".join(decoded_parts)
