"""Documents are read in confined workers: text comes in parts, pages as pictures, and each bad file says why."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest
from PIL import Image

from mmsearch.retrieval.media.decode_spec import DecodeSpec
from mmsearch.retrieval.media.documents import sink
from mmsearch.retrieval.media.pictures.transform import ImageTransform
from mmsearch.retrieval.media.workers.decoder import Decoder
from mmsearch.retrieval.media.workers.jobs import Decoded, Extract, Job, Part, TextPart

SIDE = 96


@pytest.fixture(scope="module")
def decoder() -> Iterator[Decoder]:
    spec = DecodeSpec(image=ImageTransform(SIDE, SIDE, resize="longest"), coded_bytes=1 << 20)
    with Decoder(1, spec, slots=2, max_pixels=20_000_000) as decoder:
        yield decoder


def decode(decoder: Decoder, path: Path, **options: object) -> tuple[list[tuple[int, str]], list[Part], Decoded]:
    texts: list[tuple[int, str]] = []
    parts: list[Part] = []
    for item in decoder.map([Job(os.fsencode(path), **options)]):  # type: ignore[arg-type]
        if isinstance(item, TextPart):
            assert item.unit == "page"
            texts += item.texts
        elif isinstance(item, Part):
            parts.append(item)
        elif item is not None:
            decoded = item
    return texts, parts, decoded


def test_a_pdf_comes_as_texts_and_pages(
    decoder: Decoder, documents: ModuleType, tmp_path: Path, scene: Callable[..., Image.Image]
) -> None:
    path = tmp_path / "a.pdf"
    path.write_bytes(documents.pdf(["A lighthouse"], scene(), info=b"/Title (Lights)"))
    texts, parts, decoded = decode(decoder, path)
    assert (decoded.outcome, decoded.kind, decoded.facts.title) == ("decoded", "document", "Lights")
    assert texts == [(0, "A lighthouse")]
    assert [(part.kind, part.start_s, part.array.shape) for part in parts] == [
        ("page", 0.0, (SIDE, SIDE, 3)),
        ("page", 1.0, (SIDE, SIDE, 3)),
    ]
    assert parts[1].array[SIDE // 4, SIDE // 3, 0] > 180  # red


def test_one_page_is_drawn_alone(decoder: Decoder, documents: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "a.pdf"
    path.write_bytes(documents.pdf(*[["x"]] * 9))
    texts, parts, _ = decode(decoder, path, moment=(7.0, None))
    assert (texts, [part.start_s for part in parts]) == ([], [7.0])
    _, coded, decoded = decode(decoder, path, extract=Extract("webp", 50, page=7))
    assert (decoded.facts.width, decoded.facts.height) == (39, 50)
    assert coded[0].media_type == "image/webp"
    assert decode(decoder, path, extract=Extract("webp", 50, page=9))[2].reason == "there is no page 10: it has 9 pages"


def test_documents_of_other_kinds_come_as_texts(decoder: Decoder, documents: ModuleType, tmp_path: Path) -> None:
    for name, data in {
        "a.docx": documents.docx(documents.paragraph("The lamp")),
        "a.odt": documents.odf("text", "<text:p>The lamp</text:p>"),
        "a.epub": documents.epub(["<p>The lamp</p>"]),
        "a.rtf": b"{\\rtf1 The lamp}",
        "a.html": b"<p>The lamp",
        "a.eml": b"\n\nThe lamp",
    }.items():
        (tmp_path / name).write_bytes(data)
        texts, parts, decoded = decode(decoder, tmp_path / name)
        assert (texts, parts, decoded.kind, decoded.texts) == ([(0, "The lamp")], [], "document", [])


def test_bad_documents_have_reasons(decoder: Decoder, documents: ModuleType, tmp_path: Path) -> None:
    for name, data, reason in (
        ("a.pdf", documents.pdf(["x"], trailer=documents.ENCRYPTED), "an encrypted PDF: it needs a password"),
        ("b.pdf", b"%PDF-1.7\n" + b"x" * 1000, "a damaged PDF: it cannot be read"),
        ("a.docx", b"PK\3\4" + b"x" * 100, "a damaged ZIP file: it cannot be unpacked"),
        ("a.rtf", b"{\\rtf1" + b"{" * 5000, "a damaged RTF document: too many braces"),
    ):
        (tmp_path / name).write_bytes(data)
        _, _, decoded = decode(decoder, tmp_path / name)
        assert (decoded.outcome, decoded.reason, decoded.why) == ("skipped", reason, "content")


def test_much_text_comes_in_parts_of_bounded_size(decoder: Decoder, documents: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "a.html"
    path.write_text("".join(f"<h1>{i}</h1><p>{'The ship sails on. ' * 500}</p>" for i in range(500)))
    sizes = []
    for item in decoder.map([Job(os.fsencode(path))]):
        if isinstance(item, TextPart):
            sizes.append(sum(len(text) for _, text in item.texts))
            assert max(len(text) for _, text in item.texts) < 2 * sink.PIECE_CHARACTERS
    assert len(sizes) > 3
    assert max(sizes) < 2 << 20


def test_only_a_pdf_pays_for_pdfium() -> None:
    code = """
import sys, io
import mmsearch.retrieval.media.workers.worker
from mmsearch.retrieval.media.documents.read import read_document
from mmsearch.retrieval.media.documents.sink import DocumentSink
read_document(io.BytesIO(b"<p>x"), "html", DocumentSink(lambda texts: None))
print("pypdfium2" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
