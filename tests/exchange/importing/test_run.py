"""An import: counts that add up, spaces that do not mix, and runs that go on."""

from __future__ import annotations

import numpy as np
import pytest

from mmsearch import Collection, MMSearchError, Space, SpaceMismatchError, UsageError
from mmsearch.exchange import import_vectors


@pytest.fixture
def new(tmp_path):
    """A collection with nothing in it, and no model."""
    with Collection.create(tmp_path / "new.mms", model=None) as made:
        yield made


def saved(path, array):
    np.save(path, array)
    return path


def test_counts_add_up_and_what_is_skipped_is_listed_with_its_reason(new, tmp_path, vectors):
    array = vectors(50)
    array[3], array[7, 2], array[9, 0] = 0, np.nan, np.inf
    (tmp_path / "v.csv").write_text("path\n" + "".join(f"/p/{i % 45}\n" for i in range(50)))
    done = import_vectors(new, saved(tmp_path / "v.npy", array))
    assert done.found == done.added + done.replaced + done.unchanged + done.skipped == 50
    no_direction, twice = done.reasons
    assert done.reasons[no_direction] == 3
    assert done.reasons[twice] == 4, "the fourth was skipped, so its second vector is the first of the name"
    assert [note.path for note in done.notes[:3]] == ["/p/3", "/p/7", "/p/9"]
    assert "zero, or holds NaN or infinity" in done.notes[0].reason
    assert done.scaled == 47
    assert len(new) == done.added == 43


def test_vectors_of_unit_length_are_not_counted_as_scaled(new, tmp_path, vectors):
    array = vectors(50)
    array /= np.linalg.norm(array, axis=1, keepdims=True)
    assert import_vectors(new, saved(tmp_path / "v.npy", array.astype(np.float16))).scaled == 0


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, ">f4"])
def test_numbers_of_every_type_are_taken(new, tmp_path, vectors, dtype):
    import_vectors(new, saved(tmp_path / "v.npy", vectors(5).astype(dtype)))
    expected = vectors(5) / np.linalg.norm(vectors(5), axis=1, keepdims=True)
    assert np.allclose(new.vectors([record.id for record in new]).vectors, expected, atol=2e-3)


def test_a_second_run_writes_nothing(new, tmp_path, vectors, small_blocks):
    path = saved(tmp_path / "v.npy", vectors(50))
    import_vectors(new, path)
    generation = new.manifest.generation
    again = import_vectors(new, path)
    assert (again.added, again.unchanged) == (0, 50)
    assert new.manifest.generation == generation


def test_an_interrupted_run_keeps_what_it_had_and_goes_on(new, tmp_path, vectors, small_blocks, stopping):
    path = saved(tmp_path / "v.npy", vectors(50))
    with pytest.raises(KeyboardInterrupt):
        import_vectors(new, path, watch=stopping(24))
    assert len(new) == 24
    done = import_vectors(new, path)
    assert (done.added, done.unchanged, len(new)) == (26, 24, 50)


def test_a_vector_that_changed_takes_the_place_of_the_one_of_its_name(new, tmp_path, vectors):
    array = vectors(50)
    import_vectors(new, saved(tmp_path / "v.npy", array))
    array[5] = -array[5]
    done = import_vectors(new, saved(tmp_path / "v.npy", array))
    assert (done.added, done.replaced, done.unchanged, done.found) == (0, 1, 49, 50)
    (row,) = [record.id for record in new if record.path == "v.npy#5"]
    assert np.allclose(new.vectors([row]).vectors[0], array[5] / np.linalg.norm(array[5]), atol=1e-3)


def test_a_name_that_comes_again_in_a_later_block_is_skipped(new, tmp_path, vectors, small_blocks):
    (tmp_path / "v.csv").write_text("path\n" + "".join(f"/p/{i % 12}\n" for i in range(20)))
    done = import_vectors(new, saved(tmp_path / "v.npy", vectors(20)))
    assert (done.added, done.replaced, done.skipped, len(new)) == (12, 0, 8, 12)


def test_texts_of_one_path_are_rows_of_their_own(new, tmp_path, vectors):
    (tmp_path / "v.csv").write_text("path,text,other\n/a,one,1\n/a,two,2\n/b,one,3\n/b,one,4\n")
    done = import_vectors(new, saved(tmp_path / "v.npy", vectors(4)), modality="text")
    assert (done.added, done.skipped) == (3, 1)
    assert sorted((record.path, record.text) for record in new) == [("/a", "one"), ("/a", "two"), ("/b", "one")]
    assert import_vectors(new, tmp_path / "v.npy", modality="text").unchanged == 3


def test_several_sources_go_into_the_space_of_the_first(new, tmp_path, vectors):
    one, two = saved(tmp_path / "one.npy", vectors(5)), saved(tmp_path / "two.npy", vectors(6, seed=1))
    done = import_vectors(new, [one, two])
    assert (done.model, done.added) == ("one", 11)
    assert import_vectors(new, two).model == "two", "of itself, another source is another space"
    assert {space.model for space in new.manifest.spaces.values()} == {"one", "two"}


def test_vectors_of_another_dimension_do_not_get_into_a_space(new, tmp_path, vectors):
    import_vectors(new, saved(tmp_path / "one.npy", vectors(5)), space="s")
    with pytest.raises(SpaceMismatchError, match=r"two.npy: vectors of 24 dimensions .* s-16-\w+ with 16"):
        import_vectors(new, saved(tmp_path / "two.npy", vectors(5, 24)), space="s")
    assert len(new) == 5


def test_the_name_of_a_model_is_no_name_for_vectors_made_elsewhere(empty, tmp_path, vectors):
    path = saved(tmp_path / "v.npy", vectors(5, 256))
    with pytest.raises(UsageError, match="'mini' is a model of the collection"):
        import_vectors(empty, path, space="mini")
    assert import_vectors(empty, path, model="mini").space == empty.space.key
    with pytest.raises(UsageError, match="has no vectors of model 'clip'; its models: mini"):
        import_vectors(empty, path, model="clip")
    with pytest.raises(UsageError, match="a space or a model, not both"):
        import_vectors(empty, path, model="mini", space="mine")


def test_vectors_of_a_model_are_found_by_words(empty, tmp_path):
    array = empty.encode(["a red disc", "a dark forest"])
    (tmp_path / "v.csv").write_text("path\n/disc\n/forest\n")
    import_vectors(empty, saved(tmp_path / "v.npy", array), model="mini", modality="image")
    assert empty.search("a dark forest", k=1)[0].path == "/forest"


def test_a_space_may_be_given_whole(new, tmp_path, vectors):
    space = Space.of_vectors("theirs", 16)
    assert import_vectors(new, saved(tmp_path / "v.npy", vectors(5)), space=space).space == space.key


def test_columns_of_the_formats_names_are_kept_under_others_and_that_is_said(new, tmp_path, vectors):
    (tmp_path / "v.jsonl").write_text('{"path": "/a", "id": 7, "size": 3, "a.b": 1, "width": "wide", "height": 5}\n')
    done = import_vectors(new, saved(tmp_path / "v.npy", vectors(1)))
    assert done.renamed == {"id": "source_id", "size": "source_size", "a.b": "a_b", "width": "source_width"}
    (record,) = new
    assert dict(record.facts) == {"source_id": 7, "source_size": 3, "a_b": 1, "source_width": "wide"}
    assert (record.width, record.height) == (None, 5)


def test_columns_that_cannot_be_stored_are_left_out_and_that_is_said(new, tmp_path, vectors):
    import pyarrow as pa
    import pyarrow.parquet as pq

    maps = pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int8()))
    pq.write_table(pa.table({"path": ["/a"], "more": maps}), tmp_path / "v.parquet")
    done = import_vectors(new, saved(tmp_path / "v.npy", vectors(1)))
    assert list(done.left_out) == ["more"]
    assert "cannot be stored" in done.left_out["more"]


def test_a_column_whose_values_do_not_fit_those_of_the_collection_is_one_line(new, tmp_path, vectors):
    new.add(vectors(1), paths=["/x"], modality="image", space="s", facts={"colour": [3]})
    (tmp_path / "v.csv").write_text("path,colour\n/a,red\n")
    with pytest.raises(UsageError, match="column 'colour' is int64 in this collection, but the new values are string"):
        import_vectors(new, saved(tmp_path / "v.npy", vectors(1)), space="s")


def test_progress_is_told_in_vectors(new, tmp_path, vectors, small_blocks):
    told = []
    import_vectors(new, saved(tmp_path / "v.npy", vectors(20)), watch=lambda done, of: told.append((done, of)))
    assert told == [(8, 20), (16, 20), (20, 20)]


@pytest.mark.parametrize(
    ("sources", "options", "said"),
    [
        ([], {}, "name at least one source"),
        (["gone.npy"], {}, "gone.npy: there is no such file or folder"),
        (["letter.txt"], {}, "what is it\\? say one of clip-retrieval, npy"),
        (["."], {}, "holds nothing that can be imported"),
        (["s3://bucket/x"], {}, "say what it is"),
        (["letter.txt"], {"format": "elastic"}, "no format 'elastic'"),
        (["letter.txt"], {"modality": "smell"}, "no modality 'smell'"),
        (["a", "b"], {"payload": "c"}, "a payload belongs to one source"),
    ],
)
def test_what_cannot_be_is_one_line(new, tmp_path, monkeypatch, sources, options, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "letter.txt").write_text("Dear")
    with pytest.raises(UsageError, match=said):
        import_vectors(new, sources, **options)


@pytest.mark.parametrize(("source", "extra"), [("x.hdf5", "hdf5"), ("x.lance", "lance"), ("http://x", "qdrant")])
def test_a_missing_package_is_one_line_that_names_the_extra(new, tmp_path, monkeypatch, source, extra):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("mmsearch.exchange.packages.find_spec", lambda name: None)
    (tmp_path / "x.hdf5").touch()
    (tmp_path / "x.lance").mkdir()
    with pytest.raises(MMSearchError, match=rf'pip install "mmsearch\[{extra}\]"'):
        import_vectors(new, source)
