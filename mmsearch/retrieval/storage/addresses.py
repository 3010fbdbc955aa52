"""Addresses taken apart and put together. A Windows drive (``C:\\…``) is no scheme, and ``file://`` is a local path."""

from __future__ import annotations

import os
import re

_PATH_OF_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):[/\\](?![/\\])")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")  # two letters at least: one is a drive


def scheme_of(address: str) -> str:
    """The scheme of an address in small letters; empty for a path and for ``file://``."""
    found = _SCHEME.match(address)
    scheme = found[1].lower() if found else ""
    return "" if scheme == "file" else scheme


def is_remote(address: str | os.PathLike[str]) -> bool:
    """Whether an address has a scheme such as ``s3://``, so that it is not a path on this machine."""
    return isinstance(address, str) and scheme_of(address) != ""


def address_in(path: str | os.PathLike[str]) -> str:
    """The text of a path or address. ``Path("s3://bucket/key")`` holds one slash less; it is read as the address."""
    text = os.fspath(path)
    found = _PATH_OF_ADDRESS.match(text)
    if found is None or isinstance(path, str) or os.path.exists(text.partition(":")[0] + ":"):
        return text
    return f"{found[1]}://{text[found.end() :]}".replace("\\", "/")


def join(address: str, name: str) -> str:
    """The address of ``name`` (with ``/`` between folders) inside the folder at ``address``."""
    if is_remote(address):
        return f"{address.rstrip('/')}/{name}" if not address.endswith("://") else address + name
    return os.path.join(local_path(address), *name.split("/"))


def local_path(address: str) -> str:
    """The path of a local address: ``file:///a%20b`` is ``/a b``; any other text is the path itself."""
    if not address.lower().startswith("file://"):
        return address
    from urllib.parse import unquote, urlsplit
    from urllib.request import url2pathname

    found = urlsplit(address)
    path = url2pathname(found.path)
    return path if found.netloc in ("", "localhost") else unquote(f"//{found.netloc}") + path


def split_bucket(address: str) -> tuple[str, str]:
    """``s3://bucket/key`` as bucket and key; the key has no slash at either end."""
    bucket, _, key = address.partition("://")[2].partition("/")
    return bucket, key.strip("/")
