"""The decoding workers of a run: a module of its own, as a run without work imports nothing of them."""

from __future__ import annotations

from mmsearch.machine import usable_cpus
from mmsearch.retrieval.ingest.options import IngestOptions
from mmsearch.retrieval.media.decode_spec import DecodeSpec
from mmsearch.retrieval.media.workers.decoder import Decoder

_SLOTS_A_WORKER = 4  # the one that it fills, and those that wait to be copied into a batch


def open_decoder(spec: DecodeSpec, options: IngestOptions) -> Decoder:
    """The decoding workers of a run, not started yet."""
    workers = options.workers or usable_cpus()
    return Decoder(workers, spec, slots=_SLOTS_A_WORKER * workers)
