"""Look up: unit vectors in, rows out, over one snapshot and one space. A searcher never changes."""

from __future__ import annotations

import datetime as dt
import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmsearch.hits import FileState, Hit
from mmsearch.indexes import MatchSample, StoredVectors, VectorIndex, match_sample_positions
from mmsearch.retrieval.search.copies import answers, copies_of, may_have_copies
from mmsearch.retrieval.search.filters import Filters, Mask, all_of
from mmsearch.retrieval.search.moments import is_moment, is_timed, owner
from mmsearch.retrieval.store.schema import FACT_NAMES, modality_of, span_of
from mmsearch.retrieval.store.snapshot import Rows, Snapshot
from mmsearch.retrieval.upkeep.index_files import open_index, read_match_sample
from mmsearch.types import Modality, Space

_EVIDENCE: dict[Modality, str] = {"image": "picture", "text": "text", "audio": "sound", "video": "frame"}


@dataclass(frozen=True, slots=True)
class SearchScope:
    """What rows may answer.

    ``to``: modalities, none meaning all; *video* asks for films, whatever of them answers: frames, sound, subtitles.
    ``without``: for each query, paths whose rows may not. ``exact``: compare every row.
    """

    to: tuple[Modality, ...] = ()
    filters: Filters | None = None
    without: Sequence[Sequence[bytes]] = ()
    exact: bool = False

    def searches(self, modality: Modality) -> bool:
        """Whether rows of a modality may answer."""
        return not self.to or modality in self.to or self.of_films_alone(modality)

    def of_films_alone(self, modality: Modality) -> bool:
        """Whether of a modality only what belongs to films may answer."""
        return "video" in self.to and modality in ("audio", "text") and modality not in self.to


class Searcher:
    """Answers queries about one space of a snapshot. Indexes and samples open when first used; thread-safe."""

    def __init__(self, snapshot: Snapshot, space: Space) -> None:
        self.snapshot = snapshot
        self.space = space
        self._indexes: dict[Modality, VectorIndex] = {}
        self._samples: dict[Modality, MatchSample] = {}
        self._files: dict[Modality, NDArray[np.int64]] = {}
        self._masks: dict[tuple[Modality, Filters | None, bool], Mask | None] = {}
        self._guard = threading.RLock()

    @property
    def modalities(self) -> list[Modality]:
        """What the space has rows of."""
        return self.snapshot.manifest.modalities(self.space.key)

    def rows(self, modality: Modality) -> Rows:
        """The rows of a modality."""
        return self.snapshot.rows(self.space.key, modality)

    def index(self, modality: Modality) -> VectorIndex:
        """The index of a modality."""
        with self._guard:
            if modality not in self._indexes:
                self._indexes[modality] = open_index(self.snapshot, self.space, modality)
            return self._indexes[modality]

    def match_sample(self, modality: Modality) -> MatchSample:
        """The rows that `match` is measured by: the stored sample, or one drawn now where none is stored yet."""
        with self._guard:
            if modality not in self._samples:
                stored = read_match_sample(self.snapshot, self.space, modality)
                self._samples[modality] = stored or self._draw(modality)
            return self._samples[modality]

    def _draw(self, modality: Modality) -> MatchSample:
        rows = self.rows(modality)
        positions = match_sample_positions(rows.ids, rows.live)
        vectors = StoredVectors(rows.vector_blocks, self.space.dim)
        return MatchSample(rows.ids[positions], vectors.take_float32(positions))

    def find(
        self, queries: NDArray[np.float32], k: int, wanted: SearchScope, *, depth: int | None = None
    ) -> list[list[Hit]]:
        """The rows among which the k best answers to each query are, as hits without a rank.

        Args:
            queries: unit vectors, float32 ``[q, dim]``.
            k: answers wanted of each: films and sounds (all rows of one count as one), or rows of other files.
            wanted: what may answer.
            depth: rows looked at in each modality at first; default k, of films and sounds more.
        """
        found: list[list[Hit]] = [[] for _ in queries]
        for modality in self.modalities:
            if wanted.searches(modality):
                mask = self._mask(modality, wanted)
                first = depth or (_SPANS_OF_FILE * k if modality in ("audio", "video") else k)
                for i, query in enumerate(self._search(modality, queries, k, mask, wanted, first)):
                    found[i] += query
        return found

    def cosine(self, one: Hit, other: Hit) -> float | None:
        """The cosine of the stored vectors of two rows of one modality; None where they are not both of this space."""
        if one.modality not in self.modalities:
            return None
        rows = self.rows(one.modality)
        if not (rows.has(one.id) and rows.has(other.id)):
            return None
        a, b = rows.vectors_at(rows.positions(np.array([one.id, other.id], np.int64))).astype(np.float32)
        return float(a @ b)

    def _mask(self, modality: Modality, wanted: SearchScope) -> Mask | None:
        """Which positions may answer; kept, for an app asks again and again within one filter."""
        key = (modality, wanted.filters or None, wanted.of_films_alone(modality))
        with self._guard:
            if key not in self._masks:
                made = self._make_mask(*key)
                while len(self._masks) >= _MASKS:
                    del self._masks[next(iter(self._masks))]
                self._masks[key] = made
            return self._masks[key]

    def _make_mask(self, modality: Modality, filters: Filters | None, of_films_alone: bool) -> Mask | None:
        rows = self.rows(modality)
        masks = [filters.mask(rows) if filters else None, rows.live]
        if of_films_alone:
            masks.append(_of_films(rows, modality))
        given = [mask for mask in masks if mask is not None]
        if not given:
            return None
        mask = given[0] if len(given) == 1 else all_of(given)
        mask.flags.writeable = False  # so that what the index makes of it is kept too
        return mask

    def _search(
        self,
        modality: Modality,
        queries: NDArray[np.float32],
        k: int,
        mask: Mask | None,
        wanted: SearchScope,
        depth: int,
    ) -> list[list[Hit]]:
        rows = self.rows(modality)
        room = _ROOM_FOR_SELF if any(wanted.without) else 1  # one more shows whether the last has a copy
        depth = min(depth + room, max(len(rows), 1))
        scores, ids = self.index(modality).search(queries, depth, allowed=mask, exact=wanted.exact)
        found = self._hits(modality, queries, scores, ids)
        for i, hits in enumerate(found):
            banned = set(wanted.without[i]) if i < len(wanted.without) else set()
            copied = may_have_copies(hits)
            if ids[i, -1] >= 0 and (copied or any(map(is_timed, hits))):
                hits += self._of_further_files(modality, queries[i : i + 1], k, mask, wanted, hits, banned, depth)
            found[i] = [hit for hit in hits if not _is_banned(hit, banned)]
            if copied:
                found[i] = copies_of(rows, found[i], mask, banned).told(found[i])
            found[i] += self._moments_within(modality, queries[i : i + 1], found[i])
        return found

    def _of_further_files(
        self,
        modality: Modality,
        query: NDArray[np.float32],
        k: int,
        mask: Mask | None,
        wanted: SearchScope,
        hits: list[Hit],
        banned: set[bytes],
        depth: int,
    ) -> list[Hit]:
        """Rows of other contents, where the first rows were of fewer than k: a long film fills any list by itself, and
        so do the copies of a photograph."""
        further: list[Hit] = []
        allowed = np.ones(len(self.rows(modality)), np.bool_) if mask is None else mask.copy()
        met = hits
        rows = self.rows(modality)
        while met and answers(h for h in (*hits, *further) if not _is_banned(h, banned)) < k:
            if any(map(is_timed, met)):
                files = self._file_numbers(modality)
                positions = rows.positions(np.array([h.id for h in met if is_timed(h)], np.int64))
                allowed &= ~np.isin(files, files[positions])
            allowed[rows.positions(np.array([h.id for h in met], np.int64))] = False
            if may_have_copies(met):
                allowed[copies_of(rows, met, None, set()).positions] = False
            scores, ids = self.index(modality).search(query, depth, allowed=allowed, exact=wanted.exact)
            (met,) = self._hits(modality, query, scores, ids)
            further += met
        return further

    def _file_numbers(self, modality: Modality) -> NDArray[np.int64]:
        """For each row a number that the rows of one file share; int64 ``[rows]``."""
        with self._guard:
            if modality not in self._files:
                paths = self.rows(modality).facts(["path"])["path"].combine_chunks().dictionary_encode()
                self._files[modality] = paths.indices.to_numpy().astype(np.int64)
            return self._files[modality]

    def _moments_within(self, modality: Modality, query: NDArray[np.float32], hits: list[Hit]) -> list[Hit]:
        """The best moment of each film of which only a longer row was found: that one must not stand unexplained."""
        explained = {hit.path for hit in hits if is_timed(hit) and is_moment(hit)}
        found: list[Hit] = []
        for longer in (hit for hit in hits if is_timed(hit) and not is_moment(hit)):
            if longer.path in explained:
                continue
            explained.add(longer.path)
            files = self._file_numbers(modality)
            own = files == files[self.rows(modality).positions(np.array([longer.id], np.int64))[0]]
            live = self.rows(modality).live
            own = own if live is None else own & live
            scores, ids = self.index(modality).search(query, int(np.count_nonzero(own)), allowed=own)
            (rows,) = self._hits(modality, query, scores, ids)
            found += [hit for hit in rows if is_moment(hit)][:1]
        return found

    def _hits(
        self, modality: Modality, queries: NDArray[np.float32], scores: NDArray[np.float32], ids: NDArray[np.int64]
    ) -> list[list[Hit]]:
        rows = self.rows(modality)
        facts = self._facts(rows, ids)
        sample = self.match_sample(modality)
        hits = []
        for i in range(len(queries)):
            kept = ids[i] >= 0
            match = sample.match(queries[i], ids[i][kept], scores[i][kept])
            numbers = zip(ids[i][kept].tolist(), scores[i][kept].tolist(), match.tolist(), strict=True)
            hits.append([_hit(row_id, score, z, facts[row_id]) for row_id, score, z in numbers])
        return hits

    def _facts(self, rows: Rows, ids: NDArray[np.int64]) -> dict[int, dict[str, Any]]:
        wanted = sorted({row_id for row_id in ids.ravel().tolist() if row_id >= 0})
        found = rows.facts_at(rows.positions(np.array(wanted, np.int64)), FACT_NAMES)
        return dict(zip(wanted, found, strict=True))


_MASKS = 16  # filters whose rows are kept: a byte for each row
_SPANS_OF_FILE = 4  # rows of one film or sound that are expected among the best
_ROOM_FOR_SELF = 256  # rows of the query file itself that may stand before the k that are asked for


def _is_banned(hit: Hit, banned: set[bytes]) -> bool:
    return bool(banned) and not banned.isdisjoint((os.fsencode(hit.path), os.fsencode(owner(hit.path))))


def _of_films(rows: Rows, modality: Modality) -> Mask:
    """Which rows of sounds and texts belong to films: those with a width, and timed texts."""
    import pyarrow.compute as pc

    if modality == "audio":
        return np.asarray(pc.is_valid(rows.facts(["width"])["width"]).to_numpy(), np.bool_)
    units = rows.facts(["span_unit"])["span_unit"]
    timed = pc.equal(units.cast("string"), "s").fill_null(False)
    return np.asarray(timed.to_numpy(), np.bool_)


def _hit(row_id: int, score: float, match: float, row: dict[str, Any]) -> Hit:
    modality = modality_of(row)
    taken_at: dt.datetime | None = row["taken_at"]
    span = span_of(row)
    subtitle = modality == "text" and span is not None and span.unit == "s"
    return Hit(
        rank=0,
        score=score,
        match=match,
        path=os.fsdecode(row["path"]),
        modality=modality,
        id=row_id,
        span=span,
        text=row["passage"],
        evidence=("subtitle" if subtitle else _EVIDENCE[modality],),
        state=_state(row),
        width=row["width"],
        height=row["height"],
        duration_s=row["duration_s"],
        taken_at=taken_at,
        note=row["note"],
        taken_from=row["taken_from"],
        content_hash=row["content_hash"] or b"",
    )


def _state(row: dict[str, Any]) -> FileState:
    try:
        facts = os.stat(row["path"])
    except OSError:
        return "gone"
    return "current" if (facts.st_size, facts.st_mtime_ns) == (row["size"], row["mtime_ns"]) else "changed"
