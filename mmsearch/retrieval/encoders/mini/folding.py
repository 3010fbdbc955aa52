"""Characters that `mini`'s vocabulary of plain ASCII lacks, written in it: “don’t” as "don't", straße as "strasse", a
picture of a dog as "dog".

Its tokenizer takes off accents itself, and of a word with any other character it makes one unknown token. Only such
words are changed here, so that every vector that meant something stays what it was: the space is the same.
"""

from __future__ import annotations

import re
import unicodedata

_TABLE = str.maketrans(
    {
        **dict.fromkeys("‘’‚‛´ʼ′", "'"),
        **dict.fromkeys("“”„‟«»″", '"'),
        **dict.fromkeys("‐‑‒–—―−", "-"),
        **dict.fromkeys("\u00ad\u200b\u200c\u200d\u2060\ufe0e\ufe0f\ufeff", None),
        **{"⁄": "/", "×": "x", "°": " degrees ", "€": " euro ", "£": " pound ", "¥": " yen ", "…": "..."},
        **{"ß": "ss", "ẞ": "SS", "ø": "o", "Ø": "O", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "ł": "l", "Ł": "L"},
        **{"đ": "d", "Đ": "D", "ð": "d", "Ð": "D", "þ": "th", "Þ": "Th", "ı": "i", "ħ": "h", "Ħ": "H", "ŋ": "ng"},
    }
)
_SIGNS, _FIRST_EMOJI = range(0x2600, 0x2C00), 0x1F000
_ANIMAL_FACES = range(0x1F42D, 0x1F43D)
_SAYS_NOTHING = re.compile(r"^(HEAVY |BLACK |WHITE )+|REGIONAL INDICATOR.*|EMOJI MODIFIER.*|VARIATION SELECTOR.*")


def folded(text: str) -> str:
    """The text in ASCII as far as that says the same; letters of other scripts stay."""
    if text.isascii():
        return text
    plain = unicodedata.normalize("NFKC", text.translate(_TABLE)).translate(_TABLE)
    return plain if plain.isascii() else "".join(map(_folded, plain))


def _folded(character: str) -> str:
    if character.isascii() or ord(character) == 0x20E3:  # the frame around a digit on a key
        return character if character.isascii() else ""
    category = unicodedata.category(character)
    if category == "Nd":
        return str(unicodedata.digit(character))
    if category in ("So", "Sk") and (ord(character) in _SIGNS or ord(character) >= _FIRST_EMOJI):
        return f" {_name(character)} "
    return character


def _name(emoji: str) -> str:
    name = unicodedata.name(emoji, "")
    if ord(emoji) < _FIRST_EMOJI or "INDICATOR" in name or "MODIFIER" in name:
        name = _SAYS_NOTHING.sub("", name)
    if ord(emoji) in _ANIMAL_FACES:
        name = name.removesuffix(" FACE")
    return name.lower()
