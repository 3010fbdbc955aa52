"""Weights of an ONNX graph as int8: one scale for each output channel, made float again by the graph itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper


def int8_weights(path: Path) -> None:
    """Rewrites the graph's matrices and kernels of 1,024 values and more; the computation stays in float32."""
    model = onnx.load(str(path))
    graph = model.graph
    use = {name: (node, i) for node in graph.node for i, name in enumerate(node.input)}
    initializers, nodes = [], []
    for tensor in graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype != np.float32 or values.ndim < 2 or values.size < 1024 or tensor.name not in use:
            initializers.append(tensor)
            continue
        node, _ = use[tensor.name]
        transposed = any(a.name == "transB" and a.i for a in node.attribute)
        axis = values.ndim - 1 if node.op_type == "MatMul" or (node.op_type == "Gemm" and not transposed) else 0
        others = tuple(i for i in range(values.ndim) if i != axis)
        scale = np.maximum(np.abs(values).max(others), 1e-8) / 127
        shape = [1] * values.ndim
        shape[axis] = -1
        codes = np.clip(np.rint(values / scale.reshape(shape)), -127, 127).astype(np.int8)
        initializers += [
            numpy_helper.from_array(codes, f"{tensor.name}_int8"),
            numpy_helper.from_array(scale.astype(np.float32), f"{tensor.name}_scale"),
        ]
        inputs = [f"{tensor.name}_int8", f"{tensor.name}_scale"]
        nodes.append(helper.make_node("DequantizeLinear", inputs, [tensor.name], axis=axis))
    nodes += list(graph.node)
    del graph.initializer[:], graph.node[:]
    graph.initializer.extend(initializers)
    graph.node.extend(nodes)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
