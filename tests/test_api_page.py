"""docs/api.md is what the docstrings say now, it has every public name, and nothing on it is undocumented."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

import mmsearch
import mmsearch.models

griffe = pytest.importorskip("griffe", reason="needs griffelib, of the extra `dev`")
ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def make_api() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_api", ROOT / "docs" / "make_api.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["make_api"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def package(make_api):
    return make_api.load()


def test_the_page_is_what_the_docstrings_say_now(make_api, package):
    assert make_api.PAGE.read_text("utf-8") == make_api.page(package), "`make docs` writes it anew"


def test_every_public_name_is_on_the_page_once(make_api):
    shown = [name for modules in make_api.SECTIONS.values() for name in modules.get("mmsearch", ())]
    assert sorted(shown) == sorted(set(mmsearch.__all__) - {"__version__"})
    models = [name for modules in make_api.SECTIONS.values() for name in modules.get("mmsearch.models", ())]
    assert sorted(models) == sorted(mmsearch.models.__all__)


def test_everything_on_the_page_is_documented(make_api, package):
    assert make_api.gaps(package) == []


SOURCE = '''
"""A package."""

from dataclasses import dataclass

def call(a: int, b: int = 2) -> int:
    """Add.

    Args:
        a: one number.
    """

def bare(a: int) -> int:
    pass

@dataclass
class Pair:
    """Two numbers.

    Attributes:
        first: the first.
    """

    first: int
    second: int

    def swap(self) -> None:
        pass
'''


def test_a_gap_is_found_wherever_it_is(make_api, monkeypatch):
    """The check itself can fail: a name, a parameter, a field and a method without a word."""
    monkeypatch.setattr(make_api, "SECTIONS", {"All": {"mmsearch": ["call", "bare", "Pair"]}})
    with griffe.temporary_visited_module(SOURCE, module_name="mmsearch", docstring_parser="google") as module:
        assert make_api.gaps(module) == ["call(b)", "bare", "bare(a)", "Pair.second", "Pair.swap"]
