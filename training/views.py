"""The cached maps of every view of every photograph, and random draws of them."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

Picked = tuple[str, int]  # a cache, and a row of it


class Views:
    """Reads `WORK/maps`. A cache `VIEW.more` holds photographs that `VIEW` lacks."""

    def __init__(self, work: Path) -> None:
        self.maps: dict[str, np.ndarray] = {}
        self.pooled: dict[str, np.ndarray] = {}
        self.rows: dict[str, dict[str, Picked]] = {}
        self.photos: list[dict[str, Any]] = []
        for done in sorted((work / "maps").glob("*.done")):
            cache, view = done.stem, done.stem.split(".")[0]
            lines = (work / f"maps/{cache}.jsonl").read_text().splitlines()
            rows = [json.loads(line) for line in lines][: int(done.read_text())]
            self.maps[cache] = np.load(work / f"maps/{cache}.npy", mmap_mode="r")
            features = work / f"maps/{cache}.pooled.npy"
            if features.exists():
                self.pooled[cache] = np.load(features, mmap_mode="r")
            self.rows.setdefault(view, {}).update({row["file"]: (cache, i) for i, row in enumerate(rows)})
            if view in ("plain", "drawn"):
                self.photos += rows

    def of(self, part: str, *kinds: str) -> list[dict[str, Any]]:
        return [p for p in self.photos if p["kind"] in kinds and p["part"] == part]

    def pick(self, file: str, rng: random.Random, among: tuple[str, ...]) -> Picked:
        there = [self.rows[view][file] for view in among if file in self.rows.get(view, {})]
        return rng.choice(there)

    def read(self, picked: list[Picked]) -> Tensor:
        """Maps as bfloat16 ``[n, 208, side, side]``."""
        return torch.from_numpy(np.stack([self.maps[cache][i] for cache, i in picked])).bfloat16()

    def features(self, picked: list[Picked]) -> Tensor:
        """Pooled features under the published end of the network, float32 ``[n, 1280]``."""
        return torch.from_numpy(np.stack([self.pooled[cache][i] for cache, i in picked]).astype(np.float32))
