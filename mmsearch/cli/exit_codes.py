"""Exit codes of ``mmsearch``: which error of the library ends a command with which code."""

from __future__ import annotations

from mmsearch import CollectionBusyError, CollectionDamagedError, MMSearchError, ReadOnlyError, UsageError

FAILED = 1
WRONG_USE = 2
SKIPPED = 3
"""Only with ``--strict``: done, but some files were skipped."""
BUSY_OR_DAMAGED = 4
"""The collection is being written to, is damaged, or lies where nothing can be written."""
INTERRUPTED = 130

_CODES: tuple[tuple[type[MMSearchError], int], ...] = (
    (UsageError, WRONG_USE),
    (CollectionBusyError, BUSY_OR_DAMAGED),
    (CollectionDamagedError, BUSY_OR_DAMAGED),
    (ReadOnlyError, BUSY_OR_DAMAGED),
)


def exit_code(error: MMSearchError) -> int:
    """The code that a command ends with after this error."""
    return next((code for kind, code in _CODES if isinstance(error, kind)), FAILED)
