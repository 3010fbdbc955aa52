"""The program that is told of new hits."""

from __future__ import annotations

import json
import sys

import pytest

from mmsearch.library.watching.program import run_program

TELL = """
import json, os, sys
told = json.load(sys.stdin)
heard = [sys.argv[2:], told["search"], len(told["hits"]), os.environ["MMSEARCH_SEARCH"]]
open(sys.argv[1], "w").write(json.dumps(heard))
"""


@pytest.fixture(scope="module")
def hits(gallery):
    return gallery.search("a red disc", k=3)


def test_it_gets_paths_and_json(hits, tmp_path):
    out = tmp_path / "out.json"
    assert run_program([sys.executable, "-c", TELL, str(out)], "red", hits, 60) is None
    assert json.loads(out.read_text()) == [[hit.path for hit in hits], "red", 3, "red"]


def test_what_goes_wrong_is_one_line(hits):
    assert (
        run_program(["/no/such/program"], "a", hits, 60) == "/no/such/program cannot be run: No such file or directory"
    )
    code = run_program([sys.executable, "-c", "raise SystemExit(3)"], "a", hits, 60)
    assert code == f"{sys.executable} ended with code 3"
    slow = run_program([sys.executable, "-c", "import time; time.sleep(60)"], "a", hits, 0.2)
    assert slow == f"{sys.executable} was stopped: it took longer than 0.2 seconds"
