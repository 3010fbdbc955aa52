"""Queries by files that are indexed: their stored vectors are used, so that they are not decoded again."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mmsearch.retrieval.encoders.protocol import Encoder, ImageEncoder, VideoEncoder
from mmsearch.retrieval.media.decode_spec import HOP_S, WINDOW_S
from mmsearch.retrieval.search.item_paths import is_item, item_named, written
from mmsearch.retrieval.search.searcher import Searcher
from mmsearch.retrieval.sources.addresses import absolute_address, member_path
from mmsearch.retrieval.storage import is_remote
from mmsearch.retrieval.store.snapshot import Rows
from mmsearch.types import Modality
from mmsearch.unit import Vector

_FileVersion = tuple[bytes, int, int]
"""Path, size in bytes (of an item of an archive _OF_ITEM), time of change in nanoseconds."""

_COLUMNS = ("path", "size", "mtime_ns", "span_start", "span_end", "span_unit", "width", "mms_evidence")
_OF_ITEM = -1
_SAME_S = 0.01  # windows begin at whole samples


@dataclass(slots=True)
class _FileRows:
    """The live rows of one file in one modality: their facts, in order of id, and their positions."""

    facts: list[dict[str, Any]]
    positions: list[int]


def stored_vectors(searcher: Searcher, encoder: Encoder | None, files: Sequence[Path]) -> dict[Path, Vector]:
    """The vectors of files that are indexed in a space: those that `embed_file` makes, rounded to float16.

    Left out are files that are not indexed in this space, that have changed since (by size and modification time), and
    those whose rows differ from what a query is cut into (subtitles, sounds in other windows).

    Returns:
        Float32 ``[dim]`` by file, of any length above 0.
    """
    versions = {file: _versions(file) for file in files}
    wanted = {version for own in versions.values() for version in own}
    found: dict[_FileVersion, dict[Modality, _FileRows]] = {}
    for modality in searcher.modalities if wanted else ():
        for version, rows in _rows_of(searcher.rows(modality), wanted).items():
            found.setdefault(version, {})[modality] = rows
    vectors: dict[Path, Vector] = {}
    for file, own_versions in versions.items():
        by_modality = next((found[version] for version in own_versions if version in found), None)
        chosen = _rows_to_average(by_modality, encoder) if by_modality else None
        if chosen is not None:
            modality, positions = chosen
            halves = searcher.rows(modality).vectors_at(np.array(positions, np.int64))
            vectors[file] = halves.astype(np.float32).mean(axis=0)
    return vectors


def _versions(file: Path) -> list[_FileVersion]:
    """What the rows of a file must have: its path, or where a link leads, its size and modification time."""
    if is_item(file):
        archive, name = item_named(written(file)) or ("", "")
        if is_remote(archive):
            return []
        path = member_path(absolute_address(archive), name)
        return [(os.fsencode(path), _OF_ITEM, os.stat(archive).st_mtime_ns)]
    try:
        facts = os.stat(file)
        paths = (os.path.abspath(file), os.path.realpath(file))
    except (OSError, ValueError):
        return []
    return [(os.fsencode(path), facts.st_size, facts.st_mtime_ns) for path in dict.fromkeys(paths)]


def _rows_of(rows: Rows, wanted: set[_FileVersion]) -> dict[_FileVersion, _FileRows]:
    """The live rows of the wanted files. Paths are compared only of rows with the right size and time."""
    numbers = rows.facts(["size", "mtime_ns"])
    likely = np.isin(numbers["mtime_ns"].to_numpy(), [mtime for _, _, mtime in wanted])
    if all(size != _OF_ITEM for _, size, _ in wanted):
        likely &= np.isin(numbers["size"].to_numpy(), [size for _, size, _ in wanted])
    if rows.live is not None:
        likely &= rows.live
    positions = np.flatnonzero(likely)
    found: dict[_FileVersion, _FileRows] = {}
    for position, facts in zip(positions.tolist(), rows.facts_at(positions, _COLUMNS), strict=True):
        of_item = (facts["path"], _OF_ITEM, facts["mtime_ns"])
        version = of_item if of_item in wanted else (facts["path"], facts["size"], facts["mtime_ns"])
        if version in wanted and facts["mms_evidence"] != "caption":
            own = found.setdefault(version, _FileRows([], []))
            own.facts.append(facts)
            own.positions.append(position)
    return found


def _rows_to_average(found: dict[Modality, _FileRows], encoder: Encoder | None) -> tuple[Modality, list[int]] | None:
    """The rows whose mean is the file's vector; None if the file must be decoded."""
    if "video" in found:
        return "video", [_longest(found["video"])]
    if "audio" in found:
        own = found["audio"]
        is_film = own.facts[0]["width"] is not None
        by_frames = is_film and isinstance(encoder, ImageEncoder | VideoEncoder)
        return None if by_frames or not _are_query_windows(own.facts) else ("audio", own.positions)
    if len(found) > 1:  # a text and the pictures in it
        return None
    ((modality, own),) = found.items()
    if modality == "image":
        return (modality, own.positions) if len(own.positions) == 1 else None
    timed = any(facts["span_unit"] == "s" for facts in own.facts)  # cues are gathered to passages, a query's are not
    return None if timed else (modality, own.positions)


def _longest(film: _FileRows) -> int:
    """The position of a film's longest row, that of the whole film."""
    spans = [(facts["span_end"] or 0.0) - (facts["span_start"] or 0.0) for facts in film.facts]
    return film.positions[spans.index(max(spans))]


def _are_query_windows(windows: Sequence[dict[str, Any]]) -> bool:
    """Whether rows of a sound are the windows that a query is cut into; it may have been indexed in others."""
    if any(facts["span_unit"] != "s" for facts in windows):
        return len(windows) == 1  # vectors made elsewhere
    spans = sorted((facts["span_start"], facts["span_end"]) for facts in windows)
    if len(spans) == 1:
        return bool(spans[0][1] - spans[0][0] <= WINDOW_S + _SAME_S)
    whole = all(abs(end - start - WINDOW_S) <= _SAME_S for start, end in spans)
    regular = all(abs(start - i * HOP_S) <= _SAME_S for i, (start, _) in enumerate(spans[:-1]))
    return whole and regular and spans[-1][0] - spans[-2][0] <= HOP_S + _SAME_S
