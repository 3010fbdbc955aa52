from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from PIL import Image

from mmsearch import Collection


@pytest.fixture
def twice(photos: Path, tmp_path: Path) -> Path:
    """A collection of a few files, two of them there twice."""
    (photos / "copy.png").write_bytes((photos / "disc.png").read_bytes())
    Image.open(photos / "cross.png").resize((48, 32)).save(photos / "small.png")
    with Collection.create(tmp_path / "d.mms", model="mini") as collection:
        collection.index([photos], workers=1)
    return tmp_path / "d.mms"


def test_groups_are_lines_of_fields_and_sums_are_said(run, twice):
    ran = run("duplicates", "-c", twice)
    assert ran.code == 0
    fields = [line.split("\t") for line in ran.lines]
    kept = [(reason, Path(path).name) for _, reason, _, _, path in fields]
    assert ("resized", "small.png") in kept
    assert ("keep", "cross.png") in kept
    assert {"keep", "same content"} <= {reason for reason, name in kept if name in ("disc.png", "copy.png")}
    assert "2 copies of 2 files:" in ran.err
    assert "could be freed" in ran.err


def test_paths_of_copies_are_printed_for_other_programs(run, twice):
    ran = run("duplicates", "--print0", "--keep", "first-path", "-q", "-c", twice)
    paths = [os.fsdecode(path) for path in ran.out_bytes.split(b"\0")[:-1]]
    assert {Path(path).name for path in paths} == {"disc.png", "small.png"}
    assert run("duplicates", "--paths", "--keep", "first-path", "-q", "-c", twice).lines == paths
    assert all(Path(path).exists() for path in paths), "nothing is deleted"


def test_json_has_groups_and_numbers(run, twice):
    found = run("duplicates", "--json", "-c", twice).json
    assert found["copies"] == len(found["groups"]) == 2
    (resized,) = [group for group in found["groups"] if group["kept"]["path"].endswith("cross.png")]
    assert resized["copies"][0]["reason"] == "resized"
    assert 0.9 < resized["copies"][0]["number"] <= 1
    assert found["freed"] == sum(copy["size"] for group in found["groups"] for copy in group["copies"])


def test_the_table_fits_a_terminal(run, twice, as_terminal):
    as_terminal(80)
    out = re.sub(r"\x1b\[[0-9;]*m|\x1b\]8;[^\x1b]*\x1b\\", "", run("duplicates", "-c", twice).out)
    assert max(map(len, out.splitlines())) <= 80
    assert "keep" in out
    assert "100 %" in out
    assert "small.png" in out


def test_exact_copies_alone_may_be_asked_for(run, twice):
    assert run("duplicates", "--exact", "--json", "-c", twice).json["copies"] == 1
    ran = run("duplicates", "--exact", "--bursts", "-c", twice)
    assert ran.code == 2
    assert "exclude each other" in ran.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--keep", "best"), "no rule 'best'; there are: largest, oldest, newest, first-path"),
        (("--under", "/nowhere/at/all"), "/nowhere/at/all"),
        (("--where", "width >"), "width >"),
        (("--to", "pictures"), "pictures"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(run, twice, arguments, said):
    ran = run("duplicates", *arguments, "-c", twice)
    assert ran.code == 2
    assert said in ran.err
    assert len(ran.err.splitlines()) == 1


def test_a_collection_without_duplicates_says_so(run, photos, tmp_path):
    with Collection.create(tmp_path / "e.mms", model="mini") as collection:
        collection.index([photos / "bread.md"], workers=1)
    ran = run("duplicates", "-c", tmp_path / "e.mms")
    assert (ran.code, ran.out) == (0, "")
    assert ran.err == "no duplicates\n"
