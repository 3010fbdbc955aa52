"""Where the evaluation data is: ``$MMSEARCH_SHARED``, else the folder ``shared`` beside the repository."""

from __future__ import annotations

import os
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent


class MissingDataError(Exception):
    """A case cannot run: a data set is not on this machine. The text says which."""


def data_set(name: str) -> Path:
    """The folder of a data set, e.g. ``flickr8k_dev500``.

    Raises:
        MissingDataError: it is not there.
    """
    shared = Path(os.environ.get("MMSEARCH_SHARED") or REPOSITORY.parent / "shared")
    folder = shared / "data" / "dev" / name
    if not folder.is_dir():
        raise MissingDataError(f"needs the data set {name}; set MMSEARCH_SHARED to the folder of evaluation data")
    return folder
