"""A stored row as searching needs it: what it is ranked by is read once, all its facts only if it is shown."""

from __future__ import annotations

import os
import threading
from collections.abc import Hashable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from mmsearch.hits import FileState
from mmsearch.retrieval.media.decode_spec import MAX_SPAN_S
from mmsearch.retrieval.paths import above_root
from mmsearch.retrieval.search.item_paths import ItemStates
from mmsearch.retrieval.search.words_asked import words_in
from mmsearch.retrieval.store.schema import FACT_NAMES, is_without_file, modality_of, own_facts_of, span_of
from mmsearch.retrieval.store.snapshot import Rows
from mmsearch.types import Modality

_EVIDENCE: dict[Modality, str] = {"image": "look", "text": "text", "audio": "sound", "video": "frame"}
ABOUT_PICTURE = ("ocr", "caption")
"""Evidence of texts that are shown as their picture."""

_EPSILON_S = 1e-3
_KEPT_BYTES = 4 << 20  # of rows of one modality; a row has some 3 KB
_ROW_BYTES = 2_000


class Row:
    """A stored row. It never changes, and queries share it.

    Attributes:
        id: the row's id.
        facts: its columns.
        path: of its file.
        modality: of its vector.
        span: its part of the file.
        start: where its time begins, in seconds; 0 for a row without one.
        end: where it ends.
        is_timed: whether it stands for a time in a film or sound.
        is_moment: whether a timed row is short enough to be a hit's span.
        text: the passage.
        title: of the file.
        tags: of the file.
        evidence: what it shows of its file: ``look``, ``text``, ``frame``, ``sound``, ``subtitle``, ``ocr``,
            ``speech`` or ``caption``.
        source: the archive or bucket that it was read from; None for a file of a folder.
        has_width: whether it has a width, as pictures and films have.
        content_hash: of the file.
        name_start: from where on the path is a name, in characters: the folders above the indexed one say nothing.
        copy_key: equal for rows of equal files.
        answer_key: equal for rows that make one answer: a film or sound at any time, or a passage of a content.
        page_key: equal for rows of one picture or page; what is read in a picture, and its caption, are rows of it.
    """

    def __init__(self, row_id: int, facts: dict[str, Any], roots: Sequence[bytes] = ()) -> None:
        self.id = row_id
        self.facts = facts
        self.path = os.fsdecode(facts["path"])
        source = facts.get("mms_source")
        self.source = None if source is None else os.fsdecode(source)
        self.modality = modality_of(facts)
        self.span = span = span_of(facts)
        self.is_timed = span is not None and span.unit == "s"
        self.start, self.end = (span.start, span.end) if self.is_timed and span else (0.0, 0.0)
        if facts["mms_evidence"] == "caption" and facts["duration_s"] is not None:
            self.is_timed, self.end = True, facts["duration_s"]  # it tells of the whole film or sound
        self.is_moment = self.end - self.start <= MAX_SPAN_S + _EPSILON_S
        subtitle = self.modality == "text" and self.is_timed
        self.evidence: str = facts["mms_evidence"] or ("subtitle" if subtitle else _EVIDENCE[self.modality])
        self.text: str | None = facts["passage"]
        self.title: str | None = facts["mms_title"]
        self.tags: tuple[str, ...] = tuple(facts["mms_tags"] or ())
        self.has_width = facts["width"] is not None
        self.content_hash: bytes = facts["content_hash"] or b""
        self.name_start = len(os.fsdecode(above_root(facts["path"], roots))) if roots or self.source else 0
        place = f"{span.start} {span.end} {span.unit}".encode() if span is not None else b"-"
        # Of bytes, not a tuple: they are hashed once.
        self.copy_key: Hashable = self.content_hash + place if self.content_hash else row_id
        self.answer_key: Hashable = (self.content_hash or self.path) if self.is_timed else self.copy_key
        self.page_key: Hashable = row_id
        if span is not None and span.unit == "page":
            self.page_key = f"{self.path}\0{span.start}"
        elif self.modality == "image" or self.evidence in ABOUT_PICTURE:
            self.page_key = self.path

    @property
    def shows(self) -> Modality:
        """The modality of what its file shows, as far as the row tells: of a text in a picture, ``image``."""
        return shown_modality(self.facts)

    @cached_property
    def words(self) -> frozenset[str]:
        """The folded words of its text, its title, its tags and its name."""
        return words_in(self)

    @cached_property
    def boxes(self) -> tuple[float, ...]:
        """Where its text is in a picture."""
        return tuple(self.facts["mms_boxes"] or ())

    def state(self, items: ItemStates | None = None) -> FileState:
        """Whether its file is still what was embedded; of an item of an archive, whether the archive is.

        ``items``: looks at archives, where several rows are asked about; one in a bucket is not asked, and is current.
        """
        if self._is_without_file:
            return "none"
        if self.source is not None:
            state = (items or ItemStates()).of(self.path, self.source, self.facts["mtime_ns"])
            if state is not None:
                return state
        try:
            found = os.stat(self.facts["path"])
        except OSError:
            return "gone"
        is_same = found.st_size == self.facts["size"] and found.st_mtime_ns == self.facts["mtime_ns"]
        return "current" if is_same else "changed"

    @cached_property
    def _is_without_file(self) -> bool:
        return is_without_file(self.facts)

    @cached_property
    def record(self) -> dict[str, Any]:
        """What a `Record` of the row has, but for its state. Not to be changed."""
        facts = self.facts
        return {
            "id": self.id,
            "path": self.path,
            "source": self.source,
            "modality": self.modality,
            "span": self.span,
            "text": self.text,
            "width": facts["width"],
            "height": facts["height"],
            "duration_s": facts["duration_s"],
            "taken_at": facts["taken_at"],
            "note": facts["note"],
            "taken_from": facts["taken_from"],
            "camera": facts["mms_camera"],
            "lat": facts["mms_lat"],
            "lon": facts["mms_lon"],
            "place": facts["mms_place"],
            "country": facts["mms_country"],
            "title": self.title,
            "tags": self.tags,
            "lang": facts["mms_lang"],
            "boxes": self.boxes,
            "content_hash": self.content_hash,
            "facts": own_facts_of(facts),
        }


def shown_modality(facts: Mapping[str, Any]) -> Modality:
    """The modality of what a row's file shows, by the row's columns, as far as they tell.

    Of text in a picture it is ``image``, of what is said ``audio``, and of a caption that of its file.
    """
    evidence = facts["mms_evidence"]
    if evidence == "caption":
        if facts["duration_s"] is not None:
            return "audio" if facts["width"] is None else "video"
        return "text" if facts["width"] is None else "image"
    return _MADE_OF.get(evidence) or modality_of(dict(facts))


_MADE_OF: dict[str | None, Modality] = {"ocr": "image", "speech": "audio"}
"""The kind of file that a text was made of, if it is no film."""


class RowReader:
    """Reads the rows of one modality by id, and keeps those that were read last. Safe to use from threads.

    Args:
        rows: the rows.
        roots: the indexed folders, see `Row.name_start`.
    """

    def __init__(self, rows: Rows, roots: Sequence[str]) -> None:
        self._rows = rows
        self._roots = [os.fsencode(root) for root in roots]
        self._kept: dict[int, Row] = {}
        self._sizes: dict[int, int] = {}
        self._bytes = 0
        self._guard = threading.Lock()

    def read(self, ids: Sequence[int]) -> list[Row]:
        """The rows of some ids, in that order."""
        kept = self._kept
        found = [kept.get(row_id) for row_id in ids]
        missing = sorted({row_id for row_id, row in zip(ids, found, strict=True) if row is None})
        if missing:
            made = self._make(missing)
            found = [row or made[row_id] for row_id, row in zip(ids, found, strict=True)]
        return [row for row in found if row is not None]

    def _make(self, ids: list[int]) -> dict[int, Row]:
        positions = self._rows.positions(np.array(ids, np.int64))
        facts = self._rows.facts_at(positions, [*FACT_NAMES, *self._rows.own_types])
        made = {row_id: Row(row_id, own, self._roots) for row_id, own in zip(ids, facts, strict=True)}
        with self._guard:
            for row_id, row in made.items():
                if row_id not in self._kept:
                    self._kept[row_id] = row
                    self._sizes[row_id] = _ROW_BYTES + sum([_size(value) for value in row.facts.values() if value])
                    self._bytes += self._sizes[row_id]
            while self._bytes > _KEPT_BYTES and self._kept:
                oldest = next(iter(self._kept))
                del self._kept[oldest]
                self._bytes -= self._sizes.pop(oldest)
        return made


def _size(value: Any) -> int:
    """About how many bytes a column's value takes beyond those of any row."""
    if isinstance(value, str | bytes):
        return 3 * len(value)  # a text is kept as its words, too
    return 64 * len(value) if isinstance(value, list | dict) else 0
