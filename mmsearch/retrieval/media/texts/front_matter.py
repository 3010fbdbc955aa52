"""The front matter of Markdown: what a note says of itself before its text, in YAML or TOML."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mmsearch.retrieval.media.documents.own_facts import document_facts
from mmsearch.types import Facts

_LONGEST = 64 * 1024
_YAML = re.compile(r"\ufeff?---[ \t]*\r?\n(.*?)^(?:---|\.\.\.)[ \t]*(?:\r?\n|\Z)", re.S | re.M)
_TOML = re.compile(r"\ufeff?\+\+\+[ \t]*\r?\n(.*?)^\+\+\+[ \t]*(?:\r?\n|\Z)", re.S | re.M)
_ENTRY = re.compile(r"([\w .-]{1,60}?)\s*:(?:\s+(.*))?")
_ITEM = re.compile(r"\s*-\s+(.*)")
_COMMENT = re.compile(r"\s+#.*")
_DATES = ("date", "created", "created_at", "date created", "creation date", "published", "pubdate")
_TAGS = ("tags", "tag", "keywords")


def front_matter(text: str) -> tuple[int, Facts]:
    """How many characters the front matter of a text takes (0: it has none), and what it says."""
    head = text[:_LONGEST]
    if found := _YAML.match(head):
        fields = _fields_of_yaml(found[1])
    elif found := _TOML.match(head):
        fields = _fields_of_toml(found[1])
    else:
        return 0, Facts()
    if not fields and found[1].strip():  # text between two rulers
        return 0, Facts()

    def first(*names: str) -> str | None:
        return next((fields[name][0] for name in names if fields.get(name)), None)

    tags = [word for name in _TAGS for value in fields.get(name, ()) for word in _words_of(value, name)]
    facts = document_facts(title=first("title"), tags=tags, lang=first("lang", "language"), created=first(*_DATES))
    return found.end(), facts


def _words_of(value: str, name: str) -> list[str]:
    """The tags in a value that may be a list in words; only in the short form of tags do spaces divide them."""
    words = re.split(r"[;,]", value)
    return value.split() if len(words) == 1 and name != "keywords" and "#" in value else words


def _fields_of_yaml(text: str) -> dict[str, list[str]]:
    """The simple entries of a YAML text: a value, a list in brackets, or a list of lines. Others are passed over."""
    fields: dict[str, list[str]] = {}
    name = ""
    for line in text.splitlines():
        if item := _ITEM.fullmatch(line):
            fields.setdefault(name, []).extend(filter(None, [_plain(item[1])]))
        elif entry := _ENTRY.fullmatch(line):
            name = entry[1].strip().lower()
            fields[name] = list(_values(entry[2] or ""))
    return fields


def _values(text: str) -> Iterator[str]:
    text = text.strip()
    if text.startswith("["):
        yield from filter(None, map(_plain, text.strip("[]").split(",")))
    elif text and text[0] not in "|>&*!{":
        yield _plain(text)


def _plain(text: str) -> str:
    text = text.strip()
    if text[:1] in "\"'" and text[-1:] == text[:1] and len(text) > 1:
        return text[1:-1]
    return _COMMENT.sub("", text)


def _fields_of_toml(text: str) -> dict[str, list[str]]:
    import tomllib

    try:
        values = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError):
        return {}
    return {
        name.lower(): [str(one) for one in (value if isinstance(value, list) else [value])]
        for name, value in {**values, **_table(values, "taxonomies")}.items()
    }


def _table(values: dict[str, object], name: str) -> dict[str, object]:
    table = values.get(name)
    return table if isinstance(table, dict) else {}
