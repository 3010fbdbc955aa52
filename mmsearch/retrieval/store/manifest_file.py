"""The manifest's file, in a collection's folder or in a bucket: its bytes, and what tells one from another."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

from mmsearch.durable import replace_atomically
from mmsearch.errors import CollectionDamagedError, CollectionNotFoundError, MMSearchError, NewerFormatError
from mmsearch.retrieval.store.remote import MANIFEST_NAME, file_shown, mirror_of, shown
from mmsearch.retrieval.store.schema import FORMAT_VERSION


def manifest_exists(root: Path) -> bool:
    """Whether the collection has a manifest, damaged or not."""
    mirror = mirror_of(root)
    return (root / MANIFEST_NAME).exists() if mirror is None else mirror.mark() is not None


def manifest_mark(root: Path) -> Hashable:
    """What tells one manifest from another without reading it, each being a new file; None if there is none."""
    mirror = mirror_of(root)
    if mirror is not None:
        return mirror.mark()
    try:
        facts = os.stat(root / MANIFEST_NAME)
    except OSError:  # `load_manifest` says what is wrong
        return None
    return facts.st_ino, facts.st_mtime_ns, facts.st_size


def read_manifest_file(root: Path) -> bytes:
    """The newest manifest's bytes.

    Raises:
        CollectionNotFoundError: there is no collection at ``root``.
        MMSearchError: it cannot be read, or the bucket that holds it does not answer.
    """
    mirror = mirror_of(root)
    try:
        return (root / MANIFEST_NAME).read_bytes() if mirror is None else mirror.read_manifest()
    except (FileNotFoundError, NotADirectoryError):
        raise CollectionNotFoundError(f"no collection at {shown(root)}") from None
    except OSError as error:
        raise MMSearchError(f"cannot read {root / MANIFEST_NAME}: {error.strerror}") from error


def note_manifest(
    root: Path, data: bytes, generation: int | None = None, checksums: Mapping[str, str] | None = None
) -> None:
    """Note what a manifest that was read says: its number and the checksums of its files; None if it is damaged."""
    mirror = mirror_of(root)
    if mirror is None:
        return
    if generation is None or checksums is None:
        mirror.note_damage(data)
    else:
        mirror.know(data, generation, checksums)


def write_manifest_file(root: Path, data: bytes, generation: int, checksums: Mapping[str, str]) -> None:
    """Replace the manifest, durably and atomically. Of a collection in a bucket, new files are sent first.

    Raises:
        CollectionBusyError: of a collection in a bucket: another writer has replaced it meanwhile.
    """
    mirror = mirror_of(root)
    if mirror is None:
        replace_atomically(root / MANIFEST_NAME, data)
    else:
        mirror.commit(data, generation, checksums)


def to_bytes(body: dict[str, Any]) -> bytes:
    """A manifest's JSON object as the bytes of its file, with a checksum."""
    return (json.dumps({**body, "checksum": _digest(body)}, indent=1, sort_keys=True) + "\n").encode()


def from_bytes(root: Path, stored: bytes) -> dict[str, Any]:
    """The JSON object in the bytes of a collection's manifest.

    Raises:
        CollectionDamagedError: it was cut or altered.
        NewerFormatError: a newer version of mmsearch wrote it.
    """
    try:
        text = stored.decode("utf-8")
    except UnicodeDecodeError:
        raise damaged(root, "it is not text") from None
    try:
        data: dict[str, Any] = json.loads(text)
        version = int(data["format"])
    except (ValueError, KeyError, TypeError):
        raise damaged(root, "it is cut or altered") from None
    if version > FORMAT_VERSION:
        raise NewerFormatError(
            f"{shown(root)} has format {version}, made by a newer mmsearch; this one reads up to {FORMAT_VERSION}"
        )
    if data.pop("checksum", None) != _digest(data):
        raise damaged(root, "its checksum does not fit")
    return data


def damaged(root: Path, why: str) -> CollectionDamagedError:
    """The error for a damaged manifest."""
    return CollectionDamagedError(f"{file_shown(root, MANIFEST_NAME)} is damaged: {why}")


def _digest(body: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
