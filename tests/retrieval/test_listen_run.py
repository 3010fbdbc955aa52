"""Listening: a recording grows on disk and in the collection, a query is answered, and nothing that came is lost."""

from __future__ import annotations

import datetime as dt
import threading
import time
import wave
from pathlib import Path

import numpy as np
import pytest

from mmsearch import Collection, CollectionBusyError, DecodeError, Query, UsageError
from mmsearch.retrieval.listen_run import default_name
from mmsearch.retrieval.store.writer import open_writer


@pytest.fixture
def talk(voices, tmp_path) -> Path:
    """25 seconds: "fire alarm" at 5 s, "harbour" at 15 s."""
    parts = [
        voices.silence(5),
        voices.say("fire", "alarm"),
        voices.silence(8.2),
        voices.say("harbour"),
        voices.silence(9),
    ]
    return voices.write_wav(tmp_path / "source.wav", *parts)


@pytest.fixture
def reader(voices):
    return voices.PitchReader()


def rows(collection: Collection) -> dict[tuple[str, float, float], np.ndarray]:
    """Vectors by modality and span."""
    found = {}
    for modality in ("audio", "text"):
        stored = collection.searcher().rows(modality)
        if not len(stored):
            continue
        facts = stored.facts(["span_start", "span_end", "passage"]).to_pylist()
        live = stored.live if stored.live is not None else np.ones(len(stored), bool)
        vectors = stored.vectors_at(np.arange(len(stored)))
        found |= {
            (modality, round(row["span_start"], 2), round(row["span_end"], 2)): vector
            for row, alive, vector in zip(facts, live, vectors, strict=True)
            if alive
        }
    return found


def test_what_is_heard_is_indexed_as_the_file_that_is_saved(talk, tmp_path, empty, reader):
    saved = tmp_path / "saved.wav"
    *_, last = empty.listen(talk, saved, transcribe=reader, every_s=0.05, idle_s=0.0)
    with wave.open(str(saved)) as file, wave.open(str(talk)) as source:
        assert file.readframes(10**9) == source.readframes(10**9)
    assert last.path == saved
    assert last.until_s == pytest.approx(25.2, abs=0.5)
    listened = rows(empty)
    assert empty.index([saved], transcribe=reader, workers=1).unchanged == 1
    again = Collection.create(tmp_path / "again.mms", model="mini")
    again.index([saved], transcribe=reader, workers=1)
    indexed = rows(again)
    assert listened.keys() == indexed.keys()
    for key, vector in indexed.items():
        np.testing.assert_allclose(listened[key].astype(float), vector.astype(float), atol=2e-3)
    assert [hit.text for hit in empty.search("harbour", k=1, to="text")] == ["harbour"]


def test_rows_are_there_while_the_source_still_runs(voices, tmp_path, empty, reader):
    growing = tmp_path / "growing.wav"
    first = voices.pcm(voices.silence(2), voices.say("fire", "alarm"), voices.silence(10))
    voices.write_wav(growing, np.zeros(0, np.float32))
    with growing.open("ab") as file:
        file.write(first)
    events = empty.listen(growing, tmp_path / "saved.wav", transcribe=reader, every_s=0.2, idle_s=30.0)
    heard = next(events)
    said = [piece.text for piece in heard.said]
    while "alarm" not in said:
        heard = next(events)
        said += [piece.text for piece in heard.said]
    assert said == ["fire", "alarm"]
    other = Collection.open(empty.root)
    assert other.search("fire alarm", k=1, to="text")[0].text == "fire alarm"
    with wave.open(str(tmp_path / "saved.wav")) as file:
        assert file.getnframes() / 16_000 >= 6, "the file on disk is whole at each commit"
    events.close()
    assert empty.index([tmp_path / "saved.wav"], transcribe=reader, workers=1).unchanged == 1


def test_a_standing_query_is_answered_once_for_each_match(talk, tmp_path, photos, empty, reader):
    empty.index([photos], workers=1)
    events = list(
        empty.listen(talk, tmp_path / "s.wav", query="fire alarm", transcribe=reader, every_s=0.05, idle_s=0.0)
    )
    hits = [hit for heard in events for hit in heard.hits if "speech" in hit.evidence]
    (hit,) = hits
    assert hit.span.start == pytest.approx(5.2, abs=0.1)
    assert hit.level in ("strong", "likely")


def test_a_query_may_be_a_query_of_several_terms(talk, tmp_path, photos, empty, reader):
    empty.index([photos], workers=1)
    query = Query("harbour", minus=["bread"])
    events = list(empty.listen(talk, tmp_path / "s.wav", query=query, min_level=None, transcribe=reader, idle_s=0.0))
    assert events[-1].hits


def test_without_a_model_for_speech_sounds_are_indexed(talk, tmp_path, empty):
    *_, last = empty.listen(talk, tmp_path / "s.wav", transcribe="off", idle_s=0.0)
    assert last.said == ()
    assert {modality for modality, _, _ in rows(empty)} == {"audio"}


def test_a_short_recording_is_one_short_window(voices, tmp_path, empty):
    source = voices.write_wav(tmp_path / "short.wav", voices.say("fire"))
    list(empty.listen(source, tmp_path / "s.wav", transcribe="off", idle_s=0.0))
    assert list(rows(empty)) == [("audio", 0.0, 1.0)]


def test_another_writer_is_waited_for(talk, tmp_path, empty):
    events = empty.listen(talk, tmp_path / "s.wav", transcribe="off", every_s=0.05, idle_s=0.0)
    with open_writer(empty.root):
        done = []
        listening = threading.Thread(target=lambda: done.extend(events))
        listening.start()
        time.sleep(2)
        assert not done
        with pytest.raises(CollectionBusyError), open_writer(empty.root):
            pass
    listening.join(timeout=60)
    assert done[-1].until_s > 24
    assert len(rows(empty)) >= 4


def test_what_is_wrong_is_told_before_anything_is_written(voices, tmp_path, empty, talk):
    (tmp_path / "there.wav").write_bytes(b"mine")
    with pytest.raises(UsageError, match="already"):
        list(empty.listen(talk, tmp_path / "there.wav"))
    assert (tmp_path / "there.wav").read_bytes() == b"mine"
    (tmp_path / "no.wav").write_bytes(b"no sound")
    with pytest.raises(DecodeError, match=r"cannot listen to .*no\.wav"):
        list(empty.listen(tmp_path / "no.wav", tmp_path / "new.wav", idle_s=0.0))
    assert not (tmp_path / "new.wav").exists()


def test_a_recording_without_a_name_has_its_date_and_time():
    assert default_name(dt.datetime(2026, 11, 30, 14, 5, 9)) == "2026-11-30 14.05.09.wav"
