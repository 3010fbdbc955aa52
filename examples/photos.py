"""Real photographs that come with an installed library: for the demo and for the picture in the README."""

from __future__ import annotations

import shutil
from importlib.resources import files
from pathlib import Path

PHOTOGRAPHS = (
    "astronaut.png",
    "brick.png",
    "camera.png",
    "chelsea.png",
    "clock_motion.png",
    "coffee.png",
    "coins.png",
    "grass.png",
    "gravel.png",
    "hubble_deep_field.jpg",
    "moon.png",
    "motorcycle_left.png",
    "page.png",
    "retina.jpg",
    "rocket.jpg",
)


def copy_photographs(folder: Path) -> None:
    """Put scikit-image's photographs into ``folder``, which is made."""
    folder.mkdir(parents=True, exist_ok=True)
    shipped = files("skimage").joinpath("data")
    for name in PHOTOGRAPHS:
        with shipped.joinpath(name).open("rb") as source, (folder / name).open("wb") as target:
            shutil.copyfileobj(source, target)
