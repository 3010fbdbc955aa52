"""Parquet files as sources: bytes, structs and paths, captions and facts."""

from __future__ import annotations

import pytest

from mmsearch.errors import MMSearchError
from mmsearch.retrieval.sources.parquet import ParquetSource, open_cell


def read(path, text_column=None):
    """The items of all row groups; their bytes are read and let go."""
    source = ParquetSource(str(path), text_column)
    items = [item for part in source.parts() for item in source.items(part)]
    data = [item.content.file.read() if item.content else None for item in items]
    for item in items:
        item.close()
    return items, data


def names(items):
    return [item.path.partition("#")[2] for item in items]


def test_a_dataset_of_hugging_face_has_a_part_for_each_row_group(corpora, captions):
    path = corpora.hugging_face()
    assert [part.index for part in ParquetSource(str(path)).parts()] == [0, 1, 2]
    items, data = read(path)
    assert names(items) == [f"{row}.jpg" for row in range(8)]
    assert [item.captions for item in items] == [(caption,) for caption in captions.values()]
    assert [item.facts for item in items] == [{"label": row} for row in range(8)]
    assert data == [corpora.jpeg(name) for name in captions]


def test_the_output_of_img2dataset_is_read(corpora, captions):
    items, data = read(corpora.img2dataset())
    assert names(items) == [f"{row}.jpg" for row in range(8)]  # the ending is that of the format
    assert items[1].facts["url"] == "https://example.org/square.jpg"
    assert items[1].facts["key"] == "000000001"
    assert data[1] == corpora.jpeg("square")


def test_paths_are_relative_to_the_table_and_a_file_that_several_rows_name_is_one_item(corpora):
    folder = corpora.files("images")
    path = corpora.parquet(
        "captions.parquet",
        {
            "file_name": [
                "images/000-disc.jpg",
                "images/000-disc.jpg",
                "images/gone.jpg",
                str(folder / "000-cross.jpg"),
            ],
            "caption": ["a disc", "something red", "nothing", "a cross"],
        },
        row_group_size=10,
    )
    items, _ = read(path)
    assert [item.path for item in items] == [
        str(folder / "000-disc.jpg"),
        str(folder / "gone.jpg"),
        str(folder / "000-cross.jpg"),
    ]
    assert items[0].captions == ("a disc", "something red")
    assert items[1].problem == "cannot be read: no such file or directory"
    assert all(item.content is None for item in items)


def test_the_column_of_captions_can_be_named(corpora):
    path = corpora.parquet("a.parquet", {"image": [corpora.jpeg("disc")], "title": ["not this"], "alt": ["a disc"]})
    assert read(path)[0][0].captions == ("not this",)
    items, _ = read(path, text_column="alt")
    assert items[0].captions == ("a disc",)
    assert items[0].facts == {"title": "not this"}


def test_a_list_of_captions_gives_several(corpora):
    path = corpora.parquet("a.parquet", {"image": [corpora.jpeg("disc")], "captions": [["a disc", "red", "red"]]})
    assert read(path)[0][0].captions == ("a disc", "red")


def test_two_columns_of_media_give_two_items_a_row(corpora):
    path = corpora.parquet("a.parquet", {"left": [corpora.jpeg("disc")], "right": [corpora.jpeg("cross")]})
    items, data = read(path)
    assert names(items) == ["0.left.jpg", "0.right.jpg"]
    with open_cell(str(path), "0.right.jpg") as content:
        assert content.file.read() == data[1]


def test_a_cell_is_found_again_by_its_row(corpora):
    path = str(corpora.hugging_face())
    with open_cell(path, "7.jpg") as content:
        assert content.file.read() == corpora.jpeg("noise")
    for name in ("8.jpg", "x.jpg"):
        with pytest.raises(FileNotFoundError):
            open_cell(path, name)


def test_an_empty_cell_is_said(corpora):
    path = corpora.parquet("a.parquet", {"jpg": [corpora.jpeg("disc"), None]})
    items, _ = read(path)
    assert [item.problem for item in items] == [None, "there is nothing in its column jpg"]


def test_a_table_without_pictures_names_its_columns(corpora):
    path = corpora.parquet("a.parquet", {"url": ["https://example.org/a.jpg"], "caption": ["a"]})
    with pytest.raises(MMSearchError, match="holds no pictures, sounds or films.* its columns are url, caption"):
        list(ParquetSource(str(path)).parts())


def test_what_is_no_parquet_file_is_said_in_one_line(tmp_path):
    path = tmp_path / "a.parquet"
    path.write_bytes(b"not Parquet at all, but long enough to be looked at")
    with pytest.raises(MMSearchError, match=r"a\.parquet cannot be read as Parquet \([^\n]*\)$"):
        list(ParquetSource(str(path)).parts())
