"""The picture and text towers of `mini` in torch, as they are trained."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmsearch.retrieval.encoders.mini.tensors import map_tensors
from training.lite import FEATURES, MAP_CHANNELS

DIM = 256
MAX_TOKENS = 64
INNER, HEADS, HIDDEN = 128, 4, 384  # of the transformer layer


class PictureHead(nn.Module):
    """Pooled features and the trunk's maps → unit vectors. The maps' branch knows where things are."""

    def __init__(self, mean: Tensor, deviation: Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("deviation", deviation)
        self.linear = nn.Linear(FEATURES, DIM)
        self.inner, self.outer = nn.Linear(FEATURES, 512), nn.Linear(512, DIM)
        self.places = nn.Conv2d(MAP_CHANNELS, 48, 1)
        self.places_inner, self.places_outer = nn.Linear(48 * 49, 384), nn.Linear(384, DIM)
        for layer in (self.outer, self.places_outer):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, pooled: Tensor, maps: Tensor, dropout: float = 0.0) -> Tensor:
        def drop(x: Tensor, rate: float) -> Tensor:
            return F.dropout(x, rate, self.training and dropout > 0)

        x = drop((pooled - self.mean) / self.deviation, dropout)
        y = self.linear(x) + self.outer(drop(F.relu(self.inner(x)), dropout))
        z = F.relu(self.places(maps)).flatten(1)
        z = F.relu(self.places_inner(drop(z, dropout)))
        return F.normalize(y + self.places_outer(drop(z, dropout)), dim=-1)


class TextTower(nn.Module):
    """The first version's sum of token rows and residual layer, and beside it one transformer layer for word order.

    bag:    s = Σₜ rₜ,   s ← s / |s|,   y = W s + B relu(A s + a) + b
    order:  hₜ = √D rₜ / |rₜ| + posₜ;  h += O attention(h);  h += F₂ relu(F₁ h + f₁) + f₂;  y += C meanₜ relu(G hₜ + g)
    """

    def __init__(self, start: Path) -> None:
        super().__init__()
        first = {k: torch.tensor(np.array(v, np.float32)) for k, v in map_tensors(start).items()}
        rows = first["table"] * first["table_scale"][:, None]
        self.table = nn.Embedding(*rows.shape, sparse=True, _weight=rows)
        self.skip = nn.Linear(DIM, DIM, bias=False)
        self.hidden, self.output = nn.Linear(DIM, 512), nn.Linear(512, DIM)
        with torch.no_grad():
            self.skip.weight.copy_(first["W"])
            self.hidden.weight.copy_(first["A"] * first["A_scale"][:, None])
            self.hidden.bias.copy_(first["a"])
            self.output.weight.copy_(first["B"] * first["B_scale"][:, None])
            self.output.bias.copy_(first["b"])
        self.positions = nn.Parameter(torch.randn(MAX_TOKENS, DIM) * 0.3)
        self.qkv, self.mix = nn.Linear(DIM, 3 * INNER), nn.Linear(INNER, DIM)
        self.wide, self.narrow = nn.Linear(DIM, HIDDEN), nn.Linear(HIDDEN, DIM)
        self.gate = nn.Linear(DIM, HIDDEN)
        self.order = nn.Linear(HIDDEN, DIM, bias=False)
        for layer in (self.mix, self.narrow):
            nn.init.normal_(layer.weight, std=0.02)
            nn.init.zeros_(layer.bias)
        nn.init.zeros_(self.order.weight)

    def forward(self, ids: Tensor, there: Tensor, token_dropout: float = 0.0) -> Tensor:
        """Token ids ``[n, tokens]`` and which are there → unit vectors ``[n, 256]``."""
        if token_dropout and self.training:
            kept = torch.rand(ids.shape) > token_dropout
            kept[:, 0] = True
            heard = there & kept
        else:
            heard = there
        rows = self.table(ids)
        sums = (rows * heard[..., None]).sum(1)
        s = sums / (sums.norm(dim=-1, keepdim=True) + 1e-6)
        y = self.skip(s) + self.output(F.relu(self.hidden(s)))
        n, length = ids.shape
        h = rows / (rows.norm(dim=-1, keepdim=True) + 1e-6) * DIM**0.5 + self.positions[:length]
        q, k, v = self.qkv(h).view(n, length, 3, HEADS, INNER // HEADS).permute(2, 0, 3, 1, 4)
        mask = torch.zeros(n, 1, 1, length).masked_fill(~there[:, None, None], -1e4)
        mixed = F.scaled_dot_product_attention(q, k, v, mask).transpose(1, 2).reshape(n, length, INNER)
        h = h + self.mix(mixed)
        h = h + self.narrow(F.relu(self.wide(h)))
        h = F.relu(self.gate(h)) * there[..., None]
        mean = h.sum(1) / there.sum(1, keepdim=True)
        return F.normalize(y + self.order(F.dropout(mean, 0.1, self.training)), dim=-1)


def padded(ids: list[list[int]]) -> tuple[Tensor, Tensor]:
    """Token ids as one matrix and a mask; a text with no token is one unknown token."""
    ids = [row[:MAX_TOKENS] or [0] for row in ids]
    matrix = torch.zeros(len(ids), max(map(len, ids)), dtype=torch.long)
    there = torch.zeros(matrix.shape, dtype=torch.bool)
    for i, row in enumerate(ids):
        matrix[i, : len(row)] = torch.tensor(row)
        there[i, : len(row)] = True
    return matrix, there
