"""What was not seen is not always deleted: folders and disks may be away for a while, and their rows are kept."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mmsearch import Collection
from mmsearch.cli.hints import with_hint
from mmsearch.retrieval.ingest import mounts


@pytest.fixture
def media(tmp_path, photos) -> Path:
    """``local/`` with the pictures and ``usb1/`` with the texts of `photos`."""
    media = tmp_path / "media"
    for name, pattern in (("local", "*.[jp]*g"), ("usb1", "*.[tm]*")):
        (media / name).mkdir(parents=True)
        for path in photos.glob(pattern):
            shutil.move(path, media / name / path.name)
    return media


@pytest.fixture
def made(media, empty) -> Collection:
    assert empty.index([media], workers=1).indexed == 10
    return empty


def kept(report) -> list[tuple[str, int]]:
    """The folders that are said to be kept, with the number of their files."""
    assert all("--prune-missing" in with_hint(note.reason, note.hint) for note in report.kept)
    return [(Path(note.path).name, int(note.reason.split(": ")[1].split()[0])) for note in report.kept]


@pytest.mark.parametrize("left", ["nothing", "an empty folder", "a hidden file", "a leftover of the system"])
def test_a_folder_below_the_root_that_is_suddenly_empty_or_missing_keeps_its_rows(media, made, embedded, left):
    away = media.parent / "away"
    (media / "usb1").rename(away)
    if left != "nothing":
        (media / "usb1").mkdir()
    if left == "a hidden file":
        (media / "usb1" / ".keep").touch()
    if left == "a leftover of the system":
        (media / "usb1" / "Thumbs.db").touch()
    report = made.index([media], workers=1)
    assert (report.removed, report.unchanged, kept(report)) == (0, 8, [("usb1", 2)])
    assert {hit.state for hit in made.search("boats on water", to=["text"])} == {"gone"}
    shutil.rmtree(media / "usb1", ignore_errors=True)
    away.rename(media / "usb1")
    report = made.index([media], workers=1)
    assert (report.unchanged, report.kept, embedded.texts[1:]) == (10, (), [])


def test_the_outermost_folder_is_named_once(media, made):
    deep = media / "local" / "2020" / "may"
    deep.mkdir(parents=True)
    (deep / "a.txt").write_text("A text of its own.")
    (deep.parent / "b.txt").write_text("Another text.")
    made.index([media], workers=1)
    shutil.rmtree(deep.parent)
    assert kept(made.index([media], workers=1)) == [("2020", 2)]


def test_prune_missing_forgets_what_lay_in_a_missing_folder(media, made, paths_in):
    shutil.rmtree(media / "usb1")
    report = made.index([media], workers=1, prune_missing=True)
    assert (report.removed, report.kept) == (2, ())
    assert len(paths_in(made)) == 8


def test_a_file_that_is_deleted_from_a_folder_with_others_is_forgotten(media, made):
    (media / "usb1" / "bread.md").unlink()
    report = made.index([media], workers=1)
    assert (report.removed, report.kept) == (1, ())


def test_a_name_that_cannot_be_looked_at_is_not_gone(tmp_path):
    assert mounts.is_gone(os.fsencode(tmp_path / "nothing"))
    (tmp_path / "file").touch()
    assert mounts.is_gone(os.fsencode(tmp_path / "file" / "below"))
    assert not mounts.is_gone(os.fsencode(tmp_path / ("too long" * 100)))


def test_a_removed_file_that_returns_is_not_embedded_again(media, made, embedded):
    (media / "usb1" / "bread.md").rename(media.parent / "bread.md")
    (media / "local" / "disc.png").rename(media.parent / "disc.png")
    assert made.index([media], workers=1).removed == 2
    (media.parent / "bread.md").rename(media / "usb1" / "loaf.md")
    (media.parent / "disc.png").rename(media / "local" / "disc.png")
    report = made.index([media], workers=1)
    assert (report.indexed, len(embedded)) == (2, 0)
    assert {Path(hit.path).name for hit in made.search("a loaf of bread", to=["text"], k=1)} == {"loaf.md"}
    assert Collection.doctor(made.root) == []


def test_a_file_that_is_removed_and_returns_again_and_again_has_its_rows_once(media, made, embedded, paths_in):
    text, aside = media / "usb1" / "bread.md", media.parent / "bread.md"
    for _ in range(3):
        text.rename(aside)
        made.index([media], workers=1)
        aside.rename(text)
        assert made.index([media], workers=1).indexed == 1
    assert len(embedded) == 0
    assert sum(part.rows for part in made.status().modalities) == 10


def test_rows_that_compact_dropped_are_embedded_again(media, made, embedded):
    text, aside = media / "usb1" / "bread.md", media.parent / "bread.md"
    text.rename(aside)
    made.index([media], workers=1)
    made.compact()
    aside.rename(text)
    made.index([media], workers=1)
    assert len(embedded.texts) == 1


def test_dead_rows_of_another_column_are_not_taken_for_those_asked_for(tmp_path, empty, embedded):
    table = tmp_path / "files" / "t.csv"
    table.parent.mkdir()
    (table.parent / "other.txt").write_text("Something else.")
    table.write_text("caption,comment\nA red boat on the sea,a good picture indeed\n")
    empty.index([table.parent], workers=1, text_column="caption")
    text = table.read_text()
    table.unlink()
    empty.index([table.parent], workers=1)
    embedded.clear()
    table.write_text(text)
    empty.index([table.parent], workers=1, text_column="comment")
    assert embedded.texts == ["a good picture indeed"]


def test_a_sound_that_returns_is_embedded_anew_for_other_windows_alone(tmp_path, empty, films):
    sounds, aside = tmp_path / "sounds", tmp_path / "tone.wav"
    sounds.mkdir()
    (sounds / "words.txt").write_text("Something else.")
    (sounds / "tone.wav").write_bytes(films.wav((films.tone(12, 8000) * 32000).astype("int16"), 8000))
    empty.index([sounds], workers=1)
    for window, hop, rows in ((10.0, 5.0, 2), (4.0, 4.0, 3)):
        (sounds / "tone.wav").rename(aside)
        empty.index([sounds], workers=1)
        aside.rename(sounds / "tone.wav")
        assert empty.index([sounds], workers=1, window=window, hop=hop).rows == rows


# --- disks ---------------------------------------------------------------------------------------------------------


class Disks:
    """Mount points as the code sees them: a folder and what is below it lie on a device of their own."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.at: dict[str, int] = {}
        device_of = mounts.device_of

        def device(folder: bytes) -> int | None:
            real = device_of(folder)
            on = [number for mount, number in self.at.items() if (os.fsdecode(folder) + "/").startswith(mount + "/")]
            return on[-1] if real is not None and on else real

        monkeypatch.setattr(mounts, "device_of", device)
        monkeypatch.setattr(mounts, "identity_of", lambda folder: f"device {device(folder)}")


@pytest.fixture
def disks(monkeypatch: pytest.MonkeyPatch) -> Disks:
    return Disks(monkeypatch)


def test_files_that_lie_below_a_mount_point_do_not_hide_that_its_disk_is_away(media, disks, empty, embedded):
    disks.at[str(media / "usb1")] = 71
    empty.index([media], workers=1)
    embedded.clear()
    (media / "usb1").rename(media.parent / "away")
    del disks.at[str(media / "usb1")]
    (media / "usb1").mkdir()
    (media / "usb1" / "readme.txt").write_text("The disk belongs here.")
    for _ in range(2):
        report = empty.index([media], workers=1)
        assert (report.removed, kept(report)) == (0, [("usb1", 2)])
        assert "not mounted" in report.kept[0].reason
    shutil.rmtree(media / "usb1")
    (media.parent / "away").rename(media / "usb1")
    disks.at[str(media / "usb1")] = 71
    embedded.clear()
    report = empty.index([media], workers=1)
    assert (report.unchanged, report.removed, report.kept, len(embedded)) == (10, 1, (), 0)


def test_another_disk_at_the_mount_point_does_not_forget_the_first(media, disks, empty, paths_in):
    disks.at[str(media / "usb1")] = 71
    empty.index([media], workers=1)
    (media / "usb1").rename(media.parent / "away")
    (media / "usb1").mkdir()
    (media / "usb1" / "other.txt").write_text("Of the other disk.")
    disks.at[str(media / "usb1")] = 72
    for _ in range(2):
        report = empty.index([media], workers=1)
        assert (report.removed, kept(report)) == (0, [("usb1", 2)])
        assert "another disk" in report.kept[0].reason
    assert len(paths_in(empty)) == 11
    assert empty.index([media], workers=1, prune_missing=True).removed == 2
    (media / "usb1" / "other.txt").unlink()
    (media / "usb1" / "new.txt").write_text("Also of the other disk.")
    assert empty.index([media], workers=1).removed == 1, "now it is the disk that is known"


def test_a_disk_mounted_over_a_folder_that_held_files_keeps_their_rows(media, disks, made):
    (media / "usb1").rename(media.parent / "covered")
    (media / "usb1").mkdir()
    (media / "usb1" / "other.txt").write_text("Of the new disk.")
    disks.at[str(media / "usb1")] = 71
    for _ in range(2):
        report = made.index([media], workers=1)
        assert (report.removed, kept(report)) == (0, [("usb1", 2)])


def test_a_file_deleted_from_a_mounted_disk_is_forgotten(media, disks, empty):
    disks.at[str(media / "usb1")] = 71
    empty.index([media], workers=1)
    (media / "usb1" / "bread.md").unlink()
    assert empty.index([media], workers=1).removed == 1


def test_a_copy_of_what_lies_on_an_absent_disk_is_no_move(media, disks, empty, embedded, paths_in):
    disks.at[str(media / "usb1")] = 71
    empty.index([media], workers=1)
    before = paths_in(empty)
    (media / "usb1").rename(media.parent / "copy")
    (media / "usb1").mkdir()
    del disks.at[str(media / "usb1")]
    embedded.clear()
    report = empty.index([media.parent / "copy"], workers=1)
    assert (report.indexed, report.moved, len(embedded)) == (2, 0, 0)
    assert before < paths_in(empty)


_WITH_A_REAL_DISK = """
import subprocess, sys, shutil
from pathlib import Path
from mmsearch import Collection
media, copy = Path(sys.argv[1]), Path(sys.argv[2])
usb = media / "usb1"
mount = lambda: subprocess.run(["mount", "-t", "tmpfs", "none", usb], check=True)
mount()
for path in copy.iterdir():
    shutil.copy2(path, usb)
made = Collection.create(media.parent / "real.mms", model="mini")
assert made.index([media], workers=1).indexed == 10
subprocess.run(["umount", usb], check=True)
(usb / "below.txt").write_text("It lies in the folder that the disk is mounted over.")
report = made.index([media], workers=1)
assert (report.indexed, report.unchanged, report.removed, len(report.kept)) == (1, 8, 0, 1), report
mount()
(usb / "another.txt").write_text("Another disk.")
report = made.index([media], workers=1)
assert (report.removed, len(report.kept)) == (0, 1), report
"""


@pytest.mark.skipif(
    sys.platform != "linux"
    or subprocess.run(["unshare", "-m", "mount", "-t", "tmpfs", "none", "/mnt"]).returncode != 0,
    reason="mounting is not permitted here",
)
def test_a_real_disk_that_is_unmounted_and_replaced_keeps_its_rows(media):
    away = media.parent / "away"
    (media / "usb1").rename(away)
    (media / "usb1").mkdir()
    command = ["unshare", "-m", sys.executable, "-c", _WITH_A_REAL_DISK, str(media), str(away)]
    ran = subprocess.run(command, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr


def test_a_folder_in_which_only_excluded_files_are_left_is_there(media, made):
    (media / "usb1" / "harbour.txt").unlink()
    report = made.index([media], workers=1, exclude=("bread.md",))
    assert (report.removed, report.kept) == (2, ())
