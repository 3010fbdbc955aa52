"""Exit codes of ``mmsearch``, and which error of the library has which."""

from __future__ import annotations

from mmsearch import CollectionBusyError, CollectionDamagedError, MMSearchError, ReadOnlyError, UsageError

FAILED = 1
WRONG_USE = 2
SKIPPED = 3
"""Done, but some files were skipped; only with ``--strict``."""
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
    """The exit code of a command that failed with this error."""
    return next((code for kind, code in _CODES if isinstance(error, kind)), FAILED)
