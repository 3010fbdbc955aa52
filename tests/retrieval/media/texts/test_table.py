"""Tables give the texts of one column: the named one, or the one that most looks like captions."""

from __future__ import annotations

import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mmsearch.cli.hints import explained_error
from mmsearch.errors import DecodeError
from mmsearch.retrieval.media.texts import table
from mmsearch.retrieval.media.texts.table import TableTexts, read_table


def csv(text: str, column: str | None = None, format: str = "csv") -> TableTexts:
    return read_table(io.BytesIO(text.encode()), format, column)


def parquet(columns: dict[str, object], column: str | None = None) -> TableTexts:
    file = io.BytesIO()
    pq.write_table(pa.table(columns), file)
    file.seek(0)
    return read_table(file, "parquet", column)


def test_a_named_column_is_read_and_empty_cells_are_left_out() -> None:
    found = csv("id,a,b\n1,dog,x\n2, ,y\n3,cat,z\n", "a")
    assert found == TableTexts("a", False, [(0, "dog"), (2, "cat")])


def test_a_column_that_is_not_there_lists_those_that_are() -> None:
    with pytest.raises(DecodeError, match="no column 'caption'; the columns are 'id', 'name'"):
        csv("id,name\n1,dog\n", "caption")


@pytest.mark.parametrize(
    ("header", "guess"),
    [
        ("url,Caption,text", "Caption"),
        ("name,TITLE,x", "TITLE"),
        ("name,Description", "Description"),
        ("a,text", "text"),
    ],
)
def test_a_usual_name_is_guessed(header: str, guess: str) -> None:
    found = csv(f"{header}\n" + ",".join(["words"] * len(header.split(","))))
    assert (found.column, found.guessed) == (guess, True)


def test_otherwise_the_column_with_the_longest_texts_is_guessed() -> None:
    found = csv("id,kind,says\n1000000000000000000000,dog,it runs on a beach\n1000000000000000000001,cat,it sleeps\n")
    assert (found.column, found.texts[1]) == ("says", (1, "it sleeps"))


def test_a_table_of_numbers_asks_for_a_column() -> None:
    with pytest.raises(DecodeError, match="no column of texts found") as error:
        csv("a,b\n1,2\n")
    assert explained_error(error.value) == "no column of texts found; name one with --text-column"


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found(delimiter: str) -> None:
    text = delimiter.join(["id", "caption"]) + "\n" + delimiter.join(["1", '"a dog, a cat; a | bird"']) + "\n"
    assert csv(text).texts == [(0, "a dog, a cat; a | bird")]


def test_tsv_is_cut_at_tabs_whatever_it_holds() -> None:
    assert csv("id\tcaption\n1\ta, b, c\n", format="tsv").texts == [(0, "a, b, c")]


def test_marks_line_ends_and_big_cells_are_no_trouble() -> None:
    big = "word " * 50_000
    text = f'\ufeffcaption,id\r\n"two\nlines",1\r\n"{big}",2\r\n'
    found = csv(text)
    assert found.column == "caption"
    assert found.texts == [(0, "two\nlines"), (1, big.strip())]


def test_rows_that_are_too_short_have_empty_cells() -> None:
    assert csv("id,caption\n1\n2,dog\n").texts == [(1, "dog")]


def test_an_empty_table_is_no_column() -> None:
    with pytest.raises(DecodeError, match="no column of texts"):
        csv("\n")


def test_json_lines_count_bad_lines_and_go_on() -> None:
    lines = [json.dumps({"id": 1, "caption": "dog"}), "{oops", "[1]", "", json.dumps({"caption": 5})]
    found = csv("\n".join([*lines, json.dumps({"caption": "犬"})]), format="jsonl")
    assert found.texts == [(0, "dog"), (5, "犬")]
    assert found.note == "2 lines without a JSON object left out"


def test_json_lines_name_their_columns_when_one_is_missing() -> None:
    with pytest.raises(DecodeError, match="'id', 'says'"):
        csv('{"id": 1}\n{"says": "dog"}', "caption", format="ndjson")


def test_parquet_gives_its_text_columns() -> None:
    found = parquet({"id": [1, 2, 3], "caption": ["dog", None, "cat"]})
    assert found == TableTexts("caption", False, [(0, "dog"), (2, "cat")])
    assert parquet({"label": ["a"], "caption": ["dog"]}).guessed
    repeated = pa.array(["dog", "dog"]).dictionary_encode()
    assert parquet({"says": repeated}).texts == [(0, "dog"), (1, "dog")]


def test_a_parquet_column_of_numbers_is_refused() -> None:
    with pytest.raises(DecodeError, match="'id' does not hold text; those that do: 'caption'"):
        parquet({"id": [1], "caption": ["dog"]}, "id")


def test_damaged_parquet_is_one_line() -> None:
    with pytest.raises(DecodeError) as caught:
        read_table(io.BytesIO(b"PAR1\x15" + bytes(100)), "parquet")
    assert str(caught.value) == "damaged Parquet file: it cannot be read"
    whole = io.BytesIO()
    pq.write_table(pa.table({"caption": ["a dog runs"] * 1000}), whole, compression="zstd")
    data = bytearray(whole.getvalue())
    data[10:40] = bytes(30)
    with pytest.raises(DecodeError, match=r"^damaged Parquet file: it cannot be read$"):
        read_table(io.BytesIO(data), "parquet")


def test_a_table_too_large_for_memory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "MAX_TABLE_BYTES", 1000)
    with pytest.raises(DecodeError, match="split it"):
        csv("caption\n" + "dog\n" * 1000)
    with pytest.raises(DecodeError, match="split it"):
        parquet({"caption": [f"dog {i}" for i in range(1000)]})
