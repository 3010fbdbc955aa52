"""A user's own columns, rows by name, key and id: what users of LanceDB and Chroma do first, as they would write it."""

from __future__ import annotations

import copy
import datetime as dt
import decimal
import json
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mmsearch import Collection
from mmsearch.errors import UsageError
from mmsearch.retrieval.store.manifest import load_manifest
from mmsearch.retrieval.store.writer import Writer

COLOURS = ["red", "blue", None, "red"]
PRICES = [1, 2, 3, None]


def vectors(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, 8)).astype(np.float32)


@pytest.fixture
def shop(tmp_path: Path) -> Collection:
    """Four rows with colours and prices, some of which are missing."""
    made = Collection.create(tmp_path / "shop.mms", model=None)
    add(made, [f"p{i}" for i in range(4)], {"colour": COLOURS, "price": PRICES})
    return made


def add(collection: Collection, paths: list[str], facts: object = None, seed: int = 0) -> list[int]:
    """Add pictures under names."""
    given = vectors(len(paths), seed)
    return collection.add(given, paths=paths, modality="image", space="s", facts=facts).tolist()


def found(collection: Collection, where: str | None = None) -> list[str]:
    return sorted(hit.path for hit in collection.search(vectors(1)[0], k=100, where=where))


def facts(collection: Collection) -> dict[str, dict[str, object]]:
    return {hit.path: dict(hit.facts) for hit in collection.search(vectors(1)[0], k=100)}


def shards(collection: Collection) -> list[pa.Table]:
    return [pq.read_table(collection.root / entry.path) for entry in collection.manifest.shards]


# --- columns of a user's own ---------------------------------------------------------------------------------------


def test_facts_come_back_with_the_hits_and_choose_them(shop):
    hit = shop.search(vectors(1)[0], k=1)[0]
    assert hit.facts == {"colour": "red", "price": 1}
    assert facts(shop)["p2"] == {"price": 3}, "what has no value is left out"
    assert found(shop, "colour == 'red'") == ["p0", "p3"]
    assert found(shop, "price > 1 and colour is not None") == ["p1"]
    assert found(shop, "colour = 'blue' or price = 3") == ["p1", "p2"]


def test_facts_of_a_hit_cannot_be_changed_and_travel_with_it(shop):
    hit = shop.search(vectors(1)[0], k=1)[0]
    with pytest.raises(TypeError):
        hit.facts["price"] = 2
    for twin in (pickle.loads(pickle.dumps(hit)), copy.deepcopy(hit)):
        assert twin == hit
        assert twin.facts["colour"] == "red"
    assert len({hit, copy.copy(hit)}) == 1


def test_json_has_facts_only_where_there_are_any(shop):
    shop.add(vectors(1, 5), paths=["plain"], modality="image", space="s")
    told = {hit.path: hit.to_json() for hit in shop.search(vectors(1)[0], k=10)}
    assert told["p0"]["facts"] == {"colour": "red", "price": 1}
    assert "facts" not in told["plain"]
    json.dumps(told)


def test_tables_of_hits_and_of_items_have_the_columns(shop):
    add(shop, ["q0"], {"score": ["mine"], "price": [2.5]}, seed=1)
    hits = shop.search(vectors(1)[0], k=10)
    table = hits.to_arrow()
    assert dict(zip(table["path"].to_pylist(), table["price"].to_pylist(), strict=True))["q0"] == 2.5
    assert table["facts.score"].to_pylist().count("mine") == 1
    assert table["score"].to_pylist() == [hit.score for hit in hits]
    shop.update_facts([1], {"price": [100]})
    items = pa.Table.from_batches(shop.items(where="price > 2"))
    told = dict(zip(items["path"].to_pylist(), items["price"].to_pylist(), strict=True))
    assert told == {"p0": 100, "p2": 3, "q0": 2.5}
    assert shop.get(1).facts == {"colour": "red", "price": 100}
    assert {record.path: record.facts.get("price") for record in shop} == {**told, "p1": 2, "p3": None}


@pytest.mark.parametrize(
    ("values", "kind", "where", "shown"),
    [
        ([True, False], pa.bool_(), "x", True),
        ([7, 8], pa.int64(), "x < 8", 7),
        ([1.5, float("nan")], pa.float64(), "x == 1.5", 1.5),
        ([decimal.Decimal("1.50"), None], pa.decimal128(3, 2), "x > 1", "1.50"),
        (["a'b", "c"], pa.string(), 'x == "a\'b"', "a'b"),
        ([b"\xff", None], pa.binary(), "x is not None", "/w=="),
        ([dt.date(2023, 5, 17), dt.date(2024, 1, 1)], pa.date32(), "x < '2024'", "2023-05-17"),
        ([dt.datetime(2023, 5, 17, 8), None], pa.timestamp("us"), "x >= '2023-05-17'", "2023-05-17T08:00:00"),
        ([dt.time(8, 30), dt.time(9)], pa.time64("us"), "x < '09:00'", "08:30:00"),
        ([dt.timedelta(seconds=90), None], pa.duration("us"), "x is not None", 90.0),
        ([["red", "blue"], []], pa.list_(pa.string()), "'red' in x", ["red", "blue"]),
        ([{"a": 1}, None], pa.struct([("a", pa.int64())]), "x is not None", {"a": 1}),
        (pa.array(["a", "b"]).dictionary_encode(), pa.string(), "x in ('a', 'z')", "a"),
        (pa.array(["a", "b"], pa.large_string()), pa.string(), "'a' in x", "a"),
        (pa.array([1, 2], pa.uint8()), pa.uint8(), "1 == x", 1),
        (pa.chunked_array([[1.5], [2.5]], pa.float32()), pa.float32(), "x < 2", 1.5),
        (np.array([3, 4], np.int16), pa.int16(), "x in (3,)", 3),
        (np.eye(2), pa.list_(pa.float64()), "1.0 in x", [1.0, 0.0]),
        (
            pa.array([1_000_001, None], pa.timestamp("ns")),
            pa.timestamp("us"),
            "x > '1970'",
            "1970-01-01T00:00:00.001000",
        ),
        (
            pa.array([dt.datetime(2023, 1, 1, 12), None], pa.timestamp("us", "Europe/Berlin")),
            pa.timestamp("us", "Europe/Berlin"),
            "x > '2023-01-01T12:30' and x < '2023-01-01T12:30:00+00:00'",
            "2023-01-01T13:00:00+01:00",
        ),
    ],
    ids=lambda value: str(value) if isinstance(value, pa.DataType) else None,
)
def test_any_type_is_kept_compared_and_shown(tmp_path, values, kind, where, shown):
    made = Collection.create(tmp_path / "c.mms", model=None)
    add(made, ["first", "second"], {"x": values})
    (table,) = shards(made)
    assert table.schema.field("x").type == kind
    hits = made.search(vectors(1)[0], k=2)
    assert hits[0].to_json()["facts"]["x"] == shown
    if where.endswith("is not None") or where in ("x", "'red' in x", "'a' in x"):
        assert found(made, where) == ["first"]
    else:
        assert "first" in found(made, where)
    made.compact()
    assert made.search(vectors(1)[0], k=2)[0].facts == hits[0].facts
    assert Collection.doctor(made.root) == []


def test_a_whole_table_or_data_frame_is_taken(tmp_path):
    made = Collection.create(tmp_path / "c.mms", model=None)
    add(made, ["a", "b"], pa.table({"colour": ["red", "blue"], "width": [640, 800]}))
    pandas = pytest.importorskip("pandas")
    add(made, ["c", "d"], pandas.DataFrame({"colour": ["red", None], "price": [1.5, 2.5]}), seed=1)
    assert found(made, "colour == 'red'") == ["a", "c"]
    assert found(made, "price > 2 or width == 800") == ["b", "d"]


def test_a_name_that_is_no_python_name_is_written_in_backquotes(tmp_path):
    made = Collection.create(tmp_path / "c.mms", model=None)
    add(made, ["a", "b"], {"unit price": [1, 2], "class": ["x", "`y`"], "größe": [5, 6]})
    assert found(made, "`unit price` > 1") == ["b"]
    assert found(made, "`class` == '`y`' and größe = 6") == ["b"]
    with pytest.raises(UsageError, match="no column 'unit_price'; there are: id, path, .*unit price, class, größe"):
        found(made, "unit_price > 1")


def test_rows_of_shards_without_a_column_have_no_value_before_and_after_a_merge(shop):
    add(shop, [f"q{i}" for i in range(4)], seed=1)
    add(shop, ["r0"], {"weight": [2.5]}, seed=2)
    before = facts(shop)
    assert before["q0"] == {}
    assert before["r0"] == {"weight": 2.5}
    assert found(shop, "weight is None and price is None") == ["p3", "q0", "q1", "q2", "q3"]
    shop.compact()
    assert len(shop.manifest.shards) == 1
    assert facts(shop) == before
    assert set(shards(shop)[0].column_names) >= {"colour", "price", "weight"}


def test_small_shards_that_are_merged_on_the_way_keep_their_facts(tmp_path):
    made = Collection.create(tmp_path / "c.mms", model=None)
    for number in range(20):
        add(made, [f"p{number}"], {"number": [number], f"only {number % 3}": ["x"]}, seed=number)
    assert len(made.manifest.shards) < 20
    assert {path: told["number"] for path, told in facts(made).items()} == {f"p{n}": n for n in range(20)}
    assert len(found(made, "`only 1` == 'x'")) == 7


def test_integers_and_floats_are_one_column(shop):
    add(shop, ["q0"], {"price": [2.5]}, seed=1)
    assert found(shop, "price > 2") == ["p2", "q0"]
    add(shop, ["q1"], {"price": np.array([9], np.int8)}, seed=2)
    assert found(shop, "price > 2") == ["p2", "q0", "q1"]
    shop.compact()
    assert shards(shop)[0].schema.field("price").type == pa.float64()
    assert found(shop, "price > 2") == ["p2", "q0", "q1"]


def test_a_column_has_one_type_in_a_collection(shop):
    with pytest.raises(UsageError, match="column 'price' is int64 in this collection, but the new values are string"):
        add(shop, ["q0"], {"price": ["cheap"]}, seed=1)
    with pytest.raises(UsageError, match="column 'price' is int64 in this collection, but the new values are string"):
        shop.add(vectors(1), paths=["t"], modality="text", texts=["t"], space="other", facts={"price": ["cheap"]})
    with pytest.raises(UsageError, match="column 'price' is int64 in this collection, but the new values are string"):
        shop.update_facts([1], {"price": ["cheap"]})
    assert found(shop) == ["p0", "p1", "p2", "p3"]


def test_a_column_of_nothing_takes_any_type_later(shop):
    add(shop, ["q0"], {"later": [None]}, seed=1)
    assert found(shop, "later is None") == ["p0", "p1", "p2", "p3", "q0"]
    assert found(shop, "later == 'x' or later") == []
    add(shop, ["q1"], {"later": ["x"]}, seed=2)
    assert found(shop, "later == 'x'") == ["q1"]
    shop.compact()
    assert found(shop, "later == 'x'") == ["q1"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"path": [b"x"]}, "no column 'path' to fill: the name belongs to the format"),
        ({"id": [1]}, "no column 'id' to fill"),
        ({"vector": [1]}, "no column 'vector' to fill"),
        ({"a.b": [1]}, "no column 'a.b' to fill: the name may not hold a dot"),
        ({"a`b": [1]}, "the name may not hold a dot, a backquote"),
        ({"": [1]}, "the name must be a text of at least one character"),
        ({3: [1]}, "the name must be a text of at least one character"),
        ({"mms_colour": [1]}, "the name begins with mms_, which is kept for later columns"),
        ({"colour": [1, 2]}, "1 vectors, but 2 values of colour"),
        ({"colour": "r"}, r"values of colour are of no type that can be stored \(it must be a list\)"),
        ({"colour": None}, "values of colour are of no type that can be stored"),
        ({"colour": [object()]}, "values of colour are of no type that can be stored"),
        ({"colour": [[1, "a"]]}, "values of colour are of no type that can be stored"),
        ({"width": ["wide"]}, "values of width do not fit int32"),
        ({"colour": pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int8()))}, "map<string, int8>, which cannot be"),
        (["red"], "facts must be columns by name, or a table; not list"),
    ],
)
def test_facts_that_cannot_be_stored_are_one_clear_line_and_nothing_is_stored(tmp_path, given, said):
    made = Collection.create(tmp_path / "c.mms", model=None)
    with pytest.raises(UsageError, match=said) as error:
        add(made, ["a"], given)
    assert "\n" not in str(error.value)
    assert made.manifest.shards == ()


def test_files_that_are_indexed_have_no_value_until_they_are_given_one(collection, photos):
    collection.add(vectors_of(collection), paths=["note"], modality="text", texts=["a note"], facts={"stars": [5]})
    hits = {Path(hit.path).name: hit for hit in collection.search("x", k=20)}
    assert hits["note"].facts == {"stars": 5}
    assert hits["disc.png"].facts == {}
    collection.update_facts([hits["disc.png"].id, hits["grid.png"].id], {"stars": [4, 3], "place": ["Rome", None]})
    best = collection.search("x", k=20, where="stars >= 4")
    assert {Path(hit.path).name for hit in best} == {"note", "disc.png"}
    assert {hit.facts.get("place") for hit in best} == {None, "Rome"}


def vectors_of(collection: Collection) -> np.ndarray:
    return collection.encoder().encode_texts(["a note"])


# --- changing facts ------------------------------------------------------------------------------------------------


def test_facts_are_changed_and_ids_vectors_and_shards_stay(shop):
    before = {hit.path: (hit.id, hit.score) for hit in shop.search(vectors(1)[0], k=10)}
    held = [entry.path for entry in shop.manifest.shards]
    shop.update_facts([before["p0"][0], before["p2"][0]], {"price": [10, None], "colour": ["green", "gold"]})
    assert facts(shop) == {
        "p0": {"colour": "green", "price": 10},
        "p1": {"colour": "blue", "price": 2},
        "p2": {"colour": "gold"},
        "p3": {"colour": "red"},
    }
    assert found(shop, "price > 5") == ["p0"]
    assert found(shop, "colour in ('gold', 'red')") == ["p2", "p3"]
    assert {hit.path: (hit.id, hit.score) for hit in shop.search(vectors(1)[0], k=10)} == before
    assert [entry.path for entry in shop.manifest.shards] == held


def test_one_column_is_changed_and_the_others_stay(shop):
    shop.update_facts([2], {"price": [7]})
    shop.update_facts([2, 4], {"note": ["looked at", "new"]})
    shop.update_facts([2], {"price": [8]})
    hits = {hit.path: hit for hit in shop.search(vectors(1)[0], k=10)}
    assert (hits["p1"].facts, hits["p1"].note) == ({"colour": "blue", "price": 8}, "looked at")
    assert (hits["p3"].facts, hits["p3"].note) == ({"colour": "red"}, "new")


def test_facts_of_the_format_that_can_be_changed_are_filtered_by(shop):
    taken = dt.datetime(2001, 2, 3)
    shop.update_facts([1, 2], {"taken_at": [taken, None], "width": [4000, 10], "duration_s": [1.5, None]})
    hit = shop.search(vectors(1)[0], k=10, after="2001", before="2002")[0]
    assert (hit.path, hit.taken_at, hit.taken_from, hit.width, hit.duration_s) == ("p0", taken, None, 4000, 1.5)
    assert found(shop, "width < 100") == ["p1"]


def test_compact_puts_changes_into_the_shards_and_leaves_no_side_table(shop):
    shop.update_facts([1, 3], {"price": [10, 2.5]})
    before = facts(shop)
    assert shop.manifest.fact_updates
    shop.compact()
    assert shop.manifest.fact_updates == ()
    assert facts(shop) == before
    assert shards(shop)[0]["price"].to_pylist() == [10, 2, 2.5, None]
    assert Collection.doctor(shop.root) == []


def test_many_small_changes_make_few_files_and_the_last_counts(tmp_path):
    made = Collection.create(tmp_path / "c.mms", model=None)
    ids = add(made, [f"p{i}" for i in range(60)], {"number": range(60)})
    for step, row_id in enumerate([*ids, *ids[:10]]):
        made.update_facts([row_id], {"number": [1000 + step]})
    assert len(made.manifest.fact_updates) <= 6
    told = {path: values["number"] for path, values in facts(made).items()}
    assert told == {f"p{i}": 1060 + i if i < 10 else 1000 + i for i in range(60)}
    add(made, ["later"], {"number": [5]}, seed=1)
    assert facts(made)["later"] == {"number": 5}


def test_an_open_reader_keeps_what_it_saw(shop):
    reader = Collection.open(shop.root)
    shop.update_facts([1], {"price": [99]})
    assert found(reader, "price == 99") == []
    assert found(shop, "price == 99") == ["p0"]
    assert reader.reopen()
    assert found(reader, "price == 99") == ["p0"]


def test_changes_reach_rows_of_every_modality_and_space_at_once(shop):
    (text,) = shop.add(vectors(1, 3), paths=["t"], modality="text", texts=["words"], space="s").tolist()
    (other,) = shop.add(vectors(1, 4), paths=["o"], modality="image", space="other").tolist()
    shop.update_facts([other, 1, text], {"shelf": ["o", "p0", "t"]})
    assert found(shop, "shelf == 'p0' or shelf == 't'") == ["p0", "t"]
    (hit,) = shop.search(vectors(1)[0], k=9, space="other", where="shelf is not None")
    assert hit.facts == {"shelf": "o"}


@pytest.mark.parametrize(
    ("ids", "changes", "said"),
    [
        ([99], {"price": [1]}, "there is no row 99 in the collection; nothing was changed"),
        ([1, 1], {"price": [1, 2]}, "id 1 is given twice; nothing was changed"),
        ([1], {"price": [1, 2]}, "1 ids, but 2 values of price"),
        ([1], {"path": ["p9"]}, "no column 'path' to fill"),
        ([1], {"span_start": [0.0]}, "no column 'span_start' to fill"),
        ([1], {}, "no facts to change"),
        (["one"], {"price": [1]}, "ids must be a list of whole numbers"),
        ([[1]], {"price": [1]}, "ids must be a list of whole numbers"),
    ],
)
def test_changes_that_make_no_sense_are_one_clear_line_and_change_nothing(shop, ids, changes, said):
    before = load_manifest(shop.root)
    with pytest.raises(UsageError, match=said):
        shop.update_facts(ids, changes)
    assert load_manifest(shop.root) == before


def test_a_deleted_row_cannot_be_changed(shop):
    shop.remove(ids=[2])
    with pytest.raises(UsageError, match="there is no row 2"):
        shop.update_facts([2], {"price": [1]})


def test_a_crash_while_facts_are_changed_leaves_them_as_they_were(shop, monkeypatch):
    before = facts(shop)

    def crash(*_: object) -> None:
        raise RuntimeError("power cut")

    with monkeypatch.context() as patch:
        patch.setattr(Writer, "publish", crash)
        with pytest.raises(RuntimeError):
            shop.update_facts([1], {"price": [99]})
    reopened = Collection.open(shop.root)
    assert facts(reopened) == before
    assert Collection.doctor(shop.root) == []
    reopened.update_facts([1], {"price": [99]})
    assert found(reopened, "price == 99") == ["p0"]


def test_a_lost_file_of_changes_is_told_and_the_rows_have_their_first_facts_again(shop):
    before = facts(shop)
    shop.update_facts([1], {"price": [99]})
    (shop.root / shop.manifest.fact_updates[0].path).unlink()
    (problem,) = Collection.doctor(shop.root)
    assert problem.reason == "it is missing"
    (problem,) = Collection.doctor(shop.root, repair=True)
    assert "the facts that were changed through it are what they were before" in problem.repaired
    assert Collection.doctor(shop.root) == []
    assert facts(Collection.open(shop.root)) == before


def test_changes_survive_the_loss_of_the_manifest(shop):
    shop.update_facts([1, 2], {"price": [98, 99]})
    shop.update_facts([1], {"price": [100]})
    before = facts(shop)
    (shop.root / "MANIFEST.json").unlink()
    Collection.doctor(shop.root, repair=True)
    assert facts(Collection.open(shop.root)) == before


# --- facts of files ------------------------------------------------------------------------------------------------


def ids_of(collection: Collection, path: Path) -> list[int]:
    return [hit.id for hit in collection.search("x", k=20) if hit.path == str(path)]


def stars(collection: Collection) -> set[str]:
    return {Path(hit.path).name for hit in collection.search("x", k=20, where="stars == 5")}


def test_a_file_that_moves_or_changes_keeps_its_facts(collection, photos, drawn):
    collection.update_facts(ids_of(collection, photos / "disc.png"), {"stars": [5]})
    (photos / "disc.png").rename(photos / "moved.png")
    assert collection.index([photos], workers=1).moved == 1
    assert stars(collection) == {"moved.png"}
    drawn("cross.png", (80, 80)).save(photos / "moved.png")
    assert collection.index([photos], workers=1).indexed == 1
    assert stars(collection) == {"moved.png"}
    collection.compact()
    assert stars(collection) == {"moved.png"}


# --- rows by name, by key and by id --------------------------------------------------------------------------------


def test_rows_under_names_are_removed_by_name(shop, monkeypatch, tmp_path):
    assert shop.remove(["p0", "p3"]) == 2
    assert found(shop) == ["p1", "p2"]
    monkeypatch.chdir(tmp_path)
    assert shop.remove(["p1"]) == 1
    assert shop.manifest.removed == (), "a name is no path that a later run could pass over"
    with pytest.raises(UsageError, match="p1 is not in the collection; nothing was removed"):
        shop.remove(["p2", "p1"])
    assert found(shop) == ["p2"]


def test_rows_are_removed_by_id(shop):
    assert shop.remove(ids=[1, 3]) == 2
    assert found(shop) == ["p1", "p3"]
    assert shop.remove(ids=np.array([2])) == 1
    assert shop.remove(ids=[]) == 0
    for ids, said in (([1], "there is no row 1"), ([4, 99], "there is no row 99"), ([4, 4], "id 4 is given twice")):
        with pytest.raises(UsageError, match=f"{said}.*nothing was removed"):
            shop.remove(ids=ids)
    with pytest.raises(UsageError, match="paths or ids, not both"):
        shop.remove(["p3"], ids=[4])
    assert found(shop) == ["p3"]


def test_a_row_that_is_there_is_not_added_once_more(shop):
    with pytest.raises(UsageError, match=r"p2 is in the collection already \(image, space s-8-.*upsert replaces it"):
        add(shop, ["new", "p2"], seed=1)
    with pytest.raises(UsageError, match="new is given twice"):
        add(shop, ["new", "new"], seed=1)
    assert found(shop) == ["p0", "p1", "p2", "p3"]
    shop.remove(["p2"])
    add(shop, ["p2"], seed=1)
    shop.add(vectors(1), paths=["p2"], modality="image", space="another")
    shop.add(vectors(1), paths=["p2"], modality="text", texts=["p2"], space="s")
    assert found(shop) == ["p0", "p1", "p2", "p2", "p3"], "other modalities and spaces are others' rows"


def test_passages_and_spans_of_one_path_are_rows_of_their_own(shop):
    texts = ["one", "two"]
    shop.add(vectors(2), paths=["book", "book"], modality="text", texts=texts, space="s")
    shop.add(vectors(1), paths=["book"], modality="text", texts=["three"], space="s")
    with pytest.raises(UsageError, match="book is in the collection already"):
        shop.add(vectors(1), paths=["book"], modality="text", texts=["two"], space="s")
    spans = {"span_start": [0.0, 10.0], "span_end": [10.0, 20.0], "span_unit": ["s", "s"]}
    shop.add(vectors(2), paths=["film", "film"], modality="video", space="s", facts=spans)
    one = {name: values[:1] for name, values in spans.items()}
    with pytest.raises(UsageError, match="film is in the collection already"):
        shop.add(vectors(1), paths=["film"], modality="video", space="s", facts=one)
    assert {hit.text for hit in shop.search(vectors(1)[0], k=9, to=["text"])} == {"one", "two", "three"}


def test_upsert_replaces_the_rows_of_a_path_and_adds_those_that_are_new(shop):
    given = vectors(2, seed=7)
    ids = shop.upsert(given, paths=["p1", "new"], modality="image", space="s", facts={"price": [20, 30]})
    assert ids.tolist() == [5, 6]
    assert found(shop) == ["new", "p0", "p1", "p2", "p3"]
    hit = shop.search(given[0], k=1)[0]
    assert (hit.path, hit.id) == ("p1", 5)
    assert hit.score == pytest.approx(1, abs=1e-3)
    assert hit.facts == {"price": 20}, "facts that are not given are those of the old row, which is gone"


def test_upsert_replaces_all_passages_of_a_path_in_one_commit(shop):
    shop.add(vectors(2), paths=["book"] * 2, modality="text", texts=["one", "two"], space="s")
    generation = shop.manifest.generation
    shop.upsert(vectors(3, 1), paths=["book"] * 3, modality="text", texts=["uno", "due", "tre"], space="s")
    assert {hit.text for hit in shop.search(vectors(1)[0], k=9, to=["text"])} == {"uno", "due", "tre"}
    assert shop.manifest.generation > generation
    with pytest.raises(UsageError, match="book is given twice"):
        shop.upsert(vectors(2), paths=["book"] * 2, modality="text", texts=["uno", "uno"], space="s")


def test_the_same_script_run_twice_with_upsert_leaves_the_same_rows(tmp_path):
    script = f"""
    import numpy as np
    from mmsearch import Collection
    home = {str(tmp_path / "c.mms")!r}
    opened = Collection.open(home) if Collection.exists(home) else Collection.create(home, model=None)
    opened.upsert(np.eye(3), paths=["a", "b", "c"], modality="image", space="s", facts={{"n": [1, 2, 3]}})
    print(sorted((hit.path, hit.facts["n"], hit.state) for hit in opened.search(np.ones(3))))
    """
    code = "\n".join(line[4:] for line in script.splitlines())
    runs = [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True) for _ in range(2)]
    assert runs[0].stdout == runs[1].stdout == "[('a', 1, 'none'), ('b', 2, 'none'), ('c', 3, 'none')]\n"


def test_a_name_is_no_file_that_is_gone(shop, tmp_path):
    file = tmp_path / "there.jpg"
    file.write_bytes(b"a picture")
    shop.add(vectors(1, 9), paths=[file], modality="image", space="s")
    states = {Path(hit.path).name: hit.state for hit in shop.search(vectors(1)[0], k=9)}
    assert states == {"p0": "none", "p1": "none", "p2": "none", "p3": "none", "there.jpg": "current"}
    file.unlink()
    assert shop.search(vectors(1, 9)[0], k=1)[0].state == "gone"


def test_names_within_an_indexed_folder_are_not_taken_for_deleted_files(collection, photos, paths_in):
    name = str(photos / "elsewhere.jpg")
    collection.add(collection.encoder().encode_texts(["fog"]), paths=[name], modality="text", texts=["fog"])
    report = collection.index([photos], workers=1)
    assert report.removed == 0
    assert name in paths_in(collection)
