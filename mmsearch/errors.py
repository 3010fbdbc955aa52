"""Errors of mmsearch: each has a message that fits everywhere, and maybe a hint at what can be done.

The command line words hints as commands and options; an app may word them its own way, or leave them out.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal


class HintKind(StrEnum):
    """A way out. What ``Hint.subject`` holds is in brackets."""

    INDEX_FOLDER = "index_folder"  # index a folder [the folder, or empty]
    NAME_COLLECTION = "name_collection"  # open a collection elsewhere
    INDEX_OR_NAME_COLLECTION = "index_or_name_collection"
    REPAIR = "repair"  # repair the collection
    UPGRADE = "upgrade"  # install a newer mmsearch
    NAME_MODEL = "name_model"  # say which model embeds files
    LIST_MODELS = "list_models"
    USE_MINI = "use_mini"  # use the built-in model
    NAME_CHECKPOINT = "name_checkpoint"  # name a checkpoint on this machine [how a model is then called]
    NAME_CHECKPOINT_OR_USE_MINI = "name_checkpoint_or_use_mini"  # [the same]
    NAME_TRANSCRIBER = "name_transcriber"  # name a folder that holds a model for speech [how it is then called]
    FETCH_TRANSCRIBER = "fetch_transcriber"  # install and fetch a model for speech
    TRANSCRIBE_WITH = "transcribe_with"  # a model for speech is not a model that embeds
    LEAVE_DEVICE = "leave_device"  # leave the device to the model
    LEAVE_PRECISION = "leave_precision"  # leave the precision to the model
    EMBED_ANEW = "embed_anew"  # embed everything again with the model as it is now [model]
    ADD_SOUND_MODEL = "add_sound_model"  # add a model that embeds sounds
    INDEX_KINDS = "index_kinds"  # kinds of indexes that can be asked for
    MORE_MEMORY = "more_memory"  # give an index more memory, or compare every row
    FORGET_MISSING = "forget_missing"  # forget files that lay on a disk that is not there
    FOLLOW_LINKS = "follow_links"  # follow symbolic links
    REMOVE = "remove"  # remove a path from the collection [the path]
    TEXT_COLUMN = "text_column"  # name the column of a table that holds the texts
    OVERWRITE = "overwrite"  # write over a file that is there
    TAKE_AS_WORDS = "take_as_words"  # take a term as words, not as a path [the term]
    TAKE_LITERALLY = "take_literally"  # take a line as words, without reading more into it
    SUBTRACT = "subtract"  # subtract a term instead of a negative weight [the term]
    FOLDER_IN_QUERY = "folder_in_query"  # what can be done with a folder, rather than search by it [the folder]
    WHERE_EXAMPLE = "where_example"  # a condition that can be read
    INDEX_WORDS = "index_words"  # bring the lexical index up to date
    CALIBRATE = "calibrate"  # fit levels on the collection
    GROUPS = "groups"  # find groups, or list them
    TAG = "tag"  # give labels to rows [the label, or empty]
    CHANGE_ARGUMENT = "change_argument"  # give an argument of the call another value [its name]


@dataclass(frozen=True, slots=True)
class Hint:
    """A way out of an error or a notice, for an app or the command line to put into words.

    Attributes:
        kind: what can be done.
        subject: what it is about: a path, a model, a term; may be empty.
    """

    kind: HintKind
    subject: str = ""


class MMSearchError(Exception):
    """Base of all errors that mmsearch raises on purpose; its text is one line.

    Attributes:
        hint: a way out, where there is one that the text does not name.
    """

    _default_hint: HintKind | None = None

    def __init__(self, message: str = "", *, hint: Hint | HintKind | None = None) -> None:
        super().__init__(message)
        kind = hint if hint is not None else self._default_hint
        self.hint = Hint(kind) if isinstance(kind, HintKind) else kind


class UsageError(MMSearchError):
    """The call itself is wrong: a bad option, an empty query, a path that does not exist."""


class CannotEmbedError(UsageError):
    """The model does not embed what was asked for; another model of the collection may."""


class SpaceMismatchError(UsageError):
    """Vectors of two embedding spaces met; the text names both."""


class ModelUnavailableError(MMSearchError):
    """A model cannot be loaded: weights not on this machine, hub out of reach, or an extra not installed."""


class DecodeError(MMSearchError):
    """A file's bytes cannot be turned into a picture or a text; the text is the reason, without the path."""


class TransientDecodeError(DecodeError):
    """The reason lies in the moment, not in the file: memory, permissions, a file that is being written."""


class NoSuchFileError(UsageError, DecodeError):
    """A file to search by is not there, or is a folder."""


class FileNotServedError(MMSearchError):
    """A row's file cannot be handed out.

    Attributes:
        why: the file is *gone*, has *changed* since it was indexed, lies *outside* the indexed folders, or the row was
            added under a name that is *no file*.
    """

    def __init__(self, message: str, why: Literal["gone", "changed", "outside", "no file"]) -> None:
        super().__init__(message)
        self.why = why


class CollectionNotFoundError(MMSearchError):
    """There is no collection at a path."""

    _default_hint = HintKind.INDEX_OR_NAME_COLLECTION


class NoSuchRowError(UsageError):
    """No row of the collection has an id, or has it any more."""


class NoSuchSearchError(UsageError):
    """No search is saved under a name."""


class CollectionExistsError(UsageError):
    """A collection is to be made where one is."""


class CollectionClosedError(UsageError):
    """A collection is used after `Collection.close`."""


class CollectionBusyError(MMSearchError):
    """Another process is writing to the collection."""


class CollectionDamagedError(MMSearchError):
    """The collection on disk cannot be read: cut, altered, or of a newer format."""

    _default_hint = HintKind.REPAIR


class NewerFormatError(CollectionDamagedError):
    """A newer version of mmsearch wrote it; nothing is damaged."""

    _default_hint = HintKind.UPGRADE


class NoReaderError(MMSearchError):
    """None of the readers that hold the parts of a collection answers."""


class ReadOnlyError(MMSearchError):
    """The collection lies where nothing can be written."""

    _default_hint = HintKind.NAME_COLLECTION


class StorageError(MMSearchError):
    """A bucket, or a folder that is used like one, does not do what was asked."""


class StorageDeniedError(StorageError):
    """Credentials are missing, wrong, or do not allow it."""


class StorageUnreachableError(StorageError):
    """No connection, no answer in time, or an answer that was cut short, after several attempts."""


class NoSuchBucketError(StorageError):
    """There is no bucket of this name."""


class NoSuchObjectError(StorageError, FileNotFoundError):
    """There is no object, or no file, at an address."""


class ConflictError(StorageError):
    """An object is there already, or has changed, so that it was not written or read."""
