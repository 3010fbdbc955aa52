"""The calls of a `Collection` that give out what it holds: counts, records, vectors, tables."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mmsearch.errors import MMSearchError
from mmsearch.retrieval.search.options import SearchOptions
from mmsearch.retrieval.search.session import Session
from mmsearch.types import FileNote, Modality, Space

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from mmsearch.collection_queries import QueryInput
    from mmsearch.extracts import IndexedFile
    from mmsearch.hits import Record, RowVectors
    from mmsearch.retrieval.encoders.protocol import Encoder
    from mmsearch.retrieval.progress import Watcher
    from mmsearch.retrieval.search.place_filters import NearInput
    from mmsearch.retrieval.search.reading.known import NamesOfCollection
    from mmsearch.retrieval.search.searcher import Searcher
    from mmsearch.retrieval.store.manifest import Manifest
    from mmsearch.retrieval.upkeep.status import Status


class CollectionContents:
    """What a `Collection` holds. Its rows are pictures, passages of texts, windows of sounds, and shots of films."""

    _session: Session

    @property
    def root(self) -> Path:
        """The collection's folder; of one in a bucket, the folder on this machine that stands for it."""
        return self._session.root

    @property
    def address(self) -> str:
        """Where the collection lies: its folder, or its address in a bucket."""
        from mmsearch.retrieval.store.remote import shown

        return shown(self._session.root)

    @property
    def space(self) -> Space:
        """The primary space: the one that texts are embedded in.

        Raises:
            UsageError: the collection has no vectors yet, and no model.
            CollectionClosedError: it is closed.
        """
        return self._session.primary_space

    @property
    def spaces(self) -> list[Space]:
        """The spaces that a query is asked in: the primary one, and those of models that stand beside it."""
        return self._session.spaces

    @property
    def names(self) -> NamesOfCollection:
        """The names that the collection knows, places and cameras, with which `read_query` reads a line of words."""
        from mmsearch.retrieval.search.reading.known import NamesOfCollection

        return NamesOfCollection(self._session)

    @property
    def manifest(self) -> Manifest:
        """What is alive, as of the last `open`, `reopen` or write through this object."""
        return self._session.manifest

    def __len__(self) -> int:
        """The number of rows that a search looks at; files of several passages, shots or windows have several."""
        return self.count()

    def __bool__(self) -> bool:
        """True, also if there are no rows."""
        return True

    def __iter__(self) -> Iterator[Record]:
        """Every row that a search looks at, as a `Record`."""
        from mmsearch.retrieval.search.contents import iter_records

        return iter_records(self._session)

    def __repr__(self) -> str:
        name = f"{type(self).__name__}({str(self.root)!r}"
        if self._session.is_closed:
            return f"{name}, closed)"
        try:
            models = ", ".join(space.model for space in self.spaces) or "none yet"
            return f"{name}, model={models!r}, rows={len(self):,})"
        except (MMSearchError, OSError):  # damaged: the calls that read it say so
            return f"{name})"

    def count(
        self,
        *,
        to: Modality | Sequence[Modality] | None = None,
        under: str | os.PathLike[str] | None = None,
        after: str | dt.date | None = None,
        before: str | dt.date | None = None,
        where: str | None = None,
        near: NearInput | None = None,
        place: str | None = None,
        camera: str | None = None,
        space: str | Space | None = None,
    ) -> int:
        """The number of rows that `search` would look at with the same options.

        Args:
            to: modalities, default all.
            under: only files in this folder.
            after: only what was taken or changed from this date on.
            before: only what was taken or changed before this date.
            where: a condition on the columns of a shard, such as ``width > 1000``.
            near: only what was made near a position, such as ``38.7,-9.1,10km``.
            place: only what was made in this town, region or country.
            camera: only what was made with a camera whose name has all these words.
            space: a space by key, model name or as a `Space`; default all in use.

        Raises:
            UsageError: a bad option, or a folder that is not there.
        """
        from mmsearch.retrieval.search.contents import count_rows

        options = SearchOptions(
            to=to,
            under=under,
            after=after,
            before=before,
            where=where,
            near=near,
            place=place,
            camera=camera,
            space=space,
        )
        return count_rows(self._session, options)

    def items(
        self,
        *,
        to: Modality | Sequence[Modality] | None = None,
        under: str | os.PathLike[str] | None = None,
        after: str | dt.date | None = None,
        before: str | dt.date | None = None,
        where: str | None = None,
        near: NearInput | None = None,
        place: str | None = None,
        camera: str | None = None,
        space: str | Space | None = None,
        batch: int = 1024,
        columns: Sequence[str] | None = None,
        vectors: bool = False,
    ) -> Iterator[pa.RecordBatch]:
        """The rows that `search` would look at with the same options, as Arrow batches in order of space, modality, id.

        The columns are ``id`` and those of a shard, which `where` takes, and maybe ``vector``. Bytes of a path that are
        not UTF-8 are shown as ``\\xNN``. A writer does not disturb the iteration.

        Args:
            to: modalities, default all.
            under: only files in this folder.
            after: only what was taken or changed from this date on.
            before: only what was taken or changed before this date.
            where: a condition on the columns of a shard, such as ``width > 1000``.
            near: only what was made near a position, such as ``38.7,-9.1,10km``.
            place: only what was made in this town, region or country.
            camera: only what was made with a camera whose name has all these words.
            space: a space by key, model name or as a `Space`; default all in use.
            batch: rows in a batch, at most.
            columns: only these, beside ``id``; default all.
            vectors: add the stored unit vectors, as float32 lists of the space's dimension.

        Raises:
            UsageError: a bad option, a folder that is not there, or vectors of several spaces.
        """
        from mmsearch.retrieval.search.contents import iter_batches

        options = SearchOptions(
            to=to,
            under=under,
            after=after,
            before=before,
            where=where,
            near=near,
            place=place,
            camera=camera,
            space=space,
        )
        return iter_batches(self._session, options, batch, vectors, columns)

    def get(self, row_id: int) -> Record:
        """A row by its id, as `Hit.id` or `add` give it.

        Args:
            row_id: the id.

        Raises:
            NoSuchRowError: there is no row with that id, or no more.
        """
        from mmsearch.retrieval.search.contents import read_record

        return read_record(self._session, row_id)

    def records(self, ids: Iterable[int]) -> list[Record]:
        """Rows by their ids, in that order; those that are no rows any more are left out.

        Args:
            ids: the ids.
        """
        from mmsearch.retrieval.search.contents import read_records

        return read_records(self._session, ids)

    def shown(self, row_id: int) -> Record:
        """A row by its id as hits show it: of a film's subtitles or sound, the film at the time of the row.

        Subtitles may lie in a file beside their film. Where a film is not stored, and for all other rows, this is the
        record of `get`.

        Args:
            row_id: the id.

        Raises:
            NoSuchRowError: there is no row with that id, or no more.
        """
        from mmsearch.retrieval.search.contents import read_shown

        return read_shown(self._session, row_id)[0]

    def open_file(self, row_id: int) -> IndexedFile:
        """Open the file of a row as hits show it (see `shown`), if it still is what was indexed.

        What is checked is the file that is open, so that it cannot be exchanged in between.

        Args:
            row_id: the id.

        Raises:
            NoSuchRowError: there is no row with that id, or no more.
            FileNotServedError: the file is gone, has another size or modification time than the indexed one, or does
                not lie in an indexed folder, symbolic links followed.
        """
        from mmsearch.retrieval.search.indexed_file import open_indexed_file

        return open_indexed_file(self._session, row_id)

    def vectors(self, ids: Iterable[int]) -> RowVectors:
        """Stored vectors by the ids of their rows: a tuple of ids, paths, and float32 ``[n, dim]``, in the order given.

        Args:
            ids: of rows of one space.

        Raises:
            NoSuchRowError: there is no row with one of the ids.
            SpaceMismatchError: the rows are of several spaces.
        """
        from mmsearch.retrieval.search.contents import read_vectors

        return read_vectors(self._session, ids)

    def vector_blocks(
        self, modality: Modality, *, space: str | Space | None = None, from_id: int = 0, rows: int = 16_384
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
        """The stored vectors of all rows of a modality, block by block in order of id, and nothing else of them.

        A writer does not disturb the iteration.

        Args:
            modality: of the rows.
            space: their space, by key, model name or as a `Space`; default the primary one.
            from_id: only rows of this id and greater ones. Later rows have greater ids.
            rows: in a block, at most.

        Returns:
            Ids, int64 ``[n]``, and unit vectors, float32 ``[n, dim]``.

        Raises:
            UsageError: ``rows`` is less than 1.
            SpaceMismatchError: the collection has no such space.
        """
        from mmsearch.retrieval.search.contents import iter_vectors

        return iter_vectors(self._session, modality, space, from_id, rows)

    def side_table(self, name: str) -> pa.Table | None:
        """A table beside the rows, such as ``tags``; None if there is none (see `Collection.set_side_tables`).

        Args:
            name: of the table.
        """
        return self._session.retrying(lambda: self._session.snapshot.side_table(name))

    def status(self) -> Status:
        """Counts of rows and files, the indexes and their measured recall, models, roots and size on disk."""
        from mmsearch.retrieval.upkeep.status import read_status

        return self._session.retrying(lambda: read_status(self._session.snapshot))

    def skipped(self) -> list[FileNote]:
        """The files that `Collection.index` skipped and remembers, each with the reason, in order of path.

        Items of archives and buckets follow, archive by archive.
        """
        from mmsearch.retrieval.ingest.parts.skipped_items import skipped_items
        from mmsearch.retrieval.upkeep.status import skipped_files

        files = self._session.retrying(lambda: skipped_files(self._session.snapshot))
        return [*files, *skipped_items(self._session.snapshot)]

    def encode(
        self, values: Iterable[QueryInput], *, space: str | Space | None = None, watch: Watcher | None = None
    ) -> NDArray[np.float32]:
        """Embed texts, pictures, sounds or files with the collection's model, texts as they are, without prompts.

        Args:
            values: each what `search` takes as a query.
            space: whose model embeds them, by key, model name or as a `Space`; default the primary one.
            watch: called with a `Progress` while a file is read.

        Returns:
            Unit vectors, float32 ``[n, dim]``.

        Raises:
            MMSearchError: one of the values cannot be embedded; the text says which.
        """
        from mmsearch.retrieval.search.encode import encode_values

        return encode_values(self._session, values, space, watch)

    def encoder(self, space: Space | None = None) -> Encoder | None:
        """The model of a space, loaded on first use; None for vectors made elsewhere.

        Args:
            space: default the primary one.

        Raises:
            SpaceMismatchError: the model on this machine makes vectors of another space.
            ModelUnavailableError: it cannot be loaded.
        """
        return self._session.encoder(space or self.space)

    def searcher(self, space: Space | None = None) -> Searcher:
        """The searcher of a space over the present snapshot: vectors in, rows out.

        Args:
            space: default the primary one.
        """
        return self._session.searcher(space or self.space)
