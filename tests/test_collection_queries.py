"""Pages of hits, hits that match too little, rows like a row, and values encoded as queries are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmsearch import DecodeError, Hint, HintKind, Hits, NoSuchFileError, NoticeKind, Query, UsageError
from mmsearch.retrieval.media.workers.decoder import Decoder
from mmsearch.types import LEVELS


def vectors(count: int, dim: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, dim)).astype(np.float32)


def test_pages_of_hits_follow_each_other(mine):
    (query,) = vectors(1, seed=3)
    whole = mine.search(query, k=20)
    pages = [mine.search(query, k=6, offset=start) for start in (0, 6, 12, 18, 24)]
    assert [hit for page in pages for hit in page] == whole
    assert [len(page) for page in pages] == [6, 6, 6, 2, 0]
    assert pages[1][0].rank == 7
    assert all(isinstance(page, Hits) for page in pages)


def test_pages_of_several_modalities_follow_each_other(gallery):
    whole = gallery.search("a red disc", k=10)
    assert [hit.id for start in (0, 4, 8) for hit in gallery.search("a red disc", k=4, offset=start)] == [
        hit.id for hit in whole
    ]


def test_hits_of_a_lower_level_are_left_out(gallery):
    whole = gallery.search("a red disc", k=10)
    assert len({hit.level for hit in whole}) > 1
    for least in ("strong", "likely", "weak", "nothing"):
        found = gallery.search("a red disc", k=10, min_level=least)
        kept = LEVELS[: LEVELS.index(least) + 1]
        assert [hit.id for hit in found] == [hit.id for hit in whole if hit.level in kept]
        assert [hit.rank for hit in found] == list(range(1, len(found) + 1))


def test_hits_left_out_because_their_level_is_not_known_are_told_in_a_notice(gallery):
    folder = Path(next(iter(gallery)).path).parent
    picture = Query(folder / "disc.png", folder / "grid.png")
    answer = gallery.ask(picture, min_level="weak")
    (notice,) = answer.notices
    assert (answer.hits, notice.kind) == ([], NoticeKind.LEVELS_UNKNOWN)
    assert notice.values == {"model": "mini", "modalities": ["image", "text"]}
    assert notice.hint == Hint(HintKind.CALIBRATE)
    assert gallery.ask(picture).notices == ()
    assert gallery.ask("a red disc", min_level="strong").notices == ()
    unreadable, readable = gallery.ask_many(["зайка", "a red disc"], min_level="weak")
    assert {one.kind for one in (*unreadable.notices, *readable.notices)} == {NoticeKind.WORDS_UNKNOWN}


def test_vectors_made_elsewhere_have_no_levels_and_no_model_to_fit_them_for(mine):
    (notice,) = mine.ask(vectors(1)[0], min_level="weak").notices
    assert (notice.kind, notice.hint) == (NoticeKind.LEVELS_UNKNOWN, None)


def test_hits_of_a_search_become_a_table(gallery):
    hits = gallery.search("a red disc", k=4)
    table = hits.to_arrow()
    assert table["path"].to_pylist() == [hit.path for hit in hits]
    assert table["rank"].to_pylist() == [1, 2, 3, 4]
    assert gallery.search_many(["a red disc"], k=4)[0].to_arrow() == table


def test_texts_and_pictures_are_encoded_as_queries_are(gallery):
    (folder,) = {Path(record.path).parent for record in gallery}
    with Image.open(folder / "disc.png") as picture:
        array = gallery.encode(
            ["a red disc on white", folder / "disc.png", picture, np.asarray(picture.convert("RGB"))]
        )
    assert (array.dtype, array.shape) == (np.float32, (4, gallery.space.dim))
    np.testing.assert_allclose(np.linalg.norm(array, axis=1), 1, atol=1e-5)
    np.testing.assert_array_equal(array[0], gallery.encoder().encode_texts(["a red disc on white"])[0])
    np.testing.assert_allclose(array[1:], array[[1, 1, 1]], atol=1e-5)
    by_vector, by_words = gallery.search(array[0], k=3), gallery.search("a red disc on white", k=3)
    assert [hit.id for hit in by_vector] == [hit.id for hit in by_words]
    # The last bit may differ: a vector that is given is scaled to unit length once more.
    assert [hit.score for hit in by_vector] == pytest.approx([hit.score for hit in by_words], abs=1e-6)
    assert gallery.encode([]).shape == (0, gallery.space.dim)


def test_what_cannot_be_encoded_is_named(gallery):
    with pytest.raises(NoSuchFileError, match=r"value 2 of 2: there is no file missing\.jpg"):
        gallery.encode(["a dog", Path("missing.jpg")])
    with pytest.raises(UsageError, match="this is one: put it into a list"):
        gallery.encode("a dog")
    with pytest.raises(UsageError, match="value 1 of 1: the query is empty"):
        gallery.encode([""])


def test_rows_like_a_row_are_found_by_its_vector_without_the_row_itself(mine):
    (vector,) = mine.vectors([5]).vectors
    expected = mine.search(vector, k=6)
    assert expected[0].id == 5
    assert [hit.id for hit in mine.similar(5, k=5)] == [hit.id for hit in expected[1:]]
    assert mine.similar(5, k=6, include_self=True) == expected
    assert all(hit.width > 10 for hit in mine.similar(5, where="width > 10"))


def test_files_that_are_asked_together_are_decoded_by_one_process_and_fail_alone(gallery, monkeypatch):
    started = []

    def counted(*arguments, **options):
        started.append(Decoder(*arguments, **options))
        return started[-1]

    monkeypatch.setattr("mmsearch.retrieval.search.query_files.Decoder", counted)
    (folder,) = {Path(record.path).parent for record in gallery}
    disc, bread = ((folder / name).read_bytes() for name in ("disc.png", "bread.md"))
    broken = b"\x89PNG\r\n\x1a\nnothing more"
    first, failed, second, third = gallery.ask_many([disc, broken, bread, disc], k=3)
    assert isinstance(failed, DecodeError)
    assert [hit.path for hit in first.hits] == [hit.path for hit in third.hits]
    assert Path(first.hits[0].path).name == "disc.png"
    assert Path(second.hits[0].path).name == "bread.md"
    assert len(started) == 1
