"""YAMNet in torch, its weights read from the published TensorFlow Lite file (int8 rows, made float again).

    python -m training.yamnet --tflite yamnet.tflite --work FOLDER

Writes `yamnet.pt`. The architecture is MobileNet v1 over log-mel patches, 96 frames × 64 bands:
https://github.com/tensorflow/models/tree/master/research/audioset/yamnet.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

FEATURES = 1024
STRIDED = (0, 3, 7, 11, 23)  # places, in the chain of 27 convolutions, of those with stride 2


class Yamnet(nn.Module):
    """Log-mel patches ``[n, 96, 64]`` → features ``[n, 1024]``; `classes` gives logits of AudioSet's 521 classes."""

    def __init__(self, weights: dict[str, Tensor]) -> None:
        super().__init__()
        count = sum(name.startswith("kernel") for name in weights)
        self.kernels = nn.ParameterList([weights[f"kernel{i}"] for i in range(count)])
        self.biases = nn.ParameterList([weights[f"bias{i}"] for i in range(count)])
        self.register_buffer("class_weight", weights["class_weight"])
        self.register_buffer("class_bias", weights["class_bias"])

    def forward(self, patches: Tensor) -> Tensor:
        x = patches[:, None]
        for i, (kernel, bias) in enumerate(zip(self.kernels, self.biases, strict=True)):
            if kernel.shape[-1] == 3:
                stride = 2 if i in STRIDED else 1
                x = F.pad(x, (0, 1, 0, 1) if stride == 2 else (1, 1, 1, 1))
                x = F.conv2d(x, kernel, bias, stride, groups=len(kernel) if i else 1)
            else:
                x = F.conv2d(x, kernel, bias)
            x = F.relu(x)
        return x.mean((2, 3))

    def classes(self, features: Tensor) -> Tensor:
        return features @ self.class_weight.T + self.class_bias


def read_tflite(path: Path) -> dict[str, Tensor]:
    """Kernels and biases of the convolutions in the order of the graph, and of the classifier."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    plain = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = Interpreter(str(path), experimental_preserve_all_tensors=True, experimental_op_resolver_type=plain)
    interpreter.allocate_tensors()
    interpreter.invoke()  # the depthwise kernels are made float by the graph itself
    details = {d["index"]: d for d in interpreter.get_tensor_details()}

    def tensor(index: int) -> np.ndarray:
        values = interpreter.get_tensor(index).astype(np.float32)
        facts = details[index]["quantization_parameters"]
        if len(facts["scales"]):
            shape = [1] * values.ndim
            shape[facts["quantized_dimension"]] = -1
            values = values * facts["scales"].reshape(shape if len(facts["scales"]) > 1 else [1] * values.ndim)
        return values

    weights: dict[str, Tensor] = {}
    count = 0
    for op in interpreter._get_ops_details():
        if op["op_name"] not in ("CONV_2D", "DEPTHWISE_CONV_2D"):
            continue
        kernel, bias = tensor(op["inputs"][1]), tensor(op["inputs"][2])
        order = (0, 3, 1, 2) if op["op_name"] == "CONV_2D" else (3, 0, 1, 2)
        weights[f"kernel{count}"] = torch.tensor(kernel.transpose(order).copy())
        weights[f"bias{count}"] = torch.tensor(bias)
        count += 1
    named = {d["name"]: i for i, d in details.items()}
    weights["class_weight"] = torch.tensor(tensor(named["yamnet_frames/dense/MatMul"]))
    weights["class_bias"] = torch.tensor(tensor(named["yamnet_frames/dense/BiasAdd/ReadVariableOp/resource"]))
    return weights


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tflite", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    given = parser.parse_args()
    torch.save(read_tflite(given.tflite), given.work / "yamnet.pt")


if __name__ == "__main__":
    main()
