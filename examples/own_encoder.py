"""An encoder of your own: pictures by their colours, and texts by the colours that they name.

python examples/own_encoder.py FOLDER "red" ["a white wall" ...]
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

import mmsearch

PALETTE = {
    "black": (0, 0, 0),
    "white": (255, 255, 255),
    "grey": (128, 128, 128),
    "red": (220, 30, 30),
    "orange": (250, 150, 30),
    "yellow": (240, 220, 40),
    "green": (40, 150, 60),
    "blue": (40, 80, 200),
    "purple": (130, 40, 150),
    "pink": (250, 170, 190),
}


class ColourEncoder:
    """One dimension for each colour: its share of a picture's pixels, or how often a text names it."""

    space = mmsearch.Space("colours", weights="1", processing="1", dim=len(PALETTE))  # new digits when vectors change
    modalities = frozenset({"text", "image", "video"})  # films by their frames
    device = "cpu"
    max_tokens = 100
    image_transform = mmsearch.ImageTransform(height=64, width=64)

    def encode_images(self, pixels: np.ndarray) -> np.ndarray:
        colours = np.array(list(PALETTE.values()), np.float32)
        distances = np.square(pixels[..., None, :] - colours).sum(-1)  # [n, height, width, colours]
        return unit_vectors((distances.argmin(-1)[..., None] == np.arange(len(colours))).mean((1, 2)))

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        words = [text.lower().split()[: self.max_tokens] for text in texts]
        counts = [[own.count(name) for name in PALETTE] for own in words]
        return unit_vectors(np.array(counts).reshape(-1, len(PALETTE)))

    def count_tokens(self, texts: Sequence[str]) -> np.ndarray:
        return np.array([len(text.split()) for text in texts], np.int64)


def unit_vectors(rows: np.ndarray) -> np.ndarray:
    rows = np.where(rows.any(axis=1, keepdims=True), rows, 1)  # no colour at all: as near to each of them
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def main(folder: str, *questions: str) -> None:
    encoder, home = ColourEncoder(), Path(folder).with_suffix(".colours")
    if not home.exists():
        mmsearch.Collection.create(home, model=encoder).index([folder])
    with mmsearch.Collection.open(home, encoders=[encoder]) as pictures:
        for question in questions:
            print(question, *(f"  {hit.score:.3f}  {hit.path}" for hit in pictures.search(question, k=3)), sep="\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
