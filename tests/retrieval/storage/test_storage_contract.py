"""What every storage does: folders, buckets of S3, and the memory of fsspec, by the same tests."""

from __future__ import annotations

import os
import random
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mmsearch.errors import ConflictError, NoSuchObjectError, UsageError
from mmsearch.retrieval.storage import Storage, StoredObject, join, storage_of

CONDITIONAL = ["folder", "s3"]


@pytest.fixture(params=["folder", "s3", "memory"])
def place(request, tmp_path) -> str:
    """The address of an empty folder in each storage."""
    if request.param == "folder":
        return str(tmp_path / "files")
    if request.param == "s3":
        return join(request.getfixturevalue("s3").address, "files")
    fsspec = pytest.importorskip("fsspec", reason="needs fsspec")
    memory = fsspec.filesystem("memory")
    memory.store.clear()
    memory.pseudo_dirs[:] = [""]
    return "memory://here/files"


@pytest.fixture
def storage(place) -> Storage:
    return storage_of(place)


def test_what_is_put_is_read_whole_and_by_ranges(storage, place):
    address = join(place, "a/b.bin")
    data = random.Random(1).randbytes(100_000)
    made = storage.put(address, data)
    assert (made.address, made.size) == (address, 100_000)
    assert storage.read(address) == data
    for start, end in ((0, 10), (5, 5), (99_990, 200_000), (100_000, 100_001), (7, None), (100_000, None), (9, 3)):
        assert storage.read(address, start, end) == data[start:end], (start, end)
    storage.put(address, b"")
    assert storage.read(address) == b""


def test_a_local_file_is_put_in_pieces(storage, place, tmp_path):
    source = tmp_path / "source"
    source.write_bytes(random.Random(2).randbytes(12 << 20))
    made = storage.put(join(place, "big"), source)
    assert made.size == 12 << 20
    assert storage.read(join(place, "big")) == source.read_bytes()


def test_objects_are_listed_ascending_with_what_stat_says(storage, place):
    names = ["a.txt", "a/x", "a/b/c", "a-b", "b", "ü/ß.txt", "sp ace/#?%41.txt", "a0"]
    for name in names:
        storage.put(join(place, name), name.encode())
    storage.put(join(place + "-beside", "not listed"), b"")
    listed = list(storage.list(place))
    assert [item.address for item in listed] == sorted(join(place, name) for name in names)
    for item in listed:
        assert item == storage.stat(item.address)
        assert item.size == len(storage.read(item.address))
        assert item.mtime_ns > 1e18
    assert [item.address for item in storage.list(join(place, "a"))] == [join(place, "a/b/c"), join(place, "a/x")]
    assert list(storage.list(join(place, "none"))) == []
    assert list(storage.list(join(place, "a.txt"))) == []


def test_an_etag_changes_with_the_content(storage, place):
    address = join(place, "a")
    etags = {storage.put(address, b"%d" % i).etag for i in range(5)}
    assert storage.stat(address).etag in etags
    if not place.startswith("memory"):
        assert len(etags) == 5
    assert storage.read(address, 0, 1, etag=storage.stat(address).etag) == b"4"
    with pytest.raises(ConflictError, match="has changed"):
        storage.read(address, etag='"of another"')


def test_what_is_not_there_is_one_kind_of_error(storage, place):
    storage.put(join(place, "folder/file"), b"x")
    for name in ("none", "folder", "none/below"):
        address = join(place, name)
        for ask in (storage.stat, storage.read, storage.open):
            with pytest.raises(FileNotFoundError) as error:
                ask(address)
            assert isinstance(error.value, NoSuchObjectError)
            assert address in str(error.value)
            assert "\n" not in str(error.value)
    storage.delete(join(place, "none"))


def test_what_is_deleted_is_gone(storage, place):
    storage.put(join(place, "a"), b"x")
    storage.delete(join(place, "a"))
    assert list(storage.list(place)) == []


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.tuples(st.sampled_from("srt"), st.integers(0, 700_000)), max_size=12), st.randoms())
def test_an_open_file_reads_as_a_file_of_the_disk_does(storage, place, tmp_path, steps, chance):
    local = tmp_path / "local"
    if not local.exists():
        local.write_bytes(random.Random(3).randbytes(600_000))
        storage.put(join(place, "big"), local)
    with open(local, "rb") as expected, storage.open(join(place, "big")) as file:
        for kind, number in steps:
            if kind == "s":
                assert file.seek(number) == expected.seek(number)
            elif kind == "r":
                assert file.read(number) == expected.read(number)
            else:
                whence = chance.choice([os.SEEK_CUR, os.SEEK_END])
                assert file.seek(max(-file.tell(), -number % 1000), whence) >= 0
                expected.seek(file.tell())
            assert file.tell() == expected.tell()
        assert file.read() == expected.read()


def absent_or_unchanged(storage: Storage, address: str, before: StoredObject | None, data: bytes) -> StoredObject:
    if before is None:
        return storage.put_if_absent(address, data)
    return storage.put_if_unchanged(address, data, before.etag)


@pytest.mark.parametrize("place", CONDITIONAL, indirect=True)
@pytest.mark.parametrize("there", [False, True])
def test_of_many_who_write_on_a_condition_one_succeeds(storage, place, there):
    address = join(place, "manifest")
    before = storage.put(address, b"before") if there else None
    made: list[StoredObject] = []
    conflicts: list[str] = []

    def write(number: int) -> None:
        try:
            made.append(absent_or_unchanged(storage, address, before, b"written by %d" % number))
        except ConflictError as error:
            conflicts.append(str(error))

    threads = [threading.Thread(target=write, args=[i]) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(made), len(conflicts)) == (1, 7)
    assert storage.stat(address).etag == made[0].etag
    assert storage.read(address).startswith(b"written by")
    assert all(address in text and "\n" not in text for text in conflicts)
    storage.put_if_unchanged(address, b"the next", made[0].etag)
    assert [item.address for item in storage.list(place)] == [address]


@pytest.mark.parametrize("place", CONDITIONAL, indirect=True)
def test_what_is_gone_has_changed(storage, place):
    made = storage.put(join(place, "a"), b"x")
    storage.delete(made.address)
    with pytest.raises(ConflictError):
        storage.put_if_unchanged(made.address, b"y", made.etag)
    assert list(storage.list(place)) == []


@pytest.mark.parametrize("place", CONDITIONAL, indirect=True)
def test_a_file_that_changes_while_it_is_read_is_an_error_and_no_mixture(storage, place):
    data = bytes(3 << 20)
    address = storage.put(join(place, "a"), data).address
    with storage.open(address) as file:
        read = file.read(1000)
        storage.put(address, b"x" * (3 << 20))
        try:
            read += file.read()
        except ConflictError:
            return
    assert read == data, "a disk keeps the old file for whoever has it open"


@pytest.mark.parametrize("place", ["memory"], indirect=True)
def test_a_storage_that_cannot_decide_says_so(storage, place):
    with pytest.raises(UsageError, match="memory:// cannot be written on a condition"):
        storage.put_if_absent(join(place, "a"), b"")
    with pytest.raises(UsageError, match="memory:// cannot be written on a condition"):
        storage.put_if_unchanged(join(place, "a"), b"", "etag")


def test_a_put_that_is_killed_leaves_what_was_there(tmp_path, monkeypatch):
    storage = storage_of(str(tmp_path))
    address = storage.put(str(tmp_path / "a"), b"whole").address
    for name in ("fsync", "replace"):
        with monkeypatch.context() as patch:

            def die(*arguments: object) -> None:
                raise KeyboardInterrupt

            patch.setattr(f"os.{name}", die)
            with pytest.raises(KeyboardInterrupt):
                storage.put(address, b"half")
        assert storage.read(address) == b"whole"
        assert os.listdir(tmp_path) == ["a"]
    assert Path(address).read_bytes() == b"whole"
