"""Films and sounds on the command line: ``index``, ``query``, ``eval``, ``frame`` and ``clip``."""

from __future__ import annotations

import json
import os
import re
import stat
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmsearch import Collection
from mmsearch.types import LEVELS

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="players are shell scripts here")

FPS, RATE = 8, 16_000
SRT = "1\n00:00:03,250 --> 00:00:05,500\nThe night train to the mountains leaves at nine.\n\n"


@pytest.fixture(scope="module")
def reel(tmp_path_factory, films, drawn) -> Path:
    """``three.mp4``: a disc, stripes, a grid, three seconds each, with sound, and subtitles beside it; ``numbers.mp4``,
    whose frames are numbered; a sound, a picture, texts."""
    folder = tmp_path_factory.mktemp("home") / "reel"
    folder.mkdir()
    shots = (drawn(name) for name in ("disc", "stripes", "grid") for _ in range(3 * FPS))
    (folder / "three.mp4").write_bytes(films.film(shots, fps=FPS, sound=films.tone(9, RATE), rate=RATE))
    (folder / "three.srt").write_text(SRT)
    numbers = (films.numbered(number) for number in range(5 * FPS))
    (folder / "numbers.mp4").write_bytes(films.film(numbers, fps=FPS, options={"g": str(FPS)}))
    (folder / "tone.wav").write_bytes(films.wav((films.tone(6, RATE) * 32000).astype(np.int16), RATE))
    drawn("disc").save(folder / "disc.png")
    (folder / "notes.csv").write_text(
        "note\nPotatoes grow behind the barn.\nCopper fell again.\nAn owl called twice.\nWash wool in cold water.\n"
    )
    return folder


@pytest.fixture(scope="module")
def home(reel) -> Path:
    """The collection of `reel`, by the built-in model."""
    place = reel.parent / "reel.mms"
    with Collection.create(place, model="mini") as made:
        made.index([reel], workers=1)
    return place


@pytest.fixture
def ask(run, home, reel, monkeypatch):
    """``mmsearch query`` in the folder of the films."""
    monkeypatch.chdir(reel)
    return lambda *arguments: run("query", "-c", home, *arguments)


@pytest.fixture
def player(tmp_path, monkeypatch):
    """Puts a program on an otherwise empty PATH that notes how it was called; gives what it noted, once it has."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))

    def install(name: str):
        note, script = tmp_path / f"{name}.called", folder / name
        script.write_text(
            f'#!/bin/sh\nfor part in "$@"; do echo "$part"; done > "{note}.new"\n/bin/mv "{note}.new" "{note}"\n'
        )
        script.chmod(script.stat().st_mode | stat.S_IXUSR)

        def called() -> list[str] | None:
            until = time.monotonic() + 10
            while not note.exists() and time.monotonic() < until:
                time.sleep(0.02)
            return note.read_text().splitlines() if note.exists() else None

        return called

    return install


# --- index -----------------------------------------------------------------------------------------------------


@pytest.mark.clip
def test_index_tells_of_sounds_that_no_model_embeds_and_how_to_add_one(run, reel, make_checkpoint, tmp_path):
    model = f"open_clip:tiny@{make_checkpoint()}"
    ran = run("index", reel, "-c", tmp_path / "c.mms", "--model", model, "--workers", 1)
    assert ran.code == 0
    assert "tone.wav: a sound: no model of this collection embeds sounds; `mmsearch index --model clap` adds" in ran.err
    assert "6 files: 5 indexed, 1 skipped" in ran.out


def test_the_built_in_model_skips_neither_sounds_nor_films(run, reel, tmp_path):
    ran = run("index", reel, "-c", tmp_path / "c.mms", "--model", "mini", "--workers", 1)
    assert ran.code == 0
    assert "6 files: 6 indexed (" in ran.out
    assert "tone.wav" not in ran.err


def test_index_only_video_takes_films_alone(run, reel, tmp_path):
    ran = run("index", reel, "-c", tmp_path / "c.mms", "--model", "mini", "--workers", 1, "--only", "video", "--json")
    assert ran.json["indexed"] == 2
    hits = run("query", "anything", "-c", tmp_path / "c.mms", "--json").json["hits"]
    assert {Path(hit["path"]).name for hit in hits} == {"three.mp4", "numbers.mp4"}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--window", "0"], "window must lie above 0 and at most at 10 seconds, not 0; give --window another value"),
        (["--window", "30"], "window must lie above 0 and at most at 10 seconds, not 30; give --window another value"),
        (["--window", "4", "--hop", "5"], "hop must lie above 0 and at most at the window's 4 s, not 5; give --hop"),
        (["--hop", "-1"], "hop must lie above 0 and at most at the window's 10 s, not -1; give --hop another value"),
        (["--only", "movie"], "no modality 'movie'"),
    ],
)
def test_windows_that_cannot_be_are_wrong_use(run, reel, tmp_path, options, said):
    ran = run("index", reel, "-c", tmp_path / "c.mms", *options)
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err
    assert not (tmp_path / "c.mms").exists()


def test_sound_is_cut_into_the_windows_that_were_asked_for(run, reel, make_clap_checkpoint, tmp_path):
    options = ("--model", f"clap@{make_clap_checkpoint()}", "--window", "2", "--hop", "1", "--workers", 1)
    assert run("index", reel / "tone.wav", "-c", tmp_path / "c.mms", *options).code == 0
    with Collection.open(tmp_path / "c.mms") as made:
        facts = made.searcher().rows("audio").facts(["span_start", "span_end"])
    assert facts["span_start"].to_pylist() == [0, 1, 2, 3, 4]
    assert facts["span_end"].to_pylist() == [2, 3, 4, 5, 6]


# --- query -----------------------------------------------------------------------------------------------------


def test_json_carries_the_span_and_the_evidence(ask, reel):
    (hit,) = ask("night train", "--to", "video", "-k", "1", "--json").json["hits"]
    assert (hit["path"], hit["modality"]) == (str(reel / "three.mp4"), "video")
    assert hit["span"] == {"start_s": 3.25, "end_s": 5.5}
    assert hit["evidence"][0] == "subtitle"
    assert hit["text"] == "The night train to the mountains leaves at nine."


def test_a_moment_is_a_term_and_the_answer_repeats_it(ask, reel):
    answer = ask("three.mp4@0:01-0:02", "--to", "image", "--json").json
    assert answer["query"] == ["file:three.mp4@00:00:01-00:00:02"]
    assert [Path(hit["path"]).name for hit in answer["hits"]] == ["disc.png"]
    assert answer["hits"][0]["score"] > 0.9


def test_piped_hits_of_films_have_rank_level_path_span_and_evidence_apart_by_tabs(ask):
    line = ask("night train", "--to", "video", "-k", "1").lines[-1]
    rank, level, path, span, told = line.split("\t")
    assert (rank, path, span) == ("1", "three.mp4", "00:00:03–00:00:05")
    assert level in LEVELS
    assert re.fullmatch(r"\[subtitle( \+ frame)?\] The night train to the mountains leaves at nine\.", told)


def test_piped_hits_by_frames_alone_end_with_the_span(ask):
    line = ask("disc.png", "--to", "video", "-k", "1").lines[0]
    assert line.split("\t")[2:4] == ["three.mp4", "00:00:00–00:00:03"]


def test_all_spans_lists_each_moment_of_a_film(ask):
    once = [line.split("\t")[2] for line in ask("disc.png", "--to", "video").lines]
    assert sorted(once) == ["numbers.mp4", "three.mp4"]
    each = [tuple(line.split("\t")[2:4]) for line in ask("disc.png", "--to", "video", "--all-spans").lines]
    assert each[0] == ("three.mp4", "00:00:00–00:00:03")
    assert len(each) == len(set(each)) > 2


def test_paths_of_all_spans_are_each_named_once(ask, reel):
    lines = ask("disc.png", "--to", "video", "--all-spans", "--paths").lines
    assert sorted(lines) == [str(reel / "numbers.mp4"), str(reel / "three.mp4")]


@pytest.fixture
def table(ask, monkeypatch):
    """The table of hits on a terminal so many columns wide, without its colours and links."""

    def on(columns: int, *arguments) -> list[str]:
        for name, value in (("FORCE_COLOR", "1"), ("TERM", "xterm-256color"), ("COLUMNS", str(columns))):
            monkeypatch.setenv(name, value)
        return re.sub(r"\x1b\][^\x1b]*\x1b\\|\x1b\[[0-9;]*m", "", ask(*arguments).out).splitlines()

    return on


def test_the_table_on_80_columns_keeps_level_path_span_and_evidence(table):
    header, best, text, *others = table(80, "night train", "-k", "4", "--flat")
    assert header.split() == ["#", "level", "path", "span", "by"]
    assert re.match(r"1  strong +three\.mp4 +00:00:03–00:00:05  subtitle( \+ frame)?$", best)
    assert text.strip() == "The night train to the mountains leaves at nine."
    assert sum(line[:1].isdigit() for line in others) == 3
    assert max(map(len, (header, best, text, *others))) <= 80


@pytest.mark.parametrize("columns", [30, 40, 50, 60, 120, 200])
def test_the_table_keeps_level_and_path_on_any_terminal(table, columns):
    lines = table(columns, "night train", "-k", "4", "--flat")
    assert max(map(len, lines)) <= columns
    rows = [line for line in lines[1:] if not line.startswith(" ")]
    assert len(rows) == 4
    for line in rows:
        assert re.match(r"\d  [a-z]+ +.*(mp4|csv|png|wav)", line)
    assert ("span" in lines[0].split()) == (columns >= 50)
    assert ("by" in lines[0].split()) == (columns >= 60)


def test_preview_shows_pictures_and_films_in_the_order_of_the_table(table, monkeypatch):
    """What a picture finds has no known level, so the table is grouped by kind."""
    monkeypatch.setenv("COLORTERM", "truecolor")  # rich remembers a colour as it was first written
    lines = table(100, "three.mp4@4", "--include-self", "-k", "9", "--preview")
    headings = [line for line in lines if line in ("films", "pictures", "sounds", "texts")]
    assert {"films", "pictures"} <= set(headings)
    names = [found[1] for line in lines if (found := re.match(r"\d +-?\d\.\d{3}  (\S+\.(mp4|png))", line))]
    captions = [name for line in lines for name in re.findall(r"(?:^|  )\d  (?:[\d:]{8}  )?(\S+\.(?:mp4|png))", line)]
    assert captions == names


def test_preview_shows_the_frame_at_the_hit(ask, run, drawn, monkeypatch):
    """The middle of the shot of stripes is yellow and purple; the film's first shot is red and white."""
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLORTERM", "truecolor")
    monkeypatch.setenv("TERM", "xterm-256color")

    def mean_colour(*terms) -> np.ndarray:
        out = ask(*terms, "--to", "video", "-k", "1", "--preview").out
        shown = np.array(re.findall(r"[34]8;2;(\d+);(\d+);(\d+)", out[out.index("▀") - 40 :]), float)
        assert shown.sum(axis=1).min() > 0, "nothing pads it to a square"
        assert len(shown) > 500
        return shown.mean(axis=0)

    expected = {name: np.asarray(drawn(name), float).mean(axis=(0, 1)) for name in ("disc", "stripes")}
    assert np.abs(mean_colour("disc.png") - expected["disc"]).max() < 25
    assert np.abs(mean_colour("three.mp4@4", "--include-self") - expected["stripes"]).max() < 25


def test_preview_of_a_film_that_is_gone_gives_the_reason(run, reel, tmp_path):
    film = tmp_path / "film.mp4"
    film.write_bytes((reel / "numbers.mp4").read_bytes())
    assert run("index", film, "-c", tmp_path / "c.mms", "--model", "mini", "--workers", 1).code == 0
    film.unlink()
    ran = run("query", "anything", "-c", tmp_path / "c.mms", "--preview")
    assert ran.code == 0
    assert "file is gone" in ran.out
    assert "▀" not in ran.out


# --- query --open ----------------------------------------------------------------------------------------------


def test_open_plays_the_film_at_the_hit_with_mpv(ask, player, reel):
    mpv, vlc = player("mpv"), player("vlc")
    ran = ask("night train", "--to", "video", "--open")
    assert (ran.code, ran.err) == (0, "")
    assert mpv() == ["--start=3.250", "--", str(reel / "three.mp4")]
    assert not (Path(os.environ["PATH"]).parent / "vlc.called").exists()
    assert vlc is not mpv


def test_open_falls_back_to_vlc(ask, player, reel):
    vlc = player("vlc")
    assert ask("night train", "--to", "video", "--open").err == ""
    assert vlc() == ["--start-time=3.250", (reel / "three.mp4").as_uri()]


@pytest.mark.skipif(sys.platform == "darwin", reason="opens with `open`, and VLC where applications are")
def test_open_falls_back_to_the_systems_player_and_says_where_the_hit_is(ask, player, reel):
    opened = player("xdg-open")
    ran = ask("night train", "--to", "video", "--open")
    assert ran.code == 0
    assert ran.err == "opened by the system's player; the hit is at 00:00:03 (mpv or VLC would start there)\n"
    assert opened() == [str(reel / "three.mp4")]


@pytest.mark.skipif(sys.platform == "darwin", reason="opens with `open`")
def test_open_gives_no_picture_or_subtitle_file_to_a_player(ask, run, player, reel, tmp_path):
    player("mpv")
    opened = player("xdg-open")
    assert ask("a disc", "--to", "image", "--open").err == ""
    assert opened() == [str(reel / "disc.png")]
    (tmp_path / "xdg-open.called").unlink()
    (tmp_path / "lone.srt").write_text(SRT)
    assert run("index", tmp_path / "lone.srt", "-c", tmp_path / "c.mms", "--model", "mini", "--workers", 1).code == 0
    assert run("query", "train", "-c", tmp_path / "c.mms", "--open").err == ""
    assert opened() == [str(tmp_path / "lone.srt")]
    assert not (tmp_path / "mpv.called").exists()


@pytest.mark.skipif(sys.platform == "darwin", reason="opens with `open`")
def test_open_opens_the_first_hit(ask, player, reel):
    opened = player("xdg-open")
    ran = ask("potatoes behind a barn", "--to", "text", "--open")
    assert (ran.code, ran.err) == (0, "")
    assert opened() == [str(reel / "notes.csv")]


@pytest.mark.skipif(sys.platform == "darwin", reason="there is always `open`")
@pytest.mark.parametrize("question", ["a disc", "night train"])
def test_without_a_program_that_opens_files_one_line_says_so(ask, player, question):
    ran = ask(question, "--to", "image" if question == "a disc" else "video", "--open")
    assert ran.code == 1
    assert len(ran.lines) > 0, "the hits are printed all the same"
    assert re.fullmatch(r"mmsearch: cannot open \S+: no xdg-open or wslview is installed\n", ran.err)


@pytest.mark.skipif(sys.platform == "darwin", reason="opens with `open`")
def test_the_noise_of_an_opener_that_fails_becomes_one_line(run_process, reel, home, tmp_path):
    opener = tmp_path / "programs" / "xdg-open"
    opener.parent.mkdir()
    opener.write_text("#!/bin/sh\necho noise\necho 'x-www-browser: not found' >&2\nexit 3\n")
    opener.chmod(0o755)
    asked = ("query", "a disc", "--to", "image", "-k", "1", "--open", "-c", home)
    ran = run_process(*asked, env={**os.environ, "PATH": str(opener.parent)})
    assert (ran.code, len(ran.lines)) == (1, 1)
    assert ran.err == f"mmsearch: cannot open {reel / 'disc.png'}: xdg-open found no program for it\n"


@pytest.mark.skipif(sys.platform == "darwin", reason="opens with `open`")
def test_a_program_that_goes_on_running_is_not_waited_for(ask, player, monkeypatch, tmp_path):
    monkeypatch.setattr("mmsearch.cli.play._PATIENCE_S", 0.2)
    (tmp_path / "programs" / "xdg-open").write_text("#!/bin/sh\nexec /bin/sleep 5\n")
    (tmp_path / "programs" / "xdg-open").chmod(0o755)
    start = time.monotonic()
    assert ask("a disc", "--to", "image", "--open").code == 0
    assert time.monotonic() - start < 4.5


def test_a_file_that_is_gone_is_not_opened(run, reel, tmp_path, player):
    opened = player("xdg-open")
    (tmp_path / "here.txt").write_text("Potatoes grow behind the barn.")
    assert run("index", tmp_path / "here.txt", "-c", tmp_path / "c.mms", "--workers", 1).code == 0
    (tmp_path / "here.txt").unlink()
    ran = run("query", "potatoes", "-c", tmp_path / "c.mms", "--open")
    assert (ran.code, ran.err) == (1, f"mmsearch: cannot open {tmp_path / 'here.txt'}: the file is gone\n")
    assert not (tmp_path / "xdg-open.called").exists()
    assert opened is not None


# --- eval ------------------------------------------------------------------------------------------------------


@pytest.fixture
def pairs(reel) -> Path:
    path = reel.parent / "pairs.jsonl"
    lines = [
        {"query": "a red disc", "relevant": ["reel/three.mp4"], "spans": [[0, 3]]},
        {"query": "blocks", "relevant": ["reel/numbers.mp4"]},
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_eval_scores_moments_where_the_pairs_say_when(run, home, pairs):
    rows = {(row["direction"], row["via"]): row for row in run("eval", pairs, "-c", home, "--json").json["scores"]}
    assert {direction for direction, _ in rows} == {"text → video", "text → moment", "video → text"}
    moment = rows["text → moment", "brute force"]
    assert (moment["queries"], moment["model"]) == (1, "mini")
    assert 0 < moment["MRR"] <= 1
    assert rows["text → video", "index"]["queries"] == 2


def test_eval_prints_a_line_for_each_direction(run, home, pairs):
    header, *lines = run("eval", pairs, "-c", home).lines
    assert header.split() == ["direction", "by", "R@1", "R@5", "R@10", "MRR", "mAP", "queries", "pool"]
    assert [line[:15].strip() for line in lines] == [
        *("text → video", "text → video", "text → moment", "text → moment", "video → text", "video → text")
    ]


# --- frame -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("when", "number"), [("0", 0), ("2.5", 20), ("0:03", 24), ("0:00:04.9", 39)])
def test_frame_writes_the_frame_that_is_shown_then(run, reel, films, tmp_path, when, number):
    out = tmp_path / "frame.png"
    ran = run("frame", f"{reel / 'numbers.mp4'}@{when}", "-o", out)
    assert ran.code == 0, ran.err
    with Image.open(out) as picture:
        assert (picture.size, films.number_in(picture)) == ((160, 120), number)
    assert ran.out == f"{out}: 160 × 120, the frame at 00:00:0{number // FPS}\n"


def test_frame_json_is_one_object(run, reel, tmp_path):
    ran = run("frame", f"{reel / 'numbers.mp4'}@2.55", "-o", tmp_path / "frame.jpg", "--json")
    assert ran.json == {"output": str(tmp_path / "frame.jpg"), "time_s": 2.5, "width": 160, "height": 120}
    assert run("frame", f"{reel / 'numbers.mp4'}@1", "-o", tmp_path / "quiet.jpg", "--quiet").out == ""


def test_frame_writes_over_a_file_only_by_force(run, reel, tmp_path):
    out = tmp_path / "frame.png"
    out.write_text("precious")
    ran = run("frame", f"{reel / 'numbers.mp4'}@1", "-o", out)
    assert (ran.code, ran.out) == (2, "")
    assert "--force writes over it" in ran.err
    assert out.read_text() == "precious"
    assert run("frame", f"{reel / 'numbers.mp4'}@1", "-o", out, "--force").code == 0
    assert Image.open(out).size == (160, 120)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["{reel}/numbers.mp4@1", "-o", "frame.bmp"], 2, "cannot write '.bmp': use .jpg"),
        (["{reel}/numbers.mp4@1", "-o", "nowhere/frame.png"], 2, "no folder nowhere to write frame.png to"),
        (["{reel}/numbers.mp4@60", "-o", "frame.png"], 1, "the film ends at 00:00:05"),
        (["{reel}/tone.wav@1", "-o", "frame.png"], 1, "no picture in it"),
        (["{reel}/disc.png@1", "-o", "frame.png"], 1, "no film or sound"),
        (["{reel}/numbers.mp4", "-o", "frame.png"], 2, "write FILE@TIME"),
        (["{reel}/numbers.mp4@1-2", "-o", "frame.png"], 2, "is more than one frame; write FILE@TIME"),
        (["{reel}/lost.mp4@1", "-o", "frame.png"], 2, "no file at"),
        (["just words", "-o", "frame.png"], 2, "write FILE@TIME"),
    ],
)
def test_frame_that_cannot_be_is_one_line_and_no_file(run, reel, tmp_path, monkeypatch, arguments, code, said):
    monkeypatch.chdir(tmp_path)
    ran = run("frame", *[argument.format(reel=reel) for argument in arguments])
    assert (ran.code, ran.out) == (code, "")
    assert said in ran.err
    assert ran.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["frame", "clip"])
def test_without_a_name_to_write_to_the_call_cannot_be_parsed(run, command):
    ran = run(command, "film.mp4@1")
    assert ran.code == 2
    assert "--output" in ran.err


# --- clip ------------------------------------------------------------------------------------------------------


def test_clip_copies_what_it_can(run, reel, tmp_path):
    out = tmp_path / "clip.mp4"
    ran = run("clip", f"{reel / 'numbers.mp4'}@1.5-3", "-o", out, "--json")
    assert ran.json["output"] == str(out)
    assert ran.json["copied"] is True
    assert ran.json["start_s"] == pytest.approx(1, abs=0.01)
    assert ran.json["end_s"] == pytest.approx(3, abs=0.1)
    told = run("clip", f"{reel / 'numbers.mp4'}@0:01-0:03", "-o", out, "--force").out
    assert told == f"{out}: 00:00:01–00:00:03, copied\n"


def test_clip_encodes_again_what_it_must(run, reel, tmp_path):
    out = tmp_path / "clip.webm"
    ran = run("clip", f"{reel / 'three.mp4'}@2-4", "-o", out)
    assert ran.out == f"{out}: 00:00:02–00:00:04, encoded again\n"


def test_clip_cuts_a_sound_that_can_be_indexed_again(run, reel, tmp_path):
    out = tmp_path / "clip.flac"
    ran = run("clip", f"{reel / 'tone.wav'}@2-4.5", "-o", out, "--json")
    assert ran.json == {"output": str(out), "start_s": 2.0, "end_s": 4.5, "copied": False}
    ran = run("clip", f"{reel / 'tone.wav'}@{0.1 + 0.2}-{3 * 1.1}", "-o", out, "--force", "--json")
    assert '"start_s": 0.3, "end_s": 3.3,' in ran.out, "not 0.30000000000000004"


def test_a_clip_is_a_film_like_any_other(run, reel, home, tmp_path):
    out = tmp_path / "clip.mp4"
    assert run("clip", f"{reel / 'three.mp4'}@3-6", "-o", out).code == 0
    (hit,) = run("query", f"{out}@4.5", "-c", home, "--to", "video", "-k", "1", "--json").json["hits"]
    assert Path(hit["path"]).name == "three.mp4"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["{reel}/numbers.mp4@1", "-o", "clip.mp4"], 2, "does not say to when; write FILE@FROM-TO"),
        (["{reel}/numbers.mp4@3-2", "-o", "clip.mp4"], 2, "ends before it begins"),
        (["{reel}/numbers.mp4@1-2", "-o", "clip.txt"], 2, "cannot write '.txt': use .mp4"),
        (["{reel}/numbers.mp4@1-2", "-o", "nowhere/clip.mp4"], 2, "no folder nowhere to write clip.mp4 to"),
        (["{reel}/numbers.mp4@1-2", "-o", "clip.wav"], 1, "no sound track"),
        (["{reel}/numbers.mp4@60-70", "-o", "clip.webm"], 1, "ends before"),
        (["{reel}/notes.csv@1-2", "-o", "clip.mp4"], 1, "no film or sound"),
    ],
)
def test_clip_that_cannot_be_is_one_line_and_no_file(run, reel, tmp_path, monkeypatch, arguments, code, said):
    monkeypatch.chdir(tmp_path)
    ran = run("clip", *[argument.format(reel=reel) for argument in arguments])
    assert (ran.code, ran.out) == (code, "")
    assert said in ran.err
    assert ran.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
