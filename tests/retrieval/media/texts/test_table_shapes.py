"""Tables as people have them: with and without a header, from Excel, pandas, banks and databases."""

from __future__ import annotations

import io
import json
import random
import tracemalloc
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mmsearch.errors import DecodeError
from mmsearch.retrieval.media.texts import lines, table
from mmsearch.retrieval.media.texts.table import TableTexts, read_table

A, B, C = "A lighthouse at night", "A fishing boat in the fog", "A crab on the beach"
ALL = [(0, A), (1, B), (2, C)]


@dataclass
class Shape:
    name: str
    data: bytes | str
    column: str = "caption"
    texts: list[tuple[int, str]] | None = None
    format: str = "csv"


ONLY = {"no header, one column", "header, one column", "header, one column with commas", "one column with commas",
        "hashtags are no comments", "JSON lines, nested", "JSON lines, lists", "JSON lines, UTF-16"}  # fmt: skip
"""Shapes with one column of texts: nobody could name another."""
COMMAS = [(0, "A dog, running"), (1, "A cat"), (2, "Two birds, a tree")]
TAGGED = [(0, "#sunset on the beach"), (1, "#dog runs"), (2, "#cat sleeps well")]
SAID = [(0, "A lighthouse\nat night"), (1, 'He said "hi", and left')]
FAR = [(0, f"{A}, far off"), (1, B)]
TURNS = {"messages": [{"role": "user", "content": A}, {"role": "bot", "content": B}]}
FOLDER = "/home/ann/pictures/2024/holiday/"


def records(*values: object) -> str:
    """JSON lines."""
    return "\n".join(map(json.dumps, values))


SHAPES = [
    Shape("plain", f"id,caption\n1,{A}\n2,{B}\n3,{C}\n"),
    Shape("no header", f"IMG_1.jpg,{A}\nIMG_2.jpg,{B}\nIMG_3.jpg,{C}\n", "2"),
    Shape("no header, one column", f"{A}\n{B}\n{C}\n", "1"),
    Shape("no header, numbers first", f"1,{A}\n2,{B}\n3,{C}\n", "2"),
    Shape("no header, one row", f"IMG_1.jpg,{A}\n", "2", [(0, A)]),
    Shape("no header, URLs", f"https://a.org/1.jpg\t{A}\nhttps://a.org/2.jpg\t{B}\n", "2", ALL[:2], "tsv"),
    Shape("header, one column", f"caption\n{A}\n{B}\n{C}\n"),
    Shape("header, one column with commas", "caption\nA dog, running\nA cat\n", "caption", COMMAS[:2]),
    Shape("one column with commas", "A dog, running\nA cat\nTwo birds, a tree\n", "1", COMMAS),
    Shape("header in another language", f"编号;内容\n1;{A}\n2;{B}\n3;{C}\n", "内容"),
    Shape("header of unknown names", f"what it shows,where\n{A},x.jpg\n{B},y.jpg\n{C},z.jpg\n", "what it shows"),
    Shape("dotted names", f"user.name,post.body\nann,{A}\nbob,{B}\ncid,{C}\n", "post.body"),
    Shape("semicolons and decimal commas", f"id;caption;price\r\n1;{A};3,50\r\n2;{B};4,20\r\n3;{C};5,00\r\n"),
    Shape("Excel's sep=", f"sep=;\r\nid;caption\r\n1;{A}\r\n2;{B}\r\n3;{C}\r\n"),
    Shape("Excel's sep=, quoted, with a mark", f'\ufeff"sep=|"\r\nid|caption\r\n1|{A}\r\n2|{B}\r\n3|{C}\r\n'),
    Shape("Excel's Unicode text", f"\ufeffid\tcaption\r\n1\t{A}\r\n2\t{B}\r\n3\t{C}\r\n".encode("utf-16-le")),
    Shape("UTF-16 without a mark", f"id\tcaption\r\n1\t{A}\r\n2\t{B}\r\n3\t{C}\r\n".encode("utf-16-le")),
    Shape("big-endian UTF-16", f"\ufeffid,caption\n1,{A}\n2,{B}\n3,{C}\n".encode("utf-16-be")),
    Shape("UTF-8 with a mark", f"\ufeffcaption,id\n{A},1\n{B},2\n{C},3\n"),
    Shape("Windows-1252", "id;Größe\n1;Höhe des Turms\n2;Nebel überall\n".encode("cp1252"), "Größe",
          [(0, "Höhe des Turms"), (1, "Nebel überall")]),
    Shape("comments", f"# exported 2024-01-01\n# by, tool\n\nid,caption\n1,{A}\n2,{B}\n3,{C}\n"),
    Shape("header in a comment", f"# made by a tool\n#id\tcaption\n1\t{A}\n2\t{B}\n3\t{C}\n"),
    Shape("hashtags are no comments", "#sunset on the beach\n#dog runs\n#cat sleeps well\n", "1", TAGGED),
    Shape("titles above", f"My photos 2024\n\nid,caption,place\n1,{A},x\n2,{B},y\n3,{C},z\n"),
    Shape("pandas' index", f",caption\n0,{A}\n1,{B}\n2,{C}\n"),
    Shape("quotes with line ends", f'id,caption\n1,"{SAID[0][1]}"\n2,"He said ""hi"", and left"\n', "caption", SAID),
    Shape("quoted throughout", f'"id","caption"\n"1","{A}"\n"2","{B}"\n"3","{C}"\n'),
    Shape("single quotes", f"'id','caption'\n'1','{A}, far off'\n'2','{B}'\n", "caption", FAR),
    Shape("MySQL's escapes", 'id,caption\n1,"A \\"white\\" lamp, at night"\n2,"A boat"\n', "caption",
          [(0, 'A "white" lamp, at night'), (1, "A boat")]),
    Shape("spaces after commas", f'id, caption\n1, "{A}, far off"\n2, "{B}"\n', "caption", FAR),
    Shape("old Mac line ends", f"id,caption\r1,{A}\r2,{B}\r3,{C}\r"),
    Shape("ragged rows", f"id,caption,tags\n1,{A}\n2,{B},boat,fog\n3,{C},\n4\n"),
    Shape("a column without a name", f"id,\n1,{A}\n2,{B}\n3,{C}\n", "2"),
    Shape("two columns of one name, the first empty", f"caption,id,caption\n,1,{A}\n,2,{B}\n,3,{C}\n"),
    Shape("paths longer than captions", f"p,q\n{FOLDER}1.jpg,{A}\n{FOLDER}2.jpg,{B}\n", "q", ALL[:2]),
    Shape("NULs", f"id,caption\n1,{A}\0\n2,{B}\n3,{C}\n"),
    Shape("pipes", f"id|caption\n1|{A}\n2|{B}\n3|{C}\n"),
    Shape("a tsv with commas in fact", f"id,caption\n1,{A}\n2,{B}\n3,{C}\n", format="tsv"),
    Shape("no header, labels that repeat", f"dog,{A}\ncat,{B}\ndog,{C}\n", "2"),
    Shape("JSON lines, nested", records(*({"id": i, "meta": {"caption": text, "n": None}} for i, text in ALL)),
          "meta.caption", format="jsonl"),
    Shape("JSON lines, lists", records({"captions": [A, B]}, {"captions": [C, 5, None]}), "captions",
          [(0, A), (0, B), (1, C)], "jsonl"),
    Shape("JSON lines, turns of a chat", records(TURNS), "messages.content", [(0, A), (0, B)], "jsonl"),
    Shape("JSON lines, UTF-16", ("\ufeff" + records({"caption": A}, {"caption": B})).encode("utf-16-le"), "caption",
          ALL[:2], "jsonl"),
]  # fmt: skip


def read(data: bytes | str, format: str = "csv", column: str | None = None) -> TableTexts:
    return read_table(io.BytesIO(data if isinstance(data, bytes) else data.encode()), format, column)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_a_table_of_any_usual_shape_gives_its_texts(shape: Shape) -> None:
    found = read(shape.data, shape.format)
    assert found.column == shape.column
    assert found.guessed == (shape.name not in ONLY)
    assert found.texts == (shape.texts or ALL)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_the_column_that_was_guessed_can_be_named(shape: Shape) -> None:
    found = read(shape.data, shape.format, shape.column)
    assert (found.texts, found.guessed) == (shape.texts or ALL, False)


def test_a_named_column_makes_the_first_row_a_header() -> None:
    assert read("dog\ncat\nbird\n", column="dog").texts == [(0, "cat"), (1, "bird")]
    assert read("dog\ncat\nbird\n").texts == [(0, "dog"), (1, "cat"), (2, "bird")]


def test_a_header_without_rows_and_a_column_beyond_the_last_say_so() -> None:
    with pytest.raises(DecodeError, match="no rows under the header"):
        read("id,caption\n")
    with pytest.raises(DecodeError, match="no header, its columns are 1 to 2"):
        read(f"1.jpg,{A}\n2.jpg,{B}\n", column="3")
    with pytest.raises(DecodeError, match="no column '2'; the columns are 'id', 'caption'"):
        read(f"id,caption\n1,{A}\n", column="2")


def test_titles_above_the_header_are_said_to_be_left_out() -> None:
    assert read(f"My photos\nid,caption,x\n1,{A},y\n2,{B},y\n").note == "1 line above the header left out"


def test_parquet_with_lists_and_objects_is_read() -> None:
    file = io.BytesIO()
    rows = [{"meta": {"caption": A, "n": 1}, "tags": ["x", "y"]}, {"meta": None, "tags": None}]
    pq.write_table(pa.Table.from_pylist(rows), file)
    assert read(file.getvalue(), "parquet").texts == [(0, A)]
    assert read(file.getvalue(), "parquet").column == "meta.caption"
    assert read(file.getvalue(), "parquet", "tags").texts == [(0, "x"), (0, "y")]


def test_parquet_of_several_row_groups_is_read_in_order() -> None:
    file = io.BytesIO()
    texts = [f"dog {i % 700}" if i % 10 else None for i in range(10_000)]
    pq.write_table(pa.table({"caption": texts}), file, row_group_size=1500)
    assert read(file.getvalue(), "parquet").texts == [(i, text) for i, text in enumerate(texts) if text]


def test_encoded_data_in_cells_is_left_out_and_said() -> None:
    data = random.Random(0).randbytes(600).hex()
    found = read(f"id,caption\n1,{A} {data}\n2,{data}\n3,{C}\n")
    assert found.texts == [(0, A), (2, C)]
    assert found.note == "2.4 kB of encoded data left out"


# Bounds


def peak(data: bytes, format: str) -> tuple[TableTexts, int, int]:
    """What a table gives, how many texts its parts had together, and the most bytes that Python held at once."""
    parts: list[int] = []
    file = io.BytesIO(data)
    tracemalloc.start()
    found = read_table(file, format, None, lambda part: parts.append(len(part)))
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return found, sum(parts) + len(found.texts), most


def test_a_file_of_few_bytes_gives_no_more_rows_than_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "MAX_ROWS", 5000)
    file = io.BytesIO()
    pq.write_table(pa.table({"caption": pa.array(["dog"] * 50_000)}), file)
    found, count, most = peak(file.getvalue(), "parquet")
    assert count == 5000
    assert "only its first rows are indexed" in (found.note or "")
    assert "may give 5,000" in (found.note or "")
    assert most < 5e6


def test_a_large_file_may_give_more_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "MAX_ROWS", 500)
    found, count, _ = peak(("caption\n" + "a dog runs\n" * 1000).encode(), "csv")
    assert (count, found.note) == (1000, None)


def test_long_texts_that_are_stored_once_are_held_once() -> None:
    schema = pa.schema({"caption": pa.dictionary(pa.int32(), pa.string())})
    words = pa.DictionaryArray.from_arrays(pa.array([0] * 20_000, pa.int32()), [A + " far off" * 125_000])
    file = io.BytesIO()
    pq.write_table(pa.table([words], schema), file, compression="zstd")
    found, count, most = peak(file.getvalue(), "parquet")
    assert 0 < count < 100
    assert "only its first rows" in (found.note or "")
    assert most < 60e6


@pytest.mark.parametrize(
    ("data", "format", "cut"),
    [
        ('id,caption\n1,"' + "a dog, " * 1_500_000 + f'"\n2,{B}\n', "csv", "cell"),
        ('id,caption\n1,"' + "a dog,\n" * 1_500_000 + f'"\n2,{B}\n', "csv", "cell"),
        ("id,caption\n1," + "a dog " * 1_500_000 + f"\n2,{B}\n", "csv", "cell"),
        (json.dumps({"caption": "a dog " * 1_500_000}) + "\n" + json.dumps({"caption": B}), "jsonl", "line"),
    ],
    ids=["one quoted line", "quoted lines", "one line", "JSON"],
)
def test_one_endless_cell_is_cut_and_what_follows_is_read(data: str, format: str, cut: str) -> None:
    found, _, most = peak(data.encode(), format)
    assert found.texts[-1] == (1, B)
    assert cut in (found.note or "")
    assert sum(len(text) for _, text in found.texts) < 2e6
    assert most < 12 * lines.MAX_LINE


def test_a_stray_quote_costs_no_rows_of_a_long_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "MAX_LINE", 2000)
    text = 'id,caption\n1,a 5" pipe\n' + "".join(f"{i},a dog runs\n" for i in range(2, 1000))
    assert len(read(text).texts) == 999


def test_parts_together_are_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "_PART_ROWS", 7)
    text = "id,caption\n" + "".join(f"{i},dog {i}\n" for i in range(100))
    parts: list[tuple[int, str]] = []
    found = read_table(io.BytesIO(text.encode()), "csv", None, parts.extend)
    assert parts + found.texts == read(text).texts
    assert len(found.texts) < 8
