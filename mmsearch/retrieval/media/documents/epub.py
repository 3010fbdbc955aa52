"""E-books (EPUB): each file of the book, mostly a chapter, is a page."""

from __future__ import annotations

from functools import partial
from typing import IO

from mmsearch.errors import DecodeError
from mmsearch.retrieval.media.documents.archive import Archive, resolved
from mmsearch.retrieval.media.documents.own_facts import document_facts
from mmsearch.retrieval.media.documents.sink import DocumentSink
from mmsearch.retrieval.media.documents.web_page import MAX_BYTES, WebPage, decoded
from mmsearch.retrieval.media.documents.xml import Attributes, Leaves, XmlReader
from mmsearch.types import Facts

_CONTAINER, _ENCRYPTION = "META-INF/container.xml", "META-INF/encryption.xml"
_FONTS = ("http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC")
"""Ways to obscure fonts alone."""


def read(source: IO[bytes], format: str, sink: DocumentSink) -> Facts:
    """The reader of e-books; see `read.Reader`."""
    archive = Archive(source)
    if archive.has(_ENCRYPTION):
        encryption = _Encryption()
        encryption.read(archive.pieces(_ENCRYPTION))
        if encryption.is_of_text:
            raise DecodeError("a copy-protected e-book: not read")
    container = _Container()
    if archive.has(_CONTAINER):
        container.read(archive.pieces(_CONTAINER))
    package = container.package
    if not package or not archive.has(package):
        raise DecodeError("there is no book in it: damaged, or of another kind")
    book = _Package()
    book.read(archive.pieces(package))
    chapters = [resolved(package, book.files[id]) for id in book.order if id in book.files]
    if not any(map(archive.has, chapters)):
        raise DecodeError("there are no chapters in it")
    for page, chapter in enumerate(chapters):
        if archive.has(chapter):
            WebPage(partial(sink.add, page)).read(decoded(archive.read(chapter, MAX_BYTES)))
    leaves = book.leaves
    tags, created = leaves.found.get("subject", ()), leaves.first("date")
    return document_facts(title=leaves.first("title"), tags=tags, lang=leaves.first("language"), created=created)


class _Container(XmlReader):
    """The name of the entry that describes the book."""

    package = ""

    def start(self, name: str, attributes: Attributes) -> None:
        if name == "rootfile" and not self.package:
            self.package = resolved("", attributes.get("full-path", ""))


class _Encryption(XmlReader):
    """Whether more than fonts is encrypted."""

    is_of_text = False

    def start(self, name: str, attributes: Attributes) -> None:
        if name == "EncryptionMethod" and attributes.get("Algorithm") not in _FONTS:
            self.is_of_text = True


class _Package(XmlReader):
    """The files of a book by their ids, the ids in reading order, and the texts of its metadata."""

    def __init__(self) -> None:
        super().__init__()
        self.leaves = Leaves()
        self.files: dict[str, str] = {}
        self.order: list[str] = []

    def start(self, name: str, attributes: Attributes) -> None:
        self.leaves.start(name, attributes)
        if name == "item":
            from urllib.parse import unquote

            self.files[attributes.get("id", "")] = unquote(attributes.get("href", ""))
        elif name == "itemref":
            self.order.append(attributes.get("idref", ""))

    def end(self, name: str) -> None:
        self.leaves.end(name)

    def text(self, text: str) -> None:
        self.leaves.text(text)
