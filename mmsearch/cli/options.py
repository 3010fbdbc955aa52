"""What several commands share: common options, the collection's default place, errors turned into exit codes."""

from __future__ import annotations

import functools
import os
import re
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any, ParamSpec, TypeVar

import click

from mmsearch import MMSearchError, UsageError
from mmsearch.cli import completers
from mmsearch.cli.exit_codes import FAILED, INTERRUPTED, exit_code
from mmsearch.cli.hints import explained_error
from mmsearch.cli.output import describe_os_error, discard_stdout, say

P = ParamSpec("P")
R = TypeVar("R")


class WholeSummaries(click.Group):
    """A group whose help shows the first sentence of each command in full, wrapped over several lines if needed."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the names of the commands and their first sentences."""
        with formatter.section("Commands"):
            formatter.write_dl(self.summaries(ctx))

    def summaries(self, ctx: click.Context) -> list[tuple[str, str]]:
        """The name and the first sentence of each command."""
        commands = {name: self.get_command(ctx, name) for name in self.list_commands(ctx)}
        shown = {name: command for name, command in commands.items() if command is not None and not command.hidden}
        return [(name, one.get_short_help_str(_NO_LIMIT)) for name, one in shown.items()]


_NO_LIMIT = 1000
"""Characters: more than any first sentence has."""


def _inherited(ctx: click.Context, parameter: click.Parameter, value: Any) -> Any:
    """The option's value here, or else that of the group above: in ``mmsearch -q index``, ``-q`` is the group's."""
    assert parameter.name is not None
    above = ctx.parent
    while above is not None and not value:
        value = above.params.get(parameter.name, value)
        above = above.parent
    return value


collection_option = click.option(
    "--collection",
    "-c",
    metavar="DIR",
    type=click.Path(path_type=Path),
    callback=_inherited,
    help="The collection's folder, or s3://BUCKET/PATH. Default: $MMSEARCH_COLLECTION, else the user's data folder.",
)


def _folders(ctx: click.Context, parameter: click.Parameter, value: tuple[Path, ...]) -> tuple[Path, ...]:
    """The folders here, or else that of the group above or the default one."""
    return value or (collection_path(ctx.find_root().params.get("collection")),)


collections_option = click.option(
    "--collection",
    "-c",
    "collections",
    metavar="DIR",
    multiple=True,
    type=click.Path(path_type=Path),
    callback=_folders,
    help="A collection's folder; repeatable. Default: $MMSEARCH_COLLECTION, else the user's data folder.",
)
json_option = click.option("--json", "as_json", is_flag=True, callback=_inherited, help="Print one JSON object.")
quiet_option = click.option("--quiet", "-q", is_flag=True, callback=_inherited, help="Print only results and errors.")
verbose_option = click.option(
    "--verbose", "-v", is_flag=True, callback=_inherited, help="Print more: every file, every traceback."
)
modalities_option = click.option(
    "--to",
    metavar="MODALITY",
    multiple=True,
    shell_complete=completers.modalities,
    help="Only image, text, audio or video; repeatable.",
)
under_option = click.option(
    "--under", metavar="DIR", shell_complete=completers.folders, help="Only files in this folder."
)
force_option = click.option("--force", is_flag=True, help="Overwrite an existing file.")


def output_option(about: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """``--output``, of a command that writes one file; ``about`` is its help."""
    return click.option("-o", "--output", required=True, metavar="FILE", type=click.Path(path_type=Path), help=about)


device_option = click.option(
    "--device",
    default="auto",
    metavar="NAME",
    show_default=True,
    shell_complete=completers.devices,
    help="auto, cpu, mps, cuda (where many are embedded: every GPU), cuda:1, or cuda:0,2 for some.",
)
transcribe_option = click.option(
    "--transcribe",
    default="auto",
    metavar="HOW",
    shell_complete=completers.transcribers,
    help="Turn speech into text: auto (if a model's weights are here), off, or a model.",
)
precision_option = click.option(
    "--precision",
    default="auto",
    metavar="NAME",
    show_default=True,
    shell_complete=completers.precisions,
    help="auto, float32, bfloat16, float16 or int8.",
)


def common_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """``--collection``, ``--json``, ``--quiet`` and ``--verbose``."""
    return collection_option(json_option(quiet_option(verbose_option(function))))


def collection_path(given: Path | None) -> Path:
    """The folder of the collection: ``-c``, else ``$MMSEARCH_COLLECTION``, else one in the user's data folder."""
    if given is not None:
        return given
    if from_environment := os.environ.get("MMSEARCH_COLLECTION"):
        return Path(from_environment)
    import platformdirs

    return Path(platformdirs.user_data_dir("mmsearch", appauthor=False), "default.mms")


def command(function: Callable[P, R]) -> Callable[P, R]:
    """Decorate a command so that an error becomes one line on stderr and an exit code; ``-v`` shows the traceback."""

    @functools.wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        with suppress(ValueError):  # signals can be set in the main thread only; tests call commands in others
            signal.signal(signal.SIGTERM, _interrupt)
        try:
            result = function(*args, **kwargs)
            sys.stdout.flush()  # raises here, where it can be handled, if the reader of a pipe has closed it
            return result
        except MMSearchError as error:
            say(f"mmsearch: {explained_error(error)}")
            raise click.exceptions.Exit(exit_code(error)) from None
        except KeyboardInterrupt:
            say("mmsearch: interrupted")
            raise click.exceptions.Exit(INTERRUPTED) from None
        except BrokenPipeError:
            discard_stdout()  # the reader of the pipe has closed it, as `head` does: not an error
            raise click.exceptions.Exit(0) from None
        except (click.exceptions.Exit, click.ClickException):
            raise
        except OSError as error:
            if kwargs.get("verbose"):
                raise
            discard_stdout()
            say(f"mmsearch: {describe_os_error(error)}")
            raise click.exceptions.Exit(FAILED) from None
        except MemoryError:
            say("mmsearch: there is not enough memory for this")
            raise click.exceptions.Exit(FAILED) from None
        except Exception as error:
            if kwargs.get("verbose"):
                raise
            say(f"mmsearch: unexpected {type(error).__name__}: {error}; run again with -v for details")
            raise click.exceptions.Exit(FAILED) from None

    return run


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


def read_size(text: str | None) -> int | None:
    """An amount of memory such as ``4G`` or ``500M``, in bytes; None for None.

    Raises:
        UsageError: the text is not an amount of memory.
    """
    if text is None:
        return None
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?", text.strip(), re.IGNORECASE)
    if match is None or float(match[1]) == 0:
        raise UsageError(f"{text!r} is no amount of memory; write 500M or 4G")
    return int(float(match[1]) * _UNITS[match[2].upper()])
