"""Stored rows as terms: a query by the vector of a row, alone or with others."""

from __future__ import annotations

import numpy as np
import pytest

from mmsearch import Collection, NoSuchRowError, Query, SpaceMismatchError, StoredRow


@pytest.fixture
def disc(gallery) -> int:
    return next(hit.id for hit in gallery.search("a red disc") if hit.path.endswith("disc.png"))


def test_a_row_alone_finds_what_similar_finds(gallery, disc):
    found = gallery.search(StoredRow(disc))
    assert found == gallery.similar(disc)
    assert disc not in [hit.id for hit in found]
    assert gallery.search(StoredRow(disc), include_self=True)[0].id == disc


def test_a_row_and_words_make_one_query(gallery, disc):
    vector = gallery.vectors([disc]).vectors[0]
    with_row = gallery.search(Query((StoredRow(disc), 2), "a blue square", minus=["stripes"]), include_self=True)
    with_vector = gallery.search(Query((vector, 2), "a blue square", minus=["stripes"]))
    assert [hit.id for hit in with_row] == [hit.id for hit in with_vector]
    assert [hit.score for hit in with_row] == pytest.approx([hit.score for hit in with_vector], abs=1e-6)


def test_a_query_names_its_row(gallery, disc):
    assert gallery.ask(StoredRow(disc)).query == [f"row:{disc}"]


def test_a_row_that_is_not_there_is_an_error(gallery):
    with pytest.raises(NoSuchRowError, match="no row 99999"):
        gallery.search(StoredRow(99999))


def test_a_row_looks_in_its_own_space_alone(tmp_path):
    made = Collection.create(tmp_path / "two.mms", model=None)
    rng = np.random.default_rng(0)
    one = made.add(rng.normal(size=(3, 8)), paths=["/a", "/b", "/c"], modality="image", space="one")
    other = made.add(rng.normal(size=(3, 5)), paths=["/d", "/e", "/f"], modality="image", space="other")
    assert {hit.path for hit in made.search(StoredRow(int(one[0])))} == {"/b", "/c"}
    with pytest.raises(SpaceMismatchError):
        made.search(StoredRow(int(other[0])), space="one")
