"""Candidates as hits. Only those are made that are shown: files are looked at, and facts are read, for no others."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mmsearch.hits import FileState, Hit, MatchedWords, hit_of
from mmsearch.retrieval.search.candidates import Candidates
from mmsearch.retrieval.search.found_rows import Pool
from mmsearch.retrieval.search.hit_rows import ABOUT_PICTURE, Row
from mmsearch.retrieval.search.item_paths import ItemStates
from mmsearch.retrieval.search.letter_matches import Held, LetterMatches
from mmsearch.retrieval.search.levels import level_of
from mmsearch.retrieval.search.moments import state_of
from mmsearch.retrieval.search.near_copies import NearCopies
from mmsearch.types import Modality

FAR_BELOW = 3.0
"""Log-odds: evidence that is so much weaker than another is not told."""

_LEAST_TOLD = 1.0  # nats from which on words are told as evidence


@dataclass(slots=True)
class Told:
    """What is told of the words that a candidate holds.

    Attributes:
        matches: of the query.
        held: which words each row holds, by its number.
        lead: by how much words say more for it than vectors.
    """

    matches: LetterMatches
    held: dict[int, Held]
    lead: float


class Shown:
    """Makes hits of candidates.

    Args:
        pool: the rows.
        candidates: the candidates.
        copies: for each query, paths of other files of the same content by the row's id.
        told: of the candidates that hold words, by number.
        near: files that are copies though their contents differ; None if none are known.
    """

    def __init__(
        self,
        pool: Pool,
        candidates: Candidates,
        copies: Sequence[Mapping[int, tuple[str, ...]]],
        told: Mapping[int, Told],
        near: NearCopies | None = None,
    ) -> None:
        self._pool, self._candidates, self._copies, self._told = pool, candidates, copies, told
        self._near = near
        self._items = ItemStates()

    def modality(self, number: int) -> Modality:
        """What a candidate is."""
        file = self._candidates.files[number]
        if file is not None:
            return file.kind
        lead = self._pool.rows[self._candidates.leads[number]]
        return lead.shows if lead.evidence in ABOUT_PICTURE else lead.modality

    def path(self, number: int) -> str:
        """The path of a candidate's file."""
        file = self._candidates.files[number]
        return self._base(number).path if file is None else file.path

    def state(self, number: int) -> FileState:
        """Whether a candidate's file is still what was indexed."""
        file, base = self._candidates.files[number], self._base(number)
        return base.state(self._items) if file is None or file.path == base.path else state_of(file.path)

    def is_there(self, path: str) -> bool:
        """Whether a file or the archive of an item is there."""
        return self._items.is_there(path)

    def content_hash(self, number: int) -> bytes:
        """The content of a candidate's file; empty if it is not known."""
        own = self._own(number)
        return own.content_hash if own else b""

    def contents(self, numbers: Sequence[int]) -> dict[int, Hashable]:
        """For each of some candidates what is equal if their files are copies of one another; empty if not known."""
        hashes = {number: self.content_hash(number) for number in numbers}
        groups = {number: group for number in numbers if (group := self.near_group(number)) is not None}
        same = {hashes[number]: group for number, group in groups.items() if hashes[number]}
        return {number: groups.get(number, same.get(own, own)) for number, own in hashes.items()}

    def near_group(self, number: int) -> int | None:
        """The group of copies that a candidate's file is in; None if it is in none."""
        return None if self._near is None else self._near.group(self.path(number))

    def near_paths(self, groups: Sequence[Sequence[int]]) -> list[list[str]]:
        """For each of some groups of candidates, the paths of all files that are copies of theirs."""
        if self._near is None:
            return [[] for _ in groups]
        numbers = [{own for number in group if (own := self.near_group(number)) is not None} for group in groups]
        paths = self._near.paths(set().union(*numbers))
        return [[path for number in own for path in paths.get(number, ())] for own in numbers]

    def copies(self, number: int) -> tuple[str, ...]:
        """Paths of other files of the same content that were found with it."""
        copies = self._copies[self._candidates.queries[number]]
        own = self._own(number) if copies else None
        return copies.get(own.id, ()) if own else ()

    def row_id(self, number: int) -> int:
        """The id of the row that a candidate has."""
        return self._pool.rows[self._candidates.leads[number]].id

    def span_key(self, number: int, *, moments: bool = True) -> Hashable:
        """Equal for candidates of the same part of a file. ``moments``: also of films and sounds."""
        span = self._base(number).span
        return None if span is None or (span.unit == "s" and not moments) else (span.start, span.end, span.unit)

    def are_distinct(self, numbers: Sequence[int]) -> bool:
        """Whether no two of some candidates of one query are of one content, and none was found with copies."""
        candidates, rows = self._candidates, self._pool.rows
        if not numbers or self._copies[candidates.queries[numbers[0]]]:
            return not numbers
        if self._near is not None and any(self.near_group(number) is not None for number in numbers):
            return False
        bases = [rows[candidates.bases[number]] for number in numbers]
        if len({base.copy_key for base in bases}) < len(bases):
            return False
        files = [candidates.files[number] for number in numbers]
        return all(file is None or file.path == base.path for file, base in zip(files, bases, strict=True))

    def _base(self, number: int) -> Row:
        return self._pool.rows[self._candidates.bases[number]]

    def _own(self, number: int) -> Row | None:
        """The row whose content a candidate has: of a film, none of the subtitles beside it."""
        file, base = self._candidates.files[number], self._base(number)
        if file is None or base.path == file.path:
            return base
        rows = (self._pool.rows[row] for row in self._candidates.rows[number])
        return next((row for row in rows if row.path == file.path), None)

    def hit(
        self,
        number: int,
        rank: int,
        best: int | None = None,
        copies: tuple[str, ...] = (),
        state: FileState | None = None,
    ) -> Hit:
        """A candidate as a hit.

        Args:
            number: of the candidate.
            rank: its rank.
            best: the number of the best of the candidates that it stands for, if it is another.
            copies: paths of the files of the same content.
            state: of its file, if it is known already.
        """
        candidates, pool = self._candidates, self._pool
        best = number if best is None else best
        base, row, file = self._base(number), pool.rows[candidates.leads[number]], candidates.files[number]
        own = self._own(number)
        values = {
            **base.record,
            "id": row.id,
            "path": base.path if file is None else file.path,
            "modality": self.modality(number),
            "content_hash": own.content_hash if own else b"",
            "state": state or self.state(number),
            "matched": (),
            "copies": copies,
            "rank": rank,
            # Vectors in float16 are not quite of length 1. The order is settled: cosines are cut to what they can be.
            "score": min(max(float(pool.scores[candidates.leads[best]]), -1.0), 1.0),
            "match": candidates.matches[best],
            "level": level_of(candidates.answers[best]),
        }
        if file is not None:
            values["facts"] = row.record["facts"]
        self._add_words(values, number)
        return hit_of(values)

    def _add_words(self, values: dict[str, Any], number: int) -> None:
        """Add the evidence and text of a candidate."""
        candidates = self._candidates
        rows = [self._pool.rows[row] for row in candidates.rows[number]]
        if len(rows) == 1:
            evidence: tuple[str, ...] = (rows[0].evidence,)
            text = rows[0].text
        elif candidates.files[number] is not None:
            evidence = tuple(dict.fromkeys([row.evidence for row in rows]))
            text = next((row.text for row in rows if row.text), None)
        else:
            odds = [float(self._pool.odds[row]) for row in candidates.rows[number]]
            told = [row for row, own in zip(rows, odds, strict=True) if own >= odds[0] - FAR_BELOW]
            evidence = tuple(dict.fromkeys([row.evidence for row in told]))
            text = self._base(number).text
            text = text or next((row.text for row in rows if row.text and row.evidence in evidence), None)
        values["evidence"], values["text"] = evidence, text
        if number in self._told:
            values |= self._letters(number, evidence)

    def text_row(self, number: int) -> int | None:
        """The row of a candidate whose text holds words, the most telling one."""
        told = self._told[number]
        numbers = self._candidates.rows[number]
        texts = [
            row for row in numbers if row in told.held and any(one.where == "text" for one in self._places(told, row))
        ]
        return max(texts, key=lambda row: told.matches.says(told.held[row]), default=None)

    def _letters(self, number: int, evidence: tuple[str, ...]) -> dict[str, Any]:
        """What is shown of the words that a candidate holds: evidence, text, and where they stand."""
        told, candidates = self._told[number], self._candidates
        matches = told.matches
        places = {row: self._places(told, row) for row in candidates.rows[number] if row in told.held}
        texts = [row for row, own in places.items() if any(place.where == "text" for place in own)]
        best = max(texts, key=lambda row: matches.says(told.held[row]), default=None)
        named = dict.fromkeys(place for own in places.values() for place in own if place.where != "text")
        found: dict[str, Any] = {}
        in_text: list[MatchedWords] = []
        by_words: list[str] = []
        if best is not None:
            shown = self._pool.rows[best]
            found = {"text": shown.text, "boxes": shown.boxes, "lang": shown.facts["mms_lang"]}
            in_text = [place for place in places[best] if place.where == "text"]
            by_words = [shown.evidence]
        by_words += ["name"] if named else []
        by_look = [kind for kind in evidence if kind not in by_words]
        if matches.says(candidates.held(number, told.held)) < _LEAST_TOLD and by_look:
            by_words = []
        is_moment = candidates.files[number] is not None  # what speaks for one is chosen by strength already
        if told.lead > FAR_BELOW and by_words and not is_moment:
            by_look = []
        ordered = (*by_words, *by_look) if told.lead > 0 else (*by_look, *by_words)
        return {**found, "evidence": ordered or evidence, "matched": (*in_text, *named)}

    def _places(self, told: Told, row: int) -> tuple[MatchedWords, ...]:
        """Where in a row the words stand that it holds."""
        return told.matches.places(self._pool.rows[row], told.held[row])


def merged_copies(shown: Shown, group: Sequence[int], rank: int, near: Sequence[str] = ()) -> Hit:
    """Candidates of one content as a hit: the first file that still exists, which names the others that do.

    Args:
        shown: makes hits.
        group: numbers of candidates, the best first.
        rank: of the hit.
        near: paths of files that are copies by what they show.
    """
    if len(group) == 1 and not near and not shown.copies(group[0]):
        return shown.hit(group[0], rank)
    states = {number: shown.state(number) for number in group}
    if near:  # copies that look alike are not equally good answers
        first = min(group, key=lambda number: states[number] != "current")
    else:
        first = min(group, key=lambda number: (states[number] != "current", shown.row_id(number)))
    others = dict.fromkeys(path for number in group for path in (shown.path(number), *shown.copies(number)))
    others |= dict.fromkeys(near)
    others.pop(shown.path(first), None)
    copies = tuple(path for path in sorted(others) if shown.is_there(path))
    return shown.hit(first, rank, group[0], copies, states[first])
