"""The examples run as they stand."""

from __future__ import annotations

import html
import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"


def run_example(name, *arguments, **environment):
    """Run an example as a person would; returns what it prints."""
    command = [sys.executable, str(EXAMPLES / name), *map(str, arguments)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=120, check=False, env={**os.environ, **environment}
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def photographs():
    """Skips where the library that brings photographs along is missing."""
    if importlib.util.find_spec("skimage") is None:
        pytest.skip("the photographs come with scikit-image: pip install 'mmsearch[demo]'")


def test_the_app_indexes_a_folder_and_answers_questions(photos):
    lines = run_example("app.py", photos, "a red disc", "bread").splitlines()
    assert lines[0] == "10 new, 0 unchanged, 0 skipped"
    assert lines[1] == "a red disc"
    assert lines[5] == "bread"
    hits = lines[2:5] + lines[6:]
    assert len(hits) == 6
    assert all(Path(hit.split(maxsplit=1)[1]).is_file() for hit in hits)


def test_the_app_brings_its_collection_up_to_date(photos):
    run_example("app.py", photos)
    (photos / "disc.png").unlink()
    (photos / "new.txt").write_text("A lighthouse on a rock.")
    lines = run_example("app.py", photos, "a lighthouse").splitlines()
    assert lines[0] == "1 new, 9 unchanged, 0 skipped"
    assert lines[2].endswith("new.txt")


def test_the_app_is_about_twenty_lines():
    source = (EXAMPLES / "app.py").read_text()
    code = source.split('"""', 2)[2]  # after the docstring
    lines = [line for line in code.splitlines() if line.strip() and not line.strip().startswith(("#", '"""'))]
    assert len(lines) <= 25


def test_an_encoder_of_ones_own_finds_pictures_by_their_colours(photos):
    for _ in range(2):  # the second time it opens what the first has made
        lines = run_example("own_encoder.py", photos, "red", "a blue thing").splitlines()
        assert lines[0] == "red"
        assert lines[1].endswith("disc.png")
        assert lines[4] == "a blue thing"
        assert lines[5].endswith("square.jpg")


def test_the_encoder_of_ones_own_is_about_forty_lines():
    source = (EXAMPLES / "own_encoder.py").read_text()
    code = source.split("class ColourEncoder")[1]
    assert len([line for line in code.splitlines() if line.strip()]) <= 40


@pytest.mark.usefixtures("photographs")
def test_the_demo_indexes_real_photographs_and_yours_and_answers_three_questions(photos):
    out = run_example("demo.py", photos)
    assert "25 files: 25 indexed" in out
    assert out.count("$ mmsearch query") == 3
    for question, photograph in (("a cat", "chelsea.png"), ("a cup of coffee", "coffee.png")):
        assert f"$ mmsearch query '{question}' -k 3\n1\t" in out
        assert photograph in out.partition(f"'{question}'")[2].split("$ ")[0]


@pytest.mark.usefixtures("photographs")
def test_the_demo_says_what_it_does_before_it_does_it():
    lines = run_example("demo.py").splitlines()
    assert lines[0] == "copying the photographs that scikit-image brings along"
    assert next(line for line in lines if line.startswith("$ ")) == "$ mmsearch index photos"


def test_make_says_that_pip_is_at_work_and_prints_nothing():
    makefile = (EXAMPLES.parent / "Makefile").read_text()
    base, demo = (re.search(rf"^\$\(VENV\)/\.{name}:.*\n((?:\t.*\n)+)", makefile, re.M)[1] for name in ("base", "demo"))
    for recipe in (base, demo):
        said, quiet = recipe.find("@echo"), recipe.find("$(PIP)")
        assert -1 < said < quiet


def words_of(drawn):
    """The words of a picture of a terminal, line by line, without what differs from run to run."""
    lines = {}
    for y, text in re.findall(r'<text [^>]*\by="([\d.]+)"[^>]*>([^<]*)</text>', drawn):
        lines.setdefault(float(y), []).extend(html.unescape(text).split())
    plain = {y: [word.replace("file/s", "files/s") for word in words] for y, words in lines.items()}  # a slow machine
    return [[re.sub(r"^\(?-?\d+\.\d+$|^\d+$", "0", word) for word in words] for _, words in sorted(plain.items())]


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("terminal.svg", {"media/chelsea.jpg", "media/holiday.mp4", "media/clock.wav", "00:00:12–00:00:16"}),
        ("order.svg", {"media/chelsea.jpg", "resized", "cropped", "@cats:"}),
    ],
)
def test_the_picture_of_the_terminal_shows_what_the_commands_print_now(tmp_path, name, found):
    run_example("picture.py", tmp_path / name, PYTHONPATH=str(EXAMPLES.parent))
    drawn = (tmp_path / name).read_text("utf-8")
    assert drawn.startswith("<svg")
    assert words_of(drawn) == words_of((EXAMPLES.parent / "docs" / name).read_text("utf-8"))
    words = [word for line in words_of(drawn) for word in line]
    assert found <= set(words)
    assert not re.findall(r'url\("?https?:', drawn), "whoever looks at it fetches nothing"
