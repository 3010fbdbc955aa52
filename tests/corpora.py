"""Small corpora for tests: archives, Parquet files and folders with the pictures that tests draw, and captions."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

CAPTIONS = {
    "disc": "a red disc on white",
    "square": "an orange square on dark blue",
    "stripes": "purple stripes on gold",
    "rings": "green rings on black",
    "cross": "a brown cross on pink",
    "ramp": "a ramp from black to white",
    "grid": "white lines on teal",
    "noise": "coloured noise",
}


class Corpora:
    """Writes corpora into a folder.

    Args:
        folder: takes the files.
        draw: draws a picture by its name.
    """

    def __init__(self, folder: Path, draw: Callable[[str], Image.Image]) -> None:
        self.folder = folder
        self._draw = draw

    def jpeg(self, name: str) -> bytes:
        """A picture by its name, as JPEG."""
        buffer = io.BytesIO()
        self._draw(name).convert("RGB").save(buffer, "JPEG", quality=95)
        return buffer.getvalue()

    def samples(self, names: Iterable[str] = tuple(CAPTIONS)) -> dict[str, bytes]:
        """Files as WebDataset has them: a picture, its caption and its facts under one key."""
        files = {}
        for number, name in enumerate(names):
            files[f"{number:06d}.jpg"] = self.jpeg(name)
            files[f"{number:06d}.txt"] = CAPTIONS[name].encode()
            files[f"{number:06d}.json"] = json.dumps({"stars": number, "name": name, "width": 7}).encode()
        return files

    def tar(self, name: str, files: dict[str, bytes] | None = None, mode: str = "w") -> Path:
        """A tar of these files, in their order; by default of all eight samples."""
        path = self.folder / name
        with tarfile.open(path, mode) as archive:
            for member, data in (self.samples() if files is None else files).items():
                info = tarfile.TarInfo(member)
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
        return path

    def zip(self, name: str, files: dict[str, bytes] | None = None) -> Path:
        """A ZIP file of these files."""
        path = self.folder / name
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for member, data in (self.samples() if files is None else files).items():
                archive.writestr(member, data)
        return path

    def parquet(self, name: str, columns: dict[str, Any], row_group_size: int = 3) -> Path:
        """A Parquet file of these columns."""
        path = self.folder / name
        pq.write_table(pa.table(columns), path, row_group_size=row_group_size)
        return path

    def hugging_face(self, name: str = "train-00000-of-00001.parquet") -> Path:
        """A Parquet file with a column ``image`` of structs, as Hugging Face's datasets have it, and captions."""
        return self.parquet(
            name,
            {
                "image": [{"bytes": self.jpeg(one), "path": f"{one}.jpg"} for one in CAPTIONS],
                "text": list(CAPTIONS.values()),
                "label": list(range(len(CAPTIONS))),
            },
        )

    def img2dataset(self, name: str = "00000.parquet") -> Path:
        """A Parquet file as img2dataset writes it, with bytes in the column ``jpg``."""
        return self.parquet(
            name,
            {
                "key": [f"{number:09d}" for number in range(len(CAPTIONS))],
                "caption": list(CAPTIONS.values()),
                "url": [f"https://example.org/{one}.jpg" for one in CAPTIONS],
                "width": [96] * len(CAPTIONS),
                "jpg": [self.jpeg(one) for one in CAPTIONS],
            },
        )

    def files(self, name: str = "files", copies: int = 1) -> Path:
        """A folder of the eight pictures."""
        folder = self.folder / name
        folder.mkdir()
        for copy in range(copies):
            for one in CAPTIONS:
                (folder / f"{copy:03d}-{one}.jpg").write_bytes(self.jpeg(one))
        return folder
