"""Films and sounds among the files: what finds them, and what they find. Everything is made here and really decoded."""

from __future__ import annotations

import io
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from mmsearch import Collection, Query
from mmsearch.cli.hints import explained_error
from mmsearch.errors import DecodeError, UsageError
from mmsearch.types import Moment

FPS = 8
SHOT_S = 3
SHOTS = {"three": ("disc", "stripes", "grid"), "other": ("cross", "rings", "ramp"), "single": ("square",)}
BOATS = "Fishing boats lie in the harbour at low tide."
BREAD = "A loaf of rye bread cools on the kitchen table."
TRAIN = "The night train to the mountains leaves at nine."
NOTES = [
    *("Potatoes grow behind the barn.", "The price of copper fell again.", "Wash the wool in cold water."),
    *("An owl called twice.", "Two plus three is five.", "Her uncle repairs old clocks.", "Frost killed the vines."),
    *("The vote was postponed.", "He lost his umbrella.", "Salt lowers the melting point.", "Mind the third step."),
]
RATE = 16_000


def srt(*cues: tuple[float, float, str]) -> str:
    """A SubRip file of cues."""

    def clock(seconds: float) -> str:
        return f"00:00:{int(seconds):02d},{round(seconds % 1 * 1000):03d}"

    return "".join(f"{i}\n{clock(start)} --> {clock(end)}\n{text}\n\n" for i, (start, end, text) in enumerate(cues, 1))


def with_subtitles(film: bytes, subtitles: str) -> bytes:
    """The film as Matroska, with a SubRip track beside its streams."""
    import av

    out = io.BytesIO()
    text = io.BytesIO(subtitles.encode())
    with av.open(io.BytesIO(film)) as film_, av.open(text, format="srt") as text_, av.open(out, "w", "matroska") as to:
        packets = []
        for source in (film_, text_):
            tracks = {stream.index: to.add_stream_from_template(stream) for stream in source.streams}
            for packet in (packet for packet in source.demux() if packet.dts is not None):
                packet.stream = tracks[packet.stream.index]
                packets.append(packet)
        for packet in sorted(packets, key=lambda packet: packet.dts * packet.time_base):
            to.mux(packet)
    return out.getvalue()


def chirp(seconds: float) -> np.ndarray:
    """A tone that rises quickly again and again, float32 ``[1, n]``."""
    moments = np.arange(round(seconds * RATE)) / RATE
    return (0.4 * np.sin(2 * np.pi * (300 * moments + 900 * (moments % 0.5) ** 2)))[None].astype(np.float32)


def hiss(seconds: float) -> np.ndarray:
    """Noise, float32 ``[1, n]``."""
    return np.random.default_rng(1).normal(0, 0.2, (1, round(seconds * RATE))).astype(np.float32).clip(-1, 1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, films, drawn) -> Path:
    """Films of shots of three seconds, one with sound and subtitles in it, one with subtitles beside it; and more."""
    place = tmp_path_factory.mktemp("cinema") / "files"
    place.mkdir()

    def pictures(names):
        return (drawn(name) for name in names for _ in range(SHOT_S * FPS))

    three = films.film(pictures(SHOTS["three"]), format="matroska", fps=FPS, sound=chirp(9), rate=RATE)
    (place / "three.mkv").write_bytes(with_subtitles(three, srt((0.5, 2.5, BOATS), (6.25, 8.5, BREAD))))
    (place / "other.mp4").write_bytes(films.film(pictures(SHOTS["other"]), fps=FPS))
    (place / "other.en.srt").write_text(srt((3.25, 5.5, TRAIN)))
    (place / "single.mp4").write_bytes(films.film(pictures(SHOTS["single"]), fps=FPS, sound=hiss(3), rate=RATE))
    (place / "lone.srt").write_text(srt((61 - 60, 4, "A violin plays a slow waltz.")))
    (place / "notes.csv").write_text("\n".join(["note", *NOTES]))
    drawn("noise").save(place / "noise.png")
    drawn("stripes").save(place / "stripes.png")
    return place


@pytest.fixture(scope="module")
def cinema(folder) -> Collection:
    """All of `folder` by `mini` alone: films by their frames, subtitles and sound."""
    made = Collection.create(folder.parent / "cinema.mms", model="mini")
    report = made.index([folder], workers=1)
    assert [note.path for note in report.skipped] == []
    return made


@pytest.fixture
def still(tmp_path, drawn):
    """Writes a drawn picture into a file that no collection knows."""

    def write(name: str) -> Path:
        drawn(name).save(tmp_path / f"{name}.png")
        return tmp_path / f"{name}.png"

    return write


def name(hit) -> str:
    return Path(hit.path).name


def at(hit) -> tuple[str, float, float]:
    """Where a hit is: name of the file, start and end to the frame."""
    return name(hit), round(hit.span.start * FPS) / FPS, round(hit.span.end * FPS) / FPS


# --- words and pictures → films --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shot", "film", "start"),
    [("disc", "three.mkv", 0), ("stripes", "three.mkv", 3), ("grid", "three.mkv", 6), ("rings", "other.mp4", 3)],
)
def test_a_picture_finds_the_shot_that_shows_it(cinema, still, shot, film, start):
    hit = cinema.search(still(shot), k=1, to=["video"])[0]
    assert at(hit) == (film, start, start + SHOT_S)
    assert hit.score > 0.9
    assert (hit.modality, hit.evidence[0]) == ("video", "frame")


def test_words_find_the_shot_that_shows_it(cinema):
    hit = cinema.search("a red disc", k=1, to=["video"])[0]
    assert at(hit) == ("three.mkv", 0, 3)


def test_no_span_is_longer_than_ten_seconds_and_the_whole_film_only_ranks(cinema, still):
    for query in ("a red disc", "boats", still("rings")):
        for hit in cinema.search(query, k=20, all_spans=True):
            assert hit.span is None or hit.span.unit != "s" or 0 < hit.span.end - hit.span.start <= 10
            if hit.span is not None and hit.span.unit == "s" and "sound" not in hit.evidence:
                assert hit.span.end - hit.span.start < 9


def test_a_film_is_listed_once_unless_all_its_moments_are_asked_for(cinema, still):
    hits = cinema.search(still("stripes"), k=20, to=["video"])
    assert sorted(map(name, hits)) == ["other.mp4", "single.mp4", "three.mkv"]
    for shot, best in (("stripes", ("three.mkv", 3, 6)), ("rings", ("other.mp4", 3, 6))):
        spans = [at(hit) for hit in cinema.search(still(shot), k=20, to=["video"], all_spans=True)]
        assert spans[0] == best
        assert len(spans) == len(set(spans))
        assert [span for span in spans if span[0] == "single.mp4"] == [("single.mp4", 0, 3)]
        listed = [(start, end) for film, start, end in spans if film == "other.mp4"]
        for shot_start in (0, 3, 6):  # each shot by its frames, or by the words that stand over it
            assert any(shot_start <= start and end <= shot_start + SHOT_S for start, end in listed)


def test_a_hit_tells_of_its_film(cinema, folder, still):
    (hit,) = cinema.search(still("stripes"), k=1, to=["video"])
    assert hit.path == str(folder / "three.mkv")
    assert (hit.width, hit.height, hit.state) == (96, 64, "current")
    assert hit.duration_s == pytest.approx(9, abs=0.2)
    told = hit.to_json()
    assert (told["modality"], told["evidence"], told["text"]) == ("video", ["frame"], None)
    assert set(told["span"]) == {"start_s", "end_s"}
    assert told["span"] == {"start_s": pytest.approx(3, abs=0.01), "end_s": pytest.approx(6, abs=0.01)}


@pytest.mark.parametrize("all_spans", [False, True])
def test_scores_are_cosines_of_the_query_and_the_stored_row(cinema, all_spans):
    query = cinema.encoder().encode_texts(["a red disc on white"])[0]
    searcher = cinema.searcher()
    hits = cinema.search("a red disc on white", k=20, all_spans=all_spans)
    assert len(hits) >= 6
    for hit in hits:
        held = [rows for m in searcher.modalities if (rows := searcher.rows(m)).has(hit.id)]
        (rows,) = held
        stored = rows.vectors_at(rows.positions(np.array([hit.id])))[0].astype(np.float32)
        assert hit.score == pytest.approx(float(query @ stored), abs=1e-5)


# --- films → everything ----------------------------------------------------------------------------------------


def test_a_film_is_left_out_of_its_own_answers_unless_asked_for(cinema, folder):
    assert "three.mkv" not in map(name, cinema.search(folder / "three.mkv", k=20))
    hits = cinema.search(folder / "three.mkv", k=1, to=["video"], include_self=True)
    assert name(hits[0]) == "three.mkv"
    assert hits[0].score > 0.99  # of the row for the whole film


def test_the_subtitles_beside_a_film_are_left_out_with_it(cinema, folder):
    assert "other.mp4" not in map(name, cinema.search(folder / "other.mp4", k=20))


def test_a_film_finds_a_film_that_shows_the_same(cinema, tmp_path, films, drawn):
    again = tmp_path / "again.mp4"
    again.write_bytes(films.film((drawn("square") for _ in range(6)), fps=3))
    hit = cinema.search(again, k=1, to=["video"])[0]
    assert at(hit) == ("single.mp4", 0, 3)
    assert hit.score > 0.9


def test_a_film_is_searched_by_as_bytes_too(cinema, folder):
    hit = cinema.search((folder / "single.mp4").read_bytes(), k=1, to=["video"])[0]
    assert name(hit) == "single.mp4"


@pytest.mark.parametrize("end", [None, 5.5])
def test_a_moment_of_a_film_finds_the_picture_that_it_shows(cinema, folder, end):
    hit = cinema.search(Moment(folder / "three.mkv", 3.5, end), k=1, to=["image"])[0]
    assert name(hit) == "stripes.png"
    assert hit.score > 0.9


def test_a_moment_finds_the_moments_of_other_films_but_not_its_own(cinema, folder, tmp_path, films, drawn):
    query = tmp_path / "query.mp4"
    query.write_bytes(films.film((drawn(name) for name in ("ramp", "rings") for _ in range(2 * FPS)), fps=FPS))
    assert at(cinema.search(Moment(query, 3), k=1, to=["video"])[0]) == ("other.mp4", 3, 6)
    assert at(cinema.search(Moment(query, 1), k=1, to=["video"])[0]) == ("other.mp4", 6, 9)
    assert "other.mp4" not in map(name, cinema.search(Moment(folder / "other.mp4", 4), k=20))


def test_a_film_finds_texts(cinema, folder):
    hits = cinema.search(folder / "single.mp4", k=30, to=["text"])
    assert {"notes.csv", "three.mkv", "other.mp4", "lone.srt"} == set(map(name, hits))
    assert [hit.match for hit in hits] == sorted((hit.match for hit in hits), reverse=True)


def test_films_pictures_and_words_make_one_query(cinema, folder, still):
    query = Query((Moment(folder / "three.mkv", 7), 2), "a grid", minus=[still("disc")])
    hits = cinema.search(query, k=20, to=["video"], include_self=True)
    assert at(hits[0]) == ("three.mkv", 6, 9)


@pytest.mark.parametrize(("moment", "said"), [((30, None), "ends at"), ((30, 40), "ends at"), ((9.5, None), "ends at")])
def test_a_moment_after_the_end_is_one_clear_line(cinema, folder, moment, said):
    with pytest.raises(DecodeError) as error:
        cinema.search(Moment(folder / "three.mkv", *moment))
    assert said in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("file", ["stripes.png", "notes.csv"])
def test_a_time_in_what_has_none_is_one_clear_line(cinema, folder, file):
    with pytest.raises(DecodeError, match="it is no film or sound"):
        cinema.search(Moment(folder / file, 2))


# --- subtitles -------------------------------------------------------------------------------------------------


def test_words_find_what_is_said_in_a_film(cinema):
    hit = cinema.search("fresh bread on a table", k=1)[0]
    assert (name(hit), hit.modality, hit.evidence, hit.text) == ("three.mkv", "video", ("subtitle",), BREAD)
    assert (hit.span.start, hit.span.end) == pytest.approx((6.25, 8.5), abs=0.01)


def test_subtitles_beside_a_film_show_the_film(cinema, folder):
    hit = cinema.search("a railway journey at night", k=1)[0]
    assert (hit.path, hit.modality, hit.evidence[0]) == (str(folder / "other.mp4"), "video", "subtitle")
    assert (hit.text, hit.state) == (TRAIN, "current")
    assert (hit.span.start, hit.span.end) == pytest.approx((3.25, 5.5), abs=0.01)


def test_what_is_said_and_what_is_shown_at_one_time_are_one_hit(cinema, still):
    query = Query((still("rings"), 1.2), TRAIN)
    hit = cinema.search(query, k=1)[0]
    assert name(hit) == "other.mp4"
    assert set(hit.evidence) == {"frame", "subtitle"}
    assert hit.text == TRAIN
    assert 3 <= hit.span.start < hit.span.end <= 6.01


def test_subtitles_without_a_film_are_a_text_with_times(cinema, folder):
    hit = cinema.search("a violin", k=1)[0]
    assert (hit.path, hit.modality, hit.evidence) == (str(folder / "lone.srt"), "text", ("subtitle",))
    assert hit.to_json()["span"] == {"start_s": 1.0, "end_s": 4.0}
    assert "lone.srt" not in map(name, cinema.search("a violin", k=20, to=["video"]))


def test_asked_for_films_they_answer_by_any_evidence(cinema):
    hits = cinema.search("a railway journey at night", k=3, to=["video"])
    assert (name(hits[0]), hits[0].evidence[0]) == ("other.mp4", "subtitle")
    assert {hit.modality for hit in hits} == {"video"}
    assert "notes.csv" not in map(name, cinema.search("potatoes in a field", k=20, to=["video"]))


def test_subtitles_are_searched_by_and_find_what_they_speak_of(cinema, folder):
    assert name(cinema.search(folder / "lone.srt", k=1, to=["text"], include_self=True)[0]) == "lone.srt"
    assert "lone.srt" not in map(name, cinema.search(folder / "lone.srt", k=20))


# --- how many, and which ---------------------------------------------------------------------------------------


def test_k_films_are_found_though_one_has_more_good_rows_than_are_looked_at(tmp_path, films, drawn):
    """A film of sixty shots of one thing fills every list by itself; the third film must still be found."""
    place = tmp_path / "files"
    place.mkdir()
    busy = (drawn(("stripes", "noise")[i % 2]) for i in range(60) for _ in range(4))
    (place / "busy.mp4").write_bytes(films.film(busy, fps=FPS))
    for other in ("cross", "ramp", "disc"):
        (place / f"{other}.mp4").write_bytes(films.film((drawn(other) for _ in range(4)), fps=FPS))
    made = Collection.create(tmp_path / "c.mms", model="mini")
    made.index([place], workers=1)
    assert len(made.searcher().rows("video")) > 4 * 4 + 30
    for exact in (False, True):
        hits = made.search(Moment(place / "busy.mp4", 0.25), k=4, to=["video"], include_self=True, exact=exact)
        assert sorted(map(name, hits)) == ["busy.mp4", "cross.mp4", "disc.mp4", "ramp.mp4"]
        without = made.search(Moment(place / "busy.mp4", 0.25), k=4, to=["video"], exact=exact)
        assert sorted(map(name, without)) == ["cross.mp4", "disc.mp4", "ramp.mp4"]


def test_a_film_that_only_the_whole_of_it_speaks_for_is_told_by_its_best_moment(tmp_path):
    """Vectors at known angles: a long film whose mean is nearest, but whose moments come after those of another."""
    rows = [("long.mp4", 0, 30, 0), *(("long.mp4", start, start + 10, 40 - start) for start in (0, 10, 20))]
    rows += [("other.mp4", 5 * i, 5 * i + 5, 1 + i) for i in range(10)]
    angles = np.radians([row[3] for row in rows])
    made = Collection.create(tmp_path / "c.mms", model=None)
    made.add(
        np.stack([np.cos(angles), np.sin(angles)], axis=1),
        paths=[tmp_path / row[0] for row in rows],
        modality="video",
        space="angles",
        facts={
            "span_start": [float(row[1]) for row in rows],
            "span_end": [float(row[2]) for row in rows],
            "span_unit": ["s"] * len(rows),
        },
    )
    for k in (1, 2):
        hit = made.search(np.array([1.0, 0.0]), k=k)[0]
        assert (name(hit), hit.span.start, hit.span.end) == ("long.mp4", 20, 30)
        assert hit.score == pytest.approx(1, abs=1e-3)  # of the whole film, by which it is ranked


def test_the_index_finds_what_a_scan_of_all_rows_finds(cinema, still):
    for query in ("a red disc", still("grid")):
        hits = [cinema.search(query, k=20, exact=exact) for exact in (False, True)]
        assert hits[0] == hits[1]


def test_many_queries_of_all_kinds_at_once_answer_as_each_alone(cinema, folder, still):
    queries = ["a red disc", still("rings"), folder / "three.mkv", Moment(folder / "other.mp4", 4), folder / "lone.srt"]
    for options in ({}, {"all_spans": True}, {"to": ["video"]}):
        together = cinema.search_many(queries, k=5, **options)
        for query, hits in zip(queries, together, strict=True):
            alone = cinema.search(query, k=5, **options)
            assert [(hit.id, at(hit) if hit.span else None) for hit in hits] == [
                (hit.id, at(hit) if hit.span else None) for hit in alone
            ]
            np.testing.assert_allclose([h.match for h in hits], [h.match for h in alone], atol=1e-3)


def test_filters_hold_for_films(cinema, folder, tmp_path):
    def names(**filters) -> list[str]:
        return sorted(map(name, cinema.search("a red disc", k=20, to=["video"], **filters)))

    assert names(where="duration_s > 3.5") == ["other.mp4", "three.mkv"]
    assert names(where="duration_s <= 3.5") == ["single.mp4"]
    assert names(where="width == 96") == ["other.mp4", "single.mp4", "three.mkv"]
    assert names(under=folder / "three.mkv") == ["three.mkv"]
    assert names(under=folder) == ["other.mp4", "single.mp4", "three.mkv"]
    assert names(under=tmp_path) == []
    assert names(after="2001") == ["other.mp4", "single.mp4", "three.mkv"]
    assert names(before="2001") == []


def test_a_hit_whose_film_is_gone_or_changed_says_so(folder, tmp_path):
    place = tmp_path / "files"
    place.mkdir()
    for file in ("three.mkv", "single.mp4", "other.mp4", "other.en.srt"):
        shutil.copy2(folder / file, place)
    made = Collection.create(tmp_path / "c.mms", model="mini")
    made.index([place], workers=1)
    (place / "three.mkv").unlink()
    (place / "other.mp4").unlink()
    os.utime(place / "single.mp4", (0, 0))
    hits = made.search("a red disc", k=10)
    assert {name(hit): hit.state for hit in hits} == {
        "three.mkv": "gone",
        "single.mp4": "changed",
        "other.mp4": "gone",
        "other.en.srt": "current",
    }


# --- sound -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def clap(make_clap_checkpoint) -> str:
    """A model of sounds and texts that knows nothing: its answers are as arbitrary as they are repeatable."""
    return f"clap@{make_clap_checkpoint()}"


@pytest.fixture(scope="module")
def sounds(folder, films) -> Path:
    """Three sounds of their own."""
    place = folder.parent / "sounds"
    place.mkdir()
    (place / "chirp.wav").write_bytes(films.wav((chirp(9) * 32000).astype(np.int16), RATE))
    (place / "hiss.wav").write_bytes(films.wav((hiss(3) * 32000).astype(np.int16), RATE))
    hum = np.concatenate([hiss(1), films.tone(23, RATE, 110.0)], axis=1)
    (place / "hum.flac").write_bytes(films.sound_file(hum, RATE, format="flac", codec="flac"))
    return place


@pytest.fixture(scope="module")
def concert(folder, sounds, clap) -> Collection:
    """`folder` and `sounds` by `mini`, and by the model of sounds that joined it."""
    made = Collection.create(folder.parent / "concert.mms", model="mini")
    assert made.index([folder, sounds], workers=1).skipped == ()
    assert made.index([folder, sounds], model=clap, workers=1).skipped == ()
    models = {space.key: space.model for space in made.spaces}
    assert {(models[part.space], part.modality) for part in made.status().modalities} == {
        ("mini", "image"), ("mini", "text"), ("mini", "video"), (clap, "audio")
    }  # fmt: skip
    return made


@pytest.fixture(scope="module")
def shared_space(folder, sounds) -> Collection:
    """`folder` and `sounds` by `mini` alone, pictures, texts, films and sounds in one space."""
    made = Collection.create(folder.parent / "shared.mms", model="mini")
    assert made.index([folder, sounds], workers=1).skipped == ()
    assert len(made.spaces) == 1
    return made


def test_where_the_space_is_shared_a_sound_finds_pictures_and_texts_too(shared_space, sounds):
    hits = shared_space.search(sounds / "hiss.wav", k=30)
    assert {hit.modality for hit in hits} == {"image", "text", "audio", "video"}
    pictures = shared_space.search(sounds / "hiss.wav", k=30, to=["image"])
    assert sorted(map(name, pictures)) == ["noise.png", "stripes.png"]
    assert {(hit.modality, hit.evidence) for hit in pictures} == {("image", ("look",))}


def test_where_the_space_is_shared_a_sound_finds_the_films_that_sound_so(shared_space, sounds):
    for sound, film in (("hiss.wav", "single.mp4"), ("chirp.wav", "three.mkv")):
        best = shared_space.search(sounds / sound, k=1)[0]
        assert (name(best), best.modality, best.evidence[0]) == (film, "video", "sound")
        assert best.score > 0.9


def test_where_the_space_is_shared_a_picture_finds_sounds_too(shared_space, still):
    hits = shared_space.search(still("stripes"), k=30)
    assert {hit.modality for hit in hits} == {"image", "text", "audio", "video"}
    sounding = shared_space.search(still("stripes"), k=30, to=["audio"])
    assert {name(hit) for hit in sounding} == {"chirp.wav", "hiss.wav", "hum.flac", "three.mkv", "single.mp4"}


@pytest.mark.parametrize(("words", "sound"), [("static hiss", "hiss.wav"), ("a low hum", "hum.flac")])
def test_the_built_in_model_finds_by_words_the_sound_that_they_name(shared_space, sounds, words, sound):
    hits = shared_space.search(words, k=3, under=sounds)
    assert sorted(map(name, hits)) == ["chirp.wav", "hiss.wav", "hum.flac"]
    assert name(hits[0]) == sound
    assert hits[0].score > hits[1].score + 0.2  # 0.53 against 0.21, 0.48 against 0.08


def test_a_sound_finds_itself_if_it_may(concert, sounds):
    for file in sorted(sounds.iterdir()):
        hit = concert.search(file, k=1, to=["audio"], include_self=True)[0]
        assert hit.path == str(file)
        assert hit.score > 0.9
        assert file.name not in map(name, concert.search(file, k=20))


def test_a_sound_finds_the_films_that_sound_so(concert, sounds, clap):
    best, *_ = concert.search(sounds / "hiss.wav", k=5, to=["video"])
    assert (name(best), best.modality, best.evidence) == ("single.mp4", "video", ("sound",))
    best, *_ = concert.search(sounds / "chirp.wav", k=5, to=["video"], space=clap)
    assert (name(best), best.evidence) == ("three.mkv", ("sound",))
    assert best.span.end - best.span.start <= 10


def test_asked_for_sounds_the_sound_of_films_answers_too(concert, sounds):
    hits = concert.search(sounds / "hiss.wav", k=10, to=["audio"])
    assert {name(hit): hit.modality for hit in hits} == {
        "single.mp4": "video",
        "three.mkv": "video",
        "chirp.wav": "audio",
        "hum.flac": "audio",
    }
    assert {hit.evidence for hit in hits} == {("sound",)}


def test_words_find_sounds(concert):
    hits = concert.search("a dog barks", k=10, to=["audio"])
    assert {name(hit) for hit in hits} == {"chirp.wav", "hiss.wav", "hum.flac", "three.mkv", "single.mp4"}
    by_space = concert.searcher(concert.spaces[1])
    query = concert.encoder(concert.spaces[1]).encode_texts(["a dog barks"])[0]
    rows = by_space.rows("audio")
    for hit in hits:
        stored = rows.vectors_at(rows.positions(np.array([hit.id])))[0].astype(np.float32)
        assert hit.score == pytest.approx(float(query @ stored), abs=1e-5)


def test_words_are_asked_of_every_model_and_the_answers_merged_by_match(concert):
    hits = concert.search("a railway journey at night", k=20)
    assert {hit.modality for hit in hits} == {"image", "text", "audio", "video"}
    assert [hit.match for hit in hits] == sorted((hit.match for hit in hits), reverse=True)
    assert sum(name(hit) == "three.mkv" for hit in hits) == 1
    alone = concert.search("a railway journey at night", k=20, space="mini")
    assert {hit.modality for hit in alone} == {"image", "text", "video"}


def test_the_moment_of_a_recording_is_a_window_of_it(concert, sounds):
    hits = concert.search(Moment(sounds / "hum.flac", 12, 20), k=1, to=["audio"], include_self=True)
    assert name(hits[0]) == "hum.flac"
    assert hits[0].span.end - hits[0].span.start == pytest.approx(10, abs=0.01)
    assert hits[0].score > 0.9
    spans = [at(hit) for hit in concert.search("hum", k=50, to=["audio"], all_spans=True) if name(hit) == "hum.flac"]
    assert spans  # windows of ten seconds every five: none of two neighbours
    assert all(abs(one[1] - other[1]) > 5 for i, one in enumerate(spans) for other in spans[:i])


def test_a_moment_of_a_film_asks_by_its_frame_and_by_its_sound(concert, folder):
    hits = concert.search(Moment(folder / "single.mp4", 1), k=20, include_self=True)
    best = next(hit for hit in hits if name(hit) == "single.mp4")
    assert set(best.evidence) == {"frame", "sound"}


def test_a_picture_is_asked_only_of_models_that_see(concert, still, sounds):
    hits = concert.search(still("stripes"), k=20)
    assert name(hits[0]) in ("stripes.png", "three.mkv")
    assert not {"chirp.wav", "hum.flac"} & set(map(name, hits))
    together = concert.search_many([still("stripes"), sounds / "hiss.wav", "a dog"], k=20)
    assert [hit.id for hit in together[0]] == [hit.id for hit in hits]
    assert [hit.id for hit in together[1]] == [hit.id for hit in concert.search(sounds / "hiss.wav", k=20)]
    assert {hit.modality for hit in together[1]} == {"image", "text", "audio", "video"}, "both models hear it"
    assert {hit.modality for hit in together[2]} == {"image", "text", "audio", "video"}


@pytest.fixture
def deaf(tmp_path, folder, make_checkpoint) -> Collection:
    """The pictures of `folder` by a model of pictures and texts that knows nothing and takes no sounds."""
    made = Collection.create(tmp_path / "deaf.mms", model=f"open_clip:tiny@{make_checkpoint()}")
    made.index([folder / "noise.png", folder / "stripes.png"], workers=1)
    return made


@pytest.mark.clip
def test_a_query_that_no_model_embeds_is_one_clear_line(deaf, concert, sounds, still):
    with pytest.raises(UsageError, match=r"hiss\.wav: model .* does not embed sounds$") as error:
        deaf.search(sounds / "hiss.wav")
    assert "\n" not in str(error.value)
    assert "mmsearch index --model clap" in explained_error(error.value)
    with pytest.raises(UsageError, match=r"stripes\.png: .*clap@.* does not embed pictures"):
        concert.search(still("stripes"), to=["audio"])


def test_of_many_queries_the_one_that_no_model_embeds_is_named(concert, sounds, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    with pytest.raises(DecodeError, match=r"broken\.png"):
        concert.search_many([sounds / "hiss.wav", tmp_path / "broken.png"], k=3)


@pytest.mark.clip
def test_a_sound_that_cannot_be_read_says_why_also_where_another_model_takes_no_sounds(
    deaf, clap, sounds, tmp_path, films
):
    deaf.index([sounds], model=clap, workers=1)
    assert len(deaf.spaces) == 2
    broken = tmp_path / "broken.wav"
    broken.write_bytes(films.wav(np.zeros((1, 400), np.int16), RATE)[:44])
    with pytest.raises(DecodeError, match=r"broken\.wav"):
        deaf.search(broken)


def test_a_row_of_subtitles_or_sound_is_shown_as_its_film_at_that_time(cinema):
    for query, film in (("a railway journey at night", "other.mp4"), ("rye bread", "three.mkv")):
        hit = cinema.search(query, k=1, to=["video"])[0]
        assert cinema.get(hit.id).modality == "text"
        shown = cinema.shown(hit.id)
        assert (shown.id, name(shown), shown.modality, shown.span) == (hit.id, film, "video", hit.span)
        assert (shown.duration_s, shown.state, shown.text) == (9.0, "current", hit.text)
    sounds = [record for record in cinema if record.modality == "audio"]
    assert {(name(cinema.shown(row.id)), cinema.shown(row.id).modality) for row in sounds} == {
        ("three.mkv", "video"),
        ("single.mp4", "video"),
    }


def test_a_row_that_belongs_to_no_film_is_shown_as_it_is(cinema):
    rows = [record for record in cinema if name(record) in ("lone.srt", "noise.png")]
    assert len(rows) == 2
    for row in rows:
        assert cinema.shown(row.id) == row
