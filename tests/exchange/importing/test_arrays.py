"""Arrays in files are read block by block, and each kind of damage is one line that names the file."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mmsearch import Collection, UsageError
from mmsearch.exchange import import_vectors


@pytest.fixture
def new(tmp_path):
    """A collection with nothing in it, and no model."""
    with Collection.create(tmp_path / "new.mms", model=None) as made:
        yield made


def units(array: np.ndarray) -> np.ndarray:
    array = array.astype(np.float32)
    return array / np.linalg.norm(array, axis=1, keepdims=True)


def assert_holds(collection: Collection, array: np.ndarray, name: str) -> None:
    """The collection holds these vectors, named by their places."""
    records = {record.path: record.id for record in collection}
    ids = [records[f"{name}#{row}"] for row in range(len(array))]
    assert len(records) == len(array)
    assert np.allclose(collection.vectors(ids).vectors, units(array), atol=1e-3)


def test_npy_is_named_by_place_where_nothing_names_it(new, tmp_path, vectors, small_blocks):
    np.save(tmp_path / "v.npy", vectors(20))
    import_vectors(new, tmp_path / "v.npy")
    assert_holds(new, vectors(20), "v.npy")


def test_npy_in_columns_is_read_as_rows(new, tmp_path, vectors):
    np.save(tmp_path / "v.npy", np.asfortranarray(vectors(20)))
    import_vectors(new, tmp_path / "v.npy")
    assert_holds(new, vectors(20), "v.npy")


@pytest.mark.parametrize("ending", ["parquet", "csv", "jsonl"])
def test_a_payload_beside_it_names_its_rows_and_becomes_their_facts(new, tmp_path, vectors, ending, small_blocks):
    np.save(tmp_path / "v.npy", vectors(20))
    lines = [{"file": f"/p/{i}.jpg", "price": i / 2, "kind": "a"} for i in range(20)]
    if ending == "parquet":
        pq.write_table(pa.Table.from_pylist(lines), tmp_path / "v.parquet")
    elif ending == "csv":
        text = "".join(f"{line['file']},{line['price']},a\n" for line in lines)
        (tmp_path / "v.csv").write_text("file,price,kind\n" + text)
    else:
        (tmp_path / "v.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    import_vectors(new, tmp_path / "v.npy")
    found = {record.path: dict(record.facts) for record in new}
    assert found == {f"/p/{i}.jpg": {"price": i / 2, "kind": "a"} for i in range(20)}


def test_the_column_of_names_can_be_said(new, tmp_path, vectors):
    np.save(tmp_path / "v.npy", vectors(2))
    (tmp_path / "other.csv").write_text("path,sku\n/x,one\n/x,two\n")
    import_vectors(new, tmp_path / "v.npy", payload=tmp_path / "other.csv", path_column="sku")
    assert sorted(record.path for record in new) == ["one", "two"]
    assert {record.facts["source_path"] for record in new} == {"/x"}


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_npz_is_read_without_unpacking_it(new, tmp_path, vectors, save, small_blocks):
    save(tmp_path / "v.npz", vectors=vectors(20), labels=np.arange(20))
    import_vectors(new, tmp_path / "v.npz")
    assert_holds(new, vectors(20), "v.npz")


def test_an_array_of_npz_can_be_said(new, tmp_path, vectors):
    np.savez(tmp_path / "v.npz", a=vectors(3), b=vectors(4, seed=1))
    with pytest.raises(UsageError, match="which array holds the vectors\\? it has several: a, b"):
        import_vectors(new, tmp_path / "v.npz")
    with pytest.raises(UsageError, match="has no array 'c'; its arrays: a, b"):
        import_vectors(new, tmp_path / "v.npz", table="c")
    assert import_vectors(new, tmp_path / "v.npz", table="b").added == 4


def test_hdf5_of_ann_benchmarks_gives_its_training_set(new, tmp_path, vectors, small_blocks):
    h5py = pytest.importorskip("h5py", reason="needs h5py (extra `hdf5`)")
    with h5py.File(tmp_path / "glove.hdf5", "w") as file:
        file["train"], file["test"] = vectors(20), vectors(5, seed=1)
        file["neighbors"] = np.zeros((5, 10), np.int32)
        file["distances"] = np.zeros((5, 10), np.float32)
    import_vectors(new, tmp_path / "glove.hdf5")
    assert_holds(new, vectors(20), "glove.hdf5")
    assert import_vectors(new, tmp_path / "glove.hdf5", table="test", space="queries").added == 5


@pytest.mark.parametrize(("ending", "dtype"), [("fvecs", "<f4"), ("bvecs", "u1")])
def test_fvecs_and_bvecs_are_vectors_after_their_dimension(new, tmp_path, vectors, ending, dtype, small_blocks):
    array = np.abs(vectors(20) * 50 + 1).astype(dtype)
    head = np.full((20, 1), 16, "<i4")
    (tmp_path / f"v.{ending}").write_bytes(
        b"".join(h.tobytes() + r.tobytes() for h, r in zip(head, array, strict=True))
    )
    import_vectors(new, tmp_path / f"v.{ending}")
    assert_holds(new, array, f"v.{ending}")


def test_memory_does_not_grow_with_the_file(tmp_path):
    """131 MB in an archive are read with a few blocks of memory."""
    program = """
import resource, sys
import numpy as np
from mmsearch.exchange.importing.open import open_source
from mmsearch.exchange.importing.source import Choice
for name in sys.argv[1:]:
    source = open_source(name, "auto", Choice())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    total = sum(float(np.asarray(block.vectors[:1], np.float32).sum()) for block in source.blocks(1024))
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    big = np.lib.format.open_memmap(tmp_path / "v.npy", "w+", np.float32, (32_000, 1024))
    big[:] = 1
    big.flush()
    np.savez(tmp_path / "v.npz", vectors=big)
    done = subprocess.run(
        [sys.executable, "-c", program, tmp_path / "v.npz"], capture_output=True, text=True, check=True, timeout=100
    )
    assert int(done.stdout) / (1024 if sys.platform == "darwin" else 1) < 60_000, "kilobytes"


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("v.npy", b"no array", "v.npy cannot be read as an array of NumPy"),
        ("v.npy", b"", "v.npy cannot be read as an array of NumPy"),
        ("v.npz", b"no archive", "v.npz cannot be read as an archive of NumPy"),
        ("v.fvecs", b"\x03" + bytes(18), "v.fvecs cannot be read as fvecs: 19 bytes are no whole number"),
        ("v.fvecs", b"", "v.fvecs cannot be read as fvecs"),
        ("v.hdf5", b"no file", "v.hdf5 cannot be read as HDF5"),
    ],
)
def test_a_damaged_file_is_one_line(new, tmp_path, name, data, said):
    if name.endswith("hdf5"):
        pytest.importorskip("h5py", reason="needs h5py (extra `hdf5`)")
    (tmp_path / name).write_bytes(data)
    with pytest.raises(UsageError, match=said) as error:
        import_vectors(new, tmp_path / name)
    assert "\n" not in str(error.value)


def test_an_array_that_is_cut_short_is_one_line(new, tmp_path, vectors):
    np.save(tmp_path / "v.npy", vectors(20))
    data = (tmp_path / "v.npy").read_bytes()
    (tmp_path / "v.npy").write_bytes(data[:-100])
    with pytest.raises(UsageError, match="cannot be read as an array of NumPy"):
        import_vectors(new, tmp_path / "v.npy")


def test_objects_are_never_loaded_out_of_an_array(new, tmp_path):
    np.save(tmp_path / "v.npy", np.array([{"a": 1}], object), allow_pickle=True)
    with pytest.raises(UsageError, match="cannot be read as an array of NumPy"):
        import_vectors(new, tmp_path / "v.npy")


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.zeros(5), r"holds no vectors: its array has the shape \[5\]"),
        (np.zeros((2, 3, 4)), r"has the shape \[2, 3, 4\]"),
        (np.full((2, 3), "a"), "its values are of type <U1"),
        (np.zeros((2, 3), complex), "its values are of type complex128"),
    ],
)
def test_an_array_of_something_else_is_one_line(new, tmp_path, array, said):
    np.save(tmp_path / "v.npy", array)
    with pytest.raises(UsageError, match=said):
        import_vectors(new, tmp_path / "v.npy")


@pytest.mark.parametrize(
    ("name", "lines", "said"),
    [
        ("v.csv", 19, "has 19 lines, fewer than there are vectors"),
        ("v.csv", 21, "has more than 20 lines, which is how many vectors there are"),
        ("v.parquet", 19, "holds 20 vectors, but .*v.parquet has 19 lines"),
    ],
)
def test_a_payload_of_another_length_is_one_line(new, tmp_path, vectors, name, lines, said):
    np.save(tmp_path / "v.npy", vectors(20))
    names = [f"/p/{i}" for i in range(lines)]
    if name.endswith("csv"):
        (tmp_path / name).write_text("path\n" + "".join(f"{name}\n" for name in names))
    else:
        pq.write_table(pa.table({"path": names}), tmp_path / name)
    with pytest.raises(UsageError, match=said):
        import_vectors(new, tmp_path / "v.npy")


def test_a_payload_that_cannot_be_read_or_lacks_the_column_is_one_line(new, tmp_path, vectors):
    np.save(tmp_path / "v.npy", vectors(2))
    (tmp_path / "v.parquet").write_bytes(b"nothing")
    with pytest.raises(UsageError, match="cannot be read as Parquet"):
        import_vectors(new, tmp_path / "v.npy")
    (tmp_path / "v.parquet").unlink()
    (tmp_path / "v.jsonl").write_text('{"path": "/a"}\n{"path": \n')
    with pytest.raises(UsageError, match="v.jsonl cannot be read"):
        import_vectors(new, tmp_path / "v.npy")
    (tmp_path / "v.csv").write_text("path\n/a\n/b\n")
    with pytest.raises(UsageError, match="has no column 'sku'; its columns: path"):
        import_vectors(new, tmp_path / "v.npy", payload=tmp_path / "v.csv", path_column="sku")
    (tmp_path / "v.xml").touch()
    with pytest.raises(UsageError, match="a payload is a file that ends in"):
        import_vectors(new, tmp_path / "v.npy", payload=tmp_path / "v.xml")
