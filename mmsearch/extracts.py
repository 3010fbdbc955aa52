"""Files of rows, and what is taken out of them: frames, clips, thumbnails."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any

from mmsearch.hits import Record
from mmsearch.types import rounded

if TYPE_CHECKING:
    from typing import Self

    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class SavedFrame:
    """A frame that was written as a picture.

    Attributes:
        output: the file that was written.
        time_s: when the film shows the frame, in seconds from its start.
        width: in pixels.
        height: in pixels.
    """

    output: Path
    time_s: float
    width: int
    height: int

    def to_json(self) -> dict[str, Any]:
        """The fields as a JSON object."""
        return {"output": str(self.output), "time_s": rounded(self.time_s), "width": self.width, "height": self.height}


@dataclass(frozen=True, slots=True)
class SavedClip:
    """A part of a film or sound that was written as a file.

    Attributes:
        output: the file that was written.
        start_s: where it starts, in seconds of the source. A copied film starts at a key frame.
        end_s: where it ends.
        copied: True if the coded streams were copied, False if they were encoded again.
    """

    output: Path
    start_s: float
    end_s: float
    copied: bool

    def to_json(self) -> dict[str, Any]:
        """The fields as a JSON object."""
        times = {"start_s": rounded(self.start_s), "end_s": rounded(self.end_s)}
        return {"output": str(self.output), **times, "copied": self.copied}


@dataclass(frozen=True, slots=True, eq=False)
class Thumbnail:
    """A small picture of a hit.

    Attributes:
        pixels: RGB, uint8 ``[height, width, 3]``; None where there is no picture.
        reason: why there is none: the file is gone, or cannot be decoded; else None.
    """

    pixels: NDArray[np.uint8] | None
    reason: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class IndexedFile:
    """The file of a row, open for reading; as a context manager it is closed at the end of the block.

    Attributes:
        record: the row.
        file: the open file, unbuffered.
        size: in bytes.
        mtime_ns: when it was modified, in nanoseconds since 1970; of an item of an archive, when the archive was.
        media_type: what it holds, such as ``image/jpeg``, by its ending; ``text/plain`` for all that is text, and
            ``application/octet-stream`` for what has no other.
        content: of an item of an archive or bucket, the file from which a process of the same user can read its bytes
            until this one is closed; None where the row's path is that of a file.
    """

    record: Record
    file: IO[bytes]
    size: int
    mtime_ns: int
    media_type: str
    content: bytes | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self.file.close()


@dataclass(frozen=True, slots=True, eq=False)
class CodedPicture:
    """A picture as the bytes of a file.

    Attributes:
        data: the bytes.
        media_type: ``image/webp`` or ``image/jpeg``.
        width: in pixels.
        height: in pixels.
        time_s: of a film, when the frame is shown, in seconds from its start; else 0.
    """

    data: bytes
    media_type: str
    width: int
    height: int
    time_s: float


def has_picture(record: Record) -> bool:
    """Whether a picture of a row can be made: of a picture, a film, and of a page of a PDF, also of its text.

    Args:
        record: the row.
    """
    is_page = record.span is not None and record.span.unit == "page" and record.path.lower().endswith(".pdf")
    return record.modality in ("image", "video") or is_page
