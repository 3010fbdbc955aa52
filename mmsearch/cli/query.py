"""``mmsearch query``: search by words or by example."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mmsearch import MMSearchError, NoticeKind, UsageError
from mmsearch.cli import completers
from mmsearch.cli.answerer import Answerer
from mmsearch.cli.exit_codes import FAILED
from mmsearch.cli.hints import with_hint
from mmsearch.cli.options import collection_path, command, common_options, device_option, precision_option
from mmsearch.cli.output import echo, print_json, say, terminal_safe
from mmsearch.cli.render import as_listed, print_answer, print_paths
from mmsearch.types import LEVELS, counted, modalities_named

if TYPE_CHECKING:
    from mmsearch import Answer, Notice, QueryLine, Reading
    from mmsearch.cli.lines import InputLine


@click.command()
@click.argument("terms", metavar="TERM...", nargs=-1, shell_complete=completers.files)
@click.option(
    "--minus",
    metavar="TERM",
    multiple=True,
    shell_complete=completers.files,
    help="Push the query away from this; repeatable.",
)
@click.option(
    "--like",
    metavar="ID|FILE",
    multiple=True,
    shell_complete=completers.files,
    help="Move the query towards this: a hit's id (-v shows it) or a file; repeatable.",
)
@click.option(
    "--unlike",
    metavar="ID|FILE",
    multiple=True,
    shell_complete=completers.files,
    help="Leave this out, and move the query a little away; repeatable.",
)
@click.option("-k", default=10, show_default=True, help="Number of hits.")
@click.option(
    "--min",
    "min_level",
    metavar="LEVEL",
    shell_complete=completers.least_levels,
    help="Leave out hits of a lower level than strong, likely or weak.",
)
@click.option(
    "--to",
    metavar="MODALITY",
    multiple=True,
    shell_complete=completers.modalities,
    help="Answer only with image, text, audio or video; repeatable.",
)
@click.option("--under", metavar="DIR", shell_complete=completers.folders, help="Only files in this folder.")
@click.option("--after", metavar="DATE", help="Only files taken (else changed) on this date or later.")
@click.option("--before", metavar="DATE", help="Only files taken (else changed) before this date.")
@click.option("--where", metavar="CONDITION", help='Only rows that fulfil a condition, such as "width > 1000".')
@click.option("--near", metavar="LAT,LON[,KM]", help="Only what was made near a position, such as 38.7,-9.1,10km.")
@click.option("--place", metavar="NAME", help="Only what was made in this town, region or country.")
@click.option("--camera", metavar="NAME", help="Only what was made with this camera: all of its words or some.")
@click.option(
    "--sort",
    metavar="ORDER",
    shell_complete=completers.orders,
    help="relevance (the default), newest or oldest: by date, good hits alone.",
)
@click.option("--text", is_flag=True, help="Take all TERMs literally: no files, weights, moments or +.")
@click.option("--literal", is_flag=True, help="Read no dates, places, kinds, cameras or negations out of words.")
@click.option(
    "--transcribe",
    default="auto",
    metavar="MODEL",
    shell_complete=completers.transcribers,
    help="The model that reads what is said in say:FILE (auto: one that is here).",
)
@click.option("--lexical", is_flag=True, help="Find only what holds words of the query to the letter.")
@click.option("--semantic", is_flag=True, help="Find by meaning alone, not by the letter.")
@click.option("--all-spans", is_flag=True, help="List each moment of a film or sound, not only the best.")
@click.option("--include-self", is_flag=True, help="Let the query file be a hit.")
@click.option("--exact", is_flag=True, help="Compare every row, even if there is an index.")
@click.option("--flat", is_flag=True, help="List hits of several kinds by rank, not grouped by kind.")
@click.option("--paths", is_flag=True, help="Print only paths, one per line.")
@click.option("--print0", is_flag=True, help="Print only paths, each ended by NUL, for xargs -0.")
@click.option("--gone", is_flag=True, help="With --paths or --print0: keep files that are gone.")
@click.option("--preview", is_flag=True, help="Show small pictures, and frames of films at the hit, below the table.")
@click.option("--open", "open_", is_flag=True, help="Open the first hit, a film or sound at its time.")
@click.option("--no-server", is_flag=True, help="Load models here, even if a server of the collection is running.")
@device_option
@precision_option
@common_options
@command
def query(
    terms: tuple[str, ...],
    minus: tuple[str, ...],
    like: tuple[str, ...],
    unlike: tuple[str, ...],
    k: int,
    min_level: str | None,
    to: tuple[str, ...],
    under: str | None,
    after: str | None,
    before: str | None,
    where: str | None,
    near: str | None,
    place: str | None,
    camera: str | None,
    sort: str | None,
    text: bool,
    literal: bool,
    transcribe: str,
    lexical: bool,
    semantic: bool,
    all_spans: bool,
    include_self: bool,
    exact: bool,
    flat: bool,
    paths: bool,
    print0: bool,
    gone: bool,
    preview: bool,
    open_: bool,
    no_server: bool,
    device: str,
    precision: str,
    collection: Path | None,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """Search by words or by example.

    Neighbouring words are one phrase. Several TERMs make one query: a quoted phrase, a file, a moment of a film or
    sound (FILE@1:23 or FILE@1:23-1:31), a word with a weight (TERM^2 or 2:TERM). A lone + separates terms. text: before
    a word takes it literally, file: names a file, say: asks what is said in a sound or film. A lone - reads queries
    from standard input, one per line.

    Words are read further: "beach without people in July 2023", "photos of dogs in Lisbon". --literal leaves it.
    """
    from mmsearch import read_query_line
    from mmsearch.cli.watch import reading_shown

    if not (terms or like or unlike):
        raise click.MissingParameter(param_type="argument", param_hint="'TERM...'")
    options: dict[str, Any] = {
        "min_level": min_level,
        "to": modalities_named(to),
        "under": under,
        "after": after,
        "before": before,
        "where": where,
        "near": near,
        "place": place,
        "camera": camera,
        "sort": sort,
        "all_spans": all_spans,
        "include_self": include_self,
        "exact": exact,
        "mode": _mode(lexical, semantic),
    }
    output = _Output(as_json, paths, print0, gone, flat, quiet, verbose, min_level)
    many = terms == ("-",)
    if many and (preview or open_):
        raise UsageError("--preview and --open show one answer, not those to many lines")
    if preview and (as_json or paths or print0):
        raise UsageError("--preview draws below the table of hits: leave out --json, --paths and --print0")
    with Answerer(collection_path(collection), device, precision, use_server=not no_server) as opened:
        read_line = partial(
            read_query_line,
            minus=minus,
            like=like,
            unlike=unlike,
            as_text=text,
            literal=literal,
            known=opened.names,
            transcribe=transcribe,
        )
        if many:
            _answer_lines(opened, read_line, k, options, output)
            return
        line = read_line(terms)
        with reading_shown(output.is_silent) as watch:
            answer = line.explain(opened.ask(line.query, k, watch=watch, **line.options_with(options)))
    output.say_notices((*line.notices, *answer.notices))
    output.show(answer, reading=line.reading)
    if preview:
        from mmsearch.cli.preview import print_previews

        print_previews([hit for group in as_listed(answer.hits, flat=flat) for hit in group.hits])
    if open_ and answer.hits:
        from mmsearch.cli.play import open_hit

        open_hit(answer.hits[0])


def _mode(lexical: bool, semantic: bool) -> str:
    if lexical and semantic:
        raise UsageError("--lexical and --semantic exclude each other: leave both out to find by both")
    return "lexical" if lexical else "semantic" if semantic else "hybrid"


def _answer_lines(
    opened: Answerer,
    read_line: Callable[[Sequence[str]], QueryLine],
    k: int,
    options: dict[str, Any],
    output: _Output,
) -> None:
    """Answer each line of standard input, which is one TERM; exit with code 1 if a line could not be answered."""
    from mmsearch.cli.lines import answer_lines
    from mmsearch.cli.watch import reading_shown

    def show(line: InputLine, read: QueryLine, answer: Answer) -> None:
        answer = read.explain(answer)
        output.say_notices((*read.notices, *answer.notices), f"line {line.number}: ")
        output.show(answer, line, read.reading)

    def ask(read: list[QueryLine]) -> list[Answer | MMSearchError]:
        found: dict[int, Answer | MMSearchError] = {}
        alike: dict[str, list[int]] = {}
        for i, line in enumerate(read):
            alike.setdefault(repr(line.options_with(options)), []).append(i)
        with reading_shown(output.is_silent) as watch:
            for places in alike.values():
                own = read[places[0]].options_with(options)
                queries = [read[i].query for i in places]
                found.update(zip(places, opened.ask_many(queries, k, watch=watch, **own), strict=True))
        return [found[i] for i in range(len(read))]

    if sys.stdin is None:
        raise UsageError("standard input is closed: there are no queries to read")
    failed = answer_lines(
        sys.stdin.buffer,
        lambda words: read_line([words]),
        ask,
        show,
    )
    if failed:
        raise click.exceptions.Exit(FAILED)


@dataclass(slots=True)
class _Output:
    """Prints answers as the options ask: as a table, JSON or paths."""

    as_json: bool
    paths: bool
    print0: bool
    gone: bool
    flat: bool
    quiet: bool
    verbose: bool
    min_level: str | None
    _shown: int = 0

    @property
    def is_silent(self) -> bool:
        """Whether no progress is shown."""
        return self.quiet or self.as_json

    def say_notices(self, notices: Iterable[str | Notice], where: str = "") -> None:
        if not self.quiet:
            for notice in notices:
                say(where + with_hint(str(notice), None if isinstance(notice, str) else notice.hint))

    def show(self, answer: Answer, line: InputLine | None = None, reading: Reading | None = None) -> None:
        """Print an answer. ``line``: the query, if there are several; it becomes a heading."""
        where = "" if line is None else f"line {line.number}: "
        if self.as_json:
            numbered = {} if line is None else {"line": line.number}
            read = {} if reading is None or reading.is_plain else {"reading": reading.to_json()}
            print_json({**numbered, **read, **answer.to_json()})
        elif self.paths or self.print0:
            self._show_paths(answer, where)
        else:
            if line is not None:
                echo(("\n" if self._shown else "") + terminal_safe(f"# {line.words}"))
            print_answer(as_listed(answer.hits, flat=self.flat), answer.level, verbose=self.verbose)
            if not answer.hits and not self.quiet and (why := self._why_none(answer)):
                say(where + why)
        if self.verbose:
            say(where + "took " + ", ".join(f"{stage} {ms:.0f} ms" for stage, ms in answer.took_ms.items()))
        self._shown += 1

    def _why_none(self, answer: Answer) -> str:
        """Why there is no hit; empty if a notice has said it."""
        if any(
            notice.kind in (NoticeKind.LEVELS_UNKNOWN, NoticeKind.READING_LEAVES_NOTHING) for notice in answer.notices
        ):
            return ""
        if self.min_level is None:
            return "no hits"
        return f"no hit is {self.min_level}" + ("" if self.min_level == LEVELS[0] else " or better")

    def _show_paths(self, answer: Answer, where: str) -> None:
        there = [hit for hit in answer.hits if self.gone or hit.state != "gone"]
        print_paths(dict.fromkeys(hit.path for hit in there), "\0" if self.print0 else "\n")
        if (left_out := len(answer.hits) - len(there)) and not self.quiet:
            hits = counted(left_out, "hit is", "hits are")
            say(f"{where}{hits} left out: the file is gone; --gone keeps it")
