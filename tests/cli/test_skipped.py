"""What is said of skipped files: what is new, grouped by reason; the rest by its number, listed on demand."""

from __future__ import annotations

import pytest


@pytest.fixture
def home(tmp_path):
    """Where this test's collection lies."""
    return tmp_path / "new.mms"


@pytest.fixture
def index(run, home):
    """``mmsearch index`` into a new collection of this test."""
    return lambda *arguments: run("index", "-c", home, "--workers", 1, *arguments)


@pytest.fixture
def broken(tmp_path, drawn):
    """Fourteen files that are skipped for five reasons, and a picture."""
    folder = tmp_path / "broken"
    folder.mkdir()
    drawn("disc").save(folder / "disc.png")
    for i in range(5):
        (folder / f"{i}.xmp").write_text(f"<x:xmpmeta xmlns:x='adobe:ns:meta/{i}'/>")
        (folder / f"empty{i}.jpg").touch()
    (folder / "cut.png").write_bytes((folder / "disc.png").read_bytes()[:60])
    (folder / "link").symlink_to(folder / "disc.png")
    (folder / "blank.txt").write_text("   ")
    (folder / "a.zip").write_bytes(b"PK\x03\x04" + bytes(60))
    return folder


def told(ran) -> list[str]:
    return [line for line in ran.err.splitlines() if line.startswith("skipped:")]


def test_reasons_are_counted_each_with_one_example(index, broken):
    lines = told(index(broken))
    counts = [int(line.split()[1]) if " × " in line else 1 for line in lines]
    assert sum(counts) == 14
    assert counts == sorted(counts, reverse=True)
    assert len(lines) == len(set(lines)) >= 5
    assert all(str(broken) in line for line in lines)


def test_a_reason_of_one_file_is_told_as_a_single_file_is(index, broken):
    lines = told(index(broken))
    assert f"skipped: {broken}/blank.txt: there is no text in it" in lines
    assert not [line for line in lines if "1 ×" in line]


def test_reasons_that_differ_in_numbers_alone_are_one(index, tmp_path):
    folder = tmp_path / "tables"
    folder.mkdir()
    for i in range(8):
        (folder / f"{i}.csv").write_text(f"{i}id,{i}ref\n{i},{i + 1}\n{i + 2},{i + 3}\n")
    lines = told(index(folder, "--text-column", "title"))
    assert len(lines) == 1
    assert lines[0].startswith(f"skipped: 8 files such as {folder}/0.csv: no column 'title'; ")


def test_every_file_is_listed_with_v_and_in_json(index, broken):
    assert len(index(broken, "--json").json["skipped"]) == 14
    assert len(told(index(broken, "-v", "--retry-skipped"))) == 14


def test_a_second_run_tells_what_is_new_and_how_many_were_known(index, broken):
    index(broken)
    (broken / "new.xmp").write_text("<x:xmpmeta xmlns:x='adobe:ns:meta/new'/>")
    ran = index(broken)
    new, *link, known = told(ran)
    assert "new.xmp" in new + "".join(link)
    assert "13 known from before" in known
    assert "15 skipped" in ran.out
    ran = index(broken, "--json")
    assert len([note for note in ran.json["skipped"] if note.get("known")]) == 14
    assert ran.json["found"] == ran.json["unchanged"] + len(ran.json["skipped"]) == 16
    assert len(told(index(broken, "-v"))) == 15


def test_status_lists_what_is_remembered(index, run, broken, home):
    index(broken)
    ran = run("status", "--skipped", "-c", home)
    assert len(ran.out.splitlines()) == 13, "a link is passed over without being opened, so it is not remembered"
    assert f"{broken}/0.xmp: " in ran.out
    listed = run("status", "--skipped", "--json", "-c", home).json["skipped"]
    assert {note["path"] for note in listed} >= {f"{broken}/cut.png", f"{broken}/blank.txt"}
    assert "13 files" in next(line for line in run("status", "-c", home).out.splitlines() if "skipped" in line)
    assert run("status", "--json", "-c", home).json["skipped"] == 13


def test_an_unknown_check_is_a_usage_error(index, broken):
    assert index(broken, "--check", "size").code == 2


def test_files_can_be_compared_by_content(index, broken):
    index(broken)
    assert " unchanged" in index(broken, "--check", "content").out
