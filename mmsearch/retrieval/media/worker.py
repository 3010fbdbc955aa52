"""The decoding worker: ``python -m mmsearch.retrieval.media.worker``, started by `sandbox` and by nobody else.

It reads strangers' files so that the main process need not. Settings and jobs arrive on standard input and
replies leave on standard output, one JSON object a line; pixels go into a slot of shared memory. Whatever
happens to this process, the main one lives on.
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
import stat
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from mmsearch.errors import DecodeError
from mmsearch.retrieval.media.image import BYTES_PER_PIXEL, decode_image
from mmsearch.retrieval.media.raw import decode_raw
from mmsearch.retrieval.media.slots import open_slots
from mmsearch.retrieval.media.sniff import HEAD_BYTES, Kind, Sniffed, sniff
from mmsearch.retrieval.media.table import read_table
from mmsearch.retrieval.media.text import MAX_TEXT_BYTES, decode_text
from mmsearch.retrieval.media.transform import ImageTransform
from mmsearch.types import Facts

_MODALITIES: dict[Kind, str] = {
    "image": "image",
    "raw": "image",
    "text": "text",
    "table": "text",
    "audio": "audio",
    "video": "video",
}
_NOUNS = {"image": "a picture", "text": "a text", "audio": "a sound", "video": "a film"}
_PLURALS = {"image": "pictures", "text": "texts"}

_SPARE_ADDRESS_SPACE = 4 << 30


@dataclass(frozen=True, slots=True)
class Settings:
    """What holds for every job: how pictures are fitted, where their pixels go, what is wanted, what is allowed."""

    transform: ImageTransform | None
    pixels: NDArray[np.uint8] | None
    modalities: frozenset[str]
    max_pixels: int


def main() -> None:
    """Answer jobs until standard input closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the main process's affair
    jobs, replies = _take_over_standard_streams()
    settings = _start(json.loads(jobs.readline()))
    waiting: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(jobs, waiting), daemon=True).start()

    def say(message: dict[str, Any]) -> None:
        replies.write(json.dumps(message).encode("ascii") + b"\n")
        replies.flush()

    say({"ready": True})
    _silence(2)
    while True:
        job = json.loads(waiting.get())
        say(answer(job, settings, lambda size: say({"opened": size})))


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


def _receive(jobs: IO[bytes], waiting: queue.SimpleQueue[bytes]) -> None:
    """Hand on lines; at their end the main process has gone, so this one goes too, even amid a long decode."""
    for line in jobs:
        waiting.put(line)
    os._exit(0)


def _start(settings: dict[str, Any]) -> Settings:
    _limit_resources(settings["max_pixels"] * BYTES_PER_PIXEL + int(np.prod(settings["shape"])))
    pixels = open_slots(settings["pixels"], tuple(settings["shape"])) if settings["transform"] else None
    return Settings(
        transform=ImageTransform.from_json(settings["transform"]) if settings["transform"] else None,
        pixels=pixels,
        modalities=frozenset(settings["modalities"]),
        max_pixels=settings["max_pixels"],
    )


def _limit_resources(working_bytes: int) -> None:
    """No core dumps of private pictures, and an end to allocations that run away.

    What can be limited is address space, and libraries reserve far more of that than they use. So the
    limit is generous: gigabytes above what the largest allowed picture needs.
    """
    try:
        import resource
    except ImportError:  # Windows
        return
    for kind, wanted in ((resource.RLIMIT_CORE, 0), (resource.RLIMIT_AS, _SPARE_ADDRESS_SPACE + working_bytes)):
        hard = resource.getrlimit(kind)[1]
        limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        with contextlib.suppress(ValueError, OSError):  # macOS knows RLIMIT_AS but may refuse it
            resource.setrlimit(kind, (limit, hard))


def answer(job: dict[str, Any], settings: Settings, opened: Callable[[int], None]) -> dict[str, Any]:
    """The reply to one job; whatever goes wrong with its file becomes a reason to skip it.

    ``opened`` is told the file's size in bytes, by which the main process sets its deadline.
    """
    try:
        return decode_file(job, settings, opened)
    except DecodeError as error:
        return _skipped(str(error))
    except MemoryError:
        return _skipped("needs more memory than a decoder may use")
    except FileNotFoundError:
        return _skipped("vanished before it could be read")
    except OSError as error:
        return _skipped(_reason(error))
    except Exception as error:
        return _skipped(f"the decoder failed: {type(error).__name__}: {error}"[:300])


def decode_file(job: dict[str, Any], settings: Settings, opened: Callable[[int], None]) -> dict[str, Any]:
    """Read one file: skip what is unwanted, recognise what is known by its hash, decode the rest."""
    path = base64.b64decode(job["path"])
    with _open_regular(path) as file:
        before = os.fstat(file.fileno())
        opened(before.st_size)
        sniffed = sniff(file.read(HEAD_BYTES), path, named=job["named"])
        reason = _unwanted(sniffed, before.st_size, settings.modalities)
        if reason is not None:
            return _skipped(reason)
        file.seek(0)
        content_hash = hash_file(file)
        reply = {
            "outcome": "same",
            "kind": "image" if sniffed.kind == "raw" else sniffed.kind,
            "content_hash": content_hash.hex(),
            "size": before.st_size,
            "mtime_ns": before.st_mtime_ns,
        }
        if content_hash.hex() not in job["known"]:
            file.seek(0)
            reply |= {"outcome": "decoded"} | _decode(file, sniffed, job, settings)
        if any(_changed(before, after) for after in (os.fstat(file.fileno()), os.stat(path))):
            return _skipped("changed while it was read; run again")
        return reply


def hash_file(file: IO[bytes]) -> bytes:
    """BLAKE2b of a file's contents, 16 bytes."""
    return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).digest()  # type: ignore[arg-type]


@contextlib.contextmanager
def _open_regular(path: bytes) -> Iterator[IO[bytes]]:
    """A regular file, opened for reading; pipes and devices are told apart before they are touched, and after."""
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise DecodeError("not a regular file")
    # Should a pipe have taken the file's place since, O_NONBLOCK keeps open() from waiting for a writer.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
    with os.fdopen(os.open(path, flags), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise DecodeError("not a regular file")
        yield file


def _unwanted(sniffed: Sniffed, size: int, modalities: frozenset[str]) -> str | None:
    """Why a file is not decoded, from its kind and size alone."""
    if sniffed.reason is not None:
        return sniffed.reason
    modality = _MODALITIES[sniffed.kind]
    if modality not in modalities:
        wanted = " and ".join(_PLURALS[name] for name in ("image", "text") if name in modalities)
        return f"{_NOUNS[modality]}: only {wanted} are read here"
    if sniffed.kind == "text" and size > MAX_TEXT_BYTES:
        return f"a text of over {MAX_TEXT_BYTES >> 20} MiB: split it"
    return None


def _decode(file: IO[bytes], sniffed: Sniffed, job: dict[str, Any], settings: Settings) -> dict[str, Any]:
    if sniffed.kind == "text":
        text, note = decode_text(file.read())
        return {"text": text, "facts": _facts(Facts(note=note))}
    if sniffed.kind == "table":
        table = read_table(file, sniffed.format, job["text_column"])
        return {
            "texts": table.texts,
            "column": table.column,
            "column_guessed": table.guessed,
            "facts": _facts(Facts(note=table.note)),
        }
    transform = settings.transform
    assert transform is not None
    assert settings.pixels is not None
    target = (transform.height, transform.width)
    decode = decode_raw if sniffed.kind == "raw" else decode_image
    picture, facts = decode(file, max_pixels=settings.max_pixels, target=target, draft=transform.draft)
    settings.pixels[job["slot"]] = transform.apply(picture)
    return {"facts": _facts(facts)}


def _facts(facts: Facts) -> dict[str, Any]:
    return {
        "width": facts.width,
        "height": facts.height,
        "taken_at": facts.taken_at.isoformat() if facts.taken_at else None,
        "note": facts.note,
    }


def _changed(before: os.stat_result, after: os.stat_result) -> bool:
    return (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns)


def _skipped(reason: str) -> dict[str, Any]:
    return {"outcome": "skipped", "reason": reason}


def _reason(error: OSError) -> str:
    if error.errno in (errno.ENOTDIR, getattr(errno, "ESTALE", None)):
        return "vanished before it could be read"
    return f"cannot be read: {(error.strerror or type(error).__name__).lower()}"


if __name__ == "__main__":
    main()
