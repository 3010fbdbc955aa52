"""Searches with rows and files that are liked or not."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from mmsearch import Collection, Query
from mmsearch.errors import CannotEmbedError, NoSuchRowError, SpaceMismatchError, UsageError
from mmsearch.retrieval.search.query_vectors import embed_all
from mmsearch.types import Space

K = 50
RATE = 16_000


def paths(hits) -> list[str]:
    return [Path(hit.path).name for hit in hits]


@pytest.fixture(scope="module")
def ids(gallery) -> dict[str, int]:
    """The row of each file of the gallery."""
    return {Path(record.path).name: record.id for record in gallery}


@pytest.fixture(scope="module")
def folder(gallery) -> Path:
    return Path(gallery.manifest.roots[0])


def test_a_liked_row_raises_what_looks_like_it(gallery, ids):
    before = {hit.id: hit.score for hit in gallery.search("a pattern", k=K, to="image")}
    after = gallery.search(Query("a pattern", like=[ids["grid.png"]]), k=K, to="image", include_self=True)
    assert after[0].id == ids["grid.png"]
    assert after[0].score > before[ids["grid.png"]]


def test_what_is_liked_does_not_come_back_unless_asked_for_and_what_is_not_never_does(gallery, ids):
    query = Query("a pattern", like=[ids["grid.png"]], unlike=[ids["rings.jpg"]])
    hits = paths(gallery.search(query, k=K))
    assert "grid.png" not in hits
    assert "rings.jpg" not in hits
    assert len(hits) == 8
    with_self = paths(gallery.search(query, k=K, include_self=True))
    assert "grid.png" in with_self
    assert "rings.jpg" not in with_self


def test_a_file_marks_as_its_row_does(gallery, folder, ids):
    by_id = gallery.search(Query("a disc", like=[ids["rings.jpg"]], unlike=[ids["cross.png"]]), k=K)
    by_file = gallery.search(Query("a disc", like=[folder / "rings.jpg"], unlike=[folder / "cross.png"]), k=K)
    assert [hit.id for hit in by_file] == [hit.id for hit in by_id]
    assert [hit.score for hit in by_file] == pytest.approx([hit.score for hit in by_id], abs=1e-4)


def test_pictures_bytes_and_vectors_mark_too(gallery, folder, ids, drawn):
    vector = gallery.vectors([ids["cross.png"]]).vectors[0]
    marks = [drawn("cross.png"), np.asarray(drawn("cross.png")), (folder / "cross.png").read_bytes(), vector]
    scores = [gallery.search(Query("a disc", like=[mark]), k=1, to="image")[0].score for mark in marks]
    assert scores == pytest.approx([scores[0]] * 4, abs=0.002)


def test_the_first_of_several_hits_that_are_left_out_costs_no_other_hit(gallery, ids):
    query = Query("a pattern", unlike=[ids[name] for name in ("grid.png", "rings.jpg", "stripes.png")])
    assert len(gallery.search(query, k=5, to="image")) == 5


def test_likes_alone_find_what_looks_like_them(gallery, ids):
    hits = gallery.search(Query(like=[ids["disc.png"]]), k=K, to="image", include_self=True)
    assert hits[0].id == ids["disc.png"]
    assert "disc.png" not in paths(gallery.search(Query(like=[ids["disc.png"]]), k=K))


def test_all_ways_to_ask_take_marks(gallery, ids):
    query = Query("a pattern of lines", like=[ids["grid.png"]], unlike=[ids["rings.jpg"]])
    expected = [hit.id for hit in gallery.search(query, k=4)]
    assert [hit.id for hit in gallery.ask(query, k=4).hits] == expected
    assert [hit.id for hit in gallery.search_many(["bread", query], k=4)[1]] == expected
    assert [hit.id for hit in gallery.ask_many([query, "bread"], k=4)[0].hits] == expected
    (vector,) = gallery.encode([query])
    by_vector = gallery.search(vector, k=K)
    assert [hit.id for hit in by_vector if hit.id not in (ids["grid.png"], ids["rings.jpg"])][:4] == expected


def test_marks_of_one_query_leave_the_others_alone(gallery, ids):
    plain = gallery.search("a pattern", k=K)
    _, beside = gallery.search_many([Query("a pattern", unlike=[ids["grid.png"]]), "a pattern"], k=K)
    assert [(hit.id, hit.score) for hit in beside] == [(hit.id, hit.score) for hit in plain]


def test_an_unknown_id_is_the_error_of_its_own_query(gallery, ids):
    for row_id in (9_999, -1, 2**70):
        with pytest.raises(NoSuchRowError, match=f"has no row {row_id}"):
            gallery.search(Query("a disc", like=[row_id]))
    bad, good = gallery.ask_many([Query("a disc", unlike=[9_999]), Query("a disc", like=[ids["disc.png"]])])
    assert isinstance(bad, NoSuchRowError)
    assert good.hits
    with pytest.raises(NoSuchRowError):
        gallery.encode([Query("a disc", like=[9_999])])


def test_a_deleted_row_is_unknown(collection):
    first = collection.search("a disc", k=1)[0]
    collection.remove(ids=[first.id])
    with pytest.raises(NoSuchRowError):
        collection.search(Query("a disc", like=[first.id]))


def test_copies_of_a_marked_row_or_file_are_left_out_with_it(photos, tmp_path):
    (photos / "more").mkdir()
    for name in ("disc.png", "bread.md"):
        shutil.copy(photos / name, photos / "more" / name)
    made = Collection.create(tmp_path / "copies.mms", model="mini")
    made.index([photos], workers=1)
    for name, words in (("disc.png", "a red disc"), ("bread.md", "bread")):
        hit = next(hit for hit in made.search(words, k=K) if hit.path.endswith(name))
        assert len(hit.copies) == 1
        for mark in (hit.id, Path(hit.path)):
            assert name not in paths(made.search(Query(words, unlike=[mark]), k=K))


def test_a_passage_is_left_out_alone_and_a_sound_whole(tmp_path, films):
    place = tmp_path / "files"
    place.mkdir()
    passages = (f"Paragraph {i}: " + "boats in the harbour " * 30 for i in range(4))
    (place / "long.txt").write_text("\n\n".join(passages))
    seconds = np.arange(17 * RATE) / RATE
    tone = (0.4 * np.sin(2 * np.pi * (300 + 40 * (seconds // 4)) * seconds))[None].astype(np.float32)
    (place / "long.wav").write_bytes(films.wav(tone, RATE, kind="float32"))
    made = Collection.create(tmp_path / "long.mms", model="mini")
    made.index([place], workers=1)
    texts = made.search("boats", k=K, to="text")
    assert len(texts) > 2
    left = made.search(Query("boats", unlike=[texts[0].id]), k=K, to="text")
    assert {hit.id for hit in left} == {hit.id for hit in texts[1:]}
    (sound,) = made.search("a tone", k=K, to="audio")
    assert made.search(Query("a tone", unlike=[sound.id]), k=K, to="audio") == []


def test_a_row_of_a_space_that_is_not_asked_is_an_error_that_names_both(tmp_path):
    made = Collection.create(tmp_path / "two.mms", model=None)
    rng = np.random.default_rng(0)
    names = [f"/{i}" for i in range(9)]
    one = made.add(rng.normal(size=(9, 8)), paths=names, modality="image", space="one")
    other = made.add(rng.normal(size=(9, 16)), paths=names, modality="image", space="other")
    query = rng.normal(size=8)
    assert one[0] not in {hit.id for hit in made.search(Query(query, unlike=[int(one[0])]), space="one")}
    with pytest.raises(SpaceMismatchError, match=r"is of space other.*one"):
        made.search(Query(query, like=[int(other[0])]), space="one")
    with pytest.raises(SpaceMismatchError):
        made.encode([Query(query, like=[int(other[0])])], space="one")


def test_a_row_of_another_space_that_answers_too_does_not_move_the_query_here():
    space, vector = Space.of_vectors("here", 8), np.eye(1, 8, dtype=np.float32)[0]
    vectors, failures = embed_all([Query(vector, like=[1]), Query(like=[1])], space, None)
    assert vectors[0].media == pytest.approx(vector)
    assert isinstance(failures[1], CannotEmbedError)


def test_a_vector_that_is_not_liked_asks_for_no_other_dimension(gallery):
    with pytest.raises(SpaceMismatchError):
        gallery.search(Query("a disc", like=[np.ones(7)]))


def test_marks_that_cancel_out_are_an_error(tmp_path):
    made = Collection.create(tmp_path / "few.mms", model=None)
    made.add(np.eye(4, 8), paths=["/a", "/b", "/c", "/d"], modality="image", space="one")
    vector = np.eye(1, 8)[0]
    assert made.search(Query(like=[vector]))
    with pytest.raises(UsageError, match="cancel out"):
        made.search(Query(vector, minus=[vector], like=[]))
