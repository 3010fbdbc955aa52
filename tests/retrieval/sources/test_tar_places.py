"""Where the files of a tar lie is found in one pass over its headers, and kept."""

from __future__ import annotations

import io
import os
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmsearch.retrieval.sources import tar_places
from mmsearch.retrieval.sources.archives import open_member
from mmsearch.retrieval.sources.tar_places import places_in_tar


class Counted(io.FileIO):
    """A file that counts the bytes that are read from it."""

    count = 0

    def read(self, size: int = -1) -> bytes:
        data = super().read(size)
        self.count += len(data)
        return data


names = st.lists(st.text("abc/é ", min_size=1, max_size=150).filter(lambda n: n.strip("/ ")), min_size=1, max_size=6)


@given(names, st.data())
def test_the_bytes_of_each_file_are_found(tmp_path_factory, archives, names, data):
    files = {f"{number}{name.rstrip('/')}": data.draw(st.binary(max_size=1200)) for number, name in enumerate(names)}
    path = archives.write_tar(tmp_path_factory.mktemp("t") / "a.tar", files)
    for name, content in files.items():
        with open_member(str(path), name, 1 << 20) as held:
            assert held.file.read() == content


def test_headers_alone_are_read_and_only_once(tmp_path, archives):
    path = archives.write_tar(tmp_path / "a.tar", {f"{number}.jpg": bytes(100_000) for number in range(50)})
    with Counted(path) as file:
        places = places_in_tar(file, str(path))
        assert len(places) == 50
        assert file.count < 50 * 100_000 / 10
        before = file.count
        assert places_in_tar(file, str(path)) is places
        assert file.count == before


def test_a_tar_that_has_changed_is_read_again(tmp_path, archives):
    path = archives.write_tar(tmp_path / "a.tar", {"1.jpg": b"one"})
    with open_member(str(path), "1.jpg", 99) as held:
        assert held.file.read() == b"one"
    archives.write_tar(path, {"0.jpg": bytes(2000), "1.jpg": b"two"})
    with open_member(str(path), "1.jpg", 99) as held:
        assert held.file.read() == b"two"


def test_lists_are_bounded(tmp_path, archives, monkeypatch):
    monkeypatch.setattr(tar_places, "_MOST_NAMES", 5)
    lists = tar_places._Lists()
    for number in range(4):
        path = archives.write_tar(tmp_path / f"{number}.tar", {f"{one}.jpg": b"x" for one in range(3)})
        with path.open("rb") as file:
            lists.of(file, str(path))
    assert len(lists._kept) == 1


def test_of_two_files_of_one_name_the_first_counts(tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        for content in (b"first", b"second"):
            info = tarfile.TarInfo("./1.jpg")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    with open_member(str(tmp_path / "a.tar"), "1.jpg", 99) as held:
        assert held.file.read() == b"first"


def test_a_tar_that_is_cut_short_gives_what_is_whole(tmp_path, archives):
    path = archives.write_tar(tmp_path / "a.tar", {"1.jpg": b"one", "2.jpg": bytes(5000)})
    os.truncate(path, 512 + 512 + 512 + 1000)
    with open_member(str(path), "1.jpg", 99) as held:
        assert held.file.read() == b"one"
    with pytest.raises(Exception, match="cut short or damaged"):
        open_member(str(path), "2.jpg", 9999)
    with pytest.raises(FileNotFoundError):
        open_member(str(path), "3.jpg", 9999)


def test_what_is_larger_than_allowed_is_not_taken_out(tmp_path, archives):
    path = archives.write_tar(tmp_path / "a.tar", {"1.jpg": bytes(1000)})
    with pytest.raises(Exception, match="too large"):
        open_member(str(path), "1.jpg", 999)
