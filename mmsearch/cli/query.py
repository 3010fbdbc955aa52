"""``mmsearch query``: search by words or by example."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mmsearch import MMSearchError, NoticeKind, UsageError
from mmsearch.cli import completers
from mmsearch.cli.answerer import Answerer
from mmsearch.cli.exit_codes import FAILED
from mmsearch.cli.hints import with_hint
from mmsearch.cli.options import collection_path, command, common_options, device_option, precision_option
from mmsearch.cli.output import echo, print_json, say, terminal_safe
from mmsearch.cli.render import as_listed, print_answer, print_paths
from mmsearch.cli.search_options import Asked, search_options, takes_asked
from mmsearch.types import LEVELS, counted

if TYPE_CHECKING:
    from mmsearch import Answer, Notice, QueryLine, Reading
    from mmsearch.cli.lines import InputLine
    from mmsearch.cli.saved_queries import NamedLine


@click.command()
@click.argument("terms", metavar="TERM...", nargs=-1, shell_complete=completers.terms)
@search_options
@click.option("--copies", is_flag=True, help="List each copy of a file, not one of them.")
@click.option("--flat", is_flag=True, help="List hits of several kinds by rank, not grouped by kind.")
@click.option("--paths", is_flag=True, help="Print only paths, one per line.")
@click.option("--print0", is_flag=True, help="Print only paths, each ended by NUL, for xargs -0.")
@click.option("--gone", is_flag=True, help="With --paths or --print0: keep files that are gone.")
@click.option("--preview", is_flag=True, help="Show small pictures, and frames of films at the hit, below the table.")
@click.option("--open", "open_", is_flag=True, help="Open the first hit, a film or sound at its time.")
@click.option("--new", is_flag=True, help="Of @NAME, only hits that have come since the last look with --new.")
@click.option("--watch", "watch_", is_flag=True, help="Go on, and print new hits as files are indexed, until Ctrl-C.")
@click.option("--no-server", is_flag=True, help="Load models here, even if a server of the collection is running.")
@device_option
@precision_option
@common_options
@command
@takes_asked
def query(
    terms: tuple[str, ...],
    asked: Asked,
    copies: bool,
    flat: bool,
    paths: bool,
    print0: bool,
    gone: bool,
    preview: bool,
    open_: bool,
    new: bool,
    watch_: bool,
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

    @NAME is a saved search (see `mmsearch save`); TERMs after it are added to it. Lines may begin with it, too.
    """
    from mmsearch.cli.watch import reading_shown

    if not (terms or asked.has_marks):
        raise click.MissingParameter(param_type="argument", param_hint="'TERM...'")
    if copies:
        asked = replace(asked, options={**asked.options, "copies": True})
    output = Output(as_json, paths, print0, gone, flat, quiet, verbose, asked.options["min_level"])
    named = asked.is_name(terms)
    many = terms == ("-",)
    if many and (preview or open_ or watch_):
        raise UsageError("--preview, --open and --watch show one answer, not those to many lines")
    if preview and (as_json or paths or print0):
        raise UsageError("--preview draws below the table of hits: leave out --json, --paths and --print0")
    if new and not named:
        raise UsageError("--new shows what has come to a saved search: query @NAME --new")
    home = collection_path(collection)
    with Answerer(home, device, precision, use_server=not no_server) as opened:
        if many:
            _answer_lines(opened, home, asked, output)
            return
        if watch_:
            from mmsearch.cli.saved_queries import follow

            follow(opened, home, terms, asked, output, new=new)
            return
        with reading_shown(output.is_silent) as watch:
            if named:
                from mmsearch.cli.saved_queries import first_look

                look = first_look(opened, home, terms, asked, watch, output, new=new)
                line, answer = look.line, look.answer
            else:
                line = asked.read(terms).read(known=opened.names)
                found = opened.ask(line.query, asked.wanted, watch=watch, **line.options_with(asked.options))
                answer = line.explain(found)
    output.say_notices((*line.notices, *answer.notices))
    output.show(answer, reading=line.reading)
    if named:
        look.note(output)
    if preview:
        from mmsearch.cli.preview import print_previews

        print_previews([hit for group in as_listed(answer.hits, flat=flat) for hit in group.hits])
    if open_ and answer.hits:
        from mmsearch.cli.play import open_hit

        open_hit(answer.hits[0], home)


def _answer_lines(opened: Answerer, home: Path, asked: Asked, output: Output) -> None:
    """Answer each line of standard input, which is one TERM, or @NAME and one; exit with code 1 if one has none."""
    from mmsearch import QueryLine
    from mmsearch.cli.lines import answer_lines, check_unicode
    from mmsearch.cli.watch import reading_shown

    def show(line: InputLine, read: QueryLine, answer: Answer) -> None:
        output.say_notices((*read.notices, *answer.notices), f"line {line.number}: ")
        output.show(answer, line, read.reading)

    def read(words: str) -> QueryLine | NamedLine:
        if asked.is_name(words.split(maxsplit=1)):
            from mmsearch.cli.saved_queries import named_line

            return named_line(home, words, asked)
        line = asked.read([words]).read(known=opened.names)
        check_unicode(line.query.terms)
        return line

    def ask(lines: list[QueryLine | NamedLine]) -> list[tuple[QueryLine, Answer] | MMSearchError]:
        found: dict[int, tuple[QueryLine, Answer] | MMSearchError] = {}
        alike: dict[str, list[tuple[int, QueryLine]]] = {}
        with reading_shown(output.is_silent) as watch:
            for i, line in enumerate(lines):
                if isinstance(line, QueryLine):
                    alike.setdefault(repr(line.options_with(asked.options)), []).append((i, line))
                else:
                    found[i] = line.ask(opened, watch)
            for group in alike.values():
                own = group[0][1].options_with(asked.options)
                answers = opened.ask_many([line.query for _, line in group], asked.wanted, watch=watch, **own)
                for (i, line), answer in zip(group, answers, strict=True):
                    found[i] = answer if isinstance(answer, MMSearchError) else (line, line.explain(answer))
        return [found[i] for i in range(len(lines))]

    if sys.stdin is None:
        raise UsageError("standard input is closed: there are no queries to read")
    if answer_lines(sys.stdin.buffer, read, ask, show):
        raise click.exceptions.Exit(FAILED)


@dataclass(slots=True)
class Output:
    """Prints answers as the options ask: as a table, JSON or paths."""

    as_json: bool
    paths: bool
    print0: bool
    gone: bool
    flat: bool
    quiet: bool
    verbose: bool
    min_level: str | None
    none: str = ""
    _shown: int = 0

    @property
    def is_silent(self) -> bool:
        """Whether no progress is shown."""
        return self.quiet or self.as_json

    def say_notices(self, notices: Iterable[str | Notice], where: str = "") -> None:
        """Print notices, each after ``where``."""
        if not self.quiet:
            for notice in notices:
                say(where + with_hint(str(notice), None if isinstance(notice, str) else notice.hint))

    def show(
        self, answer: Answer, line: InputLine | None = None, reading: Reading | None = None, heading: str = ""
    ) -> None:
        """Print an answer. ``line``: the query, if there are several; it becomes the heading."""
        where = "" if line is None else f"line {line.number}: "
        if self.as_json:
            numbered = {} if line is None else {"line": line.number}
            read = {} if reading is None or reading.is_plain else {"reading": reading.to_json()}
            print_json({**numbered, **read, **answer.to_json()})
        elif self.paths or self.print0:
            self._show_paths(answer, where)
        else:
            if line is not None:
                heading = f"{line.words}"
            if heading:
                echo(("\n" if self._shown else "") + terminal_safe(f"# {heading}"))
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
        if self.none:
            return self.none
        if self.min_level is None:
            return "no hits"
        return f"no hit is {self.min_level}" + ("" if self.min_level == LEVELS[0] else " or better")

    def _show_paths(self, answer: Answer, where: str) -> None:
        there = [hit for hit in answer.hits if self.gone or hit.state != "gone"]
        print_paths(dict.fromkeys(hit.path for hit in there), "\0" if self.print0 else "\n")
        if (left_out := len(answer.hits) - len(there)) and not self.quiet:
            hits = counted(left_out, "hit is", "hits are")
            say(f"{where}{hits} left out: the file is gone; --gone keeps it")
