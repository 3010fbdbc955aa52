"""``mmsearch status``, ``remove``, ``compact``, ``doctor`` and ``eval``."""

from __future__ import annotations

import json
import re

import pytest


def shard(home):
    """One of the collection's shards of pictures."""
    return next(home.glob("shards/*/image/*.parquet"))


# --- status ---------------------------------------------------------------------------------------------------


def test_status_tells_what_is_in_the_collection(run, indexed):
    out = run("status", "-c", indexed.home).out
    assert str(indexed.home) in out
    assert "mini" in out
    assert f"root        {indexed.folder}" in out
    assert "5 files, 1 shard, index exact" in out
    assert re.search(r"^on disk     \d+ kB, format 1, generation \d+$", out, re.MULTILINE), "not 0.0 MB"
    assert not re.search(r"\b1 (files|rows|shards|segments|queries)\b", out)


def test_status_json_has_the_same_as_numbers(run, indexed):
    facts = run("status", "-c", indexed.home, "--json").json
    assert facts["model"] == "mini"
    files = {part["modality"]: part["files"] for part in facts["modalities"]}
    assert files == {"image": 5, "text": 2}


@pytest.mark.parametrize("command", ["status", "compact", "doctor", "remove", "eval"])
def test_without_a_collection_one_line_says_so(run, tmp_path, command):
    (tmp_path / "file").write_text("{}")
    arguments = [tmp_path / "file"] if command in ("remove", "eval") else []
    ran = run(command, *arguments, "-c", tmp_path / "none.mms")
    assert ran.code != 0
    assert (ran.out, ran.err.count("\n")) == ("", 1)
    assert "none.mms" in ran.err
    assert not (tmp_path / "none.mms").exists()


# --- remove and compact ---------------------------------------------------------------------------------------


def test_remove_forgets_a_file_and_leaves_it_on_disk(run, own):
    ran = run("remove", own.folder / "red.png", "-c", own.home)
    assert (ran.code, ran.out) == (0, "forgot 1 file; nothing was deleted from disk\n")
    assert (own.folder / "red.png").exists()
    assert "red.png" not in run("query", "x", "-c", own.home, "--paths").out


def test_remove_forgets_a_folder(run, own):
    assert run("remove", own.folder / "trip", "-c", own.home, "--json").json == {"removed": 1}
    assert run("remove", own.folder, "-c", own.home, "--quiet").out == ""
    assert run("query", "x", "-c", own.home, "--paths").out == ""


def test_what_was_removed_does_not_come_back_until_it_is_lifted(run, own):
    run("remove", own.folder / "trip", "-c", own.home)
    assert "sea.png" not in run("index", own.folder, "-c", own.home, "--workers", 1).out
    assert "sea.png" not in run("query", "x", "-c", own.home, "--paths").out
    status = run("status", "-c", own.home).out
    assert f"removed     {own.folder}/trip\n" in status
    assert "--lift" in status
    run("index", "--lift", own.folder / "trip", "-c", own.home, "--workers", 1)
    assert "sea.png" in run("query", "x", "-c", own.home, "--paths").out


def test_a_root_that_holds_nothing_and_is_gone_is_told_and_can_be_dropped(run, own, tmp_path):
    gone = tmp_path / "gone"
    gone.mkdir()
    run("index", gone, "-c", own.home)
    gone.rmdir()
    status = run("status", "-c", own.home)
    assert f"root        {gone}  holds nothing and is missing" in status.out
    assert f"root        {own.folder}  7 files in 7 rows\n" in status.out
    ran = run("remove", gone, "-c", own.home)
    assert (ran.code, ran.out) == (0, "dropped from the roots; nothing was stored of it\n")
    assert str(gone) not in run("status", "-c", own.home).out


def test_removing_what_is_not_known_is_wrong_use(run, own, tmp_path):
    ran = run("remove", tmp_path / "stranger.png", "-c", own.home)
    assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1)
    assert "stranger.png" in ran.err


def test_compact_merges_shards_and_drops_forgotten_rows(run, own, painted, tmp_path):
    painted(tmp_path / "more" / "new.png", "lime", "black")
    run("index", tmp_path / "more", "-c", own.home, "--workers", 1)
    run("remove", own.folder / "red.png", "-c", own.home)
    before = run("query", "a circle", "-c", own.home, "--json").json["hits"]
    assert ", 1 dead row (" in run("status", "-c", own.home).out
    assert run("compact", "-c", own.home, "--json").json == {"shards_before": 3, "shards_after": 2}
    assert "dead row" not in run("status", "-c", own.home).out
    after = run("query", "a circle", "-c", own.home, "--json").json["hits"]
    assert [(hit["path"], hit["score"]) for hit in after] == [(hit["path"], hit["score"]) for hit in before]
    assert run("compact", "-c", own.home).out == "2 shards before, 2 after\n"


def test_a_folder_is_read_anew_once_its_forgotten_rows_are_dropped(run, painted, tmp_path):
    folder, home = painted(tmp_path / "album" / "red.png", "red", "white").parent, tmp_path / "c.mms"

    def read_by(*options):
        report = run("index", folder, "-c", home, "--workers", 1, "--json", *options).json
        return report["indexed"], "encode" in report["stages"]

    assert read_by() == (1, True)
    assert read_by("--check", "content") == (0, False)
    run("remove", folder, "-c", home)
    assert read_by() == (1, False), "its forgotten rows are used again"
    run("remove", folder, "-c", home)
    run("compact", "-c", home)
    assert read_by() == (1, True)


# --- doctor ---------------------------------------------------------------------------------------------------


def test_doctor_finds_nothing_wrong_with_a_sound_collection(run, indexed):
    ran = run("doctor", "-c", indexed.home)
    assert (ran.code, ran.out, ran.err) == (0, "all is well\n", "")
    assert run("doctor", "-c", indexed.home, "--json").json == {"problems": []}


def test_doctor_names_a_damaged_shard_and_ends_with_code_4(run, own):
    damaged = shard(own.home)
    damaged.write_bytes(damaged.read_bytes()[:-40])
    ran = run("doctor", "-c", own.home)
    assert ran.code == 4
    assert len(ran.lines) == 1
    assert ran.out.startswith(f"{damaged}: ")
    assert "--repair" in ran.out
    assert run("doctor", "-c", own.home, "--json").json["problems"][0]["repaired"] is None


def test_after_repair_the_next_index_brings_everything_back(run, own):
    shard(own.home).unlink()
    assert run("doctor", "--repair", "-c", own.home).code == 0
    assert run("doctor", "-c", own.home).code == 0
    assert len(run("query", "x", "-c", own.home, "--paths").lines) == 2
    assert run("index", own.folder, "-c", own.home, "--workers", 1, "--json").json["indexed"] == 5
    assert len(run("query", "x", "-c", own.home, "--paths").lines) == 7


def test_doctor_makes_a_lost_manifest_again(run, own):
    manifest = own.home / "MANIFEST.json"
    manifest.write_bytes(manifest.read_bytes()[:100])
    assert run("doctor", "-c", own.home).code == 4
    assert run("doctor", "--repair", "-c", own.home).code == 0
    assert len(run("query", "x", "-c", own.home, "--paths").lines) == 7


# --- eval -----------------------------------------------------------------------------------------------------


@pytest.fixture
def pairs(indexed):
    """Pairs that are easy to answer, paths relative to their file."""
    lines = [
        {"query": "A loaf of rye bread cools on the kitchen table.", "relevant": ["bread.txt"]},
        {"query": "Fishing boats lie in the harbour at low tide.", "relevant": ["boats.md"]},
        {"query_file": "red.png", "relevant": ["green.png"]},
    ]
    path = indexed.folder.parent / "album" / "pairs.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    yield path
    path.unlink()


def test_eval_prints_recall_by_direction(run, indexed, pairs):
    ran = run("eval", pairs, "-c", indexed.home)
    assert ran.code == 0, ran.err
    header, *rows = ran.lines
    assert header.split() == ["direction", "by", "R@1", "R@5", "R@10", "MRR", "mAP", "queries", "pool"]
    assert rows


def test_eval_json_has_a_score_for_each_direction(run, indexed, pairs):
    scores = run("eval", pairs, "-c", indexed.home, "--json").json["scores"]
    words = next(row for row in scores if row["direction"] == "text → text")
    assert (words["queries"], words["pool"], words["R@1"], words["MRR"]) == (2, 2, 1.0, 1.0)


def test_eval_over_the_files_of_the_pairs_alone(run, indexed, pairs):
    scores = run("eval", pairs, "--pool", "pairs", "-c", indexed.home, "--json").json["scores"]
    assert next(row for row in scores if row["direction"] == "image → image")["pool"] < 5


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("no json", "line 1"),
        ('{"relevant": ["a.png"]}', "line 1"),
        ('{"query": "a"}', "line 1"),
        ("", ""),
    ],
)
def test_pairs_that_cannot_be_read_get_one_line(run, indexed, tmp_path, line, hint):
    (tmp_path / "pairs.jsonl").write_text(line)
    ran = run("eval", tmp_path / "pairs.jsonl", "-c", indexed.home)
    assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1)
    assert hint in ran.err


def test_pairs_that_are_not_there_get_one_line(run, indexed, tmp_path):
    ran = run("eval", tmp_path / "none.jsonl", "-c", indexed.home)
    assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1)


def test_an_unknown_pool_is_wrong_use(run, indexed, pairs):
    ran = run("eval", pairs, "--pool", "ocean", "-c", indexed.home)
    assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1)
    assert "ocean" in ran.err
