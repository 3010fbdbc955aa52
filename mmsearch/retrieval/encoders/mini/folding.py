"""Writes characters outside ASCII in ASCII, for `mini`'s vocabulary: “don’t” becomes "don't", straße "strasse", and the
emoji of a dog "dog".

`mini`'s tokenizer strips accents by itself, and turns a word with any other character into one unknown token. Only such
words are changed here. All other texts keep the vectors that they had before this module, so the space stays the same.
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
_WITHOUT_MEANING = re.compile(r"^(HEAVY |BLACK |WHITE )+|REGIONAL INDICATOR.*|EMOJI MODIFIER.*|VARIATION SELECTOR.*")


def fold_to_ascii(text: str) -> str:
    """The text with typographic signs, ligatures, digits and emoji written in ASCII; letters of other scripts stay."""
    if text.isascii():
        return text
    plain = unicodedata.normalize("NFKC", text.translate(_TABLE)).translate(_TABLE)
    return plain if plain.isascii() else "".join(map(_fold_character, plain))


def _fold_character(character: str) -> str:
    if character.isascii() or ord(character) == 0x20E3:  # the box around a digit of a keycap emoji
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
        name = _WITHOUT_MEANING.sub("", name)
    if ord(emoji) in _ANIMAL_FACES:
        name = name.removesuffix(" FACE")
    return name.lower()
