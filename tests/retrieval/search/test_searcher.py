"""From a query of any kind to ranked hits."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from mmsearch import Collection, Query
from mmsearch.errors import DecodeError, NoSuchFileError, SpaceMismatchError, UsageError
from mmsearch.retrieval.search.filters import Filters
from mmsearch.types import Moment, Space


def stored(collection: Collection, path: Path) -> np.ndarray:
    """The stored vector of a file, float32."""
    searcher = collection.searcher()
    for modality in searcher.modalities:
        rows = searcher.rows(modality)
        names = rows.facts(["path"])["path"].to_pylist()
        if str(path).encode() in names:
            return rows.vectors_at(np.array([names.index(str(path).encode())]))[0].astype(np.float32)
    raise KeyError(path)


@pytest.fixture(scope="module")
def folder(gallery: Collection) -> Path:
    return Path(gallery.manifest.roots[0])


PICTURES = ["disc.png", "square.jpg", "stripes.png", "rings.jpg", "cross.png", "ramp.jpg", "grid.png", "noise.png"]


@pytest.mark.parametrize("name", [*PICTURES, "harbour.txt", "bread.md"])
def test_a_file_of_the_collection_finds_itself_with_a_cosine_of_one(gallery, folder, name):
    modality = "text" if name.endswith(("txt", "md")) else "image"
    hit = gallery.search(folder / name, k=1, to=[modality], include_self=True)[0]
    assert hit.path == str(folder / name)
    assert hit.score > 0.999


def test_the_query_file_itself_is_left_out_unless_asked_for(gallery, folder):
    for query in (folder / "disc.png", Query("a disc", folder / "disc.png")):
        hits = gallery.search(query, k=20, to=["image"])
        assert len(hits) == 7
        assert str(folder / "disc.png") not in {hit.path for hit in hits}
    assert len(gallery.search(folder / "disc.png", k=20, to=["image"], include_self=True)) == 8


@pytest.mark.parametrize("kind", ["bytes", "pil", "array", "vector"])
def test_a_picture_is_found_by_its_bytes_its_pixels_and_its_vector(gallery, folder, drawn, kind):
    picture = drawn("cross")
    query = {
        "bytes": (folder / "cross.png").read_bytes(),
        "pil": picture,
        "array": np.asarray(picture),
        "vector": stored(gallery, folder / "cross.png") * 7,
    }[kind]
    hit = gallery.search(query, k=1, to=["image"])[0]
    assert hit.path == str(folder / "cross.png")
    assert hit.score > 0.999


def test_a_picture_given_by_an_app_is_treated_as_its_file_would_be(gallery, drawn, tmp_path):
    from PIL import Image

    turned = drawn("ramp").transpose(Image.Transpose.ROTATE_90)
    see_through = turned.convert("RGBA")
    see_through.putalpha(Image.linear_gradient("L").resize(turned.size))
    exif = Image.Exif()
    exif[0x0112] = 6
    see_through.save(tmp_path / "a.png", exif=exif)
    with Image.open(tmp_path / "a.png") as opened:
        by_file, by_pixels = gallery.search_many([tmp_path / "a.png", opened], k=8, to=["image"])
    assert [hit.id for hit in by_file] == [hit.id for hit in by_pixels]
    np.testing.assert_allclose([hit.score for hit in by_file], [hit.score for hit in by_pixels], atol=2e-3)


def test_words_find_texts_and_texts_find_texts(gallery, folder):
    assert gallery.search("boats in a harbour", k=1, to=["text"])[0].path == str(folder / "harbour.txt")
    hit = gallery.search("fresh bread", k=1, to=["text"])[0]
    assert (hit.path, hit.text) == (str(folder / "bread.md"), "A loaf of rye bread cools on the kitchen table.")
    assert (hit.span.start, hit.span.unit) == (0, "char")


def test_the_score_is_the_cosine_of_query_and_stored_vector(gallery, folder):
    query = gallery.encoder().encode_texts(["a round red shape"])[0]
    for hit in gallery.search("a round red shape", k=20):
        assert hit.score == pytest.approx(float(query @ stored(gallery, Path(hit.path))), abs=1e-6)


def test_terms_are_the_weighted_mean_of_their_unit_vectors(gallery, folder):
    encoder = gallery.encoder()
    words = encoder.encode_texts(["a field of stripes", "a boat on water"])
    mean = words[0] * 2 + stored(gallery, folder / "disc.png") - 0.5 * words[1]
    query = Query(("a field of stripes", 2), folder / "disc.png", minus=[("a boat on water", 0.5)])
    by_terms = gallery.search(query, k=20, include_self=True, mode="semantic")
    by_vector = gallery.search(mean, k=20)
    assert [hit.id for hit in by_terms] == [hit.id for hit in by_vector]
    np.testing.assert_allclose([h.score for h in by_terms], [h.score for h in by_vector], atol=1e-3)


def test_minus_pushes_away(gallery, folder):
    wanted = stored(gallery, folder / "grid.png")
    before = {hit.path: hit.score for hit in gallery.search("lines", k=20)}
    after = {hit.path: hit.score for hit in gallery.search(Query("lines", minus=[wanted]), k=20)}
    assert after[str(folder / "grid.png")] < before[str(folder / "grid.png")] - 0.1


def test_terms_that_cancel_out_are_wrong_use(gallery):
    with pytest.raises(UsageError, match="cancel out"):
        gallery.search(Query("dog", minus=["dog"]))


def test_many_queries_as_one_batch_answer_as_each_alone(gallery, folder):
    for queries in (["a red disc", "bread", "boats"], ["a red disc", folder / "grid.png", Query("x", minus=["y"])]):
        together = gallery.search_many(queries, k=5)
        for query, hits in zip(queries, together, strict=True):
            alone = gallery.search(query, k=5)
            assert [hit.id for hit in alone] == [hit.id for hit in hits]
            np.testing.assert_allclose([h.score for h in alone], [h.score for h in hits], atol=1e-6)
    assert gallery.search_many([]) == []


def test_threads_search_one_collection_at_once(gallery):
    queries = ["a red disc", "bread", "boats", "purple stripes"] * 5
    expected = [[hit.id for hit in gallery.search(query)] for query in queries]
    fresh = Collection.open(gallery.root)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda query: [hit.id for hit in fresh.search(query)], queries))
    assert found == expected


def test_k_larger_than_the_collection_gives_all_there_is(gallery):
    hits = gallery.search("x", k=10_000)
    assert len(hits) == 10
    assert [hit.rank for hit in hits] == list(range(1, 11))


@pytest.mark.parametrize("k", [0, -3])
def test_k_below_one_is_wrong_use(gallery, k):
    with pytest.raises(UsageError, match=f"k must be at least 1, not {k}"):
        gallery.search("x", k=k)


@pytest.mark.parametrize("query", ["", "  \n", Path("/no/such.jpg")])
def test_a_query_of_nothing_is_one_clear_line(gallery, query):
    with pytest.raises((UsageError, DecodeError)) as error:
        gallery.search(query)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("data", "said"), [(b"", "empty"), (b"\x89PNG\r\n\x1a\nbroken", "cut off"), (b" \n", "no text")]
)
def test_a_query_file_that_cannot_be_read_says_why(gallery, tmp_path, data, said):
    path = tmp_path / "query.txt"
    path.write_bytes(data)
    with pytest.raises(DecodeError, match=f"cannot search by .*{said}"):
        gallery.search(path)


@pytest.mark.parametrize("query", [Path("nope.jpg"), Moment(Path("nope.jpg"), 3), Query("a disc", Path("nope.jpg"))])
def test_a_file_that_never_was_is_not_called_vanished(gallery, query):
    with pytest.raises(NoSuchFileError, match=r"^there is no file nope\.jpg$") as error:
        gallery.search(query)
    assert isinstance(error.value, UsageError)
    assert isinstance(error.value, DecodeError)


def test_neither_is_what_can_be_no_file(gallery, folder, tmp_path):
    (tmp_path / "loose.jpg").symlink_to(tmp_path / "nothing.jpg")
    for path in (tmp_path / "loose.jpg", folder / "disc.png" / "x.jpg", Path("a\0b.jpg")):
        with pytest.raises(NoSuchFileError, match="^there is no file .*jpg$"):
            gallery.search(path)


@pytest.mark.parametrize("path", [Path(""), Path("/")])
def test_a_folder_is_not_searched_by(gallery, path):
    with pytest.raises(NoSuchFileError, match=f"^{path} is a folder: search by a file in it$"):
        gallery.search(path)


def test_of_several_queries_the_wrong_one_is_named(gallery):
    for wrong, said in ((Path("nope.jpg"), "there is no file nope.jpg"), ("", "the query is empty"), (7, "by a int")):
        with pytest.raises(UsageError, match=f"^query 2 of 3: .*{said}"):
            gallery.search_many(["a disc", wrong, "a square"])


def test_asked_together_a_wrong_query_takes_no_other_with_it(gallery):
    right, missing, empty, other = gallery.ask_many(["a disc", Path("nope.jpg"), "", "a square"], k=3)
    assert isinstance(missing, NoSuchFileError)
    assert isinstance(empty, UsageError)
    assert [right.hits, other.hits] == gallery.search_many(["a disc", "a square"], k=3)
    with pytest.raises(UsageError, match="k must be at least 1"):
        gallery.ask_many(["a disc"], k=0)


def test_bytes_that_cannot_be_read_are_not_called_by_the_name_of_a_temporary_file(gallery):
    with pytest.raises(DecodeError, match="cannot search by the bytes given: .*cut off"):
        gallery.search(b"\x89PNG\r\n\x1a\nbroken")


@pytest.mark.parametrize("array", [np.zeros((4, 4)), np.zeros((4, 4, 3)), np.zeros((2, 4, 4, 3), np.uint8)])
def test_an_array_that_is_no_picture_is_wrong_use(gallery, array):
    with pytest.raises(UsageError, match=r"a picture is uint8 \[height, width, 3\]"):
        gallery.search(array)


@pytest.mark.parametrize("vector", [np.zeros(256), np.full(256, np.nan)])
def test_a_vector_without_direction_is_wrong_use(gallery, vector):
    with pytest.raises(UsageError):
        gallery.search(vector)


def test_a_vector_of_another_dimension_is_of_another_space(gallery):
    with pytest.raises(SpaceMismatchError, match=f"512 dimensions.*{gallery.space.key}"):
        gallery.search(np.ones(512))


def test_a_space_that_the_collection_has_not_is_named_with_those_it_has(gallery):
    for other in ("clip", Space("clip", "w", "p", 512)):
        with pytest.raises(SpaceMismatchError, match=gallery.space.key):
            gallery.search("x", space=other)
    assert gallery.search("x", space="mini") == gallery.search("x", space=gallery.space)


def test_a_modality_that_nothing_is_indexed_of_is_wrong_use(gallery):
    with pytest.raises(UsageError, match="nothing of audio is indexed; there is: image, text"):
        gallery.search("x", to=["audio"])


def test_all_modalities_answer_unless_some_are_asked_for(gallery):
    assert {hit.modality for hit in gallery.search("x", k=20)} == {"image", "text"}
    assert {hit.modality for hit in gallery.search("x", k=20, to=["image"])} == {"image"}


def test_lists_of_several_modalities_are_merged_by_match(gallery):
    hits = gallery.search("a loaf of bread", k=20)
    assert [hit.match for hit in hits] == sorted((hit.match for hit in hits), reverse=True)
    alone = {hit.id: hit.match for m in ("image", "text") for hit in gallery.search("a loaf of bread", k=20, to=[m])}
    assert {hit.id: hit.match for hit in hits} == pytest.approx(alone, abs=1e-5)


def test_hits_of_one_modality_are_ranked_by_score(gallery):
    scores = [hit.score for hit in gallery.search("a loaf of bread", k=20, to=["image"])]
    assert scores == sorted(scores, reverse=True)


def test_a_hit_explains_itself(gallery, folder):
    by_path = {Path(hit.path).name: hit for hit in gallery.search("x", k=20)}
    disc, bread = by_path["disc.png"], by_path["bread.md"]
    assert (disc.modality, disc.evidence, disc.width, disc.height) == ("image", ("look",), 96, 64)
    assert (bread.modality, bread.evidence, bread.state) == ("text", ("text",), "current")


def test_the_answer_tells_what_it_took(gallery):
    answer = gallery.ask("a dog")
    assert set(answer.took_ms) == {"load", "embed", "search"}
    told = answer.to_json()
    assert (told["query"], told["space"]) == (["a dog"], gallery.space.key)
    assert len(told["hits"]) == 10


def test_a_gif_of_bytes_and_a_text_of_bytes_are_told_apart_by_content(gallery, folder, drawn):
    file = io.BytesIO()
    drawn("square").save(file, "GIF")
    assert gallery.search(file.getvalue(), k=1, to=["image"])[0].path == str(folder / "square.jpg")
    hit = gallery.search(b"Fishing boats lie in the harbour at low tide.", k=1, to=["text"])[0]
    assert hit.path == str(folder / "harbour.txt")
    assert hit.score > 0.999


def test_a_filter_is_worked_out_once_however_often_it_is_asked_within(gallery, folder, monkeypatch):
    worked_out = []
    mask = Filters.mask
    monkeypatch.setattr(Filters, "mask", lambda self, rows: worked_out.append(self) or mask(self, rows))
    with Collection.open(gallery.root) as fresh:
        for _ in range(3):
            wide = fresh.ask("red", where="width > 60", to=["image"])
            narrow = fresh.ask("red", where="width > 10000", to=["image"])
    assert [filters.where for filters in worked_out] == ["width > 60", "width > 10000"]
    assert len(wide.hits) > len(narrow.hits) == 0


# --- long texts ------------------------------------------------------------------------------------------------

LONG = "Boats lie in the harbour at low tide and nobody is there. " * 9
END = "A loaf of rye bread cools on the kitchen table."


def test_words_past_what_the_model_reads_count(gallery):
    """A long text is the mean of its passages, as a text file of it is."""
    encoder = gallery.encoder()
    assert encoder.count_tokens([LONG])[0] > encoder.max_tokens
    bread = {hit.path: hit.score for hit in gallery.search(LONG + END, k=20, to=["text"])}
    boats = {hit.path: hit.score for hit in gallery.search(LONG, k=20, to=["text"])}
    (path,) = [path for path in bread if path.endswith("bread.md")]
    assert bread[path] > boats[path] + 0.05


def test_a_long_text_finds_what_a_file_of_it_finds(gallery, tmp_path):
    (tmp_path / "long.txt").write_text(LONG + END)
    by_file, by_words, by_both = gallery.search_many(
        [tmp_path / "long.txt", LONG + END, Query(LONG + END)], k=20, mode="semantic"
    )
    assert [(hit.id, hit.score) for hit in by_words] == [
        (hit.id, pytest.approx(hit.score, abs=1e-6)) for hit in by_file
    ]
    assert by_both == by_words


def test_a_text_that_fits_is_embedded_as_it_is(gallery):
    vector = gallery.encoder().encode_texts(["  a disc on white "])[0]
    assert gallery.search("  a disc on white ", k=20)[0].score == pytest.approx(
        gallery.search(vector, k=20)[0].score, abs=1e-6
    )
