"""Skipped files are remembered with what they were, and looked at again when they or what reads them has changed."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from importlib import metadata
from pathlib import Path

import mmsearch.retrieval.media
from mmsearch.errors import CollectionDamagedError
from mmsearch.retrieval.ingest.scan import FoundFile
from mmsearch.retrieval.media.decode_spec import DecodeSpec
from mmsearch.retrieval.store.manifest import Manifest
from mmsearch.retrieval.store.skipped import SkippedFile, read_skipped, write_skipped
from mmsearch.retrieval.store.writer import Writer
from mmsearch.types import FileNote, Modality, SkipKind


def reader_of(recipe: DecodeSpec, spaces: Iterable[str], text_column: str | None) -> str:
    """A digest of all that decides whether a file is read: the decoders, the models, and what was asked for."""
    asked = (sorted(recipe.kinds), sorted(recipe.only), sorted(spaces), text_column)
    return _digest(f"{_decoders()} {asked!r}".encode())


def maker_of(recipe: DecodeSpec, spaces: Mapping[Modality, str], text_column: str | None) -> str:
    """A digest of all that decides which pieces a file is cut into, and which vectors are made of them."""
    asked = ({**recipe.to_json(), "only": None}, sorted(spaces.items()), text_column)
    return _digest(f"{_decoders()} {asked!r}".encode())


@cache
def _decoders() -> str:
    """A digest of our decoders and of the installed packages that they may use: a new one may read more."""
    digest = hashlib.blake2b(digest_size=8)
    folder = Path(mmsearch.retrieval.media.__file__).parent
    for path in sorted(folder.rglob("*.py")):
        digest.update(path.read_bytes())
    for name in sorted({_name_of(requirement) for requirement in _requirements()}):
        try:
            digest.update(f"{name} {metadata.version(name)}\n".encode())
        except metadata.PackageNotFoundError:
            continue
    return digest.hexdigest()


def _requirements() -> list[str]:
    try:
        return metadata.requires("mmsearch") or []
    except metadata.PackageNotFoundError:
        return []


def _name_of(requirement: str) -> str:
    name = requirement
    for end in " ;[<>=!~(@":
        name = name.partition(end)[0]
    return name.lower()


def _digest(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=8).hexdigest()


class SkipMemory:
    """What the collection remembers of skipped files, for a run that reads as ``reader`` says.

    With ``retry`` nothing is passed over; what is skipped again is remembered all the same.
    """

    def __init__(self, root: Path, manifest: Manifest, reader: str, *, retry: bool = False) -> None:
        try:
            files = read_skipped(root, manifest)
        except (FileNotFoundError, CollectionDamagedError):
            files = []  # they are looked at once more, no harm is done
        self._before = {file.path: file for file in files}
        self._now: dict[bytes, SkippedFile] = {}
        self._reader = reader
        self._retry = retry

    def recalled(self, found: FoundFile) -> FileNote | None:
        """Why the file was skipped before, where it would be again; None where it is to be looked at."""
        file = self._before.get(found.path)
        if file is None or self._retry or file.why == "transient" or file.reader != self._named(found.named):
            return None
        if (file.size, file.mtime_ns) != (found.size, found.mtime_ns):
            return None
        if None not in (file.ctime_ns, found.ctime_ns) and file.ctime_ns != found.ctime_ns:
            return None
        self._now[file.path] = file
        return FileNote(os.fsdecode(file.path), file.reason, known=True)

    def add(self, found: FoundFile, why: SkipKind, reason: str) -> None:
        """Remember that a file was skipped."""
        reader = self._named(found.named)
        self._now[found.path] = SkippedFile(found.path, found.size, found.mtime_ns, found.ctime_ns, why, reason, reader)

    def save(self, writer: Writer, still: Callable[[bytes], bool]) -> None:
        """Put what was learned into the collection; of files that this run did not skip, ``still`` says which stay."""
        kept = {path: file for path, file in self._before.items() if path in self._now or still(path)}
        files = kept | self._now
        if files != self._before:
            write_skipped(writer, list(files.values()))

    def _named(self, named: bool) -> str:
        """A file that a person names is read more readily, so it is another reader that skips it."""
        return f"{self._reader}+named" if named else self._reader
