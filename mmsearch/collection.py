"""Collection: the façade that joins the rooms. A folder on disk, a model, and the questions one can ask."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mmsearch.durable import explained_write_errors
from mmsearch.errors import CollectionExistsError, HintKind, ReadOnlyError, UsageError
from mmsearch.retrieval.search.session import Reader, check_space
from mmsearch.retrieval.store.lock import LOCK_NAME
from mmsearch.retrieval.store.manifest import MANIFEST_NAME, IndexSettings, Manifest, save_manifest
from mmsearch.retrieval.store.snapshot import Snapshot
from mmsearch.types import Modality, Moment, Report, SavedClip, SavedFrame, Space, Thumbnail

if TYPE_CHECKING:
    from mmsearch.hits import Record
    from mmsearch.retrieval.encoders.protocol import Encoder
    from mmsearch.retrieval.encoders.routing import ModelRouting
    from mmsearch.retrieval.progress import Watcher
    from mmsearch.retrieval.upkeep.doctor import Problem


class Collection(Reader):
    """Files turned into vectors, and ways to find them. Reading is safe from several threads.

    A collection reads what its manifest named when it was opened; `reopen` moves it to the newest. It writes
    under a lock, one process at a time. Use `create` or `open`.
    """

    @classmethod
    def create(
        cls,
        path: str | os.PathLike[str],
        model: str | None = "auto",
        *,
        index: str = "auto",
        recall: float = 0.98,
        device: str = "auto",
        precision: str = "auto",
    ) -> Collection:
        """Make a new collection.

        Args:
            path: its folder, new or empty.
            model: a catalogue name, ``open_clip:…``, ``auto`` (the best model whose weights are on this machine,
                else the built-in `mini`), or None for vectors made elsewhere alone.
            index: ``auto``, ``exact``, ``ivfpq`` or a FAISS factory string.
            recall: recall@10 that an approximate index is tuned to.
            device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
            precision: ``auto``, ``float32``, ``bfloat16``, ``float16`` or ``int8``.

        Raises:
            CollectionExistsError: there is a collection already.
            UsageError: other files are there.
            ModelUnavailableError: the model cannot be loaded.
        """
        root = Path(path).expanduser().absolute()
        if (root / MANIFEST_NAME).exists():
            raise CollectionExistsError(f"there is a collection at {root} already; open it")
        if root.is_dir() and any(root.iterdir()):
            raise UsageError(f"{root} holds other files; name a new or an empty folder")
        if root.exists() and not root.is_dir():
            raise UsageError(f"{root} is a file; name a folder")
        manifest = Manifest(settings=checked_settings(IndexSettings(), index, recall))
        encoders: dict[str, Encoder] = {}
        if model is not None:
            from mmsearch.models import best
            from mmsearch.retrieval.encoders.load import load_encoder

            name = best().name if model == "auto" else model
            encoder = load_encoder(name, device=device, precision=precision)
            key = encoder.space.key
            manifest = replace(manifest, primary_space=key, spaces={key: encoder.space})
            encoders[key] = encoder
        was_there = root.is_dir()
        with explained_write_errors(root):
            make_folder(root)
            try:
                (root / LOCK_NAME).touch()
                save_manifest(root, manifest)
            except BaseException:  # half a collection would be in the way of the next try
                (root / LOCK_NAME).unlink(missing_ok=True)
                if not was_there:
                    root.rmdir()
                raise
        collection = cls(root, device=device, precision=precision)
        collection._encoders = encoders
        return collection

    def index(
        self,
        paths: Sequence[str | os.PathLike[str]] = (),
        *,
        model: str | None = None,
        index: str | None = None,
        recall: float | None = None,
        dry_run: bool = False,
        watch: Watcher | None = None,
        **options: Any,
    ) -> Report:
        """Find and embed what is new or changed under ``paths``; forget what is gone.

        Args:
            paths: folders and files; none stands for all that were indexed before. What is named is indexed also where
                a scan would pass it over.
            model: another model than the collection's: a new space is built beside the old ones, from all roots. When
                it is complete it takes the place of the models all of whose media it embeds, or stands beside them.
            index: ``auto``, ``exact``, ``ivfpq`` or a FAISS factory string; kept for later runs.
            recall: recall@10 that an approximate index is tuned to; kept for later runs.
            dry_run: write nothing; the report says what would be done, which files would be skipped and why, and which
                would be embedded again. Files are judged by their names, times and first bytes.
            watch: called with a `Progress` as the work goes on.
            options: the fields of `IngestOptions`.

        Raises:
            UsageError: a path that does not exist, no path and nothing indexed yet, a bad option.
            CollectionBusyError: another process writes to the collection.
        """
        from mmsearch.retrieval.index_run import index_files, index_with_new_model
        from mmsearch.retrieval.ingest.options import IngestOptions
        from mmsearch.retrieval.ingest.preview import preview
        from mmsearch.retrieval.ingest.scope import roots_of, with_choices
        from mmsearch.retrieval.ingest.switch_model import is_switch
        from mmsearch.retrieval.paths import absolute, on_disk
        from mmsearch.retrieval.progress import no_progress
        from mmsearch.retrieval.store.writer import open_writer

        chosen = IngestOptions(**options)
        tops = [on_disk(path) or path for path in absolute(paths)] or roots_of(self.manifest)
        if not tops:
            raise UsageError(f"nothing was indexed in {self.root} yet", hint=HintKind.INDEX_FOLDER)
        named = None if model in (None, "auto") else self._load(str(model))
        if dry_run:

            def planned() -> Report:
                manifest = with_choices(self.manifest, tops, chosen.exclude, chosen.lift)
                return preview(Snapshot(self.root, manifest), self._routing(named), tops, chosen, watch or no_progress)

            return self._retrying(planned)
        with open_writer(self.root) as writer:
            self.reopen()
            settings = checked_settings(writer.manifest.settings, index, recall)
            decided = replace(with_choices(writer.manifest, tops, chosen.exclude, chosen.lift), settings=settings)
            if decided != writer.manifest:
                writer.publish(decided)
            if named is not None and is_switch(writer.manifest, named.space):
                report = index_with_new_model(writer, named, self._own, tops, chosen, watch or no_progress)
            else:
                report = index_files(writer, self._routing(named), tops, chosen, watch or no_progress)
        self.reopen()
        return report

    def _routing(self, named: Encoder | None) -> ModelRouting:
        """The models that a run of `index` embeds with: one that is named and not in use, else the collection's own."""
        from mmsearch.retrieval.encoders.routing import ModelRouting
        from mmsearch.retrieval.ingest.switch_model import space_of_each_modality

        if named is not None and named.space.key not in self.manifest.searched_spaces:
            return ModelRouting.single(named)
        spaces = [space for space in self.spaces if space.has_model]
        if not spaces:
            raise UsageError(
                f"{self.root} holds vectors made elsewhere: a model that is to embed files must be named",
                hint=HintKind.NAME_MODEL,
            )
        return ModelRouting(tuple(self._own(space) for space in spaces), space_of_each_modality(self.manifest))

    def _own(self, space: Space) -> Encoder:
        encoder = self._load(space.model)
        check_space(encoder, space)
        return encoder

    def _load(self, model: str) -> Encoder:
        from mmsearch.retrieval.encoders.load import load_encoder

        return load_encoder(model, device=self._device, precision=self._precision, throughput=True)

    def add(
        self,
        vectors: NDArray[np.floating[Any]],
        *,
        paths: Sequence[str | os.PathLike[str]],
        modality: Modality,
        texts: Sequence[str] | None = None,
        facts: Mapping[str, Sequence[Any]] | None = None,
        space: str | Space | None = None,
    ) -> NDArray[np.int64]:
        """Store vectors made elsewhere.

        Args:
            vectors: floats ``[n, dim]``, of any length above zero; stored at unit length.
            paths: the n files (or names) that they stand for.
            modality: what they are.
            texts: the n passages, for modality ``text``.
            facts: further columns of a shard by name, n values each.
            space: the space they are of: None for the current one, a `Space`, or a name for vectors made elsewhere.

        Returns:
            The new rows' ids, int64 ``[n]``.

        Raises:
            SpaceMismatchError: another dimension than the space's.
            UsageError: NaN, infinite or zero vectors, or lists of other lengths.
        """
        from mmsearch.retrieval.encoders.protocol import TextEncoder
        from mmsearch.retrieval.ingest.external_vectors import addition
        from mmsearch.retrieval.store.writer import open_writer
        from mmsearch.retrieval.upkeep.maintain import maintain

        target = self._space_to_fill(vectors, space)
        rows = addition(target, vectors, [os.fspath(p) for p in paths], modality, texts, facts)
        with open_writer(self.root) as writer:
            (ids,) = writer.commit([rows], primary_space=writer.manifest.primary_space or target.key)
            loaded = self._encoders.get(target.key)  # loading a model is no part of storing vectors
            maintain(writer, target, embed=loaded.encode_texts if isinstance(loaded, TextEncoder) else None)
        self.reopen()
        return ids

    def _space_to_fill(self, vectors: NDArray[Any], space: str | Space | None) -> Space:
        if isinstance(space, Space):
            return space
        if space is None:
            return self.space
        for known in self.manifest.spaces.values():
            if space in (known.key, known.model):
                return known
        return Space.of_vectors(space, int(np.shape(vectors)[-1]))

    def remove(self, paths: Sequence[str | os.PathLike[str]]) -> int:
        """Forget files and folders, in every space; files are never touched. Returns the number of files forgotten.

        Raises:
            UsageError: nothing under a path is known.
        """
        from mmsearch.retrieval.ingest.remove import remove_paths
        from mmsearch.retrieval.paths import absolute
        from mmsearch.retrieval.store.writer import open_writer

        with open_writer(self.root) as writer:
            forgotten = remove_paths(writer, absolute(paths))
        self.reopen()
        return forgotten

    def compact(self) -> tuple[int, int]:
        """Merge all shards of a modality into one and drop dead rows; returns the number of shards before and after."""
        from mmsearch.retrieval.store.writer import open_writer
        from mmsearch.retrieval.upkeep.maintain import compact

        with open_writer(self.root) as writer:
            before = len(writer.manifest.shards)
            compact(writer)
            after = len(writer.manifest.shards)
        self.reopen()
        return before, after

    @staticmethod
    def doctor(path: str | os.PathLike[str], *, repair: bool = False) -> list[Problem]:
        """Verify every file of a collection, and mend what can be mended; a static method, as it may not open."""
        from mmsearch.retrieval.upkeep.doctor import examine

        return examine(Path(path).expanduser().absolute(), repair=repair)

    @staticmethod
    def save_frame(moment: Moment, output: str | os.PathLike[str], *, force: bool = False) -> SavedFrame:
        """Write the frame that a film shows at a time as a picture, upright and in full size. Needs no collection.

        Args:
            moment: the film and the time, ``Moment(path, start_s)``.
            output: the picture's file; its ending says what it is: ``.jpg``, ``.png`` or ``.webp``.
            force: write over a file that is there.

        Raises:
            UsageError: there is a file at ``output``, or its ending is not that of a picture.
            DecodeError: the film ends before the time, or cannot be decoded.
        """
        from mmsearch.retrieval.media.films.clips import save_frame

        return SavedFrame(Path(output), **save_frame(moment, Path(output), force=force))

    @staticmethod
    def save_clip(moment: Moment, output: str | os.PathLike[str], *, force: bool = False) -> SavedClip:
        """Write a part of a film or sound as a file. Needs no collection.

        Coded streams are copied where the kind of file allows that, from the key frame before the start on; else they
        are coded anew.

        Args:
            moment: the film or sound and the part of it, ``Moment(path, start_s, end_s)``.
            output: the file to write; its ending says what it is, such as ``.mp4`` or ``.flac``.
            force: write over a file that is there.

        Raises:
            UsageError: there is a file at ``output``, or its ending is not that of a film or sound.
            DecodeError: the file ends before the start, or cannot be decoded.
        """
        from mmsearch.retrieval.media.films.clips import save_clip

        return SavedClip(Path(output), **save_clip(moment, Path(output), force=force))

    @staticmethod
    def thumbnails(hits: Iterable[Record], *, height: int, width: int) -> Iterator[Thumbnail]:
        """Small pictures of hits: of a picture or a page of it, or of the frame in the middle of a film's span.

        They are decoded one by one, while they are asked for, in a process of their own. Needs no collection.

        Args:
            hits: those of a search, or other records; sounds and texts have no picture.
            height: the most pixels from top to bottom.
            width: the most pixels from left to right; the aspect ratio is kept.
        """
        from mmsearch.retrieval.media.thumbnails import read_thumbnails

        return read_thumbnails(hits, height, width)


def make_folder(root: Path) -> None:
    """Make a collection's folder and those above it.

    Raises:
        ReadOnlyError: it cannot be made there: no such disk, no right to write, a file where a folder should be.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        where = f" ({error.filename})" if error.filename and Path(error.filename) != root else ""
        raise ReadOnlyError(f"cannot create the collection at {root}: {error.strerror}{where}") from error


def checked_settings(settings: IndexSettings, index: str | None, recall: float | None) -> IndexSettings:
    """Settings with what was asked for now.

    Raises:
        UsageError: an index that cannot be built, or a recall outside (0, 1].
    """
    if recall is not None:
        from mmsearch.indexes import check_recall_target

        check_recall_target(recall)
    if index is not None and index not in ("auto", "exact", "ivfpq"):
        from mmsearch.indexes import plan_index

        plan_index(1_000_000, 512, requested=index)
    return replace(settings, index=index or settings.index, recall=recall or settings.recall)
