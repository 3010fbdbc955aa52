"""The decoding worker: ``python -m mmsearch.retrieval.media.workers.worker``, started by `sandbox` and by nobody else.

It reads strangers' files so that the main process need not. Settings and jobs arrive on standard input and
replies leave on standard output, one JSON object a line; pixels go into a slot of shared memory, and so do the parts
of a film or sound, one at a time. Whatever happens to this process, the main one lives on.
"""

from __future__ import annotations

import base64
import contextlib
import errno
import hashlib
import json
import os
import queue
import signal
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from mmsearch.errors import DecodeError, TransientDecodeError, UsageError
from mmsearch.retrieval.media.dates import date_in_name
from mmsearch.retrieval.media.decode_spec import DecodeSpec
from mmsearch.retrieval.media.formats import Kind
from mmsearch.retrieval.media.pictures.image import BYTES_PER_PIXEL, decode_image
from mmsearch.retrieval.media.pictures.pages import MAX_PAGES, decode_pages, pages_of
from mmsearch.retrieval.media.pictures.raw import decode_raw
from mmsearch.retrieval.media.resume import Since
from mmsearch.retrieval.media.sniff import HEAD_BYTES, Sniffed, sniff
from mmsearch.retrieval.media.texts.encoded_data import BREAK, without_encoded_data
from mmsearch.retrieval.media.texts.table import packed, read_table
from mmsearch.retrieval.media.texts.text import MAX_TEXT_BYTES, decode_text, joined_notes
from mmsearch.retrieval.media.workers.confine import confine, limit_resources
from mmsearch.retrieval.media.workers.opener import opened_here, received, split_off_opener
from mmsearch.retrieval.media.workers.slots import open_shared
from mmsearch.retrieval.media.workers.streams import PartKind, Stream, decode_film, decode_moment, decode_sound
from mmsearch.retrieval.paths import status_change_ns
from mmsearch.types import Facts, Modality, SkipKind, sized

_MODALITIES: dict[Kind, Modality] = {
    "image": "image",
    "raw": "image",
    "text": "text",
    "table": "text",
    "subtitles": "text",
    "audio": "audio",
    "video": "video",
}

_KINDS = {"raw": "image"}

_SPARE_ADDRESS_SPACE = 4 << 30

_Received = tuple[bytes, tuple[int | None, IO[bytes] | None]]  # a line, and what came of opening its file


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """What holds for every job: what is made of files, where pictures and parts of films go, what is allowed."""

    recipe: DecodeSpec
    pixels: NDArray[np.uint8] | None
    parts: NDArray[np.uint8] | None
    max_pixels: int


@dataclass(frozen=True, slots=True)
class Line:
    """The way to the main process, while a job is done."""

    say: Callable[[dict[str, Any]], None]
    wait: Callable[[], object]
    content_hash: str = ""

    def hand_on(self, parts: NDArray[np.uint8], kind: PartKind, array: NDArray[Any], facts: dict[str, Any]) -> None:
        """Put a part where the main process sees it, and wait until it has been taken."""
        data = np.ascontiguousarray(array)
        parts[: data.nbytes] = data.reshape(-1).view(np.uint8)
        told = {"kind": kind, "dtype": str(data.dtype), "shape": data.shape, "content_hash": self.content_hash}
        self.say({"part": {**told, **facts}})
        self.wait()

    def hand_on_texts(self, texts: list[tuple[int, str]]) -> None:
        """Send some rows of a table, and wait until they have been taken."""
        self.say({"part": {"kind": "texts", "texts": packed(texts), "content_hash": self.content_hash}})
        self.wait()


def main() -> None:
    """Answer jobs until standard input closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the main process's affair
    jobs, replies = _take_over_standard_streams()
    stated = json.loads(jobs.readline())
    opener = split_off_opener(jobs, replies)
    settings = _start(stated)
    confine(base64.b64decode(stated["written"]) if stated.get("written") else None)
    lines = received(opener) if opener is not None else ((line, (None, None)) for line in jobs)
    waiting: queue.SimpleQueue[_Received] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(lines, waiting), daemon=True).start()

    def say(message: dict[str, Any]) -> None:
        replies.write(json.dumps(message).encode("ascii") + b"\n")
        replies.flush()

    say({"ready": True})
    _silence(2)
    line = Line(say, waiting.get)
    while True:
        text, opened = waiting.get()
        say({"reply": answer(json.loads(text) | {"opened": opened}, settings, line)})


def _take_over_standard_streams() -> tuple[IO[bytes], IO[bytes]]:
    """The two pipes to the main process, under numbers where no library's print can reach them."""
    jobs, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    _silence(0)
    _silence(1)
    return jobs, replies


def _silence(descriptor: int) -> None:
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)


def _receive(jobs: Iterable[_Received], waiting: queue.SimpleQueue[_Received]) -> None:
    """Hand on lines; at their end the main process has gone, so this one goes too, even amid a long decode."""
    with contextlib.suppress(OSError):
        for received_line in jobs:
            waiting.put(received_line)
    os._exit(0)


def _start(settings: dict[str, Any]) -> WorkerSettings:
    shared = [settings[name] for name in ("pixels", "parts")]
    held = sum(int(np.prod(shape)) for _, shape in filter(None, shared))
    most = _SPARE_ADDRESS_SPACE + settings["max_pixels"] * BYTES_PER_PIXEL + held
    limit_resources(most)
    pixels, parts = (open_shared(place[0], tuple(place[1])) if place else None for place in shared)
    return WorkerSettings(
        recipe=DecodeSpec.from_json(settings["recipe"]),
        pixels=pixels,
        parts=None if parts is None else parts[settings["number"]],
        max_pixels=settings["max_pixels"],
    )


def answer(job: dict[str, Any], settings: WorkerSettings, line: Line) -> dict[str, Any]:
    """The reply to one job; whatever goes wrong with its file becomes a reason to skip it.

    The main process is told the file's size in bytes, and how long a film or sound lasts: these set its deadline.
    """
    try:
        return decode_file(job, settings, line)
    except TransientDecodeError as error:
        return _skipped(str(error), "transient")
    except (DecodeError, UsageError) as error:
        return _skipped(str(error))
    except MemoryError:
        return _skipped("needs more memory than a decoder may use", "transient")
    except FileNotFoundError:
        return _skipped("vanished before it could be read", "transient")
    except OSError as error:
        return _skipped(_reason(error), "transient")
    except Exception as error:
        return _skipped(f"the decoder failed: {type(error).__name__}: {error}"[:300])


def decode_file(job: dict[str, Any], settings: WorkerSettings, line: Line) -> dict[str, Any]:
    """Read one file: skip what is unwanted, recognise what is known by its hash, decode the rest."""
    path = base64.b64decode(job["path"])
    with opened_here(job) as file:
        before = os.fstat(file.fileno())
        line.say({"opened": before.st_size})
        sniffed = sniff(file.read(HEAD_BYTES), path, explicitly_requested=job["named"])
        if job.get("write"):
            return _write(file, sniffed, job, settings.max_pixels, line)
        if settings.recipe.frames is not None:
            sniffed = _moving(file, sniffed)
        reason = _unwanted(sniffed, before.st_size, settings.recipe)
        if reason is not None:
            return _skipped(reason)
        reply: dict[str, Any] = {
            "outcome": "sniffed",
            "kind": _KINDS.get(sniffed.kind, sniffed.kind),
            "content_hash": "",
            "size": before.st_size,
            "mtime_ns": before.st_mtime_ns,
            "ctime_ns": status_change_ns(before),
        }
        if job.get("sniff_only"):
            return reply
        file.seek(0)
        content_hash = hash_file(file)
        reply |= {"outcome": "same", "content_hash": content_hash.hex()}
        if content_hash.hex() not in job["known"]:
            file.seek(0)
            line = replace(line, content_hash=content_hash.hex())
            reply |= {"outcome": "decoded"} | _decode(file, sniffed, job, settings, line)
            if sniffed.kind in ("image", "raw", "audio", "video") and reply["facts"]["taken_at"] is None:
                reply["facts"] |= _date_in_name(path)
        if any(_changed(before, after) for after in (os.fstat(file.fileno()), os.stat(path))):
            return _skipped("changed while it was read; run again", "transient")
        return reply


def hash_file(file: IO[bytes]) -> bytes:
    """BLAKE2b of a file's contents, 16 bytes."""
    return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).digest()  # type: ignore[arg-type]


def _moving(file: IO[bytes], sniffed: Sniffed) -> Sniffed:
    """An animated picture is a film, where films are read; FFmpeg reads the track of a HEIC, Pillow does not."""
    from mmsearch.retrieval.media.films.animation import FORMATS, has_track, is_animated

    if sniffed.format == "heic" and has_track(file):
        return replace(sniffed, kind="video", format="mov")
    if sniffed.format not in FORMATS:
        return sniffed
    file.seek(0)
    return replace(sniffed, kind="video") if is_animated(file, sniffed.format) else sniffed


def _write(file: IO[bytes], sniffed: Sniffed, job: dict[str, Any], max_pixels: int, line: Line) -> dict[str, Any]:
    """Put a frame or a clip of a film or sound into a file of its own."""
    from mmsearch.retrieval.media.films.extract import cut_clip, save_frame

    sniffed = _moving(file, sniffed)
    if sniffed.kind not in ("audio", "video"):
        raise DecodeError("no film or sound")
    what, out = job["write"]
    target = os.fsdecode(base64.b64decode(out))
    start, end = job["moment"]
    file.seek(0)
    if what == "frame":
        written = save_frame(file, sniffed.format, start, target, max_pixels=max_pixels)
    else:
        line.say({"lasts": end - start})
        written = cut_clip(file, sniffed.format, start, end, target, max_pixels=max_pixels)
    return {
        "outcome": "decoded",
        "kind": sniffed.kind,
        "content_hash": "",
        "size": 0,
        "mtime_ns": 0,
        "ctime_ns": None,
        "written": written,
    }


def _unwanted(sniffed: Sniffed, size: int, recipe: DecodeSpec) -> str | None:
    """Why a file is not decoded, from its kind and size alone."""
    if sniffed.reason is not None:
        return sniffed.reason
    reason = recipe.reason_against(_MODALITIES[sniffed.kind])
    if reason is not None:
        return reason
    if sniffed.kind in ("text", "subtitles") and size > MAX_TEXT_BYTES:
        return f"a text of over {MAX_TEXT_BYTES >> 20} MiB: split it"
    return None


def _decode(
    file: IO[bytes], sniffed: Sniffed, job: dict[str, Any], settings: WorkerSettings, line: Line
) -> dict[str, Any]:
    if sniffed.kind in ("audio", "video"):
        return _decode_stream(file, sniffed, job, settings, line)
    if sniffed.kind == "text":
        return _decode_text(file)
    if sniffed.kind == "subtitles":
        from mmsearch.retrieval.media.texts.subtitles import parse_subtitles

        text, note = decode_text(file.read())
        cues = [(cue.start_s, cue.end_s, cue.text) for cue in parse_subtitles(text)]
        return {"cues": cues, "facts": _facts(Facts(note=note))}
    if sniffed.kind == "table":
        table = read_table(file, sniffed.format, job["text_column"], line.hand_on_texts)
        return {
            "texts": packed(table.texts),
            "column": table.column,
            "column_guessed": table.guessed,
            "facts": _facts(Facts(note=table.note)),
        }
    transform = settings.recipe.image
    assert transform is not None
    assert settings.pixels is not None
    pages = pages_of(file, sniffed.format) if sniffed.kind == "image" else [0]
    if len(pages) > 1:
        return _decode_pages(file, sniffed.format, pages, settings, line)
    target = (transform.height, transform.width)
    bounds: dict[str, Any] = {"max_pixels": settings.max_pixels, "target": target, "draft": transform.draft}
    if sniffed.kind == "raw":
        picture, facts = decode_raw(file, **bounds)
    else:
        picture, facts = decode_image(file, **bounds, format=sniffed.format, page=pages[0] or None)
    settings.pixels[job["slot"]] = transform.apply(picture)
    return {"facts": _facts(facts)}


def _decode_pages(
    file: IO[bytes], format: str, pages: list[int], settings: WorkerSettings, line: Line
) -> dict[str, Any]:
    """Hand on the pages of a picture file, one after the other."""
    transform, parts = settings.recipe.image, settings.parts
    assert transform is not None
    assert parts is not None
    line.say({"lasts": float(min(len(pages), MAX_PAGES))})  # a page may take as long as a second of a film

    def emit(pixels: NDArray[np.uint8], page: int) -> None:
        line.hand_on(parts, "page", pixels, {"start_s": float(page), "end_s": float(page + 1)})

    facts = decode_pages(file, format, pages, transform, emit, settings.max_pixels)
    return {"pages": len(pages), "facts": _facts(facts)}


def _decode_text(file: IO[bytes]) -> dict[str, Any]:
    """The words of a text file, and what is needed to tell where they stand in it."""
    text, note = decode_text(file.read())
    kept = without_encoded_data(text)
    if kept.left_out and not kept.text.replace(BREAK, " ").strip():
        raise DecodeError(f"nothing but encoded data in it ({sized(kept.left_out)})")
    return {"text": kept.text, "cuts": kept.cuts, "facts": _facts(Facts(note=joined_notes(note, kept.note)))}


def _decode_stream(
    file: IO[bytes], sniffed: Sniffed, job: dict[str, Any], settings: WorkerSettings, line: Line
) -> dict[str, Any]:
    """Hand on a film's or a sound's parts; the reply says what they were of."""
    parts = settings.parts
    assert parts is not None
    stream = Stream(
        file,
        sniffed.format,
        settings.recipe,
        settings.max_pixels,
        emit=lambda kind, array, facts: line.hand_on(parts, kind, array, facts),
        lasts=lambda seconds: line.say({"lasts": seconds}),
        moment=tuple(job["moment"]) if job.get("moment") else None,
        since={kind: Since(**since) for kind, since in job["since"].get(line.content_hash, {}).items()},
    )
    if stream.moment is not None:
        return {"facts": _facts(decode_moment(stream, sniffed.kind))}
    if sniffed.kind == "audio":
        return {"facts": _facts(decode_sound(stream))}
    found = decode_film(stream)
    return {**found, "facts": _facts(found["facts"])}


def _facts(facts: Facts) -> dict[str, Any]:
    return {
        "width": facts.width,
        "height": facts.height,
        "duration_s": facts.duration_s,
        "taken_at": facts.taken_at.isoformat() if facts.taken_at else None,
        "note": facts.note,
        "taken_from": facts.taken_from,
    }


def _date_in_name(path: bytes) -> dict[str, Any]:
    taken = date_in_name(path)
    return {} if taken is None else {"taken_at": taken.at.isoformat(), "taken_from": taken.source}


def _changed(before: os.stat_result, after: os.stat_result) -> bool:
    return (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns)


def _skipped(reason: str, why: SkipKind = "content") -> dict[str, Any]:
    return {"outcome": "skipped", "reason": reason, "why": why}


def _reason(error: OSError) -> str:
    if error.errno in (errno.ENOTDIR, getattr(errno, "ESTALE", None)):
        return "vanished before it could be read"
    return f"cannot be read: {(error.strerror or type(error).__name__).lower()}"


if __name__ == "__main__":
    main()
