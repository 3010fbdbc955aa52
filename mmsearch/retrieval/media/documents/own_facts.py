"""What documents say of themselves, in the form in which it is stored: title, tags, language, date."""

from __future__ import annotations

import re
from collections.abc import Iterable

from mmsearch.retrieval.media.dates import DateTaken, date_of_document, with_date
from mmsearch.retrieval.media.texts.text import CONTROL
from mmsearch.types import Facts

_LONGEST_TITLE, _LONGEST_TAG, _MOST_TAGS = 300, 60, 50
_NO_TITLE = re.compile(r"(?:(?:untitled|unbenannt|sans titre|document|dokument|powerpoint presentation)\W*\d*)?", re.I)
_PROGRAM = re.compile(r"\A(?:Microsoft (?:Word|PowerPoint|Excel) - )+")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{2,8})*")
_BETWEEN_TAGS = re.compile(r"[;,\n\r\t]+")


def document_facts(
    *,
    title: str | None = None,
    tags: Iterable[str] | str = (),
    lang: str | None = None,
    created: str | None = None,
    date_source: str = "document",
) -> Facts:
    """Facts of what a document says.

    Args:
        title: its title; one that a program made up counts for nothing.
        tags: its keywords, or all of them in one text.
        lang: the code of its language, perhaps with a country.
        created: when it was made, as ISO 8601, PDF or an e-mail write it.
        date_source: what says so.
    """
    title = _PROGRAM.sub("", _one_line(title or ""))[:_LONGEST_TITLE]
    at = date_of_document(created) if created else None
    facts = Facts(
        title=None if _NO_TITLE.fullmatch(title) else title,
        tags=_tags(_BETWEEN_TAGS.split(tags) if isinstance(tags, str) else tags),
        lang=_language(lang),
    )
    return with_date(facts, None if at is None else DateTaken(at, date_source))


def _one_line(text: str) -> str:
    return " ".join(CONTROL.sub(" ", text.encode("utf-8", "ignore").decode()).split())


def _tags(words: Iterable[str]) -> tuple[str, ...]:
    cleaned = (_one_line(word).strip("#\"' ") for word in words)
    return tuple(dict.fromkeys(word for word in cleaned if 0 < len(word) <= _LONGEST_TAG))[:_MOST_TAGS]


def _language(lang: str | None) -> str | None:
    """The code without country or script: ``en`` of ``en-GB``."""
    found = _LANGUAGE.fullmatch((lang or "").strip())
    code = re.split("[-_]", found[0])[0].lower() if found else None
    return None if code in (None, "und", "zxx", "mul") else code
