"""Which files are not decoded, for their kind or their size, and why."""

from __future__ import annotations

from mmsearch.errors import Hint
from mmsearch.retrieval.media.decode_spec import DecodeSpec
from mmsearch.retrieval.media.formats import MODALITY_OF_KIND, Kind
from mmsearch.retrieval.media.sniff import Sniffed
from mmsearch.retrieval.media.texts.text import MAX_TEXT_BYTES
from mmsearch.retrieval.media.workers.jobs import Decoded, DecodedKind, Job
from mmsearch.types import Modality

DECODED_KINDS: dict[Kind, DecodedKind] = {
    "image": "image",
    "raw": "image",
    "text": "text",
    "table": "table",
    "subtitles": "subtitles",
    "document": "document",
    "audio": "audio",
    "video": "video",
}
"""What decoding makes of each kind of format."""


def rejected_file(sniffed: Sniffed, job: Job, size: int, spec: DecodeSpec) -> Decoded | None:
    """A file that is not decoded for its kind or its size; None where it is decoded."""
    if sniffed.reason is not None:
        return Decoded.skipped(job.path, sniffed.reason)
    is_page = sniffed.kind == "document" and job.moment is not None
    modality: Modality = "image" if is_page else MODALITY_OF_KIND[sniffed.kind]
    rejection = spec.rejection(modality)
    if rejection is not None:
        reason, way_out = spec.explain(rejection, modality)
        hint = None if way_out is None else Hint(way_out)
        return Decoded.skipped(job.path, reason, kind=DECODED_KINDS[sniffed.kind], rejection=rejection, hint=hint)
    if sniffed.kind in ("text", "subtitles") and size > MAX_TEXT_BYTES:
        return Decoded.skipped(job.path, f"a text of over {MAX_TEXT_BYTES >> 20} MiB: split it")
    return None
