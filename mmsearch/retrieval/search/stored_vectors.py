"""Queries by files that are indexed: the stored rows say what a file is searched by, so that it is not read again."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmsearch.retrieval.encoders.protocol import Encoder, ImageEncoder, VideoEncoder
from mmsearch.retrieval.media.decode_spec import HOP_S, WINDOW_S
from mmsearch.retrieval.search.searcher import Searcher
from mmsearch.retrieval.store.snapshot import Rows
from mmsearch.types import Modality

Vector = NDArray[np.float32]
_Name = tuple[bytes, int, int]  # path, size in bytes, time of change in nanoseconds

_COLUMNS = ("path", "size", "mtime_ns", "span_start", "span_end", "span_unit", "width")
_SAME_S = 0.01  # times of windows are multiples of a sample


@dataclass(slots=True)
class _Found:
    """The live rows of one file in one modality: their facts, in order of id, and their positions."""

    facts: list[dict[str, Any]]
    positions: list[int]


def stored_vectors(searcher: Searcher, encoder: Encoder | None, files: Sequence[Path]) -> dict[Path, Vector]:
    """What indexed files are searched by in a space, as `embed_file` makes it but for the rounding to halves.

    Left out, to be decoded, are files that are not indexed in this space, that have another size or time of change
    than when they were, and those whose rows are not what decoding would give (subtitles, sounds cut otherwise).

    Returns:
        Float32 ``[dim]`` by file, of any length above 0.
    """
    names = {file: _names(file) for file in files}
    wanted = {name for own in names.values() for name in own}
    found: dict[_Name, dict[Modality, _Found]] = {}
    for modality in searcher.modalities if wanted else ():
        for name, own in _rows_of(searcher.rows(modality), wanted).items():
            found.setdefault(name, {})[modality] = own
    vectors: dict[Path, Vector] = {}
    for file, own_names in names.items():
        by_modality = next((found[name] for name in own_names if name in found), None)
        chosen = _rows_that_stand_for_it(by_modality, encoder) if by_modality else None
        if chosen is not None:
            modality, positions = chosen
            halves = searcher.rows(modality).vectors_at(np.array(positions, np.int64))
            vectors[file] = halves.astype(np.float32).mean(axis=0)
    return vectors


def _names(file: Path) -> list[_Name]:
    """What the rows of a file must say: its path, or where a link leads; its size and time of change."""
    try:
        facts = os.stat(file)
        paths = (os.path.abspath(file), os.path.realpath(file))
    except (OSError, ValueError):
        return []
    return [(os.fsencode(path), facts.st_size, facts.st_mtime_ns) for path in dict.fromkeys(paths)]


def _rows_of(rows: Rows, wanted: set[_Name]) -> dict[_Name, _Found]:
    """The live rows of the wanted files. Paths are compared only where size and time of change are those of one."""
    numbers = rows.facts(["size", "mtime_ns"])
    likely = np.isin(numbers["mtime_ns"].to_numpy(), [mtime for _, _, mtime in wanted])
    likely &= np.isin(numbers["size"].to_numpy(), [size for _, size, _ in wanted])
    if rows.live is not None:
        likely &= rows.live
    positions = np.flatnonzero(likely)
    found: dict[_Name, _Found] = {}
    for position, facts in zip(positions.tolist(), rows.facts_at(positions, _COLUMNS), strict=True):
        name = (facts["path"], facts["size"], facts["mtime_ns"])
        if name in wanted:
            own = found.setdefault(name, _Found([], []))
            own.facts.append(facts)
            own.positions.append(position)
    return found


def _rows_that_stand_for_it(
    found: dict[Modality, _Found], encoder: Encoder | None
) -> tuple[Modality, list[int]] | None:
    """The rows whose mean a file is searched by; None where they do not say it."""
    if "video" in found:
        return "video", [_longest(found["video"])]
    if "audio" in found:
        own = found["audio"]
        is_film = own.facts[0]["width"] is not None
        by_frames = is_film and isinstance(encoder, ImageEncoder | VideoEncoder)
        return None if by_frames or not _as_queries_are_cut(own.facts) else ("audio", own.positions)
    if len(found) > 1:  # a text and the pictures in it
        return None
    ((modality, own),) = found.items()
    if modality == "image":
        return (modality, own.positions) if len(own.positions) == 1 else None
    timed = any(facts["span_unit"] == "s" for facts in own.facts)  # cues are gathered to passages, a query's are not
    return None if timed else (modality, own.positions)


def _longest(film: _Found) -> int:
    """The position of a film's longest row, which stands for the whole of it."""
    spans = [(facts["span_end"] or 0.0) - (facts["span_start"] or 0.0) for facts in film.facts]
    return film.positions[spans.index(max(spans))]


def _as_queries_are_cut(windows: Sequence[dict[str, Any]]) -> bool:
    """Whether rows of a sound are the windows that a query is cut into; an index may have been asked for others."""
    if any(facts["span_unit"] != "s" for facts in windows):
        return len(windows) == 1  # vectors made elsewhere
    spans = sorted((facts["span_start"], facts["span_end"]) for facts in windows)
    if len(spans) == 1:
        return bool(spans[0][1] - spans[0][0] <= WINDOW_S + _SAME_S)
    whole = all(abs(end - start - WINDOW_S) <= _SAME_S for start, end in spans)
    regular = all(abs(start - i * HOP_S) <= _SAME_S for i, (start, _) in enumerate(spans[:-1]))
    return whole and regular and spans[-1][0] - spans[-2][0] <= HOP_S + _SAME_S
