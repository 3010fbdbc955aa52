"""What Word, PowerPoint and Excel files have in common: parts that name each other, paragraphs, properties."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from mmsearch.errors import DecodeError
from mmsearch.retrieval.media.documents.archive import Archive, resolved
from mmsearch.retrieval.media.documents.own_facts import document_facts
from mmsearch.retrieval.media.documents.xml import Attributes, Leaves, XmlReader, attribute
from mmsearch.types import Facts


@dataclass(frozen=True, slots=True)
class Relation:
    """A part that another one names: the last word of the kind of relation, and the name of its entry."""

    kind: str
    part: str


class _Relations(XmlReader):
    def __init__(self, base: str) -> None:
        super().__init__()
        self.found: dict[str, Relation] = {}
        self._base = base

    def start(self, name: str, attributes: Attributes) -> None:
        if name == "Relationship" and attributes.get("TargetMode") != "External":
            kind = attributes.get("Type", "").rpartition("/")[2]
            part = resolved(self._base, attributes.get("Target", ""))
            self.found[attributes.get("Id", "")] = Relation(kind, part)


def relations_of(archive: Archive, part: str) -> dict[str, Relation]:
    """The parts that a part names, by their id there; links to files and pages outside are left out."""
    folder, _, name = part.rpartition("/")
    entry = f"{folder}/_rels/{name}.rels".lstrip("/")
    reader = _Relations(part)
    if archive.has(entry):
        reader.read(archive.pieces(entry))
    return reader.found


def main_part(archive: Archive, usual: str) -> str:
    """The name of the entry that holds the document itself.

    Args:
        archive: the file.
        usual: the name that it has in most files.

    Raises:
        DecodeError: there is none.
    """
    stated = (one.part for one in relations_of(archive, "").values() if one.kind == "officeDocument")
    part = next((one for one in (*stated, usual) if archive.has(one)), None)
    if part is None:
        raise DecodeError("there is no document in it: damaged, or of another kind")
    return part


def core_facts(archive: Archive) -> Facts:
    """Title, keywords, language and date, in the core properties."""
    stated = (one.part for one in relations_of(archive, "").values() if one.kind == "core-properties")
    leaves = Leaves()
    try:
        leaves.read(archive.pieces(next(stated, "docProps/core.xml")))
    except DecodeError:
        return Facts()
    return document_facts(
        title=leaves.first("title"),
        tags=leaves.first("keywords") or "",
        lang=leaves.first("language"),
        created=leaves.first("created"),
    )


def related(archive: Archive, part: str, *kinds: str) -> Iterator[str]:
    """The parts of some kinds that a part names and that are there."""
    for relation in relations_of(archive, part).values():
        if relation.kind in kinds and archive.has(relation.part):
            yield relation.part


class ParagraphReader(XmlReader):
    """Paragraphs of Word and of drawings: a line each; the cells of a row of a table make one line.

    Args:
        add: is called with each line.
        turn: is called where Word last began a page; None: pages do not matter.
        heading: is called before a paragraph that is a heading; None: headings do not matter.
        headings: ids of styles that are those of headings.
    """

    skipped = frozenset({"Fallback", "moveFrom", "del", "instrText"})

    def __init__(
        self,
        add: Callable[[str], None],
        turn: Callable[[], None] | None = None,
        heading: Callable[[], None] | None = None,
        headings: frozenset[str] = frozenset(),
    ) -> None:
        super().__init__()
        self._add, self._turn, self._heading, self._headings = add, turn, heading, headings
        self._parts: list[str] = []
        self._row: list[str] = []
        self._in_text = self._in_run = False
        self._rows = 0
        self._is_number = False

    def start(self, name: str, attributes: Attributes) -> None:
        """See `XmlReader`."""
        match name:
            case "t":
                self._in_text = not self._is_number
            case "r":
                self._in_run = True
            case "tr":
                self._rows += 1
            case "tab" | "ptab" if self._in_run:
                self._parts.append("\t")
            case "br" | "cr":
                self._parts.append("\n")
            case "noBreakHyphen":
                self._parts.append("-")
            case "lastRenderedPageBreak" if self._turn is not None:
                self._finish_paragraph()
                self._finish_row()
                self._turn()
            case "pStyle" if self._heading is not None and attribute(attributes, "val") in self._headings:
                self._heading()
            case "outlineLvl" if self._heading is not None and attribute(attributes, "val") in _OUTLINE_LEVELS:
                self._heading()
            case "fld":
                self._is_number = attributes.get("type") == "slidenum"

    def end(self, name: str) -> None:
        """See `XmlReader`."""
        match name:
            case "t":
                self._in_text = False
            case "r":
                self._in_run = False
            case "p":
                self._finish_paragraph()
            case "tr":
                self._rows -= 1
                if not self._rows:
                    self._finish_row()
            case "fld":
                self._is_number = False

    def text(self, text: str) -> None:
        """See `XmlReader`."""
        if self._in_text:
            self._parts.append(text)

    def _finish_paragraph(self) -> None:
        text, self._parts = "".join(self._parts), []
        if self._rows:
            self._row.append(" ".join(text.split()))
        else:
            self._add(text)

    def _finish_row(self) -> None:
        row, self._row = self._row, []
        if any(row):
            self._add("\t".join(filter(None, row)))


_OUTLINE_LEVELS = frozenset("012345678")  # 9 is the text between headings
