"""Takes pictures and clips out of indexed files as coded bytes, in a worker process that stays for the next one."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Generator, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Literal

from mmsearch.errors import DecodeError, TransientDecodeError
from mmsearch.extracts import CodedPicture, IndexedFile, has_picture
from mmsearch.retrieval.media.decode_spec import DecodeSpec
from mmsearch.retrieval.media.pictures.image import default_max_pixels
from mmsearch.retrieval.media.workers.decoder import Decoder
from mmsearch.retrieval.media.workers.jobs import Decoded, Extract, Job, Part, identity_of
from mmsearch.types import Span

if TYPE_CHECKING:
    from typing import Self

_CLIP_TYPES = ("video/mp4", "audio/mp4")
_CODED_BYTES = 1 << 20
_TIME_LIMIT_S = 20.0
"""For a small file; a person is waiting."""

_AT_ONCE = 4
"""Extractors that the memory is meant to be enough for."""

_Pieces = Generator[Part | Decoded | None, None, None]


class Clip:
    """A clip of a film or sound as fragmented MP4, made while it is read; a context manager that ends the work.

    Attributes:
        start_s: where it starts, in seconds of the film: a copied film starts at a key frame.
        end_s: where it ends.
        media_type: ``video/mp4``, or ``audio/mp4`` where there are no pictures.
    """

    def __init__(self, name: str, pieces: _Pieces) -> None:
        self._name, self._pieces = name, pieces
        try:
            self._first = self._read_first()
        except BaseException:
            self.close()
            raise
        self.start_s, self.end_s = float(self._first.start_s), float(self._first.end_s)
        self.media_type = self._first.media_type or ""
        if self.media_type not in _CLIP_TYPES:  # said by a worker that a file has taken over
            self.close()
            raise DecodeError(f"{name}: the decoder gave no clip")

    def _read_first(self) -> Part:
        for item in self._pieces:
            if isinstance(item, Part):
                return item
            if item is not None:
                _check(item, self._name)
        raise DecodeError(f"{self._name}: nothing in it can be played")

    def __iter__(self) -> Iterator[bytes]:
        """Its bytes, piece by piece; empty ones while nothing is ready, so that a reader can turn to other things.

        Raises:
            DecodeError: the file turned out to be damaged.
        """
        yield self._first.array.tobytes()
        for item in self._pieces:
            if isinstance(item, Part):
                yield item.array.tobytes()
            elif item is None:
                yield b""
            else:
                _check(item, self._name)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the work on the clip, finished or not."""
        self._pieces.close()


class Extractor:
    """Takes pictures and clips out of the files of rows; a context manager. For one thread, and one file at a time.

    Files are decoded in a worker process with limits, which is started for the first file and stays until `close`.
    """

    def __init__(self) -> None:
        self._decoder: Decoder | None = None
        self._cancelled = threading.Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the worker process; the next call starts another one."""
        decoder, self._decoder = self._decoder, None
        if decoder is not None:
            decoder.close()

    def cancel(self) -> None:
        """Have every call fail from now on, also one that another thread is in: that takes half a second."""
        self._cancelled.set()

    def picture(
        self, file: IndexedFile, *, side: int, coding: Literal["webp", "jpeg"] = "webp", at: float | None = None
    ) -> CodedPicture:
        """A picture of a row: the picture itself or the page that it stands for, or a frame of a film.

        Args:
            file: the row's file.
            side: the most pixels along a side; the picture keeps its aspect ratio and is never enlarged.
            coding: ``webp`` or ``jpeg``.
            at: the time of the frame in a film, in seconds; default the middle of the row's span.

        Raises:
            DecodeError: the row has no picture, or the file cannot be decoded.
        """
        record = file.record
        if not has_picture(record):
            raise DecodeError(f"no picture of {record.path}: its modality is {record.modality}")
        page = int(record.span.start) if record.span is not None and record.span.unit == "page" else None
        time_s = None
        if record.modality == "video":
            time_s = _middle(record.span, record.duration_s) if at is None else max(0.0, at)
        parts: list[Part] = []
        decoded = None
        for item in self._run(file, Extract(coding, side, page, time_s)):
            if isinstance(item, Part):
                parts.append(item)
            decoded = item if isinstance(item, Decoded) else decoded
        assert decoded is not None
        _check(decoded, record.path)
        found = os.fstat(file.file.fileno())
        if file.content is None and identity_of(found)[2:] != (file.size, file.mtime_ns):
            raise TransientDecodeError(f"{record.path} changed while it was read")
        facts = decoded.facts
        data = b"".join(part.array.tobytes() for part in parts)
        return CodedPicture(data, f"image/{coding}", facts.width or 0, facts.height or 0, parts[0].start_s)

    def clip(self, file: IndexedFile, start_s: float, end_s: float, *, start_only: bool = False) -> Clip:
        """A part of a film or sound that browsers play.

        Tracks that browsers play are copied, pictures from the key frame before the start on; others are coded anew.
        Nothing is written to the disk, and the work waits while nobody reads. One clip at a time.

        Args:
            file: the row's file.
            start_s: from when, in seconds.
            end_s: until when.
            start_only: only find out where the clip starts; it has no bytes.

        Raises:
            DecodeError: the file ends before the start, is no film or sound, or cannot be decoded.
        """
        return Clip(file.record.path, self._run(file, Extract("clip", 0, None, start_s, end_s, start_only)))

    def _run(self, file: IndexedFile, extract: Extract) -> _Pieces:
        """What comes of a job: the coded bytes in parts, None now and then, and what became of it."""
        if self._decoder is None:
            spec = DecodeSpec(texts=False, coded_bytes=_CODED_BYTES)
            pixels = default_max_pixels(_AT_ONCE)
            self._decoder = Decoder(1, spec, slots=1, max_pixels=pixels, time_limit_s=_TIME_LIMIT_S)
        job = Job(
            os.fsencode(file.record.path),
            explicitly_requested=True,
            extract=extract,
            identity=identity_of(os.fstat(file.file.fileno())),
            content=file.content,
        )
        with contextlib.closing(self._decoder.map([job])) as results:
            for item in results:
                if self._cancelled.is_set():
                    raise TransientDecodeError(f"{file.record.path}: nobody waits for it any more")
                if isinstance(item, Part | Decoded) or item is None:
                    yield item


def _middle(span: Span | None, duration_s: float | None) -> float:
    return (duration_s or 0.0) / 2 if span is None else (span.start + span.end) / 2


def _check(decoded: Decoded, name: str) -> None:
    if decoded.outcome == "skipped":
        kind = TransientDecodeError if decoded.why == "transient" else DecodeError
        raise kind(f"{name}: {decoded.reason}", hint=decoded.hint)
