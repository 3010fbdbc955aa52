"""The network of sounds with its paddings stated so that ONNX Runtime makes them part of the convolutions.

The export of `audio.onnx` names an empty third input of each Pad, "no value given, so 0". ONNX Runtime joins a Pad with
the convolution behind it only where the input is left out, which says the same. The file stays as it is, since its
digest names the space; what is handed to ONNX Runtime is changed, in the wire format of Protocol Buffers
(https://protobuf.dev/programming-guides/encoding/): ModelProto.graph = 7, GraphProto.node = 1, NodeProto.input = 1,
NodeProto.op_type = 4.
"""

from __future__ import annotations

from collections.abc import Iterator

_VARINT, _FIXED_64, _BYTES, _FIXED_32 = 0, 1, 2, 5
_GRAPH, _NODE, _INPUT, _OPERATOR = 7, 1, 1, 4


def with_plain_pads(model: bytes) -> bytes:
    """The model, no Pad of which has an empty last input."""
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
    """Number, contents (of what has a length) and all bytes of each field of a message."""
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
    """A variable-length integer, and where it ends."""
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
