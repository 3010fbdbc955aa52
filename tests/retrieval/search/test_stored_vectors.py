"""A query by a file that is indexed takes its stored vectors; one that changed, or is not indexed, is decoded."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from mmsearch import Collection, Query
from mmsearch.retrieval.search import query_files
from mmsearch.retrieval.search.query_files import FileEmbedder
from mmsearch.retrieval.search.stored_vectors import stored_vectors
from mmsearch.types import Moment

FPS, RATE = 4, 16_000
HALVES = 2e-3  # what rounding to halves may move a unit vector by


@pytest.fixture(scope="module")
def folder(tmp_path_factory, films, drawn) -> Path:
    """A picture, texts, a table, subtitles, sounds, films of one shot, of several and of one that was cut."""
    place = tmp_path_factory.mktemp("own") / "files"
    place.mkdir()
    drawn("stripes").save(place / "stripes.png")
    drawn("rings").save(place / "rings.jpg")
    (place / "short.txt").write_text("A loaf of rye bread cools on the kitchen table.")
    (place / "long.txt").write_text("\n\n".join(f"Paragraph {i}: " + "boats in the harbour " * 30 for i in range(4)))
    (place / "notes.csv").write_text("note\nA man rides a horse.\nBoats lie in the harbour.\nBread is on the table.\n")
    (place / "lone.srt").write_text(
        "1\n00:00:01,000 --> 00:00:04,000\nA violin plays.\n\n2\n00:00:05,000 --> 00:00:07,000\nIt rains.\n\n"
    )
    seconds = np.arange(17 * RATE) / RATE
    tone = (0.4 * np.sin(2 * np.pi * (300 + 40 * (seconds // 4)) * seconds))[None].astype(np.float32)
    (place / "long.wav").write_bytes(films.wav(tone, RATE, kind="float32"))
    (place / "short.wav").write_bytes(films.wav(tone[:, : 3 * RATE], RATE, kind="float32"))

    def shots(*names_and_seconds):
        return (drawn(name) for name, length in names_and_seconds for _ in range(round(length * FPS)))

    (place / "single.mp4").write_bytes(films.film(shots(("square", 3)), fps=FPS))
    three = films.film(shots(("disc", 1), ("stripes", 7), ("grid", 3)), fps=FPS, sound=tone[:, : 11 * RATE], rate=RATE)
    (place / "three.mp4").write_bytes(three)
    (place / "cut.mp4").write_bytes(films.film(shots(("cross", 15)), fps=FPS))
    return place


@pytest.fixture(scope="module")
def own(folder) -> Collection:
    made = Collection.create(folder.parent / "own.mms", model="mini")
    report = made.index([folder], workers=1)
    assert [note.path for note in report.skipped] == []
    return made


@pytest.fixture
def decoded(monkeypatch) -> list[str]:
    """The names of the files that queries decode; each is really decoded."""
    names: list[str] = []
    real = query_files.Decoder.map

    def counted(self, jobs):
        listed = list(jobs)
        names.extend(Path(os.fsdecode(job.path)).name for job in listed)
        return real(self, listed)

    monkeypatch.setattr(query_files.Decoder, "map", counted)
    return names


INDEXED = ["stripes.png", "rings.jpg", "short.txt", "long.txt", "notes.csv", "long.wav", "short.wav"]
INDEXED += ["single.mp4", "three.mp4", "cut.mp4"]


@pytest.mark.parametrize("name", INDEXED)
def test_the_stored_rows_of_a_file_say_what_decoding_it_would(own, folder, name):
    stored = stored_vectors(own.searcher(), own.encoder(), [folder / name])[folder / name]
    with FileEmbedder(own.encoder()) as files:
        fresh = files.of_file(folder / name)
    difference = stored / np.linalg.norm(stored) - fresh / np.linalg.norm(fresh)
    assert np.linalg.norm(difference) < HALVES


@pytest.mark.parametrize("name", INDEXED)
def test_a_query_by_an_indexed_file_decodes_nothing(own, folder, decoded, name):
    assert own.search(folder / name, k=3)
    assert decoded == []


def test_words_and_indexed_files_make_one_query(own, folder, decoded):
    hits = own.search(Query((folder / "stripes.png", 2), "stripes", minus=[folder / "rings.jpg"]), include_self=True)
    assert Path(hits[0].path).name == "stripes.png"
    assert decoded == []


def test_a_film_stands_for_the_row_of_the_whole_of_it(own, folder):
    rows = own.searcher().rows("video")
    facts = rows.facts(["path", "span_start", "span_end"]).to_pylist()
    (whole,) = [
        i for i, f in enumerate(facts) if f["path"].endswith(b"three.mp4") and f["span_end"] - f["span_start"] > 10
    ]
    stored = stored_vectors(own.searcher(), own.encoder(), [folder / "three.mp4"])[folder / "three.mp4"]
    assert np.array_equal(stored, rows.vectors_at(np.array([whole]))[0].astype(np.float32))


def test_subtitles_are_decoded_for_their_rows_gather_cues(own, folder, decoded):
    assert own.search(folder / "lone.srt", k=3)
    assert decoded == ["lone.srt"]


def test_a_moment_of_an_indexed_film_is_decoded(own, folder, decoded):
    assert own.search(Moment(folder / "three.mp4", 2), k=3)
    assert decoded == ["three.mp4"]


def test_a_sound_that_was_cut_otherwise_is_decoded(folder, tmp_path, decoded):
    made = Collection.create(tmp_path / "c.mms", model="mini")
    made.index([folder / "long.wav", folder / "short.wav"], workers=1, window=4.0, hop=2.0)
    decoded.clear()
    made.search_many([folder / "long.wav", folder / "short.wav"])
    assert decoded == ["long.wav"]  # the short one is one window either way


@pytest.mark.parametrize("way", ["relative", "roundabout", "link"])
def test_the_file_is_known_however_it_is_named(own, folder, tmp_path, decoded, monkeypatch, way):
    monkeypatch.chdir(folder)
    named = {"relative": Path("stripes.png"), "roundabout": folder / ".." / folder.name / "stripes.png"}
    if way == "link":
        (tmp_path / "link.png").symlink_to(folder / "stripes.png")
        named["link"] = tmp_path / "link.png"
    hits = own.search(named[way], k=1, to=["image"], include_self=True)
    assert Path(hits[0].path).name == "stripes.png"
    assert decoded == []


def test_one_file_named_twice_in_a_batch_is_known_twice(own, folder, decoded, monkeypatch):
    monkeypatch.chdir(folder)
    one, other = own.search_many([Path("stripes.png"), folder / "stripes.png"], k=3)
    assert one == other
    assert decoded == []


@pytest.fixture
def changing(folder, tmp_path) -> tuple[Collection, Path]:
    """A collection of its own over a copy of the pictures."""
    place = tmp_path / "pictures"
    place.mkdir()
    for name in ("stripes.png", "rings.jpg"):
        shutil.copy(folder / name, place / name)
    made = Collection.create(tmp_path / "c.mms", model="mini")
    made.index([place], workers=1)
    return made, place


def test_a_file_that_changed_since_is_decoded(changing, decoded, drawn):
    made, place = changing
    drawn("rings").save(place / "stripes.png")
    hits = made.search(place / "stripes.png", k=2, include_self=True)
    assert decoded == ["stripes.png"]
    assert Path(hits[0].path).name == "rings.jpg"


def test_a_file_that_was_only_touched_is_decoded(changing, decoded):
    made, place = changing
    os.utime(place / "stripes.png", ns=(1, 1))
    made.search(place / "stripes.png")
    assert decoded == ["stripes.png"]


def test_a_file_whose_rows_were_removed_is_decoded(changing, decoded):
    made, place = changing
    made.remove([place / "stripes.png"])
    made.search(place / "stripes.png")
    assert decoded == ["stripes.png"]


def test_a_copy_that_is_not_indexed_is_decoded(changing, decoded, tmp_path):
    made, place = changing
    copy = tmp_path / "copy.png"
    shutil.copy2(place / "stripes.png", copy)  # same size and time, another path
    made.search(copy)
    assert decoded == ["copy.png"]


def test_a_file_answers_in_a_space_of_vectors_made_elsewhere(folder, tmp_path):
    """There is no model that could embed it, but its vector is there."""
    made = Collection.create(tmp_path / "c.mms", model=None)
    vectors = np.eye(3, 8, dtype=np.float32)
    names = [folder / "stripes.png", folder / "rings.jpg", folder / "short.txt"]
    made.add(vectors, paths=names, modality="image", space="elsewhere")
    (hit,) = made.search(folder / "rings.jpg", k=1, include_self=True)
    assert hit.path == str(folder / "rings.jpg")


def test_many_own_files_are_found_as_each_alone(own, folder, decoded):
    paths = [folder / name for name in INDEXED]
    together = own.search_many(paths, k=3)
    assert [[hit.id for hit in hits] for hits in together] == [
        [hit.id for hit in own.search(path, k=3)] for path in paths
    ]
    assert decoded == []
