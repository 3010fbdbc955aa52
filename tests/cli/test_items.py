"""Items of archives on the command line: status, remove, frames, previews, programs that open them."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from mmsearch import Collection
from mmsearch.cli import taken_out


@pytest.fixture(scope="module")
def corpus(tmp_path_factory, archives, drawn, films):
    """The folder of a tar of four pictures with captions and a film, and of a collection ``c.mms`` over it."""
    folder = tmp_path_factory.mktemp("corpus")
    film = films.film([films.numbered(number) for number in range(50)], fps=25)
    files = {**archives.samples(drawn), "x/film.mp4": film, "broken.png": b"no picture"}
    archives.write_tar(folder / "shard.tar", files)
    made = Collection.create(folder / "c.mms", model="mini")
    made.index([folder / "shard.tar"], workers=1)
    return folder


@pytest.fixture
def here(corpus, monkeypatch):
    monkeypatch.chdir(corpus)
    monkeypatch.setenv("MMSEARCH_COLLECTION", str(corpus / "c.mms"))
    return corpus


def test_the_status_tells_of_sources_and_of_skipped_items(run, here):
    out = run("status").out
    assert f"source      {here}/shard.tar  6 items in 1 part, 1 skipped, " in out
    assert "skipped     1 file (listed by `mmsearch status --skipped`)" in out
    assert f"{here}/shard.tar#broken.png: " in run("status", "--skipped").out


def test_a_caption_is_named_where_a_hit_says_what_it_was_found_by(run, here):
    assert "caption" in run("query", "quilt").out
    (first, *_) = json.loads(run("query", "--json", "--to", "text", "quilt").out)["hits"]
    assert (first["evidence"], first["path"]) == (["caption"], f"{here}/shard.tar#000002.png")


def test_an_item_is_a_query(run, here):
    found = json.loads(run("query", "--json", "--include-self", "shard.tar#000001.png").out)["hits"]
    assert found[0]["path"] == f"{here}/shard.tar#000001.png"


def test_a_frame_of_a_film_in_a_tar_is_saved(run, here, tmp_path):
    assert run("frame", "shard.tar#x/film.mp4@0:01", "-o", tmp_path / "frame.png").code == 0
    assert (tmp_path / "frame.png").stat().st_size > 0


def test_an_item_is_opened_as_a_file_with_its_name(here, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    old = tmp_path / "mmsearch-open-old"
    old.mkdir()
    os.utime(old, (0, time.time() - 2 * 24 * 3600))
    with Collection.open(here / "c.mms") as opened:
        hit = opened.search("a red disc", to="image")[0]
        with opened.open_file(hit.id) as file:
            data = file.file.read()
    path = Path(taken_out.taken_out(hit, here / "c.mms"))
    assert (path.name, path.read_bytes(), old.exists()) == ("000000.png", data, False)


def test_links_are_not_made_to_items(run, here, tmp_path):
    assert run("save", "discs", "a red disc").code == 0
    ran = run("link", "@discs", tmp_path / "album", "--min", "weak")
    assert ran.code == 0
    assert "there is no file to link to" in ran.err
    assert [name for name in os.listdir(tmp_path / "album") if not name.startswith(".")] == []


def test_an_item_is_removed_by_its_path(run, here, tmp_path, archives, drawn):
    archives.write_shard(tmp_path / "own.tar", drawn)
    assert run("index", tmp_path / "own.tar", "-c", tmp_path / "own.mms").code == 0
    ran = run("remove", f"{tmp_path}/own.tar#000000.png", "-c", tmp_path / "own.mms")
    assert ran.out == "forgot 1 file; nothing was deleted from disk\n"
    assert "forgot 4 files" in run("remove", tmp_path / "own.tar", "-c", tmp_path / "own.mms").out
