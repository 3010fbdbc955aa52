from __future__ import annotations

import os
from pathlib import Path

import pytest
from PIL import Image

from mmsearch import Collection, Progress, UsageError
from mmsearch.library import Duplicates, find_duplicates


@pytest.fixture
def folder(photograph, tmp_path: Path) -> Path:
    """Three photographs, one of them also small, cut and as it is."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(3):
        photograph(number).save(folder / f"{number}.png")
    photograph(0).resize((160, 120)).save(folder / "0 small.jpg")
    photograph(0).crop((30, 20, 300, 220)).save(folder / "0 cut.jpg", quality=92)
    (folder / "0 again.png").write_bytes((folder / "0.png").read_bytes())
    return folder


@pytest.fixture
def indexed(folder: Path, tmp_path: Path) -> Collection:
    collection = Collection.create(tmp_path / "c.mms", model="mini")
    collection.index([folder], workers=1)
    return collection


def names(found: Duplicates) -> dict[str, dict[str, str]]:
    """The reason of each copy, by the names of the kept file and the copy."""
    return {Path(group.kept.path).name: {Path(copy.path).name: copy.reason for copy in group.copies} for group in found}


COPIES = {"0 again.png": "same content", "0 small.jpg": "resized", "0 cut.jpg": "cropped"}


def test_copies_are_found_with_the_reason_and_what_is_kept(indexed):
    found = find_duplicates(indexed, workers=1)
    assert names(found) == {"0.png": COPIES}
    assert all(0.9 < copy.number <= 1 for copy in found.copies)
    assert found.freed == sum(os.path.getsize(copy.path) for copy in found.copies)
    assert found.to_json()["groups"][0]["copies"][0]["reason"] == "same content"


def test_a_later_run_compares_new_files_only(indexed, folder, photograph):
    first = find_duplicates(indexed, workers=1)
    assert first.compared > 0
    again = find_duplicates(indexed, workers=1)
    assert again.compared == 0
    assert names(again) == names(first)
    photograph(2).rotate(90, expand=True).save(folder / "2 turned.png")
    photograph(0).resize((200, 150)).save(folder / "0 smaller.png")
    indexed.index([folder], workers=1)
    last = find_duplicates(indexed, workers=1)
    assert names(last)["0.png"]["0 smaller.png"] == "resized"
    assert 0 < last.compared < 12
    assert [group.id for group in last if "0.png" in group.kept.path] == [group.id for group in first]


def test_a_file_that_is_gone_is_no_copy(indexed, folder):
    find_duplicates(indexed, workers=1)
    (folder / "0.png").unlink()
    found = find_duplicates(indexed, workers=1)
    assert set(names(found)) == {"0 again.png"}
    indexed.index([folder], workers=1)
    assert names(find_duplicates(indexed, workers=1)) == {
        "0 again.png": {"0 small.jpg": "resized", "0 cut.jpg": "cropped"}
    }


@pytest.mark.parametrize(
    ("keep", "kept"), [("largest", "0.png"), ("first-path", "0 again.png"), ("newest", "0 small.jpg")]
)
def test_the_rule_says_which_is_kept(indexed, folder, keep, kept):
    for age, name in enumerate(("0 small.jpg", "0 cut.jpg", "0 again.png", "0.png")):
        os.utime(folder / name, (1.7e9 - age, 1.7e9 - age))
    indexed.index([folder], workers=1)
    assert set(names(find_duplicates(indexed, keep=keep, workers=1))) == {kept}
    assert "0.png" in names(find_duplicates(indexed, keep="oldest", workers=1))


def test_a_chain_of_copies_that_have_little_in_common_is_no_group(photograph, tmp_path):
    folder = tmp_path / "chain"
    folder.mkdir()
    whole = photograph(3, (480, 240))
    whole.crop((0, 0, 240, 240)).resize((500, 500)).save(folder / "left.png")
    whole.crop((60, 0, 420, 240)).save(folder / "middle.png")
    whole.crop((240, 0, 480, 240)).save(folder / "right.png")
    collection = Collection.create(tmp_path / "chain.mms", model="mini")
    collection.index([folder], workers=1)
    for group in find_duplicates(collection, workers=1):
        assert {Path(file.path).name for file in (group.kept, *group.copies)} != {"left.png", "middle.png", "right.png"}


def test_exact_copies_alone_open_no_file(indexed, monkeypatch):
    monkeypatch.setattr(Collection, "thumbnails", None)
    found = find_duplicates(indexed, kinds=["exact"])
    assert names(found) == {"0 again.png": {"0.png": "same content"}} or names(found) == {
        "0.png": {"0 again.png": "same content"}
    }


def test_only_files_that_are_asked_for_are_compared(indexed, folder):
    (folder / "other").mkdir()
    Image.open(folder / "0.png").save(folder / "other" / "0.webp")
    indexed.index([folder], workers=1)
    assert names(find_duplicates(indexed, under=folder / "other", workers=1)) == {}
    found = find_duplicates(indexed, where="width < 300", workers=1)
    assert names(found) == {"0 cut.jpg": {"0 small.jpg": "cropped"}}
    assert names(find_duplicates(indexed, to="text", workers=1)) == {}
    whole = find_duplicates(indexed, workers=1)
    assert len(whole.copies) == 4, "what a narrower run left out is found"


def test_a_burst_is_found_if_it_is_asked_for(photograph, tmp_path):
    folder = tmp_path / "burst"
    folder.mkdir()
    for second in range(2):
        exif = Image.Exif()
        exif.get_ifd(0x8769)[0x9003] = f"2024:05:01 12:00:0{second}"
        photograph(4, (340, 260)).crop((second * 4, 0, 320 + second * 4, 240)).save(
            folder / f"{second}.jpg", exif=exif, quality=95
        )
    collection = Collection.create(tmp_path / "burst.mms", model="mini")
    collection.index([folder], workers=1)
    assert not find_duplicates(collection, workers=1).groups
    found = find_duplicates(collection, kinds=["exact", "near", "burst"], workers=1)
    assert [copy.reason for copy in found.copies] == ["burst"]


def test_a_picture_that_cannot_be_read_is_reported(indexed, folder):
    (folder / "0 cut.jpg").write_bytes(b"\xff\xd8\xff" + bytes(os.path.getsize(folder / "0 cut.jpg") - 3))
    facts = next(record for record in indexed if record.path.endswith("0 cut.jpg"))
    assert facts.state == "changed", "and is left alone"
    assert "0 cut.jpg" not in names(find_duplicates(indexed, workers=1))["0.png"]


def test_progress_is_told(indexed):
    told: list[Progress] = []
    find_duplicates(indexed, workers=1, watch=told.append)
    assert {"index", "decode"} == {progress.stage for progress in told}
    assert told[-1].done == told[-1].total


def test_what_there_is_not_is_named(indexed):
    with pytest.raises(UsageError, match="no rule 'best'; there are: largest"):
        find_duplicates(indexed, keep="best")
    with pytest.raises(UsageError, match="no kind 'similar'"):
        find_duplicates(indexed, kinds=["similar"])


def test_an_empty_collection_has_none(tmp_path):
    assert not find_duplicates(Collection.create(tmp_path / "e.mms", model="mini")).groups
