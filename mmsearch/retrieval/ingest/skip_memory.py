"""The memory of skipped files: they are opened again only when they, the decoders or the options have changed."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping
from functools import cache, cached_property
from pathlib import Path

import mmsearch.retrieval.media
from mmsearch.errors import CollectionDamagedError, Hint
from mmsearch.retrieval.ingest.found_files import FoundFile
from mmsearch.retrieval.media.decode_spec import DecodeSpec
from mmsearch.retrieval.store.manifest import Manifest
from mmsearch.retrieval.store.skipped import SkippedFile, read_skipped, write_skipped
from mmsearch.retrieval.store.writer import Writer
from mmsearch.types import FileNote, Modality, SkipKind


def decoder_digest(spec: DecodeSpec, spaces: Iterable[str], text_column: str | None) -> str:
    """A digest of all that decides whether a file can be read: the decoders, the models and the options of a run."""
    options = (sorted(spec.kinds), sorted(spec.only), sorted(spaces), text_column)
    return _digest(f"{_installed_decoders()} {options!r}".encode())


def vector_digest(
    spec: DecodeSpec, spaces: Mapping[Modality, str], text_column: str | None, speech: str | None = None
) -> str:
    """A digest of all that decides which parts a file is cut into and which vectors are made of them."""
    options = ({**spec.to_json(), "only": None}, sorted(spaces.items()), text_column, speech)
    return _digest(f"{_installed_decoders()} {options!r}".encode())


@cache
def _installed_decoders() -> str:
    """A digest of the package's decoders and of the installed packages that they use: a newer one may read more."""
    from importlib import metadata

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
    from importlib import metadata

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
    """The files that earlier runs skipped, and those that this run skips.

    ``digest`` makes the `decoder_digest` of this run: not before a file was skipped, as it takes as long as the look at
    twenty thousand files. With ``retry`` no file is recalled, so that all are opened again.
    """

    def __init__(self, root: Path, manifest: Manifest, digest: Callable[[], str], *, retry: bool = False) -> None:
        try:
            files = read_skipped(root, manifest)
        except (FileNotFoundError, CollectionDamagedError):
            files = []  # the files are opened once more, no harm is done
        self._before = {file.path: file for file in files}
        self._now: dict[bytes, SkippedFile] = {}
        self._make_digest = digest
        self._retry = retry

    @cached_property
    def _digest(self) -> str:
        return self._make_digest()

    def recall(self, found: FoundFile) -> FileNote | None:
        """The note of an earlier run that skipped the file, if it would be skipped again; None: it must be opened."""
        file = self._before.get(found.path)
        if file is None or self._retry or file.why == "transient" or file.reader != self._digest_for(found):
            return None
        if (file.size, file.mtime_ns) != (found.size, found.mtime_ns):
            return None
        if None not in (file.ctime_ns, found.ctime_ns) and file.ctime_ns != found.ctime_ns:
            return None
        self._now[file.path] = file
        return FileNote(os.fsdecode(file.path), file.reason, known=True, hint=file.hint)

    def add(self, found: FoundFile, why: SkipKind, reason: str, hint: Hint | None = None) -> None:
        """Remember that a file was skipped."""
        times = (found.mtime_ns, found.ctime_ns)
        digest = self._digest_for(found)
        self._now[found.path] = SkippedFile(found.path, found.size, *times, why, reason, digest, hint)

    def save(self, writer: Writer, was_out_of_reach: Callable[[bytes], bool]) -> None:
        """Store the memory in the collection.

        Files that an earlier run skipped and this one did not are forgotten, unless ``was_out_of_reach`` says of their
        path that this run could not look at it.
        """
        kept = {path: file for path, file in self._before.items() if path in self._now or was_out_of_reach(path)}
        files = kept | self._now
        if files != self._before:
            write_skipped(writer, list(files.values()))

    def _digest_for(self, found: FoundFile) -> str:
        """Named files have a digest of their own: more kinds of text are read of them."""
        return f"{self._digest}+named" if found.named else self._digest
