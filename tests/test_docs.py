"""The documents: they exist, their links lead somewhere, they name every command and option, their code is code."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import click
import pytest

from mmsearch.cli.app import app

ROOT = Path(__file__).parents[1]
DOCUMENTS = ["README.md", "docs/guide.md", "docs/format.md", "docs/architecture.md"]
PAGES = sorted({*DOCUMENTS, *(str(p.relative_to(ROOT)) for p in ROOT.glob("docs/**/*.md"))})
MODULES = sorted(str(p.relative_to(ROOT)) for p in ROOT.glob("mmsearch/**/*.py"))
MAX_LINES = 400


def read(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def python_blocks():
    """Each ```python block, by page and number, with the line that it begins at."""
    for page in PAGES:
        if not (ROOT / page).exists():
            continue  # test_the_documents_exist says so
        for match in re.finditer(r"^```python\n(.*?)^```", read(page), re.DOTALL | re.MULTILINE):
            line = read(page)[: match.start()].count("\n") + 2
            yield pytest.param(match[1], id=f"{page}:{line}")


def commands(group: click.Group, words: str = ""):
    """Each command below ``group`` with the words that call it."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield f"{words}{name}", command
        if isinstance(command, click.Group):
            yield from commands(command, f"{words}{name} ")


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_documents_exist(name):
    assert read(name).startswith("# ")


@pytest.mark.parametrize("page", PAGES)
def test_links_within_the_project_lead_to_a_file(page):
    targets = re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`\n]*`|```.*?```", "", read(page), flags=re.DOTALL))
    for target in targets:
        if not re.match(r"[a-z]+:", target):
            name = target.partition("#")[0]
            assert not name or (ROOT / page).parent.joinpath(name).exists(), (
                f"{page} links to {target}, which is nowhere"
            )


@pytest.mark.parametrize(("words", "command"), list(commands(app)), ids=[words for words, _ in commands(app)])
def test_the_guide_names_every_command_and_option(words, command):
    guide = read("docs/guide.md")
    assert re.search(rf"\b{words}\b", guide), f"the guide has no `{words}`"
    for parameter in command.params:
        for option in parameter.opts if isinstance(parameter, click.Option) else ():
            assert re.search(rf"(?<![\w-]){option}(?![\w-])", guide), f"the guide has no {option} of `{words}`"


@pytest.mark.parametrize("page", ["README.md", "docs/guide.md"])
def test_commands_shown_have_only_options_that_there_are(page):
    known = {option for _, command in commands(app) for parameter in command.params for option in parameter.opts}
    known |= {"--version", "--help"}
    shown = set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]+", read(page)))
    assert shown <= known, f"{page} shows {shown - known}"


@pytest.mark.parametrize("code", list(python_blocks()))
def test_python_in_the_documents_compiles(code):
    ast.parse(code)


def test_the_reader_of_shards_in_the_format_document_runs(gallery, monkeypatch, capsys, tmp_path):
    (code,) = re.findall(r"^```python\n(.*?)^```", read("docs/format.md"), re.DOTALL | re.MULTILINE)
    (tmp_path / "photos.mms").symlink_to(gallery.root)
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "docs/format.md", "exec"), {})
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert all(" mini " in line and ", 256)" in line for line in lines)


def test_the_library_example_in_the_readme_runs(photos, drawn, monkeypatch, capsys, tmp_path):
    (code,) = re.findall(r"^```python\n(.*?)^```", read("README.md"), re.DOTALL | re.MULTILINE)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    photos.rename(tmp_path / "Pictures")
    (tmp_path / "Pictures" / "2023").mkdir()
    drawn("disc.png").save(tmp_path / "couch.jpg")
    exec(compile(code, "README.md", "exec"), {})
    assert len(capsys.readouterr().out.splitlines()) == 5


@pytest.mark.parametrize("name", MODULES)
def test_every_module_says_in_its_first_lines_what_it_is_for_and_is_short(name):
    source = read(name)
    assert ast.get_docstring(ast.parse(source)), f"{name} has no docstring"
    assert source.startswith(('"""', 'r"""')), f"something stands before the docstring of {name}"
    assert source.count("\n") < MAX_LINES, f"{name} has {source.count(chr(10))} lines; {MAX_LINES} are enough"
