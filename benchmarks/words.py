"""Case ``words``: recall of words to the letter, of vectors, and of both in one list, for each kind of query.

Files with known words in them (`written_sets`): signs on photographs, scans, screenshots, pages of PDF files, texts.
And the photographs of flickr8k_dev500 alone, whose captions are written nowhere: there words must cost nothing.
"""

from __future__ import annotations

import importlib.util
import os
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from data import data_set
from written_sets import QUERY_KINDS, WrittenQuery, every_kind

from mmsearch import Collection, Hits
from mmsearch.types import SEARCH_MODES

FILES_OF_EACH_KIND = 100
SEED = 1  # constants were chosen with 0
DEPTH = 10
RECIPROCAL_RANK = 60  # the constant of reciprocal rank fusion, Cormack and others, SIGIR 2009
METHODS = (*SEARCH_MODES, "reciprocal rank")


def measure() -> list[dict[str, Any]]:
    """A line for each kind of query and of file: recall@1 and @5 by each method.

    Raises:
        MissingDataError: the photographs are not here.
    """
    photographs = data_set("flickr8k_dev500")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        written = every_kind(folder / "files", photographs, FILES_OF_EACH_KIND, SEED)
        with Collection.create(folder / "written.mms", "mini") as collection:
            collection.index([folder / "files"])
            lists = found(collection, [query.text for query in written.queries], folder / "files")
        lines = lines_of(written.queries, lists)
        with Collection.create(folder / "photographs.mms", "mini") as collection:
            collection.index([photographs / "images"])
            captions = _captions(photographs)
            lists = found(collection, [query.text for query in captions], photographs)
    return [*lines, line_of("description", "flickr8k_dev500 alone", captions, lists)]


def _captions(photographs: Path) -> list[WrittenQuery]:
    import json

    pairs = map(json.loads, (photographs / "pairs.jsonl").read_text("utf-8").splitlines())
    return [WrittenQuery(pair["query"], "description", tuple(pair["relevant"])) for pair in pairs]


def found(collection: Collection, queries: Sequence[str], folder: Path) -> dict[str, list[list[str]]]:
    """For each method the files that answer each query, the best first, relative to a folder."""
    lists = {
        mode: [_files(hits, folder) for hits in collection.search_many(queries, k=DEPTH, mode=mode)]
        for mode in SEARCH_MODES
    }
    pairs = zip(lists["semantic"], lists["lexical"], strict=True)
    return {**lists, "reciprocal rank": [fused_by_rank(both) for both in pairs]}


def fused_by_rank(lists: Sequence[Sequence[str]]) -> list[str]:
    """Lists of files as one, by the sum of their reciprocal ranks."""
    scores: Counter[str] = Counter()
    for files in lists:
        scores.update({file: 1 / (RECIPROCAL_RANK + rank) for rank, file in enumerate(files, 1)})
    return [file for file, _ in scores.most_common()]


def _files(hits: Hits, folder: Path) -> list[str]:
    return list(dict.fromkeys(os.path.relpath(hit.path, folder) for hit in hits))


def lines_of(queries: Sequence[WrittenQuery], lists: dict[str, list[list[str]]]) -> list[dict[str, Any]]:
    """A line for each kind of query, over all files and over those of one kind."""
    lines = []
    for kind in QUERY_KINDS:
        groups: dict[str, list[int]] = {"all": []}
        for i, query in enumerate(queries):
            if query.kind == kind:
                groups["all"].append(i)
                folders = {file.split("/")[0] for file in query.files}
                groups.setdefault(folders.pop() if len(folders) == 1 else "several kinds", []).append(i)
        for files, places in groups.items():
            own = {method: [found[i] for i in places] for method, found in lists.items()}
            lines.append(line_of(kind, files, [queries[i] for i in places], own))
    return lines


def line_of(
    kind: str, files: str, queries: Sequence[WrittenQuery], lists: dict[str, list[list[str]]]
) -> dict[str, Any]:
    """Recall@1 and @5 of some queries by each method: the share of them with a right file so far up."""
    line: dict[str, Any] = {"query": kind, "files": files, "queries": len(queries), "ocr": has_ocr()}
    for method in METHODS:
        for depth in (1, 5):
            right = sum(
                any(file in query.files for file in found[:depth])
                for query, found in zip(queries, lists[method], strict=True)
            )
            line[f"{method} @{depth}"] = round(right / len(queries), 3)
    return line


def has_ocr() -> bool:
    """Whether text in pictures is read here."""
    return importlib.util.find_spec("rapidocr") is not None
