"""What the main process and a decoding worker say to each other: dataclasses, each of which is one line of JSON.

The main process sends a `WorkerSetup`, and then a `JobRequest` for each file. To each of them the worker replies with
`Extent`s, any number of `PartInMemory` or `TextPart`, and in the end a `Decoded`. The main process confirms each part
with an empty line. Pixels and samples go through shared memory.
"""

from __future__ import annotations

import base64
import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mmsearch.errors import Hint, HintKind
from mmsearch.extracts import SavedClip, SavedFrame
from mmsearch.retrieval.enrich.ocr.lines import lines_from_json
from mmsearch.retrieval.media.decode_spec import DecodeSpec, Rejection
from mmsearch.retrieval.media.resume import ResumePoint
from mmsearch.retrieval.media.workers.jobs import Decoded, Extract, Job, Output, PartFacts, TextPart
from mmsearch.types import Facts

ArrayPlace = tuple[int | str, tuple[int, ...]]
"""A shared array's handle (see `slots.SharedArray`) and its shape."""


_PLAIN_FIELDS = (
    *("outcome", "kind", "size", "mtime_ns", "ctime_ns", "slot", "text", "cuts", "column", "column_guessed", "cues"),
    *("lines", "reason", "why", "rejection"),
)
"""Fields of `Decoded` that are JSON as they are. None, False and empty lists are left out."""


# From the main process to a worker.


@dataclass(frozen=True, slots=True)
class WorkerSetup:
    """What holds for every job of a worker.

    Attributes:
        spec: what decoding makes of files.
        pixels: where decoded pictures go, uint8 ``[slots, height, width, 3]``.
        parts: where parts of films, sounds and pages go, uint8 ``[workers, bytes]``.
        max_pixels: the largest picture that may be decoded.
        number: the worker's own row of ``parts``.
        writes_to: the one file, which exists, that a job may write to.
    """

    spec: DecodeSpec
    pixels: ArrayPlace | None
    parts: ArrayPlace | None
    max_pixels: int
    number: int = 0
    writes_to: bytes | None = None

    def to_line(self) -> bytes:
        """The line that a worker is started with."""
        return _line(
            {
                "spec": self.spec.to_json(),
                "pixels": self.pixels,
                "parts": self.parts,
                "max_pixels": self.max_pixels,
                "number": self.number,
                "writes_to": None if self.writes_to is None else _text(self.writes_to),
            }
        )

    @classmethod
    def from_line(cls, line: bytes) -> WorkerSetup:
        """The inverse of `to_line`."""
        data = json.loads(line)
        writes_to = data["writes_to"]
        return cls(
            DecodeSpec.from_json(data["spec"]),
            _place(data["pixels"]),
            _place(data["parts"]),
            data["max_pixels"],
            data["number"],
            None if writes_to is None else _bytes(writes_to),
        )


@dataclass(frozen=True, slots=True)
class JobRequest:
    """A job, and the slot of the shared pixels that a picture goes into."""

    job: Job
    slot: int

    def to_line(self) -> bytes:
        """The line that is sent to a worker."""
        job = self.job
        points = {
            digest.hex(): {kind: asdict(point) for kind, point in of_file.items()}
            for digest, of_file in job.resume_points.items()
        }
        return _line(
            {
                "path": _text(job.path),
                "explicitly_requested": job.explicitly_requested,
                "known": [digest.hex() for digest in job.known],
                "resume_points": points,
                "text_column": job.text_column,
                "moment": job.moment,
                "write": None if job.write is None else {"what": job.write.what, "path": _text(job.write.path)},
                "sniff_only": job.sniff_only,
                "extract": None if job.extract is None else asdict(job.extract),
                "identity": job.identity,
                "content": None if job.content is None else _text(job.content),
                "slot": self.slot,
            }
        )

    @classmethod
    def from_line(cls, line: bytes) -> JobRequest:
        """The inverse of `to_line`."""
        data = json.loads(line)
        points = {
            bytes.fromhex(digest): {kind: ResumePoint(**point) for kind, point in of_file.items()}
            for digest, of_file in data["resume_points"].items()
        }
        write = data["write"]
        job = Job(
            path=_bytes(data["path"]),
            explicitly_requested=data["explicitly_requested"],
            known=frozenset(map(bytes.fromhex, data["known"])),
            resume_points=points,
            text_column=data["text_column"],
            moment=None if data["moment"] is None else tuple(data["moment"]),
            write=None if write is None else Output(write["what"], _bytes(write["path"])),
            sniff_only=data["sniff_only"],
            extract=None if data["extract"] is None else Extract(**data["extract"]),
            identity=None if data["identity"] is None else tuple(data["identity"]),
            content=None if data["content"] is None else _bytes(data["content"]),
        )
        return cls(job, data["slot"])


def path_in(line: bytes) -> bytes:
    """The path of the file that a `JobRequest` on its line wants opened."""
    data = json.loads(line)
    return _bytes(data["content"] or data["path"])


# From a worker to the main process.

READY_LINE = b'{"ready": true}\n'
"""A worker's first line: it has started."""


@dataclass(frozen=True, slots=True)
class Extent:
    """How much there is to decode, by which the time limit grows; a worker says each as soon as it knows it.

    Attributes:
        size: of the file that was opened, in bytes.
        duration_s: of the film or sound, in seconds, by its header.
    """

    size: int = 0
    duration_s: float = 0.0


@dataclass(frozen=True, slots=True)
class PartInMemory:
    """A part whose array lies at the beginning of the worker's row of the shared ``parts``.

    Windows and voice are float32 ``[samples]``; shots and pages are uint8 pixels, coded bytes are uint8.
    """

    facts: PartFacts
    shape: tuple[int, ...]
    content_hash: bytes = b""

    def array_in(self, memory: NDArray[np.uint8]) -> NDArray[Any]:
        """A copy of the array out of the worker's row, uint8 ``[bytes]``."""
        dtype = np.dtype(np.float32 if self.facts.kind in ("window", "voice") else np.uint8)
        size = int(np.prod(self.shape)) * dtype.itemsize
        return memory[:size].copy().view(dtype).reshape(self.shape)


Message = Extent | PartInMemory | TextPart | Decoded


def to_line(message: Message) -> bytes:
    """A worker's message as a line of JSON; paths and pixels are left out."""
    match message:
        case Extent():
            return _line({"extent": {"size": message.size, "duration_s": message.duration_s}})
        case PartInMemory(facts, shape, content_hash):
            return _line({"part": {"facts": asdict(facts), "shape": shape, "content_hash": content_hash.hex()}})
        case TextPart():
            texts, digest = _distinct(message.texts), message.content_hash.hex()
            return _line({"texts": {"texts": texts, "content_hash": digest, "unit": message.unit}})
        case Decoded():
            return _line({"decoded": _decoded_to_json(message)})


def from_line(line: bytes) -> Message:
    """The inverse of `to_line`, without paths and pixels.

    Raises:
        ValueError: it is no message, as may come from a worker that a malicious file has taken over.
    """
    try:
        ((name, data),) = json.loads(line).items()
        match name:
            case "extent":
                return Extent(int(data["size"]), float(data["duration_s"]))
            case "part":
                shape, content_hash = tuple(map(int, data["shape"])), bytes.fromhex(data["content_hash"])
                facts = PartFacts(**data["facts"] | {"lines": lines_from_json(data["facts"]["lines"])})
                return PartInMemory(facts, shape, content_hash)
            case "texts":
                unit: Literal["row", "page"] = "page" if data["unit"] == "page" else "row"
                return TextPart(b"", _all_rows(data["texts"]), bytes.fromhex(data["content_hash"]), unit)
            case "decoded":
                return _decoded_from_json(data)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise ValueError("no message of a worker") from error
    raise ValueError("no message of a worker")


def _decoded_to_json(decoded: Decoded) -> dict[str, Any]:
    values = ((name, getattr(decoded, name)) for name in _PLAIN_FIELDS)
    data = {name: value for name, value in values if not (value is None or value is False or value in ([], ()))}
    data |= {"content_hash": decoded.content_hash.hex(), "facts": _facts_to_json(decoded.facts)}
    if decoded.texts is not None:
        data["texts"] = _distinct(decoded.texts)
    if decoded.saved is not None:
        data["saved"] = {**asdict(decoded.saved), "output": str(decoded.saved.output)}
    if decoded.hint is not None:
        data["hint"] = {"kind": decoded.hint.kind, "subject": decoded.hint.subject}
    return data


def _decoded_from_json(data: Mapping[str, Any]) -> Decoded:
    known: dict[str, Any] = {name: data[name] for name in _PLAIN_FIELDS if name in data}
    if "cuts" in data:
        known["cuts"] = [(place, shift) for place, shift in data["cuts"]]
    if "cues" in data:
        known["cues"] = [(start_s, end_s, text) for start_s, end_s, text in data["cues"]]
    if "lines" in data:
        known["lines"] = lines_from_json(data["lines"])
    if "texts" in data:
        known["texts"] = _all_rows(data["texts"])
    if "saved" in data:
        known["saved"] = _saved(data["saved"])
    if "rejection" in data:
        known["rejection"] = Rejection(data["rejection"])
    if "hint" in data:
        known["hint"] = Hint(HintKind(data["hint"]["kind"]), data["hint"]["subject"])
    content_hash, facts = bytes.fromhex(data["content_hash"]), _facts_from_json(data["facts"])
    return Decoded(b"", content_hash=content_hash, facts=facts, **known)


def _facts_to_json(facts: Facts) -> dict[str, Any]:
    values = ((field.name, getattr(facts, field.name)) for field in fields(facts))
    return {
        name: value.isoformat() if name == "taken_at" else value
        for name, value in values
        if value is not None and value != ()
    }


def _facts_from_json(data: Mapping[str, Any]) -> Facts:
    taken_at = data.get("taken_at")
    when = None if taken_at is None else dt.datetime.fromisoformat(taken_at)
    return Facts(**{**data, "taken_at": when, "tags": tuple(data.get("tags", ()))})


def _saved(data: Mapping[str, Any]) -> SavedFrame | SavedClip:
    values = {**data, "output": Path(data["output"])}
    return SavedFrame(**values) if "time_s" in data else SavedClip(**values)


def _line(data: Mapping[str, Any]) -> bytes:
    return json.dumps(data).encode("ascii") + b"\n"


def _text(path: bytes) -> str:
    return base64.b64encode(path).decode("ascii")


def _bytes(text: str) -> bytes:
    return base64.b64decode(text)


def _place(place: list[Any] | None) -> ArrayPlace | None:
    return None if place is None else (place[0], tuple(place[1]))


def _distinct(texts: list[tuple[int, str]]) -> tuple[list[str], list[tuple[int, int]]]:
    """Rows of texts as ``(texts, [(row, place in texts)])``: a text that many rows have goes over once."""
    places: dict[str, int] = {}
    rows = [(row, places.setdefault(text, len(places))) for row, text in texts]
    return list(places), rows


def _all_rows(distinct: tuple[list[str], list[tuple[int, int]]]) -> list[tuple[int, str]]:
    """The inverse of `_distinct`."""
    texts, rows = distinct
    return [(row, texts[place]) for row, place in rows]
