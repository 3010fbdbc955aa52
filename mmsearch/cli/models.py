"""``mmsearch models``: the catalogue, prefetching, and towers exported to ONNX."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from mmsearch.cli.options import command, json_option, quiet_option, verbose_option
from mmsearch.cli.output import echo, print_json

if TYPE_CHECKING:
    from mmsearch.models import ModelInfo


@click.group("models")
def models() -> None:
    """List models, fetch their weights, export them."""


@models.command("list")
@json_option
@command
def list_models(as_json: bool) -> None:
    """List the models of the catalogue and whether they can run here at once."""
    from mmsearch.models import catalogue, is_ready
    from mmsearch.types import MODALITIES

    rows = [(info, is_ready(info)) for info in catalogue()]
    if as_json:
        print_json({"models": [_facts(info, here) for info, here in rows]})
        return
    echo(f"{'name':<16} {'here':<5} {'dim':>5} {'download':>9}  {'embeds':<22} {'licence':<34} note")
    for info, here in rows:
        size = f"{info.download_mb:,} MB" if info.download_mb else "built in"
        mark = "yes" if here else "no"
        embeds = " ".join(modality for modality in MODALITIES if modality in info.modalities)
        facts = f"{info.name:<16} {mark:<5} {info.dim or '?':>5} {size:>9}  {embeds:<22} {info.licence:<34}"
        echo(f"{facts} {info.note}")
    echo("from disk: open_clip:ARCHITECTURE@/path, clap@/path, pe-av-audio@/path, pe-av-video@/path")
    echo("any open_clip model: open_clip:ARCHITECTURE/TAG")


@models.command("pull")
@click.argument("name")
@quiet_option
@verbose_option
@command
def pull(name: str, quiet: bool, verbose: bool) -> None:
    """Fetch a model's weights now, so that indexing later needs no network."""
    from mmsearch import models

    info = models.resolve(name)
    path = models.pull(info)
    if not quiet:
        echo("mini is built in; there is nothing to fetch" if info.is_built_in else f"{info.name} is here: {path}")


@models.command("export")
@click.argument("name")
@quiet_option
@verbose_option
@command
def export(name: str, quiet: bool, verbose: bool) -> None:
    """Write a model's towers as ONNX, so that queries of its collections need no torch."""
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
