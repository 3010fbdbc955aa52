"""Completion in bash, zsh and fish: what a shell is offered, and that the scripts work in the shells that are here."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.shell_completion import CompletionItem, ShellComplete

from mmsearch import models
from mmsearch.cli.app import app
from mmsearch.cli.completers import COMPLETE_VARIABLE


@pytest.fixture
def with_command(tmp_path: Path) -> dict[str, str]:
    """An environment in which ``mmsearch`` is a command."""
    script = tmp_path / "bin" / "mmsearch"
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m mmsearch "$@"\n')
    script.chmod(0o755)
    path = f"{script.parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "HOME": str(tmp_path), "ZDOTDIR": str(tmp_path)}


def completions(line: str) -> list[CompletionItem]:
    """What a shell is offered for the last word of a line, which may be empty."""
    _, *words, begun = line.split(" ")
    return ShellComplete(app, {}, "mmsearch", COMPLETE_VARIABLE).get_completions(words, begun)


def offered(line: str) -> list[str]:
    return [item.value for item in completions(line)]


def test_commands_are_completed():
    assert offered("mmsearch ") == [
        *("index", "watch", "query", "save", "saved", "link", "listen", "serve", "mcp", "frame", "clip", "status"),
        *("groups", "duplicates", "tag", "remove", "import", "export", "eval", "plan", "work", "gather", "compact"),
        *("doctor", "models", "completion"),
    ]
    assert offered("mmsearch co") == ["compact", "completion"]
    assert offered("mmsearch models ") == ["export", "list", "pull"]


def test_options_are_completed():
    assert offered("mmsearch query --pre") == ["--preview", "--precision"]
    assert set(offered("mmsearch index --")) >= {"--model", "--only", "--dry-run", "--collection"}


def test_names_of_models_are_completed():
    names = [info.name for info in models.catalogue()]
    assert offered("mmsearch index --model ") == names
    assert offered("mmsearch models pull sig") == [name for name in names if name.startswith("sig")]
    exportable = offered("mmsearch models export ")
    assert "siglip2" in exportable
    assert not {"mini", "clap", "pe-av-video"} & set(exportable)


@pytest.mark.parametrize(
    ("line", "choices"),
    [
        ("mmsearch query --to ", ["image", "text", "audio", "video"]),
        ("mmsearch index --only a", ["audio"]),
        ("mmsearch query --min ", ["strong", "likely", "weak"]),
        ("mmsearch query --device ", ["auto", "cpu", "cuda", "cuda:0", "mps"]),
        ("mmsearch index --precision b", ["bfloat16"]),
        ("mmsearch index --index ", ["auto", "exact", "ivfpq", "rabitq"]),
        ("mmsearch index --progress ", ["auto", "none", "json"]),
        ("mmsearch index --check ", ["times", "mtime", "content"]),
        ("mmsearch eval --pool ", ["collection", "pairs"]),
        ("mmsearch completion ", ["bash", "zsh", "fish"]),
    ],
)
def test_values_of_options_are_completed(line, choices):
    assert offered(line) == choices


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("mmsearch query pic", "file"),
        ("mmsearch query --minus pic", "file"),
        ("mmsearch index pic", "file"),
        ("mmsearch query --under pic", "dir"),
    ],
)
def test_files_and_folders_are_left_to_the_shell(line, kind):
    assert [(item.type, item.value) for item in completions(line)] == [(kind, "pic")]


def test_a_shell_asks_by_the_environment(run_process):
    environment = {COMPLETE_VARIABLE: "zsh_complete", "COMP_WORDS": "mmsearch co", "COMP_CWORD": "1"}
    ran = run_process(env={**os.environ, **environment})
    assert (ran.code, ran.err) == (0, "")
    assert ran.lines[1::3] == ["compact", "completion"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_is_one_that_the_shell_reads(run, shell, tmp_path):
    ran = run("completion", shell)
    assert (ran.code, ran.err) == (0, "")
    assert "_MMSEARCH_COMPLETE" in ran.out
    if shutil.which(shell) is not None:
        (tmp_path / "script").write_text(ran.out)
        assert subprocess.run([shell, "-n", str(tmp_path / "script")], timeout=60, check=False).returncode == 0


def test_another_shell_is_wrong_use(run):
    ran = run("completion", "tcsh")
    assert (ran.code, ran.out) == (2, "")
    assert "'bash', 'zsh', 'fish'" in ran.err


@pytest.mark.skipif(shutil.which("bash") is None or sys.platform == "win32", reason="needs bash")
def test_bash_completes_after_the_line_of_the_help(with_command):
    line = (
        'eval "$(mmsearch completion bash)"; COMP_WORDS=(mmsearch query --pre); COMP_CWORD=2;'
        ' _mmsearch_completion mmsearch; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    done = subprocess.run(
        ["bash", "--norc", "-c", line], capture_output=True, text=True, env=with_command, timeout=120, check=False
    )
    assert (done.stdout.split(), done.stderr) == (["--preview", "--precision"], "")


@pytest.mark.skipif(shutil.which("fish") is None, reason="needs fish")
def test_fish_completes_after_the_line_of_the_help(with_command):
    folder = Path(with_command["HOME"], ".config", "fish", "completions")
    folder.mkdir(parents=True)
    line = "mmsearch completion fish > ~/.config/fish/completions/mmsearch.fish; complete -C 'mmsearch models pull sig'"
    done = subprocess.run(
        ["fish", "-c", line], capture_output=True, text=True, env=with_command, timeout=120, check=False
    )
    assert [word.split("\t")[0] for word in done.stdout.splitlines()] == ["siglip2", "siglip2-large"], done.stderr


@pytest.mark.skipif(shutil.which("zsh") is None, reason="needs zsh")
def test_zsh_registers_the_function_after_the_line_of_the_help(with_command):
    line = 'eval "$(mmsearch completion zsh)"; print ${_comps[mmsearch]}'
    done = subprocess.run(
        ["zsh", "-f", "-c", line], capture_output=True, text=True, env=with_command, timeout=120, check=False
    )
    assert done.stdout == "_mmsearch_completion\n", done.stderr


def test_the_help_tells_of_it(run):
    assert "mmsearch completion --help" in run("--help").out
    told = run("completion", "--help").out
    for line in (
        "echo 'eval \"$(mmsearch completion bash)\"' >> ~/.bashrc",
        "echo 'eval \"$(mmsearch completion zsh)\"' >> ~/.zshrc",
        "mmsearch completion fish > ~/.config/fish/completions/mmsearch.fish",
    ):
        assert line in told
