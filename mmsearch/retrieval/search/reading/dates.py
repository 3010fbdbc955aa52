"""Dates and spans of time in a line: ``July 2023``, ``last summer``, ``since 2020``, ``2019-2021``, ``Christmas 2022``.

A month alone, a year alone beside words, and what stands behind ``for`` stay words: a receipt for July is of August.
Seasons are those of the north: summer is June to August, and winter 2021 begins in December 2021.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass

from mmsearch.retrieval.search.reading.tokens import Line

_MONTHS_BY_LANGUAGE = """
january february march april may june july august september october november december
jan feb mar apr may jun jul aug sep oct nov dec
januar februar märz april mai juni juli august september oktober november dezember
janvier février mars avril mai juin juillet août septembre octobre novembre décembre
enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre
"""
MONTHS = {name: number for line in _MONTHS_BY_LANGUAGE.split("\n") for number, name in enumerate(line.split(), 1)} | {
    "sept": 9
}
_ALSO_WORDS = ("march", "may", "august", "mars", "mai")
_SEASONS = {"spring": 3, "summer": 6, "autumn": 9, "fall": 9, "winter": 12, "sommer": 6, "frühling": 3, "herbst": 9}
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_UNITS = {"day": 1, "days": 1, "week": 7, "weeks": 7, "month": 30, "months": 30, "year": 365, "years": 365}
_NUMBERS = {"a": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "ten": 10, "few": 3}
_LEADS = ("in", "on", "during", "from", "of", "at", "im", "am", "en", "the", "dated", "taken")
_NOT_AFTER = ("for", "für", "pour", "para")
_FIRST_YEAR = 1900
_YEAR = re.compile(r"(?:19|20)\d\d")
_RANGE = re.compile(r"((?:19|20)\d\d)\s*[-–—]\s*((?:19|20)\d\d)")
_DAY = re.compile(r"(\d{1,2})(?:st|nd|rd|th|\.)?")
_ISO = re.compile(r"((?:19|20)\d\d)[-/.](\d{1,2})(?:[-/.](\d{1,2}))?")
_DOTTED = re.compile(r"(\d{1,2})([./])(\d{1,2})\2((?:19|20)\d\d)")
_DECADE = re.compile(r"(?:((?:19|20)\d)0|['’]?(\d)0)s")


@dataclass(frozen=True, slots=True)
class Span:
    """A span of time: the first day, and the first one behind it; None where it has no such end."""

    after: dt.date | None
    before: dt.date | None

    def within(self, other: Span) -> Span:
        """What lies in both."""
        starts = [day for day in (self.after, other.after) if day]
        ends = [day for day in (self.before, other.before) if day]
        return Span(max(starts, default=None), min(ends, default=None))


@dataclass(frozen=True, slots=True)
class Found:
    """A span of time and the place of its words in the line."""

    span: Span
    start: int
    stop: int


def find_dates(line: Line, today: dt.date, *, bare_years: bool = False) -> list[Found]:
    """The dates and spans of time in a line.

    Args:
        line: the words.
        today: the day that ``yesterday`` and ``last summer`` are counted from.
        bare_years: a year that stands alone counts: the line asks for photos or films.
    """
    found = []
    at = 0
    while at < len(line):
        one = _phrase(line, at, today) or _plain(line, at, today, bare_years)
        if one is not None:
            found.append(one)
            at = one.stop
        else:
            at += 1
    return found


def _plain(line: Line, at: int, today: dt.date, bare_years: bool) -> Found | None:
    """A date, with the words that lead to it."""
    match = _period(line, at, today)
    if match is not None:
        span, stop, sure = match
        start = line.back_over(at, _LEADS)
        led = any(key in ("in", "during", "from", "en", "im") for key in line.keys(start, at - start))
        if line.key(start - 1) in _NOT_AFTER or not (sure or led or bare_years):
            return None
        return Found(span, start, stop)
    return None


def _phrase(line: Line, at: int, today: dt.date) -> Found | None:
    """A date with a word that says how it is meant: since, before, until, between … and, from … to."""
    key = line.key(at)
    if key in ("since", "before", "after", "until", "till", "seit", "vor", "nach", "bis"):
        match = _period(line, at + 1, today)
        if match is None:
            return None
        span, stop, _ = match
        spans = {
            **dict.fromkeys(("since", "seit"), Span(span.after, None)),
            **dict.fromkeys(("before", "vor"), Span(None, span.after)),
            **dict.fromkeys(("after", "nach"), Span(span.before, None)),
            **dict.fromkeys(("until", "till", "bis"), Span(None, span.before)),
        }
        return Found(spans[key], line.back_over(at, ("taken", "made", "from")), stop)
    start = at + 1 if key in ("between", "from") else at
    first = _period(line, start, today)
    if first is not None and line.key(first[1]) in ("to", "and", "until", "till", "-", "–"):
        joint = line.key(first[1])
        last = _period(line, first[1] + 1, today)
        if last is not None and (start > at or joint != "and"):
            begin, end = first[0].after, last[0].before
            if begin and end and begin < end:
                return Found(Span(begin, end), line.back_over(at, ("taken", "made", "in")), last[1])
    return None


def _period(line: Line, at: int, today: dt.date) -> tuple[Span, int, bool] | None:
    """The span of time that begins at a word, where it stops, and whether it is sure to be one."""
    for read in (_relative, _with_month, _season_or_feast, _in_digits):
        if match := read(line, at, today):
            return match
    return None


_Match = tuple[Span, int, bool] | None


def _relative(line: Line, at: int, today: dt.date) -> _Match:
    first, second, third = line.keys(at, 3)
    day = dt.timedelta(days=1)
    if first in ("yesterday", "gestern"):
        return Span(today - day, today), at + 1, True
    if first in ("today", "heute") and (line.is_edge(at + 1) or line.is_edge(at - 1)):
        return Span(today, today + day), at + 1, True
    if first in ("last", "past", "previous") and (number := _number(second)) and third in _UNITS:
        return Span(today - dt.timedelta(days=number * _UNITS[third]), today + day), at + 3, True
    if (number := _number(first)) and second in _UNITS and third == "ago":
        return _ago(number, second.rstrip("s"), today), at + 3, True
    if first in ("this", "last"):
        span = _this_or_last(first == "last", line, at + 1, today)
        return None if span is None else (span, at + 2, True)
    return None


def _number(word: str) -> int:
    return int(word) if word.isdecimal() and len(word) < 4 else _NUMBERS.get(word, 0)


def _ago(number: int, unit: str, today: dt.date) -> Span:
    if unit == "year":
        return _years(today.year - number)
    if unit == "month":
        return _month(*_moved(today.year, today.month, -number))
    day = today - dt.timedelta(days=number * _UNITS[unit])
    if unit == "week":
        monday = day - dt.timedelta(days=day.weekday())
        return Span(monday, monday + dt.timedelta(days=7))
    return Span(day, day + dt.timedelta(days=1))


def _this_or_last(last: bool, line: Line, at: int, today: dt.date) -> Span | None:
    word = line.key(at)
    if word == "week":
        monday = today - dt.timedelta(days=today.weekday() + 7 * last)
        return Span(monday, monday + dt.timedelta(days=7))
    if word == "month":
        return _month(*_moved(today.year, today.month, -int(last)))
    if word == "year":
        return _years(today.year - last)
    if word == "weekend":
        saturday = today - dt.timedelta(days=(today.weekday() - 5) % 7 if today.weekday() >= 5 else today.weekday() + 2)
        saturday -= dt.timedelta(days=7 * (last and today.weekday() >= 5))
        return Span(saturday, saturday + dt.timedelta(days=2))
    if word in _SEASONS:
        return _latest([_season(word, today.year - n) for n in range(3)], today, over=last)
    if word in MONTHS and (line.tokens[at].is_capital or word not in _ALSO_WORDS):
        return _latest([_month(today.year - n, MONTHS[word]) for n in range(3)], today, over=last)
    if word in _WEEKDAYS and last:
        back = (today.weekday() - _WEEKDAYS.index(word)) % 7 or 7
        return Span(today - dt.timedelta(days=back), today - dt.timedelta(days=back - 1))
    if last and word in _FEASTS:
        return _latest([_feast(word, today.year - n) for n in range(3)], today, over=True)
    return None


def _latest(spans: list[Span], today: dt.date, *, over: bool) -> Span | None:
    """The latest span that is ``over``, else that has begun or is of this year."""
    known = [span for span in spans if span.after and span.before]
    if over:
        return next((span for span in known if span.before and span.before <= today), None)
    running = [span for span in known if span.after and span.before and span.after <= today < span.before]
    return (running or known)[0]


def _with_month(line: Line, at: int, today: dt.date) -> _Match:
    """``July 2023``, ``14 July 2023``, ``July 14, 2023``."""
    one, two, three, four = line.keys(at, 4)
    one, two = (word.rstrip(".") if word.rstrip(".") in MONTHS else word for word in (one, two))
    if one in MONTHS:
        stop = at + 2 + (two == "of")
        year = three if two == "of" else two
        if _is_year(year):
            before = _DAY.fullmatch(line.key(at - 1))  # a day that the month does not have
            return None if before and 0 < int(before[1]) < 32 else (_month(int(year), MONTHS[one]), stop, True)
        day = _DAY.fullmatch(two)
        if day and _is_year(three):
            return _checked(_day(int(three), MONTHS[one], int(day[1])), at + 3)
        return None
    day = _DAY.fullmatch(one)
    if day and two == "of":
        two, three, at = three, four, at + 1
    if day and two.rstrip(".") in MONTHS and _is_year(three):
        return _checked(_day(int(three), MONTHS[two.rstrip(".")], int(day[1])), at + 3)
    return None


def _season_or_feast(line: Line, at: int, today: dt.date) -> _Match:
    """``summer 2022``, ``summer of 2022``, ``Christmas 2022``, ``New Year's Eve 2022``."""
    for words in (3, 1):
        name = " ".join(line.keys(at, words)).replace("’", "'")
        if name in _SEASONS or name in _FEASTS:
            of = line.key(at + words) == "of"
            year = line.key(at + words + of)
            if _is_year(year):
                make = _season if name in _SEASONS else _feast
                return make(name, int(year)), at + words + of + 1, True
    return None


def _in_digits(line: Line, at: int, today: dt.date) -> _Match:
    """``2019``, ``2019-2021``, ``2023-07``, ``2023-07-14``, ``14.07.2023``, ``1990s``."""
    key = line.key(at)
    if both := _RANGE.fullmatch(key):
        first, last = int(both[1]), int(both[2])
        return (Span(dt.date(first, 1, 1), dt.date(last + 1, 1, 1)), at + 1, True) if first < last else None
    if iso := _ISO.fullmatch(key):
        year, month = int(iso[1]), int(iso[2])
        if iso[3] is None:
            return (_month(year, month), at + 1, True) if 1 <= month <= 12 and "-" in key else None
        return _checked(_day(year, month, int(iso[3])), at + 1)
    if dotted := _DOTTED.fullmatch(key):
        day, month = int(dotted[1]), int(dotted[3])
        if dotted[2] == "/":  # the day goes first in most of the world, not in America: only one order may be possible
            if day <= 12 and month <= 12 and day != month:
                return None
            day, month = (month, day) if month > 12 else (day, month)
        return _checked(_day(int(dotted[4]), month, day), at + 1)
    if decade := _DECADE.fullmatch(key):
        first = int(decade[1]) * 10 if decade[1] else 1900 + 10 * int(decade[2])
        first += 0 if decade[1] or int(decade[2]) > 2 else 100
        return Span(dt.date(first, 1, 1), dt.date(first + 10, 1, 1)), at + 1, False
    if _is_year(key) and int(key) <= today.year:
        return _years(int(key)), at + 1, False
    return None


def _checked(span: Span | None, stop: int) -> _Match:
    return None if span is None else (span, stop, True)


def _is_year(word: str) -> bool:
    return _YEAR.fullmatch(word) is not None and int(word) >= _FIRST_YEAR


def _years(year: int) -> Span:
    return Span(dt.date(year, 1, 1), dt.date(year + 1, 1, 1))


def _month(year: int, month: int, count: int = 1) -> Span:
    return Span(dt.date(year, month, 1), dt.date(*_moved(year, month, count), 1))


def _moved(year: int, month: int, by: int) -> tuple[int, int]:
    months = 12 * year + month - 1 + by
    return months // 12, months % 12 + 1


def _day(year: int, month: int, day: int, days: int = 1) -> Span | None:
    try:
        first = dt.date(year, month, day)
    except ValueError:
        return None
    return Span(first, first + dt.timedelta(days=days))


def _season(name: str, year: int) -> Span:
    return _month(year, _SEASONS[name], 3)


_FEASTS: dict[str, tuple[int, int, int]] = {  # month, first day, days
    "christmas": (12, 24, 3),
    "xmas": (12, 24, 3),
    "weihnachten": (12, 24, 3),
    "christmas eve": (12, 24, 1),
    "new year's eve": (12, 31, 1),
    "new years eve": (12, 31, 1),
    "silvester": (12, 31, 1),
    "halloween": (10, 31, 1),
    "easter": (0, 0, 4),
    "ostern": (0, 0, 4),
}


def _feast(name: str, year: int) -> Span:
    month, day, days = _FEASTS[name]
    first = dt.date(year, month, day) if month else _easter(year) - dt.timedelta(days=2)
    return Span(first, first + dt.timedelta(days=days))


def _easter(year: int) -> dt.date:
    """Easter Sunday of the Gregorian calendar (Meeus, Jones and Butcher)."""
    a, (b, c) = year % 19, divmod(year, 100)
    d, e = divmod(b, 4)
    h = (19 * a + b - d - (b - (b + 8) // 25 + 1) // 3 + 15) % 30
    i, k = divmod(c, 4)
    weekday = (32 + 2 * e + 2 * i - h - k) % 7
    month, day = divmod(h + weekday - 7 * ((a + 11 * h + 22 * weekday) // 451) + 114, 31)
    return dt.date(year, month, day + 1)
