"""Names of places as they are compared: in small letters and without accents."""

from __future__ import annotations

import unicodedata

_LETTERS = str.maketrans({"ß": "ss", "ø": "o", "æ": "ae", "œ": "oe", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ı": "i"})


def folded(name: str) -> str:
    """``São Paulo`` as ``sao paulo``."""
    plain = unicodedata.normalize("NFKD", name.casefold())
    return " ".join("".join(c for c in plain if not unicodedata.combining(c)).translate(_LETTERS).split())
