"""Plain names of agents as what the library takes."""

from __future__ import annotations

import pytest

from mmsearch import Collection, UsageError
from mmsearch.serve.mcp_names import Folders, collection_named, first_moment, kinds_named, level_named, seconds_named

FOLDERS = Folders(
    ["/photos/2023/Holiday/1.jpg", "/photos/2023/Holiday/sea/2.jpg", "/photos/2024/Holiday/3.jpg", "/photos/Köln/4.jpg"]
)


@pytest.mark.parametrize("name", ["pictures", "photo", "Photos", "images", " picture "])
def test_a_kind_has_several_names(name):
    assert kinds_named([name]) == {"pictures": "image"}


def test_kinds_keep_their_order():
    assert kinds_named(["videos", "documents"]) == {"films": "video", "texts": "text"}


@pytest.mark.parametrize(
    ("read", "name", "candidates"),
    [
        (lambda name: kinds_named([name]), "dogs", "pictures, films, sounds, texts"),
        (level_named, "good", "strong, likely, weak, nothing"),
        (lambda name: collection_named({"mine": None, "ours": None}, name), "yours", "mine, ours"),
    ],
)
def test_an_unknown_name_fails_with_the_candidates(read, name, candidates):
    with pytest.raises(UsageError, match=f"{name}'; there are: {candidates}"):
        read(name)


def test_a_level_is_read_in_any_case():
    assert level_named("Likely") == "likely"


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("Köln", "/photos/Köln"),
        ("köln/", "/photos/Köln"),
        ("2023/holiday", "/photos/2023/Holiday"),
        ("/photos/2024/Holiday", "/photos/2024/Holiday"),
        ("sea", "/photos/2023/Holiday/sea"),
        ("photos", "/photos"),
    ],
)
def test_a_folder_is_found_by_its_name_or_the_end_of_its_path(name, path):
    assert FOLDERS.named(name) == path


def test_a_name_of_several_folders_asks_for_more_of_the_path():
    with pytest.raises(UsageError, match="2 folders are called 'holiday'.*/photos/2023/Holiday, /photos/2024/Holiday"):
        FOLDERS.named("holiday")


def test_of_folders_of_one_name_inside_each_other_the_outer_one_is_meant():
    assert Folders(["/a/trips/x.jpg", "/a/trips/old/trips/y.jpg"]).named("trips") == "/a/trips"


@pytest.mark.parametrize("name", ["Holidy", "liday", "2023/holidays"])
def test_an_unknown_folder_fails_with_those_of_a_like_name(name):
    with pytest.raises(UsageError, match="did you mean: /photos/2023/Holiday, /photos/2024/Holiday"):
        FOLDERS.named(name)


def test_a_folder_like_no_other_says_where_folders_are_listed():
    with pytest.raises(UsageError, match="describe_collection lists folders"):
        FOLDERS.named("xyz")
    with pytest.raises(UsageError, match="empty"):
        FOLDERS.named(" / ".strip())


def test_folders_are_those_of_the_files_of_a_collection(collection, photos):
    assert Folders.of(collection).named("photos") == str(photos)


@pytest.mark.parametrize(("time", "seconds"), [("83.5", 83.5), (83, 83.0), ("1:23", 83.0), ("1:02:03", 3723.0)])
def test_a_time_is_seconds_or_a_clock(time, seconds):
    assert seconds_named(time) == seconds


@pytest.mark.parametrize("time", ["soon", "-1", "1:2:3:4", ""])
def test_what_is_no_time_is_said(time):
    with pytest.raises(UsageError, match="no time in a film"):
        seconds_named(time)


def test_a_year_and_a_month_begin_on_their_first_day():
    assert [first_moment(date) for date in ("2023", "2023-05", "2023-05-17")] == [
        "2023-01-01",
        "2023-05-01",
        "2023-05-17",
    ]


def test_a_collection_is_at_its_newest_manifest(collection, photos):
    reader = Collection.open(collection.root)
    (photos / "new.txt").write_text("A lighthouse.")
    collection.index([photos], workers=1)
    assert len(collection_named({"mine": reader}, None)[1]) == 11
