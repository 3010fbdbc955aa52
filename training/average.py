"""The mean of checkpoints that started from one and the same: better than each, at no cost when it runs.

python -m training.average --work FOLDER --out towers.pt blocks12.pt blocks13.pt
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("checkpoints", nargs="+")
    given = parser.parse_args()
    states = [torch.load(given.work / name, weights_only=False)["averaged"] for name in given.checkpoints]
    mean = {name: torch.stack([state[name] for state in states]).mean(0) for name in states[0]}
    torch.save({"averaged": mean}, given.work / given.out)


if __name__ == "__main__":
    main()
