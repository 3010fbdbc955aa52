"""open_clip's cleaning of texts before its tokenizer, without importing open_clip and with it torch.

The three kinds are open_clip's ``clean`` option; tests compare them with open_clip's own functions.
"""

from __future__ import annotations

import html
import string
from typing import Literal

from mmsearch.errors import ModelUnavailableError

Cleaning = Literal["lower", "whitespace", "canonicalize"]
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


def clean(text: str, kind: Cleaning) -> str:
    """The text in the form that the model was trained on.

    Raises:
        ModelUnavailableError: the text needs ftfy, which is not installed.
    """
    text = _repaired(text)
    if kind == "canonicalize":
        text = text.replace("_", " ").translate(_NO_PUNCTUATION)
    text = " ".join(text.split())
    return text if kind == "whitespace" else text.lower()


def _repaired(text: str) -> str:
    # In printable ASCII only HTML entities need repair, so such a query need not import ftfy.
    if not (text.isascii() and text.isprintable()):
        try:
            import ftfy
        except ImportError:
            raise ModelUnavailableError("texts beyond plain ASCII need ftfy for this model: pip install ftfy") from None
        text = ftfy.fix_text(text)
    return html.unescape(html.unescape(text)).strip()
