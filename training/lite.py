"""EfficientNet-Lite2 in torch with its batch norms folded into the convolutions, as a trunk and a trainable end.

The architecture is the published one (https://github.com/tensorflow/tpu, `efficientnet/lite`): seven stages of
inverted bottlenecks without squeeze-and-excitation, relu6, TensorFlow's asymmetric padding before strides.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

STAGES = ((1, 1), (3, 2), (3, 2), (4, 2), (4, 1), (5, 2), (1, 1))  # blocks, stride of the first
TRUNK_BLOCKS = 17  # those whose weights stay as they are; their output is cached
MAP_CHANNELS, MAP_SIDE = 208, 8
FEATURES = 1280
EPSILON = 1e-3  # of the batch norms


class Folded(nn.Module):
    """Convolution + batch norm (folded) + optional relu6."""

    def __init__(self, weights: Mapping[str, Tensor], conv: str, norm: str, stride: int, relu: bool) -> None:
        super().__init__()
        kernel = weights[f"{conv}.weight"]
        scale = weights[f"{norm}.weight"] / torch.sqrt(weights[f"{norm}.running_var"] + EPSILON)
        self.weight = nn.Parameter(kernel * scale[:, None, None, None])
        self.bias = nn.Parameter(weights[f"{norm}.bias"] - weights[f"{norm}.running_mean"] * scale)
        self.groups = len(kernel) if kernel.shape[1] == 1 and len(kernel) > 1 else 1
        self.stride, self.relu = stride, relu

    def forward(self, x: Tensor) -> Tensor:
        size = self.weight.shape[-1]
        padding = size // 2
        if self.stride == 2:  # even sizes: size - 2 in all, the smaller half first
            before = (size - 2) // 2
            x = F.pad(x, (before, size - 2 - before) * 2)
            padding = 0
        x = F.conv2d(x, self.weight, self.bias, self.stride, padding, groups=self.groups)
        return F.relu6(x) if self.relu else x


class Bottleneck(nn.Module):
    """Expand, depthwise, project; the input is added where the shapes agree."""

    def __init__(self, weights: Mapping[str, Tensor], name: str, stride: int) -> None:
        super().__init__()
        layers = []
        if f"{name}._expand_conv.weight" in weights:
            layers.append(Folded(weights, f"{name}._expand_conv", f"{name}._bn0", 1, True))
        layers.append(Folded(weights, f"{name}._depthwise_conv", f"{name}._bn1", stride, True))
        layers.append(Folded(weights, f"{name}._project_conv", f"{name}._bn2", 1, False))
        self.layers = nn.Sequential(*layers)
        self.adds = stride == 1 and layers[0].weight.shape[1 if len(layers) == 3 else 0] == layers[-1].weight.shape[0]

    def forward(self, x: Tensor) -> Tensor:
        y = self.layers(x)
        return x + y if self.adds else y


class Lite2(nn.Module):
    """Scaled pixels ``[n, 3, 256, 256]`` → maps ``[n, 208, 8, 8]`` (`trunk`) → maps ``[n, 1280, 8, 8]`` (`end`)."""

    def __init__(self, checkpoint: Path) -> None:
        super().__init__()
        weights = torch.load(checkpoint, map_location="cpu", weights_only=True)
        blocks = []
        for count, stride in STAGES:
            blocks += [Bottleneck(weights, f"_blocks.{len(blocks) + i}", stride if i == 0 else 1) for i in range(count)]
        self.trunk = nn.Sequential(Folded(weights, "_conv_stem", "_bn0", 2, True), *blocks[:TRUNK_BLOCKS])
        self.end = nn.Sequential(*blocks[TRUNK_BLOCKS:], Folded(weights, "_conv_head", "_bn1", 1, True))
        self.register_buffer("class_weight", weights["_fc.weight"])
        self.register_buffer("class_bias", weights["_fc.bias"])


def end_as_matrices(end: nn.Sequential, maps: Tensor, still: int = 0) -> Tensor:
    """What `end` gives, averaged over places, ``[n, 208, side, side]`` → ``[n, 1280]``, by matrix products alone.

    Convolutions' gradients are slow on CPUs. Here a 1×1 convolution is a product over channels, and a depthwise one a
    product over the places with a matrix for each channel. The first `still` blocks get no gradients.
    """
    side = maps.shape[-1]
    x = maps.flatten(2).transpose(1, 2)
    for i, layer in enumerate(end):
        with torch.set_grad_enabled(torch.is_grad_enabled() and i >= still):
            if isinstance(layer, Folded):
                x = _as_matrix(layer, x, side)
            else:
                y = x
                for folded in layer.layers:
                    y = _as_matrix(folded, y, side)
                x = x + y if layer.adds else y
    return x.float().mean(1)


def _as_matrix(layer: Folded, x: Tensor, side: int) -> Tensor:
    if layer.groups == 1:
        y = F.linear(x, layer.weight[:, :, 0, 0], layer.bias)
    else:
        size = layer.weight.shape[-1]
        at = torch.arange(side)
        # From place (i, j) to place (k, l) by the kernel's entry (i - k + size // 2, j - l + size // 2).
        down = at[:, None, None, None] - at[None, None, :, None] + size // 2
        right = at[None, :, None, None] - at[None, None, None, :] + size // 2
        inside = (down >= 0) & (down < size) & (right >= 0) & (right < size)
        entry = (down.clamp(0, size - 1) * size + right.clamp(0, size - 1)).reshape(side**2, side**2)
        matrices = layer.weight.flatten(1)[:, entry] * inside.reshape(side**2, side**2)
        y = torch.bmm(x.permute(2, 0, 1), matrices).permute(1, 2, 0) + layer.bias.to(x.dtype)
    return F.relu6(y) if layer.relu else y
