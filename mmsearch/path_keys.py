"""Numbers that stand for paths in side tables, so that a path is found in them without reading all of theirs."""

from __future__ import annotations

import hashlib
import os


def path_key(path: str) -> int:
    """A number of 63 bits that stands for a path."""
    digest = hashlib.blake2b(os.fsencode(path), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1
