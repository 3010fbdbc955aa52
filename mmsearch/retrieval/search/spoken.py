"""What is said in a file: for a spoken query, and for those who want the words."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from mmsearch.errors import DecodeError, HintKind, ModelUnavailableError, NoSuchFileError
from mmsearch.notices import Notice, NoticeKind
from mmsearch.retrieval.encoders.protocol import Said, Transcriber
from mmsearch.retrieval.encoders.runtime import DEFAULT_RUNTIME, Runtime
from mmsearch.retrieval.enrich.speech.load import find_transcriber
from mmsearch.retrieval.enrich.speech.reader import SpeechReader
from mmsearch.retrieval.media.decode_spec import DecodeSpec
from mmsearch.retrieval.media.workers.decoder import Decoder
from mmsearch.retrieval.media.workers.jobs import Decoded, Job, Part
from mmsearch.retrieval.progress import Progress, Watcher, no_progress
from mmsearch.retrieval.search.query_line import SAY, looks_like_path
from mmsearch.types import printable


def what_is_said(
    path: Path,
    transcribe: str | Transcriber = "auto",
    runtime: Runtime = DEFAULT_RUNTIME,
    watch: Watcher = no_progress,
) -> list[Said]:
    """The pieces of what is said in a sound or film, in order of time.

    Raises:
        NoSuchFileError: there is no such file, or it is a folder.
        DecodeError: it cannot be read, or has no sound.
        ModelUnavailableError: there is no model for speech on this machine, or it cannot be loaded.
    """
    if not path.is_file():
        raise NoSuchFileError(f"there is no file {printable(str(path))}")
    transcriber = find_transcriber(transcribe, runtime)
    if transcriber is None:
        raise ModelUnavailableError("no model for speech is on this machine", hint=HintKind.FETCH_TRANSCRIBER)
    reader = SpeechReader(transcriber)
    said: list[Said] = []
    with Decoder(1, DecodeSpec(texts=False, speech=True), slots=1) as decoder:
        for item in decoder.map([Job(os.fsencode(os.path.abspath(path)), explicitly_requested=True)]):
            if isinstance(item, Part):
                said += reader.add(item.array)
                watch(Progress("decode", path=str(path), at_s=item.end_s, of_s=item.of_s))
            elif isinstance(item, Decoded):
                file = item
    if file.outcome == "skipped":
        raise DecodeError(f"cannot listen to {printable(str(path))}: {file.reason}", hint=file.hint)
    return said + reader.finish()


def with_words_said(terms: Sequence[str], transcribe: str | Transcriber, notices: list[Notice]) -> list[str]:
    """The terms of a line, with the words that are said in FILE for each ``say:FILE``; ``notices`` gets what was heard.

    ``say:cheese`` is a word, if there is no such file and it does not look like one.

    Raises:
        MMSearchError: see `words_said`.
    """
    found = []
    for term in terms:
        name = os.path.expanduser(term.removeprefix(SAY))
        if term.startswith(SAY) and (os.path.isfile(name) or looks_like_path(name)):
            words = words_said(Path(name), transcribe)
            notices.append(Notice(NoticeKind.HEARD, {"words": words}))
            term = words
        found.append(term)
    return found


def words_said(path: Path, transcribe: str | Transcriber = "auto") -> str:
    """The words that are said in a file, for a query.

    Raises:
        MMSearchError: see `what_is_said`; a `DecodeError` too if nobody speaks in it.
    """
    words = " ".join(piece.text for piece in what_is_said(path, transcribe))
    if not words:
        raise DecodeError(f"nobody speaks in {printable(str(path))}")
    return words
