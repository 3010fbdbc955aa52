"""The door: other code imports the names of `mmsearch.indexes` itself, never a module inside, and it loads nothing."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import mmsearch
import mmsearch.indexes

PACKAGE = Path(mmsearch.__path__[0])
ROOT = PACKAGE.parent
DOOR = PACKAGE / "indexes" / "__init__.py"
OUTSIDE = sorted(
    path
    for folder in ("mmsearch", "training", "examples")
    for path in (ROOT / folder).rglob("*.py")
    if PACKAGE / "indexes" not in path.parents
)


def reached(source: str) -> Iterator[str]:
    """What a module takes from inside `mmsearch.indexes`: by an import, or by a module's name in a string."""
    tree = ast.parse(source)
    documentation = {
        id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("mmsearch.indexes."))
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            if node.module.startswith("mmsearch.indexes."):
                yield from names
            elif node.module == "mmsearch.indexes":
                yield from (name for name in names if name.rpartition(".")[2] not in mmsearch.indexes.__all__)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation:
            yield from re.findall(r"mmsearch\.indexes\.[a-z]\w*", node.value)


@pytest.mark.parametrize(
    "source",
    [
        "from mmsearch.indexes.vectors import StoredVectors",
        "import mmsearch.indexes.vectors",
        "from mmsearch.indexes import vectors",
        "def f():\n    from mmsearch.indexes.faiss import index_io",
        "import importlib\nimportlib.import_module('mmsearch.indexes.faiss.index_io')",
    ],
)
def test_every_way_past_the_door_is_seen(source: str) -> None:
    assert len(list(reached(source))) == 1


def test_the_door_itself_is_no_way_past_it() -> None:
    source = '"""See `mmsearch.indexes.plan`."""\nfrom mmsearch.indexes import StoredVectors, build_index'
    assert list(reached(source)) == []


def test_nobody_reaches_past_the_door() -> None:
    assert len(OUTSIDE) > 100
    past = {str(path.relative_to(ROOT)): names for path in OUTSIDE if (names := [*reached(path.read_text("utf-8"))])}
    assert past == {}


def test_all_that_the_door_offers_is_there_sorted_and_known_to_type_checkers() -> None:
    offered = mmsearch.indexes.__all__
    assert sorted(offered, key=lambda name: (not name.isupper(), not name[0].isupper(), name)) == offered
    assert len(set(offered)) == len(offered)
    typed = {
        alias.name
        for node in ast.parse(DOOR.read_text("utf-8")).body
        if isinstance(node, ast.If)
        for statement in node.body
        if isinstance(statement, ast.ImportFrom)
        for alias in statement.names
    }
    assert typed == set(offered) == set(mmsearch.indexes._MODULE_OF)
    for name in offered:
        assert getattr(mmsearch.indexes, name) is not None
        assert name in dir(mmsearch.indexes)


def test_no_name_of_the_door_is_that_of_a_module_inside() -> None:
    """A module that is imported becomes an attribute of its package, and would hide such a name."""
    modules = {path.stem for path in (PACKAGE / "indexes").iterdir() if path.stem != "__init__"}
    assert not modules & set(mmsearch.indexes.__all__)


def test_what_the_door_does_not_offer_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        mmsearch.indexes.no_such_name  # noqa: B018
    with pytest.raises(ImportError):
        importlib.import_module("mmsearch.indexes.no_such_module")


def test_everything_that_the_door_offers_can_be_imported_without_faiss() -> None:
    program = """
import sys
import mmsearch.indexes
alone = [name for name in sys.modules if name.startswith("mmsearch.indexes.") or name in ("numpy", "faiss")]
for name in mmsearch.indexes.__all__:
    getattr(mmsearch.indexes, name)
print(alone, "faiss" in sys.modules, "torch" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == ("[] False False", "")
