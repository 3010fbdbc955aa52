"""The towers as an earlier version shipped them, as numbers that training goes on from.

int8 weights times their scales are what those towers computed with, so that nothing of them is lost.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor
from torch.nn import functional as F

from mmsearch.retrieval.encoders.mini.tensors import map_tensors
from training.lite import MAP_SIDE
from training.towers import Towers


def picture_state(file: Path) -> dict[str, Tensor]:
    """The tensors of `end` and `head` in an `image.onnx` that `export.py` wrote, by their names in torch."""
    stored = {t.name: numpy_helper.to_array(t) for t in onnx.load(str(file)).graph.initializer}
    state = {}
    for name, values in stored.items():
        if not name.startswith(("inner.end.", "inner.head.")):
            continue
        short = name.removeprefix("inner.")
        if name.endswith(("_quantized", "_int8")) and not name.endswith("bias_quantized"):
            scale = stored[name.removesuffix("_quantized").removesuffix("_int8") + "_scale"]
            real = values.astype(np.float32) * scale.reshape(-1, *[1] * (values.ndim - 1))
            state[short.removesuffix("_quantized").removesuffix("_int8")] = torch.from_numpy(real)
        elif name.endswith("bias_quantized"):
            state[short.removesuffix("_quantized")] = torch.from_numpy(
                (values * stored[f"{name}_scale"]).astype(np.float32)
            )
        elif name.endswith(("bias", "mean", "deviation")):
            state[short] = torch.from_numpy(values.astype(np.float32))
    return state


def text_state(file: Path) -> dict[str, Tensor]:
    """The tensors of a `text.safetensors`, by their names in torch."""
    stored = map_tensors(file)
    state = {}
    for name, values in stored.items():
        if f"{name}_scale" in stored:
            real = values.astype(np.float32) * stored[f"{name}_scale"].astype(np.float32)[:, None]
            state[f"text.{name}.weight"] = torch.from_numpy(real)
        elif name.endswith("_bias"):
            state[f"text.{name.removesuffix('_bias')}.bias"] = torch.from_numpy(np.array(values, np.float32))
        elif name == "positions":
            state["text.positions"] = torch.from_numpy(values.astype(np.float32))
    return state


def start_from(towers: Towers, folder: Path) -> None:
    """Loads the towers of a package folder; what saw 7×7 maps is stretched to the maps of today."""
    state = picture_state(folder / "image.onnx") | text_state(folder / "text.safetensors")
    grids = state["head.places_inner.weight"].view(384, 48, -1)
    side = round(grids.shape[2] ** 0.5)
    grids = F.interpolate(grids.view(384, 48, side, side), (MAP_SIDE, MAP_SIDE), mode="bilinear", align_corners=False)
    state["head.places_inner.weight"] = grids.flatten(1) * (side / MAP_SIDE) ** 2
    # Two biases that are added to one sum are always alike, and ONNX keeps one of such twins.
    state.setdefault("head.places_outer.bias", state["head.outer.bias"])
    state["scales"] = towers.scales.detach()
    missing, unknown = towers.load_state_dict(state, strict=False)
    if unknown or missing:
        raise ValueError(f"{folder} does not hold the towers of mini: missing {missing}, unknown {unknown}")
