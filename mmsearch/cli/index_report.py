"""Printing of an indexing report: notes about files, grouped by reason, and a line of counts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from mmsearch.cli.hints import with_hint, worded
from mmsearch.cli.output import echo, say
from mmsearch.types import counted

if TYPE_CHECKING:
    from mmsearch import FileNote, PassedOver, Report

_NAMES = 3
"""Names shown for each kind of files that were passed over."""

_FEW = 5
"""Up to so many notes are printed one by one."""

_REASONS = 20
"""The most groups of notes that are printed without ``-v``."""


def print_report(report: Report, dry_run: bool, quiet: bool, verbose: bool) -> None:
    """Print notes to stderr, and one line of counts to stdout. For a dry run they say what would be done."""
    for notice in report.notices:
        say(with_hint(str(notice), notice.hint))
    for kept in report.kept:
        say(with_hint(kept.reason, kept.hint))
    if not quiet:
        print_skipped(report.skipped, dry_run, verbose)
        _print_notes("used in part", [note for note in report.marked if note.kind == "part"], verbose)
        _print_notes("note", [note for note in report.marked if note.kind == "whole"], verbose)
        _print_notes("to embed again", [note for note in report.marked if note.kind == "again"], verbose)
        columns = [note for note in report.marked if note.kind == "column"]
        _print_notes("note", columns, verbose, "; --text-column names another")
        _print_passed_over(report.passed_over)
    counts = [
        (report.indexed, "to read" if dry_run else "indexed"),
        (report.unchanged, "unchanged"),
        (report.moved, "moved"),
        (report.removed, "to forget" if dry_run else "removed"),
        (len(report.skipped), "to skip" if dry_run else "skipped"),
    ]
    text = ", ".join(f"{count:,} {what}" for count, what in counts if count) or "nothing to do"
    rate = 0 if dry_run else report.indexed / report.seconds
    speed = f", {counted(round(rate), 'file')}/s" if rate >= 1 else ""
    echo(f"{counted(report.found, 'file')}: {text} ({report.seconds:.1f} s{speed})")
    if report.interrupted:
        say("stopped: what was embedded is kept; the same command goes on from there")


def _print_passed_over(passed: Sequence[PassedOver]) -> None:
    """Print one line: the number and the names of the files and folders of each kind that were passed over."""
    kinds = []
    for one in passed:
        names = ", ".join(one.names[:_NAMES]) + (", …" if len(one.names) > _NAMES else "")
        kinds.append((f"{one.count:,} × " if one.count > 1 else "") + f"{one.kind} ({names})")
    if kinds:
        say(f"passed over: {'; '.join(kinds)}")


def print_skipped(notes: Sequence[FileNote], dry_run: bool, verbose: bool) -> None:
    """Print new skipped files, and the number of those that an earlier run listed; a dry run and ``-v`` print all."""
    new = [note for note in notes if verbose or dry_run or not note.known]
    _print_notes("to skip" if dry_run else "skipped", new, verbose)
    if known := len(notes) - len(new):
        say(f"skipped: {known:,} known from before (listed by `mmsearch status --skipped`)")


def _print_notes(what: str, notes: Sequence[FileNote], verbose: bool, advice: str = "") -> None:
    """Print notes grouped by reason, the most frequent first; one by one with ``-v`` or if there are only a few."""
    groups: dict[object, list[FileNote]] = {}
    for i, note in enumerate(notes):
        groups.setdefault(i if verbose or len(notes) <= _FEW else _kind(note.reason), []).append(note)
    ordered = sorted(groups.values(), key=len, reverse=True)
    shown = len(ordered) if verbose else _REASONS
    for same in ordered[:shown]:
        say(f"{what}: {_as_one(same)}{advice}")
    if others := sum(map(len, ordered[shown:])):
        say(f"{what}: {counted(others, 'file')} for other reasons; -v lists every file")


def _as_one(notes: Sequence[FileNote]) -> str:
    """One line for notes of the same kind, with one file as an example."""
    first = notes[0]
    if len(notes) == 1:
        return f"{first.path}: {with_hint(first.reason, first.hint)}"
    if all(note.reason == first.reason for note in notes):
        return f"{len(notes):,} × {first.reason} (such as {first.path})" + (
            "" if first.hint is None else f"; {worded(first.hint)}"
        )
    return f"{counted(len(notes), 'file')} such as {first.path}: {with_hint(first.reason, first.hint)}"


def _kind(reason: str) -> str:
    """A reason without its numbers and quoted names, which differ from file to file."""
    return re.sub(r"'[^']*'|\d+([.,]\d+)*", "…", reason)
