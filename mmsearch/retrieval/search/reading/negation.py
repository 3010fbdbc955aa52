"""What a line does not want: ``without dogs``, ``no people``, ``not red``, ``ohne``, ``sans``, ``sin``.

Models read a negation as if it were not there, so its words are to be subtracted. ``no smoking sign``, ``not found``,
``to be or not to be`` and ``No. 5`` stay words.
"""

from __future__ import annotations

from dataclasses import dataclass

from mmsearch.retrieval.search.reading.tokens import Line

_STOPS = {
    *("at", "in", "on", "near", "by", "from", "during", "under", "over", "behind", "beside", "with", "without"),
    *("to", "into", "for", "before", "after", "around", "next", "but", "no", "not", "who", "which", "that", "where"),
    *("is", "are", "im", "am", "mit", "ohne", "bei", "avec", "sans", "dans", "con", "sin", "en", "auf", "sur"),
}
_ARTICLES = {"any", "a", "an", "the", "some", "much", "many", "ein", "eine", "einen", "der", "die", "das", "les", "le"}
_JOINTS = {"and", "or", "und", "oder", "et", "ou", "y", "o", "nor"}
_INSIDE = {"of", "the", "a"}
_MOST_WORDS = 3
_NO_IS_A_WORD = {
    *("smoking", "parking", "entry", "exit", "way", "one", "longer", "more", "man", "man's", "matter", "doubt", "idea"),
    *("problem", "war", "time", "trespassing", "stopping", "standing", "swimming", "diving", "fishing", "littering"),
    *("name", "signal", "country", "deal", "comment", "fear", "limit", "limits", "logo", "nonsense", "brainer", "u"),
}
_SIGNS = {"sign", "signs", "allowed", "zone", "zones", "symbol", "poster", "permitted"}
_NOT_IS_A_WORD_BEFORE = {
    *("found", "only", "just", "yet", "to", "working", "allowed", "enough", "for", "in", "on", "at", "so", "too"),
    *("all", "even", "really", "very", "much", "my", "your", "available", "responding", "guilty", "the", "a"),
}
_NOT_IS_A_WORD_AFTER = {
    *("or", "why", "if", "do", "does", "did", "can", "could", "will", "would", "should", "must", "have", "has", "may"),
    *("had", "might", "shall", "i", "you", "we", "they", "am", "was", "were", "be"),
}
_COPULAS = ("that", "which", "who", "is", "are", "but")
_SPANISH = {
    *("playa", "gente", "perro", "perros", "foto", "fotos", "casa", "mar", "con", "de", "en", "la", "el", "los", "las"),
    *("una", "un", "del", "niños", "niño", "coche", "gato", "gatos", "montaña", "calle", "mujer", "hombre"),
}


@dataclass(frozen=True, slots=True)
class Negation:
    """What is not wanted: each part on its own, without the word that negates it, and ``text`` as it is written."""

    parts: tuple[str, ...]
    text: str


def take_negations(line: Line) -> list[Negation]:
    """Take what is not wanted out of a line."""
    found: list[Negation] = []
    at = 0
    while at < len(line):
        if _is_negation(line, at):
            parts, stop = _negated(line, at + 1)
            if parts and _leaves_something(line, at, stop):
                start = line.back_over(at, _COPULAS if line.key(at) == "not" else ("with", "but", "and"))
                found.append(Negation(tuple(parts), line.take(start, stop)))
                at = stop
                continue
        at += 1
    return found


def _is_negation(line: Line, at: int) -> bool:
    key, before, after = line.key(at), line.key(at - 1), line.key(at + 1)
    if not after or before in ("not", "no", "without"):
        return False
    if key in ("without", "ohne"):
        return True
    if key == "sans":
        return at > 0 and after != "serif"
    if key == "sin":
        return bool(before) and any(line.key(i) in _SPANISH for i in range(len(line)))
    if key == "no":
        return not (
            line.tokens[at].text.endswith(".")
            or after[:1].isdigit()
            or after in _NO_IS_A_WORD
            or any(word in _SIGNS for word in line.keys(at + 2, 2))
        )
    if key == "not":
        return bool(before) and after not in _NOT_IS_A_WORD_BEFORE and before not in _NOT_IS_A_WORD_AFTER
    return False


def _negated(line: Line, at: int) -> tuple[list[str], int]:
    """The words behind a negation, up to where something else begins, in parts at ``and`` and ``or``; and their end."""
    parts: list[list[str]] = [[]]
    while line.key(at) and (line.key(at) not in _STOPS or not parts[-1]):
        key = line.key(at)
        if key in _JOINTS:
            if not parts[-1] or not line.key(at + 1) or line.key(at + 1) in _STOPS:
                break
            parts.append([])
        elif key in _STOPS:
            break
        elif key not in _ARTICLES or parts[-1]:
            if sum(word.casefold() not in _INSIDE for word in parts[-1]) == _MOST_WORDS:
                break
            parts[-1].append(line.tokens[at].plain)
        ends = line.tokens[at].ends
        at += 1
        if ends:
            break
    return [" ".join(part) for part in parts if part], at


def _leaves_something(line: Line, start: int, stop: int) -> bool:
    """Whether words of the line are left to look for, or something else was taken out of it."""
    rest = [at for at in range(len(line)) if not start <= at < stop]
    return any(line.taken[at] or line.key(at) not in (*_STOPS, *_ARTICLES, *_JOINTS) for at in rest)
