"""Nobody waits for an import: what help, a query by words, and a run without work have loaded when they end."""

from __future__ import annotations

import os
import subprocess
import sys

import click
import pytest

from mmsearch.cli.app import Commands
from mmsearch.cli.options import WholeSummaries

HEAVY = ("av", "huggingface_hub", "numpy", "onnxruntime", "PIL", "pyarrow", "tokenizers", "torch", "transformers")
WATCHED = """
import sys
from mmsearch.cli import main
try:
    main()
finally:
    print(*sys.modules, file=sys.stderr)
"""


def loaded(*arguments: object, code: str = WATCHED) -> set[str]:
    """The modules that a process has loaded at its end."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return set(done.stderr.splitlines()[-1].split())


@pytest.mark.parametrize("arguments", [["--help"], ["query", "--help"], ["index", "--help"], ["--version"]])
def test_help_loads_nothing_heavy(arguments):
    assert loaded(*arguments).isdisjoint(HEAVY)


def test_the_help_shows_the_first_sentence_of_each_command_and_imports_none():
    group = Commands(name="mmsearch")
    context = click.Context(group)
    assert group.summaries(context) == WholeSummaries.summaries(group, context)
    assert "mmsearch.cli.query" not in loaded("--help")


def test_the_package_loads_nothing_but_the_standard_library():
    code = "import sys, mmsearch; print(*sys.modules, file=sys.stderr)"
    assert loaded(code=code).isdisjoint({*HEAVY, "click", "mmsearch.types"})


def test_a_query_by_words_loads_only_what_it_needs(photos, collection):
    modules = loaded("query", "a dog", "--no-server", "--collection", collection.root)
    assert {"numpy", "pyarrow.lib"} <= modules
    needless = {"pyarrow.parquet", "pyarrow.compute", "pyarrow.dataset", "pyarrow.fs", "numpy.ma", "ssl", "email"}
    assert modules.isdisjoint(needless | set(HEAVY) - {"numpy", "pyarrow"})


def test_a_run_without_work_loads_neither_decoders_nor_models(photos, collection):
    modules = loaded("index", photos, "--ocr", "off", "--collection", collection.root)
    needless = {"mmsearch.retrieval.ingest.pipeline", "mmsearch.retrieval.media.workers.decoder", "importlib.metadata"}
    assert modules.isdisjoint(needless | set(HEAVY) - {"numpy", "pyarrow"})


def test_status_loads_no_more_of_arrow_than_it_needs(photos, collection):
    modules = loaded("status", "--collection", collection.root)
    needless = {"pyarrow.parquet", "pyarrow.compute", "pyarrow.dataset", "pyarrow.fs", "numpy.ma", "ssl"}
    assert modules.isdisjoint(needless | set(HEAVY) - {"numpy", "pyarrow"})


def test_a_query_ends_without_a_look_at_all_objects_and_has_no_threads_of_blas(photos, collection):
    code = (
        "import atexit, gc, os, sys\n"
        "from mmsearch.cli import main\n"
        "atexit.register(lambda: print(gc.get_freeze_count(), os.environ['OPENBLAS_NUM_THREADS'], file=sys.stderr))\n"
        "main()"
    )
    command = [sys.executable, "-c", code, "query", "a dog", "--no-server", "--collection", str(collection.root)]
    environment = {name: value for name, value in os.environ.items() if name != "OPENBLAS_NUM_THREADS"}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    frozen, threads = done.stderr.split()[-2:]
    assert int(frozen) > 10_000
    assert threads == "1"
