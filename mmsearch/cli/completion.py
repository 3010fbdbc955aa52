"""``mmsearch completion``: print the script that makes a shell complete commands, options and their values."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from mmsearch.cli.completers import COMPLETE_VARIABLE
from mmsearch.cli.options import command
from mmsearch.cli.output import echo

SHELLS = ("bash", "zsh", "fish")
_ZSH_LOADS_COMPLETION = "whence compdef >/dev/null || { autoload -Uz compinit && compinit }"


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
@command
def completion(shell: str) -> None:
    """Print a script that completes commands, options and names of models in bash, zsh or fish.

    \b
    bash:  echo 'eval "$(mmsearch completion bash)"' >> ~/.bashrc
    zsh:   echo 'eval "$(mmsearch completion zsh)"' >> ~/.zshrc
    fish:  mmsearch completion fish > ~/.config/fish/completions/mmsearch.fish
    """
    from mmsearch.cli.app import app

    kind = get_completion_class(shell)
    assert kind is not None
    script = kind(app, {}, "mmsearch", COMPLETE_VARIABLE).source()
    if shell == "zsh":  # "#compdef" must stay the first line, so that the script also works from $fpath
        first, _, rest = script.partition("\n")
        script = f"{first}\n{_ZSH_LOADS_COMPLETION}\n{rest}"
    echo(script.rstrip("\n"))
