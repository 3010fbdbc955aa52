"""Rewrites an ONNX model so that ONNX Runtime fuses each Pad with the convolution that follows it, which is faster.

Each Pad in `audio.onnx` has an empty third input, the optional padding value. ONNX Runtime fuses a Pad only if that
input is absent, which means the same: pad with 0. The file must not change, since its digest is part of the space, so
its bytes are rewritten when it is loaded. They are in the wire format of Protocol Buffers
(https://protobuf.dev/programming-guides/encoding/), with ModelProto.graph = 7, GraphProto.node = 1, NodeProto.input = 1
and NodeProto.op_type = 4; the package onnx, which could do it, is not needed otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator

_VARINT, _FIXED_64, _BYTES, _FIXED_32 = 0, 1, 2, 5
_GRAPH, _NODE, _INPUT, _OPERATOR = 7, 1, 1, 4


def with_plain_pads(model: bytes) -> bytes:
    """The model's bytes without the empty last input of each Pad."""
    return b"".join(_field(_GRAPH, _graph(body)) if number == _GRAPH else raw for number, body, raw in _fields(model))


def _graph(graph: bytes) -> bytes:
    return b"".join(_field(_NODE, _node(body)) if number == _NODE else raw for number, body, raw in _fields(graph))


def _node(node: bytes) -> bytes:
    fields = list(_fields(node))
    inputs = [place for place, (number, _, _) in enumerate(fields) if number == _INPUT]
    if any(number == _OPERATOR and body == b"Pad" for number, body, _ in fields) and not fields[inputs[-1]][1]:
        del fields[inputs[-1]]
    return b"".join(raw for *_, raw in fields)


def _fields(message: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Each field of a message: its number, its contents without the length prefix, and all its bytes."""
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
        yield key >> 3, message[begin:at], message[start:at]


def _number(message: bytes, at: int) -> tuple[int, int]:
    """The variable-length integer at an offset, and the offset of its end."""
    value = shift = 0
    while True:
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at


def _field(number: int, body: bytes) -> bytes:
    return _varint(number << 3 | _BYTES) + _varint(len(body)) + body


def _varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
