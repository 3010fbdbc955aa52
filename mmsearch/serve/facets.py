"""How many files there are of each kind, year, folder, camera and place."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mmsearch import Collection

if TYPE_CHECKING:
    import pyarrow as pa

_CAMERA = "camera"
_PAGE = "page"
_KINDS = {"text": "text", "audio": "audio", "image": "image", _PAGE: "text", "video": "video"}
"""What rows are, and what a file with such rows is. Rows of several kinds have its path (a film's sound, the pages of a
document as pictures): the last of these kinds tells what the file is."""


@dataclass(frozen=True, slots=True)
class Facets:
    """Files by what they are.

    Attributes:
        kinds: by modality; a film counts as a film alone.
        years: by the year when they were taken, else changed.
        folders: by the folders directly below each indexed folder; items by their archives, or these by their folder.
        cameras: by the camera that EXIF names, or a column ``camera`` of the user's own.
        places: by the town where they were made.
    """

    kinds: Counter[str] = field(default_factory=Counter)
    years: Counter[str] = field(default_factory=Counter)
    folders: Counter[str] = field(default_factory=Counter)
    cameras: Counter[str] = field(default_factory=Counter)
    places: Counter[str] = field(default_factory=Counter)


def count_facets(collection: Collection, options: Mapping[str, Any]) -> Facets:
    """Count the files that filters let through; ``options`` are keywords of `Collection.items`."""
    import pyarrow as pa
    import pyarrow.compute as pc

    tables = [_columns(batch) for batch in collection.items(**options)]
    found = Facets()
    if not tables:
        return found
    rows = pa.concat_tables(tables)
    files = rows.group_by("path").aggregate([("rank", "max"), ("year", "max"), (_CAMERA, "max"), ("place", "max")])
    _add(found.kinds, pc.value_counts(files["rank_max"]), dict(enumerate(_KINDS.values())))
    _add(found.years, pc.value_counts(files["year_max"]))
    _add(found.cameras, pc.value_counts(files[f"{_CAMERA}_max"]))
    _add(found.places, pc.value_counts(files["place_max"]))
    manifest = collection.manifest
    _add_folders(found.folders, files["path"].to_pylist(), manifest.roots, manifest.sources)
    return found


def file_columns(table: pa.Table) -> dict[str, pa.ChunkedArray]:
    """What files are told apart and ordered by: path, rank of the kind, and when it was taken, else changed."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind, source = (table[name].cast(pa.string()) for name in ("modality", "mms_evidence"))
    of_page = pc.and_(pc.equal(kind, "text"), pc.equal(table["span_unit"].cast(pa.string()), "page"))
    kind = pc.if_else(pc.and_(of_page, pc.is_null(source)).fill_null(False), _PAGE, kind)
    made_of = pc.replace_substring(pc.replace_substring(source, "ocr", "image"), "speech", "audio")
    captioned = pc.if_else(pc.is_valid(table["duration_s"]), "video", "image")
    captioned = pc.if_else(
        pc.is_valid(table["width"]), captioned, pc.if_else(pc.is_valid(table["duration_s"]), "audio", "text")
    )
    kind = pc.coalesce(pc.if_else(pc.equal(source, "caption"), captioned, made_of), kind)
    rank = pc.index_in(kind, value_set=pa.array(list(_KINDS)))
    changed = pc.cast(pc.divide(table["mtime_ns"], 1000), pa.timestamp("us"))
    when = pc.coalesce(table["taken_at"].cast(pa.timestamp("us")), changed)
    return {"path": table["path"], "rank": rank, "when": when}


def _columns(batch: pa.RecordBatch) -> pa.Table:
    """The columns of `file_columns`, with year, camera and place."""
    import pyarrow as pa
    import pyarrow.compute as pc

    table = pa.table(batch)
    columns = file_columns(table)
    has_camera = _CAMERA in table.column_names and pa.types.is_string(table[_CAMERA].type)
    camera = table["mms_camera"]
    if has_camera:
        camera = pc.coalesce(table[_CAMERA], camera)
    return pa.table({**columns, "year": pc.year(columns["when"]), _CAMERA: camera, "place": table["mms_place"]})


def _add(counter: Counter[str], counts: pa.StructArray, names: Mapping[int, str] | None = None) -> None:
    for count in counts.to_pylist():
        if count["values"] is not None:
            counter[str(names[count["values"]] if names else count["values"])] += count["counts"]


def _add_folders(counter: Counter[str], paths: Iterable[str], roots: Iterable[str], sources: Iterable[str]) -> None:
    """Count the files of each folder that lies directly in a root; files in the root itself count for the root.

    Items count for their archive, if it was named alone, else for the folder that it lies in.
    """
    sources = frozenset(sources)
    tops = sorted((root.rstrip(os.sep) + os.sep for root in (*roots, *sources)), key=len, reverse=True)
    for path in paths:
        top = next((top for top in tops if path.startswith(top)), None)
        if top is not None:
            below = path[len(top) :].split(os.sep, 1)
            counter[top + below[0] if len(below) > 1 else top.rstrip(os.sep) or os.sep] += 1
        elif "#" in path:
            archive = path.partition("#")[0]
            counter[archive if archive in sources else os.path.dirname(archive)] += 1
