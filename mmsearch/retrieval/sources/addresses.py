"""Addresses of sources: ranges in braces, kinds of archives, and the two halves of ``archive#member``."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Literal

from mmsearch.errors import UsageError
from mmsearch.retrieval.storage import is_remote

ArchiveKind = Literal["tar", "zip", "parquet"]

_TAR = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
_BRACES = re.compile(r"\{([^{}]*)\}")
_RANGE = re.compile(r"(-?\d+)\.\.(-?\d+)")
_MOST_ADDRESSES = 1_000_000


def archive_kind(address: str) -> ArchiveKind | None:
    """What kind of archive an address names, by its ending; None if it names none."""
    name = address.lower()
    if name.endswith(_TAR):
        return "tar"
    if name.endswith(".zip"):
        return "zip"
    return "parquet" if name.endswith((".parquet", ".pq")) else None


def may_be_source(path: str | os.PathLike[str]) -> bool:
    """Whether a path may name a source: it has a scheme, a range in braces, or the ending of an archive."""
    text = os.fsdecode(os.fspath(path))
    return is_remote(text) or "{" in text or archive_kind(text) is not None


def expanded(address: str) -> list[str]:
    """The addresses that one with braces stands for, as shells expand them: ``{000..012}`` and ``{train,val}``.

    A path that exists with its braces stands for itself.

    Raises:
        UsageError: a range has no end, or there are more than a million addresses.
    """
    if not _BRACES.search(address) or (not is_remote(address) and os.path.exists(address)):
        return [address]
    found: list[str] = []
    for one in _expansions(address):
        found.append(one)
        if len(found) > _MOST_ADDRESSES:
            raise UsageError(f"{address} stands for more than {_MOST_ADDRESSES:,} files")
    return found


def _expansions(address: str) -> Iterator[str]:
    match = _BRACES.search(address)
    if match is None:
        yield address
        return
    before, after = address[: match.start()], address[match.end() :]
    for value in _values(match[1], address):
        for rest in _expansions(after):
            yield before + value + rest


def _values(inside: str, address: str) -> Iterator[str]:
    match = _RANGE.fullmatch(inside)
    if match is None:
        if "," not in inside:
            raise UsageError(f"{{{inside}}} in {address} is no range; write {{000..012}} or {{train,val}}")
        yield from inside.split(",")
        return
    first, last = int(match[1]), int(match[2])
    is_padded = any(end.lstrip("-").startswith("0") and len(end.lstrip("-")) > 1 for end in (match[1], match[2]))
    width = max(len(match[1]), len(match[2])) if is_padded else 0
    for number in range(first, last + 1) if first <= last else range(first, last - 1, -1):
        yield str(number).zfill(width)


def absolute_address(address: str | os.PathLike[str]) -> str:
    """An address as it is stored: a path made absolute, an address of an object store as it is."""
    text = os.fsdecode(os.fspath(address))
    if text.startswith("file://"):
        text = text.removeprefix("file://")
    return text if is_remote(text) else os.path.abspath(os.path.expanduser(text))


def member_path(address: str, member: str) -> str:
    """The path of an item of an archive: ``shard-00012.tar#000123456.jpg``."""
    return f"{address}#{member}"


def member_of(path: str, source: str) -> str | None:
    """The name of an item in its archive; None if the path is that of a file of its own."""
    return path.removeprefix(f"{source}#") if path.startswith(f"{source}#") else None
