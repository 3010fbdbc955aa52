"""``mmsearch models``."""

from __future__ import annotations

import importlib.util
import re

import pytest

from mmsearch.models import catalogue, transcribers
from mmsearch.types import MODALITIES


@pytest.fixture
def base_install(monkeypatch):
    """Nothing of the extra `clip` is installed."""
    found = importlib.util.find_spec
    absent = ("torch", "open_clip", "transformers")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name in absent else found(name, *rest))


def test_list_works_where_no_extra_is_installed(run, base_install):
    models = {entry["name"]: entry["here"] for entry in run("models", "list", "--json").json["models"]}
    assert models["mini"] is True
    assert not any(here for name, here in models.items() if name != "mini")


def test_pull_and_export_name_the_extra_that_is_not_installed(run, base_install):
    for command in ("pull", "export"):
        for name in ("clip", "siglip2"):
            ran = run("models", command, name)
            assert (ran.code, ran.out, ran.err.count("\n")) == (1, "", 1)
            assert 'pip install "mmsearch[clip]"' in ran.err
    for name in ("clap", "pe-av-audio"):
        ran = run("models", "pull", name)
        assert (ran.code, ran.out, ran.err.count("\n")) == (1, "", 1)
        assert 'pip install "mmsearch[audio]"' in ran.err


def test_index_says_that_auto_took_mini_and_where_better_ones_are(run, base_install, photos, tmp_path):
    told = run("index", photos, "-c", tmp_path / "new.mms").err.splitlines()[0]
    assert "model mini: built in, small, English" in told
    assert "mmsearch models list" in told
    assert len(told.partition("model ")[2]) < 80, "one short line"


def test_list_names_every_model_of_the_catalogue(run):
    lines = run("models", "list").lines
    assert {line.split()[0] for line in lines[1:-3]} == {entry.name for entry in (*catalogue(), *transcribers())}
    assert "clap@/path" in lines[-3]
    assert "whisper@/path" in lines[-2]
    assert "open_clip:ARCHITECTURE/TAG" in lines[-1]


@pytest.mark.parametrize("columns", [60, 80, 100, 160])
def test_list_fits_the_terminal_and_cuts_nothing(run, monkeypatch, columns):
    for name, value in (("FORCE_COLOR", "1"), ("TERM", "xterm-256color"), ("COLUMNS", str(columns))):
        monkeypatch.setenv(name, value)
    lines = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in run("models", "list").lines]
    assert max(map(len, lines)) <= columns
    shown = " ".join(" ".join(lines).split())
    for info in catalogue():
        assert f"{info.note} · {info.licence}" in shown
        (row,) = (line for line in lines if line.startswith(f"{info.name} "))
        assert row.split()[-len(info.modalities) :] == [kind for kind in MODALITIES if kind in info.modalities]
    assert "open_clip:ARCHITECTURE/TAG" in shown


def test_a_size_is_told_in_the_unit_that_fits(run):
    lines = {line.split()[0]: line for line in run("models", "list").lines}
    assert " 4.6 GB " in lines["siglip2-large"]
    assert " 610 MB " in lines["clip"]
    assert " built in " in lines["mini"]


def test_list_says_what_each_model_embeds(run):
    lines = {line.split()[0]: line for line in run("models", "list").lines}
    assert " text audio " in lines["clap"]
    assert " image text audio video " in lines["mini"]
    assert " image text video " in lines["clip"]


def test_list_json_has_facts_and_licences(run):
    models = {entry["name"]: entry for entry in run("models", "list", "--json").json["models"]}
    assert models["mini"]["here"] is True
    assert models["mini"]["dim"] == 256
    assert all(entry["licence"] and entry["note"] for entry in models.values())
    assert {name for name, entry in models.items() if not entry["modalities"]} == {i.name for i in transcribers()}


def test_mini_needs_no_pull(run):
    ran = run("models", "pull", "mini")
    assert (ran.code, ran.out) == (0, "mini is built in; there is nothing to fetch\n")
    assert run("models", "pull", "mini", "--quiet").out == ""


def test_mini_needs_no_export(run):
    ran = run("models", "export", "mini")
    assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1)
    assert "without torch" in ran.err


def test_models_of_sounds_and_films_have_no_export(run):
    for name in ("clap", "pe-av-video"):
        ran = run("models", "export", name)
        assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1)
        assert "through transformers only" in ran.err


def test_a_misspelt_name_gets_the_close_one(run):
    for command in ("pull", "export"):
        ran = run("models", command, "siglp2")
        assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1)
        assert "siglip2" in ran.err


def test_pull_without_a_network_names_the_ways_out(run, monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # nothing listens there
    for name in ("clip", "clap"):
        ran = run("models", "pull", name)
        assert (ran.code, ran.out, ran.err.count("\n")) == (1, "", 1)
        assert re.search(r"Copy \S+ from a machine that has it; or name a checkpoint", ran.err)
        assert "--model " in ran.err
