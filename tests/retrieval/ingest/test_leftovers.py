"""Recycle bins, snapshots, previews and caches are passed over, and said."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mmsearch.retrieval.ingest.scan import Scan
from mmsearch.retrieval.paths import absolute

FOLDERS = [
    "#recycle",
    "#RECYCLE",
    "@Recycle",
    "@Recently-Snapshot",
    "#snapshot",
    "@tmp",
    "RECYCLER",
    "$RECYCLE.BIN",
    "$Recycle.Bin",
    "@eaDir",
    "lost+found",
    "System Volume Information",
    "__MACOSX",
    "FOUND.000",
    "node_modules",
    "Catalog Previews.lrdata",
    "2023 Smart Previews.lrdata",
    "Photos Library.photoslibrary/resources/derivatives",
    "Photos Library.photoslibrary/resources/derivatives/masters",
    "iPhoto Library.photolibrary/Thumbnails",
    "Old.aplibrary/Previews",
    "data/files_trashbin",
    "appdata_oc1a2/preview",
    "Session/CaptureOne/Cache",
    "film.trickplay",
    "PRIVATE/M4ROOT/THMBNL",
]
HIDDEN_FOLDERS = [
    ".thumbnails",
    ".stversions",
    ".Trash-1000",
    ".Trashes",
    ".Trash",
    ".local/share/Trash",
    ".zfs/snapshot",
    ".snapshots",
    ".dropbox.cache",
    ".@__thumb",
    ".recycle",
    ".dtrash",
    ".picasaoriginals",
    ".cache/thumbnails",
]


def put(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"The text of {name}.")


def found(scan: Scan, top: Path) -> list[str]:
    return sorted(os.path.relpath(os.fsdecode(file.path), top) for file in scan.files())


@pytest.mark.parametrize("folder", FOLDERS)
def test_what_programs_left_is_passed_over_and_counted(tmp_path, folder):
    put(tmp_path, "a.txt", f"{folder}/x/b.txt")
    scan = Scan(absolute([tmp_path]))
    assert found(scan, tmp_path) == ["a.txt"]
    assert [passed.count for passed in scan.passed_over] == [1]


@pytest.mark.parametrize("folder", HIDDEN_FOLDERS)
def test_with_hidden_files_too(tmp_path, folder):
    put(tmp_path, ".a.txt", f"{folder}/b.txt")
    assert found(Scan(absolute([tmp_path]), hidden=True), tmp_path) == [".a.txt"]


@pytest.mark.parametrize("folder", ["Recycle", "recycled", "snapshots", "tmp", "Previews", "cache", "Thumbnails"])
def test_a_persons_own_folders_are_not(tmp_path, folder):
    put(tmp_path, f"{folder}/b.txt")
    assert found(Scan(absolute([tmp_path])), tmp_path) == [f"{folder}/b.txt"]


@pytest.mark.parametrize("folder", FOLDERS[:8])
def test_a_folder_that_is_named_is_read(tmp_path, folder):
    put(tmp_path, f"{folder}/b.txt", f"{folder}/c/d.txt")
    assert len(found(Scan(absolute([tmp_path / folder])), tmp_path)) == 2
    assert len(found(Scan(absolute([tmp_path / folder / "c"])), tmp_path)) == 1


def test_a_pattern_that_says_the_very_name_takes_it_in_and_a_wildcard_does_not(tmp_path):
    put(tmp_path, "#recycle/b.txt", ".thumbnails/c.txt")
    assert found(Scan(absolute([tmp_path]), ["!\\#recycle"]), tmp_path) == ["#recycle/b.txt"]
    assert found(Scan(absolute([tmp_path]), ["!.thumbnails/"]), tmp_path) == [".thumbnails/c.txt"]
    assert found(Scan(absolute([tmp_path]), ["!*", "!*/"]), tmp_path) == []


@pytest.mark.parametrize(
    ("film", "previews"),
    [
        ("GOPR0001.MP4", ["GOPR0001.LRV", "GOPR0001.THM"]),
        ("GX010123.MP4", ["GL010123.LRV", "GX010123.THM"]),
        ("gh010123.mp4", ["gl010123.lrv", "gh010123.thm"]),
        ("DJI_0001.MP4", ["DJI_0001.LRF"]),
        ("MVI_1234.AVI", ["MVI_1234.THM"]),
        ("VID_20210101_120000_00_001.insv", ["LRV_20210101_120000_01_001.lrv"]),
    ],
)
def test_a_cameras_small_copies_are_passed_over_beside_their_film_alone(tmp_path, film, previews):
    put(tmp_path, f"with/{film}", *(f"with/{name}" for name in previews), *(f"alone/{name}" for name in previews))
    assert found(Scan(absolute([tmp_path])), tmp_path) == sorted([f"with/{film}", *(f"alone/{n}" for n in previews)])


def test_files_of_systems_are_passed_over(tmp_path):
    put(tmp_path, "a.jpg", "._a.jpg", ".DS_Store", "thumbs.db", "Desktop.ini", "Icon\r", ".trashed-1234-a.jpg")
    assert found(Scan(absolute([tmp_path]), hidden=True), tmp_path) == ["a.jpg"]


def test_caches_are_known_by_their_tag_and_not_by_its_name_alone(tmp_path):
    put(tmp_path, "cache/b.txt", "notes/CACHEDIR.TAG", "notes/c.md")
    (tmp_path / "cache" / "CACHEDIR.TAG").write_text("Signature: 8a477f597d28d172789f06886806bc55\n# made by a program")
    scan = Scan(absolute([tmp_path]))
    assert found(scan, tmp_path) == ["notes/CACHEDIR.TAG", "notes/c.md"]
    assert [(passed.kind, passed.names) for passed in scan.passed_over] == [("cache", ("cache",))]
    assert "cache/b.txt" in found(Scan(absolute([tmp_path / "cache"])), tmp_path)


def test_stores_of_version_controls_and_of_photo_servers_are_known_by_what_is_in_them(tmp_path):
    put(tmp_path, ".git/HEAD", ".git/objects/a", ".git/refs/b", ".git/c.txt", "mirror/HEAD", "mirror/objects/a")
    put(tmp_path, "mirror/refs/b", "thumbs/.immich", "thumbs/x.txt", "storage/.ppstorage", "storage/a.txt", "a.txt")
    assert found(Scan(absolute([tmp_path]), hidden=True), tmp_path) == ["a.txt"]


def test_what_was_indexed_of_them_before_leaves_the_answers(tmp_path, empty, paths_in):
    put(tmp_path / "m", "a.txt", "x/b.txt")
    empty.index([tmp_path / "m"], workers=1)
    (tmp_path / "m" / "x" / "CACHEDIR.TAG").write_text("Signature: 8a477f597d28d172789f06886806bc55")
    report = empty.index([tmp_path / "m"], workers=1)
    assert report.removed == 1
    assert paths_in(empty) == {str(tmp_path / "m" / "a.txt")}
    assert report.to_json()["passed_over"] == [{"kind": "cache", "count": 1, "names": ["x"]}]
