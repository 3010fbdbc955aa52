"""Contact sheets."""

from __future__ import annotations

import html.parser
import os

import pytest

from mmsearch import UsageError
from mmsearch.library import Group, find_groups, write_contact_sheets


class Seen(html.parser.HTMLParser):
    """The tags and attributes of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.values: list[tuple[str, str]] = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.values += [(name, value or "") for name, value in attributes]


def test_a_page_for_each_group(drawn_groups, tmp_path):
    groups = find_groups(drawn_groups)
    pages = write_contact_sheets(drawn_groups, groups, tmp_path / "sheets")
    assert [page.name for page in pages] == ["index.html", *(f"{group.id}.html" for group in groups)]
    for page, pictures in zip(pages, (12, 4, 4, 4), strict=True):
        seen = Seen(page.read_text("utf-8"))
        sources = [value for name, value in seen.values if name == "src"]
        assert len(sources) == pictures
        assert all(source.startswith("data:image/jpeg;base64,") for source in sources)
        links = [value for name, value in seen.values if name == "href" and not value.endswith(".html")]
        assert all(link.startswith("file:///") for link in links)
        assert "script" not in seen.tags
        assert "link" not in seen.tags


def test_names_are_escaped_and_what_has_no_picture_has_its_words(tmp_path, made):
    odd = '<b>"&.txt'
    collection = made([0])
    vectors = [[1.0] * 16] * 3
    paths = [f"{i}{odd}" for i in range(2)] + [os.fsdecode(b"caf\xe9.txt")]
    ids = collection.add(vectors, paths=paths, modality="text", texts=["a <i>text</i>", "b", "c"], space="blobs")
    group = Group(id="g1", kind="text", name="<script>", size=3, ids=ids)
    page = write_contact_sheets(collection, [group], tmp_path / "s")[1].read_text("utf-8")
    assert "<script>" not in page
    assert "<i>" not in page
    assert "<b>" not in page
    assert "a &lt;i&gt;text&lt;/i&gt;" in page
    assert "caf\\xe9.txt" in page


def test_pages_are_not_written_over(drawn_groups, tmp_path):
    (tmp_path / "index.html").write_text("mine")
    with pytest.raises(UsageError, match="is there already"):
        write_contact_sheets(drawn_groups, [], tmp_path)
    assert (tmp_path / "index.html").read_text() == "mine"
    write_contact_sheets(drawn_groups, [], tmp_path, force=True)
    assert "0 groups" in (tmp_path / "index.html").read_text()
    with pytest.raises(UsageError, match="is no folder"):
        write_contact_sheets(drawn_groups, [], tmp_path / "index.html")
