"""What became of the files of a run: known without the pipeline, which a run without work does not import."""

from __future__ import annotations

from dataclasses import dataclass, field

from mmsearch.types import FileNote


@dataclass(slots=True)
class PipelineResult:
    """What became of the files of a plan: numbers of files and of rows, and notes on files."""

    indexed: int = 0
    unchanged: int = 0
    moved: int = 0
    removed: int = 0
    rows: int = 0
    skipped: list[FileNote] = field(default_factory=list)
    marked: list[FileNote] = field(default_factory=list)
    interrupted: bool = False
