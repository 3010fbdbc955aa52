"""The documents: links lead somewhere, commands and code can be pasted, the guide names every command and option."""

from __future__ import annotations

import ast
import re
import shlex
from contextlib import suppress
from pathlib import Path

import click
import pytest

from mmsearch.cli.app import app

ROOT = Path(__file__).parents[1]
DOCUMENTS = [
    *("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "benchmarks/README.md", "training/README.md"),
    *("docs/guide.md", "docs/format.md", "docs/architecture.md", "docs/benchmarks.md", "docs/mini.md"),
]
PAGES = sorted({*DOCUMENTS, *(p.relative_to(ROOT).as_posix() for p in ROOT.glob("docs/**/*.md"))})
RECORDS = sorted(path.name for path in ROOT.glob("docs/decisions/[0-9]*.md"))
MODULES = sorted(p.relative_to(ROOT).as_posix() for p in ROOT.glob("mmsearch/**/*.py"))
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


def shell_lines():
    """Each line of the ```sh blocks, by page and number."""
    for page in PAGES:
        if not (ROOT / page).exists():
            continue
        text = read(page)
        for match in re.finditer(r"^```sh\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
            first = text[: match.start()].count("\n") + 2
            for number, line in enumerate(match[1].splitlines(), first):
                yield pytest.param(line, id=f"{page}:{number}")


def inline_commands():
    """Each `mmsearch …` in backticks, by page."""
    for page in PAGES:
        if (ROOT / page).exists():
            prose = re.sub(r"^```.*?^```", "", read(page), flags=re.DOTALL | re.MULTILINE)
            for line in dict.fromkeys(re.findall(r"`(mmsearch [^`]+)`", prose)):
                yield pytest.param(line, id=f"{page}: {line}")


def parse(line: str) -> None:
    """Have click read an ``mmsearch …`` command, without running it.

    Raises:
        click.UsageError: there is no such command or option, or an argument is missing.
    """
    words = shlex.split(line)
    assert words.pop(0) == "mmsearch"
    words = words[: words.index(">")] if ">" in words else words
    context = app.make_context("mmsearch", words)
    while isinstance(context.command, click.Group):
        rest = [*context._protected_args, *context.args]
        name, command, rest = context.command.resolve_command(context, rest)
        assert command is not None
        context = command.make_context(name, rest, parent=context)


def anchors(page: str) -> set[str]:
    """What ``#…`` may name in a page: its headings as GitHub writes them, and its ids."""
    text = re.sub(r"^```.*?^```", "", read(page), flags=re.DOTALL | re.MULTILINE)
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    slugs = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
    return slugs | set(re.findall(r'<a id="([^"]+)"', text))


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
def test_links_within_the_project_lead_to_a_file_and_a_heading(page):
    text = re.sub(r"`[^`\n]*`|```.*?```", "", read(page), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        file = (ROOT / page).parent.joinpath(name) if name else ROOT / page
        assert file.exists(), f"{page} links to {target}, which is nowhere"
        if anchor and file.suffix == ".md":
            assert anchor in anchors(file.resolve().relative_to(ROOT.resolve()).as_posix()), f"{page}: no {target}"


@pytest.mark.parametrize("line", list(shell_lines()))
def test_each_line_of_a_shell_block_is_one_command_that_can_be_pasted(line):
    assert line == line.strip(), "indented, or a space at the end"
    assert not line.startswith(("$", "#")), "a prompt or a comment"
    words = shlex.split(line)
    assert not [word for word in words if word.startswith(("#", "[", "("))], (
        "a comment, or brackets for what may be left out"
    )
    assert words[-1] not in ("\\", "|", "&&"), "goes on in the next line"


@pytest.mark.parametrize("line", list(shell_lines()))
def test_the_mmsearch_commands_in_shell_blocks_are_commands(line):
    for part in line.split(" | "):
        if part.startswith("mmsearch "):
            parse(part)


@pytest.mark.parametrize("line", list(inline_commands()))
def test_the_mmsearch_commands_in_sentences_are_commands(line):
    with suppress(click.MissingParameter, click.exceptions.Exit):  # `mmsearch remove` names a command; --version
        parse(line)


@pytest.mark.parametrize(
    "line", ["mmsearch find dog", "mmsearch remove", "mmsearch query dog --best", "mmsearch clip a.mp4@1-2"]
)
def test_a_command_that_there_is_not_is_seen(line):
    with pytest.raises(click.UsageError):
        parse(line)


@pytest.mark.parametrize("name", RECORDS)
def test_each_decision_has_a_status_and_a_date_and_stands_in_the_index(name):
    text = read(f"docs/decisions/{name}")
    title = re.match(r"# (\d+)\. (.+)\n\n\*\*Status:\*\* (\w+), (\d{4}-\d\d-\d\d)", text)
    assert title, f"{name} does not begin with a title, a status and a date"
    number, words, status, date = title.groups()
    assert int(name[:4]) == int(number)
    assert f"| {number} | [{words}]({name}) | {status} | {date} |" in read("docs/decisions/README.md")


def test_the_index_of_decisions_lists_no_others():
    assert set(re.findall(r"\]\((\d{4}-[^)]+)\)", read("docs/decisions/README.md"))) == set(RECORDS)


@pytest.mark.parametrize("page", PAGES)
def test_files_that_the_documents_name_exist(page):
    """Paths in backticks that end in ``.py``, from the root, from the package or from `retrieval`."""
    for path in re.findall(r"`([\w/]+/\w+\.py)`", read(page)):
        assert any((ROOT / top / path).exists() for top in ("", "mmsearch", "mmsearch/retrieval")), f"no {path}"


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
