"""The options that say what is searched, of `mmsearch query` and of `mmsearch save`."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import click

from mmsearch import LineTerms, UsageError
from mmsearch.cli import completers
from mmsearch.cli.options import under_option
from mmsearch.types import modalities_named

DEFAULT_K = 10
_NAME = re.compile(r"@[^\W_][\w-]*")
_MARKS = (
    click.option(
        "--minus",
        metavar="TERM",
        multiple=True,
        shell_complete=completers.files,
        help="Push the query away from this; repeatable.",
    ),
    click.option(
        "--like",
        metavar="ID|FILE",
        multiple=True,
        shell_complete=completers.files,
        help="Move the query towards this: a hit's id (-v shows it) or a file; repeatable.",
    ),
    click.option(
        "--unlike",
        metavar="ID|FILE",
        multiple=True,
        shell_complete=completers.files,
        help="Leave this out, and move the query a little away; repeatable.",
    ),
)
_FILTERS = (
    click.option("-k", type=int, help="Number of hits (10)."),
    click.option(
        "--min",
        "min_level",
        metavar="LEVEL",
        shell_complete=completers.least_levels,
        help="Leave out hits of a lower level than strong, likely or weak.",
    ),
    click.option(
        "--to",
        metavar="MODALITY",
        multiple=True,
        shell_complete=completers.modalities,
        help="Answer only with image, text, audio or video; repeatable.",
    ),
    under_option,
    click.option("--after", metavar="DATE", help="Only files taken (else changed) on this date or later."),
    click.option("--before", metavar="DATE", help="Only files taken (else changed) before this date."),
    click.option("--where", metavar="CONDITION", help='Only rows that fulfil a condition, such as "width > 1000".'),
    click.option("--near", metavar="LAT,LON[,KM]", help="Only what was made near a position, such as 38.7,-9.1,10km."),
    click.option("--place", metavar="NAME", help="Only what was made in this town, region or country."),
    click.option("--camera", metavar="NAME", help="Only what was made with this camera: all of its words or some."),
    click.option(
        "--sort",
        metavar="ORDER",
        shell_complete=completers.orders,
        help="relevance (the default), newest or oldest: by date, good hits alone.",
    ),
)
_READING = (
    click.option("--text", is_flag=True, help="Take all TERMs literally: no files, weights, moments or +."),
    click.option("--literal", is_flag=True, help="Read no dates, places, kinds, cameras or negations out of words."),
    click.option(
        "--transcribe",
        default="auto",
        metavar="MODEL",
        shell_complete=completers.transcribers,
        help="The model that reads what is said in say:FILE (auto: one that is here).",
    ),
    click.option("--lexical", is_flag=True, help="Find only what holds words of the query to the letter."),
    click.option("--semantic", is_flag=True, help="Find by meaning alone, not by the letter."),
    click.option("--all-spans", is_flag=True, help="List each moment of a film or sound, not only the best."),
    click.option("--include-self", is_flag=True, help="Let the query file be a hit."),
    click.option("--exact", is_flag=True, help="Compare every row, even if there is an index."),
)


@dataclass(frozen=True, slots=True)
class Asked:
    """What these options say.

    Attributes:
        k: the number of hits; None if it was not given.
        options: keywords of `Collection.search`; those that were not given are None, False or empty.
        reading: keywords of `read_line_terms`.
    """

    k: int | None
    options: dict[str, Any]
    reading: dict[str, Any]

    @property
    def wanted(self) -> int:
        """The number of hits."""
        return DEFAULT_K if self.k is None else self.k

    @property
    def has_marks(self) -> bool:
        """Whether something is liked or not."""
        return bool(self.reading["like"] or self.reading["unlike"])

    def is_name(self, terms: Sequence[str]) -> bool:
        """Whether TERMs begin with the name of a saved search."""
        return bool(terms) and not self.reading["as_text"] and _NAME.fullmatch(terms[0]) is not None

    def read(self, terms: Sequence[str]) -> LineTerms:
        """The TERMs, with the options that belong to them.

        Raises:
            MMSearchError: what `read_line_terms` raises.
        """
        from mmsearch import read_line_terms

        return read_line_terms(terms, **self.reading)


def search_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """All of these options, for a command with `takes_asked`."""
    for option in reversed((*_MARKS, *_FILTERS, *_READING)):
        function = option(function)
    return function


def takes_asked(function: Callable[..., Any]) -> Callable[..., Any]:
    """Have a command get all of `search_options` as one argument ``asked``, an `Asked`."""

    @functools.wraps(function)
    def run(**given: Any) -> Any:
        reading = {name: given.pop(name) for name in ("minus", "like", "unlike", "literal", "transcribe")}
        reading["as_text"] = given.pop("text")
        names = ("min_level", "under", "after", "before", "where", "near", "place", "camera", "sort")
        options = {name: given.pop(name) for name in (*names, "all_spans", "include_self", "exact")}
        options["to"] = modalities_named(given.pop("to"))
        options["mode"] = _mode(given.pop("lexical"), given.pop("semantic"))
        return function(asked=Asked(given.pop("k"), options, reading), **given)

    return run


def _mode(lexical: bool, semantic: bool) -> str | None:
    if lexical and semantic:
        raise UsageError("--lexical and --semantic exclude each other: leave both out to find by both")
    return "lexical" if lexical else "semantic" if semantic else None
