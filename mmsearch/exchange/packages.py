"""Packages and services of others: what is missing, and what refuses, in one line each."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from mmsearch.errors import MMSearchError, UsageError

TIMEOUT_S = 30
"""Seconds that a service has for one answer."""


def check_installed(extra: str, *modules: str) -> None:
    """See that the packages of an extra are there.

    Raises:
        MMSearchError: one of them is not.
    """
    if any(find_spec(name) is None for name in modules):
        raise MMSearchError(f'this needs an extra: pip install "mmsearch[{extra}]"')


def is_address(name: str) -> bool:
    """Whether a destination or source is the address of a service, not a file."""
    return "://" in name


def checked_file(name: str) -> str:
    """The path of a source that is a file or folder.

    Raises:
        UsageError: there is none.
    """
    path = os.path.expanduser(name)
    if not os.path.exists(path):
        raise UsageError(f"{name}: there is no such file or folder")
    return path


@contextmanager
def explained(where: str) -> Iterator[None]:
    """Turn what a database's package raises into one line that names the place.

    Errors of mmsearch and of the operating system go through as they are, and so do mistakes of a program.

    Raises:
        MMSearchError: something else was raised; the line says what.
    """
    try:
        yield
    except (MMSearchError, OSError, MemoryError, NameError, AttributeError, AssertionError):
        raise
    except Exception as error:
        raise MMSearchError(f"{without_secrets(where)}: {one_line(error)}") from error


def one_line(error: BaseException) -> str:
    """The first line of what an error says, without places in sources of Rust; its kind if it says nothing."""
    said = re.sub(r",? /\S+\.rs:\d+:\d+", "", str(error))
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__)[:300]


def without_secrets(address: str) -> str:
    """An address without the password that may be in it."""
    scheme, mark, rest = address.partition("://")
    if not mark or "@" not in rest:
        return address
    login, _, place = rest.rpartition("@")
    return f"{scheme}://{login.partition(':')[0]}@{place}"
