"""Queries and answers as JSON, between the command line and a running server on the same machine. Nothing is lost.

Each message is one line. A client sends a call, the server sends lines with ``progress`` and then one with the result.
"""

from __future__ import annotations

import base64
import datetime as dt
from collections.abc import Mapping
from typing import Any

import mmsearch.errors
from mmsearch import (  # fmt: skip
    Answer,
    Hint,
    HintKind,
    Hit,
    Hits,
    MatchedWords,
    MMSearchError,
    Notice,
    NoticeKind,
    OwnFacts,
    Progress,
    Space,
    Span,
    UsageError,
)

MOST_BYTES = 64 << 20
"""Of one line: ten thousand hits are some 5 MB."""

SOCKET_NAME = "server.sock"


def answer_to_json(answer: Answer) -> dict[str, Any]:
    """An answer with all that it holds."""
    return {
        "query": answer.query,
        "space": answer.space.to_json(),
        "hits": [_hit_to_json(hit) for hit in answer.hits],
        "took_ms": answer.took_ms,
        "notices": [_notice_to_json(notice) for notice in answer.notices],
        "level": answer.level,
    }


def answer_from_json(data: Mapping[str, Any]) -> Answer:
    """The inverse of `answer_to_json`."""
    return Answer(
        list(data["query"]),
        Space.from_json(data["space"]),
        Hits(_hit_from_json(hit) for hit in data["hits"]),
        dict(data["took_ms"]),
        tuple(_notice_from_json(notice) for notice in data["notices"]),
        data["level"],
    )


_PLAIN_OF_HIT = (
    *("id", "path", "modality", "text", "state", "width", "height", "duration_s", "taken_from", "camera", "note"),
    *("lat", "lon", "place", "country", "title", "lang", "source", "rank", "score", "match", "level"),
)


def _hit_to_json(hit: Hit) -> dict[str, Any]:
    return {
        **{name: getattr(hit, name) for name in _PLAIN_OF_HIT},
        "span": [hit.span.start, hit.span.end, hit.span.unit] if hit.span else None,
        "taken_at": hit.taken_at.isoformat() if hit.taken_at else None,
        "content_hash": base64.b64encode(hit.content_hash).decode(),
        "facts": hit.facts.to_json(),
        "tags": hit.tags,
        "boxes": hit.boxes,
        "evidence": hit.evidence,
        "matched": [words.to_json() for words in hit.matched],
        "copies": hit.copies,
    }


def _hit_from_json(data: Mapping[str, Any]) -> Hit:
    return Hit(
        **{name: data[name] for name in _PLAIN_OF_HIT},
        span=Span(*data["span"]) if data["span"] else None,
        taken_at=dt.datetime.fromisoformat(data["taken_at"]) if data["taken_at"] else None,
        content_hash=base64.b64decode(data["content_hash"]),
        facts=OwnFacts(data["facts"]),
        tags=tuple(data["tags"]),
        boxes=tuple(data["boxes"]),
        evidence=tuple(data["evidence"]),
        matched=tuple(MatchedWords(**words) for words in data["matched"]),
        copies=tuple(data["copies"]),
    )


def _notice_to_json(notice: Notice) -> dict[str, Any]:
    return {"kind": notice.kind.value, "values": dict(notice.values), "hint": _hint_to_json(notice.hint)}


def _notice_from_json(data: Mapping[str, Any]) -> Notice:
    return Notice(NoticeKind(data["kind"]), dict(data["values"]), _hint_from_json(data["hint"]))


def _hint_to_json(hint: Hint | None) -> list[str] | None:
    return None if hint is None else [hint.kind.value, hint.subject]


def _hint_from_json(data: list[str] | None) -> Hint | None:
    return None if data is None else Hint(HintKind(data[0]), data[1])


def error_to_json(error: MMSearchError) -> dict[str, Any]:
    """An error of the library."""
    return {"type": type(error).__name__, "message": str(error), "hint": _hint_to_json(error.hint)}


def error_from_json(data: Mapping[str, Any]) -> MMSearchError:
    """The inverse of `error_to_json`; of a kind that is not known here, a plain `MMSearchError`."""
    kind = getattr(mmsearch.errors, str(data["type"]), MMSearchError)
    is_ours = isinstance(kind, type) and issubclass(kind, MMSearchError)
    return (kind if is_ours else MMSearchError)(data["message"], hint=_hint_from_json(data["hint"]))


def progress_to_json(progress: Progress) -> dict[str, Any]:
    """How far the reading of a query's file has come."""
    return {"stage": progress.stage, "path": progress.path, "at_s": progress.at_s, "of_s": progress.of_s}


def progress_from_json(data: Mapping[str, Any]) -> Progress:
    """The inverse of `progress_to_json`."""
    return Progress(data["stage"], path=data["path"], at_s=data["at_s"], of_s=data["of_s"])


def options_to_json(options: Mapping[str, Any]) -> dict[str, Any]:
    """Keywords of `Collection.ask`; a relative folder is looked for in the client's working folder first.

    Raises:
        UsageError: one that only this process understands.
    """
    known = {name: value for name, value in options.items() if value is not None}
    if not all(isinstance(value, str | bool | int | tuple | list) for value in known.values()):
        raise UsageError("a server is asked with plain options")
    return known
