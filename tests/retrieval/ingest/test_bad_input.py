"""What bad input gets: a reason in `skipped`, a mark, or one clear line; nothing is lost, and the rest is indexed."""

from __future__ import annotations

import errno
import io
import os
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmsearch import Collection
from mmsearch.errors import UsageError
from mmsearch.retrieval.encoders.mini.encoder import MiniEncoder
from mmsearch.retrieval.ingest import run as run_module

GOOD = "good.txt"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with one good text; each test adds what is bad."""
    made = tmp_path / "files"
    made.mkdir()
    (made / GOOD).write_text("A good text about sailing ships.")
    return made


def check(report) -> None:
    assert report.found == report.indexed + report.unchanged + report.moved + len(report.skipped)


def index(collection: Collection, folder: Path, **options):
    report = collection.index([folder], workers=1, **options)
    check(report)
    return report


def reasons(report) -> dict[str, str]:
    return {Path(note.path).name: note.reason for note in report.skipped}


def jpeg(picture) -> bytes:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=90)
    return file.getvalue()


def test_an_empty_folder_gives_an_empty_report_and_no_hits(tmp_path, empty):
    (tmp_path / "void").mkdir()
    report = index(empty, tmp_path / "void")
    assert (report.found, report.rows, report.kept) == (0, 0, ())
    assert empty.search("anything") == []


def test_a_folder_that_does_not_exist_is_one_clear_line(tmp_path, empty):
    with pytest.raises(UsageError, match="nowhere does not exist; give a folder or a file") as error:
        empty.index([tmp_path / "nowhere"])
    assert "\n" not in str(error.value)


def test_a_file_that_may_not_be_read_is_skipped_with_a_reason(folder, empty, faulty_worker):
    (folder / "secret.txt").write_text("Nobody may read this.")
    faulty_worker(
        """
        def faulty_open(path, *rest, open=os.open):
            if b"secret" in os.fsencode(path):
                raise PermissionError(errno.EACCES, "Permission denied")
            return open(path, *rest)
        os.open = faulty_open
        """
    )
    report = index(empty, folder)
    assert reasons(report) == {"secret.txt": "cannot be read: permission denied"}
    assert report.indexed == 1


def test_a_file_of_zero_bytes_is_skipped_with_a_reason(folder, empty):
    (folder / "void.jpg").touch()
    (folder / "void.txt").touch()
    report = index(empty, folder)
    assert set(reasons(report)) == {"void.jpg", "void.txt"}
    assert all("empty" in reason for reason in reasons(report).values())


def test_a_truncated_jpeg_is_used_as_far_as_it_goes_and_marked(folder, empty, drawn):
    whole = jpeg(drawn("cross", (640, 480)))
    (folder / "cut.jpg").write_bytes(whole[: len(whole) * 2 // 3])
    report = index(empty, folder)
    assert report.indexed == 2
    assert [(Path(note.path).name, note.reason) for note in report.marked] == [("cut.jpg", report.marked[0].reason)]
    (hit,) = empty.search("x", to=["image"])
    assert hit.note == report.marked[0].reason
    assert "truncated" in hit.note
    (folder / "copy.jpg").write_bytes((folder / "cut.jpg").read_bytes())
    assert [Path(note.path).name for note in index(empty, folder).marked] == ["copy.jpg"]


def test_a_png_that_claims_30000_by_30000_is_refused_before_it_is_decoded(folder, empty):
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    data = zlib.compress(bytes(100_000))
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    (folder / "bomb.png").write_bytes(png)
    report = index(empty, folder)
    assert "megapixel" in reasons(report)["bomb.png"]
    assert report.indexed == 1


def test_content_decides_what_a_file_is(folder, empty, drawn):
    (folder / "words.jpg").write_text("A text in the clothes of a picture.")
    (folder / "picture.txt").write_bytes(jpeg(drawn("disc")))
    report = index(empty, folder)
    assert report.indexed == 2
    assert reasons(report) == {"words.jpg": "text in a file named .jpg"}
    kinds = {Path(hit.path).name: hit.modality for hit in empty.search("x")}
    assert kinds == {"picture.txt": "image", GOOD: "text"}


@pytest.mark.parametrize(
    "name",
    [
        b"two\nlines.txt",
        "smile 😀.txt".encode(),
        "مرحبا.txt".encode(),
        pytest.param(
            b"caf\xe9.txt", marks=pytest.mark.skipif(sys.platform == "darwin", reason="names are always UTF-8 here")
        ),
    ],
)
def test_odd_names_are_indexed_and_come_back_byte_for_byte(folder, empty, name):
    path = os.path.join(os.fsencode(folder), name)
    with open(path, "wb") as file:
        file.write(b"The quick brown fox.")
    assert index(empty, folder).indexed == 2
    hit = empty.search("a brown fox", to=["text"])[0]
    assert os.fsencode(hit.path) == path
    assert hit.state == "current"
    shown = hit.to_json()
    shown["path"].encode("utf-8")
    assert ("path_b64" in shown) == (name == b"caf\xe9.txt")
    assert index(empty, folder).unchanged == 2
    assert empty.search(Path(hit.path), k=1, include_self=True)[0].path == hit.path


def test_a_path_longer_than_255_bytes_is_indexed(folder, empty):
    deep = folder
    for step in range(12):
        deep = deep / (f"{step:02d}" + "long" * 10)
    deep.mkdir(parents=True)
    (deep / "deep.txt").write_text("Far below the surface.")
    assert len(os.fsencode(deep)) > 500
    assert index(empty, folder).indexed == 2
    assert empty.search("below the surface", k=1)[0].path == str(deep / "deep.txt")


def test_a_file_that_vanishes_between_scan_and_decoding_is_skipped_with_a_reason(folder, empty):
    victim = folder / "victim.txt"
    victim.write_text("Here now, gone in a moment.")

    def watch(progress):
        if progress.stage == "scan":
            plan = run_module.make_plan

            def plan_then_remove(*arguments, **options):
                made = plan(*arguments, **options)
                victim.unlink()
                return made

            patch.setattr(run_module, "make_plan", plan_then_remove)

    with pytest.MonkeyPatch.context() as patch:
        report = index(empty, folder, watch=watch)
    assert reasons(report) == {"victim.txt": "vanished before it could be read"}


def test_a_file_that_changes_while_it_is_read_is_skipped_and_read_by_the_next_run(folder, empty, faulty_worker):
    (folder / "growing.txt").write_text("First half.")
    faulty_worker(
        """
        def hash_and_grow(file, hash_file=worker.hash_file):
            if b"growing" in os.readlink(f"/proc/self/fd/{file.fileno()}").encode():
                with open(os.readlink(f"/proc/self/fd/{file.fileno()}"), "a") as more:
                    more.write(" Second half.")
            return hash_file(file)
        worker.hash_file = hash_and_grow
        worker.confine = lambda *_: None  # it writes in the place of another program
        """
    )
    report = index(empty, folder)
    assert reasons(report) == {"growing.txt": "changed while it was read; run again"}


def test_a_fifo_and_a_device_are_skipped_without_being_opened(folder, empty):
    os.mkfifo(folder / "pipe.txt")
    report = empty.index([folder, "/dev/null"], workers=1)
    check(report)
    assert reasons(report) == {"pipe.txt": "not a regular file", "null": "not a regular file"}
    assert report.indexed == 1


@pytest.mark.parametrize(("fault", "said"), [("os._exit(13)", "crash"), ("time.sleep(600)", "took longer than 1 s")])
def test_a_worker_that_crashes_or_hangs_costs_one_file(folder, empty, faulty_worker, fault, said):
    for name in ("a.txt", "poison.txt", "z.txt"):
        (folder / name).write_text(f"The text of {name}.")
    faulty_worker(
        f"""
        def answer(request, *rest, answer=worker.answer):
            if b"poison" in request.job.path:
                {fault}
            return answer(request, *rest)
        worker.answer = answer
        """,
        time_limit_s=1.0,
    )
    report = index(empty, folder)
    assert set(reasons(report)) == {"poison.txt"}
    assert said in reasons(report)["poison.txt"]
    assert report.indexed == 3


def test_a_full_disk_is_one_line_and_keeps_the_last_commit(photos, collection, monkeypatch):
    from mmsearch.errors import MMSearchError
    from mmsearch.retrieval.store import writer

    (photos / "new.txt").write_text("One text too many.")

    def no_room(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(writer, "write_shard", no_room)
    with pytest.raises(MMSearchError, match="is full: .*; everything up to the last commit is safe"):
        collection.index([photos], workers=1)
    monkeypatch.undo()
    assert len(Collection.open(collection.root).search("x", k=20)) == 10
    assert collection.index([photos], workers=1).indexed == 1


def test_a_text_that_lost_its_words_leaves_the_results(photos, collection, paths_in):
    (photos / "bread.md").write_text(" \n")
    report = collection.index([photos], workers=1)
    check(report)
    assert reasons(report) == {"bread.md": "there is no text in it"}
    assert str(photos / "bread.md") not in paths_in(collection)


def test_a_picture_that_the_model_makes_no_finite_vector_of_is_skipped_and_so_is_its_copy(empty, photos, monkeypatch):
    whole = MiniEncoder.encode_images

    def overflowing(self, pixels):
        vectors = whole(self, pixels)
        vectors[(pixels == 7).all(axis=(1, 2, 3))] = np.nan
        return vectors

    monkeypatch.setattr(MiniEncoder, "encode_images", overflowing)
    for name in ("one.png", "copy.png"):
        Image.new("RGB", (32, 32), (7, 7, 7)).save(photos / name)
    report = empty.index([photos], workers=1)
    skipped = {Path(note.path).name: note.reason for note in report.skipped}
    assert skipped == dict.fromkeys(("one.png", "copy.png"), "the model made no finite vector of it")
    assert report.found == report.indexed + len(report.skipped)
