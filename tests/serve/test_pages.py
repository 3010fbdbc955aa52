"""The files of the page, over HTTP."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import mmsearch.serve

PAGE = Path(mmsearch.serve.__file__).parent / "page"
MOST_BYTES = 100_000


def test_the_page_is_small():
    files = [path for path in PAGE.rglob("*") if path.is_file()]
    assert sum(len(gzip.compress(path.read_bytes())) for path in files) < MOST_BYTES


def test_the_page_and_all_that_it_names_is_there(gallery_client):
    page = gallery_client.get("/")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    waiting, seen = re.findall(r'(?:href|src)="(static/[^"]+)"', page.text), set()
    while waiting:
        name = waiting.pop()
        answer = gallery_client.get(f"/{name}")
        assert answer.status_code == 200, name
        seen.add(name)
        if name.endswith(".js"):
            assert answer.headers["content-type"].startswith("text/javascript")
            folder = name.rpartition("/")[0]
            imported = re.findall(r'^import .*?from "\./([^"]+)"', answer.text, re.MULTILINE)
            waiting += [f"{folder}/{one}" for one in imported if f"{folder}/{one}" not in seen]
    files = {
        f"static/{path.relative_to(PAGE).as_posix()}" for path in PAGE.rglob("*") if path.suffix in (".js", ".css")
    }
    assert files <= seen


def test_nothing_is_loaded_from_elsewhere_nor_stands_in_the_html(gallery_client):
    page = gallery_client.get("/").text
    assert not re.search(r"<style|<script(?![^>]*src=)|\bstyle=|\bon\w+=|https?://", page)


def test_the_browser_may_keep_a_file_and_ask_whether_it_changed(gallery_client):
    first = gallery_client.get("/static/main.js")
    again = gallery_client.get("/static/main.js", headers={"If-None-Match": first.headers["etag"]})
    assert (first.headers["cache-control"], again.status_code, again.content) == ("no-cache", 304, b"")


def test_only_files_of_the_page_are_given_out(gallery_client):
    for name in ("pages.py", "../pages.py", "%2e%2e/pages.py", "vendor/LICENSE.htm", "index.html/x"):
        assert gallery_client.get(f"/static/{name}").status_code == 404
