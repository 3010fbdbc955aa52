"""PAIRS files: queries with the files, and the moments in films, that answer them, and queries that nothing answers."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from mmsearch.errors import UsageError


@dataclass(frozen=True, slots=True)
class Pair:
    """One line of a PAIRS file, paths made absolute.

    Attributes:
        query: the words that are asked for; None if a file asks.
        query_file: the file that asks; None if words do.
        relevant: the files that answer; empty for a query that nothing answers.
        spans: moments in the relevant files, from … to in seconds.
    """

    query: str | None
    query_file: bytes | None
    relevant: tuple[bytes, ...]
    spans: tuple[tuple[float, float], ...] = ()


def read_pairs(path: Path) -> list[Pair]:
    """Read a PAIRS file (JSON lines; paths relative to the file).

    Raises:
        UsageError: the file cannot be read, or a line is no pair; the text names the line.
    """
    try:
        lines = path.read_text("utf-8").splitlines()
    except UnicodeDecodeError:
        raise UsageError(f"cannot read {path}: it is not UTF-8") from None
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None
    folder = os.fsencode(path.parent.absolute())
    pairs = [_pair(line, number, path, folder) for number, line in enumerate(lines, 1) if line.strip()]
    if not pairs:
        raise UsageError(f"{path} holds no pairs")
    if not any(pair.relevant for pair in pairs):
        raise UsageError(f"{path} names no file that answers one of its queries")
    return pairs


def _pair(line: str, number: int, path: Path, folder: bytes) -> Pair:
    def place(name: str) -> bytes:
        return os.path.normpath(os.path.join(folder, os.fsencode(name)))

    try:
        data = json.loads(line)
        relevant = tuple(dict.fromkeys(place(name) for name in data["relevant"]))
        query, file = data.get("query"), data.get("query_file")
        spans = tuple((float(start), float(end)) for start, end in data.get("spans", ()))
        if (spans and not relevant) or (query is None) == (file is None) or any(end <= start for start, end in spans):
            raise ValueError
        return Pair(query, place(file) if file is not None else None, relevant, spans)
    except (ValueError, KeyError, TypeError, AttributeError):
        example = '{"query": "a dog", "relevant": ["1.jpg"]}'
        raise UsageError(f"{path} line {number} is no pair; a line looks like {example}") from None
