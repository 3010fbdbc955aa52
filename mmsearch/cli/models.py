"""``mmsearch models``: list models, download their weights, export them to ONNX."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from mmsearch.cli import completers
from mmsearch.cli.options import WholeSummaries, command, json_option, quiet_option, verbose_option
from mmsearch.cli.output import echo, print_json
from mmsearch.cli.render import is_terminal, terminal
from mmsearch.types import MODALITIES, sized

if TYPE_CHECKING:
    from mmsearch.models import ModelInfo


@click.group("models", cls=WholeSummaries)
def models() -> None:
    """List models, download their weights, export them."""


@models.command("list")
@json_option
@command
def list_models(as_json: bool) -> None:
    """List the models of the catalogue, and whether each can run here without a download."""
    from mmsearch.models import catalogue, is_ready, transcribers

    rows = [(info, is_ready(info)) for info in (*catalogue(), *transcribers())]
    if as_json:
        print_json({"models": [_facts(info, here) for info, here in rows]})
        return
    if is_terminal():
        _print_table(rows)
    else:
        _print_lines(rows)


_ELSEWHERE = (
    "from disk: open_clip:ARCHITECTURE@/path, clap@/path, pe-av-audio@/path, pe-av-video@/path",
    "for speech, from disk: onnx-asr@/path, whisper@/path",
    "any open_clip model: open_clip:ARCHITECTURE/TAG",
)


def _print_lines(rows: Sequence[tuple[ModelInfo, bool]]) -> None:
    """Print a model per line, for other programs."""
    echo(f"{'name':<16} {'here':<5} {'dim':>5} {'download':>9}  {'embeds':<22} {'licence':<34} note")
    for info, here in rows:
        facts = f"{info.name:<16} {_mark(here):<5} {_dim(info):>5} {_size(info):>9}  {_embeds(info):<22}"
        echo(f"{facts} {info.licence:<34} {info.note}")
    for line in _ELSEWHERE:
        echo(line)


def _print_table(rows: Sequence[tuple[ModelInfo, bool]]) -> None:
    """Print a line for each model and, dim below it, its note and licence: at most 60 columns, or wrapped."""
    from rich.padding import Padding
    from rich.text import Text

    console = terminal()
    width = max(len(info.name) for info, _ in rows)
    console.print(Text(f"{'name':<{width}}  here   dim  download  embeds", "dim"))
    for info, here in rows:
        facts = f"{info.name:<{width}}  {_mark(here):<4}  {_dim(info):>4}  {_size(info):>8}  {_embeds(info)}"
        console.print(Text(facts, "bold" if here else ""))
        console.print(Padding(Text(f"{info.note} · {info.licence}", "dim"), (0, 0, 0, width + 2)))
    for line in _ELSEWHERE:
        console.print(Text(line))


def _mark(here: bool) -> str:
    return "yes" if here else "no"


def _dim(info: ModelInfo) -> str:
    return "–" if info.is_transcriber else str(info.dim or "?")


def _size(info: ModelInfo) -> str:
    if info.is_built_in:
        return "built in"
    return "?" if info.download_mb is None else sized(info.download_mb * 10**6)


def _embeds(info: ModelInfo) -> str:
    return " ".join(modality for modality in MODALITIES if modality in info.modalities) or "(transcribes)"


@models.command("pull")
@click.argument("name", shell_complete=completers.pulled_models)
@quiet_option
@verbose_option
@command
def pull(name: str, quiet: bool, verbose: bool) -> None:
    """Download a model's weights now, so that indexing later needs no network."""
    from mmsearch import models

    info = models.resolve(name)
    path = models.pull(info)
    if not quiet:
        echo("mini is built in; there is nothing to fetch" if info.is_built_in else f"{info.name} is here: {path}")


@models.command("export")
@click.argument("name", shell_complete=completers.exportable_models)
@quiet_option
@verbose_option
@command
def export(name: str, quiet: bool, verbose: bool) -> None:
    """Write a model as ONNX files, so that queries of its collections need no PyTorch."""
    from mmsearch import models

    folder = models.export(name)
    if not quiet:
        echo(f"{name} exported to {folder}; queries now run without torch")


def _facts(info: ModelInfo, here: bool) -> dict[str, object]:
    return {
        "name": info.name,
        "architecture": info.architecture,
        "pretrained": info.pretrained,
        "modalities": sorted(info.modalities),
        "dim": info.dim,
        "download_mb": info.download_mb,
        "licence": info.licence,
        "note": info.note,
        "here": here,
    }
