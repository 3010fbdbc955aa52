"""A line as it was understood: its words, and what else it asks for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from mmsearch.errors import Hint, HintKind
from mmsearch.hits import Answer, Hits
from mmsearch.notices import Notice, NoticeKind
from mmsearch.types import Modality

if TYPE_CHECKING:
    from mmsearch.retrieval.search.query import Query

PartKind = Literal["minus", "date", "kind", "place", "near", "camera", "phrase"]
_KIND_WORDS: dict[Modality, str] = {"image": "photos", "video": "videos", "audio": "sounds", "text": "texts"}
_WORDS_OF_KIND: dict[Modality, str] = {"image": "a photo", "video": "a film", "audio": "a sound", "text": "a text"}


@dataclass(frozen=True, slots=True)
class ReadPart:
    """A part of a line that is more than words.

    Attributes:
        kind: ``minus``, ``date``, ``kind``, ``place``, ``near``, ``camera`` or ``phrase``.
        text: as it stands in the line.
        shown: what it was understood as, for people.
    """

    kind: PartKind
    text: str
    shown: str


@dataclass(frozen=True, slots=True)
class Reading:
    """A line of words as it was understood.

    Attributes:
        line: as it was written.
        words: what is looked for; empty if the line has filters alone.
        minus: what the query is pushed away from.
        after: the first day that counts, such as ``2023-07-01``.
        before: the first day that counts no more.
        to: the kinds of files that may answer; empty for all.
        place: the name of a town, region or country.
        near: a position and a distance, such as ``38.7,-9.1,10km``.
        camera: words of the name of a camera.
        phrases: words that must stand in a hit to the letter; they are among ``words``, too.
        parts: the parts of the line that are more than words, each with what it was understood as.
        notices: what could have been understood but was not, and why.
    """

    line: str
    words: str
    minus: tuple[str, ...] = ()
    after: str | None = None
    before: str | None = None
    to: tuple[Modality, ...] = ()
    place: str | None = None
    near: str | None = None
    camera: str | None = None
    phrases: tuple[str, ...] = ()
    parts: tuple[ReadPart, ...] = ()
    notices: tuple[Notice, ...] = ()

    @property
    def is_plain(self) -> bool:
        """Whether the line is nothing but words."""
        return not self.parts

    @property
    def filters(self) -> dict[str, Any]:
        """The filters as keywords of `Collection.search`."""
        found = {name: getattr(self, name) for name in ("after", "before", "to", "place", "near", "camera")}
        return {name: value for name, value in found.items() if value}

    @property
    def options(self) -> dict[str, Any]:
        """`filters`; of a line of filters alone also the order: the newest first, all of them, however they look."""
        return {**self.filters, **({"sort": "newest", "min_level": "nothing"} if self.is_only_filters else {})}

    @property
    def is_only_filters(self) -> bool:
        """Whether the line says nothing of what files show, only which of them count."""
        return not (self.words or self.minus)

    @property
    def text(self) -> str:
        """What is looked for, also where the line has no words: then what is of the right kind."""
        return self.words or _WORDS_OF_KIND[self.to[0] if self.to else "image"]

    @property
    def query(self) -> Query:
        """What is looked for, as a query."""
        from mmsearch.retrieval.search.query import Query

        return Query(self.text, minus=self.minus, phrases=self.phrases)

    def explain(self, answer: Answer) -> Answer:
        """The answer with a notice if the reading left nothing; without levels if it has filters alone.

        Args:
            answer: to the query, with its options.
        """
        notices = answer.notices
        if not answer.hits and (self.filters or self.phrases):
            left = Notice(
                NoticeKind.READING_LEAVES_NOTHING, {"reading": self.describe()}, Hint(HintKind.TAKE_LITERALLY)
            )
            notices = (*notices, left)
        if not self.is_only_filters:
            return replace(answer, notices=notices)
        hits = Hits(replace(hit, level=None) for hit in answer.hits)
        return replace(answer, notices=notices, hits=hits, level=None)

    def describe(self) -> str:
        """The reading for people: ``beach − people · July 2023 · photos · in Lisbon``."""
        minus = "".join(f" − {one}" for one in self.minus)
        shown = [part.shown for part in self.parts if part.kind not in ("minus", "phrase")]
        exact = [f'"{phrase}"' for phrase in self.phrases]
        return " · ".join(filter(None, [(self.words or "everything") + minus, *exact, *shown]))

    def to_json(self) -> dict[str, Any]:
        """The fields that say something, as a JSON object."""
        values: Mapping[str, Any] = {
            "words": self.words,
            "minus": list(self.minus),
            **self.filters,
            "phrases": list(self.phrases),
        }
        return {
            **{n: list(v) if isinstance(v, tuple) else v for n, v in values.items() if v or n == "words"},
            "shown": self.describe(),
            "parts": [{"kind": part.kind, "text": part.text, "shown": part.shown} for part in self.parts],
        }


def joined(readings: Sequence[Reading]) -> Reading:
    """Several terms of one query as one reading: their words with ``+`` between them; each filter is that of the first
    term that has it."""
    if len(readings) == 1:
        return readings[0]

    def first(name: str) -> Any:
        return next((value for one in readings if (value := getattr(one, name))), getattr(readings[0], name))

    def every(name: str) -> tuple[Any, ...]:
        return tuple(value for one in readings for value in getattr(one, name))

    return Reading(
        " + ".join(one.line for one in readings),
        " + ".join(one.words for one in readings if one.words),
        minus=every("minus"),
        phrases=every("phrases"),
        parts=every("parts"),
        notices=every("notices"),
        **{name: first(name) for name in ("after", "before", "to", "place", "near", "camera")},
    )


def kind_shown(kind: Modality) -> str:
    """What files of a kind are called."""
    return _KIND_WORDS[kind]
