"""Takes out of a line of words what it asks for besides them, the surest first."""

from __future__ import annotations

import datetime as dt
import re

from mmsearch.notices import Notice
from mmsearch.retrieval.search.reading.dates import Found, Span, find_dates
from mmsearch.retrieval.search.reading.kinds import find_bare_kind, find_kind, is_plural
from mmsearch.retrieval.search.reading.known import KnownNames
from mmsearch.retrieval.search.reading.names import find_camera, find_place
from mmsearch.retrieval.search.reading.negation import take_negations
from mmsearch.retrieval.search.reading.reading import PartKind, Reading, ReadPart, kind_shown
from mmsearch.retrieval.search.reading.tokens import Line
from mmsearch.types import Modality

_PHRASE = re.compile(r"""(?<!\S)(?:"([^"]+)"|[“„]([^“”"]+)[”“"]|«\s*([^«»]+?)\s*»)(?=[\s,;.:?!)]|$)""")
_LEFT_OVER = {
    "in",
    "on",
    "at",
    "from",
    "of",
    "with",
    "the",
    "and",
    "a",
    "an",
    "taken",
    "made",
    "shot",
    "by",
    "to",
    "for",
}


class Reader:
    """The parts that were taken out of one line. Arguments as for `read_query`."""

    def __init__(self, text: str, known: KnownNames | None, today: dt.date | None) -> None:
        self._text, self._known, self._today = text, known, today or dt.date.today()
        quoted = (_unquoted(match).strip() for match in _PHRASE.finditer(text))
        self._phrases = tuple(phrase for phrase in quoted if any(map(str.isalnum, phrase)))
        self._line = Line.of(_PHRASE.sub(_unquoted, text))
        self._quoted = _quoted_places(text)
        self._parts = [ReadPart("phrase", f'"{phrase}"', f'"{phrase}"') for phrase in self._phrases]
        self._notices: list[Notice] = []
        self._values: dict[str, str] = {}
        self._to: tuple[Modality, ...] = ()

    def read(self) -> Reading:
        """The reading of the line."""
        for at in self._quoted:
            self._line.taken[at] = True
        self._read_names()
        self._read_kind_and_dates()
        negations = take_negations(self._line)
        self._parts += [ReadPart("minus", one.text, " ".join(f"− {part}" for part in one.parts)) for one in negations]
        for at in self._quoted:
            self._line.taken[at] = False
        words = self._line.rest()
        if not self._parts:
            words = self._text
        elif all(word in _LEFT_OVER for word in words.casefold().split()):
            words = ""
        return Reading(
            self._text,
            words,
            tuple(part for one in negations for part in one.parts),
            to=self._to,
            phrases=self._phrases,
            parts=tuple(self._parts),
            notices=tuple(self._notices),
            **self._values,
        )

    def _take(self, kind: PartKind, start: int, stop: int, shown: str) -> None:
        self._parts.append(ReadPart(kind, self._line.take(start, stop), shown))

    def _read_names(self) -> None:
        camera = find_camera(self._line, self._known)
        if isinstance(camera, Notice):
            self._notices.append(camera)
        elif camera is not None:
            self._values["camera"] = camera.value
            self._take("camera", camera.start, camera.stop, camera.shown)
        place = find_place(self._line, self._known)
        if isinstance(place, Notice):
            self._notices.append(place)
        elif place is not None:
            name: PartKind = "near" if place.is_near else "place"
            self._values[name] = place.value
            self._take(name, place.start, place.stop, place.shown)

    def _read_kind_and_dates(self) -> None:
        kind = find_kind(self._line)
        if kind is not None:
            self._to = (kind.kind,)
            self._take("kind", kind.start, kind.stop, kind_shown(kind.kind))
        asks_for_kind = kind is not None or any(is_plural(token.key) for token in self._line.tokens)
        dates = self._not_alone(find_dates(self._line, self._today, bare_years=asks_for_kind))
        span = Span(None, None)
        for found in dates:
            span = span.within(found.span)
        if span.after and span.before and span.after >= span.before:
            dates, span = [], Span(None, None)  # two days that are not one: words
        for found in dates:
            self._take(
                "date", found.start, found.stop, _date_shown(self._line.text(found.start, found.stop), found.span)
            )
        if span.after:
            self._values["after"] = span.after.isoformat()
        if span.before:
            self._values["before"] = span.before.isoformat()
        if kind is None and (bare := find_bare_kind(self._line)) is not None:
            self._to = (bare.kind,)
            self._take("kind", bare.start, bare.stop, kind_shown(bare.kind))

    def _not_alone(self, dates: list[Found]) -> list[Found]:
        """Dates without a lone year that is the whole line: ``1984``."""
        whole = len(dates) == 1 and dates[0].start == 0 and dates[0].stop == len(self._line) == 1
        return [] if whole and self._line.key(0).isdecimal() else dates


def _date_shown(text: str, span: Span) -> str:
    """A date as it is written; with its days, where they depend on today."""
    if any(c.isdigit() for c in text) and not text.endswith(("ago", "days", "weeks", "months", "years")):
        return text
    last = None if span.before is None else span.before - dt.timedelta(days=1)
    return f"{text} ({span.after})" if span.after == last else f"{text} ({span.after} to {last})"


def _unquoted(match: re.Match[str]) -> str:
    return next(text for text in match.groups() if text)


def _quoted_places(text: str) -> set[int]:
    """The numbers of the words of a line that stand in quotes."""
    places: set[int] = set()
    at = last = 0
    for match in _PHRASE.finditer(text):
        at += len(text[last : match.start()].split())
        inside = len(_unquoted(match).split())
        places |= set(range(at, at + inside))
        at, last = at + inside, match.end()
    return places
