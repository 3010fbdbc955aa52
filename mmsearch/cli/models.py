"""``mmsearch models``: the catalogue, prefetching, and towers exported to ONNX."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from mmsearch.cli.options import command, json_option, quiet_option, verbose_option
from mmsearch.cli.output import echo, print_json

if TYPE_CHECKING:
    from mmsearch.retrieval.encoders import Entry


@click.group()
def models() -> None:
    """List models, fetch their weights, export them."""


@models.command("list")
@json_option
@command
def list_models(as_json: bool) -> None:
    """List the models of the catalogue and whether they can run here at once."""
    from mmsearch.retrieval.encoders import CATALOGUE
    from mmsearch.retrieval.encoders.load import is_ready
    from mmsearch.types import MODALITIES

    rows = [(entry, is_ready(entry)) for entry in CATALOGUE]
    if as_json:
        print_json({"models": [_facts(entry, here) for entry, here in rows]})
        return
    echo(f"{'name':<16} {'here':<5} {'dim':>5} {'download':>9}  {'embeds':<22} {'licence':<34} note")
    for entry, here in rows:
        size = f"{entry.download_mb:,} MB" if entry.download_mb else "built in"
        mark = "yes" if here else "no"
        embeds = " ".join(modality for modality in MODALITIES if modality in entry.modalities)
        facts = f"{entry.name:<16} {mark:<5} {entry.dim or '?':>5} {size:>9}  {embeds:<22} {entry.licence:<34}"
        echo(f"{facts} {entry.note}")
    echo("from disk: open_clip:ARCHITECTURE@/path, clap@/path, pe-av-audio@/path, pe-av-video@/path")
    echo("any open_clip model: open_clip:ARCHITECTURE/TAG")


@models.command("pull")
@click.argument("name")
@quiet_option
@verbose_option
@command
def pull(name: str, quiet: bool, verbose: bool) -> None:
    """Fetch a model's weights now, so that indexing later needs no network."""
    from mmsearch.retrieval.encoders import resolve

    entry = resolve(name)
    if entry.runtime == "mini":
        if not quiet:
            echo("mini is built in; there is nothing to fetch")
        return
    from mmsearch.retrieval.encoders.hub import pull as fetch
    from mmsearch.retrieval.encoders.load import require_packages

    require_packages(entry)
    path = fetch(entry)
    if not quiet:
        echo(f"{entry.name} is here: {path}")


@models.command("export")
@click.argument("name")
@quiet_option
@verbose_option
@command
def export(name: str, quiet: bool, verbose: bool) -> None:
    """Write a model's towers as ONNX, so that queries of its collections need no torch."""
    from mmsearch.errors import UsageError
    from mmsearch.retrieval.encoders import load_encoder, resolve
    from mmsearch.retrieval.encoders.onnx import models_folder

    entry = resolve(name)
    if entry.runtime == "mini":
        raise UsageError("mini runs without torch as it is; there is nothing to export")
    if entry.is_transformers:
        raise UsageError(f"{name} runs through transformers only and cannot be exported; models of pictures can")
    from mmsearch.retrieval.encoders.openclip.encoder import OpenClipEncoder
    from mmsearch.retrieval.encoders.openclip.export import export_onnx

    encoder = load_encoder(name, device="cpu", precision="float32", throughput=True)
    assert isinstance(encoder, OpenClipEncoder)
    folder = export_onnx(encoder, models_folder() / encoder.space.key)
    if not quiet:
        echo(f"{name} exported to {folder}; queries now run without torch")


def _facts(entry: Entry, here: bool) -> dict[str, object]:
    return {
        "name": entry.name,
        "architecture": entry.architecture,
        "pretrained": entry.pretrained,
        "modalities": sorted(entry.modalities),
        "dim": entry.dim,
        "download_mb": entry.download_mb,
        "licence": entry.licence,
        "note": entry.note,
        "here": here,
    }
