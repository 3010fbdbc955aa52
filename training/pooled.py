"""Pooled features of the cached maps under the published end of Lite2: what the head starts from, and the teacher.

    python -m training.pooled --checkpoint LITE2.pth --work FOLDER VIEW ...

Writes `maps/VIEW.pooled.npy`, float16 [n, 1280].
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch

from training.lite import Lite2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("views", nargs="+")
    given = parser.parse_args()
    torch.set_num_threads(1)
    end = Lite2(given.checkpoint).end.eval().to(memory_format=torch.channels_last)
    for view in given.views:
        maps = np.load(given.work / f"maps/{view}.npy", mmap_mode="c")
        pooled = []
        for start in range(0, len(maps), 128):
            x = torch.from_numpy(maps[start : start + 128]).bfloat16().contiguous(memory_format=torch.channels_last)
            with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
                pooled.append(end(x).float().mean((2, 3)).half().numpy())
        np.save(given.work / f"maps/{view}.pooled.npy", np.concatenate(pooled))
        print(view, len(maps), flush=True)


if __name__ == "__main__":
    main()
