"""Hints of the library in the words of the command line: commands and options that there are."""

from __future__ import annotations

import re
import shlex

import click
import pytest

from mmsearch import Hint, HintKind, UsageError
from mmsearch.cli.app import app
from mmsearch.cli.hints import explained_error, worded


def options() -> set[str]:
    """All options of all commands."""
    context = click.Context(app)
    commands = [app.get_command(context, name) for name in app.list_commands(context)]
    return {name for command in commands for parameter in command.params for name in parameter.opts}


@pytest.mark.parametrize("kind", HintKind)
def test_every_kind_of_hint_is_worded_with_commands_and_options_that_there_are(kind):
    text = worded(Hint(kind, "window" if kind is HintKind.CHANGE_ARGUMENT else "holiday"))
    assert text
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", text)) <= options()
    for command in re.findall(r"`mmsearch ([^`]+)`", text):
        assert shlex.split(command)[0] in app.list_commands(click.Context(app))


def test_a_folder_is_named_in_the_hint_that_has_none():
    assert worded(Hint(HintKind.INDEX_FOLDER)).startswith("name a folder, for example `mmsearch index /")
    assert worded(Hint(HintKind.INDEX_FOLDER, "/photos")) == "`mmsearch index /photos` adds its files"


@pytest.mark.parametrize("name", ["it's here", "a b", "$(rm)", "plain", "{subject}", "x; y"])
@pytest.mark.parametrize("kind", [HintKind.REMOVE, HintKind.TAKE_AS_WORDS, HintKind.INDEX_FOLDER])
def test_a_command_in_a_hint_can_be_pasted_whatever_the_name_is(kind, name):
    (command,) = re.findall(r"`(mmsearch [^`]+)`", worded(Hint(kind, name)))
    assert shlex.split(command)[-1] == name


def test_an_argument_of_the_library_becomes_an_option():
    error = UsageError("wrong", hint=Hint(HintKind.CHANGE_ARGUMENT, "text_column"))
    assert explained_error(error) == "wrong; give --text-column another value"


def test_an_error_without_a_hint_is_its_message():
    assert explained_error(UsageError("wrong")) == "wrong"
