"""Which bytes of a file a request asks for, and whether it has them already: Range, If-Range and conditions (RFC 9110).

Only a single range is served: several may ask for the same bytes thousands of times. What cannot be read is ignored.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import formatdate, parsedate_to_datetime

_LONGEST_HEADER = 128
_RANGE = re.compile(r"bytes\s*=\s*(\d*)\s*-\s*(\d*)", re.IGNORECASE | re.ASCII)
_TAG = re.compile(r'(?:W/)?("[^"]*")')


@dataclass(frozen=True, slots=True)
class ByteRange:
    """Bytes from ``start`` up to and without ``stop``; there is at least one."""

    start: int
    stop: int

    def content_range(self, size: int) -> str:
        """The header ``Content-Range`` of an answer with these bytes of a file of ``size``."""
        return f"bytes {self.start}-{self.stop - 1}/{size}"


@dataclass(frozen=True, slots=True)
class Version:
    """What tells one content of an address from another.

    Attributes:
        etag: a strong entity tag, with its quotation marks.
        modified_s: when it was modified, in whole seconds since 1970; None: unknown.
    """

    etag: str
    modified_s: int | None = None

    @property
    def headers(self) -> dict[str, str]:
        """``ETag`` and ``Last-Modified``."""
        modified = {} if self.modified_s is None else {"Last-Modified": formatdate(self.modified_s, usegmt=True)}
        return {"ETag": self.etag, **modified}

    def is_known(self, headers: Mapping[str, str]) -> bool:
        """Whether the client has this version, by ``If-None-Match``, or else by ``If-Modified-Since``."""
        tags = headers.get("if-none-match")
        if tags is not None:
            return tags.strip() == "*" or self.etag in _TAG.findall(tags)
        since = _seconds(headers.get("if-modified-since"))
        return since is not None and self.modified_s is not None and self.modified_s <= since

    def goes_on(self, headers: Mapping[str, str]) -> bool:
        """Whether a range may be served: what the client has by ``If-Range`` is of this version, or it does not say."""
        condition = headers.get("if-range")
        if condition is None:
            return True
        condition = condition.strip()
        if condition.startswith(('"', "W/")):
            return condition == self.etag
        return self.modified_s is not None and _seconds(condition) == self.modified_s


def range_asked(header: str | None, size: int) -> ByteRange | None:
    """The range that a ``Range`` header asks for of a file of ``size``; None for the whole file.

    Raises:
        ValueError: no byte of the file is in it.
    """
    if header is None or len(header) > _LONGEST_HEADER:
        return None
    match = _RANGE.fullmatch(header.strip())
    if match is None or not (match[1] or match[2]):
        return None
    if not match[1]:
        start, stop = max(0, size - int(match[2])), size
    else:
        start, stop = int(match[1]), min(size, int(match[2]) + 1) if match[2] else size
        if match[2] and int(match[2]) < start:
            return None
    if start >= stop:
        raise ValueError(f"the file has {size} bytes")
    return ByteRange(start, stop)


def _seconds(date: str | None) -> int | None:
    """A date of HTTP in seconds since 1970; None if it is none."""
    if date is None or len(date) > _LONGEST_HEADER:
        return None
    try:
        return int(parsedate_to_datetime(date).timestamp())
    except (ValueError, TypeError, OverflowError, OSError):
        return None
