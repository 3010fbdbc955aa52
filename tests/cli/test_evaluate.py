"""``mmsearch eval`` with queries that nothing answers, and ``--calibrate``."""

from __future__ import annotations

import json

import pytest

ANSWERED = [
    {"query": f"{words} {shape}", "relevant": [name]}
    for name, words in (("red.png", "a red picture with a white"), ("green.png", "green and yellow:"))
    for shape in ("disc", "ellipse", "circle", "ball", "shape", "spot", "oval", "dot", "blob", "ring", "egg")
]
ABSENT = [{"query": f"{number} zebras at a wedding", "relevant": []} for number in range(20)]


@pytest.fixture
def pairs(own, tmp_path):
    """Writes a PAIRS file; the names in it are those of files of ``own``."""

    def write(*lines):
        path = tmp_path / "pairs.jsonl"
        full = [{**line, "relevant": [str(own.folder / name) for name in line["relevant"]]} for line in lines]
        path.write_text("".join(json.dumps(line) + "\n" for line in full))
        return path

    return write


def test_eval_says_how_well_levels_tell_what_is_not_there(run, own, pairs):
    path = pairs(*ANSWERED, *ABSENT)
    last = run("eval", path, "-c", own.home).lines[-1]
    assert last.startswith("levels of text → image: AUROC ")
    assert last.endswith("(measured for the model); 22 queries with an answer, 20 without")
    (levels,) = run("eval", path, "-c", own.home, "--json").json["levels"]
    assert (levels["direction"], levels["source"]) == ("text → image", "catalogue")
    assert (levels["answerable"], levels["absent"]) == (22, 20)
    assert 0 <= levels["ece"] <= 1


def test_without_absent_queries_eval_says_nothing_of_levels(run, own, pairs):
    path = pairs(*ANSWERED)
    assert "levels" not in run("eval", path, "-c", own.home).out
    assert run("eval", path, "-c", own.home, "--json").json["levels"] == []


def test_calibrate_prints_a_line_for_each_direction_and_status_shows_it(run, own, pairs):
    assert "levels measured for the model" in run("status", "-c", own.home).out
    ran = run("eval", "--calibrate", pairs(*ANSWERED, *ABSENT), "-c", own.home)
    assert (ran.code, ran.err) == (0, "")
    header, line = ran.lines
    assert header.split() == ["direction", "from", "queries", "absent", "AUROC", "ECE"]
    assert line.startswith("text → image    pairs           22      20  ")
    assert line.count("→") == 3, "the direction, and two figures before and after"
    image, text = (line for line in run("status", "-c", own.home).lines if line.startswith(("image", "text")))
    assert image.endswith("levels image measured for the model · text from own pairs")
    assert text.endswith("levels measured for the model")
    parts = run("status", "-c", own.home, "--json").json["modalities"]
    assert {part["modality"]: part["levels"]["text"] for part in parts} == {"image": "pairs", "text": "catalogue"}


def test_calibrate_json_has_both_figures_before_and_after(run, own, pairs):
    (done,) = run("eval", "--calibrate", pairs(*ANSWERED, *ABSENT), "-c", own.home, "--json").json["calibrated"]
    assert (done["model"], done["queries"], done["absent"], done["rows"]) == ("mini", 22, 20, 5)
    for when in ("before", "after"):
        assert set(done[when]) == {"auroc", "ece"}


def test_too_few_pairs_get_one_line(run, own, pairs):
    ran = run("eval", "--calibrate", pairs(*ANSWERED[:5]), "-c", own.home)
    assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1)
    assert "text → image needs 20 queries with an answer, there are 5" in ran.err


def test_calibrate_without_pairs_keeps_what_was_measured_for_the_model(run, own):
    ran = run("eval", "--calibrate", "-c", own.home)
    assert (ran.code, ran.out) == (0, "")
    assert "text → image keeps its levels, which were measured for the model" in ran.err


def test_without_pairs_and_without_calibrate_the_argument_is_missing(run, own):
    ran = run("eval", "-c", own.home)
    assert (ran.code, ran.out) == (2, "")
    assert "Missing argument 'PAIRS'" in ran.err
