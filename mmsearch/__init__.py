"""Cross-modal vector search for your own files: words, pictures, sounds and films in one space, offline."""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

# Libraries report their use to their makers unless they are told otherwise before they are loaded. ONNX Runtime's
# official builds do so since 1.32: a file in ~/.cache, and connections. `setdefault`: an app that wants it says so.
for _switch in ("ORT_DISABLE_TELEMETRY", "HF_HUB_DISABLE_TELEMETRY", "DO_NOT_TRACK"):
    os.environ.setdefault(_switch, "1")

__version__ = "0.2.0"

if TYPE_CHECKING:
    from mmsearch.collection import Collection
    from mmsearch.errors import (
        CannotEmbedError,
        CollectionBusyError,
        CollectionClosedError,
        CollectionDamagedError,
        CollectionExistsError,
        CollectionNotFoundError,
        ConflictError,
        DecodeError,
        FileNotServedError,
        Hint,
        HintKind,
        MMSearchError,
        ModelUnavailableError,
        NewerFormatError,
        NoReaderError,
        NoSuchBucketError,
        NoSuchFileError,
        NoSuchObjectError,
        NoSuchRowError,
        NoSuchSearchError,
        ReadOnlyError,
        SpaceMismatchError,
        StorageDeniedError,
        StorageError,
        StorageUnreachableError,
        TransientDecodeError,
        UsageError,
    )
    from mmsearch.extracts import CodedPicture, IndexedFile, SavedClip, SavedFrame, Thumbnail
    from mmsearch.hits import Answer, Hit, Hits, MatchedWords, Record, RowVectors
    from mmsearch.notices import Notice, NoticeKind
    from mmsearch.own_facts import OwnFacts
    from mmsearch.retrieval.encoders.protocol import (
        AudioEncoder,
        Encoder,
        ImageEncoder,
        Said,
        TextEncoder,
        Transcriber,
        VideoEncoder,
    )
    from mmsearch.retrieval.evaluation.calibrate import Calibrated, CalibratedDirection
    from mmsearch.retrieval.evaluation.level_scores import LevelQuality, LevelScores
    from mmsearch.retrieval.evaluation.scores import DirectionScores, Scores
    from mmsearch.retrieval.ingest.options import IngestOptions
    from mmsearch.retrieval.listen_run import Heard
    from mmsearch.retrieval.media.extractor import Clip, Extractor
    from mmsearch.retrieval.media.pictures.transform import ImageTransform
    from mmsearch.retrieval.progress import Progress
    from mmsearch.retrieval.search.line_terms import LineTerms, QueryLine
    from mmsearch.retrieval.search.query import Query, StoredRow, Term
    from mmsearch.retrieval.search.query_line import read_line_terms, read_moment, read_query_line
    from mmsearch.retrieval.search.reading.known import KnownNames, KnownPlace
    from mmsearch.retrieval.search.reading.read import read_query
    from mmsearch.retrieval.search.reading.reading import Reading, ReadPart
    from mmsearch.retrieval.sources.protocol import Source, SourceItem, SourceNote, SourcePart
    from mmsearch.retrieval.upkeep.doctor import Problem
    from mmsearch.retrieval.upkeep.status import ModalityStatus, RootStatus, SourceStatus, Status
    from mmsearch.types import FileNote, Moment, PassedOver, Report, Space, Span

_MODULES = {
    "mmsearch.collection": ("Collection",),
    "mmsearch.errors": (
        "CannotEmbedError",
        "CollectionBusyError",
        "CollectionClosedError",
        "CollectionDamagedError",
        "CollectionExistsError",
        "CollectionNotFoundError",
        "ConflictError",
        "DecodeError",
        "FileNotServedError",
        "Hint",
        "HintKind",
        "MMSearchError",
        "ModelUnavailableError",
        "NewerFormatError",
        "NoSuchBucketError",
        "NoSuchFileError",
        "NoSuchObjectError",
        "NoReaderError",
        "NoSuchRowError",
        "NoSuchSearchError",
        "ReadOnlyError",
        "SpaceMismatchError",
        "StorageDeniedError",
        "StorageError",
        "StorageUnreachableError",
        "TransientDecodeError",
        "UsageError",
    ),
    "mmsearch.extracts": ("CodedPicture", "IndexedFile", "SavedClip", "SavedFrame", "Thumbnail"),
    "mmsearch.hits": ("Answer", "Hit", "Hits", "MatchedWords", "Record", "RowVectors"),
    "mmsearch.notices": ("Notice", "NoticeKind"),
    "mmsearch.retrieval.encoders.protocol": (
        "AudioEncoder",
        "Encoder",
        "ImageEncoder",
        "Said",
        "TextEncoder",
        "Transcriber",
        "VideoEncoder",
    ),
    "mmsearch.own_facts": ("OwnFacts",),
    "mmsearch.retrieval.evaluation.calibrate": ("Calibrated", "CalibratedDirection"),
    "mmsearch.retrieval.evaluation.level_scores": ("LevelQuality", "LevelScores"),
    "mmsearch.retrieval.evaluation.scores": ("DirectionScores", "Scores"),
    "mmsearch.retrieval.ingest.options": ("IngestOptions",),
    "mmsearch.retrieval.listen_run": ("Heard",),
    "mmsearch.retrieval.media.extractor": ("Clip", "Extractor"),
    "mmsearch.retrieval.media.pictures.transform": ("ImageTransform",),
    "mmsearch.retrieval.progress": ("Progress",),
    "mmsearch.retrieval.search.query": ("Query", "StoredRow", "Term"),
    "mmsearch.retrieval.search.line_terms": ("LineTerms", "QueryLine"),
    "mmsearch.retrieval.search.query_line": ("read_line_terms", "read_moment", "read_query_line"),
    "mmsearch.retrieval.search.reading.known": ("KnownNames", "KnownPlace"),
    "mmsearch.retrieval.search.reading.read": ("read_query",),
    "mmsearch.retrieval.search.reading.reading": ("ReadPart", "Reading"),
    "mmsearch.retrieval.sources.protocol": ("Source", "SourceItem", "SourceNote", "SourcePart"),
    "mmsearch.retrieval.upkeep.doctor": ("Problem",),
    "mmsearch.retrieval.upkeep.status": ("ModalityStatus", "RootStatus", "SourceStatus", "Status"),
    "mmsearch.types": ("FileNote", "Moment", "PassedOver", "Report", "Space", "Span"),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}

__all__ = [
    "Answer",
    "AudioEncoder",
    "Calibrated",
    "CalibratedDirection",
    "CannotEmbedError",
    "Clip",
    "CodedPicture",
    "Collection",
    "CollectionBusyError",
    "CollectionClosedError",
    "CollectionDamagedError",
    "CollectionExistsError",
    "CollectionNotFoundError",
    "ConflictError",
    "DecodeError",
    "DirectionScores",
    "Encoder",
    "Extractor",
    "FileNotServedError",
    "FileNote",
    "Heard",
    "Hint",
    "HintKind",
    "Hit",
    "Hits",
    "ImageEncoder",
    "ImageTransform",
    "IndexedFile",
    "IngestOptions",
    "KnownNames",
    "KnownPlace",
    "LevelQuality",
    "LevelScores",
    "LineTerms",
    "MMSearchError",
    "MatchedWords",
    "ModalityStatus",
    "ModelUnavailableError",
    "Moment",
    "NewerFormatError",
    "NoReaderError",
    "NoSuchBucketError",
    "NoSuchFileError",
    "NoSuchObjectError",
    "NoSuchRowError",
    "NoSuchSearchError",
    "Notice",
    "NoticeKind",
    "OwnFacts",
    "PassedOver",
    "Problem",
    "Progress",
    "Query",
    "QueryLine",
    "ReadOnlyError",
    "ReadPart",
    "Reading",
    "Record",
    "Report",
    "RootStatus",
    "RowVectors",
    "Said",
    "SavedClip",
    "SavedFrame",
    "Scores",
    "Source",
    "SourceItem",
    "SourceNote",
    "SourcePart",
    "SourceStatus",
    "Space",
    "SpaceMismatchError",
    "Span",
    "Status",
    "StorageDeniedError",
    "StorageError",
    "StorageUnreachableError",
    "StoredRow",
    "Term",
    "TextEncoder",
    "Thumbnail",
    "Transcriber",
    "TransientDecodeError",
    "UsageError",
    "VideoEncoder",
    "__version__",
    "read_line_terms",
    "read_moment",
    "read_query",
    "read_query_line",
]


if not TYPE_CHECKING:  # or a type checker would take any name for one that is there

    def __getattr__(name: str) -> Any:
        """Import a public name when it is first used (PEP 562), so that ``import mmsearch`` costs nothing."""
        if name not in _MODULE_OF:
            raise AttributeError(f"module 'mmsearch' has no attribute {name!r}")
        value = getattr(importlib.import_module(_MODULE_OF[name]), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    """The public names, also those that are not imported yet."""
    return sorted(__all__)
