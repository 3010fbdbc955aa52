"""``mmsearch query -``: queries from standard input, one per line, answered in batches as they arrive."""

from __future__ import annotations

import queue
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, TypeVar

from mmsearch import Answer, MMSearchError, QueryLine, Term, UsageError
from mmsearch.cli.hints import explained_error
from mmsearch.cli.output import say

BATCH = 64
MAX_LINE_BYTES = 1 << 20
"""A longer line is an error, and is skipped without being held in memory."""

T = TypeVar("T")
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True, slots=True)
class InputLine:
    """A line that is not blank: its number, from 1, and its text or the error why it cannot be a query."""

    number: int
    words: str | MMSearchError


def read_lines(stream: IO[bytes]) -> Iterator[InputLine]:
    """The lines of a stream in UTF-8, with or without a byte order mark, whatever ends its lines.

    Bytes that are not UTF-8, which may be a file's name, are decoded with ``surrogateescape``, as Python decodes names.

    Raises:
        UsageError: the stream is UTF-16.
    """
    number = 0
    while line := stream.readline(MAX_LINE_BYTES):
        number += 1
        if number == 1:
            if line.startswith(_UTF16):
                raise UsageError("standard input is UTF-16: write the queries as UTF-8")
            line = line.removeprefix(b"\xef\xbb\xbf")
        if len(line) == MAX_LINE_BYTES and not line.endswith(b"\n"):
            while (rest := stream.readline(MAX_LINE_BYTES)) and not rest.endswith(b"\n"):
                pass
            yield InputLine(number, UsageError(f"longer than {MAX_LINE_BYTES} bytes"))
        elif words := line.decode("utf-8", "surrogateescape").strip():
            yield InputLine(number, words)


def batches(lines: Iterable[InputLine], size: int = BATCH) -> Iterator[list[InputLine]]:
    """Batches of the lines that have arrived, at most ``size`` in each; never waits for a batch to fill.

    A thread reads the lines, at most one batch ahead.
    """
    waiting: queue.Queue[InputLine | BaseException | None] = queue.Queue(size)

    def read() -> None:
        try:
            for line in lines:
                waiting.put(line)
            waiting.put(None)
        except BaseException as error:
            waiting.put(error)

    threading.Thread(target=read, daemon=True).start()
    last: BaseException | None = None
    ended = False
    while not ended:
        batch: list[InputLine] = []
        with suppress(queue.Empty):
            item = waiting.get()
            while isinstance(item, InputLine):
                batch.append(item)
                if len(batch) == size:
                    break
                item = waiting.get_nowait()
            else:
                ended, last = True, item
        if batch:
            yield batch
    if last is not None:
        raise last


def answer_lines(
    stream: IO[bytes],
    read: Callable[[str], T],
    ask: Callable[[list[T]], Sequence[tuple[QueryLine, Answer] | MMSearchError]],
    show: Callable[[InputLine, QueryLine, Answer], None],
) -> int:
    """Answer the lines of a stream in order. The error of a line is printed, and the lines after it are answered.

    Args:
        stream: the lines.
        read: makes a question of the words of a line.
        ask: gives each question as it was read, with the answer to it.
        show: prints an answer.

    Returns:
        How many lines could not be answered.
    """
    failed = 0
    for batch in batches(read_lines(stream)):
        readings = [_reading(line, read) for line in batch]
        answers = iter(ask([reading for reading in readings if not isinstance(reading, MMSearchError)]))
        for line, reading in zip(batch, readings, strict=True):
            answer = reading if isinstance(reading, MMSearchError) else next(answers)
            if isinstance(answer, MMSearchError):
                failed += 1
                say(f"mmsearch: line {line.number}: {explained_error(answer)}")
            else:
                show(line, *answer)
        sys.stdout.flush()  # the program that writes the lines may wait for the answers
    return failed


def _reading(line: InputLine, read: Callable[[str], T]) -> T | MMSearchError:
    if isinstance(line.words, MMSearchError):
        return line.words
    try:
        return read(line.words)
    except MMSearchError as error:
        return error


def check_unicode(terms: Iterable[Term]) -> None:
    """Refuse words that were not UTF-8.

    Raises:
        UsageError: a term holds bytes that `read_lines` could not decode.
    """
    if any(_is_no_unicode(term.value) for term in terms):
        raise UsageError("not UTF-8, and no file of that name")


def _is_no_unicode(value: object) -> bool:
    return isinstance(value, str) and any("\udc80" <= c <= "\udcff" for c in value)
