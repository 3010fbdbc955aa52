"""Shell completion of the values of options and arguments (see `mmsearch completion`)."""

from __future__ import annotations

from collections.abc import Callable

import click
from click.shell_completion import CompletionItem

COMPLETE_VARIABLE = "_MMSEARCH_COMPLETE"
"""The environment variable with which a completion script calls ``mmsearch``; click handles it."""

Completer = Callable[[click.Context, click.Parameter, str], list[CompletionItem[str]]]


def words(*choices: str) -> Completer:
    """A completer that offers fixed words."""

    def complete(ctx: click.Context, parameter: click.Parameter, begun: str) -> list[CompletionItem[str]]:
        return [CompletionItem(choice) for choice in choices if choice.startswith(begun)]

    return complete


def model_names(ctx: click.Context, parameter: click.Parameter, begun: str) -> list[CompletionItem[str]]:
    """The models of the catalogue, each with its note as help."""
    from mmsearch.models import catalogue

    return [CompletionItem(info.name, help=info.note) for info in catalogue() if info.name.startswith(begun)]


def transcribers(ctx: click.Context, parameter: click.Parameter, begun: str) -> list[CompletionItem[str]]:
    """``auto``, ``off``, and the models that turn speech into text."""
    from mmsearch.models import transcribers

    named = [CompletionItem(info.name, help=info.note) for info in transcribers()]
    return [item for item in (CompletionItem("auto"), CompletionItem("off"), *named) if item.value.startswith(begun)]


def pulled_models(ctx: click.Context, parameter: click.Parameter, begun: str) -> list[CompletionItem[str]]:
    """All models whose weights can be fetched."""
    for_speech = transcribers(ctx, parameter, begun)
    return [*model_names(ctx, parameter, begun), *(item for item in for_speech if item.help)]


def exportable_models(ctx: click.Context, parameter: click.Parameter, begun: str) -> list[CompletionItem[str]]:
    """The models of the catalogue that `mmsearch models export` takes."""
    from mmsearch.models import catalogue

    exportable = {info.name for info in catalogue() if info.family == "open_clip"}
    return [item for item in model_names(ctx, parameter, begun) if item.value in exportable]


def saved_names(ctx: click.Context, parameter: click.Parameter, begun: str) -> list[CompletionItem[str]]:
    """The names of saved searches, each with what it asks as help; with ``@`` if it was begun so."""
    from mmsearch import CollectionDamagedError
    from mmsearch.cli.options import collection_path
    from mmsearch.library import saved_searches

    sign = "@" if begun.startswith("@") else ""
    found = saved_searches(collection_path(ctx.params.get("collection")))
    named = [one for one in found if not isinstance(one, CollectionDamagedError)]
    items = [CompletionItem(sign + search.name, help=search.describe()) for search in named]
    return [item for item in items if item.value.startswith(begun)]


def terms(ctx: click.Context, parameter: click.Parameter, begun: str) -> list[CompletionItem[str]]:
    """A saved search after ``@``, else files."""
    return saved_names(ctx, parameter, begun) if begun.startswith("@") else files(ctx, parameter, begun)


def files(ctx: click.Context, parameter: click.Parameter, begun: str) -> list[CompletionItem[str]]:
    """Files and folders; the shell lists them itself."""
    return [CompletionItem(begun, type="file")]


def folders(ctx: click.Context, parameter: click.Parameter, begun: str) -> list[CompletionItem[str]]:
    """Folders; the shell lists them itself."""
    return [CompletionItem(begun, type="dir")]


modalities = words("image", "text", "audio", "video")
least_levels = words("strong", "likely", "weak")
orders = words("relevance", "newest", "oldest")
keep_rules = words("largest", "oldest", "newest", "first-path")
devices = words("auto", "cpu", "cuda", "cuda:0", "mps")
precisions = words("auto", "float32", "bfloat16", "float16", "int8")
index_kinds = words("auto", "exact", "ivfpq", "rabitq")
