"""Listening from end to end: a live source is recorded, its spans are committed as they come, a query is asked of them.

As in `index_run`, the parts do not know each other: the source, the recording and its rows, upkeep, and search.
"""

from __future__ import annotations

import datetime as dt
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mmsearch.errors import CollectionBusyError, DecodeError
from mmsearch.hits import Hit
from mmsearch.retrieval.encoders.protocol import Said, TextEncoder, Transcriber
from mmsearch.retrieval.encoders.routing import ModelRouting
from mmsearch.retrieval.index_run import routing_of
from mmsearch.retrieval.ingest.live import LiveRecording, NewRows
from mmsearch.retrieval.ingest.options import IngestOptions
from mmsearch.retrieval.ingest.run import note_roots
from mmsearch.retrieval.ingest.stored_files import StoredRows
from mmsearch.retrieval.media.live.source import LiveSource, SourceName
from mmsearch.retrieval.search.engine import answer_one
from mmsearch.retrieval.search.options import SearchOptions
from mmsearch.retrieval.search.session import Session
from mmsearch.retrieval.store.schema import facts_table
from mmsearch.retrieval.store.snapshot import Snapshot
from mmsearch.retrieval.store.writer import Addition, Writer, open_writer
from mmsearch.retrieval.upkeep.maintain import maintain
from mmsearch.types import Level, path_json

_LOOK_EVERY_S = 0.5
_UPKEEP_EVERY = 12  # commits: many small shards slow a search
_BUSY_S = 60.0  # that the last commit waits for another writer
_MOST_MATCHES = 50


@dataclass(frozen=True, slots=True)
class Heard:
    """What was heard since the last time.

    Attributes:
        until_s: seconds of the recording that are indexed.
        path: the recording.
        said: what was said, with its times in the recording.
        hits: spans that match the standing query, in order of time.
    """

    until_s: float
    path: Path
    said: tuple[Said, ...] = ()
    hits: tuple[Hit, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The fields as a JSON object."""
        said = [
            {"start_s": round(s.start_s, 3), "end_s": round(s.end_s, 3), "text": s.text, "lang": s.language}
            for s in self.said
        ]
        hits = [hit.to_json() for hit in self.hits]
        return {"until_s": round(self.until_s, 3), **path_json(str(self.path)), "said": said, "hits": hits}


@dataclass(frozen=True, slots=True)
class ListenRequest:
    """What `Collection.listen` is asked for; see there."""

    source: str
    save: Path | None = None
    query: Any = None
    min_level: Level | None = "likely"
    transcribe: str | Transcriber = "auto"
    every_s: float = 5.0
    idle_s: float = 10.0


def listen(session: Session, request: ListenRequest) -> Iterator[Heard]:
    """Record and index a live source until it ends; see `Collection.listen`."""
    name = SourceName.read(request.source)
    options = IngestOptions(transcribe=request.transcribe)
    run = _ListenRun(session, request, options)
    try:
        with LiveSource(name, run.recording.rate, request.idle_s) as source:
            yield from run.follow(source)
    except KeyboardInterrupt:
        pass  # the way to end a recording
    except GeneratorExit:
        run.finish()
        raise
    except DecodeError:
        if run.recording.seconds:
            run.finish()
        raise
    finally:
        run.recording.close()
    yield run.finish()


def default_name(now: dt.datetime | None = None) -> str:
    """The name of a recording that was given none: its date and time."""
    return f"{now or dt.datetime.now():%Y-%m-%d %H.%M.%S}.wav"


class _ListenRun:
    """A recording, its commits, and the standing query."""

    def __init__(self, session: Session, request: ListenRequest, options: IngestOptions) -> None:
        self._session, self._request = session, request
        self._routing = routing_of(session.snapshot, options, session.encoders)
        self.path = Path(os.path.abspath(request.save or default_name()))
        self.recording = LiveRecording(self.path, self._routing, options.cut(self._routing.listener))
        self._commits = 0
        self._asked_until_s = 0.0
        self._matched_until_s = 0.0

    def follow(self, source: LiveSource) -> Iterator[Heard]:
        """What is heard, every few seconds, until the source ends."""
        committed_at = time.monotonic()
        waiting = NewRows([], [])
        while (samples := source.next_samples(_LOOK_EVERY_S)) is not None:
            if len(samples):
                self.recording.add(samples)
            if time.monotonic() - committed_at < self._request.every_s:
                continue
            committed_at = time.monotonic()
            new = self.recording.new_rows()
            waiting = NewRows([*waiting.rows, *new.rows], [*waiting.said, *new.said])
            if not waiting.rows:
                continue
            try:
                heard = self._commit(waiting)
            except CollectionBusyError:  # another run writes: the rows wait for the next time
                continue
            waiting = NewRows([], [])
            yield heard
            if self.recording.is_full:
                return

    def finish(self) -> Heard:
        """End the recording: its rows become those of a file that does not change any more.

        Raises:
            DecodeError: no sound came.
        """
        if not self.recording.seconds:
            raise DecodeError(f"cannot listen to {self._request.source}: no sound came")
        new = self.recording.finish()
        give_up_at = time.monotonic() + _BUSY_S
        while True:
            try:
                return self._commit(new, last=True)
            except CollectionBusyError:
                if time.monotonic() > give_up_at:
                    raise
                time.sleep(_LOOK_EVERY_S)

    def _commit(self, new: NewRows, *, last: bool = False) -> Heard:
        with open_writer(self._session.root) as writer:
            if not self._commits:
                note_roots(writer, self._routing, [os.fsencode(self.path)], hidden=False)
            replaced = _rows_of(Snapshot(writer.root, writer.manifest), self.path) if last else []
            ids = [int(one) for added in writer.commit(_additions(new.rows), replaced) for one in added]
            self._commits += 1
            if last or self._commits % _UPKEEP_EVERY == 0:
                _tidy(writer, self._routing)
        self._session.reopen()
        heard = Heard(self.recording.seconds, self.path, tuple(new.said), self._matches(ids))
        self._asked_until_s = self.recording.seconds
        return heard

    def _matches(self, ids: Sequence[int]) -> tuple[Hit, ...]:
        """The new spans that match the standing query; one that overlaps the last match goes on with it."""
        if self._request.query is None or not ids:
            return ()
        where = f"id >= {min(ids)} and id <= {max(ids)}"
        options = SearchOptions(_MOST_MATCHES, min_level=self._request.min_level, where=where, all_spans=True)
        found = answer_one(self._session, self._request.query, options).hits
        matches = []
        for hit in sorted(found, key=lambda hit: hit.span.start if hit.span else 0.0):
            if hit.span is None or hit.span.end <= self._asked_until_s or hit.span.start < self._matched_until_s:
                continue
            self._matched_until_s = hit.span.end
            matches.append(hit)
        return tuple(matches)


def _additions(rows: Sequence[StoredRows]) -> list[Addition]:
    return [
        Addition(stored.space, stored.modality, facts_table(stored.items), np.asarray(stored.vectors, np.float16))
        for stored in rows
    ]


def _rows_of(snapshot: Snapshot, path: Path) -> list[int]:
    """The ids of a file's live rows."""
    import pyarrow.compute as pc

    found: list[int] = []
    for space in snapshot.manifest.spaces:
        for modality in snapshot.manifest.modalities(space):
            rows = snapshot.rows(space, modality)
            mine = np.asarray(pc.equal(rows.facts(["path"])["path"], os.fsencode(path)), np.bool_)
            found += rows.ids[mine if rows.live is None else mine & rows.live].tolist()
    return found


def _tidy(writer: Writer, routing: ModelRouting) -> None:
    """Merge small shards and bring the indexes up to date."""
    for encoder in routing.encoders:
        maintain(writer, encoder.space, embed=encoder.encode_texts if isinstance(encoder, TextEncoder) else None)
