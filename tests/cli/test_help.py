"""Help: every command and option says what it is for, and asking costs no heavy import."""

from __future__ import annotations

import click
import pytest

from mmsearch import __version__
from mmsearch.cli.app import app


def commands(group: click.Group, names: tuple[str, ...] = ()):
    """All commands below ``group`` with the words that call them."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield (*names, name), command
        if isinstance(command, click.Group):
            yield from commands(command, (*names, name))


ALL = list(commands(app))
IDS = [" ".join(words) for words, _ in ALL]


@pytest.mark.parametrize("words", [words for words, _ in ALL], ids=IDS)
def test_every_command_has_help_that_begins_with_a_sentence(run, words):
    ran = run(*words, "--help")
    assert ran.code == 0
    assert ran.out.startswith(f"Usage: mmsearch {' '.join(words)} ")
    sentence = ran.out.split("\n\n")[1].strip()
    assert sentence[0].isupper()
    assert sentence.endswith(".")
    assert run(*words, "-h").out == ran.out


@pytest.mark.parametrize("command", [command for _, command in ALL], ids=IDS)
def test_every_option_says_what_it_is_for(command):
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{parameter.opts} has no help"
            assert parameter.help.rstrip(")").endswith("."), f"the help of {parameter.opts} is no sentence"


WITHOUT_COLLECTION = ("models", "frame", "clip", "mcp", "completion", "plan", "work", "gather")  # workers name theirs


@pytest.mark.parametrize("command", [command for words, command in ALL if words[0] not in WITHOUT_COLLECTION])
def test_all_commands_on_a_collection_share_the_common_options(command):
    options = {name for parameter in command.params for name in parameter.opts}
    assert options >= {"-c", "--collection", "--json", "-q", "--quiet", "-v", "--verbose"}


def test_the_commands_are_those_of_the_contract():
    names = {" ".join(words) for words, _ in ALL}
    assert names == {
        *("index", "watch", "query", "save", "saved", "listen", "serve", "mcp", "frame", "clip", "status", "remove"),
        *("eval", "compact", "doctor", "import", "export", "plan", "work", "gather"),
        *("models", "models list", "models pull", "models export"),
        *("completion", "duplicates", "groups", "link", "tag"),
    }


@pytest.mark.parametrize(("group", "words"), [(app, []), (app.get_command(click.Context(app), "models"), ["models"])])
@pytest.mark.parametrize("columns", [50, 80, 200])
def test_the_help_shows_the_first_sentence_of_each_command_whole(run, monkeypatch, group, words, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    told = " ".join(run(*words, "--help").out.split())
    context = click.Context(group)
    for name in group.list_commands(context):
        sentence = " ".join(group.get_command(context, name).help.split("\n\n")[0].split())
        assert f"{name} {sentence.rstrip('.').partition('. ')[0]}" in told
    assert "..." not in told.partition("Commands:")[2].replace("COMMAND [ARGS]...", "")


def test_version(run):
    assert run("--version").out == f"mmsearch {__version__}\n"


def test_no_command_prints_the_help(run):
    ran = run()
    assert "Usage: mmsearch" in ran.out + ran.err
    assert "index" in ran.out + ran.err


def test_an_unknown_command_is_wrong_use(run):
    ran = run("serch", "a cat")
    assert (ran.code, ran.out) == (2, "")
    assert "serch" in ran.err
