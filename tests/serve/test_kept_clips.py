"""Clips that are kept for a while: up to a number of bytes, in files that have no names."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from mmsearch.serve import kept_clips
from mmsearch.serve.kept_clips import KeptClip, KeptClips


def clip_of(data: bytes) -> KeptClip:
    clip = KeptClip({})
    clip.add(data)
    return clip


def open_temporary_files() -> int:
    return sum(" (deleted)" in os.readlink(entry) for entry in Path("/proc/self/fd").iterdir() if entry.is_symlink())


def test_readers_have_places_of_their_own():
    clip = KeptClip({})
    for piece in (b"abc", b"", b"def"):
        clip.add(piece)
    one, two = clip.reader(), clip.reader()
    assert (one.read(2), two.read(4), one.read(10), two.read(10)) == (b"ab", b"abcd", b"cdef", b"ef")
    assert one.seek(1) == 1
    assert one.read(2) == b"bc"
    assert one.read(0) == one.read(0) == b""


def test_no_two_clips_are_the_same_version():
    assert KeptClip({}).version != KeptClip({}).version


def test_those_that_were_not_asked_for_longest_go_when_there_are_too_many_bytes(monkeypatch):
    monkeypatch.setattr(kept_clips, "_MOST_BYTES_OF_ALL", 10)
    kept = KeptClips()
    kept.keep("a", clip_of(b"1234"))
    kept.keep("b", clip_of(b"1234"))
    assert kept.find("a") is not None
    kept.keep("c", clip_of(b"1234"))
    assert [kept.find(key) is not None for key in "abc"] == [True, False, True]


def test_a_clip_goes_when_nobody_asks_for_it_for_some_minutes(monkeypatch):
    kept = KeptClips()
    kept.keep("a", clip_of(b"1"))
    now = time.monotonic
    monkeypatch.setattr(kept_clips.time, "monotonic", lambda: now() + 200)
    assert kept.find("a") is not None
    monkeypatch.setattr(kept_clips.time, "monotonic", lambda: now() + 400)
    assert kept.find("a") is not None
    monkeypatch.setattr(kept_clips.time, "monotonic", lambda: now() + 701)
    assert kept.find("a") is None


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="counts descriptors in /proc")
def test_its_file_has_no_name_and_is_gone_with_its_last_reader():
    before = open_temporary_files()
    kept = KeptClips()
    kept.keep("a", clip_of(b"1234"))
    found = kept.find("a")
    reader = found.reader()
    assert open_temporary_files() == before + 1
    kept.clear()
    del found
    assert reader.read(4) == b"1234"
    reader.close()
    del reader
    assert open_temporary_files() == before
