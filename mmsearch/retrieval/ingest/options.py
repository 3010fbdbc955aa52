"""The options of an indexing run, checked when they are made."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Literal

from mmsearch.errors import Hint, HintKind, UsageError
from mmsearch.retrieval.encoders.protocol import Transcriber
from mmsearch.retrieval.enrich.ocr.installed import ocr_is_installed
from mmsearch.retrieval.enrich.ocr.lines import OCR_MODES, OcrMode
from mmsearch.retrieval.ingest.expected_rows import CutOptions
from mmsearch.retrieval.media.decode_spec import HOP_S, MAX_SPAN_S, WINDOW_S
from mmsearch.retrieval.paths import listed_paths
from mmsearch.types import Modality, modalities_named

Check = Literal["times", "mtime", "content"]
CHECKS: tuple[Check, ...] = ("times", "mtime", "content")

_LISTS = ("only", "exclude", "lift")
_COUNTS = ("workers", "batch", "memory", "threads")
_FLAGS = ("hidden", "follow_links", "prune_missing", "retry_skipped")
_SECONDS = ("window", "hop")


@dataclass(frozen=True, slots=True)
class IngestOptions:
    """Options of an indexing run: which files are read, and how.

    Attributes:
        only: modalities of the files to read: ``image``, ``text``, ``audio``, ``video``. Empty: all that the
            collection's models embed.
        exclude: patterns, in the syntax of .gitignore, of files and folders to pass over. Kept for later runs.
        lift: patterns and removed paths that earlier runs kept and that no longer hold, or ``all``.
        hidden: read files and folders whose names begin with a dot, too.
        follow_links: follow symbolic links; otherwise each is reported as skipped.
        text_column: the column of .csv, .tsv, .jsonl and .parquet files that holds the texts. None: guessed for each
            file.
        workers: decoding processes, at least 1. None: one for each processor.
        batch: pictures or frames embedded at once, at least 1. None: 8 at first, up to 64 while that is fast.
        memory: bytes that building an index may take. None: a quarter of the free memory.
        threads: threads that build an index, at least 1. None: one for each processor.
        prune_missing: forget files that lay in folders or on disks that are missing or empty now.
        check: what shows that a file has not changed. ``times``: size, modification time and, where the system has
            it, the time of status change. ``mtime``: size and modification time. ``content``: its hash, for which
            every file is read.
        retry_skipped: open files again that an earlier run skipped and that have not changed.
        window: seconds of sound in one row, above 0 and at most 10.
        hop: seconds from the start of one window of sound to the next, above 0 and at most ``window``.
        transcribe: what turns the speech in sounds and films into text: ``auto`` (the first model of
            `models.transcribers` whose weights are on this machine, else nothing), ``off``, a model, or a `Transcriber`
            of the app's own. Files that another one has transcribed are transcribed again unless it is ``auto``.
        ocr: text in pictures, frames and scanned pages: ``auto``: read in those that seem to hold some, if the extra
            ``ocr`` is installed; ``all``: read in all; ``off``: not read. Files that were indexed with less are read
            again.
        changed: files and folders under the paths of the run that have changed, come or gone, as a program that watches
            them knows. All others count as unchanged and are not looked at. None: everything is looked at.

    Raises:
        UsageError: a value outside these bounds, or of another type.
    """

    only: Sequence[Modality] = ()
    exclude: Sequence[str] = ()
    lift: Sequence[str] = ()
    hidden: bool = False
    follow_links: bool = False
    text_column: str | None = None
    workers: int | None = None
    batch: int | None = None
    memory: int | None = None
    threads: int | None = None
    prune_missing: bool = False
    check: Check = "times"
    retry_skipped: bool = False
    window: float = WINDOW_S
    hop: float = HOP_S
    transcribe: str | Transcriber = "auto"
    ocr: OcrMode = "auto"
    changed: Sequence[str | os.PathLike[str]] | None = None

    def __post_init__(self) -> None:
        for name in _LISTS:
            value = getattr(self, name)
            if not isinstance(value, list | tuple) or not all(isinstance(one, str) for one in value):
                raise UsageError(f"{name} must be a list of strings, not {value!r}")
            object.__setattr__(self, name, tuple(value))
        for name in _COUNTS:
            value = getattr(self, name)
            if value is None:
                continue
            if not isinstance(value, Integral):
                raise UsageError(f"{name} must be a whole number, not {value!r}")
            if value < 1:
                raise UsageError(f"{name} must be at least 1, not {value}", hint=Hint(HintKind.CHANGE_ARGUMENT, name))
        for name in _FLAGS:
            if not isinstance(getattr(self, name), bool):
                raise UsageError(f"{name} must be True or False, not {getattr(self, name)!r}")
        for name in _SECONDS:
            if not isinstance(getattr(self, name), Real):
                raise UsageError(f"{name} must be a number of seconds, not {getattr(self, name)!r}")
        if self.check not in CHECKS:
            raise UsageError(f"check must be one of {', '.join(CHECKS)}, not {self.check!r}")
        if self.ocr not in OCR_MODES:
            raise UsageError(f"ocr must be one of {', '.join(OCR_MODES)}, not {self.ocr!r}")
        if self.ocr == "all" and not ocr_is_installed():
            raise UsageError('reading text in pictures needs an extra: pip install "mmsearch[ocr]"')
        if not 0 < self.window <= MAX_SPAN_S:
            raise UsageError(
                f"window must lie above 0 and at most at {MAX_SPAN_S:g} seconds, not {self.window:g}",
                hint=Hint(HintKind.CHANGE_ARGUMENT, "window"),
            )
        if not 0 < self.hop <= self.window:
            raise UsageError(
                f"hop must lie above 0 and at most at the window's {self.window:g} s, not {self.hop:g}",
                hint=Hint(HintKind.CHANGE_ARGUMENT, "hop"),
            )
        modalities_named(self.only)
        if self.changed is not None:
            if isinstance(self.changed, str | bytes | os.PathLike):
                raise UsageError("changed must be a list of paths")
            object.__setattr__(self, "changed", tuple(listed_paths(self.changed)))

    def cut(self, transcriber: Transcriber | None = None) -> CutOptions:
        """Those that decide which rows a file is cut into.

        Args:
            transcriber: the one that ``transcribe`` stands for; None: nothing is transcribed.
        """
        speech = None if transcriber is None else transcriber.name
        ocr = self.ocr if ocr_is_installed() else "off"
        return CutOptions(self.window, self.hop, self.text_column, speech, self.transcribe != "auto", ocr)
