"""Places and cameras in a line: ``in Lisbon``, ``near 38.7,-9.1``, ``taken with a Canon EOS 80D``, ``iPhone photos``.

A name counts as a place behind ``in``, ``near`` and the like, if it begins with a capital letter and is a town, region
or country; in small letters only if files of the collection were made there, and if it is no word of its own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from mmsearch.notices import Notice, NoticeKind
from mmsearch.retrieval.search.camera_names import cameras_named
from mmsearch.retrieval.search.reading.dates import MONTHS
from mmsearch.retrieval.search.reading.kinds import KIND_OF
from mmsearch.retrieval.search.reading.known import KnownNames, KnownPlace
from mmsearch.retrieval.search.reading.tokens import Line

_IN, _NEAR = ("in", "at", "from", "à", "en"), ("near", "around", "nahe", "bei")
_ARTICLES = ("the",)
_JOINTS = {"de", "da", "do", "of", "la", "le", "am", "an", "der", "upon", "del", "and", "al"}
_MOST_WORDS = 4
_LEAST_PEOPLE = 5_000
"""Of a town where no file was made: smaller ones bear too many names that are words."""
_ALSO_WORDS = {
    *("nice", "reading", "turkey", "orange", "china", "jordan", "bath", "split", "mobile", "victoria", "chad", "male"),
    *("bar", "man", "lens", "tours", "rugby", "hull", "deal", "sale", "cork", "battle", "wells", "hope", "page"),
    *("guinea", "rye", "sandwich", "eye", "street", "beer", "green", "nancy", "essen", "see", "beach", "sandy", "bend"),
    *("normal", "buffalo", "phoenix", "aurora", "independence", "enterprise", "georgia", "chester", "march", "may"),
}
"""Names of places that are words, too: in small letters they are words."""
_NEVER = {
    *MONTHS,
    *("paradise", "heaven", "winter", "summer", "spring", "autumn", "fall", "love", "black", "white", "red", "blue"),
    *("motion", "concert", "colour", "color", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"),
    *("sunday", "christmas", "easter", "english", "home", "school", "work", "church", "wonderland", "nature", "bed"),
}
_POSITION = re.compile(r"([+-]?\d{1,2}(?:\.\d+)?)°?,([+-]?\d{1,3}(?:\.\d+)?)°?(?:,(\d+(?:\.\d+)?)(km|m|mi))?")
_MADE = {"taken", "shot", "made", "captured", "photographed", "filmed", "recorded", "aufgenommen"}
_WITH = {"with", "on", "by", "using", "mit"}
_CAMERA_ARTICLES = {"a", "an", "my", "the", "our", "einer", "meiner", "dem"}
_BRANDS = {
    *("iphone", "ipad", "pixel", "galaxy", "canon", "nikon", "sony", "fuji", "fujifilm", "leica", "olympus", "gopro"),
    *("panasonic", "lumix", "dji", "samsung", "huawei", "xiaomi", "oneplus", "kodak", "pentax", "ricoh", "nokia"),
    *("hasselblad", "motorola", "eos", "coolpix", "powershot", "holga", "polaroid", "insta360", "om-1", "x100v"),
}


@dataclass(frozen=True, slots=True)
class NameFound:
    """A place, a position or a camera in a line.

    Attributes:
        value: as a search takes it.
        shown: for people.
        start: the place of its first word in the line.
        stop: the place behind its last word.
        is_near: the value is a position and a distance.
    """

    value: str
    shown: str
    start: int
    stop: int
    is_near: bool = False


def find_place(line: Line, known: KnownNames | None) -> NameFound | Notice | None:
    """The first place or position in a line; a notice if there is one, and no file says where it was made."""
    for at in range(len(line) - 1):
        key = line.key(at)
        if key in _NEAR or (key == "close" and line.key(at + 1) == "to"):
            first = at + 1 + (key == "close")
            if found := _position(line, at, first):
                return found
            if known is not None and (found_or_not := _named(line, at, first, known, near=True)):
                return found_or_not
        elif key in _IN and known is not None and (found_or_not := _named(line, at, at + 1, known, near=False)):
            return found_or_not
    return None


def _position(line: Line, start: int, at: int) -> NameFound | None:
    for count in (1, 2, 3):
        text = "".join(token.text for token in line.tokens[at : at + count]).strip(".;:?!)")
        match = _POSITION.fullmatch(text)
        if match and not any(line.taken[at : at + count]) and at + count <= len(line):
            longer = at + count < len(line) and text.endswith(",")
            if not longer and abs(float(match[1])) <= 90 and abs(float(match[2])) <= 180:
                return NameFound(text.replace("°", ""), f"near {text}", start, at + count, True)
    return None


def _named(line: Line, start: int, at: int, known: KnownNames, *, near: bool) -> NameFound | Notice | None:
    """The place whose name begins at a word; the longest one."""
    first = at + (line.key(at) in _ARTICLES)
    stop = first
    while stop < min(len(line), first + _MOST_WORDS) and line.key(stop):
        stop += 1
        if line.tokens[stop - 1].ends and not _continues(line, stop):
            break
    while stop > first and line.key(stop - 1) in _JOINTS:
        stop -= 1
    for end in range(stop, first, -1):
        place = _place_called(line, first, end, known)
        if isinstance(place, Notice):
            return place
        if place is not None:
            name = line.text(first, end)
            if near and place.near:
                return NameFound(place.near, f"near {place.name}", start, end, True)
            return NameFound(name, f"in {place.name}", start, end)
    return None


def _continues(line: Line, at: int) -> bool:
    """``Paris, Texas``: whether a name goes on behind a comma."""
    return line.tokens[at - 1].text.endswith(",") and at < len(line) and line.tokens[at].is_capital


def _place_called(line: Line, first: int, stop: int, known: KnownNames) -> KnownPlace | Notice | None:
    tokens = line.tokens[first:stop]
    name = line.text(first, stop)
    if not any(c.isalpha() for c in name) or any(c.isdigit() for c in name) or name.casefold() in _NEVER:
        return None
    capital = all(token.is_capital or token.key in _JOINTS for token in tokens) and tokens[0].is_capital
    if not capital:
        return None if name.casefold() in _ALSO_WORDS else known.own_place(name)
    place = known.place(name)
    if place is None or (not place.is_own and 0 < place.people < _LEAST_PEOPLE):
        return None
    if not known.has_places():
        return Notice(NoticeKind.PLACE_IS_WORDS, {"place": name})
    return place


def find_camera(line: Line, known: KnownNames | None) -> NameFound | Notice | None:
    """The camera that a line names; a notice if it names one that nothing was made with."""
    if known is None:
        return None
    for at in range(len(line) - 2):
        if line.key(at) in _MADE and line.key(at + 1) in _WITH:
            first = at + 2 + (line.key(at + 2) in _CAMERA_ARTICLES)
            found = _camera_called(line, at, first, known)
            brand = line.key(first)
            if found is None and brand in _BRANDS:
                return Notice(NoticeKind.CAMERA_IS_WORDS, {"camera": line.tokens[first].plain})
            return found
    for at in range(1, len(line)):
        if line.key(at) in KIND_OF and line.key(at - 1):
            first = at - 1
            while first > 0 and _may_name_a_camera(line, first - 1):
                first -= 1
            if any(_may_name_a_camera(line, i) for i in range(first, at)) and any(
                line.key(i) in _BRANDS for i in range(first, at)
            ):
                name = line.text(first, at)
                if cameras_named(known.cameras(), name):
                    return NameFound(name, f"by {name}", first, at)
    return None


def _may_name_a_camera(line: Line, at: int) -> bool:
    key = line.key(at)
    return key in _BRANDS or any(c.isdigit() for c in key) or key in ("pro", "max", "mark", "mini", "plus", "ultra")


def _camera_called(line: Line, start: int, first: int, known: KnownNames) -> NameFound | None:
    """The longest name of a camera that begins at a word."""
    cameras = known.cameras()
    for stop in range(min(len(line), first + 5), first, -1):
        if all(line.key(i) for i in range(first, stop)):
            name = line.text(first, stop)
            if cameras_named(cameras, name):
                return NameFound(name, f"by {name}", start, stop)
    return None
