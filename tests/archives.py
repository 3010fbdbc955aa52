"""Small archives, as corpora come in: tars of samples with captions and facts, ZIP files, Parquet files."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

NAMES = ("disc.png", "square.jpg", "stripes.png", "rings.jpg")
CAPTIONS = (
    "A red disc on white paper.",
    "An orange square on navy ground.",
    "Purple and golden stripes of a quilt.",
    "Three lime rings in the dark.",
)


def picture_bytes(picture: Image.Image) -> bytes:
    """A picture as the bytes of a PNG file."""
    written = io.BytesIO()
    picture.save(written, "PNG")
    return written.getvalue()


def write_tar(path: Path, files: Mapping[str, bytes], mode: str = "w") -> Path:
    """A tar of some files, in their order."""
    with tarfile.open(path, mode) as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def write_zip(path: Path, files: Mapping[str, bytes]) -> Path:
    """A ZIP file of some files."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def samples(drawn: Callable[..., Image.Image], names: Sequence[str] = NAMES) -> dict[str, bytes]:
    """Samples ``000000.png``, ``000000.txt``, ``000000.json``: pictures with captions, and facts that count stars."""
    files: dict[str, bytes] = {}
    for number, name in enumerate(names):
        key = f"{number:06d}"
        files[f"{key}.png"] = picture_bytes(drawn(name))
        files[f"{key}.txt"] = CAPTIONS[NAMES.index(name)].encode()
        files[f"{key}.json"] = json.dumps({"stars": number}).encode()
    return files


def write_shard(path: Path, drawn: Callable[..., Image.Image], names: Sequence[str] = NAMES) -> Path:
    """A tar of `samples`."""
    return write_tar(path, samples(drawn, names))


def write_parquet(path: Path, drawn: Callable[..., Image.Image], names: Sequence[str] = NAMES) -> Path:
    """A Parquet file as Hugging Face writes them: pictures as structs, captions beside them, two row groups."""
    pictures = [{"bytes": picture_bytes(drawn(name)), "path": name.split(".")[0] + ".png"} for name in names]
    captions = [CAPTIONS[NAMES.index(name)] for name in names]
    pq.write_table(pa.table({"image": pictures, "text": captions}), path, row_group_size=2)
    return path
