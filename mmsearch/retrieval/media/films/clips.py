"""A frame or a clip of a film as a new file. A decoding worker writes it; it gets its name when it is complete."""

from __future__ import annotations

import os
import secrets
from dataclasses import replace
from pathlib import Path
from typing import Literal

from mmsearch.errors import DecodeError, HintKind, MMSearchError, UsageError
from mmsearch.extracts import SavedClip, SavedFrame
from mmsearch.retrieval.media.decode_spec import DecodeSpec
from mmsearch.retrieval.media.workers.decoder import Decoder
from mmsearch.retrieval.media.workers.jobs import Job, Output
from mmsearch.types import Moment


def save_frame(moment: Moment, output: Path, *, force: bool = False, content: bytes | None = None) -> SavedFrame:
    """Write the frame that a film shows at ``moment.start_s``, upright and in full size.

    ``content``: the file that holds the film's bytes, where its path names an item of an archive.

    Raises:
        UsageError: there is a file at ``output`` (unless ``force``), or its ending is not that of a picture.
        DecodeError: the film ends before that, or cannot be decoded.
    """
    saved = _save("frame", moment, output, force, content)
    assert isinstance(saved, SavedFrame)
    return saved


def save_clip(moment: Moment, output: Path, *, force: bool = False, content: bytes | None = None) -> SavedClip:
    """Write what is in a film or sound from ``moment.start_s`` to ``moment.end_s``.

    Coded streams are copied where the kind of file allows that, from the key frame before the start on; else they are
    coded anew. ``content``: as for `save_frame`.

    Raises:
        UsageError: there is a file at ``output`` (unless ``force``), its ending is not that of a film or sound, or the
            moment has no end.
        DecodeError: the file ends before that, or cannot be decoded.
    """
    if moment.end_s is None:
        raise UsageError(f"{moment} does not say to when the clip goes: give an end in seconds")
    saved = _save("clip", moment, output, force, content)
    assert isinstance(saved, SavedClip)
    return saved


def _save(
    what: Literal["frame", "clip"], moment: Moment, output: Path, force: bool, content: bytes | None
) -> SavedFrame | SavedClip:
    from mmsearch.retrieval.media.films.extract import check_ending

    check_ending(what, output)
    if output.exists() and not force:
        raise UsageError(f"there is a file at {output} already", hint=HintKind.OVERWRITE)
    if not output.parent.is_dir():
        raise UsageError(f"no folder {output.parent} to write {output.name} to")
    unfinished = output.with_name(f".{output.stem}-{secrets.token_hex(3)}{output.suffix}")
    source = os.fsencode(os.path.abspath(moment.path))
    target = os.fsencode(os.path.abspath(unfinished))
    span = (moment.start_s, moment.end_s)
    job = Job(source, explicitly_requested=True, moment=span, write=Output(what, target), content=content)
    try:
        unfinished.touch(exist_ok=False)  # a worker may write to this file, but cannot create one
        with Decoder(1, DecodeSpec(), slots=1, writes_to=target) as decoder:
            file, _ = decoder.decode_one(job)
        if file.saved is None:
            raise DecodeError(f"no {what} of {moment.path}: {file.reason}", hint=file.hint)
        unfinished.replace(output)
        return replace(file.saved, output=output)
    except OSError as error:
        raise MMSearchError(f"cannot write {output}: {error.strerror}") from error
    finally:
        unfinished.unlink(missing_ok=True)
