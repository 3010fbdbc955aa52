"""sha256 of weight files, computed once: checkpoints are gigabytes, and a space needs their digest at every start."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import tempfile
from pathlib import Path
from typing import Any

import platformdirs

_SHA256 = re.compile(r"[0-9a-f]{64}")


def file_sha256(path: Path) -> str:
    """sha256 of a file's bytes, hexadecimal.

    In the Hugging Face cache a file is a link to a blob that is named by its sha256, so nothing is read. Of other
    files the digest is kept in the user's cache folder under path, size and modification time; a cache that cannot
    be read or written only costs time.
    """
    blob = path.resolve()
    if path.is_symlink() and _SHA256.fullmatch(blob.name) and blob.parent.name == "blobs":
        return blob.name
    facts = blob.stat()
    stamp = [facts.st_size, facts.st_mtime_ns]
    known = _read_cache()
    if str(blob) in known and known[str(blob)][:2] == stamp:
        return str(known[str(blob)][2])
    with blob.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    _write_cache({**known, str(blob): [*stamp, sha256]})
    return sha256


def _cache_file() -> Path:
    return platformdirs.user_cache_path("mmsearch") / "digests.json"


def _read_cache() -> dict[str, list[Any]]:
    try:
        known = json.loads(_cache_file().read_bytes())
    except (OSError, ValueError):
        return {}
    if not isinstance(known, dict):
        return {}
    return {key: value for key, value in known.items() if isinstance(value, list) and len(value) == 3}


def _write_cache(known: dict[str, list[Any]]) -> None:
    with contextlib.suppress(OSError, UnicodeEncodeError):
        folder = _cache_file().parent
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=folder, delete=False) as file:
            json.dump(known, file)
        os.replace(file.name, _cache_file())
