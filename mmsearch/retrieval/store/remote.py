"""Collections in buckets: which folder of this machine stands for one, and how its files come and go.

A collection at ``s3://…`` has a folder here, its *mirror*, in which a writer makes new files as in any collection;
`commit` sends them and then replaces the manifest in the bucket on the condition that nobody else has. What is read
comes from the `ObjectCache`. The rest of mmsearch is given the mirror as the collection's root, and asks `at_hand` for
files by their names in it. For a collection in a folder, `at_hand` is the file itself.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmsearch.durable import explained_write_errors, file_checksum, replace_atomically
from mmsearch.errors import (
    CollectionBusyError,
    CollectionDamagedError,
    CollectionExistsError,
    ConflictError,
    MMSearchError,
    NoSuchObjectError,
    StorageError,
    StorageUnreachableError,
)
from mmsearch.retrieval.storage.addresses import address_in, is_remote, join, local_path
from mmsearch.retrieval.store.object_cache import WHOLE, ObjectCache
from mmsearch.saved_files import REMOTE_NAME

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

    import numpy as np
    from numpy.typing import NDArray

    from mmsearch.retrieval.storage import Storage

MANIFEST_NAME = "MANIFEST.json"
SWEEP_OBJECTS_AFTER_S = 86_400.0
"""Objects that no manifest names stay for a day: another writer may have sent them and be about to commit."""

LOOK_AGAIN_S = 1.0
"""Whether there is a newer manifest is asked of the bucket at most so often by one process that answers queries."""

_AT_ONCE = 16  # requests of one reader
_PIECE = 8 << 20  # bytes of one request for a file that is fetched whole


class Mirror:
    """A collection at an address, as this process knows it. Several threads may use it.

    Attributes:
        address: of the collection.
        root: its folder on this machine.
        cache: where parts of its files are kept.
    """

    def __init__(self, address: str, root: Path, cache: ObjectCache) -> None:
        self.address = address
        self.root = root
        self.cache = cache
        self._guard = threading.RLock()
        self._fetching = threading.Lock()
        self._checksums: dict[str, str] = {}  # of the files that manifests name, by name
        self._etags: dict[int, str] = {}  # of the manifests that were read or written here, by generation
        self._newest: tuple[str, bytes] | None = None  # the etag and the bytes of the manifest read last
        self._damaged: str | None = None  # the etag of a manifest that cannot be read
        self._looked: tuple[float, str] | None = None  # when the etag was asked for last, and what it was
        self._pool: ThreadPoolExecutor | None = None

    @property
    def storage(self) -> Storage:
        """The storage that holds it, with the credentials that the environment gives now."""
        from mmsearch.retrieval.storage import storage_of

        return storage_of(self.address)

    def address_of(self, name: str) -> str:
        """The address of a file of the collection."""
        return join(self.address, name)

    def side_by_side(self, calls: Sequence[Callable[[], object]]) -> None:
        """Make several requests at once; raises what the first of them raises that fails."""
        if len(calls) < 2:
            for call in calls:
                call()
            return
        with self._guard:
            if self._pool is None:
                from concurrent.futures import ThreadPoolExecutor  # not for a query of a folder

                self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="mmsearch-bucket")
        for result in [self._pool.submit(call) for call in calls]:
            result.result()

    def mark(self) -> str | None:
        """What tells the newest manifest from others, as of the last second; None if there is none."""
        with self._guard:
            if self._looked is not None and time.monotonic() - self._looked[0] < LOOK_AGAIN_S:
                return self._looked[1]
        try:
            etag = self.storage.stat(self.address_of(MANIFEST_NAME)).etag
        except NoSuchObjectError:
            return None
        with self._guard:
            self._looked = (time.monotonic(), etag)
        return etag

    def read_manifest(self) -> bytes:
        """The newest manifest's bytes. It is fetched if it is not the one that was read last.

        Raises:
            NoSuchObjectError: there is none.
            StorageError: the bucket does not answer, or denies it.
        """
        address, storage = self.address_of(MANIFEST_NAME), self.storage
        while True:
            try:
                etag = storage.stat(address).etag
            except NoSuchObjectError:
                with self._guard:
                    self._etags.clear()  # a new one follows none of those that were here
                raise
            with self._guard:
                if self._newest is not None and self._newest[0] == etag:
                    return self._newest[1]
            try:
                data = storage.read(address, etag=etag)
            except ConflictError:
                continue  # it was replaced in between
            with self._guard:
                self._newest = (etag, data)
                self._looked = (time.monotonic(), etag)
            return data

    def know(self, data: bytes, generation: int, checksums: Mapping[str, str]) -> None:
        """Note what a manifest says that was read and is sound."""
        with self._guard:
            self._checksums |= checksums
            if self._newest is not None and self._newest[1] == data:
                self._etags[generation] = self._newest[0]
                self._damaged = None

    def note_damage(self, data: bytes) -> None:
        """Note that a manifest that was read cannot be understood: the next commit replaces it."""
        with self._guard:
            if self._newest is not None and self._newest[1] == data:
                self._damaged = self._newest[0]

    def commit(self, data: bytes, generation: int, checksums: Mapping[str, str]) -> None:
        """Send the files that are new, then the manifest, if the one that it follows is still the newest.

        Args:
            data: the manifest's bytes.
            generation: its number; the one before must have been read or written here.
            checksums: of all files that it names, by name.

        Raises:
            CollectionBusyError: another writer has committed since; nothing of this commit is visible.
            CollectionExistsError: it is the first manifest, and there is one.
            StorageError: the bucket does not answer, or denies it.
        """
        storage, address = self.storage, self.address_of(MANIFEST_NAME)
        new = sorted(name for name in checksums if (self.root / name).is_file())
        self.side_by_side([partial(storage.put, self.address_of(name), self.root / name) for name in new])
        with self._guard:
            before = self._damaged or self._etags.get(generation - 1)
        try:
            if before is None:
                made = storage.put_if_absent(address, data)
            else:
                made = storage.put_if_unchanged(address, data, before)
            etag = made.etag
        except (ConflictError, StorageUnreachableError) as error:
            found = self._committed(data, new)
            if found is None and isinstance(error, ConflictError):
                if before is None and generation == 0:
                    raise CollectionExistsError(f"there is a collection at {self.address} already; open it") from None
                raise CollectionBusyError(
                    f"another writer committed to {self.address} meanwhile; what it wrote is safe, nothing of the last"
                    " step here was written: try again"
                ) from None
            if found is None:
                raise
            etag = found
        with self._guard:
            self._checksums |= checksums
            self._etags[generation] = etag
            self._newest, self._damaged = (etag, data), None
            self._looked = None
        for name in new:
            self.cache.adopt(self.root / name, checksums[name])

    def _committed(self, data: bytes, new: Sequence[str]) -> str | None:
        """The etag of the newest manifest if the one with these bytes, or one that follows it, is there in spite of
        what the storage said; an answer may have been lost, and the request been sent again."""
        with suppress(StorageError, ValueError, TypeError):
            address = self.address_of(MANIFEST_NAME)
            etag = self.storage.stat(address).etag
            stored = self.storage.read(address, etag=etag)
            if stored == data or (new and all(json.dumps(name).encode() in stored for name in new)):
                return etag
        return None

    def file(self, name: str) -> Path:
        """A file of the collection, whole, on this machine; it is fetched and checked if it is not there.

        Raises:
            FileNotFoundError: the bucket does not have it; a newer manifest may have replaced it.
            CollectionDamagedError: it is not what the manifest says.
            MMSearchError: the disk is full.
        """
        own = self.root / name
        if own.exists():
            return own
        checksum = self.checksum(name)
        with self._fetching:
            return self.cache.whole(checksum) or self._fetched(name, checksum)

    def file_anew(self, name: str) -> Path:
        """As `file`, but what is in the cache does not count: the object in the bucket is read."""
        if not (self.root / name).exists():
            self.cache.drop(self.checksum(name))
        return self.file(name)

    def checksum(self, name: str) -> str:
        """The checksum of a file that a manifest names."""
        with self._guard:
            found = self._checksums.get(name)
        if found is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(self.root / name))
        return found

    def _fetched(self, name: str, checksum: str) -> Path:
        address, storage = self.address_of(name), self.storage
        try:
            first = storage.read(address, 0, _PIECE)
            size = len(first) if len(first) < _PIECE else storage.stat(address).size
            with self.cache.new_part(checksum, WHOLE) as path:
                path.write_bytes(first)

                def copy(start: int) -> None:
                    data = storage.read(address, start, start + _PIECE)
                    with open(path, "r+b") as file:
                        file.seek(start)
                        file.write(data)

                self.side_by_side([partial(copy, start) for start in range(_PIECE, size, _PIECE)])
                if file_checksum(path) != checksum:
                    raise CollectionDamagedError(f"{address} is damaged: its checksum does not fit")
        except NoSuchObjectError as error:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(self.root / name)) from error
        kept = self.cache.whole(checksum)
        if kept is None:
            raise MMSearchError(f"the cache in {self.cache.folder} is too small for {address}")
        return kept

    def sizes(self) -> dict[str, int]:
        """The bytes of all objects of the collection, by name."""
        start = len(self.address) + 1
        return {found.address[start:]: found.size for found in self.storage.list(self.address)}

    def sweep(self, named: Iterable[str], may_be_swept: Callable[[str], bool] = lambda name: True) -> None:
        """Delete objects that no manifest names, and that are so old that no writer is about to name them."""
        kept, storage, start = {*named, MANIFEST_NAME}, self.storage, len(self.address) + 1
        oldest = (time.time() - SWEEP_OBJECTS_AFTER_S) * 1e9
        old = [
            found.address
            for found in storage.list(self.address)
            if found.address[start:] not in kept and found.mtime_ns < oldest and may_be_swept(found.address[start:])
        ]
        self.side_by_side([partial(storage.delete, address) for address in old])

    def pull(self, folders: Sequence[str]) -> None:
        """Copy all objects in some folders of the collection to its folder here, named by a manifest or not."""
        storage, start = self.storage, len(self.address) + 1
        for folder in folders:
            for found in storage.list(self.address_of(folder)):
                path = self.root / found.address[start:]
                with explained_write_errors(self.root), storage.open(found.address) as source:
                    path.parent.mkdir(parents=True, exist_ok=True)
                    with open(path, "wb") as file:
                        while data := source.read(_PIECE):
                            file.write(data)


_mirrors: dict[Path, Mirror] = {}
_caches: dict[Path, ObjectCache] = {}
_guard = threading.Lock()


def collection_root(path: str | os.PathLike[str]) -> Path:
    """The folder that stands for a collection on this machine: its own, or the mirror of one at an address.

    Raises:
        UsageError: the address cannot be read here.
        MMSearchError: a package for it is not installed, or the mirror cannot be made.
    """
    address = address_in(path)
    if is_remote(address):
        return _mirror_at(address.rstrip("/")).root
    root = Path(local_path(address)).expanduser().absolute()
    if root not in _mirrors and (root / REMOTE_NAME).is_file():  # `Collection.root` of one that was opened before
        with suppress(OSError, ValueError, KeyError):
            _mirror_at(json.loads((root / REMOTE_NAME).read_bytes())["address"])
    return root


def mirror_of(root: Path) -> Mirror | None:
    """The mirror that a collection's folder is; None for a collection in a folder."""
    return _mirrors.get(root)


def at_hand(root: Path, name: str) -> Path:
    """The path of a file of a collection, by its name in it. From a bucket it is fetched first, and checked.

    Raises:
        FileNotFoundError: of a collection in a bucket: it is gone; a newer manifest may have replaced it.
        CollectionDamagedError: of a collection in a bucket: it is not what the manifest says.
    """
    mirror = _mirrors.get(root)
    return root / name if mirror is None else mirror.file(name)


def at_hand_anew(root: Path, name: str) -> Path:
    """As `at_hand`, but from a bucket the file is fetched even if it is in the cache."""
    mirror = _mirrors.get(root)
    return root / name if mirror is None else mirror.file_anew(name)


def bring_files(root: Path) -> None:
    """Copy the files that a lost manifest can be made from out of the bucket, if the collection lies in one."""
    mirror = _mirrors.get(root)
    if mirror is not None:
        mirror.pull(("shards", "dead", "dead-copies", "facts"))


def fetch_together(wanted: Sequence[tuple[Any, NDArray[np.int64]]]) -> None:
    """Fetch what rows of several blocks need at once, of those that are not on this machine; each with row numbers."""
    elsewhere = [(block, rows) for block, rows in wanted if hasattr(block, "prepare") and len(rows)]
    if elsewhere:
        elsewhere[0][0].prepare(elsewhere)


def stored_bytes(root: Path, names: Iterable[str]) -> int:
    """How many bytes files of a collection have together, of those that are there."""
    mirror = _mirrors.get(root)
    if mirror is not None:
        sizes = mirror.sizes()
        return sum(sizes.get(name, 0) for name in names)
    return sum(path.stat().st_size for path in (root / name for name in names) if path.exists())


def shown(root: Path) -> str:
    """A collection's address, or its folder: what people call it."""
    mirror = _mirrors.get(root)
    return str(root) if mirror is None else mirror.address


def file_shown(root: Path, name: str) -> str:
    """What people call a file of a collection: its path, or its address."""
    mirror = _mirrors.get(root)
    return str(root / name) if mirror is None else mirror.address_of(name)


def _mirror_at(address: str) -> Mirror:
    from mmsearch.retrieval.storage import storage_of

    storage_of(address)  # raises what is wrong with the address, before a folder is made for it
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL", "")
    digest = hashlib.sha256(f"{endpoint} {address}".encode()).hexdigest()[:12]
    home = _cache_home()
    root = home / "collections" / digest / address.rpartition("/")[2][:60]
    with _guard:
        if root not in _mirrors:
            cache = _caches.setdefault(home, ObjectCache(home / "objects"))
            cache.limit()  # raises what is wrong with the setting
            with explained_write_errors(root):
                root.mkdir(parents=True, exist_ok=True)
                if not (root / REMOTE_NAME).exists():
                    replace_atomically(root / REMOTE_NAME, json.dumps({"address": address}).encode())
            _mirrors[root] = Mirror(address, root, cache)
        return _mirrors[root]


def _cache_home() -> Path:
    import platformdirs

    return Path(platformdirs.user_cache_path("mmsearch", appauthor=False)).absolute() / "buckets"
