"""The façade: `Collection` makes, opens and changes collections, and answers queries (see `collection_queries`)."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from mmsearch.collection_contents import CollectionContents
from mmsearch.collection_queries import CollectionQueries
from mmsearch.collection_rows import CollectionRows
from mmsearch.collection_speech import CollectionSpeech
from mmsearch.errors import UsageError
from mmsearch.retrieval.encoders.loaded import LoadedEncoders
from mmsearch.retrieval.encoders.runtime import Runtime
from mmsearch.retrieval.progress import Watcher, no_progress
from mmsearch.retrieval.search.session import Session
from mmsearch.retrieval.store.manifest import IndexSettings, Manifest
from mmsearch.retrieval.store.manifest_file import manifest_exists
from mmsearch.retrieval.store.remote import collection_root
from mmsearch.types import Modality, Moment, Report

if TYPE_CHECKING:
    from typing import Self

    import numpy as np
    from numpy.typing import NDArray

    from mmsearch.extracts import SavedClip, SavedFrame, Thumbnail
    from mmsearch.hits import Record
    from mmsearch.retrieval.encoders.protocol import Encoder, Transcriber
    from mmsearch.retrieval.enrich.ocr.lines import OcrMode
    from mmsearch.retrieval.ingest.options import Check, IngestOptions
    from mmsearch.retrieval.sources.protocol import Source
    from mmsearch.retrieval.upkeep.doctor import Problem


class Collection(CollectionQueries, CollectionContents, CollectionRows, CollectionSpeech):
    """Vectors of files, and ways to find them. Use `create` or `open`; several threads may read at once.

    A collection reads what its manifest named when it was opened; `reopen` moves it to the newest. It writes
    under a lock, one process at a time. As a context manager it is closed at the end of the block.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    @classmethod
    def create(
        cls,
        path: str | os.PathLike[str],
        model: str | Encoder | None = "auto",
        *,
        index: str = "auto",
        recall: float = 0.98,
        device: str = "auto",
        precision: str = "auto",
    ) -> Collection:
        """Make a new collection.

        Args:
            path: its folder, new or empty; or its address in a bucket, such as ``s3://bucket/photos.mms``.
            model: a catalogue name, ``open_clip:…``, ``auto`` (the best model whose weights are on this machine,
                else the built-in `mini`), an encoder of your own (an object, ``"module:Class"``, or the name
                that a package registers; see `Encoder`), or None for vectors made elsewhere.
            index: ``auto``, ``exact``, ``ivfpq`` or a FAISS factory string.
            recall: recall@10 that an approximate index is tuned to.
            device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
            precision: ``auto``, ``float32``, ``bfloat16``, ``float16`` or ``int8``.

        Raises:
            CollectionExistsError: there is a collection already.
            UsageError: other files are there.
            ModelUnavailableError: the model cannot be loaded.
        """
        from mmsearch.retrieval.store.create import check_free, create_files
        from mmsearch.retrieval.upkeep.index_settings import changed_settings

        root = collection_root(path)
        check_free(root)
        manifest = Manifest(settings=changed_settings(IndexSettings(), index, recall))
        encoders = LoadedEncoders(Runtime(device, precision))
        if model is not None:
            from mmsearch.models import best

            space = encoders.named(best().name if model == "auto" else model).space
            manifest = replace(manifest, primary_space=space.key, spaces={space.key: space})
        create_files(root, manifest)
        return cls(Session(root, encoders))

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        *,
        device: str = "auto",
        precision: str = "auto",
        encoders: Sequence[str | Encoder] = (),
        texts_kept: int = 0,
    ) -> Self:
        """Open a collection. That takes no lock; the methods that write take it when they are called.

        Args:
            path: its folder, or its address in a bucket.
            device: what models run on: ``auto``, ``cpu``, ``cuda`` or ``mps``.
            precision: of the models: ``auto``, ``float32``, ``bfloat16``, ``float16`` or ``int8``.
            encoders: the collection's encoders of your own: objects, or ``"module:Class"``. Models of mmsearch, and
                encoders that an installed package registers, are found without.
            texts_kept: how many vectors of texts to keep, so that a query that is asked again is not embedded again.

        Raises:
            UsageError: one of ``encoders`` is no encoder; the text names what it lacks.
            CollectionNotFoundError: there is no collection at ``path``.
            CollectionDamagedError: its manifest cannot be read; `doctor` may mend it.
            NewerFormatError: a newer version of mmsearch wrote it.
        """
        root = collection_root(path)
        return cls(Session(root, LoadedEncoders(Runtime(device, precision), encoders), texts_kept))

    @classmethod
    def exists(cls, path: str | os.PathLike[str]) -> bool:
        """Whether there is a collection at a path, damaged or not.

        Args:
            path: its folder, or its address in a bucket.
        """
        return manifest_exists(collection_root(path))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of models and mapped files. After that, every other call raises a `CollectionClosedError`."""
        self._session.close()

    def reopen(self) -> bool:
        """Move to the newest manifest, as another process wrote it; returns whether it was another one."""
        return self._session.reopen()

    def index(
        self,
        paths: str | os.PathLike[str] | Source | Iterable[str | os.PathLike[str] | Source] = (),
        *,
        model: str | Encoder | None = None,
        index: str | None = None,
        recall: float | None = None,
        dry_run: bool = False,
        watch: Watcher | None = None,
        only: Sequence[Modality] = (),
        exclude: Sequence[str] = (),
        lift: Sequence[str] = (),
        hidden: bool = False,
        follow_links: bool = False,
        text_column: str | None = None,
        workers: int | None = None,
        batch: int | None = None,
        memory: int | None = None,
        threads: int | None = None,
        prune_missing: bool = False,
        check: Check = "times",
        retry_skipped: bool = False,
        window: float = 10.0,
        hop: float = 5.0,
        transcribe: str | Transcriber = "auto",
        ocr: OcrMode = "auto",
        changed: Sequence[str | os.PathLike[str]] | None = None,
    ) -> Report:
        """Find and embed what is new or changed under ``paths``, and forget files that are gone.

        Args:
            paths: folders and files, or one; none stands for all that were indexed before. A file that is named is
                indexed even if a scan of its folder would pass it over. Also archives (tar, ZIP), Parquet files with
                pictures or sounds, addresses of object stores (``s3://…``), all with ranges such as ``{000..099}``, and
                sources of your own (see `Source`), which must be named in each run.
            model: another model than the collection's, as in `create`: a new space is built beside the old ones, from
                all roots. When it is complete, it replaces models whose modalities it embeds all; other models stay
                beside it.
            index: ``auto``, ``exact``, ``ivfpq`` or a FAISS factory string; kept for later runs.
            recall: recall@10 that an approximate index is tuned to; kept for later runs.
            dry_run: write nothing; the report says what would be done, which files would be skipped and why, and which
                would be embedded again. Files are judged by their names, times and first bytes.
            watch: called with a `Progress` as the work goes on.
            only: modalities of the files to read, default all that the models embed.
            exclude: patterns, in the syntax of .gitignore, of files and folders to pass over; kept for later runs.
            lift: patterns and removed paths that earlier runs kept and that no longer hold, or ``all``.
            hidden: read files and folders whose names begin with a dot, too.
            follow_links: follow symbolic links; otherwise each is reported as skipped.
            text_column: the column of tables that holds the texts; default it is guessed for each file.
            workers: decoding processes, default one for each processor.
            batch: pictures or frames embedded at once, default 8 at first and up to 64 while that is fast.
            memory: bytes that building an index may take, default a quarter of the free memory.
            threads: threads that build an index, default one for each processor.
            prune_missing: forget files that lay in folders or on disks that are missing or empty now.
            check: what shows that a file has not changed: ``times`` (size, modification and status change), ``mtime``
                (size and modification time) or ``content`` (its hash; every file is read).
            retry_skipped: open files again that an earlier run skipped and that have not changed.
            window: seconds of sound in one row, above 0 and at most 10.
            hop: seconds from the start of one window of sound to the next, at most ``window``.
            transcribe: what turns the speech in sounds and films into text: ``auto`` (the first model of
                `models.transcribers` whose weights are on this machine, else nothing), ``off``, a model's name, or a
                `Transcriber` of your own (an object, ``"module:Class"``, or the name that a package registers). What
                another one has transcribed is transcribed again unless it is ``auto``.
            ocr: text in pictures, frames and scanned pages: ``auto`` reads it where there seems to be some, if the
                extra ``ocr`` is installed, ``all`` looks closely at every picture, ``off`` at none. Files that were
                indexed with less are read again.
            changed: files and folders under ``paths`` that have changed, come or gone, as a program that watches them
                knows. All others count as unchanged and are not looked at. None: everything is looked at.

        Raises:
            UsageError: a path that does not exist, no path and nothing indexed yet, or a bad option.
            CollectionBusyError: another process writes to the collection.
            ModelUnavailableError: a model cannot be loaded.
        """
        from mmsearch.retrieval.index_run import IndexRequest, listed_inputs, preview_index, run_index
        from mmsearch.retrieval.ingest.options import IngestOptions

        options = IngestOptions(
            only=only,
            exclude=exclude,
            lift=lift,
            hidden=hidden,
            follow_links=follow_links,
            text_column=text_column,
            workers=workers,
            batch=batch,
            memory=memory,
            threads=threads,
            prune_missing=prune_missing,
            check=check,
            retry_skipped=retry_skipped,
            window=window,
            hop=hop,
            transcribe=transcribe,
            ocr=ocr,
            changed=changed,
        )
        request = IndexRequest(listed_inputs(paths), model, index, recall, options)
        session, watch = self._session, watch or no_progress
        if dry_run:
            return session.retrying(lambda: preview_index(session.snapshot, request, session.encoders, watch))
        report = run_index(session.snapshot, request, session.encoders, watch)
        session.reopen()
        return report

    @staticmethod
    def check_index(
        paths: str | os.PathLike[str] | Source | Iterable[str | os.PathLike[str] | Source],
        *,
        index: str | None = None,
        recall: float | None = None,
        options: IngestOptions | None = None,
    ) -> None:
        """Check the arguments of a first `index` before a collection is created for it, which is left if they fail.

        Args:
            paths: folders and files that are to be indexed, or one.
            index: as for `index`.
            recall: as for `index`.
            options: its other options.

        Raises:
            UsageError: a path that does not exist, a pattern that cannot be read, or an index or recall that cannot be.
        """
        from mmsearch.retrieval.index_run import IndexRequest, check_first_run, listed_inputs
        from mmsearch.retrieval.ingest.options import IngestOptions

        check_first_run(IndexRequest(listed_inputs(paths), None, index, recall, options or IngestOptions()))

    def compact(self, *, parallel: int = 1) -> tuple[int, int]:
        """Merge all shards of a modality into one and drop dead rows; returns the number of shards before and after.

        Args:
            parallel: processes that merge the indexes, and encode what they do not cover yet. The result is the same
                for any number of them. A process that is killed costs its piece alone, which is begun again.

        Raises:
            UsageError: ``parallel`` below 1.
            MMSearchError: a piece failed twice; the collection is as it was before it.
        """
        from mmsearch.retrieval.store.writer import open_writer
        from mmsearch.retrieval.upkeep.maintain import compact

        if parallel < 1:
            raise UsageError(f"parallel must be at least 1, not {parallel}")
        with open_writer(self.root) as writer:
            before = len(writer.manifest.shards)
            compact(writer, parallel=parallel)
            after = len(writer.manifest.shards)
        self.reopen()
        return before, after

    @staticmethod
    def doctor(path: str | os.PathLike[str], *, repair: bool = False) -> list[Problem]:
        """Verify every file of a collection: checksums, rows, spaces, ids. Works also if it cannot be opened.

        Args:
            path: the collection's folder, or its address in a bucket.
            repair: mend what can be mended. Files of damaged shards are embedded again by the next `index`; damaged
                indexes are built again; a lost manifest is made from the shards.

        Raises:
            CollectionNotFoundError: there is no collection.
            CollectionBusyError: it is to be repaired while another process writes to it.
        """
        from mmsearch.retrieval.upkeep.doctor import examine

        return examine(collection_root(path), repair=repair)

    @staticmethod
    def save_frame(moment: Moment, output: str | os.PathLike[str], *, force: bool = False) -> SavedFrame:
        """Write the frame that a film shows at a time as a picture, upright and in full size. Needs no collection.

        Args:
            moment: the film, which may be an item ``shard.tar#film.mp4``, and the time: ``Moment(path, start_s)``.
            output: the picture's file; its ending says what it is: ``.jpg``, ``.png`` or ``.webp``.
            force: write over a file that is there.

        Raises:
            UsageError: there is a file at ``output``, or its ending is not that of a picture.
            DecodeError: the film ends before the time, or cannot be decoded.
        """
        from mmsearch.retrieval.media.films.clips import save_frame
        from mmsearch.retrieval.search.item_file import content_at

        with content_at(moment.path) as content:
            return save_frame(moment, Path(output), force=force, content=content)

    @staticmethod
    def save_clip(moment: Moment, output: str | os.PathLike[str], *, force: bool = False) -> SavedClip:
        """Write a part of a film or sound as a file. Needs no collection.

        Coded streams are copied where the kind of file allows that, from the key frame before the start on; else they
        are encoded again.

        Args:
            moment: the film or sound and the part of it, ``Moment(path, start_s, end_s)``.
            output: the file to write; its ending says what it is, such as ``.mp4`` or ``.flac``.
            force: write over a file that is there.

        Raises:
            UsageError: there is a file at ``output``, or its ending is not that of a film or sound.
            DecodeError: the file ends before the start, or cannot be decoded.
        """
        from mmsearch.retrieval.media.films.clips import save_clip
        from mmsearch.retrieval.search.item_file import content_at

        with content_at(moment.path) as content:
            return save_clip(moment, Path(output), force=force, content=content)

    @staticmethod
    def thumbnails(hits: Iterable[Record], *, height: int, width: int, workers: int = 1) -> Iterator[Thumbnail]:
        """Small pictures of hits: of a picture or a page of it, or of the frame in the middle of a film's span.

        They are decoded one by one, while they are asked for, in a process of their own; by several such processes some
        ahead. Needs no collection.

        Args:
            hits: those of a search, or other records; sounds and texts have no picture.
            height: the most pixels from top to bottom.
            width: the most pixels from left to right; the aspect ratio is kept.
            workers: processes that decode.
        """
        from mmsearch.retrieval.media.thumbnails import read_thumbnails
        from mmsearch.retrieval.search.item_file import content_of

        return read_thumbnails(hits, height, width, workers, content_of)

    @staticmethod
    def samples(hits: Iterable[Record], *, rate: int, seconds: float) -> Iterator[NDArray[np.float32] | None]:
        """The first seconds of the sound in the files of hits, mono, float32 ``[samples]``; None where there is none.

        They are decoded one by one, while they are asked for, in a process of their own. Needs no collection.

        Args:
            hits: sounds or films.
            rate: samples per second.
            seconds: the most that is decoded of each.
        """
        from mmsearch.retrieval.media.samples import read_samples
        from mmsearch.retrieval.search.item_file import content_of

        return read_samples(hits, rate, seconds, content_of)
