"""Rewrites `image.onnx` so that nothing in front of its head leaves the integers, which is faster.

As it was exported, the network scales the pixels to floats and rounds them to the same integers again, and leaves the
integers for each padding. That took a third of its time. Paddings become a part of the convolutions behind them; not a
bit of what the convolutions get is another. And the weights of the head, which computes in floats, are unpacked once
instead of in every run. The file must not change, since its digest is part of the space, so its bytes are rewritten
when it is loaded. The numbers of fields are those of onnx.proto.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmsearch.retrieval.encoders.mini.wire import Bytes, Field, bytes_field, fields, number_field, number_in

_GRAPH = 7  # of ModelProto
_NODE, _INITIALIZER = 1, 5  # of GraphProto
_INPUT, _OUTPUT, _OPERATOR, _ATTRIBUTE = 1, 2, 4, 5  # of NodeProto
_ATTRIBUTE_NAME, _INTEGERS, _ATTRIBUTE_TYPE, _IS_INTEGERS = 1, 8, 20, 7  # of AttributeProto
_DIMS, _DATA_TYPE, _TENSOR_NAME, _RAW_DATA, _IS_FLOAT = 1, 2, 8, 9, 1  # of TensorProto
_HEADER = 256  # bytes in which the name of a tensor stands
_DTYPES: dict[int, np.dtype[Any]] = {1: np.dtype("<f4"), 3: np.dtype("i1"), 7: np.dtype("<i8"), 10: np.dtype("<f2")}
_TO_FLOATS = (b"Cast", b"Sub", b"Mul")  # pixels → (x - 127) / 128, between which and the integers there is no rounding
_PACKED = b"_int8"  # how the names of weights end that are stored in integers but are no operand of integer arithmetic


@dataclass(slots=True)
class _Node:
    operator: bytes
    inputs: list[bytes]
    outputs: list[bytes]
    others: list[Field]  # neither inputs nor outputs

    def to_bytes(self) -> bytes:
        names = [bytes_field(_INPUT, name) for name in self.inputs]
        names += [bytes_field(_OUTPUT, name) for name in self.outputs]
        return b"".join(names) + b"".join(part.raw for part in self.others)


def in_integers(model: bytes) -> bytes:
    """The model's bytes, rewritten: the same vectors but for the last bit of a float."""
    return b"".join(
        bytes_field(_GRAPH, _graph(body)) if number == _GRAPH else raw for number, body, raw in fields(model)
    )


def _graph(graph: Bytes) -> bytes:
    parts = list(fields(graph))
    nodes = [_read_node(part.body) for part in parts if part.number == _NODE]
    stored = [part for part in parts if part.number != _NODE]
    kept, floats = [], []
    for node in nodes:
        if node.operator == b"DequantizeLinear" and node.inputs[0].endswith(_PACKED):
            codes, scale = (_read_tensor(_find(stored, name)) for name in node.inputs)
            values = codes.astype(np.float32) * scale.astype(np.float32)[:, None]
            floats.append(bytes_field(_INITIALIZER, _tensor(node.outputs[0], values)))
        else:
            kept.append(node)
    kept = _without_pads(kept, stored)
    return b"".join([*(bytes_field(_NODE, node.to_bytes()) for node in kept), *floats, *(part.raw for part in stored)])


def _without_pads(nodes: Sequence[_Node], stored: Sequence[Field]) -> list[_Node]:
    """Nodes without each Pad, what makes floats for it, and what makes integers of what it gives."""
    maker = {output: node for node in nodes for output in node.outputs}
    user = {name: node for node in nodes for name in node.inputs}
    dropped: list[_Node] = []
    for pad in (node for node in nodes if node.operator == b"Pad"):
        quantize = user[pad.outputs[0]]
        dequantize = user[quantize.outputs[0]]
        source = maker[pad.inputs[0]]
        dropped += [pad, quantize]
        while source.operator in (b"DequantizeLinear", *_TO_FLOATS):
            dropped.append(source)
            integers, source = source.inputs[0], maker[source.inputs[0]]
        dequantize.inputs[0] = integers
        pads = _read_tensor(_find(stored, pad.inputs[1])).reshape(2, -1)[:, 2:].ravel().tolist()
        _set_padding(user[dequantize.outputs[0]], pads)
    gone = {node.outputs[0] for node in dropped}
    return [node for node in nodes if node.outputs[0] not in gone]


def _set_padding(convolution: _Node, pads: Sequence[int]) -> None:
    attribute = bytes_field(_ATTRIBUTE_NAME, b"pads") + number_field(_ATTRIBUTE_TYPE, _IS_INTEGERS)
    attribute += b"".join(number_field(_INTEGERS, pad) for pad in pads)
    name = bytes_field(_ATTRIBUTE_NAME, b"pads")
    kept = [part for part in convolution.others if part.number != _ATTRIBUTE or part.body[: len(name)] != name]
    convolution.others = [*kept, Field(_ATTRIBUTE, attribute, bytes_field(_ATTRIBUTE, attribute))]


def _find(parts: Sequence[Field], name: bytes) -> Field:
    """The tensor of a name. Others are not parsed: they have a field for each of their 100,000 numbers."""
    wanted = bytes_field(_TENSOR_NAME, name)
    return next(part for part in parts if part.number == _INITIALIZER and wanted in bytes(part.body[:_HEADER]))


def _read_node(body: Bytes) -> _Node:
    parts = list(fields(body))
    inputs, outputs = ([bytes(part.body) for part in parts if part.number == number] for number in (_INPUT, _OUTPUT))
    operator = next(bytes(part.body) for part in parts if part.number == _OPERATOR)
    return _Node(operator, inputs, outputs, [part for part in parts if part.number not in (_INPUT, _OUTPUT)])


def _read_tensor(tensor: Field) -> NDArray[Any]:
    parts = list(fields(tensor.body))
    kind = next(number_in(part.body) for part in parts if part.number == _DATA_TYPE)
    data = next(part.body for part in parts if part.number == _RAW_DATA)
    values: NDArray[Any] = np.frombuffer(data, _DTYPES[kind])
    return values.reshape([number_in(part.body) for part in parts if part.number == _DIMS])


def _tensor(name: bytes, values: NDArray[np.float32]) -> bytes:
    dims = b"".join(number_field(_DIMS, size) for size in values.shape)
    data = bytes_field(_RAW_DATA, values.astype("<f4").tobytes())
    return dims + number_field(_DATA_TYPE, _IS_FLOAT) + bytes_field(_TENSOR_NAME, name) + data
