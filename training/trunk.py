"""The picture trunk as a static int8 ONNX graph, so that the heads are trained on what ships.

    python -m training.trunk --checkpoint LITE2.pth --sources FOLDER --work FOLDER

Writes `trunk.onnx`: uint8 [n, 256, 256, 3] RGB → float32 [n, 208, 8, 8].
"""

from __future__ import annotations

import argparse
import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from PIL import Image
from torch import Tensor, nn

from training.edits import SIDE, squash
from training.lite import Lite2


class Scaled(nn.Module):
    """uint8 NHWC pixels → `inner` of (x - 127) / 128, NCHW."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, pixels: Tensor) -> Tensor:
        return self.inner((pixels.permute(0, 3, 1, 2).float() - 127.0) * (1 / 128))


class Calibration(CalibrationDataReader):
    """64 training photos, eight at a time."""

    def __init__(self, sources: Path, photos: list[dict[str, Any]]) -> None:
        chosen = random.Random(5).sample([p for p in photos if p["kind"] == "flickr8k" and p["part"] == "train"], 64)
        pixels = [np.asarray(squash(Image.open(sources / p["file"]).convert("RGB"))) for p in chosen]
        self.batches = iter([{"image": np.stack(pixels[i : i + 8])} for i in range(0, 64, 8)])

    def get_next(self) -> dict[str, Any] | None:
        return next(self.batches, None)


def export_int8(network: nn.Module, out: Path, sources: Path, photos: list[dict[str, Any]]) -> None:
    """Exports `Scaled(network)` and quantises its convolutions: per channel, 7-bit weights, uint8 activations, min–max.

    7-bit weights, because 8-bit products can saturate on x86 CPUs without VNNI.
    """
    plain = out.with_suffix(".f32.onnx")
    torch.onnx.export(
        Scaled(network).eval(),
        (torch.zeros(2, SIDE, SIDE, 3, dtype=torch.uint8),),
        str(plain),
        input_names=["image"],
        output_names=["embedding"],
        dynamic_axes={"image": {0: "n"}, "embedding": {0: "n"}},
        opset_version=17,
        dynamo=False,
    )
    quant_pre_process(str(plain), str(plain), skip_symbolic_shape=True)
    # Sums of the whole network's output, unlike those of the blocks, keep their float32: they cost nothing.
    last = [
        node.name for node in onnx.load(str(plain)).graph.node if node.op_type == "Add" and node.name.count("/") == 2
    ]
    quantize_static(
        str(plain),
        str(out),
        Calibration(sources, photos),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        reduce_range=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        op_types_to_quantize=["Conv", "Add", "Clip", "GlobalAveragePool"],
        nodes_to_exclude=last,
    )
    plain.unlink()


def open_onnx(path: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("checkpoint", "sources", "work"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    given = parser.parse_args()
    photos = [json.loads(line) for line in (given.work / "photos.jsonl").read_text().splitlines()]
    export_int8(Lite2(given.checkpoint).trunk, given.work / "trunk.onnx", given.sources, photos)


if __name__ == "__main__":
    main()
