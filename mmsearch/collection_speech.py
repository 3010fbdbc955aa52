"""The calls of a `Collection` that listen: to what is said in a file, and to sound while it is being made."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from mmsearch.collection_queries import QueryInput
from mmsearch.retrieval.progress import Watcher, no_progress
from mmsearch.retrieval.search.session import Session
from mmsearch.types import Level

if TYPE_CHECKING:
    from mmsearch.retrieval.encoders.protocol import Said, Transcriber
    from mmsearch.retrieval.listen_run import Heard


class CollectionSpeech:
    """What a `Collection` hears."""

    _session: Session

    def listen(
        self,
        source: str | os.PathLike[str],
        save: str | os.PathLike[str] | None = None,
        *,
        query: QueryInput | None = None,
        min_level: Level | None = "likely",
        transcribe: str | Transcriber = "auto",
        every_s: float = 5.0,
        idle_s: float = 10.0,
    ) -> Iterator[Heard]:
        """Record a live source, index it as it comes, and answer a standing query.

        The recording is kept as a WAV file, and its rows are those of that file: a later `index` finds it unchanged.
        It ends with the source, at Ctrl-C, or when the iterator is closed; all that came is kept.

        Args:
            source: ``mic``, ``mic:NAME``, ``-`` (standard input), an address such as ``rtsp://…``, or a file that may
                still be written.
            save: the WAV file to write, which must not exist. Default: the date and time, in the current folder.
            query: what to look for in what comes.
            min_level: the least level of spans that match the query.
            transcribe: what turns speech into text, as in `index`.
            every_s: seconds from one commit to the next.
            idle_s: a file has ended when it has not grown for so many seconds.

        Returns:
            An iterator over what was heard since the last time; in the end once more, when the recording is whole.

        Raises:
            UsageError: there is a file at ``save``, or no model of the collection can listen.
            NoSuchFileError: there is no such source.
            DecodeError: the source cannot be read, or no sound came.
            CollectionBusyError: another process wrote to the collection for a minute when the recording ended.
        """
        from mmsearch.retrieval.listen_run import ListenRequest, listen

        saved = None if save is None else Path(save).expanduser()
        request = ListenRequest(os.fspath(source), saved, query, min_level, transcribe, every_s, idle_s)
        return listen(self._session, request)

    @staticmethod
    def transcribe(
        path: str | os.PathLike[str], transcribe: str | Transcriber = "auto", *, watch: Watcher | None = None
    ) -> list[Said]:
        """What is said in a sound or film, with times. Needs no collection.

        Args:
            path: the file.
            transcribe: what turns speech into text, as in `index`.
            watch: called with a `Progress` as the file is read.

        Raises:
            NoSuchFileError: there is no such file, or it is a folder.
            DecodeError: it cannot be read, or has no sound.
            ModelUnavailableError: there is no model for speech on this machine, or it cannot be loaded.
        """
        from mmsearch.retrieval.search.spoken import what_is_said

        return what_is_said(Path(path), transcribe, watch=watch or no_progress)
