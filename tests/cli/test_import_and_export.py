"""``mmsearch import`` and ``mmsearch export``: what they print."""

from __future__ import annotations

import numpy as np
import pytest

from mmsearch import Collection


@pytest.fixture
def array(tmp_path):
    """A file of ten vectors, one of which is zero and two of which have the same name."""
    made = np.random.default_rng(0).standard_normal((10, 8)).astype(np.float32)
    made[3] = 0
    np.save(tmp_path / "shoes.npy", made)
    lines = "".join(f"/shoes/{i % 9}.jpg,{100 + i},1\n" for i in range(10))
    (tmp_path / "shoes.csv").write_text("file,width,size\n" + lines)
    return tmp_path / "shoes.npy"


def test_an_import_makes_a_collection_and_says_what_became_of_each_vector(run, tmp_path, array):
    done = run("import", array, "-c", tmp_path / "c.mms")
    assert done.code == 0
    assert done.lines == [
        f"10 vectors of space {Collection.open(tmp_path / 'c.mms').space.key}: 8 added, 2 skipped; rows: 8 image"
    ]
    said = done.err.splitlines()
    assert said[0].startswith("new collection ")
    assert said[1:] == [
        "9 vectors had another length than 1; all are kept at length 1",
        "skipped 1: the vector has no direction: it is zero, or holds NaN or infinity",
        "skipped 1: another vector of this import has the same name",
        "  /shoes/3.jpg",
        "  /shoes/0.jpg",
        "column 'size' is kept as 'source_size': the format has one of that name, or may have",
    ]


def test_a_second_import_and_its_json(run, tmp_path, array):
    run("import", array, "-c", tmp_path / "c.mms", "-q")
    assert "0 added, 8 unchanged, 2 skipped" in run("import", array, "-c", tmp_path / "c.mms").out
    done = run("import", array, "-c", tmp_path / "c.mms", "--json").json
    assert done["found"] == done["added"] + done["replaced"] + done["unchanged"] + done["skipped"] == 10
    assert sum(done["reasons"].values()) == len(done["notes"]) == 2
    assert (done["model"], done["dim"], done["rows"]) == ("shoes", 8, {})


def test_imported_vectors_of_a_model_answer_words(run, tmp_path):
    with Collection.create(tmp_path / "other.mms", model="mini") as made:
        np.save(tmp_path / "v.npy", made.encode(["a red disc", "a dark forest"]))
    (tmp_path / "v.csv").write_text("path\n/disc\n/forest\n")
    done = run("import", tmp_path / "v.npy", "--model", "mini", "-c", tmp_path / "c.mms")
    assert ", model mini" in done.err
    assert (
        run("query", "a dark forest", "-k", "1", "-c", tmp_path / "c.mms", "--json").json["hits"][0]["path"]
        == "/forest"
    )


def test_an_import_that_cannot_be_leaves_no_collection(run, tmp_path, array):
    done = run("import", tmp_path / "gone.npy", "-c", tmp_path / "c.mms")
    assert (done.code, done.out) == (2, "")
    assert done.err.endswith("gone.npy: there is no such file or folder\n")
    assert not (tmp_path / "c.mms").exists()
    done = run("import", array, "--model", "mini", "-c", tmp_path / "c.mms")
    assert done.code == 2
    assert "vectors of 8 dimensions do not belong to space mini-256" in done.err
    assert not (tmp_path / "c.mms").exists()


def test_an_export_says_what_it_wrote_and_that_it_was_counted(run, tmp_path, array):
    run("import", array, "-c", tmp_path / "c.mms", "-q")
    done = run("export", "--to", "parquet", tmp_path / "out", "-c", tmp_path / "c.mms")
    assert done.code == 0
    assert done.out == (
        f"8 rows of shoes written to {tmp_path / 'out'}: it holds 8, as many as were to be there; 8 were read back and "
        "are the same\n"
    )
    again = run("export", "--to", "parquet", tmp_path / "out", "-c", tmp_path / "c.mms")
    assert again.out.startswith(f"0 rows of shoes written to {tmp_path / 'out'}, 8 were there: it holds 8")
    counts = run("export", "--to", "parquet", tmp_path / "out", "-c", tmp_path / "c.mms", "--json").json
    assert (counts["rows"], counts["written"], counts["there"], counts["verified"]) == (8, 0, 8, 8)
    assert run("export", "--to", "parquet", tmp_path / "out", "-q", "-c", tmp_path / "c.mms").out == ""


def test_an_export_of_some_rows_in_half_floats(run, tmp_path, array):
    run("import", array, "-c", tmp_path / "c.mms", "-q")
    options = ("--dtype", "float16", "--modality", "image", "--where", "width > 105")
    done = run("export", "--to", "npy", tmp_path / "out", *options, "-c", tmp_path / "c.mms", "--json").json
    assert (done["rows"], done["dtype"]) == (3, "float16")
    assert np.load(tmp_path / "out" / "vectors.npy").dtype == np.float16


def test_what_cannot_be_exported_is_one_line(run, tmp_path, array):
    run("import", array, "-c", tmp_path / "c.mms", "-q")
    for options, said in (
        (("--where", "width > 1000"), "there is nothing to export"),
        (("--modality", "smell"), "no modality 'smell'"),
        (("--space", "hats"), "no space hats; there are: shoes"),
    ):
        done = run("export", "--to", "npy", tmp_path / "out", *options, "-c", tmp_path / "c.mms")
        assert (done.code, done.out) == (2, "")
        assert said in done.err
    assert run("export", "--to", "npy", tmp_path / "out", "-c", tmp_path / "gone.mms").code == 1
