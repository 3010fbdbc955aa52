"""Reads and writes the wire format of Protocol Buffers (https://protobuf.dev/programming-guides/encoding/).

Networks in ONNX are in it. They are rewritten when they are loaded; the package onnx, which could do it, is not needed
otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, TypeAlias

_VARINT, _FIXED_64, _BYTES, _FIXED_32 = 0, 1, 2, 5


Bytes: TypeAlias = bytes | memoryview


class Field(NamedTuple):
    """One field of a message.

    Attributes:
        number: which field it is.
        body: its contents without the length prefix.
        raw: all its bytes.
    """

    number: int
    body: Bytes
    raw: Bytes


def fields(message: Bytes) -> Iterator[Field]:
    """Each field of a message; views, not copies: a network is megabytes."""
    message = memoryview(message)
    at = 0
    while at < len(message):
        start = at
        key, at = _number(message, at)
        begin, kind = at, key & 7
        if kind == _VARINT:
            _, at = _number(message, at)
        elif kind == _BYTES:
            length, begin = _number(message, at)
            at = begin + length
        else:
            at += {_FIXED_64: 8, _FIXED_32: 4}[kind]
        yield Field(key >> 3, message[begin:at], message[start:at])


def bytes_field(number: int, body: Bytes) -> bytes:
    """A field of bytes, a string or a message."""
    return b"".join((_varint(number << 3 | _BYTES), _varint(len(body)), body))


def number_field(number: int, value: int) -> bytes:
    """A field of one integer that is not negative."""
    return _varint(number << 3 | _VARINT) + _varint(value)


def number_in(body: Bytes) -> int:
    """The integer that is the contents of a field, if it is not negative."""
    return _number(body, 0)[0]


def _number(message: Bytes, at: int) -> tuple[int, int]:
    """The variable-length integer at an offset, and the offset of its end."""
    value = shift = 0
    while True:
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at


def _varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
