"""From queries to answers: embed, look up in every space that is asked, fuse what is found, group it by file."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mmsearch.errors import Hint, HintKind, MMSearchError, UsageError
from mmsearch.hits import Answer, Hit, Hits
from mmsearch.indexes import Sought
from mmsearch.notices import Notice, NoticeKind
from mmsearch.retrieval.encoders.protocol import Encoder, embeds_texts
from mmsearch.retrieval.progress import no_progress
from mmsearch.retrieval.search.filters import folders_meant, make_filters
from mmsearch.retrieval.search.found_rows import FoundRows
from mmsearch.retrieval.search.hit_rows import Row
from mmsearch.retrieval.search.levels import best_level
from mmsearch.retrieval.search.marks import LeftOut, left_out, rows_asked, wrong_rows
from mmsearch.retrieval.search.near_copies import EXTRA, near_copies
from mmsearch.retrieval.search.options import SearchOptions
from mmsearch.retrieval.search.query import Query
from mmsearch.retrieval.search.query_spaces import EmbeddedQueries, embed_in_spaces, read_queries
from mmsearch.retrieval.search.query_vectors import RowsAsked
from mmsearch.retrieval.search.ranking import rank
from mmsearch.retrieval.search.search_scope import SearchScope
from mmsearch.retrieval.search.searcher import Searcher
from mmsearch.retrieval.search.session import Session
from mmsearch.retrieval.search.sorting import candidates_wanted, in_order
from mmsearch.retrieval.search.word_coverage import count_pieces
from mmsearch.retrieval.search.word_search import files_that_hold, weigh
from mmsearch.retrieval.search.words_asked import CountPieces, WordsAsked, rare_words_away
from mmsearch.retrieval.store.snapshot import Snapshot
from mmsearch.types import LEVELS, MODALITIES, Modality, Space, modalities_named

if TYPE_CHECKING:
    from mmsearch.retrieval.search.row_tags import RowTags

_MEANS_SOMETHING = {NoticeKind.WORDS_UNKNOWN: {"means_nothing": False}}
_SPANS_PER_HIT = 8  # rows looked at for each moment that is wanted: neighbours say the same


def answer_queries(
    session: Session, queries: Sequence[Any], options: SearchOptions, excluded: LeftOut | None = None
) -> list[Answer | MMSearchError]:
    """Answer several queries as one batch; a query that cannot be asked has its error in its place.

    Args:
        session: the collection.
        queries: whatever `Query` takes as a term, or a `Query`.
        options: for all of them.
        excluded: default the files that each query is asked by and marks, see `left_out`.

    Raises:
        UsageError: something is wrong with the options.
    """
    asked, failed = read_queries(queries)
    if not asked:
        return list(failed.values())
    scope = search_scope(session, options)
    if excluded is None:
        excluded = left_out(session, asked, options.include_self)
    by_spaces: dict[tuple[Space, ...], EmbeddedQueries] = {}

    def look_up() -> tuple[EmbeddedQueries, dict[int, Hits], dict[int, list[Notice]], float]:
        spaces = tuple(spaces_to_ask(session, asked.values(), options.space, scope))  # others after a change of model
        if spaces not in by_spaces:

            def stored(space: Space, encoder: Encoder | None, files: Sequence[Path]) -> dict[Path, NDArray[np.float32]]:
                return _stored_vectors(session, space, encoder, files)

            def rows(space: Space) -> RowsAsked:
                return rows_asked(session, space, list(asked.values()))

            wrong = wrong_rows(session, asked, spaces)
            right = {i: query for i, query in asked.items() if i not in wrong}
            watch = options.watch or no_progress
            by_spaces[spaces] = embed_in_spaces(right, spaces, session.encoder, stored, rows, watch, session.kept_texts)
            by_spaces[spaces].failures |= wrong
        start = time.perf_counter()
        hits, own_notices = _find(session, asked, by_spaces[spaces], options, scope, excluded)
        return by_spaces[spaces], hits, own_notices, 1e3 * (time.perf_counter() - start)

    embedded, hits, own_notices, search_ms = session.retrying(look_up)
    took_ms = {**embedded.took_ms, "search": search_ms}
    failed |= embedded.failures
    of_all = session.notices()

    def answer(i: int) -> Answer:
        written = any(hit.matched for hit in hits[i])  # words can be found that no model can read
        own = embedded.notices_of.get(i, ())
        if written:
            own = [replace(one, values={**one.values, **_MEANS_SOMETHING.get(one.kind, {})}) for one in own]
        notices = (*embedded.notices, *own, *own_notices.get(i, ()), *of_all)
        level = best_level(hits[i]) if i in embedded.understood or written else "nothing"
        return Answer(asked[i].describe(), embedded.first, hits[i], took_ms, notices, level)

    return [failed[i] if i in failed else answer(i) for i in range(len(queries))]


def answer_one(session: Session, query: Any, options: SearchOptions, excluded: LeftOut | None = None) -> Answer:
    """Answer a query.

    Raises:
        MMSearchError: it cannot be asked, or something is wrong with the options.
    """
    (answer,) = answer_queries(session, [query], options, excluded)
    if isinstance(answer, MMSearchError):
        raise answer
    return answer


def search_each(session: Session, queries: Iterable[Any], options: SearchOptions) -> list[Hits]:
    """The hits of several queries, answered as one batch.

    Raises:
        MMSearchError: one of them cannot be asked; the text says which.
    """
    answers = answer_queries(session, several(queries), options)
    failures = {i: answer for i, answer in enumerate(answers) if isinstance(answer, MMSearchError)}
    if failures:
        raise first_failure("query", failures, len(answers))
    return [answer.hits for answer in answers if isinstance(answer, Answer)]


def first_failure(noun: str, failures: Mapping[int, MMSearchError], count: int) -> MMSearchError:
    """The error of the first of several things that failed, by number; its text says which: ``query 2 of 3: …``."""
    i = min(failures)
    error = type(failures[i])(f"{noun} {i + 1} of {count}: {failures[i]}", hint=failures[i].hint)
    error.__cause__ = failures[i]
    return error


def several(queries: Iterable[Any]) -> list[Any]:
    """Queries as a list.

    Raises:
        UsageError: it is one query, which can be iterated over but should not be.
    """
    if isinstance(queries, str | bytes | Path | Query) or (isinstance(queries, np.ndarray) and queries.ndim == 1):
        raise UsageError("several queries are a list, and this is one: put it into a list, or call search")
    return list(queries)


def search_scope(session: Session, options: SearchOptions) -> SearchScope:
    """The rows that may answer, as the options say.

    Raises:
        UsageError: an unknown modality, a folder that is not there, a date or a condition that cannot be read.
    """
    named = (options.to,) if isinstance(options.to, str) else options.to or ()
    under = options.under
    folders = () if under is None else session.retrying(lambda: folders_meant(session.snapshot, under))
    made = session.retrying(lambda: _where_made(session.snapshot, options))
    filters = session.retrying(
        lambda: make_filters(
            under=folders,
            after=options.after,
            before=options.before,
            where=options.where,
            own_columns=lambda: session.snapshot.own_types,
            row_labels=lambda name: _row_labels(session.snapshot, name),
            **made,
        )
    )
    return SearchScope(modalities_named(named), filters, exact=options.exact)


def _row_labels(snapshot: Snapshot, name: str) -> RowTags:
    from mmsearch.retrieval.search.row_tags import read_row_labels

    return read_row_labels(snapshot, name)


def _where_made(snapshot: Snapshot, options: SearchOptions) -> dict[str, Any]:
    """Where and with what files must have been made, as `make_filters` takes it; of most queries, nothing."""
    if options.near is options.place is options.camera is None:
        return {}
    from mmsearch.retrieval.search.place_filters import cameras_meant, place_meant, read_near

    return {
        "near": None if options.near is None else read_near(options.near),
        "place": None if options.place is None else place_meant(snapshot, options.place),
        "cameras": () if options.camera is None else cameras_meant(snapshot, options.camera),
    }


def spaces_to_ask(
    session: Session, queries: Iterable[Query], space: str | Space | None, scope: SearchScope
) -> list[Space]:
    """The spaces that may answer: the one that is named, else those in use that have rows in the scope.

    A query with a vector is asked in the primary space, unless another is named.

    Raises:
        SpaceMismatchError: the collection has no space of that name.
        UsageError: nothing of the modalities in the scope is indexed, or the collection has no space at all.
    """
    if space is not None:
        spaces = [session.find_space(space)]
    elif any(query.has_vector for query in queries):
        spaces = [session.primary_space]
    else:
        spaces = session.spaces or [session.primary_space]
    manifest = session.manifest
    indexed = {modality for space in spaces for modality in manifest.modalities(space.key)}
    if scope.to and indexed and not any(map(scope.asks_for, indexed)):
        raise UsageError(f"nothing of {', '.join(scope.to)} is indexed; there is: {_in_order(indexed)}")
    answering = [space for space in spaces if any(map(scope.asks_for, manifest.modalities(space.key)))]
    return answering or spaces[:1]


def _stored_vectors(
    session: Session, space: Space, encoder: Encoder | None, files: Sequence[Path]
) -> dict[Path, NDArray[np.float32]]:
    from mmsearch.retrieval.search.stored_vectors import stored_vectors

    return session.retrying(lambda: stored_vectors(session.searcher(space), encoder, files))


def _find(
    session: Session,
    queries: Mapping[int, Query],
    embedded: EmbeddedQueries,
    options: SearchOptions,
    scope: SearchScope,
    excluded: LeftOut,
) -> tuple[dict[int, Hits], dict[int, list[Notice]]]:
    """The hits of each query that was embedded, by its number, and notices on what was left out."""
    wanted = candidates_wanted(options)
    near = None if options.copies else near_copies(session.snapshot)
    own_notices: dict[int, list[Notice]] = {}
    levels_unknown: dict[tuple[int, Space], list[Notice]] = {}
    searchers = {space: session.searcher(space) for space in embedded.vectors}
    asked = list(searchers.values())
    counter = _piece_counter(session, asked)
    words = _words_asked(queries, options, asked, counter)
    if options.mode != "semantic":
        excluded = _without_unwanted(queries, asked, counter, excluded)

    def look_up(extra: int) -> dict[int, FoundRows]:
        """The rows that each query finds, among which so many more answers are than are wanted."""
        found_rows: dict[int, FoundRows] = {}
        depth = _SPANS_PER_HIT * (wanted + extra) if options.all_spans else None
        for space, vectors in embedded.vectors.items():
            for numbers in _alike(vectors, words).values():
                phrases = words[numbers[0]].phrases if numbers[0] in words else ()
                own_scope = replace(
                    scope,
                    excluded=[excluded.get(i, ()) for i in numbers] if excluded else [],
                    phrases=phrases,
                    lexical=options.mode == "lexical",
                )
                found = searchers[space].find(
                    [vectors[i] for i in numbers],
                    wanted + extra,
                    own_scope,
                    depth=depth,
                    words=[None if options.mode == "semantic" else words.get(i) for i in numbers],
                )
                for i, own in zip(numbers, found, strict=True):
                    own.understood = i in embedded.understood
                    found_rows[i] = found_rows[i] + own if i in found_rows else own
                    if options.min_level not in (None, LEVELS[-1]) and own.understood:
                        levels_unknown[i, space] = _levels_unknown(own, space)
        return found_rows

    def similarity(one: Row, other: Row) -> float:
        """The cosine of two rows' stored vectors; 0 where they are of two spaces."""
        cosines = (session.searcher(space).cosine(one, other) for space in embedded.vectors)
        return next((cosine for cosine in cosines if cosine is not None), 0.0)

    def ranked(found_rows: dict[int, FoundRows]) -> list[list[Hit]]:
        return rank(
            list(found_rows.values()),
            wanted,
            first=first,
            to=scope.to,
            min_level=options.min_level,
            similarity=similarity if options.all_spans else None,
            words=[None if options.mode == "semantic" else words.get(i) for i in found_rows],
            lexical=options.mode == "lexical",
            near=near,
            unfold=options.copies,
        )

    first = options.offset if options.sort == "relevance" else 0
    extra = 0 if near is None else EXTRA
    found_rows = look_up(extra)
    lists = ranked(found_rows)
    while near is not None:
        few = (i for i, own in zip(found_rows, lists, strict=True) if len(own) < wanted - first)
        folded = max((near.folded(row.path for row in found_rows[i].rows) for i in few), default=0)
        if folded <= extra:
            break
        extra = 2 * folded
        found_rows = look_up(extra)
        lists = ranked(found_rows)
    for (i, _), notices in levels_unknown.items():
        own_notices.setdefault(i, []).extend(notices)
    if words and (missing := sum(searcher.rows_without_words() for searcher in searchers.values())):
        notice = Notice(NoticeKind.WORDS_NOT_INDEXED, {"rows": missing}, Hint(HintKind.INDEX_WORDS))
        for i in words:
            own_notices.setdefault(i, []).append(notice)
    hits = zip(found_rows, lists, strict=True)
    return {i: Hits(in_order(own, session.snapshot, options)) for i, own in hits}, own_notices


def _words_asked(
    queries: Mapping[int, Query], options: SearchOptions, searchers: Sequence[Searcher], counter: CountPieces | None
) -> dict[int, WordsAsked]:
    """The words of the queries that have any, weighted; in semantic searches phrases alone count."""
    asked = {i: WordsAsked.of(query) for i, query in queries.items()}
    if options.mode == "semantic":
        return {i: words for i, words in asked.items() if words.phrases}
    return {i: weigh(words, searchers, counter) for i, words in asked.items() if words.wanted}


def _piece_counter(session: Session, searchers: Sequence[Searcher]) -> CountPieces | None:
    """What counts the pieces of words by the tokenizer of the first model that reads texts."""
    reader = next((e for s in searchers if embeds_texts(e := session.encoder(s.space))), None)
    return None if reader is None else partial(count_pieces, encoder=reader)


def _without_unwanted(
    queries: Mapping[int, Query], searchers: Sequence[Searcher], counter: CountPieces | None, excluded: LeftOut
) -> LeftOut:
    """What is left out of the answers, with the files that hold a name or number which the query pushes away."""
    more = {}
    for i, query in queries.items():
        if any(isinstance(term.value, str) and term.weight < 0 for term in query.terms):
            unwanted = rare_words_away(query, counter)
            if paths := files_that_hold(searchers, unwanted):
                more[i] = [*excluded.get(i, ()), *paths]
    return {**excluded, **more} if more else excluded


def _alike(numbers: Iterable[int], words: Mapping[int, WordsAsked]) -> dict[tuple[Sought, ...], list[int]]:
    """Queries by the phrases that must stand in what answers them: those of the same are asked at once."""
    groups: dict[tuple[Sought, ...], list[int]] = {}
    for i in numbers:
        groups.setdefault(words[i].phrases if i in words else (), []).append(i)
    return groups


def _levels_unknown(found: FoundRows, space: Space) -> list[Notice]:
    """A notice if rows were found that have no level, which a least level leaves out."""
    kinds = {
        row.modality
        for part in found.parts
        for row, is_unknown in zip(part.rows, np.isnan(part.answers).tolist(), strict=True)
        if is_unknown
    }
    if not kinds:
        return []
    values = {"model": space.model, "modalities": [modality for modality in MODALITIES if modality in kinds]}
    return [Notice(NoticeKind.LEVELS_UNKNOWN, values, Hint(HintKind.CALIBRATE) if space.has_model else None)]


def _in_order(modalities: set[Modality]) -> str:
    return ", ".join(modality for modality in MODALITIES if modality in modalities)
