"""Which rows may answer a search."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mmsearch.indexes import Sought
from mmsearch.retrieval.search.filters import Filters
from mmsearch.retrieval.search.masks import Mask, any_of, mask_of
from mmsearch.retrieval.store.snapshot import Rows
from mmsearch.types import Modality


@dataclass(frozen=True, slots=True)
class SearchScope:
    """The rows that may answer.

    Attributes:
        to: modalities, empty for all; ``video`` asks for films, whatever row of them answers: frames, sound, subtitles;
            ``image`` for pictures by what is written in them, too, and ``audio`` for sounds by what is said.
        filters: conditions that the rows must meet.
        excluded: for each query, paths of files and ids of rows that may not answer it.
        exact: compare every row, though there may be an index.
        phrases: what must stand in a row to the letter, or in another row of its file, see `phrase_mask`.
        lexical: only rows that hold words of the query may answer.
    """

    to: tuple[Modality, ...] = ()
    filters: Filters | None = None
    excluded: Sequence[Sequence[bytes | int]] = ()
    exact: bool = False
    phrases: tuple[Sought, ...] = ()
    lexical: bool = False

    def searches(self, modality: Modality) -> bool:
        """Whether rows of a modality may answer."""
        return not self.to or modality in self.to or bool(self.only_from(modality))

    def asks_for(self, modality: Modality) -> bool:
        """Whether rows of a modality alone can be what is asked for: texts are for films, but not for pictures."""
        return not self.to or modality in self.to or ("video" in self.to and modality in ("audio", "text"))

    def only_from(self, modality: Modality) -> tuple[Modality, ...]:
        """The kinds of files of which alone the rows of a modality may answer; empty for all."""
        if not self.to or modality in self.to:
            return ()
        by_rows: dict[Modality, tuple[Modality, ...]] = {"audio": ("video",), "text": ("image", "audio", "video")}
        return tuple(kind for kind in by_rows.get(modality, ()) if kind in self.to)


def of_kinds(rows: Rows, modality: Modality, kinds: Sequence[Modality]) -> Mask:
    """Which rows of sounds and texts belong to files of some kinds: to films those with a width, and timed texts."""
    import pyarrow.compute as pc

    facts = rows.facts(["width", "span_unit", "mms_evidence"])
    wide = mask_of(pc.is_valid(facts["width"]))
    if modality == "audio":
        return wide
    timed = mask_of(pc.equal(facts["span_unit"].cast("string"), "s"))
    source = facts["mms_evidence"].cast("string")
    masks = {
        "image": mask_of(pc.equal(source, "ocr")) & ~timed,
        "audio": mask_of(pc.equal(source, "speech")) & ~wide,
        "video": timed & (wide | ~mask_of(pc.equal(source, "speech"))),
    }
    return any_of([masks[kind] for kind in kinds])
