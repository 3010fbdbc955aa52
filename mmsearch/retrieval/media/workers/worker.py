"""The decoding worker: ``python -m mmsearch.retrieval.media.workers.worker``, which `process.WorkerProcess` starts.

It reads untrusted files, so that the main process need not. A `WorkerSetup` and jobs arrive on standard input, replies
leave on standard output, as `messages` defines them. Pixels, and one part of a film or sound at a time, go through
shared memory. If this process crashes, the main process goes on.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import os
import queue
import signal
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mmsearch.errors import DecodeError, TransientDecodeError, UsageError
from mmsearch.retrieval.enrich.ocr.lines import PAGE_SIDE, TextLine
from mmsearch.retrieval.media.dates import date_in_name, with_date
from mmsearch.retrieval.media.decode_spec import DecodeSpec
from mmsearch.retrieval.media.documents.read import page_picture, read_document
from mmsearch.retrieval.media.documents.sink import DocumentSink
from mmsearch.retrieval.media.pictures.image import BYTES_PER_PIXEL, Picture, as_image, decode_picture
from mmsearch.retrieval.media.pictures.pages import MAX_PAGES, decode_pages, pages_of
from mmsearch.retrieval.media.pictures.raw import decode_raw
from mmsearch.retrieval.media.sniff import HEAD_BYTES, Sniffed, sniff
from mmsearch.retrieval.media.texts.encoded_data import BREAK, without_encoded_data
from mmsearch.retrieval.media.texts.front_matter import front_matter
from mmsearch.retrieval.media.texts.table import read_table
from mmsearch.retrieval.media.texts.text import decode_text, join_notes
from mmsearch.retrieval.media.workers.channel import WorkerChannel
from mmsearch.retrieval.media.workers.confine import confine, limit_resources
from mmsearch.retrieval.media.workers.jobs import Decoded, PartFacts, identity_of
from mmsearch.retrieval.media.workers.messages import (
    READY_LINE,
    Extent,
    JobRequest,
    WorkerSetup,
    to_line,
)
from mmsearch.retrieval.media.workers.opener import OpenedFile, fork_opener, received
from mmsearch.retrieval.media.workers.rejected import DECODED_KINDS, rejected_file
from mmsearch.retrieval.media.workers.slots import open_shared
from mmsearch.retrieval.media.workers.streams import Stream, decode_film, decode_moment, decode_sound
from mmsearch.retrieval.media.workers.take_out import as_film_if_animated, take_out, write_output
from mmsearch.retrieval.media.workers.text_reader import TextReader, larger
from mmsearch.retrieval.paths import status_change_ns
from mmsearch.types import Facts, SkipKind, sized

if TYPE_CHECKING:
    from PIL import Image

_SPARE_ADDRESS_SPACE = 4 << 30
_SECONDS_OF_PAGE = 0.25
"""A page of a document may take as long as so many seconds of a film."""

_LONGEST_REASON = 300
_MOST_TO_READ = 200 << 20
"""Bytes of a file that taking something out of it may need; a film is read in part."""

_MOST_TO_HOLD = 64 << 20
"""Bytes of a picture's file that are read at once, for its hash and its decoder."""

_ReceivedLine = tuple[bytes, OpenedFile]


@dataclass(frozen=True, slots=True)
class Workspace:
    """What holds for every job: what decoding makes of files, where pixels and parts go, the largest picture allowed.

    ``pixels`` is uint8 ``[slots, height, width, 3]``, ``parts`` this worker's own row, uint8 ``[bytes]``.
    """

    spec: DecodeSpec
    pixels: NDArray[np.uint8] | None
    parts: NDArray[np.uint8] | None
    max_pixels: int


def main() -> None:
    """Answer jobs until standard input closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the main process handles Ctrl-C
    jobs, replies = _take_over_standard_streams()
    setup = WorkerSetup.from_line(jobs.readline())
    opener = fork_opener(jobs, replies)
    workspace = _start(setup)
    confine(setup.writes_to)
    lines = received(opener) if opener is not None else ((line, OpenedFile()) for line in jobs)
    waiting: queue.SimpleQueue[_ReceivedLine] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(lines, waiting), daemon=True).start()

    def send_line(line: bytes) -> None:
        replies.write(line)
        replies.flush()

    send_line(READY_LINE)
    _silence(2)
    channel = WorkerChannel(lambda message: send_line(to_line(message)), waiting.get)
    while True:
        line, opened = waiting.get()
        channel.send(answer(JobRequest.from_line(line), opened, workspace, channel))


def _take_over_standard_streams() -> tuple[IO[bytes], IO[bytes]]:
    """The two pipes to the main process, under other numbers, so that a library that prints does not reach them."""
    jobs, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    _silence(0)
    _silence(1)
    return jobs, replies


def _silence(descriptor: int) -> None:
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)


def _receive(lines: Iterable[_ReceivedLine], waiting: queue.SimpleQueue[_ReceivedLine]) -> None:
    """Queue lines. When they end, the main process has ended, and this one ends too, even while it decodes."""
    with contextlib.suppress(OSError):
        for line in lines:
            waiting.put(line)
    os._exit(0)


def _start(setup: WorkerSetup) -> Workspace:
    places = (setup.pixels, setup.parts)
    shared_bytes = sum(int(np.prod(place[1])) for place in places if place is not None)
    limit_resources(_SPARE_ADDRESS_SPACE + setup.max_pixels * BYTES_PER_PIXEL + shared_bytes)
    pixels, parts = (None if place is None else open_shared(*place) for place in places)
    return Workspace(setup.spec, pixels, None if parts is None else parts[setup.number], setup.max_pixels)


def answer(request: JobRequest, opened: OpenedFile, workspace: Workspace, channel: WorkerChannel) -> Decoded:
    """The reply to one job; whatever goes wrong with its file becomes a reason to skip it."""
    try:
        return decode_file(request, opened, workspace, channel)
    except (DecodeError, UsageError) as error:
        why: SkipKind = "transient" if isinstance(error, TransientDecodeError) else "content"
        return Decoded.skipped(request.job.path, str(error), why, hint=error.hint)
    except MemoryError:
        reason, why = "needs more memory than a decoder may use", "transient"
    except FileNotFoundError:
        reason, why = "vanished before it could be read", "transient"
    except OSError as error:
        reason, why = _reason(error), "transient"
    except Exception as error:
        reason, why = f"the decoder failed: {type(error).__name__}: {error}"[:_LONGEST_REASON], "content"
    return Decoded.skipped(request.job.path, reason, why)


def decode_file(request: JobRequest, opened: OpenedFile, workspace: Workspace, channel: WorkerChannel) -> Decoded:
    """Read one file: skip what is not decoded, recognise what is known by its hash, decode the rest."""
    job = request.job
    with opened.file_of(job.file_path) as file:
        before = os.fstat(file.fileno())
        channel.send(Extent(size=before.st_size if job.extract is None else min(before.st_size, _MOST_TO_READ)))
        sniffed = sniff(file.read(HEAD_BYTES), job.path, explicitly_requested=job.explicitly_requested)
        if job.identity is not None and identity_of(before) != job.identity:
            return Decoded.skipped(job.path, "changed just now", "transient")
        if job.write is not None:
            return write_output(file, sniffed, job, job.write, workspace.max_pixels, channel)
        if job.extract is not None:
            assert workspace.parts is not None
            return take_out(file, sniffed, job.extract, workspace.max_pixels, channel, workspace.parts)
        if workspace.spec.frames is not None:
            sniffed = as_film_if_animated(file, sniffed)
        rejected = rejected_file(sniffed, job, before.st_size, workspace.spec)
        if rejected is not None:
            return rejected
        content_hash, content = b"", file
        if not job.sniff_only:
            file.seek(0)
            if sniffed.kind == "image" and before.st_size <= _MOST_TO_HOLD:
                content = io.BytesIO(file.read())
            content_hash = hash_file(content)
        decoded = Decoded(
            job.path,
            "sniffed" if job.sniff_only else "same" if content_hash in job.known else "decoded",
            DECODED_KINDS[sniffed.kind],
            content_hash,
            before.st_size,
            before.st_mtime_ns,
            status_change_ns(before),
        )
        if decoded.outcome == "decoded":
            content.seek(0)
            channel = replace(channel, content_hash=content_hash)
            reader = TextReader("off" if job.moment else workspace.spec.ocr, channel.send)
            decoded = _decode(_FileToDecode(content, sniffed, request, decoded, workspace, channel, reader))
            decoded = replace(decoded, facts=reader.with_note(decoded.facts))
            has_date = sniffed.kind in ("image", "raw", "audio", "video", "document")
            if has_date and decoded.facts.taken_at is None and (taken := date_in_name(job.path)) is not None:
                decoded = replace(decoded, facts=with_date(decoded.facts, taken))
        afterwards = [os.fstat(file.fileno())]
        if job.content is None:
            afterwards.append(os.stat(job.path))
        if any(_changed(before, after) for after in afterwards):
            return Decoded.skipped(job.path, "changed while it was read; run again", "transient")
        return decoded


def hash_file(file: IO[bytes]) -> bytes:
    """BLAKE2b of a file's contents, 16 bytes."""
    return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).digest()  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class _FileToDecode:
    """A file whose content is to be added to ``decoded``; parts are sent through ``channel`` as they are decoded."""

    file: IO[bytes]
    sniffed: Sniffed
    request: JobRequest
    decoded: Decoded
    workspace: Workspace
    channel: WorkerChannel
    reader: TextReader


def _decode(source: _FileToDecode) -> Decoded:
    """Decode a file by its kind."""
    kind = source.sniffed.kind
    if kind in ("audio", "video"):
        return _decode_stream(source)
    if kind == "text":
        return _decode_text(source)
    if kind == "subtitles":
        return _decode_subtitles(source)
    if kind == "document":
        return _decode_document(source)
    return _decode_table(source) if kind == "table" else _decode_picture(source)


def _decode_picture(source: _FileToDecode) -> Decoded:
    """Put a picture into its slot, or send the pages of a file with several."""
    file, format, workspace = source.file, source.sniffed.format, source.workspace
    transform = workspace.spec.image
    assert transform is not None
    assert workspace.pixels is not None
    is_raw = source.sniffed.kind == "raw"
    pages = [0] if is_raw else pages_of(file, format)
    if len(pages) > 1:
        return replace(source.decoded, facts=_decode_pages(source, pages))
    target = (transform.height, transform.width)
    bounds: dict[str, Any] = {"max_pixels": workspace.max_pixels, "target": target, "draft": transform.draft}
    picture: Picture
    if is_raw:
        picture, facts = decode_raw(file, **bounds)
    else:
        picture, facts = decode_picture(file, **bounds, format=format, page=pages[0] or None)
    workspace.pixels[source.request.slot] = transform.apply(picture)
    lines: tuple[TextLine, ...] = ()
    if source.reader.mode != "off":
        image = as_image(picture)
        is_reduced = not is_raw and image.width < (facts.width or 0)
        lines = source.reader.lines(image, partial(larger, file, format, workspace.max_pixels) if is_reduced else None)
    return replace(source.decoded, facts=facts, slot=source.request.slot, lines=lines)


def _decode_pages(source: _FileToDecode, pages: list[int]) -> Facts:
    """Send the pages of a picture file, one after the other."""
    workspace, channel = source.workspace, source.channel
    transform, parts = workspace.spec.image, workspace.parts
    assert transform is not None
    assert parts is not None
    channel.send(Extent(duration_s=float(min(len(pages), MAX_PAGES))))  # a page may take as long as a second of a film

    def emit(picture: Image.Image, page: int) -> None:
        channel.send_part(parts, PartFacts.of_page(page, source.reader.lines(picture)), transform.apply(picture))

    return decode_pages(source.file, source.sniffed.format, pages, transform, emit, workspace.max_pixels)


def _decode_text(source: _FileToDecode) -> Decoded:
    """The text of a file without front matter and encoded data, and where these were left out."""
    text, note = decode_text(source.file.read())
    start, own = front_matter(text) if source.sniffed.format == "markdown" else (0, Facts())
    if not text[start:].strip():
        start = 0
    readable = without_encoded_data(text[start:])
    if readable.left_out and not readable.text.replace(BREAK, " ").strip():
        raise DecodeError(f"nothing but encoded data in it ({sized(readable.left_out)})")
    facts = replace(own, note=join_notes(note, readable.note))
    cuts = [(0, start), *((place, shift + start) for place, shift in readable.cuts)] if start else readable.cuts
    return replace(source.decoded, text=readable.text, cuts=cuts, facts=facts)


def _decode_subtitles(source: _FileToDecode) -> Decoded:
    from mmsearch.retrieval.media.texts.subtitles import parse_subtitles

    text, note = decode_text(source.file.read())
    cues = [(cue.start_s, cue.end_s, cue.text) for cue in parse_subtitles(text)]
    return replace(source.decoded, cues=cues, facts=Facts(note=note))


def _decode_table(source: _FileToDecode) -> Decoded:
    """The last rows of a table; those before are sent as they are read."""
    column = source.request.job.text_column
    table = read_table(source.file, source.sniffed.format, column, source.channel.send_texts)
    return replace(
        source.decoded,
        texts=table.texts,
        column=table.column,
        column_guessed=table.guessed,
        facts=Facts(note=table.note),
    )


def _decode_document(source: _FileToDecode) -> Decoded:
    """Send the text of a document, and pictures of its pages; the reply says what they were of."""
    job, channel, workspace = source.request.job, source.channel, source.workspace
    if job.moment is not None:
        return replace(source.decoded, facts=_decode_page(source, int(job.moment[0])))
    sink = DocumentSink(
        emit=lambda texts: channel.send_texts(texts, "page"),
        show=None if workspace.spec.image is None else partial(_send_page, source),
        expect_pages=lambda count: channel.send(Extent(duration_s=count * _SECONDS_OF_PAGE)),
    )
    return replace(source.decoded, texts=[], facts=read_document(source.file, source.sniffed.format, sink))


def _decode_page(source: _FileToDecode, page: int) -> Facts:
    """Send the picture of one page."""
    transform = source.workspace.spec.image
    if transform is None:
        raise DecodeError("no picture of it is asked for")
    picture = page_picture(source.file, source.sniffed.format, page, max(transform.height, transform.width))
    _send_page(source, page, picture)
    return Facts()


def _send_page(
    source: _FileToDecode, page: int, picture: Image.Image, draw: Callable[[int], Image.Image] | None = None
) -> None:
    """Send the picture of a page; ``draw`` draws one that has no text of its own in any size, for it to be read."""
    transform, parts = source.workspace.spec.image, source.workspace.parts
    assert transform is not None
    assert parts is not None
    lines = () if draw is None else source.reader.lines(picture, lambda: draw(PAGE_SIDE))
    source.channel.send_part(parts, PartFacts.of_page(page, lines), transform.apply(picture))


def _decode_stream(source: _FileToDecode) -> Decoded:
    """Send the parts of a film or a sound; the reply says what they were of."""
    job, channel, parts = source.request.job, source.channel, source.workspace.parts
    assert parts is not None
    stream = Stream(
        source.file,
        source.sniffed.format,
        source.workspace.spec,
        source.workspace.max_pixels,
        emit=lambda facts, array: channel.send_part(parts, facts, array),
        announce_duration=lambda seconds: channel.send(Extent(duration_s=seconds)),
        read_lines=None if source.reader.mode == "off" else source.reader.lines,
        moment=job.moment,
        resume_points=job.resume_points.get(channel.content_hash, {}),
    )
    if stream.moment is not None:
        return replace(source.decoded, facts=decode_moment(stream, source.sniffed.kind))
    if source.sniffed.kind == "audio":
        return replace(source.decoded, facts=decode_sound(stream))
    film = decode_film(stream)
    return replace(source.decoded, kind=film.kind, facts=film.facts, cues=film.cues)


def _changed(before: os.stat_result, after: os.stat_result) -> bool:
    return (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns)


def _reason(error: OSError) -> str:
    if error.errno in (errno.ENOTDIR, getattr(errno, "ESTALE", None)):
        return "vanished before it could be read"
    return f"cannot be read: {(error.strerror or type(error).__name__).lower()}"


if __name__ == "__main__":
    main()
