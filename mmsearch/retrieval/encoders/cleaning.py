"""How open_clip cleans a text before its tokenizer sees it, without open_clip (which would import torch).

The three kinds are open_clip's ``clean`` option; the tests hold them against its own functions.
"""

from __future__ import annotations

import html
import string
from typing import Literal

from mmsearch.errors import ModelUnavailableError

Cleaning = Literal["lower", "whitespace", "canonicalize"]
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


def clean(text: str, kind: Cleaning) -> str:
    """The text as its model was trained to read it.

    Raises:
        ModelUnavailableError: the text needs ftfy, which is not installed.
    """
    text = _repaired(text)
    if kind == "canonicalize":
        text = text.replace("_", " ").translate(_NO_PUNCTUATION)
    text = " ".join(text.split())
    return text if kind == "whitespace" else text.lower()


def _repaired(text: str) -> str:
    # Nothing in printable ASCII is broken but HTML entities: spare a query the import of ftfy.
    if not (text.isascii() and text.isprintable()):
        try:
            import ftfy
        except ImportError:
            raise ModelUnavailableError("texts beyond plain ASCII need ftfy for this model: pip install ftfy") from None
        text = ftfy.fix_text(text)
    return html.unescape(html.unescape(text)).strip()
