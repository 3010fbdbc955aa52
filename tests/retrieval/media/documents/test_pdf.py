"""PDF: text page by page, what the file says of itself, pages as pictures, and files that are not as they should be."""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Callable
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from mmsearch.errors import DecodeError
from mmsearch.retrieval.media.documents import pdf as pdf_module
from mmsearch.retrieval.media.documents.pdf import FEW_LETTERS, Pdf
from mmsearch.retrieval.media.documents.read import page_picture, read_document
from mmsearch.retrieval.media.documents.sink import DocumentSink, PageTexts
from mmsearch.types import Facts

Scene = Callable[..., Image.Image]
PROSE = ["The keeper of the lighthouse lights the lamp in the evening, and"] * (FEW_LETTERS // 50 + 2)


def read(data: bytes) -> tuple[PageTexts, dict[int, Image.Image], Facts]:
    """Texts, pictures of pages, and facts."""
    texts: PageTexts = []
    looks: dict[int, Image.Image] = {}
    sink = DocumentSink(texts.extend, lambda page, picture, draw=None: looks.update({page: picture}))
    return texts, looks, read_document(io.BytesIO(data), "pdf", sink)  # type: ignore[return-value]


def test_each_page_is_a_text_of_its_own(documents: ModuleType) -> None:
    data = documents.pdf(["A lighthouse at night."], ["A storm comes.", "Boats return."], [], ["The end."])
    assert read(data)[0] == [(0, "A lighthouse at night."), (1, "A storm comes.\nBoats return."), (3, "The end.")]


def test_lines_of_a_paragraph_are_joined_and_words_that_were_divided_are_whole(documents: ModuleType) -> None:
    page = [
        "The keeper of the lighthouse lights the",
        "lamp in the evening, and he looks at the har-",
        "bour. Then",
        "- he eats",
    ]
    assert read(documents.pdf(page))[0] == [
        (0, "The keeper of the lighthouse lights the lamp in the evening, and he looks at the harbour. Then\n- he eats")
    ]


def test_each_entry_of_a_table_of_contents_is_a_line_without_its_dots(documents: ModuleType) -> None:
    page = ["1 The keeper" + " ." * 30 + " 3", "2 The lamp" + "." * 40 + "12", "Version 1.2.3 ... and so on"]
    assert read(documents.pdf(page))[0] == [(0, "1 The keeper … 3\n2 The lamp … 12\nVersion 1.2.3 ... and so on")]


def test_title_keywords_language_and_date_are_facts(documents: ModuleType) -> None:
    info = b"/Title (Microsoft Word - Lights of the coast) /Keywords (sea; lamp, sea) "
    info += b"/CreationDate (D:20210503101500+02'00')"
    facts = read(documents.pdf(["x"], info=info, catalog=b"/Lang (en-GB)"))[2]
    assert (facts.title, facts.tags, facts.lang) == ("Lights of the coast", ("sea", "lamp"), "en")
    assert facts.taken_at == dt.datetime(2021, 5, 3, 10, 15, tzinfo=dt.timezone(dt.timedelta(hours=2)))
    assert facts.taken_from == "document"


def test_what_was_filled_in_and_remarked_is_read_and_drawn(documents: ModuleType) -> None:
    texts, looks, _ = read(documents.FORM)
    assert texts == [(0, "Anna Lighthouse\nask her about the lamp")]
    assert np.asarray(looks[0]).min() < 60


@pytest.mark.parametrize("title", [b"", b"untitled", b"Document1", b"Microsoft Word - Dokument2"])
def test_a_title_that_a_program_made_up_is_none(documents: ModuleType, title: bytes) -> None:
    assert read(documents.pdf(["x"], info=b"/Title (%s)" % title))[2].title is None


def test_pages_with_few_words_and_scans_are_also_pictures(documents: ModuleType, scene: Scene) -> None:
    texts, looks, _ = read(documents.pdf(["A title page"], PROSE, scene(60, 80)))
    assert [page for page, _ in texts] == [0, 1]
    assert list(looks) == [0, 2]
    assert max(looks[2].size) == pdf_module.LOOK_SIDE
    left_above = np.asarray(looks[2])[100, 100]
    assert left_above[0] > 180 > 80 > left_above[1]  # red: neither mirrored nor with blue for red


@pytest.mark.parametrize(("width", "height", "is_seen"), [(612, 80, False), (612, 300, True), (612, 792, False)])
def test_a_page_of_words_is_seen_where_pictures_cover_much_of_it(
    documents: ModuleType, scene: Scene, width: int, height: int, is_seen: bool
) -> None:
    """A scan of words, which another program has read, shows nothing else."""
    _, looks, _ = read(documents.pdf(documents.Illustrated(PROSE, scene(), width, height)))
    assert list(looks) == ([0] if is_seen else [])


def test_a_page_of_very_many_lines_is_a_drawing(documents: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdf_module, "_MOST_OBJECTS", 5)
    assert list(read(documents.pdf(PROSE))[1]) == [0]


def test_a_page_is_drawn_at_the_size_that_is_asked_for(documents: ModuleType, scene: Scene) -> None:
    with Pdf(io.BytesIO(documents.pdf(["x"], scene()))) as opened:
        picture = opened.picture(1, 300)
        assert (picture.mode, picture.size) == ("RGB", (232, 300))
        with pytest.raises(DecodeError, match="there is no page 3: it has 2 pages"):
            opened.picture(2, 300)


def test_other_documents_are_not_drawn() -> None:
    with pytest.raises(DecodeError, match="only pages of PDF are drawn, not Plain text"):
        page_picture(io.BytesIO(), "text", 0, 100)


# Files that are not as they should be


def test_a_broken_table_of_objects_is_repaired(documents: ModuleType) -> None:
    assert read(documents.pdf(["A lighthouse"], with_table=False))[0] == [(0, "A lighthouse")]


def test_text_before_the_header_does_no_harm(documents: ModuleType) -> None:
    assert read(b"\n\n% sent by a fax\n" + documents.pdf(["A lighthouse"], with_table=False))[0]


@pytest.mark.parametrize("data", [b"%PDF-1.7\n", b"%PDF-1.7\n" + bytes(range(256)) * 40])
def test_what_cannot_be_repaired_has_a_reason(data: bytes) -> None:
    with pytest.raises(DecodeError, match="a damaged PDF"):
        read(data)


def test_a_file_that_was_cut_off_has_a_reason(documents: ModuleType) -> None:
    data = documents.pdf(*(["A lighthouse"] for _ in range(50)))
    with pytest.raises(DecodeError, match="a damaged PDF"):
        read(data[: len(data) * 2 // 3])


def test_a_password_is_said_to_be_missing(documents: ModuleType) -> None:
    with pytest.raises(DecodeError, match="an encrypted PDF: it needs a password"):
        read(documents.pdf(["x"], trailer=documents.ENCRYPTED))


def test_a_page_that_is_damaged_is_noted_and_the_others_are_read(documents: ModuleType) -> None:
    data = documents.pdf(["one"], ["two"], ["three"]).replace(b"/Type /Page /Parent", b"/Type /Pagx /Parent", 2)
    texts, _, facts = read(data)
    assert texts == [(2, "three")]
    assert facts.note == "page 1 is damaged and 1 other"


def test_only_so_many_pages_are_seen_as_pictures(documents: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdf_module, "MAX_LOOKS", 2)
    texts, looks, facts = read(documents.pdf(*[["few words"]] * 5))
    assert (len(texts), list(looks)) == (5, [0, 1])
    assert facts.note == "only the first 2 pages with few words are seen as pictures"


def test_pages_of_no_size_or_of_a_mile_do_no_harm(documents: ModuleType) -> None:
    wide = documents.pdf(["x"]).replace(b"[0 0 612 792]", b"[0 0 9999999 1]")
    with Pdf(io.BytesIO(wide)) as opened:
        assert opened.picture(0, 768).size == (768, 1)
    none = documents.pdf(["x"]).replace(b"[0 0 612 792]", b"[0 0 0 0]    ")
    with Pdf(io.BytesIO(none)) as opened:
        assert opened.picture(0, 64).size[0] > 0  # PDFium takes the size of a letter
