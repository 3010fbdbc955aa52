"""What the tools for agents do: search, look, moment, read and describe, over the collections that are served."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from mmsearch import (
    Answer,
    Collection,
    DecodeError,
    Extractor,
    FileNotServedError,
    Hit,
    Query,
    Record,
    Thumbnail,
    UsageError,
    read_query,
)
from mmsearch.serve import mcp_answers as answers
from mmsearch.serve import mcp_names as names
from mmsearch.serve.contact_sheet import SHEET_WIDTH, Cell, cell_size, contact_sheet
from mmsearch.serve.facets import count_facets
from mmsearch.serve.passages import passages_of
from mmsearch.types import Span, clock, printable, rounded

MOST_HITS = 50
MOST_PICTURES = 36
MOST_AROUND = 20
MOST_FOLDERS = 40
_PASSAGE_CHARACTERS = 240
_GOOD = ("strong", "likely")
_STATES = {"changed": "the file has changed since it was indexed", "gone": "the file is gone", "none": "no file"}


@dataclass(frozen=True, slots=True)
class Pictured:
    """An answer with a picture.

    Attributes:
        answer: the answer.
        jpeg: the picture; None where there is none.
    """

    answer: answers.Answer
    jpeg: bytes | None


class Tools:
    """The tools over some collections. Each call blocks, and moves to the newest manifest first.

    Args:
        collections: open ones, by their names; the first one answers where none is named.
    """

    def __init__(self, collections: Mapping[str, Collection]) -> None:
        self._collections = collections
        self._folders: dict[str, tuple[int, names.Folders]] = {}

    def search(
        self,
        query: str | None,
        *,
        like: Sequence[int],
        kinds: Sequence[str],
        folder: str | None,
        after: str | None,
        before: str | None,
        place: str | None,
        camera: str | None,
        sort: str | None,
        level: str | None,
        k: int,
        collection: str | None,
    ) -> answers.SearchAnswer:
        """The files nearest to some words, or to stored rows, or to both."""
        name, asked = self._named(collection)
        if not ((query and query.strip()) or like):
            raise UsageError("give query, the words to look for, or like, ids of hits")
        if not 1 <= k <= MOST_HITS:
            raise UsageError(f"k is between 1 and {MOST_HITS}, not {k}")
        wanted = names.kinds_named(kinds)
        least = None if level is None else names.level_named(level)
        under = None if folder is None else self._folders_of(name).named(folder)
        read = read_query(query or "", known=asked.names)
        words = read.words.strip() or (None if like else read.text)
        if like and read.is_only_filters:
            read = replace(read, words="what is liked")
        given = {
            "to": tuple(wanted.values()),
            "under": under,
            "after": after,
            "before": before,
            "place": place,
            "camera": camera,
            "sort": sort,
            "min_level": least,
        }
        options = {**read.options, **{name: value for name, value in given.items() if value}}
        asks = Query(*([words] if words else []), minus=read.minus, phrases=read.phrases, like=like)
        found = read.explain(asked.ask(asks, k, **options))
        applied = answers.Applied(
            query=query,
            like=list(like) or None,
            kinds=list(wanted or names.KINDS),
            folder=under,
            after=after and names.first_moment(after),
            before=before and names.first_moment(before),
            place=place,
            camera=camera,
            sort=sort,
            reading=None if read.is_plain else read.describe(),
            level=least,
            k=k,
        )
        return answers.SearchAnswer(
            collection=name,
            applied=applied,
            good_match=None if found.level is None else found.level in _GOOD,
            summary=_summary(asked, found, filtered=bool(options)),
            hits=[_short(hit) for hit in found.hits],
            notices=[str(notice) for notice in found.notices] or None,
        )

    def look(self, ids: Sequence[int], *, collection: str | None) -> Pictured:
        """The files of some rows on one picture."""
        name, asked = self._named(collection)
        wanted = list(dict.fromkeys(ids))
        if not 1 <= len(wanted) <= MOST_PICTURES:
            raise UsageError(f"look takes 1 to {MOST_PICTURES} ids, not {len(wanted)}")
        records = [asked.shown(row_id) for row_id in wanted]
        if len(records) == 1:
            jpeg, reason = _large(asked, records[0])
            return Pictured(answers.LookAnswer(collection=name, shown=[_shown(1, records[0], reason)]), jpeg)
        pictures = _small(asked, records)
        shown = [_shown(i, *pair) for i, pair in enumerate(zip(records, (p.reason for p in pictures), strict=True), 1)]
        cells = [
            Cell(_label(file), picture.pixels)
            for file, picture in zip(shown, pictures, strict=True)
            if picture.pixels is not None
        ]
        answer = answers.LookAnswer(collection=name, shown=shown)
        return Pictured(answer, contact_sheet(cells) if cells else None)

    def moment(self, row_id: int, time: str | float, *, collection: str | None) -> Pictured:
        """The frame that a film shows at a time."""
        name, asked = self._named(collection)
        seconds = names.seconds_named(time)
        film = asked.shown(row_id)
        if film.modality != "video":
            kind = names.KIND_OF[film.modality]
            raise UsageError(f"row {row_id} is a {kind}, no film: look shows pictures, read shows texts")
        try:
            with asked.open_file(row_id) as file, Extractor() as extractor:
                frame = extractor.picture(file, side=SHEET_WIDTH, coding="jpeg", at=seconds)
        except (DecodeError, FileNotServedError) as error:
            raise UsageError(f"there is no frame at {clock(seconds)}: {error}") from None
        answer = answers.MomentAnswer(
            collection=name,
            id=row_id,
            path=printable(film.path),
            time=clock(frame.time_s),
            time_s=rounded(frame.time_s),
            duration=None if film.duration_s is None else clock(film.duration_s),
        )
        return Pictured(answer, frame.data)

    def read(self, row_id: int, *, around: int, collection: str | None) -> answers.ReadAnswer:
        """The passages of a text, or the subtitles of a film, around a row."""
        name, asked = self._named(collection)
        if not 0 <= around <= MOST_AROUND:
            raise UsageError(f"around is between 0 and {MOST_AROUND}, not {around}")
        passages, at = passages_of(asked, row_id)
        if not passages:
            kind = names.KIND_OF[asked.shown(row_id).modality]
            raise UsageError(f"row {row_id} is a {kind} without text; look shows pictures and films")
        first, last = max(0, at - around), min(len(passages), at + around + 1)
        return answers.ReadAnswer(
            collection=name,
            id=row_id,
            path=passages[at].path,
            passages=[
                answers.ReadPassage(id=p.id, span=_span(p.span), text=p.text, asked=(i == at) or None)
                for i, p in enumerate(passages[first:last], first)
            ],
            more_before=first > 0,
            more_after=last < len(passages),
        )

    def describe(self, *, collection: str | None) -> answers.DescribeAnswer:
        """What the collections hold; only one of them if it is named."""
        wanted = list(self._collections) if collection is None else [collection]
        return answers.DescribeAnswer(collections=[_facts(*self._named(name)) for name in wanted])

    def _named(self, name: str | None) -> tuple[str, Collection]:
        return names.collection_named(self._collections, name)

    def _folders_of(self, name: str) -> names.Folders:
        """The folders of a collection, listed once for each manifest."""
        generation, folders = self._folders.get(name, (-1, None))
        asked = self._collections[name]
        if folders is None or generation != asked.manifest.generation:
            generation, folders = asked.manifest.generation, names.Folders.of(asked)
            self._folders[name] = generation, folders
        return folders


def _summary(collection: Collection, found: Answer, *, filtered: bool) -> str:
    """One sentence on what was found, that does not let the nearest pass for a match."""
    if not len(collection):
        return "nothing is indexed yet: the collection is empty"
    if not found.hits:
        return "no hit: nothing passes the filters" if filtered else "no hit"
    count = f"{len(found.hits)} hit{'s' if len(found.hits) > 1 else ''}"
    if found.level is None:
        return f"{count}, the nearest first; how good they are is not known: look at them"
    if found.level in _GOOD:
        good = sum(hit.level in _GOOD for hit in found.hits)
        return f"{count}, {good} of them strong or likely"
    if found.level == "weak":
        return f"{count}, but none is more than a weak match: look before you rely on one"
    return "no good match: these are only the nearest files, and most likely none is what was asked for"


def _facts(name: str, collection: Collection) -> answers.CollectionFacts:
    status, found = collection.status(), count_facets(collection, {})
    most = found.folders.most_common(MOST_FOLDERS)
    return answers.CollectionFacts(
        name=name,
        files={kind: found.kinds[modality] for kind, modality in names.KINDS.items() if found.kinds[modality]},
        models=[model for model in (status.model, *status.beside.values()) if model],
        years=dict(sorted(found.years.items())) or None,
        folders=[answers.FolderFacts(path=path, files=files) for path, files in sorted(most)],
        more_folders=len(found.folders) - len(most) or None,
        skipped=status.skipped or None,
    )


def _short(hit: Hit) -> answers.FoundHit:
    passage = hit.text and " ".join(hit.text.split())
    if passage and len(passage) > _PASSAGE_CHARACTERS:
        passage = passage[:_PASSAGE_CHARACTERS].rsplit(" ", 1)[0] + " …"
    return answers.FoundHit(
        id=hit.id,
        path=printable(hit.path),
        kind=names.KIND_OF[hit.modality],
        level=hit.level,
        score=round(hit.score, 3) if hit.level is None else None,
        span=_span(hit.span),
        passage=passage or None,
        found_by=list(hit.evidence) if hit.modality == "video" or hit.matched else None,
        taken=_day(hit),
        place=", ".join(filter(None, (hit.place, hit.country))) or None,
        copies=len(hit.copies) or None,
        file=None if hit.state == "current" else _STATES[hit.state],
    )


def _shown(number: int, record: Record, not_shown: str | None) -> answers.ShownFile:
    return answers.ShownFile(
        number=number,
        id=record.id,
        path=printable(record.path),
        kind=names.KIND_OF[record.modality],
        span=_span(record.span),
        taken=_day(record),
        width=record.width,
        height=record.height,
        duration=None if record.duration_s is None else clock(record.duration_s),
        note=record.note,
        not_shown=not_shown,
    )


def _label(file: answers.ShownFile) -> str:
    parts = [str(file.number), f"id {file.id}", file.span, os.path.basename(file.path)]
    return " · ".join(part for part in parts if part)


def _large(collection: Collection, record: Record) -> tuple[bytes | None, str | None]:
    """A picture of a record as a JPEG; or None, and why there is none."""
    if reason := _why_not(collection, record):
        return None, reason
    try:
        with collection.open_file(record.id) as file, Extractor() as extractor:
            return extractor.picture(file, side=SHEET_WIDTH, coding="jpeg").data, None
    except (DecodeError, FileNotServedError) as error:
        return None, str(error)


def _small(collection: Collection, records: Sequence[Record]) -> list[Thumbnail]:
    """A picture of each record, as large as there is room for on a sheet; or why there is none."""
    refused = {i: reason for i, record in enumerate(records) if (reason := _why_not(collection, record))}
    rest = [record for i, record in enumerate(records) if i not in refused]
    height, width = cell_size(max(1, len(rest)))
    decoded = iter(collection.thumbnails(rest, height=height, width=width) if rest else ())
    return [Thumbnail(None, refused[i]) if i in refused else next(decoded) for i in range(len(records))]


def _why_not(collection: Collection, record: Record) -> str | None:
    """Why no picture of a record is to be made; None if there may be one."""
    if record.modality not in ("image", "video"):
        return f"a {names.KIND_OF[record.modality]}" + (": read shows it" if record.text else "")
    try:
        collection.open_file(record.id).close()
    except FileNotServedError as error:
        return str(error)
    return None


def _span(span: Span | None) -> str | None:
    return None if span is None or span.unit == "char" else str(span)


def _day(record: Record) -> str | None:
    return record.taken_at.date().isoformat() if record.taken_at else None
