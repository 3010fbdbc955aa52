"""Documents in a collection: rows by page, facts, runs that follow, queries by a document, files that were skipped."""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path
from types import ModuleType

import pytest
from PIL import Image

from mmsearch import Collection
from mmsearch.retrieval.ingest import embedder, skip_memory
from mmsearch.retrieval.ingest.expected_rows import expected_rows_from_text
from mmsearch.retrieval.store.snapshot import Snapshot
from mmsearch.types import Span

LAMP = "The keeper of the lighthouse lights the lamp every evening."
BREAD = "A loaf of rye bread cools on the kitchen table in the morning."


@pytest.fixture
def papers(tmp_path: Path, documents: ModuleType) -> Path:
    """A PDF with a page of words, another one and a scan; a presentation; a web page."""
    folder = tmp_path / "papers"
    folder.mkdir()
    scan = Image.new("RGB", (60, 80), (200, 30, 30))
    pages = ([LAMP] * 12, [BREAD] * 12, scan)
    info = b"/Title (Lights and bread) /Keywords (sea) /CreationDate (D:20210503101500Z)"
    (folder / "report.pdf").write_bytes(documents.pdf(*pages, info=info, catalog=b"/Lang (en)"))
    (folder / "talk.pptx").write_bytes(documents.pptx(["Whales swim in the sea", "Boats in the harbour"]))
    (folder / "page.html").write_text("<title>Bees</title><p>Bees visit the flowers of the garden.")
    return folder


def rows_of(collection: Collection, name: str) -> list[tuple[str, Span | None]]:
    return [(row.modality, row.span) for row in collection if Path(row.path).name == name]


def test_each_page_is_a_row_and_pages_without_words_are_pictures(papers: Path, empty: Collection) -> None:
    report = empty.index([papers], workers=1)
    assert (report.indexed, report.skipped) == (3, ())
    rows = rows_of(empty, "report.pdf")
    assert {span for modality, span in rows if modality == "text"} == {Span(0, 1, "page"), Span(1, 2, "page")}
    assert [span for modality, span in rows if modality == "image"] == [Span(2, 3, "page")]
    assert rows_of(empty, "talk.pptx") == [("text", Span(0, 1, "page")), ("text", Span(1, 2, "page"))]


def test_a_hit_is_the_file_and_the_page_with_its_facts(papers: Path, empty: Collection) -> None:
    empty.index([papers], workers=1)
    hit = empty.search("a loaf of bread on the table", k=1)[0]
    assert (Path(hit.path).name, str(hit.span)) == ("report.pdf", "page 2")
    assert (hit.title, hit.tags, hit.lang, hit.taken_from) == ("Lights and bread", ("sea",), "en", "document")
    assert hit.taken_at is not None
    assert hit.taken_at.replace(tzinfo=None) == dt.datetime(2021, 5, 3, 10, 15)
    assert empty.search("whales", k=1)[0].path.endswith("talk.pptx")


def test_the_rows_that_a_document_must_have_are_known(papers: Path, empty: Collection) -> None:
    empty.index([papers], workers=1)
    counts: dict[str, dict[str, int]] = {}
    for rows in Snapshot(empty.root, empty.manifest).all_rows().values():
        for row in rows.facts(["path", "made"]).to_pylist():
            expected = expected_rows_from_text(row["made"])
            assert expected is not None
            counts[Path(os.fsdecode(row["path"])).name] = dict(expected.rows)
    assert counts["talk.pptx"]["text"] == 2
    assert counts["talk.pptx"]["image"] == 0
    assert counts["report.pdf"]["image"] == 1
    again = empty.index([papers], workers=1)
    assert (again.unchanged, again.indexed, again.rows) == (3, 0, 0)


def test_a_query_by_a_document_is_one_by_its_text(papers: Path, empty: Collection, documents: ModuleType) -> None:
    empty.index([papers], workers=1)
    other = papers.parent / "other.pdf"
    other.write_bytes(documents.pdf(["Rye bread for the kitchen table."], Image.new("RGB", (60, 80), (200, 30, 30))))
    hit = empty.search(other, k=1)[0]
    assert (Path(hit.path).name, str(hit.span)) == ("report.pdf", "page 2")
    assert empty.search(other.read_bytes(), k=1)[0].id == hit.id
    slides = documents.pptx(["Whales in the sea"])
    assert empty.search(slides, k=1)[0].path.endswith("talk.pptx")
    scan = papers.parent / "scan.pdf"
    scan.write_bytes(documents.pdf(Image.new("RGB", (60, 80), (200, 30, 30))))
    hit = empty.search(scan, k=1)[0]
    assert (hit.modality, str(hit.span)) == ("image", "page 3")


def test_files_that_an_earlier_version_did_not_read_are_read_now(
    papers: Path, empty: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the decoders can do is part of what is remembered of a skipped file."""
    (papers / "report.pdf").write_bytes(b"%PDF-1.7 damaged")
    assert len(empty.index([papers], workers=1).skipped) == 1
    assert empty.index([papers], workers=1).skipped[0].known
    monkeypatch.setattr(skip_memory, "_installed_decoders", lambda: "a newer version")
    assert not empty.index([papers], workers=1).skipped[0].known


def test_of_very_much_text_only_the_first_passages_are_indexed(
    papers: Path, empty: Collection, monkeypatch: pytest.MonkeyPatch, documents: ModuleType
) -> None:
    monkeypatch.setattr(embedder, "MAX_PASSAGES", 3)
    (papers / "long.pdf").write_bytes(documents.pdf(*[[f"Page number {i}"] for i in range(9)]))
    report = empty.index([papers / "long.pdf"], workers=1)
    assert report.marked[0].reason == "only its first 3 passages are indexed"
    assert sum(modality == "text" for modality, _ in rows_of(empty, "long.pdf")) == 3


def test_thumbnails_show_the_page(papers: Path, empty: Collection) -> None:
    empty.index([papers], workers=1)
    (scan,) = [row for row in empty if row.modality == "image"]
    (thumbnail,) = Collection.thumbnails([scan], width=80, height=80)
    assert thumbnail.pixels is not None
    assert thumbnail.pixels.reshape(-1, 3).mean(axis=0).tolist() == pytest.approx([200, 30, 30], abs=8)
