"""The picture and text towers of `mini` in torch, as they are trained."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from training.lite import FEATURES, MAP_CHANNELS, MAP_SIDE, end_as_matrices

DIM = 256
MAX_TOKENS = 64
ROWS = 26847  # of the table of tokens
INNER, HEADS, HIDDEN = 128, 4, 384  # of the transformer layer


class PictureHead(nn.Module):
    """Pooled features and the trunk's maps → unit vectors. The maps' branch knows where things are."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(FEATURES))
        self.register_buffer("deviation", torch.ones(FEATURES))
        self.linear = nn.Linear(FEATURES, DIM)
        self.inner, self.outer = nn.Linear(FEATURES, 512), nn.Linear(512, DIM)
        self.places = nn.Conv2d(MAP_CHANNELS, 48, 1)
        self.places_inner, self.places_outer = nn.Linear(48 * MAP_SIDE**2, 384), nn.Linear(384, DIM)

    def placed(self, maps: Tensor, dropout: float = 0.0) -> Tensor:
        """The maps' branch alone, ``[n, 256]``."""

        def drop(x: Tensor) -> Tensor:
            return F.dropout(x, dropout, self.training and dropout > 0)

        z = F.relu(self.places(maps)).flatten(1)
        return self.places_outer(drop(F.relu(self.places_inner(drop(z)))))

    def forward(self, pooled: Tensor, placed: Tensor, dropout: float = 0.0) -> Tensor:
        def drop(x: Tensor) -> Tensor:
            return F.dropout(x, dropout, self.training and dropout > 0)

        x = drop((pooled - self.mean) / self.deviation)
        y = self.linear(x) + self.outer(drop(F.relu(self.inner(x))))
        return F.normalize(y + placed, dim=-1)


class TextTower(nn.Module):
    """A sum of token rows with a residual layer, and beside it one transformer layer for word order.

    bag:    s = Σₜ rₜ,   s ← s / |s|,   y = W s + B relu(A s + a) + b
    order:  hₜ = √D rₜ / |rₜ| + posₜ;  h += O attention(h);  h += F₂ relu(F₁ h + f₁) + f₂;  y += C meanₜ relu(G hₜ + g)
    """

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(ROWS, DIM, sparse=True)
        self.skip = nn.Linear(DIM, DIM, bias=False)
        self.hidden, self.output = nn.Linear(DIM, 512), nn.Linear(512, DIM)
        self.positions = nn.Parameter(torch.zeros(MAX_TOKENS, DIM))
        self.qkv, self.mix = nn.Linear(DIM, 3 * INNER), nn.Linear(INNER, DIM)
        self.wide, self.narrow = nn.Linear(DIM, HIDDEN), nn.Linear(HIDDEN, DIM)
        self.gate = nn.Linear(DIM, HIDDEN)
        self.order = nn.Linear(HIDDEN, DIM, bias=False)

    def mixed(self, ids: Tensor, there: Tensor) -> Tensor:
        """The tokens after the transformer layer, ``[n, tokens, 256]``."""
        rows = self.table(ids)
        n, length = ids.shape
        h = rows / (rows.norm(dim=-1, keepdim=True) + 1e-6) * DIM**0.5 + self.positions[:length]
        q, k, v = self.qkv(h).view(n, length, 3, HEADS, INNER // HEADS).permute(2, 0, 3, 1, 4)
        mask = torch.zeros(n, 1, 1, length).masked_fill(~there[:, None, None], -1e4)
        heard = F.scaled_dot_product_attention(q, k, v, mask).transpose(1, 2).reshape(n, length, INNER)
        h = h + self.mix(heard)
        return h + self.narrow(F.relu(self.wide(h)))

    def ordered(self, mixed: Tensor, there: Tensor, dropout: float = 0.0) -> Tensor:
        """What the tokens after the transformer layer add to the text's vector, ``[n, 256]``."""
        h = F.relu(self.gate(mixed)) * there[..., None]
        mean = h.sum(1) / there.sum(1, keepdim=True)
        return self.order(F.dropout(mean, dropout, self.training))

    def forward(self, ids: Tensor, there: Tensor, token_dropout: float = 0.0) -> Tensor:
        """Token ids ``[n, tokens]`` and which are there → unit vectors ``[n, 256]``."""
        if token_dropout and self.training:
            kept = torch.rand(ids.shape) > token_dropout
            kept[:, 0] = True
            heard = there & kept
        else:
            heard = there
        sums = (self.table(ids) * heard[..., None]).sum(1)
        s = sums / (sums.norm(dim=-1, keepdim=True) + 1e-6)
        y = self.skip(s) + self.output(F.relu(self.hidden(s)))
        return F.normalize(y + self.ordered(self.mixed(ids, there), there, 0.1), dim=-1)


class Towers(nn.Module):
    """Everything that is trained; `scales` are the logarithms of the softmaxes' inverse temperatures."""

    def __init__(self, end: nn.Sequential, still: int = 0) -> None:
        super().__init__()
        self.end, self.head, self.text = end, PictureHead(), TextTower()
        self.still = still
        self.scales = nn.Parameter(torch.tensor([3.0, 3.0, 2.5, 2.9, 3.0, 3.2]))

    def pictures(self, maps: Tensor, dropout: float = 0.0) -> Tensor:
        """Unit vectors ``[n, 256]`` of the trunk's maps, bfloat16 ``[n, 208, side, side]``."""
        with torch.autocast("cpu", torch.bfloat16):
            pooled = end_as_matrices(self.end, maps, self.still)
        return self.head(pooled, self.head.placed(maps.float(), dropout), dropout)


def padded(ids: list[list[int]]) -> tuple[Tensor, Tensor]:
    """Token ids as one matrix and a mask; a text with no token is one unknown token."""
    ids = [row[:MAX_TOKENS] or [0] for row in ids]
    matrix = torch.zeros(len(ids), max(map(len, ids)), dtype=torch.long)
    there = torch.zeros(matrix.shape, dtype=torch.bool)
    for i, row in enumerate(ids):
        matrix[i, : len(row)] = torch.tensor(row)
        there[i, : len(row)] = True
    return matrix, there
