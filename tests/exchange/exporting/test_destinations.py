"""What holds for every destination: all rows arrive, once, and a run that was interrupted goes on."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mmsearch import Collection, MMSearchError, UsageError
from mmsearch.exchange import export_vectors
from mmsearch.exchange.exporting.destination import Plan
from mmsearch.exchange.exporting.open import open_destination
from mmsearch.exchange.exporting.payload import payload_columns
from mmsearch.retrieval.store.schema import is_own_column


def held(collection: Collection, kind, place: str) -> dict[int, tuple[str, np.ndarray]]:
    """What a destination holds, by id."""
    space = collection.space
    ids = np.sort(np.concatenate([b.column("id").to_numpy() for b in collection.items(columns=[])]))
    first = next(iter(collection.items()))
    payload = pa.schema([first.schema.field(name) for name in payload_columns(first.schema.names)])
    order = np.concatenate([b.column("id").to_numpy() for b in collection.items(columns=[])])
    opened = open_destination(kind.to, place, Plan(space, "float32", order, payload), "shop")
    try:
        assert np.array_equal(np.sort(opened.ids()), ids)
        return {row: (stored.path, stored.vector) for row, stored in opened.read(ids).items()}
    finally:
        opened.close()


def test_all_rows_arrive_with_their_paths_and_the_same_vectors(shop, kind, tmp_path):
    place = kind.at(tmp_path)
    done = export_vectors(shop, kind.to, place)
    assert (done.rows, done.written, done.there, done.verified, done.compared) == (60, 60, 0, 60, 60)
    there = held(shop, kind, place)
    ours = shop.vectors(list(there))
    for row_id, path, vector in zip(ours.ids.tolist(), ours.paths, ours.vectors, strict=True):
        assert there[row_id][0] == path
        assert np.array_equal(there[row_id][1], vector), "float32 holds what float16 holds"


def test_a_second_run_writes_nothing(shop, kind, tmp_path):
    place = kind.at(tmp_path)
    export_vectors(shop, kind.to, place)
    again = export_vectors(shop, kind.to, place)
    assert (again.written, again.there, again.verified) == (0, 60, 60)


def test_an_interrupted_run_goes_on_and_ends_with_the_same_rows(shop, kind, tmp_path, small_blocks, stopping):
    place = kind.at(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        export_vectors(shop, kind.to, place, watch=stopping(24))
    done = export_vectors(shop, kind.to, place)
    assert done.written + done.there == done.rows == done.verified == 60
    if kind.name != "parquet":  # whose files are there whole or not at all
        assert done.there == 24
    assert len(held(shop, kind, place)) == 60


def test_a_destination_of_another_collection_is_refused_and_left_as_it_is(shop, kind, tmp_path, vectors):
    place = kind.at(tmp_path)
    export_vectors(shop, kind.to, place, table="shop")
    with Collection.create(tmp_path / "other.mms", model=None) as other:
        other.add(vectors(60, seed=9), paths=[f"/o/{i}" for i in range(60)], modality="image", space="ours")
        with pytest.raises(UsageError, match=r"other rows|other columns|another file|not there|not these"):
            export_vectors(other, kind.to, place, table="shop")
    assert len(held(shop, kind, place)) == 60


def test_other_rows_under_ids_of_ours_are_seen_before_anything_is_written(shop, kind, tmp_path, vectors):
    if kind.to in ("npy", "faiss"):
        pytest.skip("its ids must all be the same")
    place = kind.at(tmp_path)
    some = export_vectors(shop, kind.to, place, table="shop", where="width < 124", modality="image").verified
    payload = [name for name in next(iter(shop.items())).schema.names if is_own_column(name)]
    with Collection.create(tmp_path / "other.mms", model=None) as other:
        facts = {name: [next(iter(shop)).facts[name]] * 60 for name in payload}
        other.add(
            vectors(60, seed=9), paths=[f"/o/{i}" for i in range(60)], modality="image", space="ours", facts=facts
        )
        with pytest.raises(UsageError, match="holds other rows: number 1 there is /shop/00"):
            export_vectors(other, kind.to, place, table="shop")
    again = export_vectors(shop, kind.to, place, table="shop", where="width < 124", modality="image")
    assert (some, again.there) == (24, 24)


def test_a_destination_of_other_dimensions_is_refused(shop, kind, tmp_path, vectors):
    place = kind.at(tmp_path)
    export_vectors(shop, kind.to, place, table="shop")
    with Collection.create(tmp_path / "wide.mms", model=None) as wide:
        wide.add(vectors(60, 24), paths=[f"/w/{i}" for i in range(60)], modality="image", space="wide")
        with pytest.raises(UsageError):
            export_vectors(wide, kind.to, place, table="shop")


def test_rows_that_were_removed_since_are_other_rows(shop, kind, tmp_path):
    place = kind.at(tmp_path)
    done = export_vectors(shop, kind.to, place)
    shop.remove(ids=[next(iter(shop)).id])
    assert done.verified == 60
    with pytest.raises(UsageError, match=r"1 row |not these"):
        export_vectors(shop, kind.to, place)


def test_rows_that_are_new_are_added_where_the_destination_can_grow(shop, kind, tmp_path, vectors):
    place = kind.at(tmp_path)
    export_vectors(shop, kind.to, place)
    shop.add(vectors(1, seed=7), paths=["/new.jpg"], modality="image", space="ours")
    if kind.name in ("npy", "faiss"):
        with pytest.raises(UsageError, match="not these 61"):
            export_vectors(shop, kind.to, place)
    else:
        assert export_vectors(shop, kind.to, place).written == 1
        assert len(held(shop, kind, place)) == 61


def test_half_floats_are_the_stored_ones(shop, kind, tmp_path):
    place = kind.at(tmp_path)
    if kind.to == "milvus":
        with pytest.raises(UsageError, match="Milvus Lite stores float32 vectors alone"):
            export_vectors(shop, kind.to, place, dtype="float16")
        return
    done = export_vectors(shop, kind.to, place, dtype="float16")
    assert (done.dtype, done.verified, done.compared) == ("float16", 60, 60)


def test_only_some_rows_are_exported(shop, kind, tmp_path):
    place = kind.at(tmp_path)
    done = export_vectors(shop, kind.to, place, modality="image", where="colour = 'red' and width > 120")
    assert done.verified == 10


def test_nothing_to_export_is_one_line(shop, tmp_path):
    with pytest.raises(UsageError, match="there is nothing to export"):
        export_vectors(shop, "npy", tmp_path / "out", where="width > 9999")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"to": "elastic"}, "no destination 'elastic'; there are: lance, qdrant"),
        ({"dtype": "int8"}, "no type 'int8' of vectors; there are: float16, float32"),
        ({"space": "theirs"}, "no space theirs; there are: ours"),
        ({"to": "milvus"}, "ends in .db"),
        ({"to": "pgvector"}, "name a file that ends in .sql"),
    ],
)
def test_what_cannot_be_is_one_line(shop, tmp_path, options, said):
    if options.get("to") == "milvus":
        pytest.importorskip("pymilvus", reason="needs pymilvus (extra `milvus`)")
    with pytest.raises(UsageError, match=said):
        export_vectors(shop, **{"to": "npy", "destination": tmp_path / "out", **options})


@pytest.mark.parametrize(("to", "package"), [("qdrant", "qdrant_client"), ("milvus", "pymilvus")])
def test_an_address_that_refuses_is_one_line(shop, to, package):
    pytest.importorskip(package, reason=f"needs {package} (extra `{to}`)")
    with pytest.raises(MMSearchError, match=rf"{to.title()} at http://127.0.0.1:1: ") as error:
        export_vectors(shop, to, "http://127.0.0.1:1")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("to", "place", "extra"), [("lance", "out", "lance"), ("qdrant", "out", "qdrant"), ("milvus", "out.db", "milvus")]
)
def test_a_missing_package_is_one_line_that_names_the_extra(shop, tmp_path, monkeypatch, to, place, extra):
    monkeypatch.setattr("mmsearch.exchange.packages.find_spec", lambda name: None)
    with pytest.raises(MMSearchError, match=rf'pip install "mmsearch\[{extra}\]"'):
        export_vectors(shop, to, tmp_path / place)


def test_a_table_of_lance_can_be_named_by_its_folder(shop, tmp_path):
    lancedb = pytest.importorskip("lancedb", reason="needs lancedb (extra `lance`)")
    export_vectors(shop, "lance", tmp_path / "db" / "shoes.lance")
    assert lancedb.connect(str(tmp_path / "db")).open_table("shoes").count_rows() == 60


@pytest.mark.parametrize("to", ["npy", "parquet", "faiss"])
def test_a_folder_of_other_files_is_not_written_to(shop, tmp_path, to):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "letter.txt").write_text("Dear")
    with pytest.raises(UsageError, match=r"holds other files, such as letter.txt"):
        export_vectors(shop, to, tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["letter.txt"]


@pytest.mark.parametrize("to", ["npy", "parquet", "faiss", "pgvector"])
def test_a_disk_that_is_full_is_one_line_and_the_run_goes_on_afterwards(shop, tmp_path, to, small_blocks, full_after):
    place = tmp_path / ("out.sql" if to == "pgvector" else "out")
    with full_after(5), pytest.raises(MMSearchError, match="is full"):
        export_vectors(shop, to, place)
    assert export_vectors(shop, to, place).verified == 60


def test_a_disk_without_room_is_seen_before_anything_is_written(shop, tmp_path, monkeypatch):
    from mmsearch.exchange.exporting import files

    monkeypatch.setattr(files.shutil, "disk_usage", lambda folder: type("Usage", (), {"free": 1000}))
    with pytest.raises(MMSearchError, match=r"too full: 4.0 kB are needed, 1.0 kB are free"):
        export_vectors(shop, "parquet", tmp_path / "out")


def test_parquet_files_are_plain_and_name_the_space(shop, tmp_path, monkeypatch, small_blocks):
    from mmsearch.exchange.exporting import parquet

    monkeypatch.setattr(parquet, "_ROWS_PER_FILE", 16)
    export_vectors(shop, "parquet", tmp_path / "out", dtype="float16")
    files = sorted((tmp_path / "out").iterdir())
    assert [path.name for path in files] == [f"rows-{i:05d}.parquet" for i in range(4)]
    table = pq.read_table(tmp_path / "out")
    assert table.schema.field("vector").type == pa.list_(pa.float16(), 16)
    assert table["path"].to_pylist() == [record.path for record in shop]
    assert b"mmsearch.space" in pq.read_schema(files[0]).metadata


def test_arrays_and_payload_are_in_the_same_order(shop, tmp_path):
    export_vectors(shop, "npy", tmp_path / "out", dtype="float16")
    vectors, ids = np.load(tmp_path / "out" / "vectors.npy"), np.load(tmp_path / "out" / "ids.npy")
    payload = pq.read_table(tmp_path / "out" / "payload.parquet")
    assert (vectors.dtype, vectors.shape) == (np.float16, (60, 16))
    assert payload["path"].to_pylist() == shop.vectors(ids).paths
    assert np.array_equal(vectors.astype(np.float32), shop.vectors(ids).vectors)
    assert payload["sizes"].to_pylist()[3] == [1, 3]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["ids.npy", "payload.parquet", "vectors.npy"]


def test_what_lies_after_the_last_whole_row_of_an_array_is_taken_away(shop, tmp_path, small_blocks, stopping):
    with pytest.raises(KeyboardInterrupt):
        export_vectors(shop, "npy", tmp_path / "out", watch=stopping(24))
    with open(tmp_path / "out" / "vectors.npy.part", "ab") as file:
        file.write(b"x" * 10_000)
    export_vectors(shop, "npy", tmp_path / "out")
    assert (tmp_path / "out" / "vectors.npy").stat().st_size == 128 + 60 * 16 * 4
