"""``mmsearch groups``."""

from __future__ import annotations

import os
import re

import numpy as np
import pytest

from mmsearch import Collection


@pytest.fixture
def grouped(tmp_path, run, drawn):
    """Runs the command on pictures of three kinds, four of each."""
    folder = tmp_path / "drawings"
    folder.mkdir()
    for kind in ("disc", "stripes", "noise"):
        for i in range(4):
            drawn(f"{kind}.png").resize((96 + 8 * i, 64 + 8 * i)).save(folder / f"{kind} {i}.png")
    assert run("index", folder, "-c", tmp_path / "c.mms", "--model", "mini", "-q").code == 0
    return lambda *arguments: run("groups", "-c", tmp_path / "c.mms", *arguments)


def test_the_table_the_files_and_the_json(grouped, tmp_path):
    ran = grouped()
    rows = [line.split("\t") for line in ran.lines]
    assert [(row[0], row[2]) for row in rows] == [("g1", "4"), ("g2", "4"), ("g3", "4")]
    assert ran.err == "12 files, 3 groups\n"
    assert grouped("-q").err == ""
    files = grouped("g2")
    assert len({os.path.basename(line).split()[0] for line in files.lines}) == 1
    assert grouped("g2", "--print0").out_bytes.count(b"\0") == 4
    os.unlink(files.lines[0])
    assert grouped("g2", "--paths").lines == files.lines[1:]
    told = grouped("--json").json
    assert [group["id"] for group in told["groups"]] == ["g1", "g2", "g3"]
    assert len(grouped("-n", "1", "--json").json["groups"]) == 1
    assert grouped("-n", "1").err == "12 files, 3 groups; 1 is shown, -n 0 shows all\n"
    assert len(grouped("g3", "--json").json["paths"]) == 4
    assert grouped("g3", "--sheet", tmp_path / "s").err == f"wrote {tmp_path / 's' / 'index.html'}, and a page for it\n"
    again = grouped("g3", "--sheet", tmp_path / "s")
    assert (again.code, again.err.count("--force writes over it")) == (2, 1)


def test_wrong_use_is_one_line(run, tmp_path):
    Collection.create(tmp_path / "c.mms", None).close()

    def said(*arguments: str) -> str:
        ran = run("groups", "-c", tmp_path / "c.mms", *arguments)
        assert ran.code == 2
        assert ran.err.count("\n") == 1
        return ran.err

    assert "name it, such as g7" in said("--paths")
    assert "leave out the options" in said("g7", "--by", "event")
    assert "such as g1" in said("dogs")
    assert "there are: look, event; give --by another value" in said("--by", "colour")
    assert "not 0; give --detail another value" in said("--detail", "0")
    assert run("groups", "-c", tmp_path / "c.mms", "-n", "-1").code == 2
    assert run("groups", "-c", tmp_path / "none.mms").code == 1
    assert run("groups", "-c", tmp_path / "c.mms").err == "there is nothing to group: no file of these kinds\n"


def test_a_terminal_of_80_columns(run, tmp_path, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")
    made = Collection.create(tmp_path / "c.mms", None)
    for kind, modality in enumerate(("image", "audio")):
        vectors = np.eye(8)[[kind * 2] * 4 + [kind * 2 + 1] * 4] + 0.05 * np.random.default_rng(kind).random((8, 8))
        names = [f"/{'long folder ' * 8}{kind}/{i}.x" for i in range(8)]
        dates = np.array(["2021-03-01", "2023-07-01"] * 4, "datetime64[us]")
        made.add(vectors, paths=names, modality=modality, space="s", facts={"taken_at": dates})
    made.close()
    lines = run("groups", "-c", tmp_path / "c.mms").lines
    plain = [re.sub(r"\x1b\[[0-9;]*m|\x1b\]8;[^\x1b]*\x1b\\", "", line) for line in lines]
    assert max(map(len, plain)) <= 80
    assert plain[0].split() == ["id", "name", "files", "when", "for", "example"]
    assert [line for line in plain if not line.startswith("g")][1:] == ["pictures and films", "sounds"]
    assert "2021–2023" in plain[2]
