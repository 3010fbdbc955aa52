"""Small pictures on the disk: whole or not there, for one user, and up to a number of bytes."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from mmsearch.serve.picture_cache import PictureCache


def webp(number: int = 0, size: int = 1000) -> bytes:
    """What looks like a picture of a size."""
    return b"RIFF" + (size - 8).to_bytes(4, "little") + b"WEBP" + number.to_bytes(4, "little") * ((size - 12) // 4)


def key(number: int = 0) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def used(folder: Path) -> int:
    return sum(path.stat().st_size for path in files(folder))


@pytest.fixture
def cache(tmp_path: Path) -> PictureCache:
    return PictureCache(tmp_path / "kept" / "pictures", most_bytes=20_000)


def test_what_is_kept_can_be_read_by_another_process(cache, tmp_path):
    assert cache.read(key()) is None
    cache.write(key(), webp())
    assert cache.read(key()) == PictureCache(tmp_path / "kept" / "pictures").read(key()) == webp()


def test_only_its_user_can_look_into_the_folder(cache, tmp_path):
    cache.write(key(), webp())
    folders = {path.stat().st_mode & 0o777 for path in (tmp_path / "kept" / "pictures").rglob("*") if path.is_dir()}
    assert folders == {(tmp_path / "kept" / "pictures").stat().st_mode & 0o777} == {0o700}
    assert {path.stat().st_mode & 0o777 for path in files(tmp_path)} == {0o600}


def test_names_tell_nothing_of_the_files(cache, tmp_path):
    cache.write(key(), webp())
    (path,) = files(tmp_path / "kept")
    assert path.parent.name + path.stem == key()


def test_those_that_were_not_asked_for_longest_go_first(cache, tmp_path):
    for number in range(15):
        cache.write(key(number), webp(number))
        os.utime(tmp_path / "kept" / "pictures" / key(number)[:2] / f"{key(number)[2:]}.webp", (number, number))
    assert cache.read(key(0)) is not None  # is asked for now
    for number in range(15, 25):
        cache.write(key(number), webp(number))
    cache.sweep()
    assert used(tmp_path) <= 20_000
    removed = [number for number in range(25) if cache.read(key(number)) is None]
    assert removed
    assert removed == list(range(1, 1 + len(removed)))


def test_the_bound_holds_while_it_is_written_to(cache, tmp_path):
    for number in range(200):
        cache.write(key(number), webp(number))
        assert used(tmp_path) < 20_000 * 1.15
    assert used(tmp_path) > 15_000


def test_a_file_that_is_cut_off_is_not_there(cache, tmp_path):
    cache.write(key(), webp())
    (path,) = files(tmp_path)
    for damaged in (webp()[:500], b"", b"\0" * 1000):
        path.write_bytes(damaged)
        assert cache.read(key()) is None
        assert not path.exists()


def test_what_a_process_that_died_left_unfinished_is_removed_after_a_while(cache, tmp_path):
    cache.write(key(), webp())
    left = files(tmp_path)[0].with_name("0123.part")
    left.write_bytes(b"half")
    cache.sweep()
    assert left.exists()
    os.utime(left, (0, 0))
    cache.sweep()
    assert not left.exists()
    assert cache.read(key()) is not None


def test_a_disk_that_takes_nothing_is_no_error(tmp_path):
    (tmp_path / "file").write_text("")
    cache = PictureCache(tmp_path / "file" / "pictures")
    cache.write(key(), webp())
    assert cache.read(key()) is None


def test_other_files_in_the_folder_are_left_alone(cache, tmp_path):
    cache.write(key(), webp())
    other = files(tmp_path)[0].with_name("notes.txt")
    other.write_bytes(b"x" * 50_000)
    cache.sweep()
    assert other.exists()


def test_several_threads_and_processes_write_at_once(cache, tmp_path):
    program = f"""
from pathlib import Path
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from test_picture_cache import PictureCache, key, webp
cache = PictureCache(Path({str(tmp_path / "kept" / "pictures")!r}), most_bytes=20_000)
for number in range(300):
    cache.write(key(number % 50), webp(number % 50))
    found = cache.read(key((number * 7) % 50))
    assert found is None or found == webp((number * 7) % 50)
"""
    others = [subprocess.Popen([sys.executable, "-c", program]) for _ in range(2)]
    failed: list[int] = []

    def write() -> None:
        for number in range(300):
            cache.write(key(number % 50), webp(number % 50))
            if cache.read(key(number % 50)) not in (None, webp(number % 50)):
                failed.append(number)

    threads = [threading.Thread(target=write) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [other.wait(60) for other in others] == [0, 0]
    assert failed == []
    cache.sweep()
    assert used(tmp_path) <= 20_000
