"""The calls of a `Collection` that answer queries, each with all its options."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from mmsearch.errors import MMSearchError
from mmsearch.hits import Answer, Hits
from mmsearch.retrieval.progress import Watcher
from mmsearch.retrieval.search.options import SearchOptions
from mmsearch.retrieval.search.query import Query, TermValue
from mmsearch.retrieval.search.session import Session
from mmsearch.types import Level, Modality, SearchMode, Sort, Space

if TYPE_CHECKING:
    from mmsearch.retrieval.evaluation.calibrate import Calibrated
    from mmsearch.retrieval.evaluation.scores import Scores
    from mmsearch.retrieval.search.place_filters import NearInput

QueryInput: TypeAlias = "TermValue | Query | Sequence[float]"
"""A str (always text), a `Path`, a `Moment` of a film or sound, a `StoredRow`, a PIL image, a uint8 array
``[height, width, 3]``, the bytes of a file, a vector (float array ``[dim]`` or list of floats), or a `Query` of several
of these."""


class CollectionQueries:
    """What a `Collection` can be asked. Several threads may ask at once."""

    _session: Session

    def search(
        self,
        query: QueryInput,
        k: int = 10,
        *,
        offset: int = 0,
        min_level: Level | None = None,
        to: Modality | Sequence[Modality] | None = None,
        under: str | os.PathLike[str] | None = None,
        after: str | dt.date | None = None,
        before: str | dt.date | None = None,
        where: str | None = None,
        near: NearInput | None = None,
        place: str | None = None,
        camera: str | None = None,
        sort: Sort = "relevance",
        include_self: bool = False,
        all_spans: bool = False,
        exact: bool = False,
        copies: bool = False,
        mode: SearchMode = "hybrid",
        space: str | Space | None = None,
        watch: Watcher | None = None,
    ) -> Hits:
        """Find the rows that are nearest to a query.

        Args:
            query: a str (always text), a `Path`, a `Moment` of a film or sound, a `StoredRow`, a PIL image, a uint8
                array ``[height, width, 3]``, the bytes of a file, a vector (float array ``[dim]`` or list of floats),
                or a `Query` of several of these.
            k: how many hits.
            offset: how many of the best hits to leave out: the second page of ten is ``offset=10``.
            min_level: leave out hits of a lower `Hit.level` than ``strong``, ``likely`` or ``weak``, and those of no
                known level.
            to: modalities that may answer, default all. ``video`` asks for films by whatever of them answers.
            under: only files in this folder.
            after: only what was taken (or, if that is not known, changed) from this date on: a date or datetime, or
                ``2023``, ``2023-05``, ``2023-05-17``, ``2023-05-17T14:30``.
            before: only what was taken or changed before this date.
            where: a condition on the columns of a shard, such as ``width > 1000 and note is None``.
            near: only what was made near a position: ``38.7,-9.1`` or ``38.7,-9.1,10km`` (the default is 10 km), or
                latitude, longitude and perhaps kilometres.
            place: only what was made in this town, region or country; ``Paris, Texas`` says which.
            camera: only what was made with a camera whose name has all these words: ``iphone``, ``EOS 80D``.
            sort: ``relevance``, or ``newest`` or ``oldest``: of the 200 best hits, those of level ``likely`` or better
                (or of ``min_level``), by when they were taken, else changed; the best k if there are none of them.
            include_self: let the files that the query is asked by answer too.
            all_spans: make each moment of a film or sound a hit; else each file is one hit, by its best moment.
            exact: compare every row, though there may be an index.
            copies: let copies of a file be hits of their own; else they are one hit, which names the others.
            mode: ``semantic`` finds by vectors alone, ``lexical`` by the words of the query to the letter, ``hybrid``
                by both, weighed by how much the words say. Phrases of a `Query` must stand in a hit in any mode.
            space: the key of a space, its model's name, or a `Space`. Default all spaces in use, merged by match; for a
                vector the primary one.
            watch: called with a `Progress` while a file is read to search by it.

        Raises:
            UsageError: an empty query, one that no model of the collection embeds, a bad option, a folder that is not
                there, or a collection without vectors.
            NoSuchFileError: the file to search by is not there.
            DecodeError: it cannot be read.
            SpaceMismatchError: a vector of another dimension, or a space that the collection does not have.
            ModelUnavailableError: the model cannot be loaded.
            CollectionClosedError: the collection is closed.
        """
        from mmsearch.retrieval.search.engine import answer_one

        options = SearchOptions(
            k=k,
            offset=offset,
            min_level=min_level,
            to=to,
            under=under,
            after=after,
            before=before,
            where=where,
            near=near,
            place=place,
            camera=camera,
            sort=sort,
            include_self=include_self,
            all_spans=all_spans,
            exact=exact,
            copies=copies,
            mode=mode,
            space=space,
            watch=watch,
        )
        return answer_one(self._session, query, options).hits

    def search_many(
        self,
        queries: Iterable[QueryInput],
        k: int = 10,
        *,
        offset: int = 0,
        min_level: Level | None = None,
        to: Modality | Sequence[Modality] | None = None,
        under: str | os.PathLike[str] | None = None,
        after: str | dt.date | None = None,
        before: str | dt.date | None = None,
        where: str | None = None,
        near: NearInput | None = None,
        place: str | None = None,
        camera: str | None = None,
        sort: Sort = "relevance",
        include_self: bool = False,
        all_spans: bool = False,
        exact: bool = False,
        copies: bool = False,
        mode: SearchMode = "hybrid",
        space: str | Space | None = None,
        watch: Watcher | None = None,
    ) -> list[Hits]:
        """Find the rows that are nearest to each of several queries, embedded and looked up as one batch.

        Args:
            queries: each what `search` takes; vectors may also be the rows of an array ``[n, dim]``.

        The options are those of `search`, for all queries.

        Raises:
            MMSearchError: what `search` raises; if one query is wrong, the text says which.
        """
        from mmsearch.retrieval.search.engine import search_each

        options = SearchOptions(
            k=k,
            offset=offset,
            min_level=min_level,
            to=to,
            under=under,
            after=after,
            before=before,
            where=where,
            near=near,
            place=place,
            camera=camera,
            sort=sort,
            include_self=include_self,
            all_spans=all_spans,
            exact=exact,
            copies=copies,
            mode=mode,
            space=space,
            watch=watch,
        )
        return search_each(self._session, queries, options)

    def ask(
        self,
        query: QueryInput,
        k: int = 10,
        *,
        offset: int = 0,
        min_level: Level | None = None,
        to: Modality | Sequence[Modality] | None = None,
        under: str | os.PathLike[str] | None = None,
        after: str | dt.date | None = None,
        before: str | dt.date | None = None,
        where: str | None = None,
        near: NearInput | None = None,
        place: str | None = None,
        camera: str | None = None,
        sort: Sort = "relevance",
        include_self: bool = False,
        all_spans: bool = False,
        exact: bool = False,
        copies: bool = False,
        mode: SearchMode = "hybrid",
        space: str | Space | None = None,
        watch: Watcher | None = None,
    ) -> Answer:
        """Search, and give back notices and timings with the hits. The arguments and errors are those of `search`."""
        from mmsearch.retrieval.search.engine import answer_one

        options = SearchOptions(
            k=k,
            offset=offset,
            min_level=min_level,
            to=to,
            under=under,
            after=after,
            before=before,
            where=where,
            near=near,
            place=place,
            camera=camera,
            sort=sort,
            include_self=include_self,
            all_spans=all_spans,
            exact=exact,
            copies=copies,
            mode=mode,
            space=space,
            watch=watch,
        )
        return answer_one(self._session, query, options)

    def ask_many(
        self,
        queries: Iterable[QueryInput],
        k: int = 10,
        *,
        offset: int = 0,
        min_level: Level | None = None,
        to: Modality | Sequence[Modality] | None = None,
        under: str | os.PathLike[str] | None = None,
        after: str | dt.date | None = None,
        before: str | dt.date | None = None,
        where: str | None = None,
        near: NearInput | None = None,
        place: str | None = None,
        camera: str | None = None,
        sort: Sort = "relevance",
        include_self: bool = False,
        all_spans: bool = False,
        exact: bool = False,
        copies: bool = False,
        mode: SearchMode = "hybrid",
        space: str | Space | None = None,
        watch: Watcher | None = None,
    ) -> list[Answer | MMSearchError]:
        """Answer several queries as one batch. A query that cannot be asked has its error in its place.

        Args:
            queries: each what `search` takes; vectors may also be the rows of an array ``[n, dim]``.

        The options are those of `search`, for all queries.

        Raises:
            UsageError: something is wrong with the options.
        """
        from mmsearch.retrieval.search.engine import answer_queries, several

        options = SearchOptions(
            k=k,
            offset=offset,
            min_level=min_level,
            to=to,
            under=under,
            after=after,
            before=before,
            where=where,
            near=near,
            place=place,
            camera=camera,
            sort=sort,
            include_self=include_self,
            all_spans=all_spans,
            exact=exact,
            copies=copies,
            mode=mode,
            space=space,
            watch=watch,
        )
        return answer_queries(self._session, several(queries), options)

    def similar(
        self,
        row_id: int,
        k: int = 10,
        *,
        offset: int = 0,
        min_level: Level | None = None,
        to: Modality | Sequence[Modality] | None = None,
        under: str | os.PathLike[str] | None = None,
        after: str | dt.date | None = None,
        before: str | dt.date | None = None,
        where: str | None = None,
        near: NearInput | None = None,
        place: str | None = None,
        camera: str | None = None,
        sort: Sort = "relevance",
        include_self: bool = False,
        all_spans: bool = False,
        exact: bool = False,
        copies: bool = False,
    ) -> Hits:
        """Find the rows that are nearest to a stored row, by its vector; nothing is decoded or embedded.

        Args:
            row_id: the id of the row, as `Hit.id` gives it. Rows of its space answer.
            include_self: let the row's own file answer too.

        The other options are those of `search`.

        Raises:
            NoSuchRowError: there is no such row.
            UsageError: a bad option.
        """
        from mmsearch.retrieval.search.contents import similar_rows

        options = SearchOptions(
            k=k,
            offset=offset,
            min_level=min_level,
            to=to,
            under=under,
            after=after,
            before=before,
            where=where,
            near=near,
            place=place,
            camera=camera,
            sort=sort,
            include_self=include_self,
            all_spans=all_spans,
            exact=exact,
            copies=copies,
        )
        return similar_rows(self._session, row_id, options)

    def evaluate(self, pairs: str | os.PathLike[str] | None = None, *, pool: str = "collection") -> Scores:
        """Measure recall@k, MRR and mAP of the collection's models and indexes on queries with known answers.

        Lines without an answer say how good the levels are (`Scores.levels`): AUROC and expected calibration error.

        Args:
            pairs: a file of JSON lines such as ``{"query": "a dog", "relevant": ["1.jpg"]}``, paths relative to it, and
                ``{"query": "a zebra", "relevant": []}`` for what is not in the collection. None: each caption of the
                collection asks for the picture, sound or film that it came with, and they ask for their captions; of
                more than 10,000 captions as many are drawn.
            pool: ``collection`` ranks all files of the relevant files' modality, ``pairs`` only those of the pairs.

        Raises:
            UsageError: the file is not valid, none of its files is in the collection, or there are no captions.
        """
        from mmsearch.retrieval.evaluation.evaluate import evaluate_session

        return evaluate_session(self._session, None if pairs is None else Path(pairs), pool=pool)

    def calibrate(self, pairs: str | os.PathLike[str] | None = None) -> Calibrated:
        """Fit levels on this collection, so that `Hit.level` is known for its models and fits its contents.

        The fits are kept in the manifest and count from now on. Without pairs, only directions are fitted for which
        nothing was measured: a model that is in no catalogue, or that nobody could measure.

        Args:
            pairs: a file of JSON lines as `evaluate` reads it, at least 20 queries for a direction. Lines without an
                answer, ``{"query": "a zebra", "relevant": []}``, make the fit better: 20 or more of them. None: the
                collection's own texts and pictures tell what a good cosine is, or probe texts if it has few texts.

        Returns:
            For each direction that was fitted, AUROC and expected calibration error (ECE) before and after, on queries
            that were not learned from.

        Raises:
            UsageError: the file is not valid, or there is too little to fit anything; the text says what is needed.
            CollectionBusyError: another process writes to the collection.
            ModelUnavailableError: the model that is to embed the pairs' words cannot be loaded.
        """
        from mmsearch.retrieval.evaluation.calibrate import calibrate_session

        return calibrate_session(self._session, None if pairs is None else Path(pairs))
