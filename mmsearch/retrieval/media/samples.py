"""The sound of files as samples, for what compares sounds."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mmsearch.retrieval.media.decode_spec import DecodeSpec
from mmsearch.retrieval.media.workers.decoder import Decoder
from mmsearch.retrieval.media.workers.jobs import Job, Part

if TYPE_CHECKING:
    from mmsearch.hits import Record

_PART_S = 10.0


def read_samples(records: Iterable[Record], rate: int, seconds: float) -> Iterator[NDArray[np.float32] | None]:
    """The first seconds of each record's file, mono, decoded in a worker; None where there is no sound."""
    spec = DecodeSpec(sample_rate=rate, texts=False, window_s=_PART_S, hop_s=_PART_S)
    with Decoder(1, spec, slots=1) as decoder:
        for record in records:
            windows: list[Part] = []
            # What is left of a long file is not decoded: its worker is ended, and another one started.
            for item in decoder.map([Job(os.fsencode(record.path), explicitly_requested=True)]):
                if isinstance(item, Part) and item.kind == "window":
                    windows.append(item)
                    if item.end_s >= seconds:
                        break
            if not windows:
                yield None
                continue
            samples = np.zeros(max(round(part.start_s * rate) + len(part.array) for part in windows), np.float32)
            for part in windows:
                start = round(part.start_s * rate)
                samples[start : start + len(part.array)] = part.array
            yield samples[: round(seconds * rate)]
