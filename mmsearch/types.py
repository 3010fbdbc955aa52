"""Small frozen dataclasses that every room may use: spaces, spans, moments, items, reports."""

from __future__ import annotations

import base64
import datetime as dt
import functools
import json
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from mmsearch.errors import Hint, UsageError
from mmsearch.notices import Notice
from mmsearch.notices import counted as counted  # notices need it, and types import notices
from mmsearch.own_facts import NO_OWN_FACTS, OwnFacts

Modality = Literal["image", "text", "audio", "video"]
MODALITIES: tuple[Modality, ...] = ("image", "text", "audio", "video")

Level = Literal["strong", "likely", "weak", "nothing"]
"""How far a hit can be believed: from *strong*, most likely what was asked for, to *nothing*, most likely not."""

LEVELS: tuple[Level, ...] = ("strong", "likely", "weak", "nothing")
"""The levels, the best first."""

Sort = Literal["relevance", "newest", "oldest"]
"""The order of hits: by how well they fit, or by when they were taken, else changed."""

SORTS: tuple[Sort, ...] = ("relevance", "newest", "oldest")

SearchMode = Literal["hybrid", "semantic", "lexical"]
"""How a query finds rows: by vectors (*semantic*), by its words to the letter (*lexical*), or by both (*hybrid*)."""

SEARCH_MODES: tuple[SearchMode, ...] = ("hybrid", "semantic", "lexical")


@functools.lru_cache(maxsize=256)  # searches ask for it many times
def _space_key(space: Space) -> str:
    import hashlib  # takes 2 ms, and a query that a server answers asks for no key

    digest = hashlib.sha256(json.dumps(space.to_json(), sort_keys=True).encode()).hexdigest()[:8]
    name = re.sub(r"[^A-Za-z0-9]+", "-", space.model).strip("-").lower()[-40:] or "space"
    return f"{name}-{space.dim}-{digest}"


def modalities_named(names: Iterable[str]) -> tuple[Modality, ...]:
    """Modalities by their names.

    Raises:
        UsageError: an unknown name.
    """
    wanted = set(names)
    unknown = sorted(wanted.difference(MODALITIES))
    if unknown:
        raise UsageError(f"no modality {unknown[0]!r}; there are: {', '.join(MODALITIES)}")
    return tuple(modality for modality in MODALITIES if modality in wanted)


_ELSEWHERE = "elsewhere"


@dataclass(frozen=True, slots=True)
class Space:
    """An embedding space: only vectors of the same space may be compared.

    Attributes:
        model: a name of the catalogue, a path, or the name of vectors made elsewhere.
        weights: a digest of the model's weights.
        processing: a digest of its preprocessing and tokenizer.
        dim: the dimension of its vectors.
    """

    model: str
    weights: str
    processing: str
    dim: int

    @classmethod
    def of_vectors(cls, name: str, dim: int) -> Space:
        """The space of vectors that were made outside mmsearch: it has a name, and no model here.

        Args:
            name: any name.
            dim: the dimension of the vectors.
        """
        return cls(name, _ELSEWHERE, _ELSEWHERE, dim)

    @property
    def has_model(self) -> bool:
        """Whether a model of ours makes its vectors."""
        return self.weights != _ELSEWHERE

    @property
    def key(self) -> str:
        """A short name that is unique to the space and safe as a folder name, e.g. ``mini-256-1f0c2a9b``."""
        return _space_key(self)

    def to_json(self) -> dict[str, Any]:
        """The four fields as a JSON object."""
        return {
            "model": self.model,
            "weights": self.weights,
            "processing": self.processing,
            "dim": self.dim,
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Space:
        """The inverse of `to_json`.

        Args:
            data: what it gave.
        """
        return cls(str(data["model"]), str(data["weights"]), str(data["processing"]), int(data["dim"]))

    def __str__(self) -> str:
        return self.key


SpanUnit = Literal["s", "char", "row", "page"]


@dataclass(frozen=True, slots=True)
class Span:
    """The part of a file that a row stands for.

    Attributes:
        start: where it begins, counted from 0.
        end: where it ends, exclusive.
        unit: ``s`` (seconds), ``char`` (characters of a text), ``row`` (of a table) or ``page``.
    """

    start: float
    end: float
    unit: SpanUnit

    def to_json(self) -> dict[str, float | int]:
        """``{"start_s": 83.0, "end_s": 91.0}``; characters, rows and pages are whole numbers."""
        if self.unit == "s":
            return {"start_s": rounded(self.start), "end_s": rounded(self.end)}
        return {f"start_{self.unit}": int(self.start), f"end_{self.unit}": int(self.end)}

    def __str__(self) -> str:
        if self.unit == "s":
            return f"{clock(self.start)}–{clock(self.end)}"
        if self.unit in ("row", "page"):
            return f"{self.unit} {int(self.start) + 1}"
        return f"{int(self.start)}–{int(self.end)}"


def clock(seconds: float) -> str:
    """``83.4`` → ``00:01:23``."""
    whole = int(seconds)
    return f"{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def rounded(seconds: float) -> float:
    """Seconds as they are printed: to the microsecond, without what sums of fractions leave behind."""
    return round(seconds, 6)


def sized(size: int) -> str:
    """A number of bytes as a person reads it: ``812 B``, ``3.4 kB``, ``120 MB``."""
    for unit, factor in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= factor:
            return f"{size / factor:,.{1 if size < 10 * factor else 0}f} {unit}"
    return f"{size} B"


@dataclass(frozen=True, slots=True)
class Moment:
    """A part of a film or sound to search by or to save, or one time in it.

    Attributes:
        path: the film or sound.
        start_s: seconds from its start.
        end_s: the end of the part, in seconds; None for the one frame, or what is heard, at ``start_s``.
    """

    path: Path
    start_s: float
    end_s: float | None = None

    def __str__(self) -> str:
        end = "" if self.end_s is None else f"-{clock(self.end_s)}"
        return f"{self.path}@{clock(self.start_s)}{end}"


@dataclass(frozen=True, slots=True)
class Facts:
    """What decoding learned about a file besides its content.

    Attributes:
        width: of a picture or film, in pixels.
        height: of a picture or film, in pixels.
        duration_s: of a film or sound, in seconds.
        taken_at: when it was made, in local time.
        note: set if only part of the file was used, or its encoding was guessed.
        taken_from: where ``taken_at`` was found: ``exif``, ``exif digitized``, ``exif changed``, ``xmp``, ``iptc``,
            ``png``, ``raw``, ``film``, ``sound``, ``document``, ``mail`` or ``name``.
        camera: maker and model of the camera or phone.
        lat: where it was made, in degrees of latitude.
        lon: the same of longitude.
        place: name of the nearest town.
        country: name of the country.
        title: the title that a document or film has inside.
        tags: words that a document, picture or film is tagged with inside.
        lang: code of its language, such as ``en``, where the file names one.
    """

    width: int | None = None
    height: int | None = None
    duration_s: float | None = None
    taken_at: dt.datetime | None = None
    note: str | None = None
    taken_from: str | None = field(default=None, compare=False)
    camera: str | None = field(default=None, compare=False)
    lat: float | None = field(default=None, compare=False)
    lon: float | None = field(default=None, compare=False)
    place: str | None = field(default=None, compare=False)
    country: str | None = field(default=None, compare=False)
    title: str | None = field(default=None, compare=False)
    tags: tuple[str, ...] = field(default=(), compare=False)
    lang: str | None = field(default=None, compare=False)


PassageSource = Literal["ocr", "speech", "caption"]
"""How a passage was made that is no text of a file: read in a picture, transcribed, or given beside the file."""


@dataclass(frozen=True, slots=True)
class Item:
    """One row to be stored, without its vector: a file, or one span of it.

    Attributes:
        path: of the file.
        content_hash: of the file, 128-bit BLAKE2b.
        size: of the file, in bytes.
        mtime_ns: its modification time.
        modality: of the row.
        span: the part of the file that the row is of; None for all of it.
        passage: the text, for texts.
        facts: what decoding learned about the file.
        ctime_ns: the file's time of status change, if the system has one.
        made: the rows that were made of the whole file, as the store's column of that name.
        own_facts: values in columns of the user's own.
        evidence: how a passage was made that is no text of the file.
        boxes: of a passage read in a picture, where each of its lines is: left, top, right and bottom, as fractions of
            the picture's width and height, one line after another.
        lang: code of the language of the passage, where it differs from the file's or only the passage has one.
        source: the archive or bucket that it was read from; None for a file of a folder.
    """

    path: bytes
    content_hash: bytes
    size: int
    mtime_ns: int
    modality: Modality
    span: Span | None = None
    passage: str | None = None
    facts: Facts = field(default_factory=Facts)
    ctime_ns: int | None = None
    made: str | None = None
    own_facts: OwnFacts = NO_OWN_FACTS
    evidence: PassageSource | None = None
    boxes: tuple[float, ...] = ()
    lang: str | None = None
    source: bytes | None = None


SkipKind = Literal["content", "transient"]
"""Why a file is skipped: because of its content and what was asked for, which holds until one of them changes; or for a
reason that may pass (memory, permissions, time), so that the next run tries again."""


NoteKind = Literal["part", "whole", "column", "again"]
"""What a note on an indexed file is about: ``part`` (only part of it was used), ``whole`` (something else, nothing was
left out), ``column`` (the column of texts was guessed), or ``again`` (in a dry run: why it would be embedded again)."""


@dataclass(frozen=True, slots=True)
class FileNote:
    """A remark on one file: why it was skipped or kept, or how it was used.

    Attributes:
        path: the file.
        reason: the remark.
        known: whether an earlier run reported it already.
        kind: of a file that was indexed: ``part`` (only a part of it was used), ``column`` (the column of texts was
            guessed), ``whole`` (another remark), ``again`` (in a dry run: it would be embedded again); of others None.
        hint: a way out, where there is one.
    """

    path: str
    reason: str
    known: bool = False
    kind: NoteKind | None = None
    hint: Hint | None = None

    def to_json(self) -> dict[str, Any]:
        """``{"path": …, "reason": …}``, with ``"known": true`` where an earlier run has said it, and the ``kind``."""
        known = {"known": True} if self.known else {}
        kind = {"kind": self.kind} if self.kind else {}
        hint = {"hint": self.hint.kind.value} if self.hint else {}
        return {**path_json(self.path), "reason": self.reason, **known, **kind, **hint}


@dataclass(frozen=True, slots=True)
class PassedOver:
    """Files and folders that a scan passed over on purpose.

    Attributes:
        kind: why, such as ``excluded``.
        count: how many.
        names: their names, or the patterns that they match.
    """

    kind: str
    count: int
    names: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """``{"kind": …, "count": …, "names": […]}``."""
        return {"kind": self.kind, "count": self.count, "names": [printable(name) for name in self.names]}


@dataclass(frozen=True, slots=True)
class Report:
    """What an indexing run did, counted in files: found = indexed + unchanged + moved + len(skipped).

    Attributes:
        found: files under the paths.
        indexed: files that were embedded, in a dry run those that would be read.
        unchanged: files that were indexed before and have not changed.
        moved: files that were recognised at another path by their content.
        removed: files that are gone and were forgotten.
        rows: rows that were written.
        skipped: files that were not indexed, each with the reason.
        marked: files that were indexed, but only in part, or with a guess.
        kept: missing folders and disks whose files stay in the collection.
        passed_over: what was not looked at on purpose.
        notices: other remarks.
        interrupted: whether the run was stopped; what was embedded is kept.
        seconds: how long it took.
        stages: seconds by stage; stages overlap.
    """

    found: int = 0
    indexed: int = 0
    unchanged: int = 0
    moved: int = 0
    removed: int = 0
    rows: int = 0
    skipped: tuple[FileNote, ...] = ()
    marked: tuple[FileNote, ...] = ()
    kept: tuple[FileNote, ...] = ()
    passed_over: tuple[PassedOver, ...] = ()
    notices: tuple[Notice, ...] = ()
    interrupted: bool = False
    seconds: float = 0.0
    stages: dict[str, float] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The contract's report object."""
        return {
            "found": self.found,
            "indexed": self.indexed,
            "unchanged": self.unchanged,
            "moved": self.moved,
            "removed": self.removed,
            "rows": self.rows,
            "skipped": [note.to_json() for note in self.skipped],
            "marked": [note.to_json() for note in self.marked],
            "kept": [note.to_json() for note in self.kept],
            "passed_over": [passed.to_json() for passed in self.passed_over],
            "notices": [str(notice) for notice in self.notices],
            "interrupted": self.interrupted,
            "seconds": round(self.seconds, 3),
            "stages": {name: round(value, 3) for name, value in self.stages.items()},
        }


def path_json(path: str) -> dict[str, str]:
    """``{"path": readable}``, and ``path_b64`` with the exact bytes where the name is not valid UTF-8."""
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        raw = os.fsencode(path)
        return {"path": printable(path), "path_b64": base64.b64encode(raw).decode("ascii")}
    return {"path": path}


def printable(path: str) -> str:
    """The path with bytes that are not UTF-8 shown as ``\\xNN``, fit for any terminal or JSON reader."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")
