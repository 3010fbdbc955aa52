"""Text in pictures at the command line: it is read and found, and the status says what is missing."""

from __future__ import annotations

import pytest

from mmsearch.retrieval.upkeep import status


@pytest.fixture
def sign(written, tmp_path):
    (tmp_path / "signs").mkdir()
    written.page(["Pharmacy Raulino"]).save(tmp_path / "signs" / "sign.png")
    return tmp_path / "signs"


def test_a_sign_is_found_by_its_words(reads_text, run, sign, tmp_path):
    home = tmp_path / "c.mms"
    run("index", sign, "-c", home, "--ocr", "all", "--workers", "1")
    (hit,) = run("query", "Raulino", "-c", home, "--json").json["hits"]
    assert (hit["path"], hit["evidence"]) == (str(sign / "sign.png"), ["ocr"])
    assert hit["text"] == "Pharmacy Raulino"
    assert len(hit["boxes"]) == 1
    assert not [line for line in run("status", "-c", home).lines if line.startswith("ocr")]


def test_the_status_says_what_the_extra_would_add(run, sign, tmp_path, monkeypatch):
    home = tmp_path / "c.mms"
    run("index", sign, "-c", home, "--ocr", "off", "--workers", "1")
    for installed, way in ((True, "`mmsearch index` does it"), (False, 'pip install "mmsearch[ocr]"')):
        monkeypatch.setattr(status, "ocr_is_installed", lambda installed=installed: installed)
        (line,) = (line for line in run("status", "-c", home).lines if line.startswith("ocr"))
        assert "1 file with pictures" in line
        assert way in line
