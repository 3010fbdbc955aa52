"""Addresses to bytes: folders, buckets (``s3://``, ``gs://``, ``az://``), what fsspec opens. Knows no collection."""

from __future__ import annotations

from mmsearch.retrieval.storage.addresses import is_remote, join, scheme_of
from mmsearch.retrieval.storage.protocol import Storage, StoredObject

__all__ = ["Storage", "StoredObject", "is_remote", "join", "storage_of"]

_BUCKETS = {"s3": "s3", "s3a": "s3", "gs": "gs", "gcs": "gs", "az": "az", "abfs": "az", "abfss": "az"}


def storage_of(address: str) -> Storage:
    """The storage that holds an address, for all addresses of the same scheme.

    Raises:
        UsageError: nothing here opens addresses of this scheme, or the address names no bucket.
        MMSearchError: a package that opens it is not installed; the text names what to install.
    """
    scheme = scheme_of(address)
    if not scheme:
        from mmsearch.retrieval.storage.local import LocalStorage

        return LocalStorage()
    if scheme in _BUCKETS:
        from mmsearch.retrieval.storage.object_store import ObjectStorage

        return ObjectStorage(_BUCKETS[scheme], address)
    from mmsearch.retrieval.storage.fsspec_storage import FsspecStorage

    return FsspecStorage(scheme)
