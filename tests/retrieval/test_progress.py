"""What long work reports while it runs."""

from __future__ import annotations

from mmsearch import Progress


def test_a_progress_shows_what_it_holds():
    assert repr(Progress("scan")) == "<Progress scan>"
    assert repr(Progress("encode", 3, 1200, 2, "a.png")) == "<Progress encode 3/1,200 files, 2 committed, 'a.png'>"
    film = Progress("encode", 0, 2, 0, "f.mp4", 83.4, 3600.0)
    assert repr(film) == "<Progress encode 0/2 files, 0 committed, 'f.mp4' at 00:01:23 of 01:00:00>"


def test_every_field_of_progress_is_documented():
    documented = Progress.__doc__ or ""
    assert [name for name in Progress.__dataclass_fields__ if f"\n        {name}: " not in documented] == []


def test_an_event_names_the_file_only_within_a_film_or_sound():
    counts = {"stage": "encode", "done": 1, "total": 2, "committed": 1}
    assert Progress("encode", 1, 2, 1, "a.png").to_json() == counts
    assert Progress("encode", 1, 2, 1, "f.mp4", 1.5).to_json() == {**counts, "path": "f.mp4", "at_s": 1.5}
