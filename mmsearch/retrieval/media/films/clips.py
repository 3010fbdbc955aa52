"""A frame or a clip of a film as a file of its own: made by a decoding worker, put in place when it is whole."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Any, Literal

from mmsearch.errors import DecodeError, MMSearchError, UsageError
from mmsearch.retrieval.media.decode_spec import DecodeSpec
from mmsearch.retrieval.media.workers.decoder import Decoder, Job
from mmsearch.types import Moment


def save_frame(moment: Moment, output: Path, *, force: bool = False) -> dict[str, Any]:
    """Write the frame that a film shows at ``moment.start_s``, upright and in full size; returns what was written:
    ``time_s`` (its presentation time), ``width``, ``height``.

    Raises:
        UsageError: something is at ``output`` (unless ``force``), or its ending is of no picture.
        DecodeError: the film ends before that, or cannot be decoded.
    """
    return _hand_over("frame", moment, output, force)


def save_clip(moment: Moment, output: Path, *, force: bool = False) -> dict[str, Any]:
    """Write what is in a film or sound from ``moment.start_s`` to ``moment.end_s``; returns ``start_s``, ``end_s`` and
    ``copied``: whether the coded streams were copied, from the key frame before the start on, or coded anew.

    Raises:
        UsageError: something is at ``output`` (unless ``force``), its ending is of no film or sound, or the moment has
            no end.
        DecodeError: the file ends before that, or cannot be decoded.
    """
    if moment.end_s is None:
        raise UsageError(f"{moment} does not say to when the clip goes: give an end in seconds")
    return _hand_over("clip", moment, output, force)


def _hand_over(what: Literal["frame", "clip"], moment: Moment, output: Path, force: bool) -> dict[str, Any]:
    from mmsearch.retrieval.media.films.extract import check_ending

    check_ending(what, output)
    if output.exists() and not force:
        raise UsageError(f"there is a file at {output} already; --force writes over it")
    if not output.parent.is_dir():
        raise UsageError(f"no folder {output.parent} to write {output.name} to")
    unfinished = output.with_name(f".{output.stem}-{secrets.token_hex(3)}{output.suffix}")
    source = os.fsencode(os.path.abspath(moment.path))
    target = os.fsencode(os.path.abspath(unfinished))
    job = Job(source, True, moment=(moment.start_s, moment.end_s), write=(what, target))
    try:
        unfinished.touch(exist_ok=False)  # a worker may write to this file, and make none
        with Decoder(1, DecodeSpec(), slots=1, writes_to=target) as decoder:
            file, _ = decoder.decode_one(job)
        if file.written is None:
            raise DecodeError(f"no {what} of {moment.path}: {file.reason}")
        unfinished.replace(output)
        return file.written
    except OSError as error:
        raise MMSearchError(f"cannot write {output}: {error.strerror}") from error
    finally:
        unfinished.unlink(missing_ok=True)
