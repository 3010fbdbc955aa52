"""Buckets of S3, Google Cloud Storage and Azure as a storage, by obstore; the only module that imports it.

Credentials are found as the tools of each cloud find them: the environment, for S3 also the files of the ``aws`` tool,
then the machine's own. ``AWS_ENDPOINT_URL`` names a store that speaks S3 elsewhere.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NoReturn

from mmsearch.errors import (
    ConflictError,
    MMSearchError,
    NoSuchBucketError,
    NoSuchObjectError,
    StorageDeniedError,
    StorageError,
    StorageUnreachableError,
    UsageError,
)
from mmsearch.retrieval.storage.addresses import split_bucket
from mmsearch.retrieval.storage.aws_profile import profile_settings
from mmsearch.retrieval.storage.protocol import StoredObject
from mmsearch.retrieval.storage.range_file import open_ranges

if TYPE_CHECKING:
    from obstore.store import ObjectStore

CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 60.0
"""How long a connection may take, and how long nothing may come of an answer. The upload of a part is one wait."""
RETRIES = 3
RETRY_SECONDS = 90.0
"""How often a request is tried again, and for how long after its first attempt."""
_UPLOADS_AT_ONCE = 4  # parts of 5 MB, each within ANSWER_SECONDS: 2.7 Mbit/s suffice
_LISTED_AT_ONCE = 1000
_CREDENTIALS = {
    "s3": "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a profile in AWS_PROFILE"
    " (AWS_SKIP_SIGNATURE=true: a public bucket)",
    "gs": "set GOOGLE_APPLICATION_CREDENTIALS to a file of credentials",
    "az": "set AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
}
_DENIALS = ("AccessDenied", "AllAccessDisabled", "ExpiredToken", "InvalidAccessKeyId", "SignatureDoesNotMatch")
_WHERE_CREDENTIALS_ARE_SOUGHT = (
    "169.254.169.254",
    "/latest/api/token",
    "/latest/meta-data",
    "metadata.google.internal",
    "MissingAccount",
    "redential",
)
_VARIABLES = ("AWS_", "GOOGLE_", "AZURE_")


class ObjectStorage:
    """One bucket; see `Storage`."""

    def __init__(self, kind: str, address: str) -> None:
        """``kind``: "s3", "gs" or "az"; ``address``: any address in the bucket.

        Raises:
            UsageError: the address names no bucket.
            MMSearchError: obstore is not installed.
            StorageDeniedError: the settings that the environment must give are missing.
        """
        self._kind = kind
        self._scheme = address.partition("://")[0]
        self._bucket, _ = split_bucket(address)
        if not self._bucket:
            raise UsageError(f"{address} names no bucket: {self._scheme}://BUCKET/…")
        settings = tuple(sorted(item for item in os.environ.items() if item[0].startswith(_VARIABLES)))
        with self._explained(""):
            self._store = _store(kind, self._bucket, settings, (CONNECT_SECONDS, ANSWER_SECONDS, RETRIES))

    def list(self, address: str) -> Iterator[StoredObject]:
        """See `Storage.list`. The stores that are supported list in this order."""
        key = self._key(address)
        last = ""
        with self._explained(key):
            for found in self._store.list(key or None, chunk_size=_LISTED_AT_ONCE):
                for meta in found:
                    if meta["path"] < last:
                        raise StorageError(f"{self._address(key)} is not listed in order, as this storage should")
                    last = meta["path"]
                    yield self._stored(meta)

    def stat(self, address: str) -> StoredObject:
        """See `Storage.stat`."""
        key = self._key(address)
        try:
            with self._explained(key):
                return self._stored(self._store.head(key))
        except NoSuchObjectError:
            self.read(address, 0, 1)  # a HEAD has no body that says whether the bucket is missing
            raise

    def read(self, address: str, start: int = 0, end: int | None = None, *, etag: str | None = None) -> bytes:
        """See `Storage.read`."""
        key = self._key(address)
        if end is not None and end <= start:
            return b""
        options: dict[str, Any] = {}
        if end is not None:
            options["range"] = (start, end)
        elif start:
            options["range"] = {"offset": start}
        if etag is not None:
            options["if_match"] = etag
        with self._explained(key):
            try:
                data = bytes(self._store.get(key, options=options).bytes())  # type: ignore[arg-type]
            except Exception as error:
                if start and "416" in str(error) and "InvalidRange" in str(error):
                    return b""  # it ends before
                raise
        return data

    def open(self, address: str) -> IO[bytes]:
        """See `Storage.open`."""
        found = self.stat(address)
        return open_ranges(lambda start, end: self.read(address, start, end, etag=found.etag), found.size)

    def put(self, address: str, data: bytes | Path) -> StoredObject:
        """See `Storage.put`."""
        return self._put(address, data, "overwrite")

    def put_if_absent(self, address: str, data: bytes | Path) -> StoredObject:
        """See `Storage.put_if_absent`. It is sent in one request, and held in memory."""
        return self._put(address, data, "create")

    def put_if_unchanged(self, address: str, data: bytes | Path, etag: str) -> StoredObject:
        """See `Storage.put_if_unchanged`. It is sent in one request, and held in memory."""
        return self._put(address, data, {"e_tag": etag})

    def delete(self, address: str) -> None:
        """See `Storage.delete`."""
        key = self._key(address)
        try:
            with self._explained(key):
                self._store.delete(key)
        except NoSuchObjectError:
            pass

    def _put(self, address: str, data: bytes | Path, mode: Any) -> StoredObject:
        key = self._key(address)
        size = data.stat().st_size if isinstance(data, Path) else len(data)
        with self._explained(key):
            made = self._store.put(key, data, mode=mode, max_concurrency=_UPLOADS_AT_ONCE)
        if made["e_tag"] is None:
            return self.stat(address)
        return StoredObject(self._address(key), size, made["e_tag"], 0)

    def _key(self, address: str) -> str:
        bucket, key = split_bucket(address)
        if bucket != self._bucket:
            raise UsageError(f"{address} is not in the bucket {self._bucket}")
        return key

    def _address(self, key: str) -> str:
        return f"{self._scheme}://{self._bucket}/{key}"

    def _stored(self, meta: Any) -> StoredObject:
        written: datetime = meta["last_modified"]
        etag = meta["e_tag"] or f"{meta['size']}-{written.isoformat()}"
        mtime_ns = int(written.timestamp() * 1000) * 1_000_000
        return StoredObject(self._address(meta["path"]), meta["size"], etag, mtime_ns)

    @contextmanager
    def _explained(self, key: str) -> Iterator[None]:
        try:
            yield
        except (MMSearchError, GeneratorExit, KeyboardInterrupt, MemoryError):
            raise
        except Exception as error:
            _raise_explained(error, self._kind, self._address(key), self._bucket)


@lru_cache(maxsize=64)
def _store(
    kind: str, bucket: str, settings: tuple[tuple[str, str], ...], limits: tuple[float, float, int]
) -> ObjectStore:
    """The connection to a bucket, kept for the settings that it was made with."""
    try:
        from obstore.store import AzureStore, GCSStore, S3Store
    except ImportError:
        raise MMSearchError(f'addresses of {kind}:// need an extra: pip install "mmsearch[remote]"') from None
    connect_s, answer_s, retries = limits
    client: Any = {
        "connect_timeout": timedelta(seconds=connect_s),
        "read_timeout": timedelta(seconds=answer_s),
        "timeout": timedelta(days=1),  # of a whole answer, however long it is
        "user_agent": "mmsearch",
    }
    retry: Any = {"max_retries": retries, "retry_timeout": timedelta(seconds=RETRY_SECONDS)}
    if kind == "gs":
        return GCSStore(bucket, client_options=client, retry_config=retry)
    if kind == "az":
        return AzureStore(bucket, client_options=client, retry_config=retry)
    environment = dict(settings)
    config: Any = profile_settings(environment)
    endpoint = environment.get("AWS_ENDPOINT_URL_S3") or environment.get("AWS_ENDPOINT_URL") or config.get("endpoint")
    if endpoint:
        config["endpoint"] = endpoint
        client["allow_http"] = endpoint.lower().startswith("http://")
    return S3Store(bucket, config=config, client_options=client, retry_config=retry)


def _raise_explained(error: Exception, kind: str, address: str, bucket: str) -> NoReturn:
    """One line for what obstore reports in many; it tells most things apart in the text alone."""
    text = str(error)
    name = type(error).__name__
    code = text.partition("<Code>")[2].partition("</Code>")[0]
    if code == "NoSuchBucket" or "ContainerNotFound" in text or "The specified bucket does not exist" in text:
        raise NoSuchBucketError(f"{address}: there is no bucket {bucket}") from error
    if isinstance(error, FileNotFoundError):
        raise NoSuchObjectError(f"there is no object {address}") from error
    if name == "AlreadyExistsError":
        raise ConflictError(f"{address} is there already") from error
    if name == "PreconditionError" or code == "ConditionalRequestConflict":
        raise ConflictError(f"{address} has changed") from error
    if name in ("PermissionDeniedError", "UnauthenticatedError") or code in _DENIALS:
        raise StorageDeniedError(f"{address}: the store denies access" + (f" ({code})" if code else "")) from error
    if any(word in text for word in _WHERE_CREDENTIALS_ARE_SOUGHT):
        raise StorageDeniedError(f"no credentials for {address}: {_CREDENTIALS[kind]}") from error
    if any(word in text for word in ("kind: Timeout", "TimedOut", "timed out")):
        raise StorageUnreachableError(f"{address}: the store does not answer in time") from error
    if any(word in text for word in ("dns error", "ConnectionRefused", "kind: Connect", "error sending request")):
        why = "its host is unknown" if "dns error" in text else "no connection"
        raise StorageUnreachableError(f"{address}: the store cannot be reached, {why}") from error
    if any(word in text for word in ("error decoding", "Content-Range", "kind: Decode", "kind: Interrupted")):
        raise StorageUnreachableError(f"{address}: the answer was cut short") from error
    if "redirect" in text:
        raise StorageError(f"{address}: the bucket is in another region; set AWS_REGION") from error
    if name == "NotSupportedError" or code == "NotImplemented":
        raise UsageError(f"{address}: the store cannot write on a condition") from error
    if name == "InvalidPathError":
        raise UsageError(f"{address} is no name of an object") from error
    first = " ".join(text.partition("\n\nDebug")[0].split())
    raise StorageError(f"{address}: {code or first[:200]}") from error
