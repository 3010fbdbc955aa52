"""The command line uses what any app may use: the public names of mmsearch, and a few words for people."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import mmsearch
import mmsearch.cli
import mmsearch.exchange
import mmsearch.library
import mmsearch.scale
import mmsearch.serve

FOLDER = Path(mmsearch.cli.__file__).parent
SOURCES = sorted(FOLDER.glob("*.py"))
WORDS_FOR_PEOPLE = {"LEVELS", "MODALITIES", "clock", "counted", "modalities_named", "printable", "sized"}
"""Of ``mmsearch.types``: lists of names, and small functions that word numbers, times and names."""


def imported(source: str) -> Iterator[tuple[str, str]]:
    """The names of mmsearch that a module imports, each with the module that it is taken from."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.partition(".")[0] == "mmsearch":
                    yield alias.name, ""
        elif isinstance(node, ast.ImportFrom) and (node.level or (node.module or "").partition(".")[0] == "mmsearch"):
            for alias in node.names:
                yield "." * node.level + (node.module or ""), alias.name


def is_allowed(module: str, name: str) -> bool:
    """Whether the command line may import a name from a module."""
    if module == "mmsearch":
        return name in mmsearch.__all__ or name in ("cli", "exchange", "library", "models")
    if module == "mmsearch.exchange":
        return name in mmsearch.exchange.__all__
    if module == "mmsearch.library":
        return name in mmsearch.library.__all__
    if module == "mmsearch.scale":
        return name in mmsearch.scale.__all__
    if module == "mmsearch.serve":
        return name in mmsearch.serve.__all__
    if module == "mmsearch.types":
        return name in WORDS_FOR_PEOPLE
    return module in ("mmsearch.models", "mmsearch.cli") or module.startswith("mmsearch.cli.")


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_the_command_line_imports_public_names_alone(path):
    assert [pair for pair in imported(path.read_text("utf-8")) if not is_allowed(*pair)] == []


def test_private_names_are_seen():
    source = """
import mmsearch.retrieval
from mmsearch import _HOMES, Collection
from mmsearch.collection import Collection
from mmsearch.types import Item, counted
from ..retrieval import paths
def later():
    from mmsearch.retrieval.search.session import Session
"""
    assert [pair for pair in imported(source) if not is_allowed(*pair)] == [
        ("mmsearch.retrieval", ""),
        ("mmsearch", "_HOMES"),
        ("mmsearch.collection", "Collection"),
        ("mmsearch.types", "Item"),
        ("..retrieval", "paths"),
        ("mmsearch.retrieval.search.session", "Session"),
    ]


def test_the_sources_were_found():
    assert {"app", "index", "query", "models"} <= {path.stem for path in SOURCES}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_no_private_attribute_of_the_library_is_used(path):
    """``collection._session`` would pass the test of imports."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Attribute) and node.attr.startswith("_") and not node.attr.startswith("__"):
            assert isinstance(node.value, ast.Name), ast.unparse(node)
            assert node.value.id in ("self", "cls"), ast.unparse(node)
