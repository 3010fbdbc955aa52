"""Copies of one content are one hit, however many there are; it names them, and the list is filled by other files."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from mmsearch import Collection


@pytest.fixture
def copied(photos, tmp_path):
    """Eight pictures and two texts, of which one each has nine copies more in other folders."""
    for number in range(9):
        folder = tmp_path / "photos" / f"backup {number}"
        folder.mkdir()
        for name in ("disc.png", "bread.md"):
            shutil.copy(photos / name, folder / name)
    made = Collection.create(tmp_path / "copied.mms", model="mini")
    made.index([photos], workers=1)
    return made


def names(hits):
    return [Path(hit.path).name for hit in hits]


def test_copies_are_one_hit_that_names_the_others(copied):
    hits = copied.search("a red disc", k=10, to=["image"])
    assert sorted(names(hits)) == sorted(set(names(hits))), "each picture once"
    assert len(hits) == 8, "and all eight of them"
    assert [hit.rank for hit in hits] == list(range(1, 9))
    disc = next(hit for hit in hits if hit.path.endswith("disc.png"))
    assert len(disc.copies) == 9
    assert disc.path not in disc.copies
    assert all(path.endswith("disc.png") for path in disc.copies)
    assert all(not hit.copies for hit in hits if hit is not disc)
    assert disc.to_json()["copies"] == [{"path": path} for path in disc.copies]


@pytest.mark.parametrize("k", range(1, 9))
def test_as_many_hits_as_were_asked_for_whatever_stands_at_the_end_of_the_list(copied, k):
    hits = copied.search("a red disc", k=k, to=["image"])
    assert len(set(names(hits))) == k
    for hit in hits:
        assert len(hit.copies) == (9 if hit.path.endswith("disc.png") else 0)


def test_the_passages_of_copied_texts_are_one_hit_each(copied):
    hits = copied.search("rye bread on a table", k=10, to=["text"])
    assert sorted(names(hits)) == ["bread.md", "harbour.txt"]
    assert [len(hit.copies) for hit in hits if hit.path.endswith("bread.md")] == [9]


def test_a_filter_holds_for_copies_too(copied, photos):
    (hit,) = copied.search("a red disc", k=10, to=["image"], under=photos / "backup 3")
    assert Path(hit.path).parent.name == "backup 3"
    assert hit.copies == ()


def test_a_copy_that_is_gone_is_not_shown_and_one_that_is_there_stands_for_it(copied, photos):
    (photos / "disc.png").unlink()
    (photos / "backup 4" / "disc.png").unlink()
    (hit,) = (hit for hit in copied.search("a red disc", to=["image"]) if hit.path.endswith("disc.png"))
    assert hit.state == "current"
    assert len(hit.copies) == 7
    assert str(photos / "disc.png") not in hit.copies


def test_a_removed_copy_answers_no_more(copied, photos):
    copied.remove([photos / "backup 1"])
    (hit,) = (hit for hit in copied.search("a red disc", to=["image"]) if hit.path.endswith("disc.png"))
    assert len(hit.copies) == 8


def test_copies_of_the_query_file_are_one_hit_and_the_file_itself_is_none(copied, photos):
    hits = copied.search(photos / "disc.png", k=3, to=["image"])
    assert names(hits)[0] == "disc.png"
    assert names(hits).count("disc.png") == 1
    assert str(photos / "disc.png") not in (hits[0].path, *hits[0].copies)
    assert len(hits[0].copies) == 8


def test_copies_are_found_through_an_approximate_index_as_well(copied):
    rows = np.random.default_rng(0).standard_normal((800, 256))
    copied.add(rows, paths=[f"/made/{i}.png" for i in range(800)], modality="image")
    copied.index([], index="IVF4,PQ32x4")
    assert copied.manifest.indexes
    hits = copied.search("a red disc", k=8, to=["image"])
    assert len({hit.path for hit in hits}) == 8
    assert names(hits).count("disc.png") <= 1
    assert [len(hit.copies) for hit in hits if hit.path.endswith("disc.png")] == [9]


def test_vectors_made_elsewhere_have_no_content_and_are_never_folded(empty):
    empty.add(np.ones((5, 256)), paths=[f"/{i}.png" for i in range(5)], modality="image")
    hits = empty.search(np.ones(256), k=5)
    assert len(hits) == 5
    assert all(not hit.copies for hit in hits)


def test_copied_films_and_sounds_are_one_hit_each(tmp_path, gallery):
    av = pytest.importorskip("av")
    folder = tmp_path / "films"
    folder.mkdir()
    for name, shade in (("dark.mp4", 20), ("bright.mp4", 230)):
        with av.open(str(folder / name), "w") as out:
            stream = out.add_stream("libx264", rate=5)
            stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
            for number in range(15):
                pixels = np.full((64, 64, 3), shade, np.uint8)
                pixels[:, : 4 * number] = 128
                for packet in stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")):
                    out.mux(packet)
            for packet in stream.encode():
                out.mux(packet)
    for number in range(3):
        shutil.copy(folder / "dark.mp4", folder / f"dark {number}.mp4")
    made = Collection.create(tmp_path / "films.mms", model="mini")
    made.index([folder], workers=1)
    hits = made.search("a dark room", k=2)
    assert len(hits) == 2
    assert sorted(len(hit.copies) for hit in hits) == [0, 3]
    (alone,) = made.search("a dark room", k=1, under=folder, where="duration_s > 0")
    assert len(alone.copies) in (0, 3)
