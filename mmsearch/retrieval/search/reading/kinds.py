"""Kinds of files in a line: ``photos of``, ``videos with``, ``songs by``, ``documents about``; ``beach photos``.

A kind counts at the beginning of a line, with a word behind it that says what is to follow, and at its end in the
plural. ``photos`` alone, ``a wall of photos`` and ``the sound of rain`` stay words; so does ``a photo of a dog``, which
is how pictures are described to models.
"""

from __future__ import annotations

from dataclasses import dataclass

from mmsearch.retrieval.search.reading.tokens import Line
from mmsearch.types import Modality

_NOUNS: dict[Modality, tuple[str, ...]] = {
    "image": ("photo", "photograph", "picture", "image", "pic", "foto", "snapshot", "bilder", "fotos", "imagen"),
    "video": ("video", "film", "movie", "footage", "vídeo"),
    "audio": ("song", "recording", "track", "lieder", "chanson", "canción", "canciones"),
    "text": ("document", "text", "note", "pdf", "article", "email", "dokumente", "texte"),
}
KIND_OF: dict[str, Modality] = {
    name: kind for kind, nouns in _NOUNS.items() for noun in nouns for name in (noun, noun + "s")
} | {"sounds": "audio", "pics": "image"}
_WHAT_FOLLOWS = {
    *("of", "with", "showing", "from", "about", "containing", "featuring", "where", "taken", "shot", "made", "without"),
    *("von", "mit", "über", "ohne", "de", "avec", "con", "sans", "sin"),
}
_ONLY_ABOUT = {"text": {"about", "on", "from", "with", "containing", "über", "mentioning", "de"}, "audio": {"by"}}
_BEFORE = {*("show", "me", "find", "all", "my", "our", "the", "some", "any", "list", "alle", "meine", "mes", "mis")}
_AT_THE_END = {"image", "video"}
_FILLERS = {
    *("of", "showing", "about", "containing", "featuring", "with", "mentioning"),
    *("von", "über", "mit", "de", "avec", "con"),
}
"""Words behind a kind that say nothing about what is shown; others stay."""
_NO_KIND_AFTER = {"of", "with", "from", "on", "for", "a", "an", "to", "no", "without", "in", "and", "taking"}


@dataclass(frozen=True, slots=True)
class KindFound:
    """A kind of files, and the places of its words in the line."""

    kind: Modality
    start: int
    stop: int


def find_kind(line: Line) -> KindFound | None:
    """The kind of files that a line asks for."""
    return _at_the_beginning(line) or _at_the_end(line)


def find_bare_kind(line: Line) -> KindFound | None:
    """A kind at the beginning that something taken follows, or at the end behind it: ``photos in Lisbon``."""
    (start, at), stop = _begin(line), len(line)
    if is_plural(line.key(at)) and at + 1 < stop and line.is_edge(at + 1):
        return KindFound(KIND_OF[line.key(at)], start, at + 1)
    if stop > 1 and is_plural(line.key(stop - 1)) and line.is_edge(stop - 2):
        return KindFound(KIND_OF[line.key(stop - 1)], stop - 1, stop)
    return None


def _at_the_beginning(line: Line) -> KindFound | None:
    start, at = _begin(line)
    kind = KIND_OF.get(line.key(at))
    following = line.key(at + 1)
    if kind is None or following not in (_WHAT_FOLLOWS | _ONLY_ABOUT.get(kind, set())) or at + 2 >= len(line):
        return None
    if kind in ("text", "audio") and not is_plural(line.key(at)):
        return None  # the text of a sign, a song of the sea
    if following == "of" and line.key(at) in ("texts", "tracks"):
        return None
    filler = following in _FILLERS or (kind == "audio" and following == "by")
    return KindFound(kind, start, at + 1 + filler)


def _at_the_end(line: Line) -> KindFound | None:
    last = len(line) - 1
    kind = KIND_OF.get(line.key(last))
    if last < 1 or kind not in _AT_THE_END or not is_plural(line.key(last)):
        return None
    return None if line.key(last - 1) in _NO_KIND_AFTER or line.is_edge(last - 1) else KindFound(kind, last, last + 1)


def _begin(line: Line) -> tuple[int, int]:
    """The first word that is not taken, and the first one behind words such as ``show me all my``."""
    start = next((at for at in range(len(line)) if not line.taken[at]), len(line))
    at = start
    while line.key(at) in _BEFORE:
        at += 1
    return start, at


def is_plural(word: str) -> bool:
    """Whether a word is the name of a kind in the plural."""
    return word in KIND_OF and (word.endswith("s") or word in ("footage", "bilder", "lieder", "dokumente", "texte"))
