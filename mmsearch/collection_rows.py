"""The calls of a `Collection` that add, change and remove rows: vectors made elsewhere, and facts of a user's own."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmsearch.errors import UsageError
from mmsearch.own_facts import ArrowStream
from mmsearch.retrieval.paths import listed_paths
from mmsearch.retrieval.search.session import Session
from mmsearch.retrieval.store.remote import shown
from mmsearch.types import Modality, Space


class CollectionRows:
    """Rows of a `Collection` that a program adds, replaces, changes and removes."""

    _session: Session

    def add(
        self,
        vectors: NDArray[np.floating[Any]],
        *,
        paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
        modality: Modality,
        texts: Sequence[str] | None = None,
        facts: Mapping[str, Any] | ArrowStream | None = None,
        space: str | Space | None = None,
    ) -> NDArray[np.int64]:
        """Store vectors made elsewhere, as new rows.

        Args:
            vectors: floats ``[n, dim]``, of any length above zero; stored at unit length, as float16. Vectors that were
                read out of a collection are stored bit for bit.
            paths: the n files that they stand for, or names that are no files; kept as they are given. A single path
                may stand alone.
            modality: what they are.
            texts: the n passages, for modality ``text``.
            facts: further columns by name, n values each: lists, numpy or Arrow arrays, or a whole Arrow table or data
                frame. ``width``, ``height``, ``duration_s``, ``taken_at`` and ``note`` are the format's own, as are
                ``span_start``, ``span_end``, ``span_unit``, and those that begin with ``mms_``, such as ``mms_lat``;
                any other name is a column of yours. It is kept with its Arrow type, can be used in ``where``, and comes
                back in `Hit.facts`.
            space: the space they are of: None for the current one, a `Space`, or a name for vectors made elsewhere.

        Returns:
            The new rows' ids, int64 ``[n]``.

        Raises:
            SpaceMismatchError: another dimension than the space's.
            UsageError: NaN, infinite or zero vectors, lists of other lengths, a column whose values do not fit the type
                that it has in the collection, or a row that is there already: of the same path, modality and space,
                with the same text and span (`upsert` replaces it).
        """
        return self._add(vectors, paths, modality, texts, facts, space, replace_paths=False)

    def upsert(
        self,
        vectors: NDArray[np.floating[Any]],
        *,
        paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
        modality: Modality,
        texts: Sequence[str] | None = None,
        facts: Mapping[str, Any] | ArrowStream | None = None,
        space: str | Space | None = None,
    ) -> NDArray[np.int64]:
        """Store vectors made elsewhere in the place of all rows that their paths have in this modality and space.

        Paths without rows are added. The old rows go and the new ones come in one commit. The new rows have new ids,
        and only the facts that are given. The arguments are those of `add`, and so are the errors, but that a path may
        have rows already.

        Returns:
            The new rows' ids, int64 ``[n]``.
        """
        return self._add(vectors, paths, modality, texts, facts, space, replace_paths=True)

    def update_facts(
        self, ids: Sequence[int] | NDArray[np.integer[Any]], facts: Mapping[str, Any] | ArrowStream
    ) -> None:
        """Change facts of stored rows; their ids and vectors stay, and nothing is embedded.

        Args:
            ids: the n rows, such as `Hit.id`.
            facts: columns by name, n values each, as in `add`; None empties a value. Columns of yours may be new. Of
                the format's, ``width``, ``height``, ``duration_s``, ``taken_at``, ``taken_from`` and ``note`` can be
                changed.

        Raises:
            NoSuchRowError: there is no row of one of the ids; nothing is changed then.
            UsageError: an id is given twice, or values do not fit (see `add`); nothing is changed then.
            CollectionBusyError: another process writes to the collection.
        """
        from mmsearch.retrieval.ingest.external_vectors import change_facts
        from mmsearch.retrieval.store.writer import open_writer

        with open_writer(self._session.root) as writer:
            change_facts(writer, ids, facts)
        self._session.reopen()

    def set_side_tables(self, tables: Mapping[str, ArrowStream | None]) -> None:
        """Keep tables beside the rows, in place of those of the same names, all or none of it; None takes one out.

        It is meant for what was computed from the rows, such as labels, with a column ``id`` of row ids. mmsearch keeps
        labels in ``tags``, for instance (see `mmsearch.library`).

        Args:
            tables: Arrow tables or data frames, by name: up to 64 characters of a to z, 0 to 9, - and _.

        Raises:
            UsageError: no table can have one of the names.
            CollectionBusyError: another process writes to the collection.
        """
        import pyarrow as pa

        from mmsearch.retrieval.store.writer import open_writer

        with open_writer(self._session.root) as writer:
            writer.put_side_tables({n: None if table is None else pa.table(table) for n, table in tables.items()})
        self._session.reopen()

    def remove(
        self,
        paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]] = (),
        *,
        ids: Sequence[int] | NDArray[np.integer[Any]] | None = None,
    ) -> int:
        """Remove files, folders, names or rows from the collection; files on disk are never touched.

        Args:
            paths: files and folders, or one, removed from every space; later runs of `index` pass them over. A name
                that rows were added under is taken exactly as it was given then.
            ids: rows, such as `Hit.id`, in place of paths. A file that loses all its rows is new to the next `index`.

        Returns:
            The number of files and names, or of rows, that were removed.

        Raises:
            NoSuchRowError: there is no row of one of the ids; nothing is removed then.
            UsageError: nothing of a path is stored, or both paths and ids are given; nothing is removed then.
            CollectionBusyError: another process writes to the collection.
        """
        from mmsearch.retrieval.ingest.remove import remove_paths, remove_rows
        from mmsearch.retrieval.store.writer import open_writer

        listed = listed_paths(paths)
        if listed and ids is not None:
            raise UsageError("remove takes paths or ids, not both")
        with open_writer(self._session.root) as writer:
            count = remove_paths(writer, listed) if ids is None else remove_rows(writer, ids)
        self._session.reopen()
        return count

    def _add(
        self,
        vectors: NDArray[np.floating[Any]],
        paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
        modality: Modality,
        texts: Sequence[str] | None,
        facts: Mapping[str, Any] | ArrowStream | None,
        space: str | Space | None,
        *,
        replace_paths: bool,
    ) -> NDArray[np.int64]:
        from mmsearch.retrieval.encoders.protocol import TextEncoder
        from mmsearch.retrieval.ingest.external_vectors import add_rows, checked_addition
        from mmsearch.retrieval.store.writer import open_writer
        from mmsearch.retrieval.upkeep.maintain import maintain

        target = self._space_to_fill(vectors, space)
        names = [os.fspath(path) for path in listed_paths(paths)]
        rows = checked_addition(target, vectors, names, modality, texts, facts)
        with open_writer(self._session.root) as writer:
            ids = add_rows(writer, rows, replace=replace_paths)
            loaded = self._session.encoders.loaded(target)  # loading a model is no part of storing vectors
            maintain(writer, target, embed=loaded.encode_texts if isinstance(loaded, TextEncoder) else None)
        self._session.reopen()
        return ids

    def _space_to_fill(self, vectors: NDArray[Any], space: str | Space | None) -> Space:
        session = self._session
        if isinstance(space, Space):
            return space
        if space is None and session.manifest.primary_space is None:
            raise UsageError(
                f"the collection at {shown(session.root)} has no space yet: name one, as in add(…, space='mine')"
            )
        if space is None:
            return session.primary_space
        return session.manifest.find_space(space) or Space.of_vectors(space, int(np.shape(vectors)[-1]))
