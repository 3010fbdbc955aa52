"""The sound of files as samples, for what compares sounds."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mmsearch.errors import MMSearchError
from mmsearch.retrieval.media.decode_spec import DecodeSpec
from mmsearch.retrieval.media.workers.contents import HeldContent
from mmsearch.retrieval.media.workers.decoder import Decoder
from mmsearch.retrieval.media.workers.jobs import Job, Part

if TYPE_CHECKING:
    from mmsearch.hits import Record

_PART_S = 10.0


def read_samples(
    records: Iterable[Record],
    rate: int,
    seconds: float,
    content_of: Callable[[Record], HeldContent | None] = lambda _: None,
) -> Iterator[NDArray[np.float32] | None]:
    """The first seconds of each record's file, mono, decoded in a worker; None where there is no sound.

    ``content_of`` opens the bytes of a record whose path is no file's, and raises a FileNotFoundError or MMSearchError
    where it cannot.
    """
    spec = DecodeSpec(sample_rate=rate, texts=False, window_s=_PART_S, hop_s=_PART_S)
    with Decoder(1, spec, slots=1) as decoder:
        for record in records:
            windows = list(_windows(decoder, record, seconds, content_of))
            if not windows:
                yield None
                continue
            samples = np.zeros(max(round(part.start_s * rate) + len(part.array) for part in windows), np.float32)
            for part in windows:
                start = round(part.start_s * rate)
                samples[start : start + len(part.array)] = part.array
            yield samples[: round(seconds * rate)]


def _windows(
    decoder: Decoder, record: Record, seconds: float, content_of: Callable[[Record], HeldContent | None]
) -> Iterator[Part]:
    with ExitStack() as stack:
        try:
            content = content_of(record)
        except (FileNotFoundError, MMSearchError):
            return
        if content is not None:
            stack.enter_context(content)
        job = Job(
            os.fsencode(record.path), explicitly_requested=True, content=None if content is None else content.path
        )
        # What is left of a long file is not decoded: its worker is ended, and another one started.
        for item in decoder.map([job]):
            if isinstance(item, Part) and item.kind == "window":
                yield item
                if item.end_s >= seconds:
                    return
