"""Films and sounds on their way into a collection: rows on three scales, recognised again, and never half of one."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from mmsearch import Collection
from mmsearch.cli.hints import with_hint
from mmsearch.errors import Hint, HintKind, UsageError
from mmsearch.types import Span

SIZE = (96, 64)


@pytest.fixture(scope="module")
def cinema(tmp_path_factory, films, drawn) -> Path:
    """A folder with a film of three shots (disc 3 s, rings 2 s, cross 13 s), a film of one, an animation, a sound."""
    folder = tmp_path_factory.mktemp("cinema")
    shots = [drawn("disc", SIZE)] * 24 + [drawn("rings", SIZE)] * 16 + [drawn("cross", SIZE)] * 104
    tones = films.tone(18, 8000)
    (folder / "three.mp4").write_bytes(films.film(shots, fps=8, sound=tones, rate=8000))
    (folder / "one.mkv").write_bytes(films.film([drawn("grid", SIZE)] * 16, fps=8, format="matroska"))
    frames = [drawn("stripes", SIZE), drawn("noise", SIZE)]
    frames[0].save(folder / "moving.gif", save_all=True, append_images=frames[1:], duration=2000)
    drawn("ramp", SIZE).save(folder / "still.gif")
    (folder / "tone.wav").write_bytes(films.wav((films.tone(12, 8000) * 32000).astype(np.int16), 8000))
    return folder


@pytest.fixture(scope="module")
def screened(cinema, tmp_path_factory) -> Collection:
    """A collection over `cinema` that nobody changes."""
    made = Collection.create(tmp_path_factory.mktemp("screened") / "c.mms", model="mini")
    made.index([cinema], workers=1)
    return made


def spans_of(collection: Collection, name: str, modality: str = "video") -> list[tuple[float, float]]:
    """The spans of a file's live rows, in the order in which they are stored."""
    (space,) = [s for s in collection.spaces if modality in collection.manifest.modalities(s.key)]
    rows = collection.searcher(space).rows(modality)
    table = rows.facts(["path", "span_start", "span_end"]).to_pylist()
    live = rows.live if rows.live is not None else np.ones(len(rows), bool)
    return [
        (row["span_start"], row["span_end"])
        for row, alive in zip(table, live, strict=True)
        if alive and os.path.basename(os.fsdecode(row["path"])) == name
    ]


def test_a_film_has_rows_for_the_whole_for_long_shots_and_for_moments(screened):
    whole, long_shot, *moments = spans_of(screened, "three.mp4")
    assert whole == pytest.approx((0, 18), abs=0.2)
    assert long_shot == pytest.approx((5, 18), abs=0.3)
    assert [start for start, _ in moments] == pytest.approx([0, 3, 5, moments[3][0]], abs=0.3)
    assert all(end - start <= 10 for start, end in moments)
    assert moments[-1][1] == pytest.approx(18, abs=0.2)


def test_a_film_of_one_shot_is_one_row(screened):
    assert spans_of(screened, "one.mkv") == [pytest.approx((0, 2), abs=0.2)]


def test_an_animation_is_a_film_and_a_still_gif_a_picture(screened):
    assert len(spans_of(screened, "moving.gif")) == 3
    hits = {Path(hit.path).name: hit.modality for hit in screened.search("a picture", k=20)}
    assert hits["moving.gif"] == "video"
    assert hits["still.gif"] == "image"


def test_rows_of_a_film_carry_its_facts(screened):
    (hit,) = [hit for hit in screened.search("x", k=20, to=["video"]) if hit.path.endswith("three.mp4")]
    assert (hit.width, hit.height) == SIZE
    assert hit.duration_s == pytest.approx(18, abs=0.2)


def test_the_vector_of_a_shot_is_that_of_its_picture(screened, drawn):
    """A shot whose frames are all alike is the still picture, up to what coding did to it."""
    (best, *_) = screened.search(drawn("rings", SIZE), k=5, to=["video"])
    assert Path(best.path).name == "three.mp4"
    assert best.score > 0.9
    assert isinstance(best.span, Span)
    assert (best.span.start, best.span.end) == pytest.approx((3, 5), abs=0.3)


@pytest.mark.clip
def test_a_sound_without_a_model_for_it_is_skipped_with_the_way_out(cinema, tmp_path, make_checkpoint):
    made = Collection.create(tmp_path / "c.mms", model=f"open_clip:tiny@{make_checkpoint()}")
    report = made.index([cinema], workers=1)
    (note,) = report.skipped
    assert Path(note.path).name == "tone.wav"
    assert note.reason == "a sound: no model of this collection embeds sounds"
    assert note.hint == Hint(HintKind.ADD_SOUND_MODEL)
    assert "--model clap" in with_hint(note.reason, note.hint)
    assert report.found == report.indexed + len(report.skipped) == 5


def test_only_films_are_read_when_only_films_are_asked_for(cinema, tmp_path):
    made = Collection.create(tmp_path / "c.mms", model="mini")
    report = made.index([cinema], workers=1, only=("video",))
    assert report.indexed == 3
    assert {note.reason for note in report.skipped} == {
        "a picture: only films are asked for",
        "a sound: only films are asked for",
    }


def test_copied_moved_and_touched_films_are_not_embedded_again(cinema, tmp_path, embedded):
    folder = shutil.copytree(cinema, tmp_path / "cinema")
    shutil.copy(folder / "one.mkv", folder / "twin.mkv")
    made = Collection.create(tmp_path / "c.mms", model="mini")
    made.index([folder], workers=2)
    assert spans_of(made, "twin.mkv") == spans_of(made, "one.mkv")
    before = spans_of(made, "three.mp4")
    embedded.clear()
    assert made.index([folder], workers=1).unchanged == 6
    (folder / "three.mp4").rename(folder / "renamed.mp4")
    os.utime(folder / "one.mkv", (1, 1))
    shutil.copy(folder / "one.mkv", folder / "copy.mkv")
    report = made.index([folder], workers=1)
    assert (report.moved, report.indexed) == (1, 1)
    assert len(embedded) == 0
    assert spans_of(made, "renamed.mp4") == before
    assert spans_of(made, "three.mp4") == []


def test_a_film_that_was_cut_anew_loses_its_old_rows(cinema, tmp_path, films, drawn):
    folder = shutil.copytree(cinema, tmp_path / "cinema")
    made = Collection.create(tmp_path / "c.mms", model="mini")
    made.index([folder], workers=1)
    (folder / "three.mp4").write_bytes(films.film([drawn("noise", SIZE)] * 8, fps=8))
    made.index([folder], workers=1)
    assert spans_of(made, "three.mp4") == [pytest.approx((0, 1), abs=0.2)]


def test_films_and_pictures_have_the_same_vectors_at_any_batch_and_number_of_workers(cinema, screened, tmp_path):
    other = Collection.create(tmp_path / "c.mms", model="mini")
    other.index([cinema], workers=2, batch=1)

    def vectors(collection):
        rows = collection.searcher().rows("video")
        names = rows.facts(["path", "span_start", "span_end"]).to_pylist()
        found = rows.vectors_at(np.arange(len(rows))).astype(np.float32)
        return {tuple(name.values()): vector for name, vector in zip(names, found, strict=True)}

    one, two = vectors(screened), vectors(other)
    assert one.keys() == two.keys()
    for key, vector in one.items():
        np.testing.assert_allclose(vector, two[key], atol=2e-3)


@pytest.mark.parametrize(
    ("fault", "said"),
    [("os._exit(7)", "exit code 7"), ("os.kill(os.getpid(), 11)", "signal 11"), ("time.sleep(1000)", "longer than")],
)
def test_a_decoder_that_fails_amid_a_film_costs_that_film_alone(
    cinema, tmp_path, faulty_worker, monkeypatch, fault, said
):
    """Its first shots had come already: nothing of it is stored, and the run goes on."""
    monkeypatch.setattr("mmsearch.retrieval.media.workers.decoder.Decoder.SECONDS_PER_SECOND", 0.05)
    faulty_worker(
        f"""
        def send_part(channel, memory, facts, array, send_part=worker.WorkerChannel.send_part):
            if facts.start_s > 2:
                {fault}
            return send_part(channel, memory, facts, array)
        worker.WorkerChannel.send_part = send_part
        """,
        time_limit_s=2.0,
    )
    made = Collection.create(tmp_path / "c.mms", model="mini")
    report = made.index([cinema], workers=1)
    reasons = {Path(note.path).name: note.reason for note in report.skipped}
    assert said in reasons["three.mp4"]
    assert spans_of(made, "three.mp4") == []
    assert spans_of(made, "one.mkv")
    assert report.found == report.indexed + len(report.skipped)


def test_the_time_a_film_may_take_grows_with_its_duration(cinema, tmp_path, faulty_worker, monkeypatch):
    slow = """
    def send_part(channel, memory, facts, array, send_part=worker.WorkerChannel.send_part):
        time.sleep(0.5)
        return send_part(channel, memory, facts, array)
    worker.WorkerChannel.send_part = send_part
    """
    for seconds, indexed in ((0.0, 0), (1.0, 1)):
        monkeypatch.setattr("mmsearch.retrieval.media.workers.decoder.Decoder.SECONDS_PER_SECOND", seconds)
        with monkeypatch.context():
            faulty_worker(slow, time_limit_s=1.0)
            made = Collection.create(tmp_path / f"{seconds}.mms", model="mini")
            report = made.index([cinema / "three.mp4"], workers=1)
        assert report.indexed == indexed, report.skipped


def test_a_film_that_grows_while_it_is_read_is_left_for_the_next_run(cinema, tmp_path, faulty_worker):
    folder = shutil.copytree(cinema, tmp_path / "cinema")
    faulty_worker(
        """
        def decode_film(stream, decode_film=worker.decode_film):
            with open(stream.file.name if isinstance(stream.file.name, str) else PATH, "ab") as more:
                more.write(b"more")
            return decode_film(stream)
        worker.decode_film = decode_film
        worker.confine = lambda *_: None  # it writes in the place of another program
        """.replace("PATH", repr(str(folder / "one.mkv")))
    )
    made = Collection.create(tmp_path / "c.mms", model="mini")
    (note,) = made.index([folder / "one.mkv"], workers=1).skipped
    assert "changed while it was read" in note.reason


def test_a_long_film_tells_how_far_it_has_been_read(cinema, tmp_path):
    told = []
    made = Collection.create(tmp_path / "c.mms", model="mini")
    made.index([cinema / "three.mp4"], workers=1, watch=told.append)
    amid = [progress for progress in told if progress.at_s is not None]
    assert len(amid) > 5
    assert amid[-1].at_s == pytest.approx(18, abs=0.2)
    assert {Path(progress.path).name for progress in amid} == {"three.mp4"}
    assert amid[0].to_json()["at_s"] > 0


def test_windows_and_hops_out_of_range_are_wrong_use(tmp_path, cinema):
    made = Collection.create(tmp_path / "c.mms", model="mini")
    for options in ({"window": 0}, {"window": 11}, {"hop": 0}, {"window": 4, "hop": 5}):
        with pytest.raises(UsageError, match=r"^(window|hop) must lie above 0") as error:
            made.index([cinema], **options)
        assert "--" not in str(error.value)


@pytest.mark.shared
def test_every_film_of_the_evaluation_data_is_indexed_without_a_skip(shared, tmp_path):
    made = Collection.create(tmp_path / "c.mms", model="mini")
    report = made.index([shared / "data" / "dev" / "video20" / "video"], workers=2)
    assert report.indexed == 27
    assert report.skipped == ()
