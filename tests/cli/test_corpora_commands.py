"""`mmsearch plan`, `work`, `gather`, and `index` over archives, as a person types them."""

from __future__ import annotations

import pytest


@pytest.fixture
def tars(corpora):
    for number in range(2):
        corpora.tar(f"x-{number}.tar", corpora.samples(["disc", "cross", "grid"]))
    return str(corpora.folder / "x-{0..1}.tar")


def test_plan_work_and_gather_say_what_they_did(run, tars, tmp_path):
    plan, out = str(tmp_path / "plan.parquet"), str(tmp_path / "c.mms")
    planned = run("plan", tars, "-o", plan, "--model", "mini")
    assert "plan.parquet: 2 parts, " in planned.out
    worked = run("work", plan, "--out", out, "--task", "1/2", "--progress", "none")
    assert worked.out.startswith("1 part: 1 done; 3 items, 6 rows (")
    run("work", plan, "--out", out)
    again = run("work", plan, "--out", out)
    assert again.out.startswith("2 parts: 2 done before; 0 items, 0 rows (")
    assert run("gather", out).out.startswith("parts: 2 taken in; 12 new rows (")
    assert run("gather", out).out.startswith("parts: 2 held before; 0 new rows (")
    assert ".tar#000000.jpg" in run("query", "a red disc on white", "-k", "1", "-c", out).out


def test_their_json_counts_add_up(run, tars, tmp_path):
    plan, out = str(tmp_path / "plan.parquet"), str(tmp_path / "c.mms")
    assert run("plan", tars, "-o", plan, "--model", "mini", "--json").json["parts"] == 2
    worked = run("work", plan, "--out", out, "--json").json
    assert (worked["parts"], worked["done"], worked["items"], worked["indexed"], worked["failed"]) == (2, 2, 6, 6, [])
    gathered = run("gather", out, "--json").json
    assert (gathered["parts"], gathered["items"], gathered["rows"], gathered["refused"]) == (2, 6, 12, [])


@pytest.mark.parametrize("task", ["0/2", "3/2", "2", "a/b", "1/0"])
def test_a_task_that_is_none_is_wrong_use(run, tars, tmp_path, task):
    failed = run("work", "plan.parquet", "--out", str(tmp_path / "c.mms"), "--task", task)
    assert failed.code == 2
    assert "is no task; write 17/512 for the 17th of 512" in failed.err


def test_a_part_that_cannot_be_read_is_said_and_the_exit_code_is_1(run, tars, corpora, tmp_path):
    plan, out = str(tmp_path / "plan.parquet"), str(tmp_path / "c.mms")
    run("plan", tars, "-o", plan, "--model", "mini")
    (corpora.folder / "x-1.tar").unlink()
    failed = run("work", plan, "--out", out)
    assert failed.code == 1
    assert "failed: " in failed.err
    assert "x-1.tar" in failed.err
    assert failed.out.startswith("2 parts: 1 done, 1 left; ")
    corpora.tar("x-1.tar", corpora.samples(["disc"]))
    assert "has changed since it was planned; plan again" in run("work", plan, "--out", out).err


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["plan", "nothing.tar", "-o", "p", "--model", "mini"], 2, "there is no"),
        (["plan", "x-{3}.tar", "-o", "p", "--model", "mini"], 2, "is no range"),
        (["plan", "ftp-like://x/y.tar", "-o", "p", "--model", "mini"], 2, "ftp-like"),
        (["work", "nothing.parquet", "--out", "c.mms"], 1, "there is no plan"),
        (["gather", "nothing.mms"], 1, "no collection and no worker's result"),
        (["index", "nothing-{0..2}.tar", "-c", "c.mms"], 2, "there is no"),
    ],
)
def test_bad_input_gets_one_line_and_makes_nothing(run, tmp_path, monkeypatch, arguments, code, said):
    monkeypatch.chdir(tmp_path)
    failed = run(*arguments)
    assert failed.code == code
    assert said in failed.err
    assert len(failed.err.strip().split("\n")) == 1
    assert "Traceback" not in failed.err
    assert not (tmp_path / "c.mms").exists()


def test_an_archive_is_indexed_by_its_name_and_a_cut_one_says_so(run, corpora, tmp_path):
    path = corpora.tar("a.tar")
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    done = run("index", str(path), "-c", str(tmp_path / "c.mms"), "--model", "mini", "--workers", "1")
    assert "cut short or damaged after" in done.err
    assert "1 skipped" in done.out
    path.write_bytes(whole)
    assert "8 indexed" in run("index", "-c", str(tmp_path / "c.mms"), "--workers", "1").out


def test_an_archive_in_a_folder_says_how_to_index_it(run, corpora, tmp_path):
    folder = corpora.files("all")
    corpora.folder = folder
    corpora.tar("a.tar")
    done = run("index", str(folder), "-c", str(tmp_path / "c.mms"), "--model", "mini", "--workers", "1")
    assert "a.tar" in done.err
    assert "a tar archive: not looked into unless it is named" in done.err
