"""The collection that an import fills: one that is there, or a new one that stays only if something came in."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mmsearch.collection import Collection


@contextmanager
def collection_to_fill(path: str | os.PathLike[str], model: str | None = None) -> Iterator[Collection]:
    """Open a collection for the block, or make it; a new one without rows is gone after the block.

    Args:
        path: its folder.
        model: the model of a new one; None for vectors made elsewhere.

    Raises:
        UsageError: other files are there.
        ModelUnavailableError: the model cannot be loaded.
    """
    if Collection.exists(path):
        with Collection.open(path) as opened:
            yield opened
        return
    root = Path(path).expanduser().absolute()
    was_there = root.is_dir()
    made = Collection.create(root, model)
    try:
        yield made
    finally:
        is_empty = not made.manifest.shards
        made.close()
        if is_empty:
            shutil.rmtree(root)
            if was_there:
                root.mkdir()
