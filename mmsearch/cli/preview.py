"""Small pictures in the terminal: two pixels a character, in any terminal that has colours."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mmsearch.cli.render import shown_path, terminal
from mmsearch.hits import Hit

_WIDTH, _HEIGHT = 40, 40


def print_previews(hits: Sequence[Hit]) -> None:
    """The pictures and films among the hits, each under its path, films at the hit; bytes are decoded in a worker."""
    from mmsearch.retrieval.media.decode_spec import DecodeSpec
    from mmsearch.retrieval.media.pictures.transform import ImageTransform
    from mmsearch.retrieval.media.workers.decoder import Decoder, Job

    console = terminal()
    fitted = ImageTransform(_HEIGHT, _WIDTH, resize="longest", draft=2.0)
    with Decoder(1, DecodeSpec(image=fitted, frames=fitted, texts=False), slots=2) as decoder:
        for hit in (hit for hit in hits if hit.modality in ("image", "video")):
            console.print(f"{hit.rank}  {shown_path(hit.path)}  {hit.span or ''}".rstrip(), markup=False)
            middle = ((hit.span.start + hit.span.end) / 2, None) if hit.span else None
            file, parts = decoder.decode_one(Job(os.fsencode(hit.path), named=True, moment=middle))
            pixels = parts[0].array[0] if parts else file.pixels
            if pixels is None:
                console.print(f"   {file.reason}", style="dim", markup=False)
            else:
                console.print(half_blocks(pixels))
                decoder.release(file)


def half_blocks(pixels: NDArray[np.uint8]):  # type: ignore[no-untyped-def]
    """Pixels uint8 ``[height, width, 3]`` as a rich text: the upper half of each character in the upper colour."""
    from rich.text import Text

    picture = Text()
    for upper, lower in zip(pixels[::2], pixels[1::2], strict=True):
        for top, bottom in zip(upper.tolist(), lower.tolist(), strict=True):
            picture.append("▀", f"rgb({top[0]},{top[1]},{top[2]}) on rgb({bottom[0]},{bottom[1]},{bottom[2]})")
        picture.append("\n")
    return picture
