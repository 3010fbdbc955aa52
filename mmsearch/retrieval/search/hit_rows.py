"""A stored row as a hit."""

from __future__ import annotations

import datetime as dt
import os
from typing import Any

from mmsearch.hits import FileState, Hit
from mmsearch.retrieval.store.schema import is_without_file, modality_of, own_facts_of, span_of
from mmsearch.types import Modality

_EVIDENCE: dict[Modality, str] = {"image": "look", "text": "text", "audio": "sound", "video": "frame"}


def hit_of_row(row_id: int, score: float, match: float, row: dict[str, Any]) -> Hit:
    """A row as a hit without a rank or level; ``match``: the z-score of its cosine, ``row``: its facts by column."""
    modality = modality_of(row)
    taken_at: dt.datetime | None = row["taken_at"]
    span = span_of(row)
    subtitle = modality == "text" and span is not None and span.unit == "s"
    return Hit(
        rank=0,
        score=score,
        match=match,
        path=os.fsdecode(row["path"]),
        modality=modality,
        id=row_id,
        span=span,
        text=row["passage"],
        evidence=(row["mms_evidence"] or ("subtitle" if subtitle else _EVIDENCE[modality]),),
        state=_state(row),
        width=row["width"],
        height=row["height"],
        duration_s=row["duration_s"],
        taken_at=taken_at,
        note=row["note"],
        taken_from=row["taken_from"],
        camera=row["mms_camera"],
        lat=row["mms_lat"],
        lon=row["mms_lon"],
        place=row["mms_place"],
        country=row["mms_country"],
        title=row["mms_title"],
        tags=tuple(row["mms_tags"] or ()),
        lang=row["mms_lang"],
        boxes=tuple(row["mms_boxes"] or ()),
        content_hash=row["content_hash"] or b"",
        facts=own_facts_of(row),
    )


def _state(row: dict[str, Any]) -> FileState:
    if is_without_file(row):
        return "none"
    try:
        facts = os.stat(row["path"])
    except OSError:
        return "gone"
    return "current" if (facts.st_size, facts.st_mtime_ns) == (row["size"], row["mtime_ns"]) else "changed"
