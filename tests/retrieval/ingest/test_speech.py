"""What is said in sounds and films becomes timed passages, once, when there is something to transcribe with."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from mmsearch import Collection, UsageError
from mmsearch.retrieval.encoders import load as encoder_load
from mmsearch.types import MODALITIES


@pytest.fixture
def reader(voices):
    """A transcriber that reads back what `voices.say` says."""
    return voices.PitchReader()


@pytest.fixture
def talk(voices, tmp_path) -> Path:
    """A folder with a recording in which "fire alarm" is said at 5 s and "harbour" at 10 s."""
    folder = tmp_path / "talks"
    folder.mkdir()
    parts = [voices.noise(5), voices.say("fire", "alarm"), voices.silence(3.2), voices.say("harbour"), voices.noise(4)]
    voices.write_wav(folder / "talk.wav", *parts)
    return folder


def film_of(films, drawn, voices, *words: str, cues=()) -> bytes:
    """A film of two shots of four seconds, in which words are said."""
    pictures = [drawn("disc", (96, 64))] * 32 + [drawn("rings", (96, 64))] * 32
    spoken = np.concatenate([voices.silence(1), voices.say(*words), voices.silence(8)])[: 8 * voices.RATE]
    return films.film(pictures, fps=8, format="matroska", sound=spoken[None], rate=voices.RATE, subtitles=cues)


def passages(collection: Collection, name: str = "") -> list[tuple[str, float, float]]:
    """The spoken passages of a file: words and times."""
    rows = collection.searcher().rows("text")
    if not len(rows):
        return []
    facts = rows.facts(["path", "passage", "span_start", "span_end", "mms_evidence", "mms_lang"]).to_pylist()
    live = rows.live if rows.live is not None else np.ones(len(rows), bool)
    return [
        (row["passage"], round(row["span_start"], 1), round(row["span_end"], 1))
        for row, alive in zip(facts, live, strict=True)
        if alive and row["mms_evidence"] == "speech" and os.path.basename(os.fsdecode(row["path"])).startswith(name)
    ]


def modalities(collection: Collection) -> set[str]:
    return {modality for modality in MODALITIES if collection.searcher().rows(modality).live_count}


def test_a_recording_is_found_by_what_is_said_with_the_moment(talk, empty, reader):
    report = empty.index([talk], workers=1, transcribe=reader)
    assert report.indexed == 1
    assert passages(empty) == [("fire alarm", 5.2, 6.6), ("harbour", 10.2, 10.8)]
    hit = empty.search("a fire alarm", k=1, to="text")[0]
    assert Path(hit.path).name == "talk.wav"
    assert hit.text == "fire alarm"
    assert hit.evidence[0] == "speech"
    assert hit.lang == "en"
    assert hit.span.start == pytest.approx(5.2, abs=0.1)
    assert hit.span.unit == "s"


def test_a_film_is_found_by_what_is_said_as_a_film(tmp_path, films, drawn, voices, photos, empty, reader):
    empty.index([photos], workers=1)
    (tmp_path / "film.mkv").write_bytes(film_of(films, drawn, voices, "kitchen"))
    (tmp_path / "silent.mkv").write_bytes(films.film([drawn("cross", (96, 64))] * 32, fps=8, format="matroska"))
    empty.index([tmp_path / "film.mkv", tmp_path / "silent.mkv"], workers=1, transcribe=reader)
    hit = empty.search("kitchen", k=1)[0]
    assert Path(hit.path).name == "film.mkv"
    assert hit.modality == "video"
    assert "speech" in hit.evidence
    assert hit.span.start < 2.5
    assert passages(empty) == [("kitchen", 1.2, 1.8)]


def test_a_film_with_subtitles_inside_is_not_transcribed(tmp_path, films, drawn, voices, empty, reader):
    cues = [(1.0, 3.0, "Somebody cooks.")]
    (tmp_path / "film.mkv").write_bytes(film_of(films, drawn, voices, "kitchen", cues=cues))
    empty.index([tmp_path / "film.mkv"], workers=1, transcribe=reader)
    assert passages(empty) == []
    assert reader.heard_s == []
    assert empty.index([tmp_path / "film.mkv"], workers=1, transcribe=reader).unchanged == 1


def test_without_a_model_for_speech_nothing_breaks(talk, empty, monkeypatch):
    monkeypatch.setattr(encoder_load, "_missing", lambda info: ["onnx_asr"] if info.is_transcriber else [])
    assert empty.index([talk], workers=1).indexed == 1
    assert modalities(empty) == {"audio"}


def test_a_later_run_with_a_model_looks_again_and_then_no_more(talk, empty, reader):
    empty.index([talk], workers=1, transcribe="off")
    assert passages(empty) == []
    assert empty.index([talk], workers=1, transcribe="off").unchanged == 1
    assert empty.index([talk], workers=1, transcribe=reader).indexed == 1
    assert len(passages(empty)) == 2
    heard = len(reader.heard_s)
    assert empty.index([talk], workers=1, transcribe=reader).unchanged == 1
    assert len(reader.heard_s) == heard


def test_what_is_transcribed_stays_when_a_later_run_does_not_transcribe(talk, empty, reader):
    empty.index([talk], workers=1, transcribe=reader)
    assert empty.index([talk], workers=1, transcribe="off").unchanged == 1
    assert len(passages(empty)) == 2


def test_another_transcriber_that_is_chosen_transcribes_again(talk, empty, voices, reader):
    empty.index([talk], workers=1, transcribe=reader)
    other = voices.PitchReader("other", language="de")
    assert empty.index([talk], workers=1, transcribe=other).indexed == 1
    assert len(passages(empty)) == 2
    assert empty.search("harbour", k=1, to="text")[0].lang == "de"


def test_a_sound_in_which_nobody_speaks_is_listened_to_once(tmp_path, voices, empty, reader):
    voices.write_wav(tmp_path / "noise.wav", voices.noise(6))
    assert empty.index([tmp_path / "noise.wav"], workers=1, transcribe=reader).indexed == 1
    assert empty.index([tmp_path / "noise.wav"], workers=1, transcribe=reader).unchanged == 1
    assert reader.heard_s == []


def test_files_of_other_kinds_are_not_read_again_for_speech(photos, empty, reader):
    (photos / "film.srt").write_text("1\n00:00:01,000 --> 00:00:02,000\nhello\n")
    empty.index([photos], workers=1, transcribe="off")
    assert empty.index([photos], workers=1, transcribe=reader).unchanged == 11


def test_a_copy_and_a_moved_file_keep_what_was_said_in_them(talk, empty, reader):
    empty.index([talk], workers=1, transcribe=reader)
    heard = len(reader.heard_s)
    (talk / "copy.wav").write_bytes((talk / "talk.wav").read_bytes())
    os.rename(talk / "talk.wav", talk / "renamed.wav")
    empty.index([talk], workers=1, transcribe=reader)
    assert len(passages(empty, "copy")) == len(passages(empty, "renamed")) == 2
    assert len(reader.heard_s) == heard


def test_several_recordings_are_kept_apart(tmp_path, voices, empty, reader):
    words = list(voices.PITCHES)[:5]
    for word in words:
        voices.write_wav(
            tmp_path / f"{word}.wav", *[part for _ in range(4) for part in (voices.say(word), voices.silence(6))]
        )
    empty.index([tmp_path], workers=2, transcribe=reader)
    for word in words:
        assert {passage for passage, _, _ in passages(empty, word)} == {word}
        assert len(passages(empty, word)) == 4


def test_long_recordings_are_transcribed_to_their_end(tmp_path, voices, empty, reader):
    minute = [part for _ in range(6) for part in (voices.say("fire", "invoice"), voices.silence(8.2))]
    voices.write_wav(tmp_path / "long.wav", *minute * 3)
    empty.index([tmp_path], workers=1, transcribe=reader)
    found = passages(empty)
    assert [words for words, _, _ in found] == ["fire invoice"] * 18
    assert [start for _, start, _ in found] == pytest.approx([0.2 + 10 * i for i in range(18)], abs=0.15)


class Pictures:
    """Embeds words and pictures, no sounds."""

    def __init__(self, mini) -> None:
        self.space, self.device = mini.space, "cpu"
        self.modalities = frozenset({"text", "image"})
        self.max_tokens, self.image_transform = mini.max_tokens, mini.image_transform
        self.encode_texts, self.count_tokens = mini.encode_texts, mini.count_tokens
        self.encode_images = mini.encode_images


def test_where_no_model_embeds_sounds_they_are_indexed_by_what_is_said(talk, tmp_path, voices, drawn, films, reader):
    from mmsearch.retrieval.encoders.mini import MiniEncoder

    voices.write_wav(talk / "noise.wav", voices.noise(6))
    (talk / "film.mkv").write_bytes(film_of(films, drawn, voices, "kitchen"))
    made = Collection.create(tmp_path / "pictures.mms", model=Pictures(MiniEncoder()))
    assert len(made.index([talk], workers=1, transcribe="off").skipped) == 2
    report = made.index([talk], workers=1, transcribe=reader)
    assert report.indexed == 2, "the recording, and once more the film"
    (note,) = report.skipped
    assert Path(note.path).name == "noise.wav"
    assert note.reason == "nobody speaks in it, and no model of this collection embeds its sound"
    assert Path(made.search("fire alarm", k=1)[0].path).name == "talk.wav"
    assert {words for words, _, _ in passages(made)} == {"fire alarm", "harbour", "kitchen"}
    assert made.index([talk], workers=1, transcribe=reader).unchanged == 2


def test_a_dry_run_tells_which_files_would_be_listened_to(talk, empty, reader):
    empty.index([talk], workers=1, transcribe="off")
    assert empty.index([talk], dry_run=True, transcribe=reader).indexed == 1
    assert empty.index([talk], dry_run=True, transcribe="off").unchanged == 1


def test_what_is_no_transcriber_is_an_error_before_anything_is_read(talk, empty):
    with pytest.raises(UsageError, match="transcriber"):
        empty.index([talk], transcribe=object())
    with pytest.raises(UsageError, match="no model 'nonsense'"):
        empty.index([talk], transcribe="nonsense")


def test_a_damaged_sound_is_transcribed_as_far_as_it_goes(talk, empty, reader):
    data = (talk / "talk.wav").read_bytes()
    (talk / "talk.wav").write_bytes(data[: len(data) // 2])
    empty.index([talk], workers=1, transcribe=reader)
    assert passages(empty) == [("fire alarm", 5.2, 6.6)]
