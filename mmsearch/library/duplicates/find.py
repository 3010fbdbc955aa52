"""`find_duplicates`: files of a collection that are there several times."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mmsearch import Progress
from mmsearch.collection import Collection
from mmsearch.errors import CollectionBusyError, Hint, HintKind, ReadOnlyError, UsageError
from mmsearch.hits import Record
from mmsearch.library.duplicates.detail import DETAIL_TABLE, details_of, details_table, read_details
from mmsearch.library.duplicates.files import Files, Ints, RowVectors, in_scope, read_files
from mmsearch.library.duplicates.films import LEAST_COSINE, Alike, alike, compare_films
from mmsearch.library.duplicates.groups import Grouping, units
from mmsearch.library.duplicates.known import (
    GROUPS_TABLE,
    PAIRS_TABLE,
    SEEN_TABLE,
    Known,
    Pair,
    pairs_table,
    read_known,
)
from mmsearch.library.duplicates.pictures import NEAREST, Compared, compare_pictures, least_cosine
from mmsearch.library.duplicates.propose import Floats32, Told, near_pairs, usual_cosine
from mmsearch.library.duplicates.results import DUPLICATE_KINDS, KEEP_RULES, DuplicateGroup, Duplicates
from mmsearch.library.duplicates.sounds import compare_sounds
from mmsearch.path_keys import path_key
from mmsearch.types import MODALITIES, Modality, modalities_named

Watcher = Callable[[Progress], None]

_REASONS = {
    "near": {"resized", "recompressed", "cropped", "turned", "overlaid"},
    "burst": {"burst"},
    "film": {"film"},
    "sound": {"sound"},
}
_ROUNDS = 3  # of comparing files with those that would be kept

DEFAULT_KINDS = ("exact", "near", "film", "sound")
"""What is looked for unless it is said: pictures of one burst are different pictures."""


def find_duplicates(
    collection: Collection,
    *,
    to: Modality | Sequence[Modality] | None = None,
    under: str | os.PathLike[str] | None = None,
    where: str | None = None,
    keep: str = "largest",
    kinds: Sequence[str] = DEFAULT_KINDS,
    workers: int | None = None,
    watch: Watcher | None = None,
) -> Duplicates:
    """Find files that are there several times, and say which of them to keep. No file is ever changed or deleted.

    Files of the same content are told by their hash. Of pictures, vectors propose pairs, and small pictures of both are
    laid over one another: resized, recompressed, cropped, turned or partly covered ones agree. What was compared is
    kept in the collection, so that a later run compares new files only.

    Args:
        collection: the collection, as `Collection.index` has filled it.
        to: modalities of the files, default all.
        under: only files in this folder, compared with one another.
        where: only files that fulfil a condition on their columns, such as ``width > 1000``.
        keep: which file of a group is kept: ``largest`` (most pixels that show something, so no enlarged or bordered
            copy; longest; with the name of a camera; then most bytes, but a JPEG before what was saved from it without
            loss), ``oldest`` or ``newest`` (by when it was taken, else changed), ``first-path`` (in the order of the
            alphabet).
        kinds: what to look for: ``exact`` (the same content), ``near`` (pictures that were changed), ``burst``
            (pictures of the same, taken within seconds), ``film``, ``sound``. Default all but ``burst``.
        workers: processes that decode, default one for each processor.
        watch: called with a `Progress` while files are compared.

    Returns:
        The groups, those first whose copies take most bytes.

    Raises:
        UsageError: a rule, kind or modality that there is not, or a bad condition or folder.
    """
    if keep not in KEEP_RULES:
        raise UsageError(f"no rule {keep!r}; there are: {', '.join(KEEP_RULES)}", hint=_other("keep"))
    if unknown := [kind for kind in kinds if kind not in DUPLICATE_KINDS]:
        raise UsageError(f"no kind {unknown[0]!r}; there are: {', '.join(DUPLICATE_KINDS)}", hint=_other("kinds"))
    wanted = modalities_named((to,) if isinstance(to, str) else to or ())
    options: dict[str, object] = {"under": under, "where": where}
    files = read_files(collection)
    asked = in_scope(collection, files, wanted, options)
    run = _Run(collection, files, asked, workers or os.cpu_count() or 1, watch)
    is_whole = bool(asked.all())
    if "near" in kinds or "burst" in kinds:
        run.find_pictures(is_whole)
    if "film" in kinds:
        run.find_timed("video", is_whole)
    if "sound" in kinds:
        run.find_timed("audio", is_whole)
    grouping = run.grouping(kinds, keep)
    if pictures := grouping.pictures_to_measure():
        run.measure(pictures)
        grouping = run.grouping(kinds, keep)
    for _ in range(_ROUNDS):
        if not (missing := grouping.missing()):
            break
        run.compare(missing)
        grouping = run.grouping(kinds, keep)
    groups = grouping.groups(_old_ids(collection))
    if is_whole and not wanted:
        run.remember(groups)
    else:
        run.remember(None)
    return Duplicates(groups, run.compared, run.unreadable)


def _other(argument: str) -> Hint:
    return Hint(HintKind.CHANGE_ARGUMENT, argument)


class _Run:
    """One search for duplicates: what it has compared so far."""

    def __init__(
        self,
        collection: Collection,
        files: Files,
        asked: NDArray[np.bool_],
        workers: int,
        watch: Watcher | None,
    ) -> None:
        self.compared = 0
        self.unreadable: dict[str, str] = {}
        self._collection, self._files, self._asked = collection, files, asked
        self._workers, self._watch = workers, watch
        self._known: Known = read_known(collection, files.first_rows)
        self._changed = False
        self._details = read_details(collection)
        self._measured = False

    def measure(self, pictures: Sequence[Record]) -> None:
        """Measure how much pictures of groups show, and remember it."""
        self._details |= details_of(pictures, self._workers)
        self._measured = True

    def find_pictures(self, is_whole: bool) -> None:
        """Compare pictures that are near by their vectors, and were not compared before."""
        files = self._files
        if "image" not in files.rows:
            return
        rows = files.rows["image"]
        chosen = self._asked & files.of_kind("image") & (files.sizes > 0)
        single = rows.ids[np.isnan(rows.starts)]
        ids = np.intersect1d(np.unique(units(files, self._asked)[chosen]), single)
        new = ~np.isin(ids, self._known.seen)
        if not new.any():
            return
        vectors = RowVectors(self._collection, rows, "image", ids)
        least = least_cosine(usual_cosine(vectors), len(ids))
        one, other, cosines = near_pairs(vectors, new, least, NEAREST, self._telling("index"))
        left = np.array([self._known.of(a, b) is None for a, b in zip(ids[one], ids[other], strict=True)], np.bool_)
        self._compare(ids[one[left]], ids[other[left]], cosines[left])
        if is_whole:
            self._known.seen = np.union1d(self._known.seen, ids)
            self._changed = True

    def find_timed(self, kind: Modality, is_whole: bool) -> None:
        """Compare films or sounds of which parts are near by their vectors, and which were not compared before."""
        files = self._files
        if kind not in files.rows:
            return
        rows = files.rows[kind]
        standing = units(files, self._asked)
        chosen = self._asked & files.of_kind(kind) & (files.sizes > 0) & (standing == files.first_rows)
        inside = chosen[rows.files]
        own = standing[rows.files][inside]
        new = ~np.isin(own, self._known.seen)
        if not new.any():
            return
        vectors = RowVectors(self._collection, rows, kind, rows.ids[inside])
        least = least_cosine(usual_cosine(vectors), len(own))
        least = max(least, LEAST_COSINE) if kind == "video" else least
        near = near_pairs(vectors, new, least, NEAREST, self._telling("index"), files=rows.files[inside])
        pairs = [
            pair for pair in alike(rows.starts[inside], own, *near) if self._known.of(pair.one, pair.other) is None
        ]
        self._add(self._compare_timed(kind, pairs))
        if is_whole:
            self._known.seen = np.union1d(self._known.seen, own)
            self._changed = True

    def _compare_timed(self, kind: Modality, pairs: Sequence[Alike], *, with_different: bool = False) -> Compared:
        told = self._telling("decode", max(1, len(pairs)))
        if not pairs:
            return Compared()
        if kind == "video":
            return compare_films(self._collection, pairs, with_different=with_different, told=told)
        named = [(pair.one, pair.other) for pair in pairs]
        return compare_sounds(self._collection, named, with_different=with_different, told=told)

    def compare(self, pairs: Sequence[tuple[int, int]]) -> None:
        """Compare pairs of files, and remember also those that are no copies."""
        kinds = dict(zip(self._files.first_rows.tolist(), self._files.kinds.tolist(), strict=True))
        for kind in MODALITIES:
            number = MODALITIES.index(kind)
            some = [pair for pair in pairs if kinds.get(pair[0]) == kinds.get(pair[1]) == number]
            if kind == "image" and some:
                one, other = (np.array([pair[side] for pair in some], np.int64) for side in (0, 1))
                self._compare(one, other, with_different=True)
            elif kind in ("video", "audio"):
                named = [Alike(*pair, (), 1.0) for pair in some]
                self._add(self._compare_timed(kind, named, with_different=True))
        # What could not be read, or is of two kinds, is no copy, as far as this run can tell.
        self._known.add(Pair(a, b, "different", 0.0) for a, b in pairs if self._known.of(a, b) is None)
        self._changed = True

    def _add(self, found: Compared) -> None:
        self.compared += found.count
        self.unreadable |= found.unreadable
        self._known.add(found.pairs)
        self._changed |= bool(found.count)

    def _compare(
        self, one: Ints, other: Ints, nearest: Floats32 | None = None, *, with_different: bool = False
    ) -> None:
        if not len(one):
            return
        found = compare_pictures(
            self._collection,
            one,
            other,
            nearest,
            workers=self._workers,
            with_different=with_different,
            told=self._telling("decode", len(one)),
        )
        self._add(found)

    def grouping(self, kinds: Sequence[str], keep: str) -> Grouping:
        """The groups as far as pairs are known."""
        reasons = set().union(*(_REASONS[kind] for kind in kinds if kind in _REASONS))
        return Grouping(
            self._files,
            self._asked,
            self._known,
            reasons=reasons,
            exact="exact" in kinds,
            keep=keep,
            read=self._collection.records,
            details=self._details,
        )

    def remember(self, groups: Sequence[DuplicateGroup] | None) -> None:
        """Keep what was found in the collection; a collection that cannot be written to is left as it is."""
        tables: dict[str, pa.Table] = {}
        if self._changed:
            tables[PAIRS_TABLE] = pairs_table(self._known)
            tables[SEEN_TABLE] = pa.table({"id": pa.array(self._known.seen)})
        if self._measured:
            there = np.isin(list(self._details), self._files.first_rows).tolist()
            own = zip(self._details.items(), there, strict=True)
            tables[DETAIL_TABLE] = details_table(dict(item for item, is_there in own if is_there))
        if groups is not None:
            table = _groups_table(groups)
            before = self._collection.side_table(GROUPS_TABLE)
            if len(table) if before is None else not table.equals(before.replace_schema_metadata(None)):
                tables[GROUPS_TABLE] = table
        try:
            if tables:
                self._collection.set_side_tables(tables)
        except (CollectionBusyError, ReadOnlyError):  # the next run compares again
            return

    def _telling(self, stage: str, total: int = 100) -> Told:
        watch = self._watch

        def told(share: float) -> None:
            if watch is not None:
                is_decoding = stage == "decode"  # of vectors there is no count of files
                watch(Progress("decode", round(share * total), total) if is_decoding else Progress("index"))

        return told


def _groups_table(groups: Sequence[DuplicateGroup]) -> pa.Table:
    members = [(group.id, file, file is group.kept) for group in groups for file in (group.kept, *group.copies)]
    members.sort(key=lambda member: path_key(member[1].path))
    return pa.table(
        {
            "key": pa.array([path_key(file.path) for _, file, _ in members], pa.int64()),
            "id": pa.array([file.record.id for _, file, _ in members], pa.int64()),
            "group": pa.array([number for number, _, _ in members], pa.int64()),
            "reason": pa.array([file.reason for _, file, _ in members], pa.string()),
            "number": pa.array([file.number for _, file, _ in members], pa.float32()),
            "kept": pa.array([kept for _, _, kept in members], pa.bool_()),
        }
    )


def _old_ids(collection: Collection) -> dict[int, int]:
    """The groups of the last run, by the row of a member."""
    table = collection.side_table(GROUPS_TABLE)
    if table is None:
        return {}
    return dict(zip(table["id"].to_pylist(), table["group"].to_pylist(), strict=True))
