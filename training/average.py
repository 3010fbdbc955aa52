"""The mean of checkpoints that started from one and the same: better than each, at no cost when it runs.

    python -m training.average --work FOLDER --out towers.pt --branches 2 seed12.pt seed13.pt early.pt

With --branches N what knows places and the order of words is the mean of the first N alone: a checkpoint from before
`order.py` knows no order, but its photographs and words are worth having.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from training.order import LEARNED

BRANCHES = ("head.places", *(f"text.{name}" for name in LEARNED))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--branches", type=int, required=True)
    parser.add_argument("checkpoints", nargs="+")
    given = parser.parse_args()
    states = [torch.load(given.work / name, weights_only=False)["averaged"] for name in given.checkpoints]
    mean = {}
    for name in states[0]:
        among = states[: given.branches] if name.startswith(BRANCHES) else states
        mean[name] = torch.stack([state[name] for state in among]).mean(0)
    torch.save({"averaged": mean}, given.work / given.out)


if __name__ == "__main__":
    main()
