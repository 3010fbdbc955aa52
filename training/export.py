"""Writes the trained picture and text towers into the package: `image.onnx`, `text.safetensors`.

    python -m training.export --checkpoint LITE2.pth --sources FOLDER --work FOLDER --towers towers.pt

The picture tower's convolutions are static int8 (see `trunk.py`), its dense layers int8 weights computed in float32.
The text tower is int8 with one scale for each row.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from training.lite import Lite2
from training.towers import PictureHead, TextTower, Towers
from training.trunk import export_int8
from training.weights import int8_weights

PACKAGE = Path(__file__).parent.parent / "mmsearch/retrieval/encoders/mini"


class PictureTower(nn.Module):
    """Scaled pixels → unit vectors: trunk, end and head in one graph."""

    def __init__(self, network: Lite2, head: PictureHead) -> None:
        super().__init__()
        self.trunk, self.end, self.head = network.trunk, network.end, head

    def forward(self, x: Tensor) -> Tensor:
        maps = self.trunk(x)
        head = self.head
        pooled = (self.end(maps).mean((2, 3)) - head.mean) / head.deviation
        y = head.linear(pooled) + head.outer(F.relu(head.inner(pooled))) + head.placed(maps)
        return y / torch.sqrt((y * y).sum(1, keepdim=True))


def int8_rows(rows: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Codes and float16 scales of the rows; the codes are of the rounded scales."""
    values = rows.numpy()
    scale = np.maximum(np.maximum(np.abs(values).max(1), 1e-8) / 127, 6e-8).astype(np.float16)
    return np.clip(np.rint(values / scale.astype(np.float32)[:, None]), -127, 127).astype(np.int8), scale


def text_tensors(text: TextTower) -> dict[str, np.ndarray]:
    state = text.state_dict()
    tensors = {}
    for name, key in (
        ("table", "table.weight"),
        ("skip", "skip.weight"),
        ("hidden", "hidden.weight"),
        ("output", "output.weight"),
        ("qkv", "qkv.weight"),
        ("mix", "mix.weight"),
        ("wide", "wide.weight"),
        ("narrow", "narrow.weight"),
        ("gate", "gate.weight"),
        ("order", "order.weight"),
    ):
        tensors[name], tensors[f"{name}_scale"] = int8_rows(state[key])
    for name in ("hidden", "output", "qkv", "mix", "wide", "narrow", "gate"):
        tensors[f"{name}_bias"] = state[f"{name}.bias"].numpy().astype(np.float32)
    tensors["positions"] = state["positions"].numpy().astype(np.float16)
    return tensors


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("checkpoint", "sources", "work"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--towers", required=True)
    parser.add_argument("--out", type=Path, default=PACKAGE)
    given = parser.parse_args()
    averaged = torch.load(given.work / given.towers, weights_only=False)["averaged"]
    network = Lite2(given.checkpoint)
    towers = Towers(network.end)
    towers.load_state_dict(averaged)
    towers.eval()
    save_file(text_tensors(towers.text), given.out / "text.safetensors")
    photos = [json.loads(line) for line in (given.work / "photos.jsonl").read_text().splitlines()]
    export_int8(PictureTower(network, towers.head), given.out / "image.onnx", given.sources, photos)
    int8_weights(given.out / "image.onnx")
    for name in ("text.safetensors", "image.onnx"):
        print(name, (given.out / name).stat().st_size)


if __name__ == "__main__":
    main()
