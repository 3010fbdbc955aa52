"""What a shell offers for the values of options and arguments, after `mmsearch completion` was set up."""

from __future__ import annotations

from collections.abc import Callable

import click
from click.shell_completion import CompletionItem

COMPLETE_VARIABLE = "_MMSEARCH_COMPLETE"
"""The environment variable by which a shell asks ``mmsearch`` what a word may become; click reads it."""

Completer = Callable[[click.Context, click.Parameter, str], list[CompletionItem[str]]]


def words(*choices: str) -> Completer:
    """A completer of a few words."""

    def complete(ctx: click.Context, parameter: click.Parameter, begun: str) -> list[CompletionItem[str]]:
        return [CompletionItem(choice) for choice in choices if choice.startswith(begun)]

    return complete


def model_names(ctx: click.Context, parameter: click.Parameter, begun: str) -> list[CompletionItem[str]]:
    """The models of the catalogue, each with what is to be said of it."""
    from mmsearch.models import catalogue

    return [CompletionItem(info.name, help=info.note) for info in catalogue() if info.name.startswith(begun)]


def exportable_models(ctx: click.Context, parameter: click.Parameter, begun: str) -> list[CompletionItem[str]]:
    """The models of the catalogue that `mmsearch models export` takes."""
    from mmsearch.models import catalogue

    exportable = {info.name for info in catalogue() if info.family == "open_clip"}
    return [item for item in model_names(ctx, parameter, begun) if item.value in exportable]


def files(ctx: click.Context, parameter: click.Parameter, begun: str) -> list[CompletionItem[str]]:
    """Files and folders, which the shell itself looks for."""
    return [CompletionItem(begun, type="file")]


def folders(ctx: click.Context, parameter: click.Parameter, begun: str) -> list[CompletionItem[str]]:
    """Folders, which the shell itself looks for."""
    return [CompletionItem(begun, type="dir")]


modalities = words("image", "text", "audio", "video")
devices = words("auto", "cpu", "cuda", "mps")
precisions = words("auto", "float32", "bfloat16", "float16", "int8")
index_kinds = words("auto", "exact", "ivfpq", "rabitq")
