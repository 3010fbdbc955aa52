"""``mmsearch status``: show what is in the collection."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from mmsearch.cli.evaluate import LEVEL_SOURCES
from mmsearch.cli.hints import with_hint
from mmsearch.cli.options import collection_path, command, common_options
from mmsearch.cli.output import echo, print_json, terminal_safe
from mmsearch.types import counted, sized

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mmsearch import FileNote, ModalityStatus, RootStatus, SourceStatus, Status


@click.command()
@click.option("--skipped", is_flag=True, help="List the files that were skipped, each with the reason.")
@common_options
@command
def status(skipped: bool, collection: Path | None, as_json: bool, quiet: bool, verbose: bool) -> None:
    """Show what is in the collection, how it is indexed and with which model."""
    from mmsearch import Collection

    with Collection.open(collection_path(collection)) as opened:
        if skipped:
            _print_skipped(opened.skipped(), as_json)
            return
        facts = opened.status()
    if as_json:
        print_json(facts.to_json())
        return
    echo(f"collection  {facts.root}")
    echo(f"model       {facts.model or 'none yet'}" + (f"  (space {facts.space})" if facts.space else ""))
    for key, model in facts.beside.items():
        echo(f"beside      {model}  (space {key})")
    echo(f"on disk     {sized(facts.bytes)}, format {facts.format}, generation {facts.generation}")
    for root in facts.roots:
        echo(f"root        {terminal_safe(root.path)}  {_held(root)}")
    for source in facts.sources:
        echo(f"source      {terminal_safe(source.path)}  {_read(source)}")
    for pattern in facts.excludes:
        echo(f"excluded    {terminal_safe(pattern)}")
    for path in facts.removed:
        echo(f"removed     {terminal_safe(path)}")
    if facts.excludes or facts.removed:
        echo("            (`mmsearch index --lift WHAT` takes one of these back)")
    for part in facts.modalities:
        other = f"  (space {part.space})" if part.space != facts.space else ""
        echo(f"{part.modality:<11} {_described(part)}{other}")
    if facts.skipped:
        echo(f"skipped     {counted(facts.skipped, 'file')} (listed by `mmsearch status --skipped`)")
    if facts.untranscribed:
        echo(f"speech      {_untranscribed(facts)}")
    if facts.unread:
        echo(f"ocr         {_unread(facts)}")
    if not facts.modalities:
        echo("nothing indexed yet: `mmsearch index FOLDER`")


def _untranscribed(facts: Status) -> str:
    """What is not transcribed, and how it can be."""
    files = counted(facts.untranscribed, "film or sound", "films and sounds")
    if facts.transcriber is not None:
        return f"{files} not transcribed yet: `mmsearch index` does it with {facts.transcriber}"
    way = 'pip install "mmsearch[speech]", then `mmsearch models pull parakeet`'
    return f"{files} not found by what is said in them ({way})"


def _unread(facts: Status) -> str:
    """In what no text was looked for, and how it can be."""
    files = counted(facts.unread, "file with pictures", "files with pictures")
    if facts.reads_pictures:
        return f"no text was looked for in {files} yet: `mmsearch index` does it"
    return f'{files} not found by the text in them (pip install "mmsearch[ocr]")'


def _print_skipped(notes: Sequence[FileNote], as_json: bool) -> None:
    if as_json:
        print_json({"skipped": [note.to_json() for note in notes]})
        return
    for note in notes:
        echo(terminal_safe(f"{note.path}: {with_hint(note.reason, note.hint)}"))


def _held(root: RootStatus) -> str:
    held = f"{counted(root.files, 'file')} in {counted(root.rows, 'row')}"
    if root.there:
        return held
    return f"{held}, missing now" if root.rows else "holds nothing and is missing (`mmsearch remove` drops it)"


def _read(source: SourceStatus) -> str:
    if not source.parts:
        return "nothing is held of it"
    skipped = f", {source.skipped:,} skipped" if source.skipped else ""
    return f"{counted(source.items, 'item')} in {counted(source.parts, 'part')}{skipped}, {counted(source.rows, 'row')}"


def _described(part: ModalityStatus) -> str:
    rows = counted(part.files, "file") + (f" in {counted(part.rows, 'row')}" if part.rows != part.files else "")
    dead = f", {counted(part.dead, 'dead row')} (dropped by `mmsearch compact`)" if part.dead else ""
    pieces = f" in {counted(part.segments, 'segment')}" if part.segments > 1 else ""
    text = f"{rows}, {counted(part.shards, 'shard')}, index {part.index}{pieces}{dead}"
    if part.recall:
        recall = " · ".join(f"{kind} {value:.3f}" for kind, value in part.recall.items())
        queries = " and ".join(f"{count:,}" for count in dict.fromkeys(part.measured_on.values()))
        text += f", recall@10 {recall} (measured on {queries} {'query' if queries == '1' else 'queries'})"
    if not part.words and part.rows:
        text += ", words not indexed yet"
    return text + f", levels {_levels(part)}"


def _levels(part: ModalityStatus) -> str:
    """Where levels come from: ``measured for the model``; by what is asked with, if it is not the same for all."""
    known = {asked: LEVEL_SOURCES[source] if source else "not known" for asked, source in part.levels.items()}
    if len(set(known.values())) == 1:
        return known["text"]
    return " · ".join(f"{asked} {source}" for asked, source in known.items())
