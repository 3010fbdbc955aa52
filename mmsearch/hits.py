"""What a search gives back: hits, lists of hits, answers; and records, which are rows without a score."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, SupportsIndex, overload

from mmsearch.errors import MMSearchError
from mmsearch.notices import Notice, NoticeKind
from mmsearch.own_facts import NO_OWN_FACTS, OwnFacts
from mmsearch.types import Level, Modality, Space, Span, path_json, printable, rounded

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import pyarrow as pa
    from numpy.typing import NDArray

FileState = Literal["current", "changed", "gone", "none"]
"""Whether a row's file is still what was embedded: the same size and modification time, others, or no such file; of
an item of an archive, whether the archive has the same modification time. Buckets are not asked: what is in one is
*current*. *none* for a row that was added under a name that was no file."""


@dataclass(frozen=True, kw_only=True)  # no slots: a hit is made of a dict at once, which takes a tenth of the time
class Record:
    """A stored row: a picture, a passage of a text, a window of a sound, a shot of a film or a whole film.

    Attributes:
        id: the row's id, unique in the collection and never used again.
        path: the file (or the name) that the row stands for; ``shard.tar#1.jpg`` for an item of an archive.
        modality: ``image``, ``text``, ``audio`` or ``video``.
        span: the part of the file, where the row is not the whole of it.
        text: the passage, for texts.
        state: whether the file is still what was embedded.
        width: of the picture or film, in pixels.
        height: of the picture or film, in pixels.
        duration_s: of the film or sound, in seconds.
        taken_at: when the picture, film or sound was made, as its clock on the wall showed it.
        taken_from: where ``taken_at`` was found: ``exif``, ``xmp``, ``name`` and others.
        camera: maker and model of the camera or phone that a picture or film was made with.
        lat: latitude of where it was made, in degrees.
        lon: longitude.
        place: the nearest town.
        country: the country.
        title: the title that the file has inside.
        tags: words that the file is tagged with inside.
        lang: code of the language of the text, where it is known.
        boxes: of a passage read in a picture, where each line of ``text`` is: left, top, right and bottom, as fractions
            of width and height, one line after another.
        note: set where only part of the file was used, or its encoding was guessed.
        content_hash: 128-bit BLAKE2b of the file's content; empty where it is not known.
        facts: the row's values in columns of the user's own (see `Collection.add`); those without a value are left out.
        source: the archive or bucket that it was read from; None for a file of a folder.
    """

    id: int
    path: str
    modality: Modality
    span: Span | None = None
    text: str | None = None
    state: FileState
    width: int | None = None
    height: int | None = None
    duration_s: float | None = None
    taken_at: dt.datetime | None = None
    taken_from: str | None = None
    camera: str | None = None
    lat: float | None = None
    lon: float | None = None
    place: str | None = None
    country: str | None = None
    title: str | None = None
    tags: tuple[str, ...] = ()
    lang: str | None = None
    boxes: tuple[float, ...] = ()
    note: str | None = None
    content_hash: bytes = b""
    facts: OwnFacts = NO_OWN_FACTS
    source: str | None = None

    @property
    def is_item(self) -> bool:
        """Whether it is of an item of an archive or a bucket, so that no file of this machine has its path."""
        if self.source is None:
            return False
        return self.path.startswith(f"{self.source}#") or "://" in self.path

    def to_json(self) -> dict[str, Any]:
        """The fields as a JSON object; a path that is not valid UTF-8 adds ``path_b64``."""
        return {
            **path_json(self.path),
            "modality": self.modality,
            "id": self.id,
            "span": self.span.to_json() if self.span else None,
            "text": self.text,
            "state": self.state,
            "width": self.width,
            "height": self.height,
            "duration_s": None if self.duration_s is None else rounded(self.duration_s),
            "taken_at": self.taken_at.isoformat() if self.taken_at else None,
            "taken_from": self.taken_from,
            "note": self.note,
            "camera": self.camera,
            "lat": self.lat,
            "lon": self.lon,
            "place": self.place,
            "country": self.country,
            "title": self.title,
            "tags": list(self.tags),
            "lang": self.lang,
            **({"boxes": [list(self.boxes[i : i + 4]) for i in range(0, len(self.boxes), 4)]} if self.boxes else {}),
            **({"facts": self.facts.to_json()} if self.facts else {}),
            **({"source": printable(self.source)} if self.source is not None else {}),
        }

    def __repr__(self) -> str:
        span = f", span={self.span}" if self.span else ""
        return f"Record(id={self.id}, path={printable(self.path)!r}, modality={self.modality!r}{span})"


@dataclass(frozen=True, slots=True)
class MatchedWords:
    """Words of a query that stand in a hit to the letter.

    Attributes:
        where: ``text`` (the hit's text), ``name`` (the name of its file or of a folder), ``title`` or ``tags``.
        start: of the words in the hit's text, path, title, or tags joined by ``, ``, in characters.
        end: their end, exclusive.
    """

    where: Literal["text", "name", "title", "tags"]
    start: int
    end: int

    def to_json(self) -> dict[str, Any]:
        """The fields as a JSON object."""
        return {"where": self.where, "start": self.start, "end": self.end}


@dataclass(frozen=True, kw_only=True)
class Hit(Record):
    """One answer to a query: a record, and how well it fits.

    Attributes:
        rank: its place among the answers, from 1.
        score: cosine of the query and the stored vector, -1 to 1.
        match: natural logarithm of the odds that this row is what was asked for; comparable between modalities.
        level: ``strong``, ``likely``, ``weak`` or ``nothing``: how probable it is that what was asked for is there,
            from 0.9, 0.6, 0.25 and 0 on. None where nothing was measured for the model and the kind of query. Lists of
            several modalities are ordered by level, then by match.
        evidence: what speaks for the hit, the strongest first: ``look`` (of a picture or page), ``text``, ``frame``,
            ``sound``, ``subtitle``, ``ocr`` (text in a picture), ``speech`` (what is said), ``caption`` (given with
            it), ``name`` (of the file).
        matched: words of the query that stand in the hit to the letter.
        copies: paths of other indexed files of the same content, and of those that `mmsearch.library.find_duplicates`
            has found to be copies.
    """

    rank: int
    score: float
    match: float
    level: Level | None = None
    evidence: tuple[str, ...]
    matched: tuple[MatchedWords, ...] = ()
    copies: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The hit as ``mmsearch query --json`` prints it."""
        record = Record.to_json(self)
        first = ("path", "path_b64", "modality", "id", "span", "text")
        return {
            "rank": self.rank,
            "score": round(self.score, 6),
            "match": round(self.match, 4),
            "level": self.level,
            **{name: record[name] for name in first if name in record},
            "evidence": list(self.evidence),
            "matched": [words.to_json() for words in self.matched],
            **{name: value for name, value in record.items() if name not in first},
            "copies": [path_json(path) for path in self.copies],
        }

    def __repr__(self) -> str:
        span = f", span={self.span}" if self.span else ""
        return f"Hit(path={printable(self.path)!r}, score={self.score:.4f}, modality={self.modality!r}{span})"


def hit_of(values: dict[str, Any]) -> Hit:
    """A hit of the values of all its fields, which it keeps."""
    hit = Hit.__new__(Hit)
    object.__setattr__(hit, "__dict__", values)
    return hit


class Hits(list[Hit]):
    """Hits in order of rank: a list that can be turned into a table."""

    @overload
    def __getitem__(self, index: SupportsIndex) -> Hit: ...

    @overload
    def __getitem__(self, index: slice) -> Hits: ...

    def __getitem__(self, index: SupportsIndex | slice) -> Hit | Hits:
        found = super().__getitem__(index)
        return found if isinstance(found, Hit) else Hits(found)

    def to_arrow(self) -> pa.Table:
        """A row for each hit, a column for each attribute of `Hit`, the span as three of them; always one schema.

        Columns of the user's own that any of the hits has a value in follow, under their names; with ``facts.`` before
        a name that is one of `Hit`. Bytes of a path that are not UTF-8 are shown as ``\\xNN``; `Hit.path` has them
        exactly.
        """
        import pyarrow as pa

        words, numbers = pa.string(), pa.float64()
        columns: dict[str, tuple[pa.DataType, Iterable[Any]]] = {
            "rank": (pa.int64(), (hit.rank for hit in self)),
            "score": (numbers, (hit.score for hit in self)),
            "match": (numbers, (hit.match for hit in self)),
            "level": (words, (hit.level for hit in self)),
            "path": (words, (printable(hit.path) for hit in self)),
            "modality": (words, (hit.modality for hit in self)),
            "id": (pa.int64(), (hit.id for hit in self)),
            "span_start": (numbers, (hit.span and hit.span.start for hit in self)),
            "span_end": (numbers, (hit.span and hit.span.end for hit in self)),
            "span_unit": (words, (hit.span and hit.span.unit for hit in self)),
            "text": (words, (hit.text for hit in self)),
            "evidence": (pa.list_(words), (list(hit.evidence) for hit in self)),
            "state": (words, (hit.state for hit in self)),
            "width": (pa.int32(), (hit.width for hit in self)),
            "height": (pa.int32(), (hit.height for hit in self)),
            "duration_s": (numbers, (hit.duration_s for hit in self)),
            "taken_at": (pa.timestamp("us"), (hit.taken_at for hit in self)),
            "taken_from": (words, (hit.taken_from for hit in self)),
            "camera": (words, (hit.camera for hit in self)),
            "lat": (numbers, (hit.lat for hit in self)),
            "lon": (numbers, (hit.lon for hit in self)),
            "place": (words, (hit.place for hit in self)),
            "country": (words, (hit.country for hit in self)),
            "title": (words, (hit.title for hit in self)),
            "tags": (pa.list_(words), (list(hit.tags) for hit in self)),
            "lang": (words, (hit.lang for hit in self)),
            "note": (words, (hit.note for hit in self)),
            "content_hash": (pa.binary(), (hit.content_hash or None for hit in self)),
            "copies": (pa.list_(words), ([printable(path) for path in hit.copies] for hit in self)),
        }
        arrays = [pa.array(list(values), type=kind) for kind, values in columns.values()]
        table = pa.Table.from_arrays(arrays, names=list(columns))
        for name in dict.fromkeys(name for hit in self for name in hit.facts):
            own = pa.array([hit.facts.get(name) for hit in self])
            table = table.append_column(f"facts.{name}" if name in columns else name, own)
        return table

    def to_pandas(self) -> pd.DataFrame:
        """The table of `to_arrow` as a data frame.

        Raises:
            MMSearchError: pandas is not installed.
        """
        import importlib.util

        if importlib.util.find_spec("pandas") is None:
            raise MMSearchError("to_pandas needs pandas, which is not installed; to_arrow needs nothing more")
        return self.to_arrow().to_pandas()


class RowVectors(NamedTuple):
    """Stored vectors and the rows that they are of.

    Attributes:
        ids: of the rows, int64 ``[n]``.
        paths: of the rows, n of them.
        vectors: unit vectors as they are stored (rounded to float16), float32 ``[n, dim]``.
    """

    ids: NDArray[np.int64]
    paths: list[str]
    vectors: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Answer:
    """The hits of one query, with notices and timings.

    Attributes:
        query: the terms, as a person would write them.
        space: the first space that answered.
        hits: in order of rank.
        took_ms: milliseconds by stage: ``load`` (the model), ``embed``, ``search``.
        notices: remarks, such as on words that a model does not know or on a space that was not searched.
        level: that of the best hit; ``nothing`` if there is none, or if no model can read the query's words. None where
            the best hit has none.
    """

    query: list[str]
    space: Space
    hits: Hits
    took_ms: dict[str, float] = field(default_factory=dict)
    notices: tuple[Notice, ...] = ()
    level: Level | None = None

    @property
    def missing_parts(self) -> dict[str, str]:
        """Why parts of the collection were not searched, by part (``3/8``), where readers hold one each; else empty."""
        found = (notice for notice in self.notices if notice.kind is NoticeKind.PARTS_MISSING)
        return next((dict(notice.values["parts"]) for notice in found), {})

    def to_json(self) -> dict[str, Any]:
        """The answer as ``mmsearch query --json`` prints it."""
        missing = self.missing_parts
        return {
            **({"partial": True, "missing_parts": missing} if missing else {}),
            "query": self.query,
            "space": self.space.key,
            "took_ms": {stage: round(ms, 2) for stage, ms in self.took_ms.items()},
            "level": self.level,
            "notices": [str(notice) for notice in self.notices],
            "hits": [hit.to_json() for hit in self.hits],
        }
