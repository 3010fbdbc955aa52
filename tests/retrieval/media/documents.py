"""Documents made on the spot: PDF from lines and pictures, and the ZIP files that office programs write."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from PIL import Image

from mmsearch.retrieval.media.documents.read import read_document
from mmsearch.retrieval.media.documents.sink import DocumentSink
from mmsearch.retrieval.media.sniff import HEAD_BYTES, sniff
from mmsearch.types import Facts

ENCRYPTED = b"/ID [<00><00>] /Encrypt << /Filter /Standard /V 1 /R 2 /P -4 /O <%s> /U <%s> >> " % (
    b"11" * 32,
    b"22" * 32,
)
"""Of a trailer: no password is known to anybody."""

FORM = b"""%PDF-1.7
1 0 obj
<< /Type /Catalog /Pages 2 0 R
/AcroForm << /Fields [5 0 R 7 0 R] /DA (/F 12 Tf 0 g) /DR << /Font << /F 3 0 R >> >> >> >>
endobj
2 0 obj
<< /Type /Pages /Count 1 /Kids [4 0 R] >>
endobj
3 0 obj
<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>
endobj
4 0 obj
<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Resources << /Font << /F 3 0 R >> >>
/Annots [5 0 R 6 0 R 7 0 R] >>
endobj
5 0 obj
<< /Type /Annot /Subtype /Widget /FT /Tx /T (name) /V (Anna Lighthouse) /Rect [100 400 500 700]
/DA (/F 80 Tf 0 g) /P 4 0 R /F 4 >>
endobj
6 0 obj
<< /Type /Annot /Subtype /Text /Contents (ask her about the lamp) /Rect [1 1 2 2] /P 4 0 R >>
endobj
7 0 obj
<< /Type /Annot /Subtype /Widget /FT /Btn /T (box) /V /Yes /Rect [1 1 2 2] /P 4 0 R >>
endobj
trailer
<< /Root 1 0 R >>
"""
"""A page with a field that is filled in, a box that is ticked, and a comment."""


class Illustrated(NamedTuple):
    """A page of lines and a picture of that size in its corner, in points of a page of 612 × 792."""

    lines: Sequence[str]
    picture: Image.Image
    width: int
    height: int


def pdf(
    *pages: Sequence[str] | Image.Image | Illustrated,
    info: bytes = b"",
    catalog: bytes = b"",
    trailer: bytes = b"",
    with_table: bool = True,
) -> bytes:
    """A PDF whose pages are lines of text, a picture that fills the page, or both.

    Args:
        pages: in order.
        info: entries of the information dictionary.
        catalog: entries of the catalog.
        trailer: entries of the trailer, such as `ENCRYPTED`.
        with_table: False: the cross-reference table is in the wrong place, as in a file that was edited by hand.
    """
    objects = [b"", b"", b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>"]
    kids = []
    for page in pages:
        lines, picture, drawn, named = page, None, b"", b""
        if isinstance(page, Illustrated):
            lines, picture, box = page.lines, page.picture, (page.width, page.height)
        elif isinstance(page, Image.Image):
            lines, picture, box = [], page, (612, 792)
        if picture is not None:
            entries = b"/Type /XObject /Subtype /Image /ColorSpace /DeviceRGB /BitsPerComponent 8 /Filter /FlateDecode "
            entries += b"/Width %d /Height %d" % picture.size
            objects.append(_stream(entries, zlib.compress(picture.convert("RGB").tobytes())))
            named = b"/XObject << /I %d 0 R >> " % len(objects)
            drawn = b"q %d 0 0 %d 0 0 cm /I Do Q " % box
        shown = b" ".join(b"(%s) Tj T*" % _escaped(line) for line in lines)
        objects.append(_stream(b"", drawn + b"BT /F 11 Tf 40 760 Td 13 TL " + shown + b" ET"))
        objects.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents %d 0 R "
            b"/Resources << /Font << /F 3 0 R >> %s>> >>" % (len(objects), named)
        )
        kids.append(b"%d 0 R" % len(objects))
    objects[0] = b"<< /Type /Catalog /Pages 2 0 R %s >>" % catalog
    objects[1] = b"<< /Type /Pages /Count %d /Kids [%s] >>" % (len(kids), b" ".join(kids))
    objects.append(b"<< %s >>" % info)
    out = io.BytesIO(b"%PDF-1.7\n")
    out.seek(0, io.SEEK_END)
    places = []
    for number, body in enumerate(objects, 1):
        places.append(out.tell())
        out.write(b"%d 0 obj\n%s\nendobj\n" % (number, body))
    table = out.tell() if with_table else 7
    out.write(b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1))
    out.write(b"".join(b"%010d 00000 n \n" % place for place in places))
    out.write(b"trailer\n<< /Size %d /Root 1 0 R /Info %d 0 R %s>>\n" % (len(objects) + 1, len(objects), trailer))
    out.write(b"startxref\n%d\n%%%%EOF\n" % table)
    return out.getvalue()


def _stream(entries: bytes, data: bytes) -> bytes:
    return b"<< /Length %d %s >>\nstream\n%s\nendstream" % (len(data), entries, data)


def _escaped(line: str) -> bytes:
    return line.encode("cp1252").replace(b"\\", rb"\\").replace(b"(", rb"\(").replace(b")", rb"\)")


# ZIP files

_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/"
_PREFIXES = "office text table draw style fo meta dc dcterms cp manifest presentation svg w mc a p r m"
NAMES = " ".join(f'xmlns:{prefix}="urn:{prefix}"' for prefix in _PREFIXES.split())


def zipped(entries: Mapping[str, str | bytes], mimetype: str | None = None) -> bytes:
    """A ZIP file of the entries, after one with the media type, which is not packed."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        if mimetype:
            file.writestr("mimetype", mimetype, zipfile.ZIP_STORED)
        for name, data in entries.items():
            file.writestr(name, data)
    return out.getvalue()


def relations(*relations: tuple[str, str, str]) -> str:
    """A file of relations: the id, the kind and the target of each."""
    listed = "".join(f'<Relationship Id="{i}" Type="{_OFFICE}{kind}" Target="{to}"/>' for i, kind, to in relations)
    return f"<Relationships>{listed}</Relationships>"


CORE = (
    f"<cp:coreProperties {NAMES}><dc:title>Lights of the coast</dc:title><cp:keywords>sea, lamp</cp:keywords>"
    "<dcterms:created>2022-04-01T08:00:00Z</dcterms:created><dc:language>en-GB</dc:language></cp:coreProperties>"
)


def office(main: str, xml: str, parts: Mapping[str, str] | None = None) -> bytes:
    """A file of Word, PowerPoint or Excel: the name and the content of its main part, and further parts."""
    of_all = relations(("a", "officeDocument", main), ("b", "metadata/core-properties", "docProps/core.xml"))
    entries = {"[Content_Types].xml": "<Types/>", "_rels/.rels": of_all, main: xml, "docProps/core.xml": CORE}
    return zipped({**entries, **(parts or {})})


def paragraph(text: str, properties: str = "") -> str:
    """A paragraph of Word."""
    return f"<w:p><w:pPr>{properties}</w:pPr><w:r><w:t>{text}</w:t></w:r></w:p>"


def docx(body: str, parts: Mapping[str, str] | None = None) -> bytes:
    """A Word document of the paragraphs."""
    xml = f"<w:document {NAMES}><w:body>{body}</w:body></w:document>"
    return office("word/document.xml", xml, parts)


def pptx(slides: Sequence[str], notes: Mapping[int, str] | None = None) -> bytes:
    """A presentation: the text of each slide, and the notes of some."""
    listed = "".join(f'<p:sldId id="{256 + i}" r:id="r{i}"/>' for i in range(len(slides)))
    main = f"<p:presentation {NAMES}><p:sldIdLst>{listed}</p:sldIdLst></p:presentation>"
    of_main = relations(*((f"r{i}", "slide", f"slides/slide{9 - i}.xml") for i in range(len(slides))))
    parts = {"ppt/_rels/presentation.xml.rels": of_main}
    for i, text in enumerate(slides):
        parts[f"ppt/slides/slide{9 - i}.xml"] = drawn(text)
    for i, text in (notes or {}).items():
        parts[f"ppt/slides/_rels/slide{9 - i}.xml.rels"] = relations(("n", "notesSlide", f"../notesSlides/n{i}.xml"))
        parts[f"ppt/notesSlides/n{i}.xml"] = drawn(text)
    return office("ppt/presentation.xml", main, parts)


def drawn(text: str) -> str:
    """A slide with a text and its number."""
    number = '<a:p><a:fld type="slidenum"><a:t>7</a:t></a:fld></a:p>'
    return f"<p:sld {NAMES}><a:p><a:r><a:t>{text}</a:t></a:r></a:p>{number}</p:sld>"


def xlsx(sheets: Mapping[str, str], shared: Sequence[str] = (), formats: Sequence[int] = (0, 14)) -> bytes:
    """A workbook: the rows of each sheet, the texts that cells share, the formats of numbers by style."""
    listed = "".join(f'<sheet name="{name}" sheetId="{i}" r:id="r{i}"/>' for i, name in enumerate(sheets))
    of_main = [(f"r{i}", "worksheet", f"/xl/worksheets/sheet{i}.xml") for i in range(len(sheets))]
    of_main += [("s", "sharedStrings", "sharedStrings.xml"), ("t", "styles", "styles.xml")]
    styles = "".join(f'<xf numFmtId="{number}"/>' for number in formats)
    own = (
        '<numFmt numFmtId="200" formatCode="[Red]dd/mm/yyyy"/><numFmt numFmtId="201" formatCode="0 &quot;days&quot;"/>'
    )
    parts = {
        "xl/_rels/workbook.xml.rels": relations(*of_main),
        "xl/sharedStrings.xml": "<sst>" + "".join(f"<si><t>{text}</t></si>" for text in shared) + "</sst>",
        "xl/styles.xml": f"<styleSheet><numFmts>{own}</numFmts><cellXfs>{styles}</cellXfs></styleSheet>",
    }
    for i, rows in enumerate(sheets.values()):
        parts[f"xl/worksheets/sheet{i}.xml"] = f"<worksheet><sheetData>{rows}</sheetData></worksheet>"
    main = f"<workbook {NAMES}><sheets>{listed}</sheets></workbook>"
    return office("xl/workbook.xml", main, parts)


META = (
    "<office:meta><dc:title>Lichter der Küste</dc:title><meta:keyword>sea</meta:keyword>"
    "<meta:keyword>lamp</meta:keyword><dc:language>de-DE</dc:language>"
    "<meta:creation-date>2020-02-03T04:05:06.789</meta:creation-date></office:meta>"
)
_STYLES = (
    '<office:automatic-styles><style:style style:name="P9"><style:paragraph-properties fo:break-before="page"/>'
    "</style:style></office:automatic-styles>"
)


def odf(kind: str, body: str, entries: Mapping[str, str] | None = None) -> bytes:
    """An OpenDocument *text*, *spreadsheet* or *presentation*. The style ``P9`` begins a page."""
    content = (
        f"<office:document-content {NAMES}>{_STYLES}<office:body><office:{kind}>{body}</office:{kind}></office:body>"
    )
    meta = f"<office:document-meta {NAMES}>{META}</office:document-meta>"
    parts = {"content.xml": content + "</office:document-content>", "meta.xml": meta, **(entries or {})}
    return zipped(parts, f"application/vnd.oasis.opendocument.{kind}")


def flat_odf(kind: str, body: str) -> bytes:
    """The same in one file of XML."""
    xml = f"<office:document {NAMES}>{META}{_STYLES}<office:body><office:{kind}>{body}</office:{kind}></office:body>"
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{xml}</office:document>'.encode()


def epub(chapters: Sequence[str], entries: Mapping[str, str] | None = None) -> bytes:
    """A book: the body of each chapter."""
    items = "".join(f'<item id="c{i}" href="part%20{i}.xhtml"/>' for i in range(len(chapters)))
    spine = "".join(f'<itemref idref="c{i}"/>' for i in range(len(chapters)))
    meta = "<dc:title>The Whale</dc:title><dc:language>en-US</dc:language><dc:subject>sea</dc:subject>"
    package = f"<package {NAMES}><metadata>{meta}<dc:date>1851-10-18</dc:date></metadata>"
    parts = {
        "META-INF/container.xml": '<container><rootfile full-path="OEBPS/book.opf"/></container>',
        "OEBPS/book.opf": f"{package}<manifest>{items}</manifest><spine>{spine}</spine></package>",
        **{f"OEBPS/part {i}.xhtml": f"<html><body>{body}</body></html>" for i, body in enumerate(chapters)},
    }
    return zipped({**parts, **(entries or {})}, "application/epub+zip")


# Reading them here, without a worker


def texts_of(data: bytes, name: str) -> list[tuple[int, str]]:
    """The texts of a document by page; the name's ending counts where the content does not decide."""
    return read(data, name)[0]


def read(data: bytes, name: str) -> tuple[list[tuple[int, str]], Facts]:
    """The texts of a document by page, and its facts."""
    texts: list[tuple[int, str]] = []
    sniffed = sniff(data[:HEAD_BYTES], name, explicitly_requested=False)
    assert sniffed.kind == "document", sniffed
    facts = read_document(io.BytesIO(data), sniffed.format, DocumentSink(texts.extend))
    return texts, facts
