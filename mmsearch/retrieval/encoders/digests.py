"""sha256 of weights files, kept in a cache: a space needs it at every start, and checkpoints are gigabytes."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import tempfile
from pathlib import Path
from typing import Any

_SHA256 = re.compile(r"[0-9a-f]{64}")


def file_sha256(path: Path) -> str:
    """sha256 of a file's bytes, hexadecimal.

    A file in the Hugging Face cache is a link to a blob whose name is the sha256: it is not read. The digests of other
    files are kept in the user's cache folder, by path, size and modification time; without that cache they are
    computed each time.
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
    import platformdirs

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
