"""Jobs for decoding workers, and what comes of them: parts of long files as they are decoded, and a `Decoded` each."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mmsearch.errors import Hint
from mmsearch.extracts import SavedClip, SavedFrame
from mmsearch.retrieval.enrich.ocr.lines import TextLine
from mmsearch.retrieval.media.decode_spec import Rejection
from mmsearch.retrieval.media.resume import ResumePointsByHash
from mmsearch.types import Facts, SkipKind

DecodedKind = Literal["image", "text", "table", "subtitles", "document", "audio", "video"]
PartKind = Literal["shot", "window", "voice", "page", "coded"]

FileIdentity = tuple[int, int, int, int]
"""Device, number on it, size and time of modification: what tells whether two open files are the same."""


@dataclass(frozen=True, slots=True)
class Output:
    """A file to write: one *frame* or a *clip*."""

    what: Literal["frame", "clip"]
    path: bytes


@dataclass(frozen=True, slots=True)
class Extract:
    """Something to take out of a file and hand on as coded bytes: a picture (*webp* or *jpeg*), or a *clip*.

    Attributes:
        what: which of them.
        side: the most pixels along a side of a picture, which is never enlarged.
        page: which page of a picture file, from 0; None: the first.
        start_s: the time of a film's picture, or the start of a clip; None: a picture of a file that is no film.
        end_s: of a clip.
        start_only: of a clip, only say where it would start.
    """

    what: Literal["webp", "jpeg", "clip"]
    side: int = 0
    page: int | None = None
    start_s: float | None = None
    end_s: float = 0.0
    start_only: bool = False


@dataclass(frozen=True, slots=True)
class Job:
    """A file to decode.

    Attributes:
        path: its absolute path.
        explicitly_requested: the user named this very file, so that plain text of any ending is read.
        known: hashes of contents that need no decoding.
        resume_points: by the hash of their content, from where on films and sounds need decoding.
        text_column: the column of a table that holds the texts; None: guess.
        moment: decode only this part of a film or sound, ``(from, to)`` in seconds; to None: what is there at ``from``.
            Of a document, only the picture of the page ``from``.
        write: write that part to a new file instead of handing it on.
        sniff_only: find out from the first bytes whether the file would be decoded, and decode nothing.
        extract: take this out of the file instead of decoding it.
        identity: of the file that must be found at the path; any other is skipped.
        content: the file that holds the bytes, where ``path`` names an item of an archive or of an object store (see
            `contents.HeldContent`).
    """

    path: bytes
    explicitly_requested: bool = False
    known: frozenset[bytes] = frozenset()
    resume_points: ResumePointsByHash = field(default_factory=dict)
    text_column: str | None = None
    moment: tuple[float, float | None] | None = None
    write: Output | None = None
    sniff_only: bool = False
    extract: Extract | None = None
    identity: FileIdentity | None = None
    content: bytes | None = None

    @property
    def file_path(self) -> bytes:
        """The path of the file to open."""
        return self.path if self.content is None else self.content


@dataclass(frozen=True, slots=True, kw_only=True)
class PartFacts:
    """What is known of a part of a film, a sound, or a picture of several pages.

    Attributes:
        kind: a *shot* of a film, a *window* of sound, *voice* (sound in which speech is looked for), a *page*, or
            *coded* bytes of an `Extract`.
        start_s: where it starts, in seconds; of a page its number, from 0.
        end_s: where it ends.
        continues: it is a later piece of the same shot as the part before.
        index: its number among the parts of its kind, from 0.
        can_go_on: a later run may begin with it.
        damage: what was found wrong with the file so far.
        of_s: how long the file lasts by its header, in seconds.
        media_type: of coded bytes.
        lines: what was read in a page, or in a frame from the middle of a shot.
    """

    kind: PartKind
    start_s: float
    end_s: float
    continues: bool = False
    index: int = 0
    can_go_on: bool = False
    damage: str | None = None
    of_s: float | None = None
    media_type: str | None = None
    lines: tuple[TextLine, ...] = ()

    @classmethod
    def of_page(cls, page: int, lines: tuple[TextLine, ...]) -> PartFacts:
        """The facts of a page, by its number from 0."""
        return PartFacts(kind="page", start_s=float(page), end_s=float(page + 1), lines=lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part(PartFacts):
    """A part of a file that is still being decoded; the file's `Decoded` comes last.

    Attributes:
        path: of the file.
        array: the frames of a shot (uint8 ``[frames, height, width, 3]``), the samples of a window or of voice (float32
            ``[samples]``), a page (uint8 ``[height, width, 3]``), or coded bytes (uint8 ``[bytes]``).
        content_hash: of the file.
    """

    path: bytes
    array: NDArray[Any]
    content_hash: bytes = b""


@dataclass(frozen=True, slots=True)
class TextPart:
    """Some rows of a table, or pages of a document, that is still being read; the `Decoded` of a table has the last.

    Attributes:
        path: of the file; empty on the way.
        texts: ``(row, text)`` or ``(page, text)``, from 0.
        content_hash: of the file.
        unit: whether they are rows or pages.
    """

    path: bytes
    texts: list[tuple[int, str]]
    content_hash: bytes = b""
    unit: Literal["row", "page"] = "row"


@dataclass(frozen=True, slots=True)
class Decoded:
    """What became of a job.

    A *decoded* file has one of ``pixels``, ``text``, ``texts`` or ``cues``; what is in a film, a sound or a picture of
    several pages came before as `Part`, and a film may have ``cues`` besides. All of a document came before, as `Part`
    and `TextPart`. The contents of a file that is the *same*
    hash to one of the job's ``known``. A *sniffed* file would be decoded. A *skipped* file has no hash, and its parts
    count for nothing.

    Attributes:
        path: of the file; empty on the way.
        outcome: *decoded*, *same*, *sniffed* (see `Job.sniff_only`) or *skipped*.
        kind: what it holds; None where that was not found out.
        content_hash: BLAKE2b of its bytes, 16 bytes.
        size: of the file, in bytes.
        mtime_ns: its time of modification.
        ctime_ns: its time of status change, where the system has one.
        facts: its size in pixels, its duration, its date, and a note.
        pixels: of a picture, uint8 ``[height, width, 3]``, a view that lasts until `Decoder.release`.
        slot: of the pixels.
        text: of a text file, without encoded data.
        cuts: where encoded data was left out of it (see `encoded_data.ReadableText`).
        texts: of a table, ``(row, text)``.
        column: of the table that the texts are of.
        column_guessed: the column was guessed, and others hold something too.
        cues: of subtitles, ``(start_s, end_s, text)``.
        lines: what was read in a picture.
        saved: the frame or clip that was written for the job.
        reason: why it was skipped.
        why: whether the reason lies in the file or in the moment.
        rejection: set where files of its kind are not decoded at all.
        hint: a way out.
        captions: texts that its source gives with it; a worker knows none.
    """

    path: bytes
    outcome: Literal["decoded", "same", "sniffed", "skipped"]
    kind: DecodedKind | None = None
    content_hash: bytes = b""
    size: int = 0
    mtime_ns: int = 0
    ctime_ns: int | None = None
    facts: Facts = field(default_factory=Facts)
    pixels: NDArray[np.uint8] | None = None
    slot: int | None = None
    text: str | None = None
    cuts: list[tuple[int, int]] = field(default_factory=list)
    texts: list[tuple[int, str]] | None = None
    column: str | None = None
    column_guessed: bool = False
    cues: list[tuple[float, float, str]] = field(default_factory=list)
    lines: tuple[TextLine, ...] = ()
    saved: SavedFrame | SavedClip | None = None
    reason: str | None = None
    why: SkipKind = "transient"
    rejection: Rejection | None = None
    hint: Hint | None = None
    captions: tuple[str, ...] = ()

    @classmethod
    def skipped(
        cls,
        path: bytes,
        reason: str,
        why: SkipKind = "content",
        *,
        kind: DecodedKind | None = None,
        rejection: Rejection | None = None,
        hint: Hint | None = None,
    ) -> Decoded:
        """A file of which nothing came."""
        return cls(path, "skipped", kind, reason=reason, why=why, rejection=rejection, hint=hint)


def identity_of(facts: os.stat_result) -> FileIdentity:
    """What tells an open file from others."""
    return facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns
