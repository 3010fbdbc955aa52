"""What can go wrong, as a person or an app sees it: one clear line, and the exit code that goes with it."""

from __future__ import annotations


class MMSearchError(Exception):
    """Base of all errors that mmsearch raises on purpose; its text is one line that names the way out."""

    exit_code = 1


class UsageError(MMSearchError):
    """The call itself is wrong: a bad option, an empty query, a path that is none."""

    exit_code = 2


class CannotEmbedError(UsageError):
    """A model has no tower for what was asked; another model of the collection may have."""


class SpaceMismatchError(UsageError):
    """Vectors of two embedding spaces met; the text names both (rule 1 of the house)."""


class ModelUnavailableError(MMSearchError):
    """A model cannot be loaded: weights not on this machine, hub out of reach, or an extra not installed."""


class DecodeError(MMSearchError):
    """A file's bytes cannot be turned into a picture or a text; the text is the reason, without the path."""


class TransientDecodeError(DecodeError):
    """The reason lies in the moment, not in the file: memory, permissions, a file that is being written."""


class NoSuchFileError(UsageError, DecodeError):
    """A file to search by is not there, or is a folder."""


class CollectionBusyError(MMSearchError):
    """Another process is writing to the collection."""

    exit_code = 4


class CollectionDamagedError(MMSearchError):
    """The collection on disk cannot be read: cut, altered, or of a newer format."""

    exit_code = 4


class NewerFormatError(CollectionDamagedError):
    """A newer version of mmsearch wrote it; nothing is damaged."""


class ReadOnlyError(MMSearchError):
    """The collection lies where nothing can be written."""

    exit_code = 4
